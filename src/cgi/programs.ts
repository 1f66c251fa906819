/**
 * Where the programs are that scripts run by: names of the configuration to absolute paths, once, in the supervisor. A loop gets
 * the result as plain data; its run permission is the list of these paths.
 *
 * @module
 */

import type { CgiSettings, Config, ScriptHandling } from "../config/config.ts";
import { lastSegment } from "../paths.ts";
import { isNative, isShebang } from "./magic.ts";

/** Programs by name, and what else running a script may need. Can be posted to a Worker as it is. */
export interface Programs {
  /**
   * Names and absolute paths as configured, each to the absolute paths it has here. The first is the one that is run; a
   * script's first line may name any. Empty: it is not installed.
   */
  readonly paths: Readonly<Record<string, readonly string[]>>;
  /** Programs that start others: with a priority, limits, another user. null: not installed. */
  readonly tools: Readonly<Record<Tool, string | null>>;
  /** Executable programs (no scripts) in the script folders. */
  readonly binaries: readonly string[];
  /**
   * Descriptors that the server was started with, beside its three streams, of one digit. The runtime closes none of them for
   * its children; a shell can, but only those (POSIX shells know redirections of one digit).
   */
  readonly inherited: readonly number[];
  /** Users that routes name. */
  readonly users: Readonly<Record<string, SystemUser>>;
  /** What a person should know, a line each. */
  readonly warnings: readonly string[];
}

/** A program that starts another in its own place. */
export type Tool = "nice" | "prlimit" | "setpriv" | "sh";

/** A user of the system. */
export interface SystemUser {
  /** The number of the primary group. */
  readonly gid: number;
  /** The home folder. */
  readonly home: string;
}

const TOOLS: readonly Tool[] = ["nice", "prlimit", "setpriv", "sh"];

/** Searched after the search path: a first line names one of these as a rule, wherever the search path points. */
const USUAL_FOLDERS: readonly string[] = ["/usr/local/bin", "/usr/bin", "/bin"];

/** Entries of script folders that are looked at, all together. */
const SCAN_ENTRIES_MAX = 2000;

/** Folders below a script folder that are looked into. */
const SCAN_DEPTH_MAX = 6;

/**
 * Finds all programs that a configuration names.
 *
 * @param searchPath The value of PATH.
 * @param inherited See {@link Programs.inherited}; nothing where no script is to be started.
 */
export function resolvePrograms(
  config: Config,
  searchPath: string,
  inherited: readonly number[] = [],
): Programs {
  const folders = searchFolders(searchPath, Deno.build.os);
  const runs = scriptRoutes(config);
  const warnings: string[] = [];
  const paths: Record<string, readonly string[]> = {};
  for (const { handling } of runs) {
    for (const name of programNames(handling.settings)) {
      if (!Object.hasOwn(paths, name)) paths[name] = findProgram(name, folders, warnings);
    }
  }
  const binaries = findBinaries(runs.map(({ target }) => target).filter((target) => target !== null));
  const tools = Object.fromEntries(TOOLS.map((tool) => [tool, findProgram(tool, folders, []).at(0) ?? null]));
  const users = readUsers(runs.map(({ handling }) => handling.user));
  return {
    paths,
    tools: tools as Record<Tool, string | null>, // The keys are TOOLS, all of them.
    binaries,
    inherited,
    users,
    warnings: [...new Set(warnings)],
  };
}

/** All that a script loop may start: absolute paths, each once. */
export function runnable(programs: Programs): string[] {
  const tools = Object.values(programs.tools).filter((tool) => tool !== null);
  return [...new Set([...Object.values(programs.paths).flat(), ...tools, ...programs.binaries])];
}

/** The names that scripts with these settings may run by. */
export function programNames(settings: CgiSettings): string[] {
  const commands = Object.values(settings.interpreters).filter((command) => command !== "shebang");
  return [...new Set([...settings.programs, ...commands.map(([name]) => name)])];
}

interface ScriptRoute {
  readonly handling: ScriptHandling;
  /** A folder of scripts, or a program; null for scripts among files, which are no programs. */
  readonly target: string | null;
}

function scriptRoutes(config: Config): ScriptRoute[] {
  const found: ScriptRoute[] = [];
  for (const { handler } of config.sites.flatMap((site) => site.routes)) {
    if (handler.kind === "cgi") found.push({ handling: handler.run, target: handler.target });
    else if (handler.kind === "files" && handler.scripts.length > 0) {
      found.push({ handling: handler.run, target: null });
    }
  }
  return found;
}

