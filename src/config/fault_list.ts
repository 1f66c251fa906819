/**
 * Faults as they are found, by the path of their key; their places in the file are looked up at the end, if there are any.
 *
 * @module
 */

import type { Place } from "./config.ts";
import type { Fault } from "./fault.ts";
import { formatKeyPath, type KeyPath } from "./key_path.ts";
import type { Places } from "./places.ts";

/** A message, perhaps one that names the lines of other keys. */
export type Message = string | ((lineOf: (path: KeyPath) => string) => string);

interface Found {
  readonly severity: "error" | "warning";
  /** A path in the file, or a flag such as `--listen`. */
  readonly path: KeyPath | string;
  readonly at: "key" | "value";
  readonly message: Message;
}

/** The file that faults are about. */
export interface SourceFile {
  /** As the user named it. */
  readonly name: string;
  /** Its whole text, in which places are counted. */
  readonly text: string;
  /** What was read from it: tells lists from single values, whose paths have no number. */
  readonly value: unknown;
}

/** Gathers faults. */
export class FaultList {
  readonly #source: SourceFile | null;
  readonly #found: Found[] = [];

  /**
   * Begins without faults.
   *
   * @param source The file; null when there are only flags and defaults.
   */
  constructor(source: SourceFile | null) {
    this.#source = source;
  }

  /** Whether there is an error among them. */
  get hasErrors(): boolean {
    return this.#found.some((found) => found.severity === "error");
  }

  /** Notes an error of the key at `path`, or of a flag. */
  error(path: KeyPath | string, message: Message, at: "key" | "value" = "value"): void {
    this.#found.push({ severity: "error", path, at, message });
  }

  /** Notes a warning about the key at `path`, or about a flag. */
  warn(path: KeyPath | string, message: Message): void {
    this.#found.push({ severity: "warning", path, at: "value", message });
  }

  /** All of them, each with its place and once, in the order of the file. */
  async faults(): Promise<Fault[]> {
    if (this.#found.length === 0) return [];
    const source = this.#source;
    const isAboutFile = source !== null && this.#found.some((found) => typeof found.path !== "string");
    const places = isAboutFile ? (await import("./places.ts")).locate(source.text) : null;
    const faults = this.#found.map((found) => toFault(found, source, places));
    faults.sort((a, b) =>
      (a.place?.line ?? 0) - (b.place?.line ?? 0) || (a.place?.column ?? 0) - (b.place?.column ?? 0)
    );
    return faults.filter((fault, index) =>
      index === 0 || fault.key !== faults[index - 1].key || fault.message !== faults[index - 1].message
    );
  }
}

/** The path as it is in the file: a value that stands for a list of one has no number. */
export function pathInFile(path: KeyPath, value: unknown): KeyPath {
  const steps: (string | number)[] = [];
  let node = value;
  for (const step of path) {
    // A text has nothing below it: an address as a text stands for the block with this address.
    if (typeof node === "string" && typeof step === "string") break;
    if (typeof step === "number" && !Array.isArray(node)) continue;
    steps.push(step);
    node = typeof node === "object" && node !== null
      ? (node as Record<string | number, unknown>)[step]
      : undefined;
  }
  return steps;
}

function toFault(found: Found, source: SourceFile | null, places: Places | null): Fault {
  const { severity, path, at, message } = found;
  const placeOf = (path: KeyPath, at: "key" | "value"): Place | null => {
    const inFile = pathInFile(path, source?.value);
    return at === "key" ? places?.keyAt(inFile) ?? null : places?.valueAt(inFile) ?? null;
  };
  const lineOf = (path: KeyPath) => {
    const place = placeOf(path, "value");
    return place === null ? formatKeyPath(path) : `line ${place.line}`;
  };
  const said = typeof message === "string" ? message : message(lineOf);
  if (typeof path === "string" || source === null) {
    const key = typeof path === "string" ? path : formatKeyPath(path);
    return { severity, file: null, place: null, key, message: said };
  }
  return {
    severity,
    file: source.name,
    place: placeOf(path, at),
    key: formatKeyPath(pathInFile(path, source.value)),
    message: said,
  };
}
