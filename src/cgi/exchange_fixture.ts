/**
 * Exchanges for tests: a request as a handler sees it, without socket and parser.
 *
 * @module
 */

import { aRoute, exchange, fieldSection } from "../../tests/support/exchange.ts";
import type { Site } from "../config/config.ts";
import type { Exchange, Peer, RequestBody } from "../handlers/handler.ts";
import type { Target } from "../http/target.ts";

/** A site with its root at `/srv/static`. */
export const THE_SITE: Site = {
  hosts: [],
  listen: [0],
  root: "/srv/static",
  errorPages: {},
  headers: [],
  routes: [],
  place: null,
};

/** What an exchange may have of its own. */
export interface ExchangeOptions {
  /** GET by default. */
  readonly method?: string;
  /** As sent. */
  readonly target?: string;
  /** HTTP/1.x; 1 by default. */
  readonly minor?: 0 | 1;
  /** A Host field by default. */
  readonly fields?: readonly (readonly [string, string])[];
  /** What differs from a plain TCP client. */
  readonly peer?: Partial<Peer>;
  /** From Basic authentication. */
  readonly user?: string | null;
  /** `THE_SITE` by default. */
  readonly site?: Site;
  /** The route's path; `/cgi-bin/` by default. */
  readonly routePath?: string;
  /** None by default. */
  readonly body?: RequestBody;
  /** After a local redirect. */
  readonly redirected?: boolean;
  /** One that is never aborted by default. */
  readonly signal?: AbortSignal;
}

/** An exchange that counts how often it was delegated. */
export interface TestExchange extends Exchange {
  /** Calls of `delegate()`. */
  delegated: number;
}

/** A body of the given pieces; `length` as announced. */
export function aBody(
  pieces: readonly string[],
  length: number | null = pieces.join("").length,
): RequestBody {
  const rest = pieces.map((piece) => new TextEncoder().encode(piece));
  return { length, read: () => Promise.resolve(rest.shift() ?? null) };
}

/** Makes an exchange. */
export function anExchange(options: ExchangeOptions = {}): TestExchange {
  const target = options.target ?? "/cgi-bin/a.py";
  const method = options.method ?? "GET";
  const parsed = aTarget(target);
  const routePath = options.routePath ?? "/cgi-bin/";
  const prefix = routePath.endsWith("/") ? routePath.slice(0, -1) : routePath;
  const plain = exchange();
  return {
    ...plain,
    id: "r1",
    head: {
      method,
      target,
      minor: options.minor ?? 1,
      fields: fieldSection(options.fields ?? [["Host", "host"]]),
      bytes: 0,
    },
    method: options.redirected === true ? "GET" : method,
    target: parsed,
    site: options.site ?? THE_SITE,
    route: aRoute(routePath),
    rest: parsed.path.slice(prefix.length),
    body: options.body ?? aBody([]),
    peer: { ...plain.peer, address: "192.0.2.7", ...options.peer },
    user: options.user ?? null,
    signal: options.signal ?? plain.signal,
    delegated: 0,
    delegate() {
      this.delegated++;
    },
  };
}

function aTarget(target: string): Target {
  const match = /^(?:http:\/\/([^/?]*))?([^?]*)(?:\?(.*))?$/.exec(target);
  if (match === null) throw new Error(`no target: ${target}`);
  const rawPath = match[2] === "" ? "/" : match[2];
  const kept = rawPath.replace(/%2f/gi, (slash) => encodeURIComponent(slash));
  let path = rawPath;
  let isUtf8 = true;
  try {
    path = decodeURIComponent(kept);
  } catch {
    isUtf8 = false;
  }
  return {
    form: match[1] === undefined ? "origin" : "absolute",
    rawPath,
    path,
    isUtf8,
    hasEncodedSlash: kept !== rawPath,
    query: match[3] ?? null,
    authority: match[1] ?? null,
  };
}
