/**
 * Which program runs a script: its first line, itself, or its extension says.
 *
 * The first bytes are read here rather than left to the system, so that a first line can name only what the configuration allows,
 * and every version of the runtime agrees about files that have none.
 *
 * @module
 */

import type { CgiSettings } from "../config/config.ts";
import { hasMark, isNative, isShebang } from "./magic.ts";
import { programNames, type Programs } from "./programs.ts";
import { extensionOf, lastSegment } from "../paths.ts";
import type { FileVersion } from "./script.ts";

/** What to start. */
export interface Command {
  /** Told from a failure. */
  readonly kind: "command";
  /** Absolute. */
  readonly program: string;
  /** Ends with the script's path, unless the program is the script. */
  readonly args: readonly string[];
}

/** Why a script cannot be run. */
export interface NoCommand {
  /** Told from a command. */
  readonly kind: "none";
  /** 403: it is no script at all. 500: it cannot be run as it is. */
  readonly status: 403 | 500;
  /** For the log: what is wrong and what would be right. */
  readonly message: string;
}

/** How a file begins. */
export type FileStart =
  /** `marked`: text with a byte order mark, behind which no system sees a first line. `closed`: this user may not read it. */
  | { readonly kind: "native" | "text" | "marked" | "empty" | "closed" }
  /** `argument` is one string, however many words: that is what the system passes. */
  | {
    readonly kind: "shebang";
    readonly program: string;
    readonly argument: string | null;
    readonly hasCr: boolean;
  };

/** How much of a file is read: Linux looks at 256 bytes, but says nothing of a line that it cut. */
const START_BYTES = 1024;

/** Files whose start is remembered. */
const REMEMBERED_MAX = 1024;

/** Chooses programs for the scripts of one route. */
export class Interpreters {
  readonly #settings: CgiSettings;
  readonly #programs: Programs;
  readonly #names: ReadonlySet<string>;
  readonly #paths: ReadonlySet<string>;
  readonly #isWindows: boolean;
  readonly #starts = new Map<string, { version: FileVersion; start: FileStart }>();

  /**
   * Begins with nothing remembered.
   *
   * @param settings What the route allows.
   * @param programs Where these programs are.
   * @param os Whose rules hold: on Windows a file is neither executable nor not.
   */
  constructor(settings: CgiSettings, programs: Programs, os: typeof Deno.build.os = Deno.build.os) {
    this.#isWindows = os === "windows";
    this.#settings = settings;
    this.#programs = programs;
    this.#names = new Set(programNames(settings));
    this.#paths = new Set([...this.#names].flatMap((name) => programs.paths[name] ?? []));
  }

  /**
   * Chooses the program for a script.
   *
   * @param file Its absolute path, a regular file.
   * @param version Its state now: its first bytes are read once for each.
   */
  choose(file: string, version: FileVersion): Command | NoCommand {
    const extension = extensionOf(file);
    const interpreters = this.#settings.interpreters;
    const mapped = Object.hasOwn(interpreters, extension) ? interpreters[extension] : null;
    const start = this.#start(file, version);
    // Windows has no such bit: there a program tells by its bytes, and a script without an extension of its own by its first line.
    const isExecutable = this.#isWindows
      ? start.kind === "native" || start.kind === "closed" || (start.kind === "shebang" && mapped === null)
      : (version.mode & 0o111) !== 0;
    if (!isExecutable && mapped === null) {
      const what = start.kind === "shebang" || start.kind === "native"
        ? `is not executable: chmod +x ${file}`
        : "is no script: make it executable, or name an interpreter for its extension";
      return { kind: "none", status: 403, message: `${file} ${what}` };
    }
    // What may be executed but not read can only be a program: an interpreter could not read it either.
    if (isExecutable && (start.kind === "native" || start.kind === "closed")) {
      return { kind: "command", program: file, args: [] };
    }
    if (start.kind === "closed") {
      return failure(file, "may not be read by this user: change its mode or owner");
    }
    // `shebang` in the map makes the first line count where the file is not executable.
    const byLine = isExecutable || mapped === "shebang" ? this.#byFirstLine(file, start) : null;
    if (byLine?.kind === "command") return byLine;
    if (mapped === null || mapped === "shebang") {
      return byLine ?? failure(file, "has no first line to run by: begin it with #! and a program's path");
    }
    const [name, ...args] = mapped;
    const program = this.#programs.paths[name]?.at(0);
    if (program === undefined) {
      return failure(
        file,
        `wants ${name}, which interpreters names for ${extension}, but it is not installed: install it, or name another under cgi.interpreters`,
      );
    }
    return { kind: "command", program, args: [...args, file] };
  }

