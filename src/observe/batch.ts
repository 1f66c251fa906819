/**
 * A loop's log buffer: gathers lines and hands them on in one piece, so that a line costs the hot path neither a message nor
 * a system call.
 *
 * @module
 */

import { after } from "../time/timer.ts";
import { Lines } from "./lines.ts";

/** Starts a timer and returns what stops it. */
export type StartTimer = (callback: () => void, delayMs: number) => () => void;

/** How a {@linkcode Batch} is set up. */
export interface BatchOptions {
  /** Takes the lines gathered so far, each with its line end; the buffer is its own and may be transferred. */
  readonly send: (lines: Uint8Array<ArrayBuffer>) => void;
  /** Bytes after which the lines are sent without waiting. */
  readonly sendBytes?: number;
  /** How long a line waits at most for others, in milliseconds. */
  readonly delayMs?: number;
  /** The timer; a test turns its own. */
  readonly startTimer?: StartTimer;
}

const LF = 0x0a;

/** Gathers lines. */
export class Batch {
  /** What is written here becomes a line by `endLine`. */
  readonly lines: Lines = new Lines();
  readonly #send: (lines: Uint8Array<ArrayBuffer>) => void;
  readonly #sendBytes: number;
  readonly #delayMs: number;
  readonly #startTimer: StartTimer;
  #stopTimer: (() => void) | null = null;

  /** An empty batch; it sends at 256 KiB or after 200 ms, unless told otherwise. */
  constructor(options: BatchOptions) {
    this.#send = options.send;
    this.#sendBytes = options.sendBytes ?? 256 * 1024;
    this.#delayMs = options.delayMs ?? 200;
    this.#startTimer = options.startTimer ?? ((callback, delayMs) => after(delayMs, callback));
  }

  /** Adds a line, given without its line end. */
  add(line: string): void {
    this.lines.text(line);
    this.endLine();
  }

  /** Ends the line that was written to `lines`. */
  endLine(): void {
    this.lines.byte(LF);
    if (this.lines.length >= this.#sendBytes) this.flush();
    else this.#stopTimer ??= this.#startTimer(() => this.#tick(), this.#delayMs);
  }

  /** Sends what there is. */
  flush(): void {
    this.#stopTimer?.();
    this.#stopTimer = null;
    if (this.lines.length > 0) this.#send(this.lines.take());
  }

  #tick(): void {
    this.#stopTimer = null;
    this.flush();
  }
}
