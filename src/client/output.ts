/**
 * What goes out to a client: small answers gathered and sent together, large ones in turn, each write under a deadline.
 *
 * @module
 */

import type { LentBytes } from "../buffers.ts";
import type { Limits, Timeouts } from "../config/config.ts";
import type { Peer } from "../handlers/handler.ts";
import { COUNTER_CELL, type Metrics } from "../observe/metrics.ts";
import type { Clock } from "../time/clock.ts";

/** The writing half of a connection. */
export interface Writable {
  /** As of `Deno.Conn`. */
  write(bytes: LentBytes): Promise<number>;
}

/** What an output needs of its loop: one object for all of them, since there may be ten thousand. */
export interface OutputHost {
  /** Whose time `deadlineMs` is in. */
  readonly clock: Clock;
  /** Where bytes are counted. */
  readonly metrics: Metrics;
  /** How long a write may make no progress. */
  readonly timeouts: Pick<Timeouts, "writeMs">;
  /** Bytes a second that count as progress; 0: any. */
  readonly limits: Pick<Limits, "minRate">;
  /**
   * How many bytes the system holds that a client has not acknowledged; null: that cannot be told. Where this is null, no
   * progress is seen but that of writes that end.
   */
  readonly unacknowledgedBytes: ((peer: Peer) => Promise<number | null>) | null;
}

/** How long the system is asked for what it holds, in milliseconds: whoever asks too often waits for his turn. */
const LOOK_MS_MAX = 10_000;
/** After so many looks without progress, half a timeout apart, a write is given up. */
const IDLE_LOOKS_MAX = 2;

/** Size of a gathering buffer. */
const GATHER_BYTES = 16 * 1024;
/** How many gathering buffers a loop keeps. */
const POOL_MAX = 256;

const pool: Uint8Array<ArrayBuffer>[] = [];

const DONE = Promise.resolve();

/** Who waits for the end of a write: exactly one of the two is called. */
export interface WriteWaiter {
  /** All of it is out. */
  written(): void;
  /** The connection has broken, or is destroyed. */
  writeFailed(error: unknown): void;
}

/** The output of one connection. */
export class Output {
  /** When the write under way is to be looked at, in milliseconds of the clock; Infinity: none is under way. */
  deadlineMs: number = Infinity;
  /** Bytes that have gone out since the connection began. */
  sentBytes = 0;

  readonly #sink: Writable;
  readonly #peer: Peer;
  readonly #host: OutputHost;
  /** What was seen of the write under way. */
  #idleLooks = 0;
  #isLooking = false;
  #lastLook: { readonly heldBytes: number | null; readonly atMs: number } | null = null;
  /** Counts the writes that were looked at: what was asked during an earlier one is of no account. */
  #writes = 0;
  #gathered: Uint8Array<ArrayBuffer> | null = null;
  #length = 0;
  /** What goes out as it lies, since nothing else is gathered. */
  #lent: Uint8Array<ArrayBuffer> | null = null;
  /** What is still to be written by the write under way; null: none is. */
  #rest: LentBytes | null = null;
  /** The buffer that it lies in, where that is one of the pool's. */
  #writing: Uint8Array<ArrayBuffer> | null = null;
  #waiter: WriteWaiter | null = null;
  /** Who wants to write as soon as that has ended. */
  #queue: (() => void)[] | null = null;
  /** Makes what each further write fails with; null: none has to. */
  #abandoned: (() => Error) | null = null;

  /**
   * An output that has sent nothing yet.
   *
   * @param sink What is written to.
   * @param peer Who reads it.
   */
  constructor(sink: Writable, peer: Peer, host: OutputHost) {
    this.#sink = sink;
    this.#peer = peer;
    this.#host = host;
  }

