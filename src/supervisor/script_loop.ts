/**
 * A loop that runs scripts, as the supervisor holds it.
 *
 * @module
 */

import { PidTable } from "../loop/pid_table.ts";
import { RunningScripts } from "../loop/running_scripts.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { ScriptsStatus } from "../observe/status.ts";
import { isDoneWithin, within } from "../time/timer.ts";
import type { LoopsHost } from "./loops_host.ts";
import { LoopWorker } from "./loop_worker.ts";
import type { FromScript, LoopSetup, ToScript } from "./messages.ts";
import type { NetworkLoop } from "./network_loop.ts";
import type { LoopPermissions } from "./permissions.ts";

/** How long it may take to say what runs, in milliseconds. */
const SCRIPTS_TOLD_MS = 1_000;
const NO_SCRIPTS: ScriptsStatus = { running: [], queues: [] };

/** Runs scripts. */
export class ScriptLoop {
  readonly #host: LoopsHost;
  readonly #worker: LoopWorker<ToScript, FromScript>;
  readonly #metrics: Metrics;
  readonly #pids: PidTable;
  /** In the memory of `LoopsHost.running`. */
  readonly #slot: number;
  readonly #drained = Promise.withResolvers<void>();
  /** Questions for what runs, by number. */
  readonly #asked = new Map<number, (scripts: ScriptsStatus) => void>();
  #lastAsked = 0;
  #isOver = false;

  /**
   * Starts it.
   *
   * @param warm The folder for the sockets of its fork servers.
   * @param ready It has all the descriptors that it needs to begin with.
   * @param died It died by itself, and is ended, with its scripts still there; called once.
   */
  constructor(
    setup: LoopSetup,
    permissions: LoopPermissions,
    warm: string,
    host: LoopsHost,
    { ready, died }: { ready(): void; died(reason: string): void },
  ) {
    this.#host = host;
    const pids = PidTable.memory(setup.config.cgi.maxProcesses);
    this.#pids = new PidTable(pids);
    host.reserve.release();
    this.#worker = new LoopWorker("script", permissions, {
      message: (message) => this.#take(message, ready),
      died: (reason) => {
        host.figures.close(this.#metrics);
        host.figures.own.lost(this.#metrics.gauge("scriptsRunning"));
        died(reason);
      },
    }, host.askMs);
    this.#slot = RunningScripts.takeSlot(host.running);
    this.#metrics = host.figures.open();
    this.#worker.post({
      kind: "setup",
      setup,
      metrics: this.#metrics.memory,
      pids,
      running: { memory: host.running, slot: this.#slot },
      warm,
    });
  }

  /** Another configuration, from the next script on. */
  configure(setup: LoopSetup): void {
    this.#worker.post({ kind: "configure", setup });
  }

  /** Makes a bridge to a network loop, and gives each its end. */
  bridge(network: NetworkLoop): void {
    const { port1, port2 } = new MessageChannel();
    this.#worker.post({ kind: "bridge", loop: network.number, bridge: port1 }, [port1]);
    network.bridge(port2);
  }

  /** What scripts run, and who waits to; nothing where it is too busy to say. */
  async scripts(): Promise<ScriptsStatus> {
    const request = ++this.#lastAsked;
    const { promise, resolve } = Promise.withResolvers<ScriptsStatus>();
    this.#asked.set(request, resolve);
    this.#worker.post({ kind: "scriptsWanted", request });
    const scripts = await within(promise, SCRIPTS_TOLD_MS);
    this.#asked.delete(request);
    return scripts ?? NO_SCRIPTS;
  }

  /** Ends all scripts: it is asked to, and what is left after `deadlineMs` is ended without it. */
  async stop(deadlineMs: number): Promise<void> {
    this.#worker.post({ kind: "stop" });
    if (!await isDoneWithin(this.#drained.promise, deadlineMs)) await this.#endOrphans();
  }

  /** Ends it, once its scripts have ended. Harmless when repeated. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#worker.end();
    this.#host.figures.close(this.#metrics);
    RunningScripts.giveSlot(this.#host.running, this.#slot);
  }

  /** Ends the scripts of one that died. */
  async bury(): Promise<void> {
    await this.#endOrphans();
    this.#drained.resolve();
    this.end();
  }

  async #endOrphans(): Promise<void> {
    await Promise.all(this.#pids.list().map((pid) => this.#host.trees.endTree(pid, 0)));
  }

  #take(message: FromScript, ready: () => void): void {
    const host = this.#host;
    switch (message.kind) {
      case "ready":
        ready();
        break;
      case "here":
        break;
      case "endTree":
        host.trees.endTree(message.pid, message.graceMs, message.marks).then(() =>
          this.#worker.post({ kind: "treeEnded", request: message.request })
        );
        break;
      case "rootEnded":
        host.trees.rootEnded(message.pid);
        break;
      case "scripts":
        this.#asked.get(message.request)?.(message.scripts);
        break;
      case "log":
        host.writeLog(message);
        break;
      case "drained":
        this.#drained.resolve();
        break;
      default:
        message satisfies never;
    }
  }
}
