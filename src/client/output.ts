/**
 * What goes out to a client: small answers gathered and sent together, large ones in turn, each write under a deadline.
 *
 * @module
 */

import { COUNTER_CELL, type Metrics } from "../observe/metrics.ts";
import type { Clock } from "../time/clock.ts";

/** The writing half of a connection. */
export interface Writable {
  /** As of `Deno.Conn`. */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<number>;
}

/** How slowly a client may read. */
export interface WritePatience {
  /** How long a write may make no progress, in milliseconds. */
  readonly timeoutMs: number;
  /** Bytes a second that count as progress; 0: any. */
  readonly minRate: number;
  /**
   * How many bytes the system holds that the client has not acknowledged; null: that cannot be told. Where this is null, no
   * progress is seen but that of writes that end.
   */
  readonly unacknowledgedBytes: (() => Promise<number | null>) | null;
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

/** The output of one connection. */
export class Output {
  /** When the write under way is to be looked at, in milliseconds of the clock; Infinity: none is under way. */
  deadlineMs: number = Infinity;
  /** Bytes that have gone out since the connection began. */
  sentBytes = 0;

  readonly #sink: Writable;
  readonly #clock: Clock;
  readonly #patience: WritePatience;
  /** How long after a write's beginning it is looked at. */
  readonly #lookMs: number;
  /** What was seen of the write under way. */
  #idleLooks = 0;
  #isLooking = false;
  #lastLook: { readonly heldBytes: number | null; readonly atMs: number } | null = null;
  /** Counts the writes that were looked at: what was asked during an earlier one is of no account. */
  #writes = 0;
  readonly #metrics: Metrics;
  #gathered: Uint8Array<ArrayBuffer> | null = null;
  #length = 0;
  /** The write under way: a second one waits for it. */
  #writing: Promise<void> | null = null;
  #giveUp: ((error: Error) => void) | null = null;

  /**
   * An output that has sent nothing yet.
   *
   * @param sink What is written to.
   * @param clock Whose time `deadlineMs` is in.
   * @param metrics Where bytes are counted.
   */
  constructor(sink: Writable, clock: Clock, patience: WritePatience, metrics: Metrics) {
    this.#sink = sink;
    this.#clock = clock;
    this.#patience = patience;
    const { timeoutMs, unacknowledgedBytes } = patience;
    this.#lookMs = unacknowledgedBytes === null ? timeoutMs : timeoutMs / IDLE_LOOKS_MAX;
    this.#metrics = metrics;
  }

  /** Bytes gathered and not yet sent. */
  get pendingBytes(): number {
    return this.#length;
  }

  /**
   * A place for up to `bytes` more: the buffer and where to begin, to be followed by `advance`.
   *
   * @returns null when there is no room left: `flush` first. More than a buffer's size is never granted.
   */
  reserve(bytes: number): { buffer: Uint8Array<ArrayBuffer>; offset: number } | null {
    if (bytes > GATHER_BYTES - this.#length) return null;
    this.#gathered ??= pool.pop() ?? new Uint8Array(GATHER_BYTES);
    return { buffer: this.#gathered, offset: this.#length };
  }

  /** Counts what was put into the place that `reserve` gave. */
  advance(bytes: number): void {
    this.#length += bytes;
  }

  /** Copies `bytes` behind what is gathered; false when they do not fit. */
  append(bytes: Uint8Array<ArrayBuffer>): boolean {
    const place = this.reserve(bytes.length);
    if (place === null) return false;
    place.buffer.set(bytes, place.offset);
    this.#length += bytes.length;
    return true;
  }

  /** Sends what is gathered. Rejects when the connection breaks or is destroyed. */
  async flush(): Promise<void> {
    const gathered = this.#gathered;
    if (gathered === null || this.#length === 0) return;
    const length = this.#length;
    this.#gathered = null;
    this.#length = 0;
    await this.#writeAll(gathered.subarray(0, length));
    if (pool.length < POOL_MAX) pool.push(gathered);
  }

  /** Sends what is gathered and then `bytes`, in one write where both fit. */
  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.append(bytes)) return await this.flush();
    await this.flush();
    await this.#writeAll(bytes);
  }

  /**
   * The write under way fails now, with `error`. Closing the connection does that as well, but not on Deno 2.7, where a write
   * to a client that reads nothing outlives its socket.
   */
  abandon(error: Error): void {
    this.#giveUp?.(error);
  }

  /**
   * The deadline has come: whether the write under way is to be given up.
   *
   * A write ends only when the system has room, and Linux says so only when a third of a buffer of up to 4 MiB is free: on a
   * slow line that takes minutes. So before a client is given up, it is looked whether what is held for it grows less.
   */
  expire(nowMs: number): boolean {
    const { unacknowledgedBytes } = this.#patience;
    if (unacknowledgedBytes === null || this.#isLooking || this.#idleLooks >= IDLE_LOOKS_MAX) return true;
    this.#isLooking = true;
    this.deadlineMs = nowMs + LOOK_MS_MAX;
    const write = this.#writes;
    unacknowledgedBytes().then((heldBytes) => {
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
    const atMs = this.#clock.now();
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
    return acknowledged > 0 && acknowledged * 1000 >= this.#patience.minRate * (atMs - last.atMs);
  }

  async #writeAll(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    while (this.#writing !== null) await this.#writing;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#giveUp = reject;
    this.#writing = promise;
    this.#writeInTurn(bytes).then(resolve, reject);
    try {
      await promise;
    } finally {
      this.#writing = null;
      this.#giveUp = null;
    }
  }

  async #writeInTurn(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) {
      this.deadlineMs = this.#clock.coarseMs + this.#lookMs;
      const count = await this.#sink.write(rest);
      this.sentBytes += count;
      if (this.#lastLook !== null || this.#isLooking) this.#forgetLooks();
      this.#metrics.cells[COUNTER_CELL.bytesOut] += count;
      if (count === rest.length) break;
      rest = rest.subarray(count);
    }
    this.deadlineMs = Infinity;
  }
}
