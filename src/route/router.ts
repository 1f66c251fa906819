/**
 * From a request's head to the handler that answers it: site, route, and the rules that come before any handler, in a fixed order.
 *
 * @module
 */

import type { Config, Route, Site } from "../config/config.ts";
import type { Handler, Peer, Reply } from "../handlers/handler.ts";
import { HttpError } from "../http/error.ts";
import type { RequestHead } from "../http/head.ts";
import { encodePath, type Target } from "../http/target.ts";
import { METHODS } from "../http/method.ts";
import { buildTable, findSite, matchRoute, type SiteRoutes, type Table } from "./table.ts";

/** A request that has found its handler. */
export interface Routed {
  /** Tells it from an answer. */
  readonly kind: "routed";
  /** The site that answers. */
  readonly site: Site;
  /** The route that matched. */
  readonly route: Route;
  /** The decoded path below the route: empty, or beginning with a slash. */
  readonly rest: string;
  /** What answers. */
  readonly handler: Handler;
  /** Who has given a right password; null without. */
  readonly user: string | null;
}

/** What makes the handler of a route. */
export type HandlerMaker = (route: Route, site: Site) => Handler;

/** Routes requests. */
export class Router {
  readonly #table: Table;
  readonly #handlers: readonly Handler[];

  /** Makes the table and every route's handler. */
  constructor(config: Config, make: HandlerMaker) {
    this.#table = buildTable(config);
    const handlers: Handler[] = [];
    for (const site of config.sites) {
      for (const route of site.routes) handlers[route.id] = make(route, site);
    }
    this.#handlers = handlers;
  }

  /** The site that answers for a host on an address. */
  findSite(listenIndex: number, head: RequestHead, target: Target, peer: Peer): SiteRoutes {
    const host = target.authority ?? peer.host ?? head.fields.get("host") ?? "";
    return findSite(this.#table, listenIndex, host);
  }

  /**
   * Finds the handler.
   *
   * @param method GET for a local redirect, else the request's.
   * @returns The route and its handler, or an answer that needs none: OPTIONS, or a folder without its slash.
   * @throws {HttpError} 404, 405, or what the route's access rules say.
   */
  route(site: SiteRoutes, method: string, target: Target): Routed | Reply {
    if (target.form === "asterisk") return allowReply(GENERAL_METHODS);
    if (target.form === "authority") {
      throw new HttpError(405, "CONNECT is for proxies", { fields: [["Allow", GENERAL_METHODS.join(", ")]] });
    }
    const match = matchRoute(site, target.path);
    if (match === null) throw new HttpError(404, "no route");
    if (match.lacksSlash) return slashReply(target);
    const { route, rest } = match;
    const methods = allowedMethods(route);
    if (method === "OPTIONS" && !methods.includes("OPTIONS")) return allowReply([...methods, "OPTIONS"]);
    if (!methods.includes(method)) {
      const allow = methods.includes("OPTIONS") ? methods : [...methods, "OPTIONS"];
      throw new HttpError(405, `the route does not take ${method}`, {
        fields: [["Allow", allow.join(", ")]],
      });
    }
    return { kind: "routed", site: site.site, route, rest, handler: this.#handlers[route.id], user: null };
  }
}

/** What a server without further words takes. */
const GENERAL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const FILE_METHODS = ["GET", "HEAD"];
/** A script may know any method, but for those whose meaning is the server's own. */
const SCRIPT_METHODS = [
  ...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
  ...[...METHODS].filter((method) =>
    !GENERAL_METHODS.includes(method) && !["CONNECT", "TRACE", "PRI", "*"].includes(method)
  ),
];

/** The methods that a route takes; OPTIONS is answered by the server unless it is among them. */
export function allowedMethods(route: Route): readonly string[] {
  if (route.methods !== null) return route.methods;
  switch (route.handler.kind) {
    case "cgi":
    case "fastcgi":
    case "scgi":
    case "redirect":
    case "respond":
      return SCRIPT_METHODS;
    case "files":
      return route.handler.scripts.length > 0 ? SCRIPT_METHODS : FILE_METHODS;
    case "status":
      return FILE_METHODS;
    default:
      return route.handler satisfies never;
  }
}

function allowReply(methods: readonly string[]): Reply {
  return { kind: "reply", status: 204, fields: [["Allow", methods.join(", ")]], body: null };
}

function slashReply(target: Target): Reply {
  const query = target.query === null ? "" : `?${target.query}`;
  return {
    kind: "reply",
    status: 308,
    fields: [["Location", `${encodePath(target.path + "/")}${query}`]],
    body: null,
  };
}
