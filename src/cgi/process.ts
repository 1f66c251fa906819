/**
 * A script as a process: its start, its three streams, its end (RFC 3875, 4 and 6). Used in a script loop and by `pollux exec`.
 *
 * It decides nothing: when a script has to end, and what a client sees of its end, is its caller's to say.
 *
 * @module
 */

import { giveBuffer, type LentBytes } from "../buffers.ts";
import { isShortage } from "../shortage.ts";
import { delay } from "../time/timer.ts";
import { Pipe, type PipeEnd } from "./pipe.ts";
import {
  type EndReason,
  type LocalRun,
  type ScriptExit,
  type ScriptPlan,
  type ScriptSpec,
  StartError,
  type StartFailure,
} from "./run.ts";
import { StderrLines, StderrTail } from "./stderr.ts";

/** Ends processes that this thread may not end itself: a loop asks the supervisor, `exec` has `Trees` at hand. */
export interface TreeKiller {
  /**
   * Ends `pid` and all its descendants; resolves once they are gone, and never rejects.
   *
   * @param marks Lines `NAME=value` of the script's environment that tell its orphans from all other processes; may be empty.
   */
  endTree(pid: number, graceMs: number, marks: readonly string[]): Promise<void>;
  /** Says that `pid` was reaped: the number may belong to another process from now on. Called only after `endTree`. */
  rootEnded(pid: number): void;
}

/** What a process needs of its surroundings. */
export interface ProcessHooks {
  /** Ends it, where it does not end by itself. */
  readonly trees: TreeKiller;
  /** A line of its standard error, without its line end, decoded leniently; already bounded in length and rate. */
  onStderr(line: string, pid: number): void;
  /** How much of the end of its standard error is kept for {@linkcode ScriptRun.stderr}, in bytes; 0 where it is left out. */
  readonly stderrTailBytes?: number;
  /** Milliseconds of the loop's clock. */
  now(): number;
}

/**
 * Standard error is taken no faster than so much in so long, in bytes and milliseconds: a script that floods it has to wait,
 * and not all others for this loop.
 */
const ERRORS_BYTES_MAX = 1 << 20;
const ERRORS_WINDOW_MS = 50;

/** Variables that together belong to one request only, as long as it lasts. */
const MARK_NAMES: readonly string[] = ["REMOTE_ADDR", "REMOTE_PORT", "SERVER_PORT", "REQUEST_URI"];

/** A process that runs a script, however it came to be. */
export interface ScriptProcess {
  /** Its number. */
  readonly pid: number;
  /** Its standard input; null: it has none. */
  readonly input: ScriptInput | null;
  /** Its standard output. */
  readonly output: PipeEnd;
  /** Its standard error. */
  readonly errors: PipeEnd;
  /** Its end. Never rejects. */
  readonly status: Promise<ScriptExit>;
}

/** The writing end of a script's standard input: the writer of a child's stream is one. */
export interface ScriptInput {
  /** Resolves once they are taken; rejects when the script takes no more. */
  write(bytes: LentBytes): Promise<void>;
  /** It ends here. */
  close(): Promise<void>;
  /** Nobody reads it any more. */
  abort(): Promise<void>;
}

/** Starts a script at once. Never throws: a start that fails rejects `started` with a StartError and ends the output. */
export function startProcess(spec: ScriptSpec, hooks: ProcessHooks): LocalRun {
  try {
    return watchProcess(childProcess(spawn(spec), spec.request.hasInput), spec, hooks);
  } catch (error) {
    return failedRun(startFailure(error, spec.plan));
  }
}

/** The run of a script whose process is there. */
export function watchProcess(process: ScriptProcess, spec: ScriptSpec, hooks: ProcessHooks): LocalRun {
  return new Process(process, spec, hooks);
}