/** The folders that programs are looked for in: the absolute ones of the search path, and where they are as a rule. */
export function searchFolders(searchPath: string, os: typeof Deno.build.os): string[] {
  const isWindows = os === "windows";
  const isAbsolute = isWindows ? /^(?:[A-Za-z]:[\\/]|\\\\)/ : /^\//;
  const named = searchPath.split(isWindows ? ";" : ":").filter((folder) => isAbsolute.test(folder));
  return [...new Set(isWindows ? named : [...named, ...USUAL_FOLDERS])];
}

/**
 * Where a program may be, the first choice first. On Windows a name stands for that of an `.exe` file: what else could be
 * started there are batch files, whose arguments a shell would read.
 */
export function candidatePaths(
  name: string,
  folders: readonly string[],
  os: typeof Deno.build.os,
): string[] {
  if (os !== "windows") {
    return name.startsWith("/") ? [name] : folders.map((folder) => `${folder.replace(/\/+$/, "")}/${name}`);
  }
  const file = /\.exe$/i.test(name) ? name : `${name}.exe`;
  if (/^(?:[A-Za-z]:[\\/]|\\\\)/.test(name)) return [file];
  return folders.map((folder) => `${folder.replace(/[\\/]+$/, "")}\\${file}`);
}

/** The absolute paths of a program, the one to run first. */
function findProgram(name: string, folders: readonly string[], warnings: string[]): string[] {
  const candidates = candidatePaths(name, folders, Deno.build.os);
  const found = candidates.filter(isExecutable);
  const real = found.filter((path) => !isShebang(firstBytes(path)));
  const shim = found.find((path) => !real.includes(path));
  if (real.length === 0) return found;
  if (shim !== undefined && found.indexOf(shim) < found.indexOf(real[0])) {
    warnings.push(
      `${shim} is a script that only looks for the real ${name}, which takes its time: ${
        real[0]
      } is run instead`,
    );
  }
  // /usr/bin/python3 is a link to python3.11 as a rule, which first lines name too.
  const targets = real.map((path) => Deno.realPathSync(path)).filter((path) =>
    sameProgram(lastSegment(path), name)
  );
  return [...new Set([...real, ...targets])];
}

/** Whether a link's target is the program itself (`python3.11` of `python3`), not one that plays many parts (busybox). */
function sameProgram(target: string, name: string): boolean {
  return target.startsWith(lastSegment(name));
}

function isExecutable(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && (mode === null || (mode & 0o111) !== 0);
  } catch {
    return false; // Not there, or not to be seen: a search path often names such folders.
  }
}

/** The first bytes of a regular file; none where it cannot be read. */
function firstBytes(path: string): Uint8Array {
  try {
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(4);
    return bytes.subarray(0, file.readSync(bytes) ?? 0);
  } catch {
    return new Uint8Array(0); // A program may be executable without being readable.
  }
}

/** Looks for programs in script folders, within bounds: what is not seen now is found when it is asked for. */
function findBinaries(targets: readonly string[]): string[] {
  const binaries: string[] = [];
  const waiting = targets.map((path) => ({ path, depth: 0 }));
  let left = SCAN_ENTRIES_MAX;
  for (let next = waiting.shift(); next !== undefined && left > 0; next = waiting.shift(), left--) {
    const { path, depth } = next;
    if (isExecutable(path)) {
      if (isNative(firstBytes(path))) binaries.push(path);
    } else if (depth <= SCAN_DEPTH_MAX) {
      waiting.push(...listFolder(path).map((name) => ({ path: `${path}/${name}`, depth: depth + 1 })));
    }
  }
  return binaries;
}

/** Names in a folder, hidden ones left out; none where it is no folder. */
function listFolder(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name).filter((name) => !name.startsWith("."));
  } catch {
    return []; // A file, or a folder that may not be read: its scripts are found when they are asked for.
  }
}

/** Groups and homes of users, from `/etc/passwd` (passwd(5)). */
function readUsers(names: readonly (string | null)[]): Record<string, SystemUser> {
  const wanted = new Set(names.filter((name) => name !== null));
  const users: Record<string, SystemUser> = {};
  if (wanted.size === 0) return users;
  for (const line of Deno.readTextFileSync("/etc/passwd").split("\n")) {
    const [name, , , gid, , home] = line.split(":");
    if (wanted.has(name) && home !== undefined) users[name] = { gid: Number(gid), home };
  }
  return users;
}
