/**
 * One request of a client, as handlers see it.
 *
 * @module
 */

import type { Route, Site } from "../config/config.ts";
import {
  type Exchange,
  ExchangeAborted,
  type ExchangeNotes,
  type Peer,
  type Reply,
  type RequestBody,
} from "../handlers/handler.ts";
import type { Field, FieldLines } from "../http/fields.ts";
import { type Expectation, readExpectation, readFraming } from "../http/framing.ts";
import { type ParsedHead, protocolOf } from "../http/head.ts";
import type { Target } from "../http/target.ts";
import type { AccessRecord } from "../observe/record.ts";
import { type RecentError, withoutQuery } from "../observe/status.ts";
import type { Routed } from "../route/router.ts";
import { type BodyHost, type BodyLimits, ClientBody } from "./body.ts";
import type { Input } from "./input.ts";

/** What an exchange needs of its client. */
export interface ExchangeClient extends BodyHost {
  /** Which address it came to: an index into `Config.listen`. */
  readonly listenIndex: number;
  /** What it sends. */
  readonly input: Input;
  /** Aborted when it is gone, a deadline passes, or the server stops. */
  readonly signal: AbortSignal;
  /** Whether its connection is closed. */
  readonly isDestroyed: boolean;
  /** Bounds on its bodies. */
  readonly bodyLimits: BodyLimits;
  /** An id that no other request of this server has. */
  nextRequestId(): string;
  /** Who asks, trusted proxies seen through. */
  peerOf(head: ParsedHead): Peer;
  /** A script or gateway is wanted. */
  delegated(): void;
  /** Its script runs, or its gateway is at work. */
  begun(): void;
  /** It was, and another path answers instead. */
  rerouted(): void;
}

/** After a local redirect there is no body (RFC 3875, 6.2.2). */
const NO_BODY: RequestBody = { length: 0, read: () => Promise.resolve(null) };

/** A request on its way to its answer. */
export class ClientExchange implements Exchange {
  readonly head: ParsedHead;
  /** What the client expects before it sends it. */
  readonly expectation: Expectation;
  /** What the client sends, whoever reads it. */
  readonly clientBody: ClientBody;
  readonly notes: ExchangeNotes = { script: null, scriptMs: null, exit: null, error: null };
  /** When its first byte had arrived, in milliseconds of the clock. */
  readonly startMs: number;
  /** Whether a script or gateway is wanted or at work. */
  isDelegated = false;
  /** Whether the access log has it. */
  isNoted = false;
  /** Bytes of content that have gone out, without framing. */
  sentBytes = 0;

  readonly #client: ExchangeClient;
  #id: string | null = null;
  #method: string;
  #target: Target | null = null;
  #site: Site | null = null;
  #routed: Routed | null = null;
  #isLocal = false;
  #peer: Peer | null = null;

  /**
   * Makes the exchange of a head that was read.
   *
   * @throws {HttpError} Where its body ends cannot be said.
   */
  constructor(client: ExchangeClient, head: ParsedHead, startMs: number) {
    this.#client = client;
    this.head = head;
    this.startMs = startMs;
    this.#method = head.method;
    const framing = readFraming(head);
    this.expectation = readExpectation(head);
    // Who expects what nobody knows may wait with its body too.
    const isAwaited = this.expectation !== "none";
    this.clientBody = new ClientBody(client.input, framing, isAwaited, client.bodyLimits, client);
  }

  get id(): string {
    return this.#id ??= this.#client.nextRequestId();
  }

  get method(): string {
    return this.#method;
  }

  /** Parsed when first asked for. */
  get target(): Target {
    return this.#target ??= this.head.sent.parse(this.head.method);
  }

