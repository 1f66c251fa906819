/**
 * What is legal but unwise in a configuration. Nothing here keeps the server from starting.
 *
 * @module
 */

import type { CgiHandlerConfig, Config, FilesHandlerConfig, Route } from "./config.ts";
import type { Fault } from "./fault.ts";
import { isWithin, statOrNull } from "./paths.ts";

/** What warnings are judged by. */
export interface WarningContext {
  /** The file as the user named it; null without. */
  readonly fileName: string | null;
  /** The key of each route by its id. */
  readonly routeKeys: ReadonlyMap<number, string>;
  /** The user that the server runs as; null where there are none (Windows) or it is not known. */
  readonly uid: number | null;
}

const UPLOAD_METHODS = ["PUT", "POST", "DELETE"];

/** Every warning, for `pollux check`; what is missing on the machine is for `cgi/programs.ts` to say. */
export function findWarnings(config: Config, context: WarningContext): Fault[] {
  const warnings: Fault[] = [];
  for (const site of config.sites) {
    const cgi = site.routes.filter(isCgi);
    for (const route of site.routes) {
      const warn = (message: string) => warnings.push(warningOf(route, message, context));
      if (route.handler.kind === "files") checkFiles(route.handler, route.methods, cgi, warn);
      if (route.handler.kind === "cgi") checkFolderMode(route.handler.target, warn);
      if (context.uid === 0 && runsAsServer(route)) {
        warn("its scripts run as root: start the server as another user");
      }
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

function warningOf(route: Route, message: string, context: WarningContext): Fault {
  return {
    severity: "warning",
    file: context.fileName,
    place: route.place,
    key: context.routeKeys.get(route.id) ?? "",
    message,
  };
}
