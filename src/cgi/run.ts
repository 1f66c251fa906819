/**
 * A script's run as its caller sees it: what to start, its input and output, its end. Two things give runs: the bridge to a
 * script loop, and `process.ts` directly (in a script loop itself, and for `pollux exec`).
 *
 * @module
 */

import type { LentBytes } from "../buffers.ts";
import type { ScriptLimits } from "../config/config.ts";

/**
 * How long a script's first content is held, in milliseconds, so that a short answer gets a Content-Length. A script loop does
 * so: with most scripts all that follows comes at once, and one message wakes the network loop once.
 */
export const HOLD_MS = 10;

/** What to start. */
export interface ScriptSpec {
  /** What does not change from request to request. */
  readonly plan: ScriptPlan;
  /** What does. */
  readonly request: ScriptRequest;
}

/**
 * How one script of one route is started, the same for all its requests: made once, and sent to each script loop once. All
 * paths are absolute.
 */
export interface ScriptPlan {
  /** The route whose places (`max_processes`, `queue`) it takes. */
  readonly routeId: number;
  /** The script's path, for logs and the status page. */
  readonly script: string;
  /** What is started: an interpreter, or the program itself. */
  readonly program: string;
  /** Its arguments, without its own name. */
  readonly args: readonly string[];
  /** Variables of its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Its working folder. */
  readonly cwd: string;
  /** How long the script and its descendants have after SIGTERM, when it is ended before its time; 0: SIGKILL at once. */
  readonly killGraceMs: number;
  /** How an interpreter that is kept ready runs it instead; null: it is started anew. `program` and `args` hold for both. */
  readonly warm: WarmStart | null;
}

/** What one request adds to a plan; can be posted to a Worker as it is. */
export interface ScriptRequest {
  /** Its target, for the status page. */
  readonly url: string;
  /** Its id, for logs. */
  readonly requestId: string;
  /** Further arguments. */
  readonly args: readonly string[];
  /** Further variables, none of them the plan's, name and value in turn. */
  readonly env: readonly string[];
  /** Whether input follows; without it the script reads end-of-file at once. */
  readonly hasInput: boolean;
  /** The client's address, for turns in the queue; `""` over a unix socket. */
  readonly client: string;
}

/** The whole environment of a script, name and value in turn. */
export function environmentOf({ plan, request }: ScriptSpec): string[] {
  return [...Object.entries(plan.env).flat(), ...request.env];
}

/** What a fork server has to know of a script, beside what is in its plan. */
export interface WarmStart {
  /** Who forks. */
  readonly server: WarmServer;
  /** Arguments of the script, before those of a request. */
  readonly args: readonly string[];
}

/** A fork server: an interpreter that is kept ready, and becomes each script that it is asked for. */
export interface WarmServer {
  /** Tells it from others: the same for what may share one. */
  readonly key: string;
  /** The language. */
  readonly kind: "python" | "perl";
  /** The interpreter, absolute. */
  readonly program: string;
  /** Its own arguments, before a script's path. */
  readonly flags: readonly string[];
  /** The environment that all requests share, name and value in turn. */
  readonly env: readonly string[];
  /** Modules that it imports beforehand. */
  readonly preload: readonly string[];
  /** 0 to 19, for the scripts. */
  readonly nice: number;
  /** For the scripts; null: the server's own. */
  readonly umask: number | null;
  /** For each script. */
  readonly limits: ScriptLimits;
}

/** Why a script is ended before its time. The first reason wins. */
export type EndReason =
  | "timeout"
  | "runLimit"
  | "clientGone"
  | "shutdown"
  | "badOutput"
  | "badRequest"
  | "abandoned";

/** How a script ended. */
export interface ScriptExit {
  /** The exit status; 128 + n after a signal; -1 where there is none. */
  readonly code: number;
  /** The signal's name, `SIGSEGV`; null after an exit. */
  readonly signal: string | null;
}

/** Why a script did not start, or was lost. */
export type StartFailure =
  | { readonly kind: "queueFull" | "queueTimeout"; readonly retryAfterSeconds: number }
  | { readonly kind: "tooLarge"; readonly message: string }
  | { readonly kind: "notStarted"; readonly message: string }
  /** The system lacks something that it may have again in a moment. */
  | { readonly kind: "noRoom"; readonly message: string; readonly retryAfterSeconds: number }
  | { readonly kind: "loopLost" }
  /** The loop that starts scripts has not said a word. */
  | { readonly kind: "loopSilent"; readonly retryAfterSeconds: number }
  /** Of gateways: no connection is free, cannot be had, takes too long, or breaks off. */
  | { readonly kind: "gatewayBusy"; readonly message: string; readonly retryAfterSeconds: number }
  | { readonly kind: "gatewayFailed" | "gatewayTimeout"; readonly message: string }
  | { readonly kind: "ended"; readonly reason: EndReason };

/** A start that failed, with its typed reason. */
export class StartError extends Error {
  /** What happened. */
  readonly failure: StartFailure;

  /**
   * Wraps a failure, with a message for the log.
   *
   * @param failure What happened.
   */
  constructor(failure: StartFailure) {
    super("message" in failure ? failure.message : failure.kind);
    this.name = "StartError";
    this.failure = failure;
  }
}

/** A script on its way: queued, running, or ended. */
export interface ScriptRun {
  /** The process id, once it runs. Rejects with StartError. */
  readonly started: Promise<number>;
  /** When it last gave a sign of life (output, or input taken), in milliseconds of the loop's clock; 0 before its start. */
  readonly lastSignMs: number;
  /** When it was started, in milliseconds of the loop's clock, where `started` may resolve some time later; 0 before. */
  readonly startedMs?: number;
  /** How long its first output was kept back, in milliseconds, so that what follows at once comes with it. */
  readonly heldMs?: number;
  /** Whether all its output was read: the next read gives null at once. Left out where nobody knows before reading. */
  readonly isAtEnd?: boolean;
  /** How it ended. Never rejects; a run that never started or was lost has code -1. */
  readonly ended: Promise<ScriptExit>;
  /** Memory that its next input may be put into before it is written, which saves a copy; null: there is none. */
  room?(): LentBytes | null;
  /**
   * Gives it input, and the buffer with it (it may be transferred); shared memory is nothing but its own `room`. Resolves when
   * there is room for more; false: the script has closed its input or ended, which is no error.
   */
  write(bytes: LentBytes): Promise<boolean>;
  /** Its input ends here. */
  closeInput(): void;
  /** Its next output, never empty; null at the end. The bytes are the caller's to keep. Rejects when the loop is lost. */
  read(): Promise<Uint8Array<ArrayBuffer> | null>;
  /** The same, but that the bytes are lent: valid until the next call of either. Left out where that would save no copy. */
  lend?(): Promise<LentBytes | null>;
  /** Takes back what was read, from a caller who is done with it: its buffer is used again. Nobody has to. */
  release?(bytes: LentBytes): void;
  /** The last lines of its standard error as far as they are known; all of them once it has ended. */
  stderr?(): string;
  /** Ends it with all its descendants (or takes it out of the queue), and discards what it may still write. */
  end(reason: EndReason): void;
}

/** A script that this thread runs itself. */
export interface LocalRun extends ScriptRun {
  /** As for any run, but that the bytes stay the caller's, who may use them again where the answer is true. */
  write(bytes: LentBytes): Promise<boolean>;
}

/** Starts scripts. */
export interface Scripts {
  /** Takes a place in the queue and starts the script as soon as there is one free. */
  start(spec: ScriptSpec): ScriptRun;
}
