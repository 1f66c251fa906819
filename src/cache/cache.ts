/**
 * The `cache` of a route: answers of its handler are kept in the loop's memory and shared, as RFC 9111 allows; of many requests
 * at once for what is not there, one is handled and the others wait for its answer.
 *
 * @module
 */

import type { Route } from "../config/config.ts";
import type { Exchange, Handler, Outcome, Reply } from "../handlers/handler.ts";
import { evaluateConditions } from "../http/conditional.ts";
import { formatHttpDate, parseHttpDate } from "../http/date.ts";
import { HttpError } from "../http/error.ts";
import type { Clock, Deadline } from "../time/clock.ts";
import type { Changes } from "./changes.ts";
import {
  type CacheRequest,
  type CacheResponse,
  type Freshness,
  isPersonal,
  readWishes,
  storable,
  usable,
  valueOf,
} from "./policy.ts";
import { Recording } from "./recording.ts";
import { ageMs, Store, type Stored, variantKey } from "./store.ts";
import { Unconditional } from "./unconditional.ts";

/** What a cache works with. */
export interface CacheServices {
  /** The loop's clock. */
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
  /** How many loops share the size that a route may have. */
  readonly loops: number;
  /** What was changed, over all of them. */
  readonly changes: Changes;
}

/** The longest answer that is kept, in bytes, and as a share of the whole. */
const ANSWER_BYTES_MAX = 4 * 2 ** 20;
const ANSWER_SHARE = 16;
/** How long others wait for content, once its header is there: what streams on and on is not worth waiting for. */
const CONTENT_WAIT_MS = 5_000;
/** For how long nobody waits for a target whose last answer could not be kept; and of how many targets that is remembered. */
const PASS_MS = 5_000;
const PASSES_MAX = 1024;

/** Methods that change nothing (RFC 9110, 9.2.1): whatever is kept stays true. */
const SAFE: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "OPTIONS",
  "TRACE",
  "PROPFIND",
  "REPORT",
  "SEARCH",
]);
/** Conditions that are not a cache's to judge, and parts, which are the handler's to cut. */
const PASSED_ON = ["range", "if-range", "if-match", "if-unmodified-since"];
/** Fields of a 304 (RFC 9110, 15.4.5). */
const OF_NOT_MODIFIED: ReadonlySet<string> = new Set([
  "age",
  "cache-control",
  "content-location",
  "etag",
  "expires",
  "last-modified",
  "vary",
]);

/** A handler whose answers are kept; the handler itself where the route keeps none. */
export function cached(handler: Handler, route: Route, services: CacheServices): Handler {
  if (route.cache === null) return handler;
  const cache = new Cache(handler, route.cache, services);
  return (exchange) => cache.answer(exchange);
}

/** A request that is being handled and whose answer may be kept. */
interface Fetch {
  readonly target: string;
  /** How often the target had been changed at its beginning: after another change its answer may be from before. */
  readonly changes: number;
}

/** An answer that may be kept: for whom, and how long. */
interface Kind {
  /** Of {@linkcode variantKey}. */
  readonly key: string;
  readonly freshness: Freshness;
}

/** A fetch that others wait for; resolves when its answer is kept, or will not be. */
type Flight = PromiseWithResolvers<void>;

class Cache {
  readonly #handler: Handler;
  readonly #services: CacheServices;
  readonly #store: Store;
  readonly #defaultMs: number;
  readonly #answerMaxBytes: number;
  readonly #flights = new Map<string, Flight>();
  /** Targets whose last answer could not be kept, until when. */
  readonly #passes = new Map<string, number>();

  constructor(
    handler: Handler,
    { maxAgeMs, sizeBytes }: NonNullable<Route["cache"]>,
    services: CacheServices,
  ) {
    this.#handler = handler;
    this.#services = services;
    this.#defaultMs = maxAgeMs;
    const size = sizeBytes / services.loops;
    this.#store = new Store(size);
    this.#answerMaxBytes = Math.min(ANSWER_BYTES_MAX, size / ANSWER_SHARE);
  }

