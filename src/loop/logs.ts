/**
 * A loop's logs: gathered here, written by the supervisor.
 *
 * @module
 */

import type { LogLevel } from "../config/config.ts";
import { Batch } from "../observe/batch.ts";
import { LoopLogger } from "../observe/loop_logger.ts";
import type { LogMessage } from "../supervisor/messages.ts";
import { postToSupervisor } from "./worker.ts";

/** A batch that goes to the supervisor. */
export function logBatch(log: LogMessage["log"]): Batch {
  return new Batch({
    send: (lines) => postToSupervisor({ kind: "log", log, lines } satisfies LogMessage, [lines.buffer]),
  });
}

/** The error log of a loop, and what empties its buffer. */
export function loopLogger(level: LogLevel): { log: LoopLogger; batch: Batch } {
  const batch = logBatch("error");
  return { log: new LoopLogger(batch, level), batch };
}
