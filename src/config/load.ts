/**
 * The way from a file, flags and environment to a configuration, or to all of its faults.
 *
 * @module
 */

import * as v from "valibot";
import { buildConfig, type ConfigFlags, DEFAULT_FILE, NO_FLAGS } from "./build.ts";
import type { Config, Place } from "./config.ts";
import type { Fault } from "./fault.ts";
import { FaultList, pathInFile, type SourceFile } from "./fault_list.ts";
import { resolveFrom } from "../paths.ts";
import { formatKeyPath, type KeyPath } from "./key_path.ts";
import { FILE, type FileInput } from "./schema.ts";

export { type ConfigFlags, DEFAULT_FILE, NO_FLAGS } from "./build.ts";

/** A larger file is no configuration, in bytes. 10,000 routes take less than one MiB. */
const FILE_BYTES_MAX = 8 * 2 ** 20;

/** Where a configuration comes from. */
export interface LoadInput {
  /** The file that the user named; null: `pollux.yaml`, if there is one. */
  readonly file: string | null;
  /** The command line. */
  readonly flags?: ConfigFlags;
  /** The environment: TMPDIR, TEMP. */
  readonly env: { get(name: string): string | undefined };
  /** The working directory, absolute. */
  readonly cwd: string;
  /** Whether places are wanted in the configuration too; it costs 60 ms. */
  readonly places?: boolean;
}

/** A configuration, with what is legal but unwise in it. */
export interface Loaded {
  /** Complete and frozen. */
  readonly config: Config;
  /** Warnings that came up while it was read. */
  readonly warnings: readonly Fault[];
  /** The key of each route by its id: `sites[0].routes[1]`, or a flag. */
  readonly routeKeys: ReadonlyMap<number, string>;
}

/** What loading gives: a configuration, or why there is none. */
export type LoadResult = Loaded | { readonly faults: readonly Fault[] };

/** Reads, checks and completes the configuration. Nothing is thrown for anything that a user can write. */
export async function loadConfig(input: LoadInput): Promise<LoadResult> {
  const { cwd, flags = NO_FLAGS } = input;
  const name = input.file ?? DEFAULT_FILE;
  const path = resolveFrom(cwd, name);
  const bytes = await readFile(path, name, input.file !== null);
  if (bytes !== null && "fault" in bytes) return { faults: [bytes.fault] };

  let source: SourceFile | null = null;
  if (bytes !== null) {
    const { readYaml } = await import("./read.ts");
    const read = readYaml(bytes.bytes);
    if ("fault" in read) return { faults: [errorOf(name, read.place, read.fault)] };
    if (read.value === null) {
      // A file that is being written is empty for a moment: a reload must not take that for a wish.
      const message = "is empty: say at least what is served, as in `root: ./static`";
      return { faults: [errorOf(name, { line: 1, column: 1 }, message)] };
    }
    source = { name, text: read.text, value: read.value };
  }
  const faults = new FaultList(source);
  const { output, isPartial } = validate(source?.value ?? {}, faults);
  if (output === null) return { faults: await faults.faults() };

  const built = buildConfig(output, {
    flags,
    cwd,
    file: source === null ? null : path,
    said: isBlock(source?.value) ? source.value : {},
    isPartial,
    systemTemp: resolveFrom(cwd, input.env.get("TMPDIR") ?? input.env.get("TEMP") ?? "/tmp"),
    faults,
    placeOf: await placesOf(source, input.places === true),
  });
  const found = await faults.faults();
  if (faults.hasErrors) return { faults: found };
  const routeKeys = [...built.routeKeys].map(([id, key]): [number, string] => [
    id,
    typeof key === "string" ? key : formatKeyPath(pathInFile(key, source?.value)),
  ]);
  return { config: built.config, warnings: found, routeKeys: new Map(routeKeys) };
}

/**
 * Checks against the schema. Where keys have faults, the rest is checked without them, so that one run names the faults
 * of both kinds: those of the text and those of what it means.
 */
