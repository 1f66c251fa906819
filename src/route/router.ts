/**
 * From a request's head to the handler that answers it: site, route, and the rules that come before any handler, in a fixed order.
 *
 * @module
 */

import type { Config, HandlerConfig, Route, Site } from "../config/config.ts";
import type { Handler, Peer, Reply } from "../handlers/handler.ts";
import { HttpError } from "../http/error.ts";
import type { RequestHead } from "../http/head.ts";
import type { Logger } from "../observe/logger.ts";
import type { Clock } from "../time/clock.ts";
import { encodePath, type Target } from "../http/target.ts";
import { METHODS } from "../http/method.ts";
import { AccessRule } from "./access.ts";
import { BasicAuth, PasswordFile, type Passwords } from "./auth.ts";
import { RateLimit, type RateTable } from "./rate.ts";
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

/** What is asked of a route. */
export interface RouteRequest {
  /** The request as it was sent. */
  readonly head: RequestHead;
  /** GET for a local redirect, else the head's. */
  readonly method: string;
  /** What is wanted. */
  readonly target: Target;
  /** Who asks. */
  readonly peer: Peer;
}

/** What the rules of routes are kept with. */
export interface RuleServices {
  /** Of the loop. */
  readonly clock: Clock;
  /** Where refused logins go. */
  readonly log: Logger;
  /** The buckets of `rate`; null where no route has any. */
  readonly rates: RateTable | null;
  /** Which passwords are good; null where no route has `auth`. */
  readonly passwords: Passwords | null;
}

/** Who may use a route, and how often; null where everybody may. */
interface Rules {
  readonly access: AccessRule | null;
  readonly rate: RateLimit | null;
  readonly auth: BasicAuth | null;
}

/** What makes the handler of a route. */
export type HandlerMaker = (route: Route, site: Site) => Handler;

/** Routes requests. */
export class Router {
  readonly #table: Table;
  readonly #handlers: readonly Handler[];
  readonly #rules: readonly (Rules | null)[];

  /**
   * Makes the table, every route's handler and its rules.
   *
   * @param services What rules are kept with; null: whoever asks may, as for `exec`.
   */
  constructor(config: Config, make: HandlerMaker, services: RuleServices | null) {
    this.#table = buildTable(config);
    const handlers: Handler[] = [];
    const rules: (Rules | null)[] = [];
    const maker = services === null ? null : new RuleMaker(services);
    for (const site of config.sites) {
      for (const route of site.routes) {
        handlers[route.id] = make(route, site);
        rules[route.id] = maker?.make(route) ?? null;
      }
    }
    this.#handlers = handlers;
    this.#rules = rules;
  }

  /**
   * The site that answers for a host on an address.
   *
   * @throws {HttpError} 421: a target in absolute-form names `https`, and the connection is not secured (RFC 9110, 7.4).
   */
  findSite(listenIndex: number, head: RequestHead, target: Target, peer: Peer): SiteRoutes {
    if (target.form === "absolute" && peer.scheme !== "https" && /^https:/i.test(head.target)) {
      throw new HttpError(421, "an https target on a connection that is not secured");
    }
    const { hasHosts, fallback } = this.#table.listeners[listenIndex];
    if (!hasHosts) return fallback;
    const host = peer.host ?? target.authority ?? head.fields.get("host") ?? "";
    return findSite(this.#table, listenIndex, host);
  }

  /**
   * Finds the handler, and keeps the rules before it in this order: address, rate, method, user.
   *
   * @returns The route and its handler, or an answer that needs none: OPTIONS, or a folder without its slash. A promise
   * only where a password must be computed.
   * @throws {HttpError} 404, 405, or what the route's rules say: 401, 403, 429; rejects likewise.
   */
  route(site: SiteRoutes, request: RouteRequest): Routed | Reply | Promise<Routed> {
    const { method, target } = request;
    if (target.form === "asterisk") return allowReply(GENERAL_METHODS);
    if (target.form === "authority") {
      throw new HttpError(405, "CONNECT is for proxies", { fields: [["Allow", GENERAL_METHODS.join(", ")]] });
    }
    const match = matchRoute(site, target.path);
    if (match === null) throw new HttpError(404, "no route");
    const { route } = match;
    const rest = match.rest.includes("//") ? mergeSlashes(match.rest, route.handler) : match.rest;
    const rules = this.#rules[route.id];
    rules?.access?.check(request.peer.address);
    rules?.rate?.check(request.peer.address);
    if (match.lacksSlash) return slashReply(target);
    const methods = allowedMethods(route);
    if (method === "OPTIONS" && !methods.includes("OPTIONS")) return allowReply([...methods, "OPTIONS"]);
    if (!methods.includes(method)) {
      const allow = methods.includes("OPTIONS") ? methods : [...methods, "OPTIONS"];
      throw new HttpError(405, `the route does not take ${method}`, {
        fields: [["Allow", allow.join(", ")]],
      });
    }
    const handler = this.#handlers[route.id];
    const auth = rules?.auth ?? null;
    if (auth === null || !auth.isNeededFor(method)) {
      return { kind: "routed", site: site.site, route, rest, handler, user: null };
    }
    const routed = (user: string): Routed => ({
      kind: "routed",
      site: site.site,
      route,
      rest,
      handler,
      user,
    });
    const user = auth.user(request.head.fields, request.peer.address);
    return typeof user === "string" ? routed(user) : user.then(routed);
  }
}

/** Runs of slashes are one to a file system; what a script gets in PATH_INFO stays as it came. */
function mergeSlashes(rest: string, handler: HandlerConfig): string {
  switch (handler.kind) {
    case "files":
    case "fastcgi":
    case "scgi":
      return rest.replace(/\/{2,}/g, "/");
    case "cgi":
      return handler.isFolder ? rest.replace(/^\/{2,}/, "/") : rest;
    case "redirect":
    case "respond":
    case "status":
      return rest;
    default:
      return handler satisfies never;
  }
}

/** Makes the rules of routes; routes with the same password file share what was read of it. */
class RuleMaker {
  readonly #services: RuleServices;
  readonly #files = new Map<string, PasswordFile>();

  constructor(services: RuleServices) {
    this.#services = services;
  }

  make(route: Route): Rules | null {
    if (route.allow === null && route.deny.length === 0 && route.rate === null && route.auth === null) {
      return null;
    }
    return {
      access: route.allow === null && route.deny.length === 0
        ? null
        : new AccessRule(route.allow, route.deny),
      rate: this.#rate(route),
      auth: this.#auth(route),
    };
  }

  #rate({ id, rate }: Route): RateLimit | null {
    if (rate === null) return null;
    const { rates, clock } = this.#services;
    if (rates === null) throw new TypeError("a route has a rate, and there are no buckets");
    // Each loop counts from its own beginning; together with that the time is the same for all.
    return new RateLimit(rates, id, rate, () => performance.timeOrigin + clock.now());
  }

  #auth({ auth }: Route): BasicAuth | null {
    if (auth === null) return null;
    const { passwords, clock, log } = this.#services;
    if (passwords === null) throw new TypeError("a route has auth, and nobody knows passwords");
    let file = this.#files.get(auth.file);
    if (file === undefined) {
      file = new PasswordFile(auth.file, clock, log);
      this.#files.set(auth.file, file);
    }
    return new BasicAuth(auth, file, { passwords, log });
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
