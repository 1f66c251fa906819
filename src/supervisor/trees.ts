/**
 * Ends a script with all its descendants. Needs unrestricted run permission, so it lives in the supervisor (and in `exec`).
 *
 * @module
 */

import type { TreeKiller } from "../cgi/process.ts";
import type { Logger } from "../observe/logger.ts";

/** Ends trees of processes; requests that arrive together share one look at the process table. */
export class Trees implements TreeKiller {
  /** @param log Where it says what it could not end. */
  constructor(_log: Logger) {}

  /** Ends `pid`, a child of this program, with all its descendants; resolves once they are gone. Never rejects. */
  endTree(_pid: number, _graceMs: number, _marks: readonly string[] = []): Promise<void> {
    throw new Error("in work");
  }

  /** Says that `pid` was reaped: it is left alone from now on, only its known descendants are ended. */
  rootEnded(_pid: number): void {}
}
