/**
 * What of a request's path is the script, and what PATH_INFO (RFC 3875, 4.1.5 and 4.1.13), where an application answers that
 * opens its scripts by itself, or has none.
 *
 * The application may open whatever SCRIPT_FILENAME says, and show it: so what is hidden or secret is never named there.
 *
 * @module
 */

import type { GatewayHandlerConfig, Route } from "../config/config.ts";
import { mayNameFile } from "../handlers/file_path.ts";
import { HttpError } from "../http/error.ts";
import { lastSegment } from "../paths.ts";

/** What a request means to the application. */
export type Located =
  | {
    /** Tells it from a folder. */
    readonly kind: "script";
    /** SCRIPT_FILENAME, absolute. */
    readonly file: string;
    /** SCRIPT_NAME, decoded. */
    readonly name: string;
    /** PATH_INFO, decoded: empty, or beginning with a slash. */
    readonly pathInfo: string;
  }
  /** A folder with an index that wants its slash. */
  | { readonly kind: "slash" };

/** What is at a path; `secret`: a file that nobody may see. */
export type Look = (path: string) => "file" | "folder" | "secret" | "nothing";

/** A name that PHP takes for a script, wherever it stands in the path. */
const PHP_NAME = /\.php$/i;

/**
 * Splits the path below a route: the first segment that names a file of `root`, or ends in `.php`, is the script; without
 * any, the application itself is, as it is mounted at the route.
 *
 * @param rest The decoded path below the route: empty, or beginning with a slash.
 * @throws {HttpError} 404: the path names a secret, or goes on with a script behind a file that is none: PHP would run that one.
 */
export function locate(config: GatewayHandlerConfig, route: Route, rest: string, look: Look): Located {
  const { root, index } = config;
  const prefix = route.path.endsWith("/") ? route.path.slice(0, -1) : route.path;
  const script = (path: string): Located => ({
    kind: "script",
    file: root === "/" ? path : root + path,
    name: prefix + path,
    pathInfo: rest.slice(path.length),
  });
  if (PHP_NAME.test(prefix)) {
    return { kind: "script", file: `${root}/${lastSegment(prefix)}`, name: prefix, pathInfo: rest };
  }
  const mayName = (path: string) =>
    mayNameFile(path, { hidden: false, isWellKnown: prefix === "", isWindows: Deno.build.os === "windows" });
  let found = look(root);
  let path = "";
  while (found === "folder" && path.length + 1 < rest.length) {
    const slash = rest.indexOf("/", path.length + 1);
    path = rest.slice(0, slash === -1 ? rest.length : slash);
    found = mayName(path) ? look(root + path) : "nothing";
  }
  switch (found) {
    case "secret":
      throw new HttpError(404, `${root}${path} is not to be seen`);
    case "file":
      if (!PHP_NAME.test(path) && phpPath(rest.slice(path.length)) !== null) {
        throw new HttpError(404, `${root}${path} is a file, and no script is below it`);
      }
      return script(path);
    case "folder": {
      const name = index.find((name) => look(`${root}${path}/${name}`) === "file");
      if (name === undefined) break;
      if (path === rest && rest !== "") return { kind: "slash" };
      return {
        kind: "script",
        file: `${root}${path}/${name}`,
        name: `${prefix}${path}/${name}`,
        pathInfo: "",
      };
    }
    case "nothing": {
      // Whether it exists is the application's to say.
      const php = phpPath(rest);
      if (php !== null && mayName(php)) return script(php);
      break;
    }
    default:
      found satisfies never;
  }
  return { kind: "script", file: root, name: prefix, pathInfo: rest };
}

/** A path up to its first segment that ends in `.php`; null without. */
function phpPath(path: string): string | null {
  return /^.*?\.php(?=\/|$)/i.exec(path)?.[0] ?? null;
}
