/**
 * What is legal but unwise in a configuration. Nothing here keeps the server from starting.
 *
 * @module
 */

import type { CgiHandlerConfig, Config, FilesHandlerConfig, Route, ScriptHandling } from "./config.ts";
import type { Fault } from "./fault.ts";
import { isWithin, lastSegment, resolveFrom, statOrNull } from "./paths.ts";

/** What warnings are judged by. */
export interface WarningContext {
  /** The file as the user named it; null without. */
  readonly fileName: string | null;
  /** The key of each route by its id. */
  readonly routeKeys: ReadonlyMap<number, string>;
  /** PATH, where bare names of programs are looked for. */
  readonly path: string;
  /** The user that the server runs as; null where there are none (Windows) or it is not known. */
  readonly uid: number | null;
}

/** How many files of a script folder are looked at; a warning is no reason to walk a whole disk. */
const FILES_MAX = 1000;

const UPLOAD_METHODS = ["PUT", "POST", "DELETE"];

/** Every warning: for `pollux check`. */
export function findWarnings(config: Config, context: WarningContext): Fault[] {
  const warnings: Fault[] = [];
  for (const site of config.sites) {
    const cgi = site.routes.filter(isCgi);
    for (const route of site.routes) {
      const warn = (message: string) => warnings.push(warningOf(route, message, context));
      if (route.handler.kind === "files") checkFiles(route.handler, route.methods, cgi, warn);
      if (route.handler.kind === "cgi") checkFolderMode(route.handler.target, warn);
      const runs = scriptsOf(route);
      if (runs !== null && context.uid === 0 && runs.run.user === null) {
        warn("its scripts run as root: start the server as another user");
      }
    }
  }
  return [...warnings, ...missingInterpreters(config, context)];
}

/** The warnings that are given at the start as well: scripts that cannot run. */
export function missingInterpreters(config: Config, context: WarningContext): Fault[] {
  const warnings: Fault[] = [];
  const said = new Set<string>();
  for (const site of config.sites) {
    for (const route of site.routes) {
      const runs = scriptsOf(route);
      if (runs === null) continue;
      for (const [extension, script] of extensionsIn(runs.target, runs.extensions)) {
        const command = runs.run.settings.interpreters[extension];
        if (command === undefined || command === "shebang") continue;
        const program = command[0];
        if (said.has(`${route.id} ${program}`) || findProgram(program, context.path) !== null) continue;
        said.add(`${route.id} ${program}`);
        const where = /[/\\]/.test(program) ? "is not there" : "is not on PATH";
        warnings.push(warningOf(
          route,
          `${program}, which runs ${extension} files such as ${
            lastSegment(script)
          }, ${where}: install it, or name another under interpreters`,
          context,
        ));
      }
    }
  }
  return warnings;
}

/** The absolute path of a program by its name or path; null when there is none that may be executed. */
export function findProgram(name: string, path: string): string | null {
  if (/[/\\]/.test(name)) return isExecutable(name) ? name : null;
  const isWindows = Deno.build.os === "windows";
  const endings = isWindows ? ["", ".exe", ".cmd", ".bat"] : [""];
  for (const folder of path.split(isWindows ? ";" : ":")) {
    if (folder === "") continue;
    for (const ending of endings) {
      const file = resolveFrom(folder, name + ending);
      if (isExecutable(file)) return file;
    }
  }
  return null;
}

function isExecutable(file: string): boolean {
  const found = statOrNull(file);
  return found?.isFile === true && (found.mode === null || (found.mode & 0o111) !== 0);
}

type CgiRoute = Route & { readonly handler: CgiHandlerConfig };

function isCgi(route: Route): route is CgiRoute {
  return route.handler.kind === "cgi";
}

/** Where a route's scripts are, and which extensions count; null: it runs none. */
function scriptsOf(
  { handler }: Route,
): { target: string; extensions: readonly string[] | null; run: ScriptHandling } | null {
  if (handler.kind === "cgi") return { target: handler.target, extensions: null, run: handler.run };
  if (handler.kind === "files" && handler.scripts.length > 0) {
    return { target: handler.dir, extensions: handler.scripts, run: handler.run };
  }
  return null;
}

function checkFiles(
  files: FilesHandlerConfig,
  methods: readonly string[] | null,
  cgi: readonly CgiRoute[],
  warn: (message: string) => void,
): void {
  const uploads = methods?.filter((method) => UPLOAD_METHODS.includes(method)) ?? [];
  if (uploads.length > 0 && files.scripts.length > 0) {
    warn(
      `takes uploads (${uploads.join(", ")}) and runs ${
        files.scripts.join(", ")
      } files: whoever uploads one runs it`,
    );
  }
  for (const { handler, path } of cgi) {
    if (isWithin(files.dir, handler.target)) {
      warn(
        `serves ${files.dir}, which holds the scripts of ${path}: their text can be read there; keep them outside`,
      );
    } else if (isWithin(handler.target, files.dir)) {
      warn(`serves ${files.dir}, which lies in the script folder of ${path}: keep files and scripts apart`);
    } else {
      continue;
    }
    if (uploads.length > 0) {
      warn(`takes uploads where the scripts of ${path} are: whoever uploads one runs it`);
    }
  }
}

function checkFolderMode(target: string, warn: (message: string) => void): void {
  const found = statOrNull(target);
  if (found === null || found.mode === null || (found.mode & 0o002) === 0) return;
  warn(
    `${target} can be written by every user of this machine, who can so run scripts as the server: chmod o-w ${target}`,
  );
}

/** The extensions of the scripts in a folder, each with one of them. */
function extensionsIn(target: string, wanted: readonly string[] | null): Map<string, string> {
  const found = new Map<string, string>();
  const note = (file: string) => {
    const extension = /\.[^./\\]+$/.exec(file)?.[0];
    if (extension === undefined || found.has(extension)) return;
    if (wanted === null || wanted.includes(extension)) found.set(extension, file);
  };
  if (statOrNull(target)?.isFile === true) {
    note(target);
    return found;
  }
  let left = FILES_MAX;
  const folders = [target];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    try {
      for (const entry of Deno.readDirSync(folder)) {
        if (left-- === 0) return found;
        const file = resolveFrom(folder, entry.name);
        if (entry.isFile) note(file);
        else if (entry.isDirectory) folders.push(file);
      }
    } catch (error) {
      // A folder that cannot be read, or is gone meanwhile, has nothing to warn of.
      if (!(error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotFound)) {
        throw error;
      }
    }
  }
  return found;
}

function warningOf(route: Route, message: string, context: WarningContext): Fault {
  return {
    severity: "warning",
    file: context.fileName,
    place: route.place,
    key: context.routeKeys.get(route.id) ?? "",
    message,
  };
}
