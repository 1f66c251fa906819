/**
 * The figures of a loop: plain numbers in shared memory. The loop that owns them counts by adding to a cell; the supervisor and
 * the status page read them without a message. One writer a block, so nothing needs to be atomic: a 64-bit cell is
 * written in one piece, and a reader is at most an instant behind.
 *
 * @module
 */

import { Histogram, HISTOGRAM_CELLS } from "./histogram.ts";

/** The client's states that are counted; the same names as in `client/states.ts`. */
export const CLIENT_STATES = [
  "READ_REQ",
  "REQ_RDY",
  "WAIT_CGI",
  "RES_RDY",
  "RES_SENDING",
  "FINISHED",
] as const;

/** One of them. */
export type ClientState = typeof CLIENT_STATES[number];

/** The classes of a status: `1xx` to `5xx`. */
export const STATUS_CLASSES = ["1xx", "2xx", "3xx", "4xx", "5xx"] as const;

/** How a script's run can end, or why it never began. */
export const SCRIPT_ENDS = [
  // By itself:
  "ok",
  "exit",
  "signal",
  // Ended by the server:
  "timeout",
  "runLimit",
  "clientGone",
  "shutdown",
  "badOutput",
  "badRequest",
  "abandoned",
  // Not started:
  "queueFull",
  "queueTimeout",
  "tooLarge",
  "notStarted",
  "loopLost",
] as const;

/** One of them. */
export type ScriptEnd = typeof SCRIPT_ENDS[number];

/** What only grows, beside what is counted by status and by end. */
export const COUNTERS = [
  /** Connections that were accepted. */
  "connections",
  /** Connections refused for want of room: answered 503 and closed. */
  "connectionsRefused",
  /** Connections that the client, or a failure, broke off while a request was under way. */
  "connectionsLost",
  /** Requests answered. */
  "requests",
  /** Bytes read from clients, heads included. */
  "bytesIn",
  /** Bytes written to clients, heads included. */
  "bytesOut",
  /** Waits that came to their deadline. */
  "timeouts",
  /** Bugs of ours: each cost a client its request. */
  "errors",
  /** Scripts started. */
  "scriptsStarted",
  /** Log lines lost. */
  "logLinesDropped",
] as const;

/** One of them. */
export type Counter = typeof COUNTERS[number];

/** What goes up and down, beside the clients' states. */
export const GAUGES = [
  /** Clients in READ_REQ of whose request no byte has come. */
  "idle",
  /** Clients in WAIT_CGI whose script has no process yet, or whose request no gateway has taken. */
  "queued",
  /** Scripts that run. */
  "scriptsRunning",
  /** Requests that wait for a place to run their script in. */
  "scriptsWaiting",
] as const;

/** One of them. */
export type Gauge = typeof GAUGES[number];

/** Turns a list of names into the cells that hold them: `{ connections: 0, ... }`, from `first` on. */
function cellsOf<Name extends string>(names: readonly Name[], first: number): Readonly<Record<Name, number>> {
  return Object.freeze(
    Object.fromEntries(names.map((name, index) => [name, first + index])) as Record<Name, number>,
  );
}

const STATUS_FIRST = COUNTERS.length;
const END_FIRST = STATUS_FIRST + STATUS_CLASSES.length;
const STATE_FIRST = END_FIRST + SCRIPT_ENDS.length;
const GAUGE_FIRST = STATE_FIRST + CLIENT_STATES.length;
const HISTOGRAM_FIRST = GAUGE_FIRST + GAUGES.length;
const CELLS = HISTOGRAM_FIRST + HISTOGRAM_CELLS;

/** The cell of each counter, for the hottest paths: `metrics.cells[COUNTER_CELL.bytesOut] += n`. */
export const COUNTER_CELL: Readonly<Record<Counter, number>> = cellsOf(COUNTERS, 0);
const END_CELL = cellsOf(SCRIPT_ENDS, END_FIRST);
const STATE_CELL = cellsOf(CLIENT_STATES, STATE_FIRST);
/** The cell of each gauge, likewise. */
export const GAUGE_CELL: Readonly<Record<Gauge, number>> = cellsOf(GAUGES, GAUGE_FIRST);

