/**
 * One client: a connection, its state, and the requests that come over it, one after the other.
 *
 * Drives the table in `states.ts`. Every wait has a deadline, looked at by the loop's clock through `deadlineMs`; where it
 * has passed, the exchange's signal fires and the socket is destroyed.
 *
 * @module
 */

import type { Link } from "../chain.ts";
import type { Limits, Timeouts } from "../config/config.ts";
import { ContentCutShort, ExchangeAborted, type Peer, type Reply } from "../handlers/handler.ts";
import { PreparedReply } from "../handlers/prepared.ts";
import { HttpError } from "../http/error.ts";
import { isPersistent } from "../http/framing.ts";
import type { HeadReader, ParsedHead } from "../http/head.ts";
import type { PreparedResponse } from "../http/prepared_response.ts";
import { decideFraming, type ResponseFraming } from "../http/response.ts";
import { readProxyHeader } from "../http/proxy_protocol.ts";
import { logBug } from "../observe/bug.ts";
import { GAUGE_CELL } from "../observe/metrics.ts";
import type { Clock, Deadline } from "../time/clock.ts";
import type { AddressSet } from "../route/access.ts";
import { type Accounts, noteAnswered, noteUnanswered } from "./accounts.ts";
import type { Answer } from "./answerer.ts";
import type { BodyLimits } from "./body.ts";
import { type Connection, isConnectionError } from "./connection.ts";
import { ClientExchange, type ExchangeClient } from "./exchange.ts";
import type { HeadReaders } from "./head_readers.ts";
import { Input, type InputListener } from "./input.ts";
import { Output, type WriteWaiter } from "./output.ts";
import { peerBehind } from "./peer.ts";
import { dropUnread, errorReply, type RefusalHost, sayRefused } from "./refusals.ts";
import { gatherReply, isSource, sendRaw, sendReply, writeHead } from "./send.ts";
import { Event, State, type StateName, STATES, step } from "./states.ts";

/** What a client needs of its loop. */
export interface ClientHost extends Accounts, RefusalHost {
  /** The loop's clock. */
  readonly clock: Clock;
  /** Bounds on what clients may send and hold. */
  readonly limits: Limits;
  /** Bounds on waits. */
  readonly timeouts: Timeouts;
  /** Bounds on bodies. */
  readonly bodyLimits: BodyLimits;
  /** Read heads within `limits`. */
  readonly headReaders: HeadReaders;
  /** The Date field, rendered. */
  date(): string;
  /** An id that no other request of this server has. */
  nextRequestId(): string;
  /** The server is stopping: answers close their connections. */
  isDraining(): boolean;
  /** Whose Forwarded and X-Forwarded-* fields are believed. */
  readonly trustedProxies: AddressSet;
  /** How many bytes the system holds for a connection that its client has not acknowledged; null: there is no asking. */
  readonly unacknowledgedBytes: ((peer: Peer) => Promise<number | null>) | null;
  /** Whether a connection to this address begins with a header of the PROXY protocol. */
  hasProxyProtocol(listenIndex: number): boolean;
  /** The PROXY protocol has said who the client is; false: it has too many connections. */
  identify(client: Client, address: string): boolean;
  /** The client is gone and holds nothing any more. */
  over(client: Client): void;
}

/** How much of an unread body is read and dropped, and for how long, before the connection is closed instead. */
const DISCARD_BYTES_MAX = 256 * 1024;
const DISCARD_MS = 1_000;
/** How long a closing connection waits for its client to read the answer and close. */
const LINGER_MS = 2_000;
/** How long an idle connection of a stopping server may still send a request that was under way: so many looks at the clock. */
const DRAIN_LOOK_MS = 50;
const DRAIN_LOOKS = 4;
/** And one that has just been made, whose client is about to ask for the first time. */
const DRAIN_LOOKS_FIRST = 20;
/** An answer above this is written from where it lies rather than copied. */
const GATHER_BYTES_MAX = 8 * 1024;
/** An answer that waits in the output's buffer for its last write. */
const GATHERED = Symbol("gathered");

