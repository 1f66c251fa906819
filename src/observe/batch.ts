/**
 * A loop's log buffer: gathers lines and hands them on in one piece, so that a line costs the hot path a concatenation
 * and not a message or a system call.
 *
 * @module
 */

import { after } from "../time/timer.ts";

/** Starts a timer and returns what stops it. */
export type StartTimer = (callback: () => void, delayMs: number) => () => void;

/** How a {@linkcode Batch} is set up. */
export interface BatchOptions {
  /**
   * Takes the lines gathered so far, each with its line end; the buffer is its own and may be transferred.
   * `false`: it cannot take any now; the batch keeps them and offers them again.
   */
  readonly send: (lines: Uint8Array<ArrayBuffer>) => boolean;
  /** Called after lines were lost, once `send` takes lines again, with their number. */
  readonly dropped: (count: number) => void;
  /** Chars after which the lines are sent without waiting. */
  readonly sendChars?: number;
  /** Chars that are kept at most while `send` refuses; what comes then is dropped. */
  readonly keepChars?: number;
  /** How long a line waits at most for others, in milliseconds. */
  readonly delayMs?: number;
  /** The timer; a test turns its own. */
  readonly startTimer?: StartTimer;
}

const encoder = new TextEncoder();

/** Gathers lines. */
export class Batch {
  readonly #send: (lines: Uint8Array<ArrayBuffer>) => boolean;
  readonly #dropped: (count: number) => void;
  readonly #sendChars: number;
  readonly #keepChars: number;
  readonly #delayMs: number;
  readonly #startTimer: StartTimer;
  #lines = "";
  #droppedCount = 0;
  #stopTimer: (() => void) | null = null;

  /** An empty batch; it sends at 64 K chars or after 200 ms and keeps 1 Mi chars, unless told otherwise. */
  constructor(options: BatchOptions) {
    this.#send = options.send;
    this.#dropped = options.dropped;
    this.#sendChars = options.sendChars ?? 64 * 1024;
    this.#keepChars = options.keepChars ?? 1024 * 1024;
    this.#delayMs = options.delayMs ?? 200;
    this.#startTimer = options.startTimer ?? ((callback, delayMs) => after(delayMs, callback));
  }

  /** Adds a line, given without its line end. */
  add(line: string): void {
    if (this.#lines.length + line.length >= this.#keepChars) {
      this.#droppedCount++;
      return;
    }
    this.#lines += line + "\n";
    // While `send` refuses, only the timer asks again: not each line.
    const crossed = this.#lines.length >= this.#sendChars &&
      this.#lines.length - line.length - 1 < this.#sendChars;
    if (crossed) this.flush();
    else this.#stopTimer ??= this.#startTimer(() => this.#tick(), this.#delayMs);
  }

  /** Sends what there is. Returns whether nothing is left. */
  flush(): boolean {
    if (this.#lines === "") return true;
    const lines = this.#lines;
    // Emptied first: `send` and `dropped` may log.
    this.#lines = "";
    if (!this.#send(encoder.encode(lines))) {
      this.#lines = lines + this.#lines;
      this.#stopTimer ??= this.#startTimer(() => this.#tick(), this.#delayMs);
      return false;
    }
    if (this.#lines === "") {
      this.#stopTimer?.();
      this.#stopTimer = null;
    }
    if (this.#droppedCount > 0) {
      const count = this.#droppedCount;
      this.#droppedCount = 0;
      this.#dropped(count);
    }
    return this.#lines === "";
  }

  /** Lines lost and not yet told. */
  get droppedCount(): number {
    return this.#droppedCount;
  }

  #tick(): void {
    this.#stopTimer = null;
    this.flush();
  }
}
