/**
 * Where a loop, or the supervisor, says what happens. An implementation gathers lines and hands them on in batches.
 *
 * @module
 */

import type { LogLevel } from "../config/config.ts";

/** Writes lines to the error log. A message is one line; control characters in it are escaped on the way. */
export interface Logger {
  /** Writes when `level` is at least the configured one. */
  log(level: LogLevel, message: string): void;
}
