/**
 * A server's state, for tests.
 *
 * @module
 */

import { Metrics } from "./metrics.ts";
import type { ServerStatus } from "./status.ts";

/** A server that has just begun and does nothing, but for what is said. */
export function aStatus(facts: Partial<ServerStatus> = {}): ServerStatus {
  return {
    version: "0.1.0",
    runtime: "deno 2.9.6",
    pid: 42,
    startedAtMs: 1_000_500,
    timeMs: 1_060_500,
    uptimeMs: 60_000,
    loops: 2,
    memoryBytes: 1024,
    reloads: { taken: 0, refused: 0 },
    figures: new Metrics().memory,
    scripts: { running: [], queues: [] },
    errors: [],
    history: null,
    ...facts,
  };
}
