/**
 * A ring of bytes in memory that two threads share: one direction of one run, where much is to be passed.
 *
 * A message between two threads costs 50 to 100 us, a buffer in it included, whether the other side was waiting or not. Bytes
 * in shared memory cost their copying, and a thread is woken only when it waits. One thread writes and one reads.
 *
 * @module
 */

/** Bytes that a ring holds: who is full waits for whom is slower, and that is all the memory a run takes. */
export const RING_BYTES: number = 256 * 1024;

/** Both threads' counters lie here, each in cache lines of its own. */
const CONTROL_BYTES = 256;
/** Where in the control words, each of 32 bits, things stand. Counters go on past 2^32 and begin anew. */
const CELL = {
  /** How many bytes have been written. */
  written: 0,
  /** 1: no more will be. */
  isClosed: 1,
  /** 1: the writer waits for room. */
  writerWaits: 2,
  /** What the writer waits at. */
  writerBell: 3,
  /** How many bytes have been taken. */
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
  return new SharedArrayBuffer(CONTROL_BYTES + RING_BYTES);
}

/** What both ends have in common. */
class RingEnd {
  readonly cells: Int32Array<SharedArrayBuffer>;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly #waitsCell: number;
  readonly #bellCell: number;
  #isStopped = false;

  constructor(memory: SharedArrayBuffer, waitsCell: number, bellCell: number) {
    this.cells = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    this.bytes = new Uint8Array(memory, CONTROL_BYTES);
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

  /** Bytes that are written and not taken. */
  get used(): number {
    return (Atomics.load(this.cells, CELL.written) - Atomics.load(this.cells, CELL.taken)) | 0;
  }

  /** Where a counter stands in the ring. */
  placeOf(counter: number): number {
    return (counter >>> 0) % RING_BYTES;
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
   * Writes all of `bytes`, whose copy is made; one call at a time.
   *
   * @returns Whether all is written; not if it was stopped meanwhile.
   */
  async write(bytes: Uint8Array): Promise<boolean> {
    for (let rest = bytes; rest.length > 0 && !this.#end.isStopped;) {
      const room = RING_BYTES - this.#end.used;
      if (room > 0) rest = rest.subarray(this.#put(rest, room));
      else await this.#end.wait(() => this.#end.used === RING_BYTES && !this.#end.isStopped);
    }
    return !this.#end.isStopped;
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

  #put(bytes: Uint8Array, room: number): number {
    const count = Math.min(bytes.length, room);
    const at = this.#end.placeOf(this.#end.cells[CELL.written]);
    const untilEnd = Math.min(count, RING_BYTES - at);
    this.#end.bytes.set(bytes.subarray(0, untilEnd), at);
    if (untilEnd < count) this.#end.bytes.set(bytes.subarray(untilEnd, count), 0);
    Atomics.add(this.#end.cells, CELL.written, count);
    this.#end.wake(CELL.readerWaits, CELL.readerBell);
    return count;
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

  /**
   * Copies what there is, as far as `into` has room for it, and leaves it in the ring until `take`.
   *
   * @returns How many bytes; 0: there are none now.
   */
  peek(into: Uint8Array): number {
    const count = Math.min(this.#end.used, into.length);
    const at = this.#end.placeOf(this.#end.cells[CELL.taken]);
    const untilEnd = Math.min(count, RING_BYTES - at);
    into.set(this.#end.bytes.subarray(at, at + untilEnd));
    if (untilEnd < count) into.set(this.#end.bytes.subarray(0, count - untilEnd), untilEnd);
    return count;
  }

  /** Makes room of so many bytes that were peeked at. */
  take(count: number): void {
    Atomics.add(this.#end.cells, CELL.taken, count);
    if (Atomics.load(this.#end.cells, CELL.writerWaits) === 0) return;
    const nowMs = this.#nowMs();
    if (this.#end.used > RING_BYTES / 2 && nowMs - this.#wokenMs < WAKE_MS) return;
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