  #byFirstLine(file: string, start: FileStart): Command | NoCommand {
    switch (start.kind) {
      case "closed": // `choose` has refused it.
      case "native":
        return failure(file, "is a program, but not executable: make it executable");
      case "empty":
        return failure(file, "is empty: write a script into it, beginning with #! and a program's path");
      case "text":
        return failure(
          file,
          "has no first line that names an interpreter: begin it with #! and a program's path",
        );
      case "marked":
        return failure(
          file,
          "begins with a byte order mark, so that its first line is not seen: save it as UTF-8 without one",
        );
      case "shebang":
        break;
    }
    const { argument, hasCr } = start;
    if (hasCr) {
      return failure(file, "has Windows line ends (CR LF), also in its first line: save it with LF alone");
    }
    if (lastSegment(start.program) === "env") return this.#byEnv(file, argument);
    // Windows has no /usr/bin: it is the name that counts.
    if (this.#isWindows) {
      return this.#byName(file, lastSegment(start.program), argument === null ? [] : [argument]);
    }
    if (!this.#paths.has(start.program)) return this.#notAllowed(file, start.program);
    return command(start.program, argument === null ? [] : [argument], file);
  }

  /** `#!/usr/bin/env NAME`, with `-S` also arguments: looked up here, in the configuration rather than in PATH. */
  #byEnv(file: string, argument: string | null): Command | NoCommand {
    let words = argument === null ? [] : [argument];
    const split = argument === null
      ? null
      : /^(?:-S|--split-string)(?:[ \t=]|(?=[^ \t]))(.*)$/.exec(argument);
    if (split !== null) {
      if (/["'\\$#]/.test(split[1])) {
        return failure(
          file,
          "has a first line with env -S and quotes or variables, which is not supported: write them plainly",
        );
      }
      words = split[1].split(/[ \t]+/).filter((word) => word !== "");
    }
    const [name, ...args] = words;
    if (name === undefined) {
      return failure(file, "has a first line with env, but no program: write #!/usr/bin/env python3");
    }
    if (/[ \t]/.test(name)) {
      return failure(
        file,
        `has arguments after env's program (${name}), which the system passes as one: write env -S`,
      );
    }
    if (name.startsWith("-") || name.includes("=")) {
      return failure(
        file,
        `has env options or variables in its first line (${name}), which are not supported: set them under cgi.env`,
      );
    }
    if (name.startsWith("/")) {
      return this.#paths.has(name) ? command(name, args, file) : this.#notAllowed(file, name);
    }
    return this.#byName(file, name, args);
  }

  #byName(file: string, name: string, args: readonly string[]): Command | NoCommand {
    const program = this.#names.has(name) ? this.#programs.paths[name]?.at(0) : undefined;
    return program === undefined ? this.#notAllowed(file, name) : command(program, args, file);
  }

  #notAllowed(file: string, program: string): NoCommand {
    if (this.#names.has(program) || this.#names.has(lastSegment(program))) {
      return failure(
        file,
        `names ${program} in its first line, but it is not installed there: install it, or correct the line`,
      );
    }
    const names = [...this.#names].sort().join(", ");
    return failure(
      file,
      `names ${program} in its first line, which is not among programs (${names}): ` +
        "correct it, or add it to cgi.programs",
    );
  }

  #start(file: string, version: FileVersion): FileStart {
    const known = this.#starts.get(file);
    if (known !== undefined && isSameVersion(known.version, version)) return known.start;
    const start = readStart(file);
    if (known === undefined && this.#starts.size >= REMEMBERED_MAX) {
      // The oldest goes: the first in a Map.
      for (const oldest of this.#starts.keys()) {
        this.#starts.delete(oldest);
        break;
      }
    }
    this.#starts.set(file, { version, start });
    return start;
  }
}

function command(program: string, args: readonly string[], file: string): Command {
  return { kind: "command", program, args: [...args, file] };
}

function failure(file: string, what: string): NoCommand {
  return { kind: "none", status: 500, message: `${file} ${what}` };
}

/** Whether a file is as it was. */
export function isSameVersion(a: FileVersion, b: FileVersion): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.size === b.size && a.mtimeMs === b.mtimeMs &&
    a.ctimeMs === b.ctimeMs && a.mode === b.mode;
}

function readStart(file: string): FileStart {
  const bytes = new Uint8Array(START_BYTES);
  let length: number;
  try {
    using handle = Deno.openSync(file);
    length = handle.readSync(bytes) ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return { kind: "closed" };
    throw error;
  }
  return parseStart(bytes.subarray(0, length));
}

/** Tells how a file begins, as Linux reads a first line: program, blanks, and all the rest as one argument. */
export function parseStart(bytes: Uint8Array): FileStart {
  if (bytes.length === 0) return { kind: "empty" };
  if (isNative(bytes)) return { kind: "native" };
  if (hasMark(bytes)) return { kind: "marked" };
  if (!isShebang(bytes)) return { kind: "text" };
  const lf = bytes.indexOf(0x0a);
  const line = new TextDecoder().decode(bytes.subarray(2, lf === -1 ? bytes.length : lf));
  const match = /^[ \t]*([^ \t\r\0]+)(?:[ \t]+([^\r\0]*?))?[ \t]*(\r?)$/.exec(line);
  if (match === null) return { kind: "text" };
  const [, program, argument, cr] = match;
  return { kind: "shebang", program, argument: argument ? argument : null, hasCr: cr !== "" };
}