/** A client's way from its first byte to its last. */
export class Client implements Deadline, ExchangeClient, InputListener, WriteWaiter {
  /** Which address it came to: an index into `Config.listen`. */
  readonly listenIndex: number;
  /** Its clock's. */
  link: Link<Deadline> | null = null;
  /** Its host's: where it stands among the clients. */
  seat: Link<Client> | null = null;
  /** Its host's: the address by which it is counted. */
  countedAs = "";
  /** What it sends. */
  readonly input: Input;

  /** Bounds on its bodies. */
  readonly bodyLimits: BodyLimits;
  #peer: Peer;
  readonly #connection: Connection;
  readonly #host: ClientHost;
  readonly #output: Output;
  /** What has read a part of a head; null: nothing of one has come. */
  #reader: HeadReader | null = null;
  #state: number = State.READ_REQ;
  #publishedState: number | null = null;
  #exchange: ClientExchange | null = null;
  #controller: AbortController | null = null;
  /** Why it was destroyed; null: it is not. */
  #destroyed: ExchangeAborted["why"] | null = null;
  #aborted: ExchangeAborted | null = null;
  #isShakingHands = false;
  #requests = 0;
  #isIdle = false;
  /** How often the clock has found it idle while the server stops. */
  #drainLooks = 0;
  #isQueued = false;
  /** The client has said that it sends no other request. */
  #hasSaidLast = false;
  /** The answer that is gathered is the last. */
  #isLast = false;
  /** When the first byte of the request came. */
  #beganMs = 0;
  /** The deadline of READ_REQ, of lingering, and of a client that has left; each Infinity when it does not apply. */
  #readDeadlineMs = Infinity;
  #goneDeadlineMs = Infinity;
  /** The answer to a head that did not come, written while the read of it still waits. */
  #lateRefusal: Promise<void> | null = null;

  /**
   * Takes a connection over; nothing is read before `serve`.
   *
   * @param connection What is read and written; closed at the end.
   * @param peer Who is at its other end.
   * @param listenIndex Which address it came to.
   */
  constructor(connection: Connection, peer: Peer, listenIndex: number, host: ClientHost) {
    this.#peer = peer;
    this.listenIndex = listenIndex;
    this.#connection = connection;
    this.#host = host;
    this.input = new Input(connection, this, host.metrics);
    this.bodyLimits = host.bodyLimits;
    this.#output = new Output(connection, peer, host);
  }

  /** Milliseconds of the clock. */
  now(): number {
    return this.#host.clock.now();
  }