  get site(): Site {
    if (this.#site === null) throw new TypeError("the exchange has no site yet");
    return this.#site;
  }

  get route(): Route {
    return this.#expectRouted().route;
  }

  /** The route; null as long as none was found. */
  get routeFound(): Route | null {
    return this.#routed?.route ?? null;
  }

  /** The site; null as long as none was found. */
  get siteFound(): Site | null {
    return this.#site;
  }

  get rest(): string {
    return this.#expectRouted().rest;
  }

  get user(): string | null {
    return this.#routed?.user ?? null;
  }

  get body(): RequestBody {
    return this.#isLocal ? NO_BODY : this.clientBody;
  }

  get peer(): Peer {
    return this.#peer ??= this.#client.peerOf(this.head);
  }

  /** Which address it came to. */
  get listenIndex(): number {
    return this.#client.listenIndex;
  }

  get signal(): AbortSignal {
    return this.#client.signal;
  }

  /** How long its script goes on once the client has closed its sending side, in milliseconds. */
  get clientGoneMs(): number {
    const handler = this.routeFound?.handler;
    if (handler === undefined) return Infinity;
    return "run" in handler
      ? handler.run.settings.clientGoneMs
      : "clientGoneMs" in handler
      ? handler.clientGoneMs
      : Infinity;
  }

  delegate(): void {
    if (this.isDelegated) return;
    if (this.#client.isDestroyed) throw new ExchangeAborted("clientGone");
    this.isDelegated = true;
    this.#client.delegated();
  }

  begun(): void {
    this.#client.begun();
  }

  /** Its site was found. */
  enterSite(site: Site): void {
    this.#site = site;
  }

  /** Its handler was found: the body is held to the route's limit. */
  enterRoute(routed: Routed): void {
    this.#routed = routed;
    if (!this.#isLocal) this.clientBody.allow(routed.route.bodyLimitBytes);
  }

  /** Another path answers. A local redirect makes it a GET without body. */
  reroute(target: Target, as: "local" | "fallback"): void {
    this.#target = target;
    if (as === "fallback") return;
    this.#isLocal = true;
    if (this.isDelegated) this.#client.rerouted();
    this.isDelegated = false;
    if (this.#method !== "HEAD") this.#method = "GET";
  }

  /** Whether its site or route has fields for each of its answers. */
  get hasOwnFields(): boolean {
    return (this.#site?.headers.length ?? 0) > 0 || (this.#routed?.route.headers.length ?? 0) > 0;
  }

  /** The reply's fields, with the site's and the route's own in place of what they name. */
  responseFields(reply: Reply): readonly Field[] {
    const site = this.#site?.headers ?? NO_FIELDS;
    const route = this.#routed?.route.headers ?? NO_FIELDS;
    if (site.length === 0 && route.length === 0) return reply.fields;
    return override(override(reply.fields, site), route);
  }

  /** What the access log is told. */
  record(status: number, bytes: number, durationMs: number): AccessRecord {
    return new ExchangeRecord(this, status, bytes, durationMs);
  }

  /** What the status page is told of a failure. */
  error(status: number, reason: string): RecentError {
    const { head, notes } = this;
    return {
      timeMs: Date.now(),
      status,
      requestId: this.id,
      method: head.method,
      url: withoutQuery(head.target),
      script: notes.script,
      reason: reason.slice(0, REASON_CHARS_MAX),
    };
  }

  #expectRouted(): Routed {
    if (this.#routed === null) throw new TypeError("the exchange has no route yet");
    return this.#routed;
  }
}

/** When the loop's clock began, in milliseconds since 1970. */
const CLOCK_BEGAN_MS = performance.timeOrigin;

/** What the access log is told of an exchange, each thing made when it is asked for: few formats tell all. */
class ExchangeRecord implements AccessRecord {
  readonly status: number;
  readonly bytes: number;
  readonly durationMs: number;
  readonly #exchange: ClientExchange;

  constructor(exchange: ClientExchange, status: number, bytes: number, durationMs: number) {
    this.#exchange = exchange;
    this.status = status;
    this.bytes = bytes;
    this.durationMs = durationMs;
  }

  get time(): number {
    return Math.round(CLOCK_BEGAN_MS + this.#exchange.startMs);
  }

  get remote(): string {
    return this.#exchange.peer.address;
  }

  get user(): string | null {
    return this.#exchange.user;
  }

  get method(): string {
    return this.#exchange.head.method;
  }

  get target(): string {
    return this.#exchange.head.target;
  }

  get protocol(): AccessRecord["protocol"] {
    return protocolOf(this.#exchange.head);
  }

  get fields(): FieldLines {
    return this.#exchange.head.fields;
  }

  get requestId(): string {
    return this.#exchange.id;
  }

  get script(): string | null {
    return this.#exchange.notes.script;
  }

  get scriptMs(): number | null {
    return this.#exchange.notes.scriptMs;
  }

  get exit(): number | string | null {
    return this.#exchange.notes.exit;
  }
}

/** What is kept of why a request failed. */
const REASON_CHARS_MAX = 500;

const NO_FIELDS: readonly Field[] = [];

/** `fields` with those of `others` in place of all of the same name. */
function override(fields: readonly Field[], others: readonly Field[]): readonly Field[] {
  if (others.length === 0) return fields;
  const names = new Set(others.map(([name]) => name.toLowerCase()));
  return [...fields.filter(([name]) => !names.has(name.toLowerCase())), ...others];
}
