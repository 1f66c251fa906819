/**
 * The body of a request as a handler reads it: decoded, bounded in size, with a deadline and a minimum rate.
 *
 * Only the time spent waiting for the client counts: a script that reads slowly is not the client's fault.
 *
 * @module
 */

import { isShared, type LentBytes } from "../buffers.ts";
import type { RequestBody } from "../handlers/handler.ts";
import { ChunkedReader } from "../http/chunked.ts";
import { HttpError } from "../http/error.ts";
import type { FieldLimits } from "../http/fields.ts";
import type { Framing } from "../http/framing.ts";
import { BODY_CHUNK_BYTES, type Input } from "./input.ts";

/** How far a body has come, kept beside the client's state. */
export type BodyProgress =
  /** There is none. */
  | "none"
  /** The client waits for `100 Continue`. */
  | "awaiting100"
  | "open"
  | "complete"
  /** It broke off, or is not wanted any more: the connection cannot be used again. */
  | "broken";

/** What a body needs of its client. */
export interface BodyHost {
  /** Milliseconds of the clock. */
  now(): number;
  /** Sends `100 Continue`, unless the answer has begun. */
  sendContinue(): void;
  /** The request is complete: what comes next is read ahead of it. */
  completed(): void;
}

/** Bounds on a body. */
export interface BodyLimits {
  /** Bytes; beyond: 413. */
  readonly bodyBytes: number;
  /** Milliseconds between two reads; beyond: 408. */
  readonly timeoutMs: number;
  /** Bytes a second, averaged over 10 s; below: 408. */
  readonly minRate: number;
  /** Bounds on chunk extensions and trailers. */
  readonly fields: FieldLimits;
}

const RATE_WINDOW_MS = 10_000;

/** The body of one request. */
export class ClientBody implements RequestBody {
  /** Bytes announced by Content-Length; 0 without a body; null for chunked. */
  readonly length: number | null;
  /** How far it has come. */
  progress: BodyProgress;

  readonly #input: Input;
  readonly #host: BodyHost;
  readonly #limits: BodyLimits;
  #limitBytes: number;
  readonly #chunked: ChunkedReader | null;
  #remainingBytes: number;
  #receivedBytes = 0;
  #waiter: { resolve(): void; reject(error: unknown): void } | null = null;
  #waitingSinceMs = 0;
  #windowWaitedMs = 0;
  #windowBytes = 0;
  #failure: unknown = null;
  /** How often the reader has changed. */
  #readers = 0;

  /**
   * Makes the body of one request.
   *
   * @param framing Where the body ends.
   * @param isAwaited Whether the client waits for `100 Continue`.
   */
  constructor(input: Input, framing: Framing, isAwaited: boolean, limits: BodyLimits, host: BodyHost) {
    this.#input = input;
    this.#host = host;
    this.#limits = limits;
    this.#limitBytes = limits.bodyBytes;
    this.length = framing.kind === "chunked" ? null : framing.kind === "length" ? framing.bytes : 0;
    this.#remainingBytes = this.length ?? Infinity;
    this.#chunked = framing.kind === "chunked" ? new ChunkedReader(limits.fields) : null;
    this.progress = framing.kind === "none" ? "none" : isAwaited ? "awaiting100" : "open";
    if (this.length === 0 && framing.kind === "length") this.progress = "complete";
  }

  /** Whether the request is wholly read, so that the next one begins where the input stands. */
  get isComplete(): boolean {
    return this.progress === "none" || this.progress === "complete";
  }

  /**
   * Sets another limit than the server's.
   *
   * @throws {HttpError} 413: it announces more.
   */
  allow(limitBytes: number): void {
    this.#limitBytes = limitBytes;
    if (this.length !== null && this.length > limitBytes) throw tooLarge(limitBytes);
  }

  /** When the wait for the client is to be looked at, in milliseconds of the clock; Infinity: it is not waited for. */
  get deadlineMs(): number {
    if (this.#waiter === null) return Infinity;
    const rateMs = this.#limits.minRate > 0 ? RATE_WINDOW_MS - this.#windowWaitedMs : Infinity;
    return this.#waitingSinceMs + Math.min(this.#limits.timeoutMs, rateMs);
  }

  /** The deadline has come: fails the read, unless the average rate allows another window. */
  expire(nowMs: number): void {
    const waitedMs = nowMs - this.#waitingSinceMs;
    if (waitedMs < this.#limits.timeoutMs) {
      const isFastEnough = this.#windowBytes * 1000 >= this.#limits.minRate * RATE_WINDOW_MS;
      if (isFastEnough) {
        this.#windowWaitedMs = -waitedMs;
        this.#windowBytes = 0;
        return;
      }
    }
    this.fail(new HttpError(408, "the body came too slowly", { close: true }));
  }

  /** The wait, and each further read, rejects with `error`. */
  fail(error: unknown): void {
    if (this.isComplete) return;
    this.progress = "broken";
    this.#failure ??= error;
    this.#waiter?.reject(error);
    this.#waiter = null;
  }

  /** The next bytes, never empty, the caller's to keep; null at the end. */
  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    const bytes = await this.#next(null);
    return bytes !== null && isShared(bytes) ? bytes.slice() : bytes;
  }

