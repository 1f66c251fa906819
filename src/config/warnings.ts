/**
 * What is legal but unwise in a configuration. Nothing here keeps the server from starting.
 *
 * @module
 */

import type { CgiHandlerConfig, Config, FilesHandlerConfig, Route } from "./config.ts";
import type { Fault } from "./fault.ts";
import { isWithin, resolveFrom, statOrNull } from "../paths.ts";

/** What warnings are judged by. */
export interface WarningContext extends RouteNames {
  /** Whether an interpreter of the configuration, by its name there, is on this machine. */
  readonly isInstalled: (interpreter: string) => boolean;
  /** The user that the server runs as; null where there are none (Windows) or it is not known. */
  readonly uid: number | null;
}

/** What a warning calls a route. */
export interface RouteNames {
  /** The file as the user named it; null without. */
  readonly fileName: string | null;
  /** The key of each route by its id. */
  readonly routeKeys: ReadonlyMap<number, string>;
}

const UPLOAD_METHODS = ["PUT", "POST", "DELETE"];

/** How many entries of a script folder are looked at; a warning is no reason to walk a whole disk. */
const ENTRIES_MAX = 1000;

/** Mapped by default: that their interpreters are missing matters only where there are such scripts. */
const USUAL_EXTENSIONS: ReadonlySet<string> = new Set([".py", ".pl", ".sh", ".php", ".rb", ".cgi"]);

/** Every warning: for `pollux check`. */
export function findWarnings(config: Config, context: WarningContext): Fault[] {
  const warnings: Fault[] = [];
  for (const site of config.sites) {
    const cgi = site.routes.filter(isCgi);
    for (const route of site.routes) {
      const warn = (message: string) => warnings.push(warningOf(route, message, context));
      if (route.handler.kind === "files") {
        checkFiles(route.handler, route.methods, cgi, warn);
        if (uploadMethods(route.methods).length > 0) checkWaysOut(route.handler.dir, warn);
      }
      if (route.handler.kind === "cgi") checkFolderMode(route.handler.target, warn);
      if (context.uid === 0 && runsAsServer(route)) {
        warn("its scripts run as root: start the server as another user");
      }
    }
  }
  return [...warnings, ...closedFolders(config, context), ...missingInterpreters(config, context)];
}

/** Folders whose files cannot be served; said at the start as well. */
export function closedFolders(config: Config, context: RouteNames): Fault[] {
  const warnings: Fault[] = [];
  for (const route of config.sites.flatMap((site) => site.routes)) {
    const { handler } = route;
    const folder = handler.kind === "files" ? handler.dir : handler.kind === "cgi" ? handler.target : null;
    if (folder === null || !isClosed(folder)) continue;
    const message = `${folder} may not be entered by this user, and nothing in it is served: ` +
      "change its mode or owner";
    warnings.push(warningOf(route, message, context));
  }
  return warnings;
}

/** Whether a folder's mode keeps this user from what lies in it. Only to list one is another right, and not needed. */
function isClosed(folder: string): boolean {
  try {
    Deno.lstatSync(resolveFrom(folder, "index.html"));
  } catch (error) {
    return error instanceof Deno.errors.PermissionDenied;
  }
  return false;
}

/** Interpreters that are not on this machine; said at the start as well. */
export function missingInterpreters(config: Config, context: Omit<WarningContext, "uid">): Fault[] {
  const warnings: Fault[] = [];
  const seen = new Map<string, ReadonlySet<string>>();
  for (const route of config.sites.flatMap((site) => site.routes)) {
    const { handler } = route;
    if (handler.kind !== "cgi" && !(handler.kind === "files" && handler.scripts.length > 0)) continue;
    for (const [extension, command] of Object.entries(handler.run.settings.interpreters)) {
      if (command === "shebang") continue;
      if (USUAL_EXTENSIONS.has(extension) && !hasScripts(handler, extension, seen)) continue;
      if (context.isInstalled(command[0])) continue;
      const remedy = "install it, or name another under interpreters";
      const message = `${
        command[0]
      } is not installed, and scripts that end in ${extension} get a 500: ${remedy}`;
      warnings.push(warningOf(route, message, context));
    }
  }
  return warnings;
}

