/**
 * What a client sends: one buffer, one read under way at most, and the news that it has left.
 *
 * The buffer is small while a client is idle, since there may be ten thousand of them, and grows with what arrives. Bytes
 * that a head keeps (`hold`) are never overwritten: when room runs out, what is unread moves to another buffer.
 *
 * @module
 */

import { BUFFER_BYTES, isShared, type LentBytes, takeBuffer } from "../buffers.ts";
import { COUNTER_CELL, type Metrics } from "../observe/metrics.ts";

/** The reading half of a connection. */
export interface Readable {
  /** As of `Deno.Conn`. */
  read(buffer: LentBytes): Promise<number | null>;
}

/** Who is told of what comes in. */
export interface InputListener {
  /** The read that was asked for by `fillThen` has ended: whether something came. */
  filled(hasMore: boolean): void;
  /** Once: the client has closed its sending side (`ended`), or the connection has broken (`lost`). */
  left(how: "ended" | "lost"): void;
}

/** What a connection begins with: the head of a browser's request has 500 to 900 bytes. */
const IDLE_BYTES = 1024;
/** How large its buffer stays while it is idle, where its heads turn out to be larger. */
const IDLE_BYTES_MAX = 4 * 1024;
const BUSY_BYTES = 16 * 1024;
/** Bytes of one read of a body. */
export const BODY_CHUNK_BYTES: number = BUFFER_BYTES;
/** Below this, another buffer is taken rather than a read of a few bytes made. */
const ROOM_BYTES_MIN = 256;
/** How much is read ahead of the request at hand, to notice that its client has left. */
const AHEAD_BYTES_MAX = 64 * 1024;
const NOTHING: Uint8Array<ArrayBuffer> = new Uint8Array(0);
/** How many of the buffers that connections begin with are kept for the next ones. */
const LEFT_MAX = 64;

const left: Uint8Array<ArrayBuffer>[] = [];

/** The input of one connection. */
export class Input {
  /** What has arrived and is unread stands in `[start, end)`. */
  buffer: LentBytes = NOTHING;
  /** Where the unread bytes begin; moved on by whoever takes them. */
  start = 0;
  /** Where they end. */
  end = 0;
  /** The client has closed its sending side. */
  isEnded = false;

  readonly #source: Readable;
  readonly #listener: InputListener;
  readonly #metrics: Metrics;
  #pending: Promise<boolean> | null = null;
  /** Whether the listener waits for the end of the read that is pending. */
  #isAwaited = false;
  #isLost = false;
  /** The buffer in which a head lies; null: none does. */
  #held: LentBytes | null = null;
  #isWatching = false;
  #lastReadFilled = false;
  #lastReadBytes = 0;
  /** How large the buffer is while nothing comes: so that what has come once comes in one read the next time. */
  #idleBytes = IDLE_BYTES;

  /**
   * An input that has read nothing yet.
   *
   * @param source What is read from.
   * @param listener Who is told.
   * @param metrics Where bytes are counted.
   */
  constructor(source: Readable, listener: InputListener, metrics: Metrics) {
    this.#source = source;
    this.#listener = listener;
    this.#metrics = metrics;
  }

  /** Whether nothing is unread. */
  get isEmpty(): boolean {
    return this.start === this.end;
  }

  /** Whether the connection has broken. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** From now on the bytes before `start` in this buffer are kept as they are, until `release`. */
  hold(): void {
    this.#held = this.buffer;
  }

  /** Bytes before `start` may be overwritten again. */
  release(): void {
    this.#held = null;
    this.#isWatching = false;
  }

  /**
   * Waits for more bytes behind `end`.
   *
   * @param roomBytes How much a new buffer should hold.
   * @param room Shared memory that is read into where nothing is unread; it goes with what was read to whoever takes it.
   * @returns false once the client has sent its last byte, or the connection is lost. Never rejects.
   */
  fill(roomBytes = 0, room: LentBytes | null = null): Promise<boolean> {
    return this.#pending ??= this.#read(roomBytes, room);
  }