function validate(value: unknown, faults: FaultList): { output: FileInput | null; isPartial: boolean } {
  const first = v.safeParse(FILE, value);
  if (first.success) return { output: first.output, isPartial: false };
  for (const issue of first.issues) {
    const last = issue.path?.at(-1);
    const at = last !== undefined && "origin" in last && last.origin === "key" ? "key" : "value";
    faults.error(pathOf(issue), issue.message, at);
  }
  const rest: unknown = structuredClone(value);
  let issues: readonly v.BaseIssue<unknown>[] = first.issues;
  for (let round = 0; round < 3; round++) {
    for (const issue of issues) {
      if (!takeOut(rest, pathInFile(pathOf(issue), rest))) return { output: null, isPartial: true };
    }
    const again = v.safeParse(FILE, rest);
    if (again.success) return { output: again.output, isPartial: true };
    issues = again.issues;
  }
  return { output: null, isPartial: true };
}

function pathOf(issue: v.BaseIssue<unknown>): KeyPath {
  return (issue.path ?? []).map((item) => typeof item.key === "number" ? item.key : String(item.key));
}

/** A route in the place of one that has a fault: the others keep their numbers. */
const PLACEHOLDER = { respond: "" };
let placeholders = 0;

/** Takes what has a fault out of the tree; false where that is everything. */
function takeOut(root: unknown, path: KeyPath): boolean {
  const route = path.findIndex((step, index) => step === "routes" && typeof path[index + 1] === "number");
  const site = path.length === 2 && path[0] === "sites";
  if (route !== -1) {
    const list = valueAt(root, path.slice(0, route + 1));
    if (Array.isArray(list)) {
      list[Number(path[route + 1])] = { ...PLACEHOLDER, path: `/pollux-fault-${placeholders++}` };
    }
    return true;
  }
  if (site) {
    const list = valueAt(root, ["sites"]);
    if (Array.isArray(list)) list[Number(path[1])] = {};
    return true;
  }
  for (let depth = path.length - 1; depth >= 0; depth--) {
    const step = path[depth];
    if (typeof step === "number" || (step === "sites" && depth === 0)) continue;
    const block = valueAt(root, path.slice(0, depth));
    if (isBlock(block)) delete block[step];
    return true;
  }
  return false;
}

function valueAt(root: unknown, path: KeyPath): unknown {
  let node = root;
  for (const step of path) {
    if (typeof node !== "object" || node === null) return undefined;
    node = (node as Record<string | number, unknown>)[step];
  }
  return node;
}

function isBlock(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

async function placesOf(
  source: SourceFile | null,
  wanted: boolean,
): Promise<(path: KeyPath) => Place | null> {
  if (source === null || !wanted) return () => null;
  const { locate } = await import("./places.ts");
  const places = locate(source.text);
  return (path) => places.valueAt(pathInFile(path, source.value));
}

async function readFile(
  path: string,
  name: string,
  isNamed: boolean,
): Promise<{ bytes: Uint8Array } | { fault: Fault } | null> {
  try {
    const info = await Deno.stat(path);
    if (info.isDirectory) return { fault: errorOf(name, null, "is a folder: name a file") };
    // A pipe (`--config <(...)`) has no size, and is read to its end.
    if (info.isFile && info.size > FILE_BYTES_MAX) {
      return {
        fault: errorOf(
          name,
          null,
          `is larger than ${FILE_BYTES_MAX / 2 ** 20} MiB: that is no configuration`,
        ),
      };
    }
    return { bytes: await Deno.readFile(path) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return isNamed
        ? { fault: errorOf(name, null, "there is no such file: make one with pollux init") }
        : null;
    }
    if (error instanceof Deno.errors.PermissionDenied) {
      return { fault: errorOf(name, null, "may not be read by this user: change its mode or owner") };
    }
    if (error instanceof Deno.errors.NotCapable || !(error instanceof Error)) throw error;
    return { fault: errorOf(name, null, `cannot be read: ${error.message}`) };
  }
}

function errorOf(file: string, place: Place | null, message: string): Fault {
  return { severity: "error", file, place, key: "", message };
}
