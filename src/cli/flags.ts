/**
 * Every flag of every command, in one table each: what is parsed and what help says come from the same lines.
 *
 * @module
 */

import { nearest } from "./suggest.ts";

/** A flag. */
export interface Flag {
  /** Without its dashes: `config`. */
  readonly name: string;
  /** One letter, for `-X`. */
  readonly short?: string;
  /** What its value is called in help; null: it has none. */
  readonly value: string | null;
  /** Values that a shell may offer, where they are known. */
  readonly words?: readonly string[];
  /** Whether it may be given more than once. */
  readonly isRepeatable?: boolean;
  /** What it is for, in a few words. */
  readonly text: string;
  /** The key of the configuration that it beats; null: none. */
  readonly key: string | null;
}

/** Flags that every command has. */
export const COMMON_FLAGS = [
  { name: "help", short: "h", value: null, text: "this page", key: null },
] as const satisfies readonly Flag[];

/** `--config`, which most commands have. */
export const CONFIG_FLAG = {
  name: "config",
  value: "FILE",
  text: "the configuration; pollux.yaml, if there is one",
  key: null,
} as const satisfies Flag;

/** The flags of `explain`. */
export const EXPLAIN_FLAGS = [
  CONFIG_FLAG,
  { name: "permissions", value: null, text: "what each loop may do, and why", key: null },
] as const satisfies readonly Flag[];

/** The flags of `serve`. */
export const SERVE_FLAGS = [
  CONFIG_FLAG,
  {
    name: "listen",
    value: "ADDRESS",
    isRepeatable: true,
    text: "127.0.0.1:8080, :80, [::1]:80, unix:/path; repeatable",
    key: "listen",
  },
  { name: "root", value: "DIR", text: "the folder of files, or one script", key: "root" },
  { name: "cgi-bin", value: "DIR", text: "the folder of scripts, at /cgi-bin/", key: "routes" },
  {
    name: "workers",
    value: "N|auto",
    words: ["auto"],
    text: "event loops; auto: one a core",
    key: "workers",
  },
  { name: "dev", value: null, text: "script failures in the browser, pages that reload", key: null },
  {
    name: "log-format",
    value: "FORMAT",
    words: ["combined", "common", "json"],
    text: "combined, common or json",
    key: "log.format",
  },
  { name: "quiet", value: null, text: "only warnings and errors; no access log", key: null },
] as const satisfies readonly Flag[];

/** The flags of `exec`. */
export const EXEC_FLAGS = [
  {
    name: "method",
    short: "X",
    value: "METHOD",
    words: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
    text: "GET, or POST with data",
    key: null,
  },
  {
    name: "header",
    short: "H",
    value: "FIELD",
    isRepeatable: true,
    text: "'Name: value'; repeatable",
    key: null,
  },
  { name: "data", short: "d", value: "DATA", text: "the body; @FILE, or @- for standard input", key: null },
  { name: "env", value: null, text: "print the variables instead of running it", key: null },
  CONFIG_FLAG,
] as const satisfies readonly Flag[];

/** What a command line says. */
export interface ParsedFlags {
  /** The values of each flag that was given; one empty text for a flag without value. */
  readonly flags: ReadonlyMap<string, readonly string[]>;
  /** What is no flag and no value of one, in order. */
  readonly positionals: readonly string[];
}

/** What is wrong with a command line. */
export interface FlagFault {
  /** What is wrong and what would be right. */
  readonly fault: string;
}

/** Reads flags and positional arguments; `--` ends the flags. */
export function parseFlags(args: readonly string[], known: readonly Flag[]): ParsedFlags | FlagFault {
  const flags = new Map<string, string[]>();
  const positionals: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at];
    if (arg === "--") {
      positionals.push(...args.slice(at + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      positionals.push(arg);
      continue;
    }
    const { name, attached } = split(arg, known);
    const flag = known.find((one) => name === `--${one.name}` || name === `-${one.short}`);
    if (flag === undefined) return { fault: unknownFlag(name, known) };
    let value = attached;
    if (flag.value === null) {
      if (attached !== null) return { fault: `${name} takes no value: leave out ${quoteArg(attached)}` };
      value = "";
    } else if (value === null) {
      const next = args[at + 1];
      if (next === undefined || (next.length > 1 && next.startsWith("-"))) {
        return { fault: `${name} wants a value: ${name} ${flag.value}` };
      }
      value = next;
      at++;
    }
    if (flag.value !== null && value === "") return { fault: `${name} wants a value: ${name} ${flag.value}` };
    const given = flags.get(flag.name);
    if (given === undefined) flags.set(flag.name, [value]);
    else if (flag.isRepeatable === true) given.push(value);
    else return { fault: `${name} is given twice: give it once` };
  }
  return { flags, positionals };
}

/** The value of a flag; null when it was not given. */
export function flagValue(parsed: ParsedFlags, name: string): string | null {
  return parsed.flags.get(name)?.[0] ?? null;
}

/** The lines of help for some flags. */
export function describeFlags(flags: readonly Flag[]): string[] {
  const heads = flags.map((flag) => {
    const long = `--${flag.name}${flag.value === null ? "" : ` ${flag.value}`}`;
    return flag.short === undefined ? long : `-${flag.short}, ${long}`;
  });
  const width = Math.max(...heads.map((head) => head.length));
  return flags.map((flag, index) => `  ${heads[index].padEnd(width)}  ${flag.text}`);
}

/** `--name=value`, `-Xvalue`; the value null where it is not attached. */
function split(arg: string, known: readonly Flag[]): { name: string; attached: string | null } {
  if (arg.startsWith("--")) {
    const equals = arg.indexOf("=");
    return equals === -1
      ? { name: arg, attached: null }
      : { name: arg.slice(0, equals), attached: arg.slice(equals + 1) };
  }
  // The value of a short flag may follow at once.
  const takesValue = known.some((flag) => flag.short === arg[1] && flag.value !== null);
  if (arg.length === 2 || !takesValue) return { name: arg, attached: null };
  return { name: arg.slice(0, 2), attached: arg.slice(2) };
}

function unknownFlag(name: string, known: readonly Flag[]): string {
  const names = known.map((flag) => `--${flag.name}`);
  return `${name}: no such flag; did you mean ${nearest(name.startsWith("--") ? name : `-${name}`, names)}?`;
}

function quoteArg(text: string): string {
  return JSON.stringify(text);
}