  /** The same, but that the listener is told of the end: a promise less. */
  fillThen(): void {
    if (this.isEnded || this.#isLost) return this.#listener.filled(false);
    this.#isAwaited = true;
    this.#pending ??= this.#read(0);
  }

  /** Leaves its buffer to the next client: nobody looks at it any more, nor at a head that lies in it. */
  leave(): void {
    const { buffer } = this;
    const isRead = this.#pending !== null;
    if (isRead || buffer.length !== IDLE_BYTES || isShared(buffer) || left.length === LEFT_MAX) return;
    left.push(buffer);
    this.buffer = NOTHING;
    this.start = this.end = 0;
  }

  /** Reads ahead, within bounds, so that the listener is told as soon as the client leaves. Until `release`. */
  watch(): void {
    this.#isWatching = true;
    this.#readAhead();
  }

  /**
   * Takes up to `max` unread bytes, which are the caller's from then on: the buffer itself where nothing else needs it.
   */
  take(max: number): LentBytes {
    const from = this.start;
    const to = Math.min(this.end, from + max);
    this.start = to;
    const isWorthABuffer = isShared(this.buffer) || (to - from) * 4 > this.buffer.length;
    if (this.buffer === this.#held || this.#pending !== null || to < this.end || !isWorthABuffer) {
      return this.buffer.slice(from, to);
    }
    const taken = this.buffer.subarray(from, to);
    this.buffer = NOTHING;
    this.start = this.end = 0;
    return taken;
  }

  #readAhead(): void {
    if (!this.#isWatching || this.isEnded || this.#isLost || this.#pending !== null) return;
    if (this.end - this.start < AHEAD_BYTES_MAX) this.#pending = this.#read(0);
  }

  #read(roomBytes: number, room: LentBytes | null = null): Promise<boolean> {
    if (this.isEnded || this.#isLost) return Promise.resolve(false);
    if (room !== null && this.isEmpty) {
      this.buffer = room;
      this.start = this.end = 0;
    } else {
      this.#makeRoom(roomBytes);
    }
    const behind = this.end === 0 ? this.buffer : this.buffer.subarray(this.end);
    return this.#source.read(behind).then(this.#onRead, this.#onError);
  }

  readonly #onRead = (count: number | null): boolean => {
    this.#pending = null;
    if (count === null) {
      this.isEnded = true;
      this.#listener.left("ended");
      return this.#tell(false);
    }
    this.end += count;
    this.#metrics.cells[COUNTER_CELL.bytesIn] += count;
    this.#lastReadBytes = count;
    this.#lastReadFilled = this.end === this.buffer.length;
    if (this.#isWatching) this.#readAhead();
    return this.#tell(true);
  };

  /** Whatever breaks a connection (a reset, a TLS alert, our own close) means the same here: no more input, ever. */
  readonly #onError = (): boolean => {
    this.#pending = null;
    this.#isLost = true;
    this.#listener.left("lost");
    return this.#tell(false);
  };

  #tell(hasMore: boolean): boolean {
    if (this.#isAwaited) {
      this.#isAwaited = false;
      this.#listener.filled(hasMore);
    }
    return hasMore;
  }

  #makeRoom(roomBytes: number): void {
    const unread = this.end - this.start;
    if (unread === 0 && this.buffer !== this.#held) {
      this.start = this.end = 0;
      const isOversized = this.buffer.length > this.#idleBytes && this.#lastReadBytes < this.#idleBytes;
      if (
        this.buffer.length >= Math.max(roomBytes, this.#idleBytes) && !isOversized && !this.#lastReadFilled
      ) {
        return;
      }
    } else if (this.buffer.length - this.end >= Math.max(ROOM_BYTES_MIN, roomBytes)) {
      return;
    }
    if (this.#lastReadFilled) this.#idleBytes = Math.min(2 * this.#idleBytes, IDLE_BYTES_MAX);
    const wanted = Math.max(roomBytes, this.#lastReadFilled ? BUSY_BYTES : this.#idleBytes, 2 * unread);
    this.#lastReadFilled = false;
    const wider = bufferOf(wanted);
    if (unread > 0) wider.set(this.buffer.subarray(this.start, this.end));
    this.buffer = wider;
    this.start = 0;
    this.end = unread;
  }
}

/** A buffer of that length, its content of no account. */
function bufferOf(bytes: number): Uint8Array<ArrayBuffer> {
  if (bytes === BUFFER_BYTES) return takeBuffer();
  return (bytes === IDLE_BYTES ? left.pop() : undefined) ?? new Uint8Array(bytes);
}
