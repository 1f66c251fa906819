/**
 * The reading end of a script's pipe.
 *
 * A pipe ends when all who hold its other end have closed it. A script's child may hold it long after the script is gone, so
 * once the script has ended only what is in the pipe already is read: until nothing comes for a moment.
 *
 * @module
 */

import { giveBuffer, takeBuffer } from "../buffers.ts";
import { after } from "../time/timer.ts";

/** A chunk below this is copied to a buffer of its own size: what travels on, and waits somewhere, is as small as it looks. */
const COPY_BYTES_MAX = 16384;

/**
 * How long a pipe must be quiet after the script's end to count as empty, in milliseconds, twice over: when the loop was held
 * up, a timer fires before it has looked at the pipe, but not two in a row.
 */
const QUIET_MS = 40;

/** What may still come after the script's end, in bytes: a pipe holds no more than this (Linux: pipe-max-size). */
const AFTER_END_BYTES_MAX = 1 << 20;

/** How long all reads after the script's end may wait together, in milliseconds: its child may write a little for ever. */
const AFTER_END_MS_MAX = 500;

/** Where a pipe's bytes come from: the reader of a child's stream is one. */
export interface PipeEnd {
  /** Reads into `buffer`, which goes with it: the bytes come in the same one. No bytes, or none of it: the end. */
  read(buffer: Uint8Array<ArrayBuffer>): Promise<{ readonly value?: Uint8Array<ArrayBuffer> | undefined }>;
  /** Closes it: a read that waits ends. */
  cancel(): Promise<void>;
}

/** Reads a pipe to its end, or to the end of the script that wrote to it. */
export class Pipe {
  readonly #reader: PipeEnd;
  #buffer: Uint8Array<ArrayBuffer> | null = null;
  #isEnded = false;
  #isReading = false;
  #isOrphaned = false;
  #leftBytes = AFTER_END_BYTES_MAX;
  #leftMs = AFTER_END_MS_MAX;
  #stopWaiting: (() => void) | null = null;

  /** Takes a reader over.
   *
   * @param reader Nobody else reads there. */
  constructor(reader: PipeEnd) {
    this.#reader = reader;
  }

  /** The next bytes, never empty and the caller's to keep; null at the end. One call at a time. Never rejects. */
  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#isEnded) return null;
    const buffer = this.#buffer ?? takeBuffer();
    this.#buffer = null;
    this.#isReading = true;
    const beganMs = performance.now();
    if (this.#isOrphaned) this.#awaitQuiet();
    // An error of the pipe is its end: there is nothing else to be had from it.
    const { value } = await this.#reader.read(buffer).catch(() => ({ value: undefined }));
    this.#isReading = false;
    this.#stopWaiting?.();
    if (value === undefined || value.length === 0) {
      if (value !== undefined) this.#buffer = whole(value);
      this.cancel();
      return null;
    }
    if (this.#isOrphaned) {
      this.#leftBytes -= value.length;
      this.#leftMs -= performance.now() - beganMs;
      if (this.#leftBytes <= 0 || this.#leftMs <= 0) this.cancel();
    }
    if (value.length >= COPY_BYTES_MAX) return value;
    const copy = value.slice();
    if (this.#isEnded) giveBuffer(value);
    else this.#buffer = whole(value);
    return copy;
  }

  /** The script has ended: from now on only what is in the pipe counts. */
  orphan(): void {
    if (this.#isOrphaned) return;
    this.#isOrphaned = true;
    if (this.#isReading) this.#awaitQuiet();
  }

  /** Ends it now; a read that waits gives null. Harmless when repeated. */
  cancel(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#stopWaiting?.();
    if (this.#buffer !== null) giveBuffer(this.#buffer);
    this.#buffer = null;
    // It closes the descriptor; it can only fail when that is closed already.
    this.#reader.cancel().catch(() => {});
  }

  #awaitQuiet(): void {
    this.#stopWaiting = after(QUIET_MS, () => {
      this.#stopWaiting = after(QUIET_MS, () => this.cancel());
    });
  }
}

/** The whole of the buffer that a view is of. */
function whole(view: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(view.buffer);
}
