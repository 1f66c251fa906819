/**
 * Exchanges made by hand, for tests of handlers: no socket, no parser, no state.
 *
 * @module
 */

import type { Route, Site } from "../../src/config/config.ts";
import type { Exchange, Outcome, Reply, ReplyBody } from "../../src/handlers/handler.ts";
import type { FieldSection } from "../../src/http/fields.ts";

/** A field section from pairs, or from an object where order does not matter. */
export function fieldSection(
  fields: Readonly<Record<string, string>> | readonly (readonly [string, string])[] = {},
): FieldSection {
  const lines = Array.isArray(fields)
    ? fields as readonly (readonly [string, string])[]
    : Object.entries(fields);
  const valuesOf = (name: string) =>
    lines.filter((line) => line[0].toLowerCase() === name).map((line) => line[1]);
  return {
    count: lines.length,
    nameAt: (index) => lines[index][0],
    valueAt: (index) => lines[index][1],
    get: (name) => valuesOf(name)[0] ?? null,
    combined: (name) => {
      const values = valuesOf(name);
      return values.length === 0 ? null : values.join(", ");
    },
  };
}

/** What an exchange is to differ in; a GET of `/` without fields otherwise. */
export interface ExchangeFacts {
  method?: string;
  /** The path as sent and, unless `rest` says otherwise, as decoded below the route `/`. */
  path?: string;
  query?: string | null;
  fields?: Readonly<Record<string, string>>;
  /** The decoded path below the route. */
  rest?: string;
  isUtf8?: boolean;
  hasEncodedSlash?: boolean;
  signal?: AbortSignal;
  /** The route's `compress`. */
  compress?: boolean;
}

const SITE: Site = {
  hosts: [],
  listen: [0],
  root: "/",
  errorPages: {},
  headers: [],
  routes: [],
  place: null,
};

/** A route with that path; its handler is of no account. */
export function aRoute(path: string): Route {
  return {
    id: 0,
    path,
    handler: { kind: "status" },
    methods: null,
    auth: null,
    allow: null,
    deny: [],
    rate: null,
    headers: [],
    bodyLimitBytes: Infinity,
    compress: false,
    cache: null,
    place: null,
  };
}

/** One request on its way, as a handler sees it. */
export function exchange(facts: ExchangeFacts = {}): Exchange {
  const { method = "GET", path = "/", query = null } = facts;
  const decoded = decodeURIComponent(path);
  const target = query === null ? path : `${path}?${query}`;
  return {
    id: "0123456789abcdef",
    head: { method, target, minor: 1, fields: fieldSection(facts.fields), bytes: 0 },
    method,
    target: {
      form: "origin",
      rawPath: path,
      path: decoded,
      isUtf8: facts.isUtf8 ?? true,
      hasEncodedSlash: facts.hasEncodedSlash ?? false,
      query,
      authority: null,
    },
    site: SITE,
    route: { ...aRoute("/"), compress: facts.compress ?? false },
    rest: facts.rest ?? decoded,
    body: { length: 0, read: () => Promise.resolve(null) },
    peer: {
      address: "127.0.0.1",
      port: 40000,
      localAddress: "127.0.0.1",
      localPort: 8080,
      scheme: "http",
      host: null,
    },
    user: null,
    signal: facts.signal ?? new AbortController().signal,
    delegate() {},
    begun() {},
    notes: { script: null, scriptMs: null, exit: null, error: null },
  };
}

/** The reply, where an outcome must be one. */
export function replyOf(outcome: Outcome): Reply {
  if (outcome.kind !== "reply") {
    if (outcome.kind === "refusal") throw outcome.error;
    throw new TypeError(`a reply was expected, not a reroute to ${outcome.target}`);
  }
  return outcome;
}

/** The value of a reply's only field of that name; null without. Two of a name are refused. */
export function fieldOf(reply: Reply, name: string): string | null {
  const values = reply.fields.filter((field) => field[0].toLowerCase() === name.toLowerCase());
  if (values.length > 1) throw new TypeError(`two fields ${name}`);
  return values.length === 0 ? null : values[0][1];
}

/** The bytes of a body, checked against the length it announces; the source is closed, as the client would. */
export async function bytesOf(body: ReplyBody): Promise<Uint8Array<ArrayBuffer>> {
  if (body === null) return new Uint8Array(0);
  if (body instanceof Uint8Array) return body;
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  try {
    for (let chunk = await body.read(); chunk !== null; chunk = await body.read()) {
      if (chunk.length === 0) throw new TypeError("a source gave an empty chunk");
      chunks.push(chunk.slice());
    }
  } finally {
    body.close(null);
  }
  const bytes = new Uint8Array(await new Blob(chunks).arrayBuffer());
  if (body.length !== null && body.length !== bytes.length) {
    throw new TypeError(`a source of ${body.length} bytes gave ${bytes.length}`);
  }
  return bytes;
}

/** A body as text. */
export async function textOf(reply: Reply): Promise<string> {
  return new TextDecoder("utf-8", { fatal: true }).decode(await bytesOf(reply.body));
}
