/**
 * All messages between the supervisor and its loops: a union for each channel.
 *
 * The supervisor is the only one that starts and ends Workers. A network loop and a script loop speak over a port of their own
 * (the bridge), which the supervisor makes and hands out, so that no byte of a client passes through it.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import type { Programs } from "../cgi/programs.ts";
import type { EndReason, ScriptPlan, ScriptRequest, StartFailure } from "../cgi/run.ts";
import type { RecentError, ScriptsStatus, ServerStatus } from "../observe/status.ts";

/** What every loop gets first. */
export interface LoopSetup {
  /** What is served. */
  readonly config: Config;
  /** Where the interpreters are. */
  readonly programs: Programs;
  /** The loop's number among its kind, from 0. */
  readonly loop: number;
  /** The folder for bodies that are kept whole: private to this process. */
  readonly temp: string;
  /** The number of connections, over all loops. */
  readonly connections: SharedArrayBuffer;
  /** The buckets of `rate`, over all loops; null where no route has any. */
  readonly rates: SharedArrayBuffer | null;
  /** What was changed of what is kept, over all loops. */
  readonly changes: SharedArrayBuffer;
}

/** An address to listen on. */
export interface ListenOrder {
  /** Index into `Config.listen`. */
  readonly index: number;
  /** In place of a port 0, where one was chosen before; otherwise null. */
  readonly port: number | null;
  /** Certificate and key as PEM, since a loop may not read the key's file; null without TLS. */
  readonly tls: PemPair | null;
}

/** A certificate chain and its private key, as PEM. */
export interface PemPair {
  /** The server's own certificate first. */
  readonly cert: string;
  /** Not encrypted. */
  readonly key: string;
}

/** Supervisor to network loop. */
export type ToNetwork =
  | {
    readonly kind: "setup";
    readonly setup: LoopSetup;
    /** The loop's own figures, which it writes and others read; see `observe/metrics.ts`. */
    readonly metrics: SharedArrayBuffer;
    /** Its part of the number of connections. */
    readonly ownConnections: SharedArrayBuffer;
    /** The addresses it listens on. */
    readonly listen: readonly ListenOrder[];
    /** The environment that `pass_env` may name. */
    readonly environment: Readonly<Record<string, string>>;
    /** To the password loop; null where no route has `auth`. */
    readonly passwords: MessagePort | null;
  }
  /** A script loop is there, perhaps in place of another: scripts go here from now on. */
  | { readonly kind: "bridge"; readonly bridge: MessagePort }
  /** The password loop was replaced: passwords go here from now on. */
  | { readonly kind: "passwords"; readonly passwords: MessagePort }
  /** Another configuration, for which the sockets and permissions stay as they are: from the next request on. */
  | { readonly kind: "configure"; readonly setup: LoopSetup }
  /** The answer to `socketWanted` of the same number; null: the system does not tell. */
  | { readonly kind: "socket"; readonly request: number; readonly heldBytes: number | null }
  /** How the server is; `request` is that of the question. */
  | { readonly kind: "status"; readonly request: number; readonly status: ServerStatus }
  /** With `--dev`: a file that is served, or a script, has changed; another version than all before. */
  | { readonly kind: "changed"; readonly version: string }
  /** No new connections; end when the last client is done. */
  | { readonly kind: "drain" }
  /** End at once. */
  | { readonly kind: "stop" }
  | Question;

/** Network loop to supervisor. */
export type FromNetwork =
  /** All its sockets accept connections; the port of each. */
  | {
    readonly kind: "listening";
    readonly ports: readonly { readonly index: number; readonly port: number }[];
  }
  /** The first script is wanted. */
  | { readonly kind: "scriptsWanted" }
  /** How many bytes of one of these sockets, named as in /proc/net/tcp, are sent or to be sent, and not acknowledged? */
  | { readonly kind: "socketWanted"; readonly request: number; readonly names: readonly string[] }
  /** It wants to know how the server is, with so many steps of the past. */
  | { readonly kind: "statusWanted"; readonly request: number; readonly historySteps: number }
  /** A request has failed on the server's side; not all are told where there are many. */
  | { readonly kind: "failed"; readonly error: RecentError }
  /** An address cannot be listened on. */
  | { readonly kind: "refused"; readonly index: number; readonly message: string }
  | LogMessage
  /** Its sockets are closed: it takes no more connections. */
  | { readonly kind: "deaf" }
  /** Its last client is done. */
  | { readonly kind: "drained" }
  | SignOfLife;

