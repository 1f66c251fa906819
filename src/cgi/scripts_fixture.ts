/**
 * Scripts for tests: runs whose every byte and end the test gives by hand, without processes.
 *
 * @module
 */

import type { LogLevel } from "../config/config.ts";
import {
  type EndReason,
  type ScriptExit,
  type ScriptRun,
  type Scripts,
  type ScriptSpec,
  StartError,
  type StartFailure,
} from "./run.ts";

/** A run that does as it is told. */
export class FakeRun implements ScriptRun {
  /** As in a process that gave no sign. */
  readonly lastSignMs = 0;
  /** What was to be started. */
  readonly spec: ScriptSpec;
  /** The reasons given to `end`. */
  readonly endedFor: EndReason[] = [];
  /** What it was given as input. */
  input = "";
  /** Whether its input was closed. */
  isInputClosed = false;
  /** What it has written to standard error. */
  errors = "";
  /** What `write` answers. */
  takesInput = true;
  /** How long its first output was held where it came from, in milliseconds. */
  heldMs = 0;
  readonly #started = Promise.withResolvers<number>();
  readonly #ended = Promise.withResolvers<ScriptExit>();
  readonly #output: (Uint8Array<ArrayBuffer> | null)[] = [];
  #waiting: ((bytes: Uint8Array<ArrayBuffer> | null) => void) | null = null;
  #isOver = false;

  /** A run that waits to be started. */
  constructor(spec: ScriptSpec) {
    this.spec = spec;
    this.#started.promise.catch(() => {});
  }

  /** Settled by `start` and `fail`. */
  get started(): Promise<number> {
    return this.#started.promise;
  }

  /** Settled by `exit`. */
  get ended(): Promise<ScriptExit> {
    return this.#ended.promise;
  }

  /** It runs. */
  start(): this {
    this.#started.resolve(77);
    return this;
  }

  /** It does not start. */
  fail(failure: StartFailure): void {
    this.#started.reject(new StartError(failure));
    this.#ended.resolve({ code: -1, signal: null });
    this.#give(null);
  }

  /** It writes, one char per byte. */
  says(...pieces: string[]): this {
    for (const piece of pieces) this.#give(Uint8Array.from(piece, (c) => c.charCodeAt(0)));
    return this;
  }

  /** It closes its standard output. */
  closes(): this {
    this.#give(null);
    return this;
  }

  /** It ends. */
  exit(code = 0, signal: string | null = null): this {
    if (!this.#isOver) this.#give(null);
    this.#ended.resolve({ code, signal });
    return this;
  }

  /** Takes input. */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
    if (!this.takesInput) return Promise.resolve(false);
    this.input += new TextDecoder().decode(bytes);
    return Promise.resolve(true);
  }

  /** No more input. */
  closeInput(): void {
    this.isInputClosed = true;
  }

  /** The next piece. */
  read(): Promise<Uint8Array<ArrayBuffer> | null> {
    const piece = this.#output.shift();
    if (piece !== undefined) return Promise.resolve(piece);
    if (this.#isOver) return Promise.resolve(null);
    return new Promise((resolve) => this.#waiting = resolve);
  }

  /** What it was told to have written. */
  stderr(): string {
    return this.errors;
  }

  /** Ends it as a kill does. */
  end(reason: EndReason): void {
    this.endedFor.push(reason);
    this.#output.length = 0;
    this.#started.reject(new StartError({ kind: "ended", reason }));
    this.exit(137, "SIGKILL");
  }

  #give(piece: Uint8Array<ArrayBuffer> | null): void {
    if (this.#isOver) return;
    if (piece === null) this.#isOver = true;
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) this.#output.push(piece);
    else waiting(piece);
  }
}

/** Hands out fake runs. */
export class FakeScripts implements Scripts {
  /** All that were started. */
  readonly runs: FakeRun[] = [];
  /** What each new run does at once. */
  onStart: (run: FakeRun) => void = () => {};

  /** Makes a run. */
  start(spec: ScriptSpec): FakeRun {
    const run = new FakeRun(spec);
    this.runs.push(run);
    this.onStart(run);
    return run;
  }
}

/** Keeps what was logged. */
export class FakeLog {
  /** `level message`. */
  readonly lines: string[] = [];

  /** Keeps it. */
  log(level: LogLevel, message: string): void {
    this.lines.push(`${level} ${message}`);
  }
}
