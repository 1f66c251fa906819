/**
 * A script's standard error as lines for the log, bounded in length and in rate, so that a script that floods it costs the
 * log no more than one that does not. No I/O and no clock.
 *
 * @module
 */

/** The longest line that is logged, in bytes; the rest of it is dropped. */
export const LINE_BYTES_MAX = 8192;

/** Lines that are logged in any one second; the rest are counted. */
export const LINES_PER_SECOND_MAX = 100;

/** How much of the end is kept for the page of `--dev`, in bytes. */
export const DEV_TAIL_BYTES = 65_536;

/** How much of the end is kept for the diagnosis of a failure, in bytes. */
export const TAIL_BYTES = 4096;

const LF = 0x0a;
const CR = 0x0d;

/** One for all: each line is decoded as a whole. */
const decoder = new TextDecoder();

const NOTHING = new Uint8Array(0);

/** Splits what a script writes into lines. Most scripts write nothing, and cost nothing here. */
export class StderrLines {
  readonly #line: (text: string) => void;
  /** The line so far, at most `LINE_BYTES_MAX` bytes; replaced when it has to grow. */
  #part = NOTHING;
  #length = 0;
  #isCut = false;
  /** Whether a line has begun: an empty one is a line too. */
  #isOpen = false;
  #secondBegan = -Infinity;
  #inSecond = 0;
  #suppressed = 0;

  /** Begins with an empty line.
   *
   * @param line Gets each line, without its end; bytes that are no UTF-8 are replaced. */
  constructor(line: (text: string) => void) {
    this.#line = line;
  }

  /** Takes the next bytes. `nowMs` may be of any clock that does not go back. */
  push(bytes: Uint8Array, nowMs: number): void {
    let start = 0;
    while (start < bytes.length) {
      const end = bytes.indexOf(LF, start);
      const isWhole = end !== -1;
      this.#append(bytes.subarray(start, isWhole ? end : bytes.length));
      if (!isWhole) return;
      this.#emit(nowMs);
      start = end + 1;
    }
  }

  /** No more follows: the last line, if it lacks its end, and what was suppressed. */
  end(nowMs: number): void {
    if (this.#isOpen) this.#emit(nowMs);
    this.#tellSuppressed();
  }

  #append(bytes: Uint8Array): void {
    this.#isOpen = true;
    const room = LINE_BYTES_MAX - this.#length;
    const taken = bytes.length > room ? bytes.subarray(0, room) : bytes;
    if (taken.length < bytes.length) this.#isCut = true;
    if (this.#length + taken.length > this.#part.length) {
      const bytes = Math.max(256, 2 * (this.#length + taken.length));
      const grown = new Uint8Array(Math.min(LINE_BYTES_MAX, bytes));
      grown.set(this.#part.subarray(0, this.#length));
      this.#part = grown;
    }
    this.#part.set(taken, this.#length);
    this.#length += taken.length;
  }

  #emit(nowMs: number): void {
    let length = this.#length;
    if (!this.#isCut && length > 0 && this.#part[length - 1] === CR) length--;
    const isCut = this.#isCut;
    this.#length = 0;
    this.#isCut = false;
    this.#isOpen = false;
    if (nowMs - this.#secondBegan >= 1000) {
      this.#tellSuppressed();
      this.#secondBegan = nowMs;
      this.#inSecond = 0;
    }
    if (++this.#inSecond > LINES_PER_SECOND_MAX) {
      this.#suppressed++;
      return;
    }
    this.#line(decoder.decode(this.#part.subarray(0, length)) + (isCut ? " [cut]" : ""));
  }

  #tellSuppressed(): void {
    if (this.#suppressed > 0) this.#line(`[${this.#suppressed} lines suppressed]`);
    this.#suppressed = 0;
  }
}

/** The end of what a script writes: its last lines, at most so many bytes of them. */
export class StderrTail {
  /** Twice the room, so that what falls out is moved over once in a while and not with each push. */
  #bytes = NOTHING;
  readonly #bytesMax: number;
  #length = 0;
  #isCut = false;

  /** Begins with nothing, and takes up no memory before there is something.
   *
   * @param bytesMax How much is kept, in bytes; at least 1. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Takes the next bytes; they are copied. */
  push(bytes: Uint8Array): void {
    if (this.#bytes.length === 0) this.#bytes = new Uint8Array(2 * this.#bytesMax);
    const kept = bytes.subarray(-this.#bytesMax);
    if (kept.length < bytes.length) this.#drop(this.#length);
    if (this.#length + kept.length > this.#bytes.length) this.#drop(this.#length - this.#bytesMax);
    this.#bytes.set(kept, this.#length);
    this.#length += kept.length;
  }

  /** What is kept, from the beginning of a line on where there is one; bytes that are no UTF-8 are replaced. */
  text(): string {
    if (this.#length === 0) return "";
    const isCut = this.#isCut || this.#length > this.#bytesMax;
    const tail = this.#bytes.subarray(Math.max(0, this.#length - this.#bytesMax), this.#length);
    const lineEnd = isCut ? tail.subarray(0, -1).indexOf(LF) : -1;
    return new TextDecoder().decode(tail.subarray(lineEnd + 1));
  }

  #drop(count: number): void {
    this.#bytes.copyWithin(0, count, this.#length);
    this.#length -= count;
    this.#isCut = true;
  }
}
