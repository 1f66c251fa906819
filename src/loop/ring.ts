/**
 * A ring of pieces in memory that two threads share: one direction of one run, where much is to be passed.
 *
 * A message between two threads costs 50 to 100 us, a buffer in it included, whether the other side was waiting or not. Bytes
 * in shared memory cost their copying, once: who reads uses a piece where it lies. And a thread is woken only when it waits.
 * One thread writes and one reads.
 *
 * @module
 */

import { BUFFER_BYTES, ROOM_BYTES } from "../buffers.ts";

/** How many pieces a ring holds: who is full waits for whom is slower, and that is all the memory a run takes. */
const PIECES = 4;
/** Bytes that a ring holds. */
export const RING_BYTES: number = PIECES * BUFFER_BYTES;
/** How far apart the pieces lie. */
const STRIDE_BYTES = BUFFER_BYTES + 2 * ROOM_BYTES;

/** Both threads' counters lie here, each in cache lines of its own. */
const CONTROL_BYTES = 256;
/** Where in the control words, each of 32 bits, things stand. Counters go on past 2^32 and begin anew. */
const CELL = {
  /** How many pieces have been written. */
  written: 0,
  /** 1: no more will be. */
  isClosed: 1,
  /** 1: the writer waits for room. */
  writerWaits: 2,
  /** What the writer waits at. */
  writerBell: 3,
  /** From here on: how long each piece is. */
  lengths: 4,
  /** How many pieces have been taken. */
  taken: 32,
  /** 1: the reader waits for bytes. */
  readerWaits: 33,
  /** What the reader waits at. */
  readerBell: 34,
} as const;

/**
 * A writer is woken when half of the ring is free, which halves of that cost are well spent on, and otherwise when it has not
 * been for so long, in milliseconds: that the other side takes something is a sign of life.
 */
const WAKE_MS = 100;

/** Memory for a ring, to be posted to the other thread as it is. */
export function ringMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(CONTROL_BYTES + PIECES * STRIDE_BYTES);
}

/** What both ends have in common. */
class RingEnd {
  readonly cells: Int32Array<SharedArrayBuffer>;
  readonly #memory: SharedArrayBuffer;
  readonly #waitsCell: number;
  readonly #bellCell: number;
  #isStopped = false;

  constructor(memory: SharedArrayBuffer, waitsCell: number, bellCell: number) {
    this.cells = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    this.#memory = memory;
    this.#waitsCell = waitsCell;
    this.#bellCell = bellCell;
  }

