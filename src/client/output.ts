/**
 * What goes out to a client: small answers gathered and sent together, large ones in turn, each write under a deadline.
 *
 * @module
 */

import type { Clock } from "../time/clock.ts";

/** The writing half of a connection. */
export interface Writable {
  /** As of `Deno.Conn`. */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<number>;
}

/** Size of a gathering buffer. */
const GATHER_BYTES = 16 * 1024;
/** How many gathering buffers a loop keeps. */
const POOL_MAX = 256;

const pool: Uint8Array<ArrayBuffer>[] = [];

/** The output of one connection. */
export class Output {
  /** When the write under way is given up, in milliseconds of the clock; Infinity: none is under way. */
  deadlineMs: number = Infinity;
  /** Bytes that have gone out since the connection began. */
  sentBytes = 0;

  readonly #sink: Writable;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
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
   * @param timeoutMs How long a write may make no progress.
   */
  constructor(sink: Writable, clock: Clock, timeoutMs: number) {
    this.#sink = sink;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
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
      this.deadlineMs = this.#clock.coarseMs + this.#timeoutMs;
      const count = await this.#sink.write(rest);
      this.sentBytes += count;
      if (count === rest.length) break;
      rest = rest.subarray(count);
    }
    this.deadlineMs = Infinity;
  }
}