type CgiRoute = Route & { readonly handler: CgiHandlerConfig };

function isCgi(route: Route): route is CgiRoute {
  return route.handler.kind === "cgi";
}

/** Whether a route runs scripts, and as the user of the server. */
function runsAsServer({ handler }: Route): boolean {
  const runsScripts = handler.kind === "cgi" || (handler.kind === "files" && handler.scripts.length > 0);
  return runsScripts && handler.run.user === null;
}

function checkFiles(
  files: FilesHandlerConfig,
  methods: readonly string[] | null,
  cgi: readonly CgiRoute[],
  warn: (message: string) => void,
): void {
  const uploads = uploadMethods(methods);
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

function uploadMethods(methods: readonly string[] | null): string[] {
  return methods?.filter((method) => UPLOAD_METHODS.includes(method)) ?? [];
}

/** Links out of a folder that takes uploads, and other disks in it: the sandbox goes by names, and lets a loop write there. */
function checkWaysOut(dir: string, warn: (message: string) => void): void {
  const own = statOrNull(dir);
  const real = realPathOrNull(dir);
  if (own === null || real === null) return;
  for (const path of entriesOf(dir)) {
    const target = realPathOrNull(path);
    if (target === null) continue;
    if (!isWithin(real, target)) {
      warn(`takes uploads, and ${path} leads out of it to ${target}: the sandbox does not end at a link`);
    } else if (statOrNull(path)?.dev !== own.dev) {
      warn(`takes uploads, and ${path} is another disk, on which it may write as well`);
    }
  }
}

function entriesOf(dir: string): string[] {
  const entries: string[] = [];
  try {
    for (const { name } of Deno.readDirSync(dir)) {
      if (entries.length === ENTRIES_MAX) break;
      entries.push(resolveFrom(dir, name));
    }
  } catch (error) {
    // A folder that may not be read, or is gone meanwhile, has nothing to warn of.
    if (!(error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotFound)) {
      throw error;
    }
  }
  return entries;
}

function realPathOrNull(path: string): string | null {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return null; // It leads nowhere.
  }
}

function checkFolderMode(target: string, warn: (message: string) => void): void {
  const found = statOrNull(target);
  if (found === null || found.mode === null || (found.mode & 0o002) === 0) return;
  warn(
    `${target} can be written by every user of this machine, who can so run scripts as the server: chmod o-w ${target}`,
  );
}

/** Whether a route certainly has scripts with this extension. */
function hasScripts(
  handler: CgiHandlerConfig | FilesHandlerConfig,
  extension: string,
  seen: Map<string, ReadonlySet<string>>,
): boolean {
  if (handler.kind === "files") return handler.scripts.includes(extension);
  if (!handler.isFolder) return handler.target.endsWith(extension);
  let extensions = seen.get(handler.target);
  if (extensions === undefined) {
    extensions = extensionsIn(handler.target);
    seen.set(handler.target, extensions);
  }
  return extensions.has(extension);
}

/** The extensions of the files in a folder and below it. */
function extensionsIn(target: string): Set<string> {
  const extensions = new Set<string>();
  let left = ENTRIES_MAX;
  const folders = [target];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    try {
      for (const entry of Deno.readDirSync(folder)) {
        if (left-- === 0) return extensions;
        if (entry.isDirectory) folders.push(resolveFrom(folder, entry.name));
        else extensions.add(/\.[^.]*$/.exec(entry.name)?.[0] ?? "");
      }
    } catch (error) {
      // A folder that may not be read, or is gone meanwhile, has nothing to warn of.
      if (!(error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotFound)) {
        throw error;
      }
    }
  }
  return extensions;
}

function warningOf(route: Route, message: string, context: RouteNames): Fault {
  return {
    severity: "warning",
    file: context.fileName,
    place: route.place,
    key: context.routeKeys.get(route.id) ?? "",
    message,
  };
}
