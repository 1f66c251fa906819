/**
 * What the status page tells: the state of the whole server at one moment, put together by the supervisor, and its form as
 * JSON. Pure.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import type { HistoryColumns } from "./history.ts";
import { CLIENT_STATES, COUNTERS, Metrics, SCRIPT_ENDS, STATUS_CLASSES } from "./metrics.ts";

/** The state of the server. */
export interface ServerStatus {
  /** The program's version. */
  readonly version: string;
  /** That of the runtime below it. */
  readonly runtime: string;
  /** The server's process. */
  readonly pid: number;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  /** When this was put together, in milliseconds since 1970. */
  readonly timeMs: number;
  /** How long the server has run; unlike the difference of the two, it is not moved by a clock that is set. */
  readonly uptimeMs: number;
  /** Network loops at work. */
  readonly loops: number;
  /** Resident memory of the server's process, without its scripts. */
  readonly memoryBytes: number;
  /** Configurations that were read anew. */
  readonly reloads: Reloads;
  /** All loops' figures, added up: memory of a `Metrics`. */
  readonly figures: SharedArrayBuffer;
  /** What runs, and who waits to. */
  readonly scripts: ScriptsStatus;
  /** What failed last, the latest first. */
  readonly errors: readonly RecentError[];
  /** The last second, or all that is kept; null: nothing was looked at yet. */
  readonly history: HistoryColumns | null;
}

/** How often the configuration was read anew. */
export interface Reloads {
  /** And is in force, or was. */
  readonly taken: number;
  /** And had faults. */
  readonly refused: number;
}

/** Scripts, seen from the script loop. */
export interface ScriptsStatus {
  /** Those that run, the oldest first; no more than {@linkcode SCRIPTS_TOLD_MAX}. */
  readonly running: readonly RunningScript[];
  /** Routes whose scripts run, or are waited for. */
  readonly queues: readonly RouteQueueStatus[];
}

/** How many running scripts are told of one by one. */
export const SCRIPTS_TOLD_MAX = 200;

/** A script that runs. */
export interface RunningScript {
  /** Its process. */
  readonly pid: number;
  /** Its file. */
  readonly script: string;
  /** The path of its route. */
  readonly route: string;
  /** The target it answers, without its query. */
  readonly url: string;
  /** As in the logs. */
  readonly requestId: string;
  /** How long it has run. */
  readonly ageMs: number;
  /** Resident memory of it and all it has started; null: not known. What they share is counted for each. */
  readonly memoryBytes: number | null;
}

/** The places of a route. */
export interface RouteQueueStatus {
  /** Its path. */
  readonly route: string;
  /** Scripts that run. */
  readonly running: number;
  /** Requests that wait. */
  readonly waiting: number;
  /** Scripts that may run at once. */
  readonly maxProcesses: number;
}

/** A request that failed on the server's side. */
export interface RecentError {
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** What was sent, or would have been. */
  readonly status: number;
  /** As in the logs. */
  readonly requestId: string;
  /** As sent. */
  readonly method: string;
  /** The target without its query. */
  readonly url: string;
  /** The script's file; null without. */
  readonly script: string | null;
  /** As in the error log. */
  readonly reason: string;
}

/** Whether a route shows all this. */
export function isStatusShown({ sites }: Config): boolean {
  return sites.some(({ routes }) => routes.some(({ handler }) => handler.kind === "status"));
}

const URL_CHARS_MAX = 300;

/**
 * A target for the eyes of whoever may see the status page: what stands in its query may be a secret, so it is left out.
 *
 * @returns The path, with `?…` where there was a query; at most 300 characters.
 */
export function withoutQuery(target: string): string {
  const query = target.indexOf("?");
  const path = query === -1 ? target : target.slice(0, query);
  return (path.length > URL_CHARS_MAX ? path.slice(0, URL_CHARS_MAX) + "…" : path) +
    (query === -1 ? "" : "?…");
}

/** The state as an object for JSON; its names are documented in docs/status.md and stay. */
export function statusAsJson(status: ServerStatus): Record<string, unknown> {
  const metrics = new Metrics(status.figures);
  const { latency } = metrics;
  return {
    version: status.version,
    runtime: status.runtime,
    pid: status.pid,
    time: new Date(status.timeMs).toISOString(),
    started: new Date(status.startedAtMs).toISOString(),
    uptimeSeconds: round(status.uptimeMs / 1000),
    loops: status.loops,
    memoryBytes: status.memoryBytes,
    reloads: status.reloads,
    clients: {
      connected: CLIENT_STATES.reduce((sum, state) => sum + metrics.clients(state), 0),
      states: Object.fromEntries(CLIENT_STATES.map((state) => [state, metrics.clients(state)])),
      idle: metrics.gauge("idle"),
      queued: metrics.gauge("queued"),
    },
    totals: {
      ...Object.fromEntries(COUNTERS.map((counter) => [counter, metrics.counter(counter)])),
      responses: Object.fromEntries(
        ([0, 1, 2, 3, 4] as const).map((index) => [STATUS_CLASSES[index], metrics.statuses(index)]),
      ),
      scriptsEnded: Object.fromEntries(SCRIPT_ENDS.map((end) => [end, metrics.ends(end)])),
    },
    latencyMs: {
      count: latency.count,
      mean: latency.count === 0 ? null : round(latency.sumMs / latency.count),
      p50: percentile(metrics, 0.5),
      p90: percentile(metrics, 0.9),
      p99: percentile(metrics, 0.99),
    },
    scripts: {
      running: metrics.gauge("scriptsRunning"),
      waiting: metrics.gauge("scriptsWaiting"),
      processes: status.scripts.running.map(({ ageMs, ...script }) => ({
        ...script,
        ageSeconds: round(ageMs / 1000),
      })),
      routes: status.scripts.queues,
    },
    errors: status.errors.map(({ timeMs, ...error }) => ({ time: new Date(timeMs).toISOString(), ...error })),
    history: status.history,
  };
}

function percentile({ latency }: Metrics, share: number): number | null {
  return latency.count === 0 ? null : latency.percentile(share);
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