  /** Whether `stop` was called. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Ends a wait, and each further one. */
  stop(): void {
    this.#isStopped = true;
    this.wake(this.#waitsCell, this.#bellCell);
  }

  /** Pieces that are written and not taken. */
  get used(): number {
    return (Atomics.load(this.cells, CELL.written) - Atomics.load(this.cells, CELL.taken)) | 0;
  }

  /** The cell with the length of the piece that a counter counts. */
  lengthCell(counter: number): number {
    return CELL.lengths + (counter >>> 0) % PIECES;
  }

  /** So many bytes of it. */
  piece(counter: number, length: number): Uint8Array<SharedArrayBuffer> {
    const at = CONTROL_BYTES + (counter >>> 0) % PIECES * STRIDE_BYTES + ROOM_BYTES;
    return new Uint8Array(this.#memory, at, length);
  }

  /** Waits for the other end's bell, unless there is no reason to, which is looked at once more after saying that one waits. */
  async wait(hasReason: () => boolean): Promise<void> {
    const bell = Atomics.load(this.cells, this.#bellCell);
    Atomics.store(this.cells, this.#waitsCell, 1);
    if (hasReason()) {
      const { async, value } = Atomics.waitAsync(this.cells, this.#bellCell, bell);
      if (async) await value;
    }
    Atomics.store(this.cells, this.#waitsCell, 0);
  }

  /** Rings a bell if somebody waits for it. */
  wake(waitsCell: number, bellCell: number): void {
    if (Atomics.exchange(this.cells, waitsCell, 0) === 0) return;
    Atomics.add(this.cells, bellCell, 1);
    Atomics.notify(this.cells, bellCell);
  }
}

/** The end that is written to. */
export class RingWriter {
  readonly #end: RingEnd;

  /** The writing end of a ring.
   *
   * @param memory As of {@linkcode ringMemory}; nobody else writes there. */
  constructor(memory: SharedArrayBuffer) {
    this.#end = new RingEnd(memory, CELL.writerWaits, CELL.writerBell);
  }

  /**
   * Writes all of `bytes`; one call at a time. A copy is made of what is not in its room already.
   *
   * @returns Whether all is written; not if it was stopped meanwhile.
   */
  async write(bytes: Uint8Array): Promise<boolean> {
    for (let rest = bytes; rest.length > 0; rest = rest.subarray(this.#put(rest))) {
      if (!await this.ready()) return false;
    }
    return true;
  }

  /** Waits for room. Resolves with whether there is some; false: it was stopped. Never rejects. */
  async ready(): Promise<boolean> {
    while (this.#isFull && !this.#end.isStopped) {
      await this.#end.wait(() => this.#isFull && !this.#end.isStopped);
    }
    return !this.#end.isStopped;
  }

  /** Where the next piece will lie: what is put there and then written is not copied. null: there is no room now. */
  room(): Uint8Array<SharedArrayBuffer> | null {
    return this.#isFull ? null : this.#end.piece(this.#end.cells[CELL.written], BUFFER_BYTES);
  }

  /** No more will be written. */
  close(): void {
    Atomics.store(this.#end.cells, CELL.isClosed, 1);
    this.#end.wake(CELL.readerWaits, CELL.readerBell);
  }

  /** Nobody writes here any more: a wait ends. Harmless when repeated. */
  stop(): void {
    this.#end.stop();
  }

  get #isFull(): boolean {
    return this.#end.used === PIECES;
  }

  #put(bytes: Uint8Array): number {
    const end = this.#end;
    const counter = end.cells[CELL.written];
    const length = Math.min(bytes.length, BUFFER_BYTES);
    const piece = end.piece(counter, length);
    const isThere = bytes.buffer === piece.buffer && bytes.byteOffset === piece.byteOffset;
    if (!isThere) piece.set(length < bytes.length ? bytes.subarray(0, length) : bytes);
    end.cells[end.lengthCell(counter)] = length;
    Atomics.add(end.cells, CELL.written, 1);
    end.wake(CELL.readerWaits, CELL.readerBell);
    return length;
  }
}

/** The end that is read from. */
export class RingReader {
  readonly #end: RingEnd;
  readonly #nowMs: () => number;
  #wokenMs: number;

  /**
   * The reading end of a ring.
   *
   * @param memory As of {@linkcode ringMemory}; nobody else reads there.
   * @param nowMs Milliseconds of any clock.
   */
  constructor(memory: SharedArrayBuffer, nowMs: () => number) {
    this.#end = new RingEnd(memory, CELL.readerWaits, CELL.readerBell);
    this.#nowMs = nowMs;
    this.#wokenMs = nowMs();
  }

  /** Whether there is something to be had. */
  get hasBytes(): boolean {
    return this.#end.used > 0;
  }

  /** The next piece, where it lies, until it is taken; null: there is none now. */
  peek(): Uint8Array<SharedArrayBuffer> | null {
    if (!this.hasBytes) return null;
    const end = this.#end;
    const counter = end.cells[CELL.taken];
    return end.piece(counter, end.cells[end.lengthCell(counter)]);
  }

  /** Gives back the piece that was peeked at: its room is for the next. */
  take(): void {
    Atomics.add(this.#end.cells, CELL.taken, 1);
    if (Atomics.load(this.#end.cells, CELL.writerWaits) === 0) return;
    const nowMs = this.#nowMs();
    if (this.#end.used > PIECES / 2 && nowMs - this.#wokenMs < WAKE_MS) return;
    this.#wokenMs = nowMs;
    this.#end.wake(CELL.writerWaits, CELL.writerBell);
  }

  /** Waits for bytes. Resolves with whether there are any; false: nothing more comes, or it was stopped. Never rejects. */
  async ready(): Promise<boolean> {
    while (!this.hasBytes) {
      if (this.#end.isStopped) return false;
      // Closed after its last byte: who sees the one sees the other.
      if (this.#isClosed) return this.hasBytes;
      await this.#end.wait(() => !this.hasBytes && !this.#isClosed && !this.#end.isStopped);
    }
    return true;
  }

  /** Nobody reads here any more: a wait ends. Harmless when repeated. */
  stop(): void {
    this.#end.stop();
  }

  get #isClosed(): boolean {
    return Atomics.load(this.#end.cells, CELL.isClosed) === 1;
  }
}