/** How many bytes a loop's figures take. */
export const METRICS_BYTES: number = CELLS * Float64Array.BYTES_PER_ELEMENT;

/** The figures of one loop, or of several added up. */
export class Metrics {
  /** The memory they lie in: can be posted to another thread, which makes a Metrics over it to read. */
  readonly memory: SharedArrayBuffer;
  /** The figures themselves. */
  readonly cells: Float64Array;
  /** How long requests took, from their first byte to the end of the answer. */
  readonly latency: Histogram;

  /** Figures over {@linkcode METRICS_BYTES} bytes of zeros, or over what another Metrics lies in. New by default. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(METRICS_BYTES)) {
    this.memory = memory;
    this.cells = new Float64Array(memory, 0, CELLS);
    this.latency = new Histogram(this.cells.subarray(HISTOGRAM_FIRST, CELLS));
  }

  /** Adds to a counter. */
  add(counter: Counter, amount = 1): void {
    this.cells[COUNTER_CELL[counter]] += amount;
  }

  /** Moves a gauge up or down. */
  shift(gauge: Gauge, amount: number): void {
    this.cells[GAUGE_CELL[gauge]] += amount;
  }

  /** A client came into a state from another, each told by its number in {@linkcode CLIENT_STATES}; null: it is new, or gone. */
  move(from: number | null, to: number | null): void {
    if (from !== null) this.cells[STATE_FIRST + from]--;
    if (to !== null) this.cells[STATE_FIRST + to]++;
  }

  /**
   * A request was answered.
   *
   * @param status 100 to 599; others are counted as a request without a class.
   * @param durationMs From its first byte to the end of its answer, in milliseconds; null: it is not measured.
   */
  answered(status: number, durationMs: number | null): void {
    this.cells[COUNTER_CELL.requests]++;
    const index = Math.floor(status / 100) - 1;
    if (index >= 0 && index < STATUS_CLASSES.length) this.cells[STATUS_FIRST + index]++;
    if (durationMs !== null) this.latency.record(durationMs);
  }

  /** A script was started. */
  scriptStarted(): void {
    this.cells[COUNTER_CELL.scriptsStarted]++;
    this.cells[GAUGE_CELL.scriptsRunning]++;
  }

  /** A script that had been started is gone. */
  scriptEnded(end: ScriptEnd): void {
    this.cells[END_CELL[end]]++;
    this.cells[GAUGE_CELL.scriptsRunning]--;
  }

  /** So many scripts are gone with the loop that ran them. */
  lost(scripts: number): void {
    this.cells[END_CELL.loopLost] += scripts;
  }

  /** A script was wanted and did not start. */
  scriptNotStarted(end: ScriptEnd): void {
    this.cells[END_CELL[end]]++;
  }

  /** A counter's value. */
  counter(counter: Counter): number {
    return this.cells[COUNTER_CELL[counter]];
  }

  /** A gauge's value. */
  gauge(gauge: Gauge): number {
    return this.cells[GAUGE_CELL[gauge]];
  }

  /** How many clients are in a state. */
  clients(state: ClientState): number {
    return this.cells[STATE_CELL[state]];
  }

  /** How many answers had a status of the class `index + 1`. */
  statuses(index: 0 | 1 | 2 | 3 | 4): number {
    return this.cells[STATUS_FIRST + index];
  }

  /** How many runs ended so. */
  ends(end: ScriptEnd): number {
    return this.cells[END_CELL[end]];
  }

  /** Adds another's figures to these. */
  merge(other: Metrics): void {
    for (let i = 0; i < CELLS; i++) this.cells[i] += other.cells[i];
  }

  /**
   * Takes over what a loop that is gone had counted. Its gauges are left out: its clients and scripts are gone as well.
   */
  inherit(dead: Metrics): void {
    for (let i = 0; i < CELLS; i++) {
      if (i < STATE_FIRST || i >= HISTOGRAM_FIRST) this.cells[i] += dead.cells[i];
    }
  }

  /** The sum of several, in memory of its own. */
  static sum(parts: Iterable<Metrics>): Metrics {
    const sum = new Metrics();
    for (const part of parts) sum.merge(part);
    return sum;
  }
}
