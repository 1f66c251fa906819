/**
 * How a fault of our own is told: what it was and in which line, to be reported; its whole stack to whoever asked for it.
 *
 * @module
 */

import type { Logger } from "./logger.ts";

/**
 * Writes a bug to the error log: one line for everybody, the stack with `log.level: debug` alone.
 *
 * @param what What it cost whom.
 * @param error What was thrown.
 */
export function logBug(log: Logger, what: string, error: unknown): void {
  log.log(
    "error",
    `${what}: ${String(error)}${placeOf(error)}; please report it (log.level debug shows the stack)`,
  );
  if (error instanceof Error && error.stack !== undefined) log.log("debug", error.stack);
}

/** Where it was thrown: a file of the source and a line; empty where that is not known. */
function placeOf(error: unknown): string {
  const [, frame] = (error instanceof Error ? error.stack ?? "" : "").split(/\n {4}at /);
  const place = /(?:\/src\/)?([^/\s(]+:\d+):\d+\)?$/.exec(frame ?? "");
  return place === null ? "" : ` in ${place[1]}`;
}