/** A run that never began, for whoever could not start it. */
export function failedRun(failure: StartFailure): LocalRun {
  const started = Promise.reject<number>(new StartError(failure));
  // Whoever looks at it gets the error; nobody has to.
  started.catch(() => {});
  return {
    started,
    lastSignMs: 0,
    ended: Promise.resolve({ code: -1, signal: null }),
    write: () => Promise.resolve(false),
    closeInput() {},
    read: () => Promise.resolve(null),
    end() {},
  };
}

/**
 * The lines of a request's variables by which its script's orphans are known; none where the client's port is not, since
 * without it two requests cannot be told apart.
 */
export function treeMarks(env: readonly string[]): string[] {
  const marks: string[] = [];
  for (let i = 0; i < env.length; i += 2) {
    if (MARK_NAMES.includes(env[i])) marks.push(`${env[i]}=${env[i + 1]}`);
  }
  return marks.length === MARK_NAMES.length ? marks : [];
}

function spawn({ plan, request }: ScriptSpec): Deno.ChildProcess {
  const env: Record<string, string> = { ...plan.env };
  for (let i = 0; i < request.env.length; i += 2) env[request.env[i]] = request.env[i + 1];
  // The runtime asks for all entries, which V8 gives six times as fast once it has listed the names of such an object.
  Object.keys(env);
  // Neither `detached` nor `uid`: both would fork this whole process instead of posix_spawn.
  return new Deno.Command(plan.program, {
    args: [...plan.args, ...request.args],
    clearEnv: true,
    env,
    cwd: plan.cwd,
    stdin: request.hasInput ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

function childProcess(child: Deno.ChildProcess, hasInput: boolean): ScriptProcess {
  const input = hasInput ? child.stdin.getWriter() : null;
  // That a script closes its input is told by `write`.
  input?.closed.catch(() => {});
  return {
    pid: child.pid,
    input,
    output: child.stdout.getReader({ mode: "byob" }),
    errors: child.stderr.getReader({ mode: "byob" }),
    status: child.status,
  };
}

function startFailure(error: unknown, { program, cwd }: ScriptPlan): StartFailure {
  if (!(error instanceof Error)) throw error;
  if ("code" in error && error.code === "E2BIG") {
    return {
      kind: "tooLarge",
      message: "environment and arguments are more than the system takes: shorten cgi.env and pass_env",
    };
  }
  if (isShortage(error)) {
    const message = `the system has no room for ${program} now: ${error.message}; lower cgi.max_processes`;
    return { kind: "noRoom", message, retryAfterSeconds: 1 };
  }
  if (error instanceof Deno.errors.NotFound) {
    // Deno says NotFound for a missing folder, a missing program and a missing interpreter alike.
    const message = isFolder(cwd)
      ? `${program} does not exist, or the interpreter that its first line names does not`
      : `its working folder ${cwd} does not exist: make it, or correct cwd`;
    return { kind: "notStarted", message };
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return {
      kind: "notStarted",
      message:
        `the system does not let this user run ${program} in ${cwd}: change the mode or owner of one of them`,
    };
  }
  return { kind: "notStarted", message: `${program}: ${error.message}` };
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false; // Not there, or not to be seen: either way no script can work in it.
  }
}

/** Sees to it that standard error is taken no faster than its bounds. */
class Pace {
  #beganMs = performance.now();
  #bytes = 0;

  /** Counts so many bytes more; whether that is enough for now. */
  isOver(bytes: number): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#beganMs >= ERRORS_WINDOW_MS) {
      this.#beganMs = nowMs;
      this.#bytes = 0;
    }
    this.#bytes += bytes;
    return this.#bytes >= ERRORS_BYTES_MAX;
  }

  /** Resolves when the next may be taken. */
  rest(): Promise<void> {
    const restMs = this.#beganMs + ERRORS_WINDOW_MS - performance.now();
    return delay(Math.max(0, restMs));
  }
}

