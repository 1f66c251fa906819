/**
 * Runs scripts by fork servers where that can be, and plainly where not.
 *
 * @module
 */

import type { LentBytes } from "../buffers.ts";
import { type ProcessHooks, startProcess, watchProcess } from "../cgi/process.ts";
import {
  type EndReason,
  type LocalRun,
  type ScriptExit,
  type ScriptSpec,
  StartError,
  type WarmServer,
  type WarmStart,
} from "../cgi/run.ts";
import type { Logger } from "../observe/logger.ts";
import type { Clock } from "../time/clock.ts";
import type { WarmChild } from "./child.ts";
import { type Attempt, ForkServer } from "./fork_server.ts";
import { Inputs } from "./inputs.ts";
import { inputSocket, isShortEnough, SERVERS_MAX, serverSocket } from "./sockets.ts";

/** How long a fork server that ended by itself is not started again, in milliseconds. */
const REST_MS = 10_000;

/** What warm scripts need of their loop. */
export interface WarmHost {
  /** For sockets: private to this program, and nobody else's. Made when it is needed. */
  readonly folder: string;
  /** The error log. */
  readonly log: Logger;
  /** The loop's clock. */
  readonly clock: Clock;
}

/** The fork servers of one script loop. */
export class WarmScripts {
  readonly #host: WarmHost;
  /** Those that take requests, by their key; null: not before this time, in milliseconds of the clock. */
  readonly #servers = new Map<string, ForkServer>();
  readonly #restUntilMs = new Map<string, number>();
  /** All that live, by the number of their socket. */
  readonly #living = new Map<number, ForkServer>();
  /** null: not made yet; `"impossible"`: it was tried. */
  #inputs: Inputs | "impossible" | null = null;

  /** Starts nothing yet. */
  constructor(host: WarmHost) {
    this.#host = host;
  }

  /** Starts a script as its specification says. Never throws. */
  start(spec: ScriptSpec, hooks: ProcessHooks): LocalRun {
    const { warm } = spec.plan;
    const server = warm === null ? null : this.#serverFor(warm.server);
    if (warm === null || server === null || !server.isAwaited) return startProcess(spec, hooks);
    return new WarmRun(spec, warm, server, hooks);
  }

  /** Lets all servers end with their last script; those who are wanted again are started anew. */
  retire(): void {
    for (const server of [...this.#living.values()]) server.retire();
    this.#restUntilMs.clear();
  }

  /** Ends all servers, once no script runs any more. */
  async close(): Promise<void> {
    await Promise.all([...this.#living.values()].map((server) => server.end()));
    if (this.#inputs instanceof Inputs) this.#inputs.close();
    this.#inputs = "impossible";
  }

  #serverFor(spec: WarmServer): ForkServer | null {
    const known = this.#servers.get(spec.key);
    if (known !== undefined) return known;
    const { clock, log, folder } = this.#host;
    if ((this.#restUntilMs.get(spec.key) ?? 0) > clock.now()) return null;
    const inputs = this.#makeInputs();
    const index = Array.from({ length: SERVERS_MAX }, (_, i) => i).find((i) => !this.#living.has(i));
    if (inputs === null || index === undefined) return null;
    try {
      const server: ForkServer = new ForkServer(spec, {
        socket: serverSocket(folder, index),
        inputSocket: inputSocket(folder),
        inputs,
        log,
        clock,
        retired: (failure) => {
          this.#servers.delete(spec.key);
          if (failure === null) return;
          log.log("error", `warm ${spec.kind}: ${failure}; scripts are started anew for ${REST_MS / 1000} s`);
          this.#restUntilMs.set(spec.key, clock.now() + REST_MS);
        },
      });
      this.#servers.set(spec.key, server);
      this.#living.set(index, server);
      server.ended.then(() => {
        this.#living.delete(index);
        this.#removeSocket(serverSocket(folder, index));
      });
      return server;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      log.log(
        "error",
        `warm ${spec.kind}: ${spec.program} cannot be started: ${error.message}; name another under cgi.interpreters`,
      );
      this.#restUntilMs.set(spec.key, clock.now() + REST_MS);
      return null;
    }
  }

  /** Another server's socket can only take its place once it is gone. */
  #removeSocket(path: string): void {
    try {
      Deno.removeSync(path);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (error instanceof Deno.errors.NotFound) return;
      this.#host.log.log("error", `warm: ${path} cannot be removed: ${error.message}`);
    }
  }

  #makeInputs(): Inputs | null {
    const { folder, log } = this.#host;
    if (this.#inputs === "impossible") return null;
    if (this.#inputs !== null) return this.#inputs;
    try {
      if (!isShortEnough(folder)) {
        throw new Error(`the path ${folder} is too long for sockets, name a shorter one under temp`);
      }
      Deno.mkdirSync(folder, { mode: 0o700 });
      this.#inputs = new Inputs(inputSocket(folder));
      return this.#inputs;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      log.log("error", `no script is run warm: ${error.message}`);
      this.#inputs = "impossible";
      return null;
    }
  }
}

/** A run that a fork server's child begins, or a process of its own where none does. */
class WarmRun implements LocalRun {
  readonly started: Promise<number>;
  readonly ended: Promise<ScriptExit>;
  readonly #attempt: Attempt;
  #run: LocalRun | null = null;
  #reason: EndReason | null = null;

  constructor(spec: ScriptSpec, warm: WarmStart, server: ForkServer, hooks: ProcessHooks) {
    this.#attempt = server.begin(spec, warm);
    const run = this.#attempt.child.then((child) => this.#begin(child, spec, hooks));
    this.started = run.then((run) => run.started);
    this.ended = run.then((run) => run.ended, () => ({ code: -1, signal: null }));
    // Whoever looks at it gets the error; nobody has to.
    this.started.catch(() => {});
  }

  get lastSignMs(): number {
    return this.#run?.lastSignMs ?? 0;
  }

  async write(bytes: LentBytes): Promise<boolean> {
    return await this.#run?.write(bytes) ?? false;
  }

  closeInput(): void {
    this.#run?.closeInput();
  }

  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    return await this.#run?.read() ?? null;
  }

  release(bytes: LentBytes): void {
    this.#run?.release?.(bytes);
  }

  stderr(): string {
    return this.#run?.stderr?.() ?? "";
  }

  end(reason: EndReason): void {
    if (this.#run !== null) {
      this.#run.end(reason);
      return;
    }
    this.#reason ??= reason;
    this.#attempt.giveUp();
  }

  #begin(child: WarmChild | null, spec: ScriptSpec, hooks: ProcessHooks): LocalRun {
    const reason = this.#reason;
    if (child === null && reason !== null) throw new StartError({ kind: "ended", reason });
    const run = child === null ? startProcess(spec, hooks) : watchProcess(child, spec, hooks);
    this.#run = run;
    if (reason !== null) run.end(reason);
    return run;
  }
}
