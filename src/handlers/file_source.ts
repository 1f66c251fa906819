/**
 * The content of an open file, whole or in parts, read while it is sent.
 *
 * Reads are asynchronous, since a synchronous one stops the whole loop while a cold disk turns, and 256 KiB long: from the
 * page cache that gives 2.9 GB/s where 64 KiB give 1.1 (each read costs a trip to another thread and back) and 1 MiB
 * gives no more on the wire. One buffer serves a whole file, and goes back to a pool after it.
 *
 * @module
 */

import type { ByteRange } from "../http/range.ts";
import { after } from "../time/timer.ts";
import { ContentCutShort, type Source } from "./handler.ts";

/** The usual length of a read, in bytes. */
const CHUNK_BYTES = 256 * 1024;

/** The length of a read while many files are sent at once to slow clients, each of which holds a buffer. */
const SMALL_CHUNK_BYTES = 32 * 1024;

/** So many reads are under way at once, all files together. */
const READS_MAX = 16;
/** A read that takes longer does not count: a disk that has gone away must not stop the others. */
const STUCK_MS = 1000;
/** After so much of all files together there is a pause. */
const BYTES_BETWEEN_PAUSES = 8 * 1024 * 1024;

/** So many buffers are in use before small ones are given out: 64 MiB. */
const IN_USE_MAX = 256;

/** So many unused buffers are kept: 4 MiB. */
const KEPT_MAX = 16;

/**
 * Sees that large files do not keep a loop from everything else.
 *
 * Reads are made by other threads: each that is under way takes one, and beyond a few they only take the processor from the loop.
 * And as long as there is always a read that has ended, the runtime looks at sockets in no more than every 61st turn; so when much
 * has been sent, all files pause for a moment. Without both, 2,000 clients that asked for a large file at once made others wait
 * for up to 3.7 seconds, a small number of events at a time or not; with them for up to 0.8, which is the system's doing: its
 * memory for TCP is full then, and it drops packets.
 */
export class Pace {
  /** When those that are under way began, the first of them first. */
  readonly #underWay = new Set<{ readonly beganMs: number }>();
  readonly #waiting: (() => void)[] = [];
  readonly #now: () => number;
  #bytes = 0;
  #isPausing = false;

  /**
   * Nothing is under way.
   *
   * @param now Milliseconds of any clock.
   */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** What `read` gives, a number of bytes, once it is its turn. */
  async read(read: () => Promise<number | null>): Promise<number | null> {
    while (!this.#mayBegin()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const turn = { beganMs: this.#now() };
    this.#underWay.add(turn);
    try {
      const count = await read();
      this.#bytes += count ?? 0;
      return count;
    } finally {
      this.#underWay.delete(turn);
      // With no other under way the loop has nothing else to do, and looks by itself.
      if (this.#underWay.size === 0 && this.#waiting.length === 0) this.#bytes = 0;
      if (this.#bytes > BYTES_BETWEEN_PAUSES) this.#pause();
      else this.#waiting.shift()?.();
    }
  }

  #mayBegin(): boolean {
    if (this.#isPausing) return false;
    if (this.#underWay.size < READS_MAX) return true;
    const [{ beganMs }] = this.#underWay;
    return this.#now() - beganMs > STUCK_MS;
  }

  #pause(): void {
    if (this.#isPausing) return;
    this.#isPausing = true;
    after(0, () => {
      this.#isPausing = false;
      this.#bytes = 0;
      for (const begin of this.#waiting.splice(0, Math.max(1, READS_MAX - this.#underWay.size))) begin();
    });
  }
}

/** Buffers for reading files, used again and bounded in number. */
export class BufferPool {
  readonly #kept: Uint8Array<ArrayBuffer>[] = [];
  #inUse = 0;
  /** What reads into them go by. */
  readonly pace: Pace = new Pace();

  /** A buffer for a file of which so many bytes are to be read; to be given back. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    this.#inUse++;
    if (bytes <= SMALL_CHUNK_BYTES || this.#inUse > IN_USE_MAX) return new Uint8Array(SMALL_CHUNK_BYTES);
    return this.#kept.pop() ?? new Uint8Array(CHUNK_BYTES);
  }

  /** Takes a buffer back that nobody reads from or into any more. */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    this.#inUse--;
    if (buffer.length === CHUNK_BYTES && this.#kept.length < KEPT_MAX) this.#kept.push(buffer);
  }

  /** How many buffers are out. */
  get inUse(): number {
    return this.#inUse;
  }
}

/** What is sent of a file, in turn: bytes as they are, or parts of it. */
type Pieces = readonly (Uint8Array<ArrayBuffer> | ByteRange)[];

/** A source that reads parts of an open file. */
export class FileSource implements Source {
  /** Bytes in all. */
  readonly length: number;
  readonly #file: Deno.FsFile;
  readonly #pieces: Pieces;
  readonly #pool: BufferPool;
  #buffer: Uint8Array<ArrayBuffer> | null;
  #pieceIndex = 0;
  /** Bytes left of the part that is being read; 0 between parts. */
  #left = 0;
  #isReading = false;
  #isClosed = false;

  /**
   * Takes over an open file.
   *
   * @param file Open, at its beginning; closed by `close`.
   * @param pieces What is sent; parts lie within the file as it was when it was opened.
   * @param length Bytes of all pieces together.
   * @param pool Where its buffer comes from and goes back to.
   */
  constructor(file: Deno.FsFile, pieces: Pieces, length: number, pool: BufferPool) {
    this.length = length;
    this.#file = file;
    this.#pieces = pieces;
    this.#pool = pool;
    this.#buffer = pool.take(length);
  }

  /**
   * The next bytes; null after the announced length, even if the file grew.
   * Rejects when the file ends before: what was announced can't be sent any more.
   */
  read(): Uint8Array<ArrayBuffer> | null | Promise<Uint8Array<ArrayBuffer>> {
    if (this.#left > 0) return this.#readFile();
    const piece = this.#pieces[this.#pieceIndex];
    if (piece === undefined) return null;
    this.#pieceIndex++;
    if (piece instanceof Uint8Array) return piece;
    this.#file.seekSync(piece.first, Deno.SeekMode.Start);
    this.#left = piece.last - piece.first + 1;
    return this.#readFile();
  }

  async #readFile(): Promise<Uint8Array<ArrayBuffer>> {
    const buffer = this.#buffer;
    if (buffer === null) throw new Error("a source was read after its end");
    this.#isReading = true;
    try {
      const wanted = this.#left < buffer.length ? buffer.subarray(0, this.#left) : buffer;
      const count = await this.#pool.pace.read(() => this.#file.read(wanted));
      if (count === null || count === 0) {
        throw new ContentCutShort(`the file became ${this.#left} bytes shorter while it was sent`);
      }
      this.#left -= count;
      return count === buffer.length ? buffer : buffer.subarray(0, count);
    } finally {
      this.#isReading = false;
      if (this.#isClosed) this.#release();
    }
  }

  /** Closes the file: at once, or when the read under way has ended, which may still write into the buffer. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (!this.#isReading) this.#release();
  }

  #release(): void {
    if (this.#buffer === null) return;
    this.#pool.give(this.#buffer);
    this.#buffer = null;
    this.#file.close();
  }
}

/** Content of which only the length is wanted, as for HEAD, if it is known: no file is opened for it. */
export function lengthOnly(length: number | null): Source {
  return { length, read: () => null, close() {} };
}
