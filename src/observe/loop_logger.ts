/**
 * The error log of a loop: `2026-11-22T02:34:24.123Z warn message`, a line a message, gathered in a batch.
 *
 * @module
 */

import type { LogLevel } from "../config/config.ts";
import type { Batch } from "./batch.ts";
import type { Logger } from "./logger.ts";

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** C0, DEL, C1, the line separators, and what turns the direction of text: all that can make a line look like another. */
// deno-lint-ignore no-control-regex
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** A line of the error log, without its line end. Control characters are escaped: `\n`, `\r`, `\t`, `\x1B`, `\u2028`. */
export function formatErrorLine(timeMs: number, level: LogLevel, message: string): string {
  return `${new Date(timeMs).toISOString()} ${level} ${escapeControls(message)}`;
}

/** The same text with each control character escaped, so that it is one line and harmless on a terminal. */
export function escapeControls(text: string): string {
  return text.replace(UNSAFE, (char) => {
    switch (char) {
      case "\n":
        return "\\n";
      case "\r":
        return "\\r";
      case "\t":
        return "\\t";
    }
    const code = char.charCodeAt(0);
    const digits = code.toString(16).toUpperCase();
    return code <= 0xff ? `\\x${digits.padStart(2, "0")}` : `\\u${digits.padStart(4, "0")}`;
  });
}

/** Whether a message of `level` is written where `least` is configured. */
export function isLogged(level: LogLevel, least: LogLevel): boolean {
  return RANK[level] >= RANK[least];
}

/** Writes what is worth it to a batch. */
export class LoopLogger implements Logger {
  readonly #batch: Batch;
  readonly #level: LogLevel;
  readonly #now: () => number;

  /**
   * A logger over a batch.
   *
   * @param batch Where the lines go.
   * @param level The least level that is written.
   * @param now Milliseconds since 1970.
   */
  constructor(batch: Batch, level: LogLevel, now: () => number = Date.now) {
    this.#batch = batch;
    this.#level = level;
    this.#now = now;
  }

  /** Writes when `level` is at least the configured one. An error does not wait for others: the loop may not live on. */
  log(level: LogLevel, message: string): void {
    if (!isLogged(level, this.#level)) return;
    this.#batch.add(formatErrorLine(this.#now(), level, message));
    if (level === "error") this.#batch.flush();
  }
}