/** A process that was started. */
class Process implements LocalRun {
  readonly started: Promise<number>;
  readonly ended: Promise<ScriptExit>;
  readonly #process: ScriptProcess;
  readonly #spec: ScriptSpec;
  readonly #hooks: ProcessHooks;
  readonly #output: Pipe;
  readonly #errors: Pipe;
  /** null: it is not kept. */
  readonly #lastErrors: StderrTail | null;
  /** null: it has none, or it is closed. */
  #input: ScriptInput | null;
  /** Lets a write that waits go, when the script will never take it. */
  #letWriteGo: (() => void) | null = null;
  #lastSignMs: number;
  #hasExited = false;
  #reason: EndReason | null = null;
  #killed: Promise<void> | null = null;

  constructor(process: ScriptProcess, spec: ScriptSpec, hooks: ProcessHooks) {
    this.#process = process;
    this.#spec = spec;
    this.#hooks = hooks;
    this.#lastSignMs = hooks.now();
    this.#output = new Pipe(process.output);
    this.#errors = new Pipe(process.errors);
    const { stderrTailBytes = 0 } = hooks;
    this.#lastErrors = stderrTailBytes > 0 ? new StderrTail(stderrTailBytes) : null;
    this.#input = process.input;
    this.started = Promise.resolve(process.pid);
    this.ended = this.#live();
  }

  get lastSignMs(): number {
    return this.#lastSignMs;
  }

  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    const bytes = await this.#output.read();
    if (bytes === null) return null;
    this.#lastSignMs = this.#hooks.now();
    return bytes;
  }

  write(bytes: LentBytes): Promise<boolean> {
    const input = this.#input;
    if (input === null || this.#reason !== null) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#letWriteGo = () => resolve(false);
      input.write(bytes).then(
        () => {
          this.#lastSignMs = this.#hooks.now();
          resolve(true);
        },
        // BrokenPipe: the script has closed its input, which is its right.
        () => {
          this.#input = null;
          resolve(false);
        },
      ).finally(() => this.#letWriteGo = null);
    });
  }

  closeInput(): void {
    if (this.#reason !== null) return;
    const input = this.#input;
    this.#input = null;
    // It fails when the script has closed it from the other end: then it is closed.
    input?.close().catch(() => {});
  }

  release(bytes: LentBytes): void {
    giveBuffer(bytes);
  }

  stderr(): string {
    return this.#lastErrors?.text() ?? "";
  }

  end(reason: EndReason): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#output.cancel();
    if (!this.#hasExited) {
      const { plan, request } = this.#spec;
      const marks = treeMarks(request.env);
      this.#killed = this.#hooks.trees.endTree(this.#process.pid, plan.killGraceMs, marks);
    }
    // Its input stays open until it is gone: content that broke off must not look as if it had ended.
    this.#letWriteGo?.();
  }

  /** From the start to the last trace of it. */
  async #live(): Promise<ScriptExit> {
    const errorsRead = this.#readErrors();
    const { code, signal } = await this.#process.status;
    this.#hasExited = true;
    if (this.#killed !== null) this.#hooks.trees.rootEnded(this.#process.pid);
    this.#output.orphan();
    this.#errors.orphan();
    this.#abortInput();
    await errorsRead;
    await this.#killed;
    return { code, signal };
  }

  async #readErrors(): Promise<void> {
    const { pid } = this.#process;
    const lines = new StderrLines((line) => this.#hooks.onStderr(line, pid));
    const pace = new Pace();
    for (let bytes = await this.#errors.read(); bytes !== null; bytes = await this.#errors.read()) {
      lines.push(bytes, this.#hooks.now());
      this.#lastErrors?.push(bytes);
      giveBuffer(bytes);
      if (pace.isOver(bytes.length)) await pace.rest();
    }
    lines.end(this.#hooks.now());
  }

  /** Nobody reads its input any more. A write under way keeps the pipe until whoever else holds its other end lets go. */
  #abortInput(): void {
    const input = this.#input;
    this.#input = null;
    input?.abort().catch(() => {});
    this.#letWriteGo?.();
  }
}
