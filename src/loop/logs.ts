/**
 * A loop's logs: gathered here, written by the supervisor.
 *
 * @module
 */

import type { LogLevel } from "../config/config.ts";
import { Batch } from "../observe/batch.ts";
import type { Metrics } from "../observe/metrics.ts";
import { LoopLogger } from "../observe/loop_logger.ts";
import type { LogMessage } from "../supervisor/messages.ts";
import { postToSupervisor } from "./worker.ts";

/** A batch that goes to the supervisor; lines that are lost are counted. */
export function logBatch(log: LogMessage["log"], metrics: Metrics): Batch {
  return new Batch({
    send(lines) {
      postToSupervisor({ kind: "log", log, lines } satisfies LogMessage, [lines.buffer]);
      return true;
    },
    dropped: (count) => metrics.add("logLinesDropped", count),
  });
}

/** The error log of a loop, and what empties its buffer. */
export function loopLogger(level: LogLevel, metrics: Metrics): { log: LoopLogger; batch: Batch } {
  const batch = logBatch("error", metrics);
  return { log: new LoopLogger(batch, level), batch };
}