  /** Where it stands. */
  get state(): StateName {
    return STATES[this.#state];
  }

  /** Bytes that it has in buffers. */
  get heldBytes(): number {
    return this.input.buffer.length + this.#output.pendingBytes;
  }

  /** Nothing is under way for it: it is idle, or has not sent all of a head. */
  get isDispensable(): boolean {
    return this.#state === State.READ_REQ && !this.isDestroyed;
  }

  /** Closes its connection, since there is no memory for it. */
  shed(): void {
    this.#timedOut("timeout");
  }

  /** Whether its connection is closed. */
  get isDestroyed(): boolean {
    return this.#destroyed !== null;
  }

  /** Aborted when the client is gone, a deadline passes, or the server stops. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.isDestroyed) this.#controller.abort(this.#abortion());
    }
    return this.#controller.signal;
  }

  /** When it must be looked at. */
  get deadlineMs(): number {
    return Math.min(
      this.#readDeadlineMs,
      this.#output.deadlineMs,
      this.#goneDeadlineMs,
      this.#exchange?.clientBody.deadlineMs ?? Infinity,
    );
  }

  /** Serves it until it is gone, of which its host is told. */
  serve(): void {
    const { clock, timeouts } = this.#host;
    this.#publish();
    clock.add(this);
    this.#readDeadlineMs = clock.now() + timeouts.headerMs;
    const hasProxyHeader = this.#host.hasProxyProtocol(this.listenIndex);
    if (this.#connection.handshake === undefined && !hasProxyHeader) this.#goOn();
    else this.#goOnAfter(this.#begin(this.#connection, hasProxyHeader));
  }

  /** What comes before the first request; whether one may follow. */
  async #begin(connection: Connection, hasProxyHeader: boolean): Promise<boolean> {
    if (connection.handshake !== undefined) await this.#shakeHands(connection.handshake());
    return !hasProxyHeader || await this.#readProxyHeader();
  }

  #end(): void {
    this.#host.clock.remove(this);
    this.destroy("clientGone");
    if (this.#exchange === null) this.input.leave();
    else noteUnanswered(this.#host, this.#exchange, this.now());
    this.#setIdle(false);
    this.#setQueued(false);
    this.#host.metrics.move(this.#publishedState, null);
    this.#host.over(this);
  }

  #break(error: unknown): void {
    this.#failed(error);
    this.#end();
  }

  /**
   * Waits for a handshake. The runtime closes a TLS connection only when its handshake has ended, whatever `close` is told:
   * one that is late is left alone, and counted among the connections for as long as it holds a descriptor.
   */
  async #shakeHands(handshake: Promise<unknown>): Promise<void> {
    this.#isShakingHands = true;
    await handshake;
    this.#isShakingHands = false;
    if (this.#readDeadlineMs === Infinity) this.destroy("timeout");
  }

  /** The server stops: an idle connection is closed shortly, a busy one after its answer. */
  drain(): void {
    if (this.#isShakingHands) this.destroy("shutdown");
    if (this.#isIdle) {
      this.#readDeadlineMs = Math.min(this.#readDeadlineMs, this.#host.clock.now() + DRAIN_LOOK_MS);
    }
  }

  /** Ends everything at once. */
  destroy(why: ExchangeAborted["why"]): void {
    if (this.isDestroyed) return;
    this.#destroyed = why;
    if (this.#state !== State.FINISHED) this.#step(Event.close);
    if (this.#exchange?.clientBody.isComplete === false) this.#exchange.clientBody.fail(this.#abortion());
    this.#controller?.abort(this.#abortion());
    try {
      this.#connection.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
    // Last, since who waits for a write goes on at once, and may be at its end.
    this.#output.abandon(() => this.#abortion());
  }

  /** What is told to whoever waits for it: made when it is, since most connections just end. */
  #abortion(): ExchangeAborted {
    return this.#aborted ??= new ExchangeAborted(this.#destroyed ?? "clientGone");
  }

  /** A deadline has passed. */
  expire(nowMs: number): void {
    const body = this.#exchange?.clientBody;
    if (body !== undefined && body.deadlineMs <= nowMs) body.expire(nowMs);
    if (this.#output.deadlineMs <= nowMs && this.#output.expire(nowMs)) this.#timedOut("timeout");
    else if (this.#goneDeadlineMs <= nowMs) this.#timedOut("clientGone");
    else if (this.#readDeadlineMs > nowMs) return;
    else if (this.#state === State.FINISHED) this.destroy("timeout");
    else this.#expireRead();
  }

  #timedOut(why: ExchangeAborted["why"]): void {
    this.#host.metrics.add("timeouts");
    this.destroy(why);
  }

  /** Nobody else writes while a head is read, so the answer to one that does not come is written from here. */
  #expireRead(): void {
    // After a pause of the whole thread the clock comes first: what has arrived meanwhile is read before the next look.
    const looks = this.#requests === 0 ? DRAIN_LOOKS_FIRST : DRAIN_LOOKS;
    if (this.#isIdle && this.#host.isDraining() && ++this.#drainLooks < looks) {
      this.#readDeadlineMs = this.now() + DRAIN_LOOK_MS;
      return;
    }
    this.#readDeadlineMs = Infinity;
    if (this.#isShakingHands) return this.#host.metrics.add("timeouts");
    if (this.#state === State.RES_SENDING) {
      // The rest of a body that nobody read: its answer is out, and closing at once could destroy that on its way.
      return this.#exchange?.clientBody.fail(new HttpError(408, "the rest of the body came too slowly"));
    }
    const isHeadAwaited = this.#state === State.READ_REQ && this.#hasHeadBegun();
    if (!isHeadAwaited) return this.#timedOut("timeout");
    this.#host.metrics.add("timeouts");
    const refusal = new HttpError(408, "the head came too slowly", { close: true });
    this.#lateRefusal = this.#refuse(refusal).catch((error) => {
      this.#failed(error);
      this.destroy("timeout");
    });
  }

  #step(event: number): void {
    this.#state = step(this.#state, event);
  }

  /** Counts the client in its present state; called before each wait, since in between nobody could see it. */
  #publish(): void {
    if (this.#state === this.#publishedState) return;
    this.#host.metrics.move(this.#publishedState, this.#state);
    this.#publishedState = this.#state;
  }

  #setIdle(isIdle: boolean): void {
    if (isIdle === this.#isIdle) return;
    this.#isIdle = isIdle;
    this.#host.metrics.cells[GAUGE_CELL.idle] += isIdle ? 1 : -1;
  }

  #setQueued(isQueued: boolean): void {
    if (isQueued === this.#isQueued) return;
    this.#isQueued = isQueued;
    this.#host.metrics.shift("queued", isQueued ? 1 : -1);
  }

  /**
   * Whatever breaks the connection is the client's doing or ours by `destroy`; of content that breaks off its handler has
   * spoken. All else is a bug.
   */
  #failed(error: unknown): void {
    if (this.isDestroyed || this.input.isLost || isConnectionError(error) || error instanceof HttpError) {
      return;
    }
    if (error instanceof ContentCutShort) {
      const request = this.#exchange === null ? "" : `[${this.#exchange.id}] ${this.#exchange.head.target}: `;
      return this.#host.log.log("warn", `${request}${error.message}: the response is cut off`);
    }
    this.#host.metrics.add("errors");
    logBug(this.#host.log, "a bug of Pollux cost a client its connection", error);
  }

  /** The client has closed its sending side, or the connection has broken. */
  left(how: "ended" | "lost"): void {
    if (how === "lost") this.destroy("clientGone");
    else if (this.#exchange?.isDelegated) this.#startGoneDeadline(this.#exchange);
  }

  #startGoneDeadline(exchange: ClientExchange): void {
    this.#goneDeadlineMs = this.#host.clock.now() + exchange.clientGoneMs;
  }

  /** Who asks, trusted proxies seen through. */
  peerOf(head: ParsedHead): Peer {
    return peerBehind(this.#peer, head.fields, this.#host.trustedProxies);
  }

  /** Reads what the proxy in front says of its client; whether requests may follow. */
  async #readProxyHeader(): Promise<boolean> {
    const { input } = this;
    try {
      let header = readProxyHeader(input.buffer, input.start, input.end);
      while (header === null) {
        if (!await this.#more()) return false;
        header = readProxyHeader(input.buffer, input.start, input.end);
      }
      for (let left = header.bytes;;) {
        const bytes = Math.min(left, input.end - input.start);
        input.start += bytes;
        left -= bytes;
        if (left === 0) break;
        if (!await this.#more()) return false;
      }
      if (header.source === null) return true;
      if (!this.#host.identify(this, header.source.address)) {
        throw new HttpError(503, "too many connections of one address", {
          fields: [["Retry-After", "1"]],
          close: true,
        });
      }
      this.#peer = { ...this.#peer, ...header.source };
      return true;
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      await this.#refuse(error);
      return false;
    }
  }

  /** Waits for more of what is being read; false where none comes, which is answered. */
  async #more(): Promise<boolean> {
    this.#awaitInput();
    const hasMore = await this.input.fill();
    if (this.#lateRefusal !== null) await this.#lateRefusal;
    else if (hasMore) this.#inputCame();
    else await this.#endedEarly();
    return hasMore && this.#lateRefusal === null;
  }

  /**
   * Reads and answers until the connection ends: by calls as long as that needs nothing but reading and writing, which is the
   * common case, since a promise for each step of it would cost more than the steps, and a function that waits while the client
   * is idle half a KiB.
   */
  #goOn(): void {
    let answered: Promise<boolean> | null;
    try {
      if (this.#state === State.RES_SENDING) this.#next();
      answered = this.#answerGathering();
    } catch (error) {
      return this.#break(error);
    }
    if (answered !== null) this.#goOnAfter(answered);
  }

  /** The same behind what takes longer, if that says so. */
  #goOnAfter(answered: Promise<boolean>): void {
    answered.then((goesOn) => goesOn ? this.#goOn() : this.#end(), (error) => this.#break(error));
  }

  /**
   * Answers what has arrived.
   *
   * @returns Resolves like the first answer that takes longer, once that is out: whether there may be another request. null: it
   * is read or written, and then it goes on.
   */
  #answerGathering(): Promise<boolean> | null {
    const { input } = this;
    while (!this.isDestroyed) {
      let head: ParsedHead | null;
      try {
        head = input.isEmpty ? null : this.#readHead();
      } catch (error) {
        if (error instanceof HttpError) return this.#refuse(error).then(() => false);
        throw error;
      }
      if (head === null) {
        if (this.#output.pendingBytes > 0) {
          this.#output.flushThen(this);
        } else {
          this.#awaitInput();
          input.fillThen();
        }
        return null;
      }
      const answered = this.#answer(head);
      if (answered !== GATHERED) return answered;
      if (input.isEmpty || this.#isLast) {
        this.#publish();
        this.#output.flushThen(this);
        return null;
      }
      this.#next();
    }
    return Promise.resolve(false);
  }

  /** A reader is this client's while a part of a head has come, and anybody's otherwise. */
  #readHead(): ParsedHead | null {
    const { buffer, start, end } = this.input;
    const { headReaders } = this.#host;
    const reader = this.#reader ?? headReaders.take();
    this.#reader = reader;
    const head = reader.read(buffer, start, end);
    if (head === null) return null;
    headReaders.give(reader);
    this.#reader = null;
    return head;
  }

  /** What was gathered is out: behind the last answer, or because only a part of the next request is there. */
  written(): void {
    if (this.#isLast) this.#leave();
    else this.#goOn();
  }

  /** What was gathered cannot be sent. */
  writeFailed(error: unknown): void {
    this.#break(error);
  }

  /** The read that was waited for has ended. */
  filled(hasMore: boolean): void {
    if (this.#lateRefusal !== null) return this.#goOnAfter(this.#lateRefusal.then(() => false));
    if (!hasMore) return this.#goOnAfter(this.#endedEarly().then(() => false));
    this.#inputCame();
    this.#goOn();
  }

  /** An answer is out, its request complete: on to the next. */
  #next(): void {
    if (this.isDestroyed) return;
    this.#step(Event.sent);
    this.#step(Event.next);
    this.#exchange = null;
    this.input.release();
    this.#goneDeadlineMs = Infinity;
  }

  /**
   * Answers a request.
   *
   * What needs no wait is gathered at once: that is the common case, and a promise for each step of it would cost more than
   * the steps.
   *
   * @returns Whether there may be another request, for those that take longer: then their last byte is out.
   */
  #answer(head: ParsedHead): typeof GATHERED | Promise<boolean> {
    this.input.start += head.bytes;
    this.input.hold();
    this.#readDeadlineMs = Infinity;
    this.#step(Event.head);
    this.#requests++;
    let exchange: ClientExchange;
    try {
      exchange = new ClientExchange(this, head, this.#beganMs);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      return this.#refuse(error, head).then(() => false);
    }
    this.#exchange = exchange;
    const reply = this.#replyTo(exchange);
    return reply instanceof Promise ? this.#answerLater(exchange, reply) : this.#answerNow(exchange, reply);
  }

  /** What its handler says, or the reply to its refusal. */
  #replyTo(exchange: ClientExchange): Reply | Promise<Answer> {
    let refusal: unknown;
    try {
      const answer = this.#host.answerer.answer(exchange);
      if (answer instanceof Promise) return answer;
      if (answer.kind === "reply") {
        const reply = dropUnread(exchange, answer);
        this.#step(Event.respond);
        return reply;
      }
      refusal = answer.error;
    } catch (error) {
      refusal = error;
    }
    const reply = errorReply(this.#host, exchange, refusal);
    if (!(reply instanceof Promise)) this.#step(Event.refuse);
    return reply;
  }

  #answerNow(exchange: ClientExchange, reply: Reply): typeof GATHERED | Promise<boolean> {
    const goesOn = this.#canGoOn(exchange, reply);
    const prepared = this.#preparedFor(exchange, reply, goesOn);
    if (prepared !== null && goesOn) return this.#sendPrepared(exchange, reply, prepared);
    this.#isLast = !goesOn;
    if (prepared !== null && this.#gatherClosing(exchange, reply, prepared)) return GATHERED;
    const framing = this.#decideFraming(exchange, reply, goesOn);
    if (!this.#gatherReply(exchange, reply, framing)) return this.#finish(exchange, reply, framing);
    return GATHERED;
  }

  /** What the reply was rendered to when it was made, as it is with most files; null where that is not what is sent. */
  #preparedFor(exchange: ClientExchange, reply: Reply, goesOn: boolean): PreparedResponse | null {
    const prepared = PreparedReply.responseOf(reply);
    const isAsPrepared = prepared !== null && (exchange.head.minor === 1 || !goesOn) &&
      !exchange.hasOwnFields && exchange.clientBody.isComplete;
    return isAsPrepared ? prepared : null;
  }

  /** Gathers it as the last of its connection; false where it does not fit. */
  #gatherClosing(exchange: ClientExchange, reply: Reply, prepared: PreparedResponse): boolean {
    const part = exchange.head.method === "HEAD" ? "head" : "all";
    const bytes = prepared.closingBytes(part);
    const place = this.#output.reserve(bytes);
    if (place === null) return false;
    prepared.writeClosing(this.#host.date(), part, place.buffer, place.offset);
    this.#output.advance(bytes);
    this.#step(Event.send);
    exchange.sentBytes = part === "all" ? prepared.length - prepared.headBytes : 0;
    noteAnswered(this.#host, exchange, reply.status, this.#host.clock.coarseMs);
    return true;
  }

  /** Gathers it, or writes it from where it lies: a date that changes meanwhile is no less true. */
  #sendPrepared(
    exchange: ClientExchange,
    reply: Reply,
    prepared: PreparedResponse,
  ): typeof GATHERED | Promise<boolean> {
    const { headBytes } = prepared;
    const wanted = prepared.dated(this.#host.date(), exchange.head.method === "HEAD" ? "head" : "all");
    this.#step(Event.send);
    if (wanted.length > GATHER_BYTES_MAX || !this.#output.lend(wanted)) {
      return this.#writePrepared(exchange, reply, wanted, headBytes);
    }
    exchange.sentBytes = wanted.length - headBytes;
    noteAnswered(this.#host, exchange, reply.status, this.#host.clock.coarseMs);
    return GATHERED;
  }

  async #writePrepared(
    exchange: ClientExchange,
    reply: Reply,
    bytes: Uint8Array<ArrayBuffer>,
    headBytes: number,
  ): Promise<boolean> {
    this.#publish();
    try {
      await this.#output.flush();
      await this.#output.writeInPlace(bytes);
      exchange.sentBytes = bytes.length - headBytes;
    } finally {
      noteAnswered(this.#host, exchange, reply.status, this.now());
    }
    return !this.isDestroyed;
  }

  /** Whether the whole answer could be gathered, and nothing is left to do for its request. */
  #gatherReply(exchange: ClientExchange, reply: Reply, framing: ResponseFraming): boolean {
    if (!exchange.clientBody.isComplete) return false;
    if (!gatherReply(this.#output, exchange, reply, framing, this.#host.date())) return false;
    this.#step(Event.send);
    noteAnswered(this.#host, exchange, reply.status, this.#host.clock.coarseMs);
    return true;
  }

  async #answerLater(exchange: ClientExchange, answer: Promise<Answer>): Promise<boolean> {
    this.#publish();
    let reply: Reply;
    this.#flushMeanwhile();
    try {
      const settled = await answer;
      if (settled.kind === "refusal") throw settled.error;
      reply = dropUnread(exchange, settled);
      if (!this.isDestroyed) this.#step(Event.respond);
    } catch (error) {
      if (this.isDestroyed) throw error;
      reply = await errorReply(this.#host, exchange, error);
      if (!this.isDestroyed) this.#step(Event.refuse);
    }
    this.#setQueued(false);
    if (this.isDestroyed) {
      if (isSource(reply.body)) reply.body.close(new ExchangeAborted("clientGone"));
      return false;
    }
    const goesOn = this.#canGoOn(exchange, reply);
    return await this.#finish(exchange, reply, this.#decideFraming(exchange, reply, goesOn));
  }

  #awaitInput(): void {
    this.#publish();
    if (!this.input.isEmpty) {
      // A head that has begun behind the request before it.
      if (this.#readDeadlineMs === Infinity) this.#headBegan();
      return;
    }
    this.#setIdle(true);
    if (this.#requests > 0) this.#readDeadlineMs = this.#idleDeadline();
  }

  #inputCame(): void {
    if (!this.#isIdle) return;
    this.#setIdle(false);
    this.#headBegan();
  }

  /** The first head has its time from the connection's beginning on. */
  #headBegan(): void {
    this.#beganMs = this.now();
    if (this.#requests > 0) this.#readDeadlineMs = this.#beganMs + this.#host.timeouts.headerMs;
  }

  #idleDeadline(): number {
    const { clock, timeouts } = this.#host;
    return clock.coarseMs + (this.#host.isDraining() ? DRAIN_LOOK_MS : timeouts.keepAliveMs);
  }

  /** The client has closed its sending side between two requests, or within one. */
  async #endedEarly(): Promise<void> {
    if (this.isDestroyed || this.input.isLost || !this.#hasHeadBegun()) return;
    await this.#refuse(new HttpError(400, "the head broke off", { close: true }));
  }

  /** Some clients send an empty line behind a request's content (RFC 9112, 2.2): that begins no other. */
  #hasHeadBegun(): boolean {
    const { buffer, start, end } = this.input;
    return end - start > CRLF.length || CRLF.some((byte, i) => i < end - start && buffer[start + i] !== byte);
  }

  /** The body is complete: what the client sends now is its next request, or its leaving. */
  completed(): void {
    if (this.#exchange?.isDelegated) this.input.watch();
  }

  /** A local redirect leads back from the script to routing. */
  rerouted(): void {
    this.#goneDeadlineMs = Infinity;
    this.#setQueued(false);
    this.#step(Event.reroute);
  }

  /** A script or gateway is wanted. */
  delegated(): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    this.#step(Event.delegate);
    this.#publish();
    this.#setQueued(true);
    if (exchange.clientBody.isComplete) this.input.watch();
    if (this.input.isEnded) this.#startGoneDeadline(exchange);
  }

  /** What it waits for is at work. */
  begun(): void {
    this.#setQueued(false);
  }

  /** Sends `100 Continue`, unless the answer has begun. */
  sendContinue(): void {
    const isAnswered = this.#state !== State.REQ_RDY && this.#state !== State.WAIT_CGI;
    if (!isAnswered && this.#output.append(CONTINUE)) this.#flushMeanwhile();
  }

  /**
   * Sends what is gathered while something else is waited for: waited for one after the other, a failure of the second would
   * be unheard as long as the first takes, which ends the loop.
   */
  #flushMeanwhile(): void {
    if (this.#output.pendingBytes === 0) return;
    this.#output.flush().catch((error) => {
      this.#failed(error);
      this.destroy("clientGone");
    });
  }

  /** Unique among this server's requests. */
  nextRequestId(): string {
    return this.#host.nextRequestId();
  }

  /** Answers what has no exchange: a head that could not be read, or whose body has no clear end. */
  async #refuse(error: HttpError, head: ParsedHead | null = null): Promise<void> {
    this.#setIdle(false);
    this.#readDeadlineMs = Infinity;
    const { reply, record } = this.#host.answerer.refuseUnread(
      head === null ? this.#peer : this.peerOf(head),
      error,
      head,
      this.nextRequestId(),
    );
    const { requestId, remote, method, target } = record;
    const what = head === null ? remote || "a local client" : `${method} ${target}`;
    sayRefused(this.#host.log, `[${requestId}] ${what}`, error, "debug");
    const content = reply.body instanceof Uint8Array ? reply.body : NOTHING;
    this.#step(Event.refuse);
    this.#step(Event.send);
    const framing = decideFraming({
      requestMinor: head?.minor ?? 1,
      method: head?.method ?? "GET",
      status: reply.status,
      length: content.length,
      keepAlive: false,
    });
    const { status, fields, moreFields } = reply;
    await writeHead(this.#output, { status, fields, moreFields, date: this.#host.date(), framing });
    await this.#output.write(framing.hasBody ? content : NOTHING);
    this.#host.metrics.answered(reply.status, 0);
    this.#host.record?.({ ...record, bytes: content.length });
    await this.#linger();
  }

  /** Sends the reply and takes what the request still has. Resolves with whether the connection can be used again. */
  async #finish(exchange: ClientExchange, reply: Reply, framing: ResponseFraming): Promise<boolean> {
    const source = isSource(reply.body) ? reply.body : null;
    let failure: unknown = null;
    try {
      this.#step(Event.send);
      this.#publish();
      if (source?.raw) await sendRaw(this.#output, exchange, source);
      else await sendReply(this.#output, exchange, reply, framing, this.#host.date());
    } catch (error) {
      failure = error;
      this.#host.metrics.add("connectionsLost");
      throw error;
    } finally {
      source?.close(failure);
      noteAnswered(this.#host, exchange, reply.status, this.now());
    }
    if (this.isDestroyed) return false;
    if (framing.persistent && !source?.raw && await this.#discard(exchange)) return true;
    await this.#linger();
    return false;
  }

  #decideFraming(exchange: ClientExchange, reply: Reply, keepAlive: boolean): ResponseFraming {
    return decideFraming({
      requestMinor: exchange.head.minor,
      method: exchange.head.method,
      status: reply.status,
      length: reply.body === null ? 0 : reply.body.length,
      keepAlive,
    });
  }

  #canGoOn(exchange: ClientExchange, reply: Reply): boolean {
    if (reply.close || this.#host.isDraining() || this.input.isEnded && this.input.isEmpty) {
      return false;
    }
    if (this.#requests >= this.#host.limits.requestsPerConnection) return false;
    if (exchange.clientBody.progress === "awaiting100" || exchange.clientBody.progress === "broken") {
      return false;
    }
    // Where no script reads it nobody will, and there is too much of it to be dropped.
    if (!exchange.isDelegated && exchange.clientBody.isLongerThan(DISCARD_BYTES_MAX)) return false;
    this.#hasSaidLast = !isPersistent(exchange.head);
    return !this.#hasSaidLast;
  }

  async #discard(exchange: ClientExchange): Promise<boolean> {
    if (exchange.clientBody.isComplete) return true;
    this.#readDeadlineMs = this.#host.clock.now() + DISCARD_MS;
    try {
      return await exchange.clientBody.discard(DISCARD_BYTES_MAX);
    } catch (error) {
      if (error instanceof HttpError) return false;
      throw error;
    } finally {
      this.#readDeadlineMs = Infinity;
    }
  }

  /** Closes the connection behind its last answer. */
  #leave(): void {
    if (this.#isSafeToClose()) {
      this.#exchange = null;
      this.#end();
    } else this.#goOnAfter(this.#linger().then(() => false));
  }

  /**
   * Whether the client has said that its request is its last, so that nothing may follow (RFC 9112, 9.6), and nothing has. Some send
   * an empty line behind content, all the same. Over TLS it is told of the end.
   */
  #isSafeToClose(): boolean {
    return this.#hasSaidLast && this.input.isEmpty && this.#exchange?.clientBody.progress === "none" &&
      this.#connection.handshake === undefined;
  }

  /**
   * Closes the sending side and reads on for a while: closing with unread bytes would send a reset, which can destroy the
   * answer on its way (RFC 9112, 9.6).
   */
  async #linger(): Promise<void> {
    if (this.isDestroyed) return;
    this.#step(Event.sent);
    this.#publish();
    await this.#connection.closeWrite();
    this.input.release();
    this.#readDeadlineMs = this.#host.clock.now() + LINGER_MS;
    do this.input.start = this.input.end; while (await this.input.fill());
  }
}

const NOTHING = new Uint8Array(0);
const CRLF = [0x0d, 0x0a];
const CONTINUE = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");