  /** Whether it can be told how much of what was written the client has; a unix socket has no such count. */
  get #isTold(): boolean {
    return this.#host.unacknowledgedBytes !== null && this.#peer.localPort !== 0;
  }

  /** How long after a write's beginning it is looked at. */
  get #lookMs(): number {
    const { writeMs } = this.#host.timeouts;
    return this.#isTold ? writeMs / IDLE_LOOKS_MAX : writeMs;
  }

  /** Bytes gathered and not yet sent. */
  get pendingBytes(): number {
    return this.#lent !== null ? this.#lent.length : this.#length;
  }

  /**
   * A place for up to `bytes` more: the buffer and where to begin, to be followed by `advance`.
   *
   * @returns null when there is no room left: `flush` first. More than a buffer's size is never granted.
   */
  reserve(bytes: number): { buffer: Uint8Array<ArrayBuffer>; offset: number } | null {
    if (bytes > GATHER_BYTES - this.pendingBytes) return null;
    if (this.#lent !== null) this.#takeLent(this.#lent);
    this.#gathered ??= pool.pop() ?? new Uint8Array(GATHER_BYTES);
    return { buffer: this.#gathered, offset: this.#length };
  }

  /** Counts what was put into the place that `reserve` gave. */
  advance(bytes: number): void {
    this.#length += bytes;
  }

  /** Copies `bytes` behind what is gathered; false when they do not fit. */
  append(bytes: LentBytes): boolean {
    const place = this.reserve(bytes.length);
    if (place === null) return false;
    place.buffer.set(bytes, place.offset);
    this.#length += bytes.length;
    return true;
  }

  /**
   * Gathers `bytes`, of which a copy is made only when more is gathered behind them: until they are sent nobody may change them.
   *
   * @returns false when they do not fit.
   */
  lend(bytes: Uint8Array<ArrayBuffer>): boolean {
    if (this.pendingBytes > 0 || bytes.length > GATHER_BYTES) return this.append(bytes);
    this.#lent = bytes;
    return true;
  }

  #takeLent(lent: Uint8Array<ArrayBuffer>): void {
    this.#lent = null;
    this.#gathered ??= pool.pop() ?? new Uint8Array(GATHER_BYTES);
    this.#gathered.set(lent);
    this.#length = lent.length;
  }

  /** Sends what is gathered. Rejects when the connection breaks or is destroyed. */
  flush(): Promise<void> {
    return this.pendingBytes === 0
      ? DONE
      : new Promise((resolve, reject) => this.flushThen({ written: resolve, writeFailed: reject }));
  }

  /** Sends what is gathered, which is something, and calls `waiter`: a promise less for each answer. */
  flushThen(waiter: WriteWaiter): void {
    if (this.#lent !== null) {
      const lent = this.#lent;
      this.#lent = null;
      return this.#send(lent, null, waiter);
    }
    const gathered = this.#gathered;
    const length = this.#length;
    this.#gathered = null;
    this.#length = 0;
    if (gathered === null) throw new TypeError("there is nothing to flush");
    this.#send(gathered.subarray(0, length), gathered, waiter);
  }

  /** Sends what is gathered and then `bytes`, in one write where both fit. */
  async write(bytes: LentBytes): Promise<void> {
    if (this.append(bytes)) return await this.flush();
    await this.flush();
    await this.writeInPlace(bytes);
  }

  /** Sends `bytes`, of which no copy is made; what is gathered was sent before. */
  writeInPlace(bytes: LentBytes): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#send(bytes, null, { written: resolve, writeFailed: reject })
    );
  }

  /**
   * The write under way fails now, with the error that `makeError` makes, and each further one. Closing the connection does that as well, but not on Deno 2.7, where a write
   * to a client that reads nothing outlives its socket.
   */
  abandon(makeError: () => Error): void {
    this.#abandoned ??= makeError;
    if (this.#rest !== null) this.#fail(makeError());
  }

  /** Throws what further writes fail with, if they do. */
  assertWanted(): void {
    if (this.#abandoned !== null) throw this.#abandoned();
  }

  /**
   * The deadline has come: whether the write under way is to be given up.
   *
   * A write ends only when the system has room, and Linux says so only when a third of a buffer of up to 4 MiB is free: on a
   * slow line that takes minutes. So before a client is given up, it is looked whether what is held for it grows less.
   */
  expire(nowMs: number): boolean {
    const { unacknowledgedBytes } = this.#host;
    const isTold = unacknowledgedBytes !== null && this.#isTold;
    if (!isTold || this.#isLooking || this.#idleLooks >= IDLE_LOOKS_MAX) return true;
    this.#isLooking = true;
    this.deadlineMs = nowMs + LOOK_MS_MAX;
    const write = this.#writes;
    unacknowledgedBytes(this.#peer).then((heldBytes) => {
      if (write === this.#writes) this.#looked(heldBytes);
    });
    return false;
  }

  #forgetLooks(): void {
    this.#writes++;
    this.#idleLooks = 0;
    this.#isLooking = false;
    this.#lastLook = null;
  }

  #looked(heldBytes: number | null): void {
    const atMs = this.#host.clock.now();
    const last = this.#lastLook;
    this.#isLooking = false;
    this.#idleLooks = this.#isProgress(last, heldBytes, atMs) ? 0 : this.#idleLooks + 1;
    this.#lastLook = { heldBytes, atMs };
    this.deadlineMs = this.#idleLooks >= IDLE_LOOKS_MAX ? atMs : atMs + this.#lookMs;
  }

  #isProgress(
    last: { heldBytes: number | null; atMs: number } | null,
    held: number | null,
    atMs: number,
  ): boolean {
    if (last === null || last.heldBytes === null || held === null) return false;
    const acknowledged = last.heldBytes - held;
    return acknowledged > 0 && acknowledged * 1000 >= this.#host.limits.minRate * (atMs - last.atMs);
  }

  /** Writes all of `bytes`, in its turn; `gathered` goes back to the pool after it. */
  #send(bytes: LentBytes, gathered: Uint8Array<ArrayBuffer> | null, waiter: WriteWaiter): void {
    if (this.#abandoned !== null) return waiter.writeFailed(this.#abandoned());
    if (this.#rest !== null) {
      (this.#queue ??= []).push(() => this.#send(bytes, gathered, waiter));
      return;
    }
    this.#rest = bytes;
    this.#writing = gathered;
    this.#waiter = waiter;
    if (bytes.length > 0) this.#write(bytes);
    else this.#finish()?.written();
  }

  #write(rest: LentBytes): void {
    this.deadlineMs = this.#host.clock.coarseMs + this.#lookMs;
    this.#sink.write(rest).then(this.#onWritten, this.#onError);
  }

  readonly #onWritten = (count: number): void => {
    this.sentBytes += count;
    this.#host.metrics.cells[COUNTER_CELL.bytesOut] += count;
    if (this.#lastLook !== null || this.#isLooking) this.#forgetLooks();
    const rest = this.#rest;
    if (rest === null) return; // It was given up.
    if (count < rest.length) {
      this.#rest = rest.subarray(count);
      this.#write(this.#rest);
      return;
    }
    if (this.#writing !== null && pool.length < POOL_MAX) pool.push(this.#writing);
    this.#finish()?.written();
  };

  readonly #onError = (error: unknown): void => this.#fail(error);

  #fail(error: unknown): void {
    this.#finish()?.writeFailed(error);
  }

  /** No write is under way any more; who waited for the one that was. */
  #finish(): WriteWaiter | null {
    const waiter = this.#waiter;
    this.#rest = null;
    this.#writing = null;
    this.#waiter = null;
    this.deadlineMs = Infinity;
    this.#queue?.shift()?.();
    return waiter;
  }
}