/** Supervisor to script loop. */
export type ToScript =
  | {
    readonly kind: "setup";
    readonly setup: LoopSetup;
    /** The loop's own figures, as a network loop has them. */
    readonly metrics: SharedArrayBuffer;
    /** Where it keeps the pids of running scripts, for the supervisor to end should the loop die. */
    readonly pids: SharedArrayBuffer;
    /** How many scripts run in each script loop, and which slot is this one's; see `loop/running_scripts.ts`. */
    readonly running: { readonly memory: SharedArrayBuffer; readonly slot: number };
    /** The folder for the sockets of its fork servers, its own: nobody has made it yet. */
    readonly warm: string;
  }
  /** Another configuration: from the next script on. */
  | { readonly kind: "configure"; readonly setup: LoopSetup }
  /** A network loop's end of the bridge; its number. */
  | { readonly kind: "bridge"; readonly loop: number; readonly bridge: MessagePort }
  /** The tree that was asked to be ended is gone. */
  | { readonly kind: "treeEnded"; readonly request: number }
  /** What runs is wanted. */
  | { readonly kind: "scriptsWanted"; readonly request: number }
  /** Start nothing more, end what runs. */
  | { readonly kind: "stop" }
  | Question;

/** Script loop to supervisor. */
export type FromScript =
  | { readonly kind: "ready" }
  | {
    readonly kind: "endTree";
    readonly request: number;
    readonly pid: number;
    readonly graceMs: number;
    readonly marks: readonly string[];
  }
  | { readonly kind: "rootEnded"; readonly pid: number }
  /** What runs; `request` is that of the question. */
  | { readonly kind: "scripts"; readonly request: number; readonly scripts: ScriptsStatus }
  | LogMessage
  /** Nothing runs any more. */
  | { readonly kind: "drained" }
  | SignOfLife;

/** Supervisor to password loop. */
export type ToPasswords =
  /** A network loop's end, over which it asks and is answered. */
  | { readonly kind: "serve"; readonly port: MessagePort }
  | Question;

/** Supervisor to any loop, now and then: it is to answer with a sign of life. */
export interface Question {
  /** Which message this is. */
  readonly kind: "areYouThere";
}

/** Any loop to the supervisor. */
export interface SignOfLife {
  /** Which message this is. */
  readonly kind: "here";
}

/** Network loop to password loop: whether the password is the one behind the hash. `id` is the network loop's own count. */
export interface PasswordQuestion {
  /** Comes back with the answer. */
  readonly id: number;
  /** As the client gave it. */
  readonly password: string;
  /** From the password file. */
  readonly hash: string;
}

/** Password loop to network loop. */
export interface PasswordAnswer {
  /** Of the question. */
  readonly id: number;
  /** Whether it is. */
  readonly isGood: boolean;
}

/** Lines for the logs, whole, each with its line end. */
export interface LogMessage {
  /** Which message this is. */
  readonly kind: "log";
  /** Which log they are for. */
  readonly log: "access" | "error";
  /** UTF-8; transferred. */
  readonly lines: Uint8Array<ArrayBuffer>;
}

/** Network loop to script loop, over the bridge. `id` is the network loop's own count. */
export type ToBridge =
  /** `at`: where the plan is kept over there; `plan`: itself, where it is not kept yet. */
  | {
    readonly kind: "start";
    readonly id: number;
    readonly at: number;
    readonly plan: ScriptPlan | null;
    readonly request: ScriptRequest;
  }
  | { readonly kind: "input"; readonly id: number; readonly bytes: Uint8Array<ArrayBuffer> }
  /** What further input comes through, as of `loop/ring.ts`. */
  | { readonly kind: "inputRing"; readonly id: number; readonly memory: SharedArrayBuffer }
  | { readonly kind: "inputEnd"; readonly id: number }
  /** So many bytes of output have been consumed; buffers in place of those that they came in. */
  | {
    readonly kind: "consumed";
    readonly id: number;
    readonly bytes: number;
    readonly spares?: readonly Uint8Array<ArrayBuffer>[];
  }
  | { readonly kind: "end"; readonly id: number; readonly reason: EndReason };

/**
 * Script loop to network loop, over the bridge, in one list whatever comes at about the same time: a message costs its
 * receiver more than what is in it.
 */
export type FromBridge =
  /** It was started so many milliseconds ago. */
  | { readonly kind: "started"; readonly id: number; readonly pid: number; readonly agoMs: number }
  | { readonly kind: "failed"; readonly id: number; readonly failure: StartFailure }
  /** `heldMs`: how long it was kept back for what might follow, in milliseconds. */
  | {
    readonly kind: "output";
    readonly id: number;
    readonly bytes: Uint8Array<ArrayBuffer>;
    readonly heldMs: number;
  }
  /** What further output comes through, as of `loop/ring.ts`. */
  | { readonly kind: "outputRing"; readonly id: number; readonly memory: SharedArrayBuffer }
  | { readonly kind: "outputEnd"; readonly id: number }
  /** So many bytes of input have been taken by the script; a buffer in place of the one that they came in. */
  | {
    readonly kind: "taken";
    readonly id: number;
    readonly bytes: number;
    readonly spare?: Uint8Array<ArrayBuffer>;
  }
  | { readonly kind: "inputClosed"; readonly id: number }
  /** The last lines of its standard error so far, in place of those of an earlier message. */
  | { readonly kind: "stderr"; readonly id: number; readonly text: string }
  /** The last message of a run. */
  | { readonly kind: "exit"; readonly id: number; readonly code: number; readonly signal: string | null };
