/**
 * The last minutes in steps of a second, for the charts of the status page: a ring of rows in memory of a fixed size. Pure.
 *
 * @module
 */

import { Histogram } from "./histogram.ts";
import { CLIENT_STATES, Metrics } from "./metrics.ts";

/** How many steps are kept. */
export const HISTORY_STEPS = 300;
/** How long a step is, in milliseconds, as long as the supervisor is on time. */
export const HISTORY_STEP_MS = 1000;

const RATES = ["requests", "1xx", "2xx", "3xx", "4xx", "5xx", "bytesIn", "bytesOut", "errors"] as const;
const PERCENTILES = ["p50", "p90", "p99"] as const;
const GAUGES = ["idle", "queued", "scriptsRunning", "scriptsWaiting"] as const;

/** What is kept of each step: a second's rates, percentiles of latency in milliseconds, and gauges at its end. */
export const HISTORY_NAMES = ["time", ...RATES, ...PERCENTILES, ...CLIENT_STATES, ...GAUGES] as const;

/** One of them. */
export type HistoryName = typeof HISTORY_NAMES[number];

/** For each name its values, the oldest first; all are of one length. null: nothing was measured. */
export type HistoryColumns = Readonly<Record<HistoryName, readonly (number | null)[]>>;

const WIDTH = HISTORY_NAMES.length;

/** The past, step by step. */
export class History {
  readonly #rows = new Float64Array(HISTORY_STEPS * WIDTH);
  #count = 0;
  #last: Metrics;
  #lastMs: number;

  /**
   * Begins with nothing kept.
   *
   * @param now The figures as they are.
   * @param nowMs When, in milliseconds of any clock that never goes back.
   */
  constructor(now: Metrics, nowMs: number) {
    this.#last = Metrics.sum([now]);
    this.#lastMs = nowMs;
  }

  /**
   * Ends a step. Rates are by the time that has really passed.
   *
   * @param now The figures as they are; kept, and not to be changed from now on.
   * @param nowMs Milliseconds of the same clock as before.
   * @param timeMs The same moment in milliseconds since 1970.
   */
  add(now: Metrics, nowMs: number, timeMs: number): void {
    const seconds = Math.max(nowMs - this.#lastMs, 1) / 1000;
    const last = this.#last;
    const rate = (after: number, before: number) => (after - before) / seconds;
    const latency = new Histogram(now.latency.cells.map((cell, index) => cell - last.latency.cells[index]));
    const isMeasured = latency.count > 0;
    const row: Record<HistoryName, number> = {
      time: timeMs,
      requests: rate(now.counter("requests"), last.counter("requests")),
      "1xx": rate(now.statuses(0), last.statuses(0)),
      "2xx": rate(now.statuses(1), last.statuses(1)),
      "3xx": rate(now.statuses(2), last.statuses(2)),
      "4xx": rate(now.statuses(3), last.statuses(3)),
      "5xx": rate(now.statuses(4), last.statuses(4)),
      bytesIn: rate(now.counter("bytesIn"), last.counter("bytesIn")),
      bytesOut: rate(now.counter("bytesOut"), last.counter("bytesOut")),
      errors: rate(now.counter("errors"), last.counter("errors")),
      p50: isMeasured ? latency.percentile(0.5) : NaN,
      p90: isMeasured ? latency.percentile(0.9) : NaN,
      p99: isMeasured ? latency.percentile(0.99) : NaN,
      READ_REQ: now.clients("READ_REQ"),
      REQ_RDY: now.clients("REQ_RDY"),
      WAIT_CGI: now.clients("WAIT_CGI"),
      RES_RDY: now.clients("RES_RDY"),
      RES_SENDING: now.clients("RES_SENDING"),
      FINISHED: now.clients("FINISHED"),
      idle: now.gauge("idle"),
      queued: now.gauge("queued"),
      scriptsRunning: now.gauge("scriptsRunning"),
      scriptsWaiting: now.gauge("scriptsWaiting"),
    };
    const offset = this.#count % HISTORY_STEPS * WIDTH;
    HISTORY_NAMES.forEach((name, index) => this.#rows[offset + index] = row[name]);
    this.#count++;
    this.#last = now;
    this.#lastMs = nowMs;
  }

  /**
   * What is kept, the oldest first.
   *
   * @param steps How many of the last steps; all that are kept by default.
   * @returns null as long as there is no step.
   */
  columns(steps: number = HISTORY_STEPS): HistoryColumns | null {
    const length = Math.min(this.#count, HISTORY_STEPS, steps);
    if (length === 0) return null;
    const column = (index: number) =>
      Array.from({ length }, (_, step) => {
        const row = (this.#count - length + step) % HISTORY_STEPS;
        const value = this.#rows[row * WIDTH + index];
        return Number.isNaN(value) ? null : Math.round(value * 1000) / 1000;
      });
    return Object.fromEntries(HISTORY_NAMES.map((name, index) => [name, column(index)])) as Record<
      HistoryName,
      (number | null)[]
    >;
  }
}