  answer(exchange: Exchange): Outcome | Promise<Outcome> {
    const { method, head, body } = exchange;
    const target = targetKey(exchange);
    if (!SAFE.has(method)) return this.#change(exchange, target);
    const isRead = (method === "GET" || method === "HEAD") && method === head.method && body.length === 0;
    if (!isRead || PASSED_ON.some((name) => head.fields.get(name) !== null)) return this.#handler(exchange);
    const request: CacheRequest = { fields: head.fields, hasUser: exchange.user !== null };
    const kept = this.#find(target, request);
    if (kept !== null) return this.#fromStore(exchange, kept);
    if (readWishes(head.fields).onlyIfCached) {
      throw new HttpError(504, "only a kept answer would do, and there is none");
    }
    // The content of a HEAD is not there to be kept.
    if (method === "HEAD") return this.#handler(exchange);
    if (isPersonal(request) || this.#passesOn(target)) return this.#fetch(exchange, target, request, null);
    const key = this.#store.keyOf(target, head.fields);
    const flight = this.#flights.get(key);
    if (flight !== undefined) return this.#share(exchange, target, request, flight);
    return this.#lead(exchange, target, request, key);
  }

  /** What may change the target, and does: what is kept of it is not true any more (RFC 9111, 4.4). */
  async #change(exchange: Exchange, target: string): Promise<Outcome> {
    const outcome = await this.#handler(exchange);
    if (outcome.kind === "reroute" || (outcome.kind === "reply" && outcome.status < 400)) {
      this.#services.changes.note(target);
    }
    return outcome;
  }

  #find(target: string, request: CacheRequest): Stored | null {
    const { clock, changes } = this.#services;
    const nowMs = clock.now();
    const stored = this.#store.find(target, request.fields, nowMs, changes.count(target));
    return stored !== null && usable(request, stored.freshness, ageMs(stored, nowMs)) ? stored : null;
  }

  #fromStore(exchange: Exchange, stored: Stored): Reply {
    const { reply } = stored;
    const seconds = Math.floor(ageMs(stored, this.#services.clock.now()) / 1000);
    const fields = reply.fields.filter(([name]) => name.toLowerCase() !== "age");
    return this.#conditional(exchange, { ...reply, fields: [...fields, ["Age", String(seconds)]] });
  }

  /** Waits for the answer to another's request; handles its own where that one cannot be shared. */
  async #share(exchange: Exchange, target: string, request: CacheRequest, flight: Flight): Promise<Outcome> {
    exchange.delegate();
    await untilAborted(flight.promise, exchange.signal);
    const kept = this.#find(target, request);
    if (kept !== null) return this.#fromStore(exchange, kept);
    return await this.#fetch(exchange, target, request, null);
  }

  /** Handles a request for all that come meanwhile. */
  #lead(exchange: Exchange, target: string, request: CacheRequest, key: string): Promise<Outcome> {
    const flight: Flight = Promise.withResolvers();
    this.#flights.set(key, flight);
    flight.promise.then(() => this.#flights.delete(key));
    return this.#fetch(exchange, target, request, flight);
  }

  async #fetch(
    exchange: Exchange,
    target: string,
    request: CacheRequest,
    flight: Flight | null,
  ): Promise<Outcome> {
    const fetch: Fetch = { target, changes: this.#services.changes.count(target) };
    let isRecording = false;
    try {
      // The whole is wanted, to be kept: whether the client has it already is decided here.
      const outcome = await this.#handler(Unconditional.of(exchange));
      if (outcome.kind !== "reply") return outcome;
      const freshness = storable(
        request,
        seenByClient(exchange, outcome),
        this.#defaultMs,
        this.#services.wallMs(),
      );
      const { body } = outcome;
      if (freshness === null || (body !== null && !(body instanceof Uint8Array) && body.raw === true)) {
        this.#pass(target);
        return this.#conditional(exchange, outcome);
      }
      // Now, since it may be kept after its client was told that it has it: then the request is no longer there to be read.
      const kind: Kind = { key: variantKey(target, freshness.vary, request.fields), freshness };
      if (body === null || body instanceof Uint8Array) {
        this.#keep(exchange, fetch, kind, { ...outcome, body });
        return this.#conditional(exchange, outcome);
      }
      if (body.length !== null && body.length > this.#answerMaxBytes) {
        this.#pass(target);
        return this.#conditional(exchange, outcome);
      }
      isRecording = true;
      return this.#record(exchange, fetch, kind, { ...outcome, body }, flight);
    } finally {
      if (!isRecording) {
        flight?.resolve();
      }
    }
  }

  /** Keeps content while it goes to the client. */
  #record(
    exchange: Exchange,
    fetch: Fetch,
    kind: Kind,
    reply: Reply & { readonly body: ConstructorParameters<typeof Recording>[0] },
    flight: Flight | null,
  ): Reply {
    const { clock } = this.#services;
    const patience: Deadline = {
      deadlineMs: clock.now() + CONTENT_WAIT_MS,
      expire: () => {
        clock.remove(patience);
        this.#pass(fetch.target);
        flight?.resolve();
      },
    };
    clock.add(patience);
    let reservedBytes = 0;
    const recording = new Recording(reply.body, {
      reserve: (bytes) => {
        const isHeld = this.#store.reserve(bytes);
        if (isHeld) reservedBytes += bytes;
        return isHeld;
      },
      done: (content) => {
        this.#store.release(reservedBytes);
        clock.remove(patience);
        if (content === null) this.#pass(fetch.target);
        else this.#keep(exchange, fetch, kind, { ...reply, body: content });
        flight?.resolve();
      },
    }, this.#answerMaxBytes);
    return this.#conditional(exchange, { ...reply, body: recording }, () => recording.disown());
  }

  #conditional(exchange: Exchange, reply: Reply, drop?: () => void): Reply {
    return conditional(exchange, reply, this.#services.wallMs(), drop);
  }

  #keep(exchange: Exchange, fetch: Fetch, kind: Kind, reply: Stored["reply"]): void {
    const { exit } = exchange.notes;
    // A script that ended in failure may have said half of what it meant to.
    const { clock, wallMs, changes } = this.#services;
    if (fetch.changes !== changes.count(fetch.target) || (exit !== null && exit !== 0)) return;
    if ((reply.body?.length ?? 0) > this.#answerMaxBytes) return this.#pass(fetch.target);
    this.#passes.delete(fetch.target);
    // Age counts from there, and so does Expires (RFC 9111, 4.2).
    const own = { ...reply, body: ownBytes(reply.body), date: formatHttpDate(wallMs()) };
    this.#store.put(fetch.target, kind.key, {
      reply: own,
      freshness: kind.freshness,
      storedMs: clock.now(),
      changes: fetch.changes,
    });
  }

  #pass(target: string): void {
    this.#passes.delete(target);
    this.#passes.set(target, this.#services.clock.now() + PASS_MS);
    const [oldest] = this.#passes.keys();
    if (this.#passes.size > PASSES_MAX) this.#passes.delete(oldest);
  }

  #passesOn(target: string): boolean {
    const untilMs = this.#passes.get(target);
    if (untilMs === undefined) return false;
    if (untilMs > this.#services.clock.now()) return true;
    this.#passes.delete(target);
    return false;
  }
}