  /** The same, in `room` where they need not be decoded and are not at hand. */
  readInto(room: LentBytes): Promise<LentBytes | null> {
    return this.#next(room);
  }

  async #next(room: LentBytes | null): Promise<LentBytes | null> {
    if (this.progress === "awaiting100") {
      this.progress = "open";
      if (this.#input.isEmpty) this.#host.sendContinue();
    }
    const reader = this.#readers;
    while (true) {
      // What is left goes elsewhere: an end here would be taken for the body's.
      // A promise of its own, which goes with the reader: one for all would hold on to each that ever waited.
      if (reader !== this.#readers) return await new Promise<never>(() => {});
      if (this.isComplete) return null;
      if (this.#failure !== null) throw this.#failure;
      const bytes = this.#decode();
      if (bytes !== null) return bytes;
      if (!this.isComplete) await this.#waitForInput(room);
    }
  }

  /** Whether it has announced that more than `maxBytes` are left. */
  isLongerThan(maxBytes: number): boolean {
    return this.length !== null && this.#remainingBytes > maxBytes;
  }

  /**
   * Reads and drops what is left, up to `maxBytes`; for whoever was reading it, it ends here.
   *
   * @returns Whether the request is complete now.
   */
  async discard(maxBytes: number): Promise<boolean> {
    if (this.isComplete) return true;
    // A client that was not told to go on may or may not send its body: the next bytes cannot be told apart.
    if (this.progress !== "open") return false;
    this.#readers++;
    this.#waiter?.resolve();
    this.#waiter = null;
    if (this.isLongerThan(maxBytes)) return false;
    let dropped = 0;
    while (dropped <= maxBytes) {
      const bytes = await this.read();
      if (bytes === null) return true;
      dropped += bytes.length;
    }
    return false;
  }

  /**
   * Drops what has arrived and nobody will read, without waiting for more.
   *
   * @throws {HttpError} 400: it is malformed; 413: it is too large already.
   */
  dropArrived(): void {
    if (this.progress !== "open" || this.#waiter !== null) return;
    while (!this.isComplete && this.#decode() !== null);
  }

  /** What can be had of the unread input; null: nothing, or the end (then `progress` says so). */
  #decode(): LentBytes | null {
    return this.#chunked === null ? this.#decodeLength() : this.#decodeChunked(this.#chunked);
  }

  #decodeLength(): LentBytes | null {
    if (this.#input.isEmpty) return null;
    const bytes = this.#input.take(this.#remainingBytes);
    this.#remainingBytes -= bytes.length;
    if (this.#remainingBytes === 0) this.#complete();
    return this.#count(bytes);
  }

  #decodeChunked(chunked: ChunkedReader): LentBytes | null {
    const input = this.#input;
    try {
      while (!input.isEmpty) {
        input.start = chunked.read(input.buffer, input.start, input.end);
        const { dataStart, dataEnd } = chunked;
        if (dataEnd > dataStart) return this.#count(input.buffer.slice(dataStart, dataEnd));
        if (chunked.isDone) {
          this.#complete();
          return null;
        }
      }
    } catch (error) {
      this.fail(error);
      throw error;
    }
    return null;
  }

  #count(bytes: LentBytes): LentBytes {
    this.#receivedBytes += bytes.length;
    this.#windowBytes += bytes.length;
    if (this.#receivedBytes > this.#limitBytes) {
      const error = tooLarge(this.#limitBytes);
      this.progress = "broken";
      this.#failure = error;
      throw error;
    }
    return bytes;
  }

  #complete(): void {
    this.progress = "complete";
    this.#host.completed();
  }

  async #waitForInput(room: LentBytes | null): Promise<void> {
    this.#waitingSinceMs = this.#host.now();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiter = { resolve, reject };
    const bytes = Math.min(BODY_CHUNK_BYTES, this.#remainingBytes);
    // What is read there is all the body's: the next request is not to lie in memory of a script's.
    const own = this.#chunked === null ? room?.subarray(0, bytes) ?? null : null;
    this.#input.fill(bytes, own).then((hasMore) => {
      if (hasMore) resolve();
      else this.fail(new HttpError(400, "the body broke off", { close: true }));
    });
    const waiter = this.#waiter;
    await promise;
    if (this.#waiter === waiter) this.#waiter = null;
    this.#windowWaitedMs += this.#host.now() - this.#waitingSinceMs;
  }
}

/** A body over the limit. */
export function tooLarge(limitBytes: number): HttpError {
  return new HttpError(413, `the body is larger than ${limitBytes} bytes`, { close: true });
}