/** What an answer depends on beside the fields that it names in Vary: whatever of host and target a script is told. */
function targetKey({ head, target, peer }: Exchange): string {
  const host = head.fields.get("host") ?? "";
  return [
    peer.scheme,
    host,
    peer.host ?? "",
    peer.localPort,
    head.target,
    target.rawPath,
    target.query ?? "\n",
  ]
    .join("\0");
}

/** The answer with the fields that the configuration puts in the place of its own. */
function seenByClient({ site, route }: Exchange, { status, fields }: Reply): CacheResponse {
  const set = [...site.headers, ...route.headers];
  if (set.length === 0) return { status, fields };
  const names = new Set(set.map(([name]) => name.toLowerCase()));
  return { status, fields: [...fields.filter(([name]) => !names.has(name.toLowerCase())), ...set] };
}

/**
 * The answer, or 304 where the client has it already (RFC 9111, 4.3.2).
 *
 * @param drop What becomes of content that is not wanted.
 */
function conditional(
  exchange: Exchange,
  reply: Reply,
  nowMs: number,
  drop: () => void = () => close(reply),
): Reply {
  const { fields } = exchange.head;
  if (reply.status !== 200) return reply;
  if (fields.get("if-none-match") === null && fields.get("if-modified-since") === null) return reply;
  const modified = valueOf(reply, "last-modified");
  const { outcome } = evaluateConditions(exchange.method, fields, {
    etag: valueOf(reply, "etag"),
    lastModifiedMs: modified === null ? null : parseHttpDate(modified, nowMs),
    isLastModifiedStrong: false,
  }, () => nowMs);
  if (outcome !== "notModified") return reply;
  drop();
  const kept = reply.fields.filter(([name]) => OF_NOT_MODIFIED.has(name.toLowerCase()));
  const date = reply.date === undefined ? {} : { date: reply.date };
  return { kind: "reply", status: 304, fields: kept, body: null, ...date };
}

/** Bytes of their own: a short content may lie in a large buffer. */
function ownBytes(bytes: Uint8Array<ArrayBuffer> | null): Uint8Array<ArrayBuffer> | null {
  return bytes === null || bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice();
}

function close({ body }: Reply): void {
  if (body !== null && !(body instanceof Uint8Array)) body.close(null);
}

/** Settles with a promise, or rejects with why the exchange is broken off. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason);
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  return Promise.race([promise, aborted.promise]).finally(() => signal.removeEventListener("abort", onAbort));
}
