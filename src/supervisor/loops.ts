/**
 * One set of loops for one configuration: a script loop, the network loops, and the bridges between them.
 *
 * A reload makes a second set beside the first, which then drains.
 *
 * @module
 */

import type { Config, Listen } from "../config/config.ts";
import { type Programs, runnable } from "../cgi/programs.ts";
import type { Logger } from "../observe/logger.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { RecentError, ScriptsStatus, ServerStatus } from "../observe/status.ts";
import { after } from "../time/timer.ts";
import { ConnectionCount } from "../loop/connection_count.ts";
import { PidTable } from "../loop/pid_table.ts";
import { RunningScripts } from "../loop/running_scripts.ts";
import { Changes } from "../cache/changes.ts";
import { RateTable } from "../route/rate.ts";
import type { Figures } from "./figures.ts";
import type {
  FromNetwork,
  FromScript,
  LogMessage,
  LoopSetup,
  PemPair,
  Question,
  ToNetwork,
  ToPasswords,
  ToScript,
} from "./messages.ts";
import type { Reserve } from "./descriptors.ts";
import {
  type LoopPermissions,
  needsPasswordLoop,
  needsScriptLoop,
  networkPermissions,
  NOTHING,
  scriptPermissions,
} from "./permissions.ts";
import type { SocketTable } from "./socket_table.ts";
import type { Trees } from "./trees.ts";
import { ASK_MS, Watch } from "./watch.ts";

/** What a set of loops needs of the supervisor. */
export interface LoopsHost {
  /** The error log. */
  readonly log: Logger;
  /** Ends process trees. */
  readonly trees: Trees;
  /** What the system holds for clients that read slowly. */
  readonly sockets: SocketTable;
  /** The folder for bodies that are kept whole. */
  readonly temp: string;
  /** The number of connections, over all loops. */
  readonly connections: SharedArrayBuffer;
  /** The number of scripts, over all loops. */
  readonly running: SharedArrayBuffer;
  /** Descriptors for a Worker that is to be started. */
  readonly reserve: Reserve;
  /** How often loops are asked whether they are there, in milliseconds. */
  readonly askMs?: number;
  /** The server's own environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** All loops' figures. */
  readonly figures: Figures;
  /** How the server is, with so many steps of the past. */
  status(historySteps: number): Promise<ServerStatus>;
  /** A request has failed. */
  failed(error: RecentError): void;
  /** Takes lines of a loop. */
  writeLog(message: LogMessage): void;
  /** A loop keeps dying: the server cannot go on. */
  giveUp(reason: string): void;
}

/** An address that could not be listened on. */
export class ListenError extends Error {
  /** Index into `Config.listen`. */
  readonly index: number;

  /**
   * Says which address, and why.
   *
   * @param index Which address.
   * @param message What the system says.
   */
  constructor(index: number, message: string) {
    super(message);
    this.name = "ListenError";
    this.index = index;
  }
}

/** So many deaths of loops within `DEATHS_MS` are too many. */
const DEATHS_MAX = 5;
const DEATHS_MS = 10_000;
/** How many script loops there have been: each has a folder of its own for what it keeps. */
let scriptLoops = 0;

/** How long ended scripts may take to be gone. */
const SCRIPTS_GONE_MS = 3_000;
/** How long a script loop may take to say what runs. */
const SCRIPTS_TOLD_MS = 1_000;
const NO_SCRIPTS: ScriptsStatus = { running: [], queues: [] };

/** After this long nothing runs any more in a loop that was terminated. */
const TERMINATED_MS = 3_000;

/** So long after the start the script loop starts as well, if no request has wanted it before. */
const SCRIPT_LOOP_DELAY_MS = 250;

interface NetworkLoop {
  readonly number: number;
  readonly worker: Worker;
  readonly watch: Watch;
  readonly metrics: Metrics;
  /** Its part of the number of connections. */
  readonly connections: SharedArrayBuffer;
  readonly listening: PromiseWithResolvers<void>;
  readonly deaf: PromiseWithResolvers<void>;
  readonly drained: PromiseWithResolvers<void>;
}

interface ScriptLoopHandle {
  readonly worker: Worker;
  readonly metrics: Metrics;
  readonly watch: Watch;
  readonly pids: PidTable;
  /** In the memory of `LoopsHost.running`. */
  readonly slot: number;
  readonly drained: PromiseWithResolvers<void>;
}

interface PasswordLoop {
  readonly worker: Worker;
  readonly watch: Watch;
}

/** What loops are made of. */
export interface LoopsPlan {
  /** What is served. */
  readonly config: Config;
  /** The interpreters' paths. Finding them takes as long as a Worker takes to load, so they are asked for meanwhile. */
  readonly programs: () => Programs;
  /** Certificates and keys, by index into `Config.listen`. */
  readonly certificates: ReadonlyMap<number, PemPair>;
}

/** A running set of loops. */
export class Loops {
  /** The port of each address, by index into `Config.listen`; complete once started. */
  readonly ports: Map<number, number>;

  readonly #host: LoopsHost;
  readonly #networks: NetworkLoop[] = [];
  readonly #deaths: number[] = [];
  #plan: LoopsPlan;
  #rates: SharedArrayBuffer | null;
  #changes: SharedArrayBuffer;
  /** null until a script is wanted. */
  #script: ScriptLoopHandle | null = null;
  #passwords: PasswordLoop | null = null;
  /** Questions to the script loop, by number. */
  readonly #asked = new Map<number, (scripts: ScriptsStatus) => void>();
  #lastAsked = 0;
  /** No connection is accepted any more; what was asked on those that are there is answered, by scripts too. */
  #isStopping = false;
  /** Nobody is left to be answered. */
  #isOver = false;

  /**
   * A set of loops that is not started yet.
   *
   * @param plan What is served, and with what.
   * @param ports Ports that an earlier set chose for port 0.
   */
  constructor(plan: LoopsPlan, ports: ReadonlyMap<number, number>, host: LoopsHost) {
    this.ports = new Map(ports);
    this.#plan = plan;
    this.#rates = ratesOf(plan.config);
    this.#changes = Changes.memory();
    this.#host = host;
  }

  /** The configuration they serve. */
  get config(): Config {
    return this.#plan.config;
  }

  /**
   * Starts all loops; resolves once every address accepts connections.
   *
   * @throws {ListenError} An address is taken or may not be used.
   */
  async start(): Promise<void> {
    if (needsPasswordLoop(this.config)) this.#startPasswordLoop();
    // The first loop chooses the port where it is 0, and the others share it.
    await this.#startNetworkLoop(0);
    const others = Array.from({ length: this.config.workers - 1 }, (_, i) => this.#startNetworkLoop(i + 1));
    await Promise.all(others);
    if (!needsScriptLoop(this.config)) return;
    after(SCRIPT_LOOP_DELAY_MS, () => {
      if (!this.#isStopping) this.#wantScriptLoop();
    });
  }

  /**
   * Takes another configuration over with the sockets and Workers that are there. Nothing is closed, so no connection is lost.
   *
   * @returns Whether that is possible: addresses and certificates are the same, and every loop keeps just the permissions
   * it has.
   */
  configure(plan: LoopsPlan): boolean {
    if (!this.#fits(plan)) return false;
    this.#plan = plan;
    this.#rates = ratesOf(plan.config);
    this.#changes = Changes.memory();
    for (const { worker, number } of this.#networks) {
      post(worker, { kind: "configure", setup: this.#setup(number) });
    }
    this.#script?.worker.postMessage({ kind: "configure", setup: this.#setup(0) } satisfies ToScript);
    return true;
  }

  /** With `--dev`: tells the pages that a file has changed. */
  tellChanged(version: string): void {
    for (const { worker } of this.#networks) post(worker, { kind: "changed", version });
  }

  #fits({ config, programs, certificates }: LoopsPlan): boolean {
    const { ports } = this;
    const { temp } = this.#host;
    return config.workers === this.config.workers &&
      config.cgi.maxProcesses === this.config.cgi.maxProcesses &&
      needsPasswordLoop(config) === needsPasswordLoop(this.config) &&
      isEqual(config.listen.map(socketOf), this.config.listen.map(socketOf)) &&
      isEqual([...certificates], [...this.#plan.certificates]) &&
      isEqual(
        networkPermissions(config, ports, temp, realPath),
        networkPermissions(this.config, ports, temp, realPath),
      ) &&
      isEqual(
        scriptPermissions(config, runnable(programs()), ""),
        scriptPermissions(this.config, runnable(this.#plan.programs()), ""),
      );
  }

  /** Stops accepting and resolves when the last client is done, or after `deadlineMs` by force; no script is left. */
  async stop(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    const loops = [...this.#networks];
    for (const { worker } of loops) post(worker, { kind: "drain" });
    const isDone = await isDoneWithin(Promise.all(loops.map(({ drained }) => drained.promise)), deadlineMs);
    if (!isDone) this.stopNow();
    this.#isOver = true;
    await this.#endScripts();
    for (const loop of loops) {
      this.#end(loop);
      // It may still be closing connections, and count them out itself.
      after(TERMINATED_MS, () => ConnectionCount.forget(this.#host.connections, loop.connections));
    }
    if (this.#script !== null) this.#endScriptLoop(this.#script);
    this.#passwords?.watch.end();
    this.#passwords?.worker.terminate();
  }

  /** Resolves once none of them takes connections any more, after `stop` was called. */
  async deaf(): Promise<void> {
    await Promise.all(
      this.#networks.map(({ deaf, drained }) => Promise.race([deaf.promise, drained.promise])),
    );
  }

  /** Cuts every connection. */
  stopNow(): void {
    this.#isStopping = true;
    this.#isOver = true;
    for (const { worker, drained } of this.#networks) {
      post(worker, { kind: "stop" });
      drained.resolve();
    }
  }

  async #endScripts(): Promise<void> {
    const script = this.#script;
    if (script === null) return;
    script.worker.postMessage({ kind: "stop" } satisfies ToScript);
    const isDone = await isDoneWithin(script.drained.promise, SCRIPTS_GONE_MS + this.config.cgi.killGraceMs);
    if (!isDone) await this.#endOrphans(script.pids);
  }

  async #endOrphans(pids: PidTable): Promise<void> {
    await Promise.all(pids.list().map((pid) => this.#host.trees.endTree(pid, 0)));
  }

  #startWorker(kind: LoopKind, permissions: LoopPermissions): Worker {
    this.#host.reserve.release();
    return startWorker(kind, permissions);
  }

  #setup(loop: number): LoopSetup {
    const { temp, connections } = this.#host;
    const { config } = this.#plan;
    const programs = this.#plan.programs();
    return { config, programs, loop, temp, connections, rates: this.#rates, changes: this.#changes };
  }

  #startScriptLoop(): void {
    const memory = PidTable.memory(this.config.cgi.maxProcesses);
    const warm = `${this.#host.temp}/warm${++scriptLoops}`;
    const programs = runnable(this.#plan.programs());
    const worker = this.#startWorker("script", scriptPermissions(this.config, programs, warm));
    const slot = RunningScripts.takeSlot(this.#host.running);
    const metrics = this.#host.figures.open();
    const handle: ScriptLoopHandle = {
      worker,
      watch: this.#watch(worker, (reason) => this.#scriptLoopDied(handle, reason)),
      metrics,
      pids: new PidTable(memory),
      slot,
      drained: Promise.withResolvers<void>(),
    };
    this.#script = handle;
    worker.onmessage = (event: MessageEvent<FromScript>) => this.#fromScript(handle, event.data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#scriptLoopDied(handle, event.message);
    };
    worker.postMessage(
      {
        kind: "setup",
        setup: this.#setup(0),
        metrics: metrics.memory,
        pids: memory,
        running: { memory: this.#host.running, slot },
        warm,
      } satisfies ToScript,
    );
    for (const network of this.#networks) this.#bridge(handle, network);
  }

  #fromScript(handle: ScriptLoopHandle, message: FromScript): void {
    const { worker, drained } = handle;
    handle.watch.heard();
    switch (message.kind) {
      case "ready":
        this.#host.reserve.take(this.config);
        break;
      case "here":
        break;
      case "endTree":
        this.#host.trees.endTree(message.pid, message.graceMs, message.marks).then(() =>
          worker.postMessage({ kind: "treeEnded", request: message.request } satisfies ToScript)
        );
        break;
      case "rootEnded":
        this.#host.trees.rootEnded(message.pid);
        break;
      case "scripts":
        this.#asked.get(message.request)?.(message.scripts);
        break;
      case "log":
        this.#host.writeLog(message);
        break;
      case "drained":
        drained.resolve();
        break;
      default:
        message satisfies never;
    }
  }

  async #scriptLoopDied(handle: ScriptLoopHandle, reason: string): Promise<void> {
    if (this.#script !== handle) return; // its death was told before
    handle.watch.end();
    handle.worker.terminate();
    const { figures } = this.#host;
    figures.close(handle.metrics);
    figures.own.lost(handle.metrics.gauge("scriptsRunning"));
    const isReplaced = this.#isWorthReplacing("script loop", reason, this.#isOver);
    if (isReplaced) this.#startScriptLoop();
    await this.#endOrphans(handle.pids);
    handle.drained.resolve();
    if (isReplaced) RunningScripts.giveSlot(this.#host.running, handle.slot);
  }

  /** It is over with a script loop whose scripts have ended. */
  #endScriptLoop({ worker, watch, metrics, slot }: ScriptLoopHandle): void {
    watch.end();
    worker.terminate();
    this.#host.figures.close(metrics);
    RunningScripts.giveSlot(this.#host.running, slot);
  }

  /** Notices when a loop is wedged. */
  #watch(worker: Worker, wedged: (reason: string) => void): Watch {
    return new Watch(
      () => worker.postMessage({ kind: "areYouThere" } satisfies Question),
      (silentMs) => wedged(`it has not answered for ${silentMs / 1000} s`),
      this.#host.askMs ?? ASK_MS,
    );
  }

  /** How many network loops there are. */
  get size(): number {
    return this.#networks.length;
  }

  /** What scripts run, and who waits to; nothing where the script loop is too busy to say. */
  async scripts(): Promise<ScriptsStatus> {
    if (this.#script === null) return NO_SCRIPTS;
    const request = ++this.#lastAsked;
    const { promise, resolve } = Promise.withResolvers<ScriptsStatus>();
    this.#asked.set(request, resolve);
    this.#script.worker.postMessage({ kind: "scriptsWanted", request } satisfies ToScript);
    const giveUp = after(SCRIPTS_TOLD_MS, () => resolve(NO_SCRIPTS));
    const scripts = await promise;
    giveUp();
    this.#asked.delete(request);
    return scripts;
  }

  /**
   * The script loop is not needed to answer the first request for a file, so it starts a little later, or when it is: with a
   * Worker and the first port that is passed on, it costs 50 ms of start-up.
   */
  #wantScriptLoop(): void {
    if (this.#script === null && !this.#isOver) this.#startScriptLoop();
  }

  /** Makes a bridge between the script loop and a network loop, and gives each its end. */
  #bridge(script: ScriptLoopHandle, { number, worker }: NetworkLoop): void {
    const { port1, port2 } = new MessageChannel();
    script.worker.postMessage({ kind: "bridge", loop: number, bridge: port1 } satisfies ToScript, [port1]);
    post(worker, { kind: "bridge", bridge: port2 }, [port2]);
  }

  #startPasswordLoop(): void {
    const worker = this.#startWorker("passwords", NOTHING);
    const loop: PasswordLoop = {
      worker,
      watch: this.#watch(worker, (reason) => this.#passwordLoopDied(loop, reason)),
    };
    this.#passwords = loop;
    worker.onmessage = () => loop.watch.heard();
    worker.onerror = (event) => {
      event.preventDefault();
      this.#passwordLoopDied(loop, event.message);
    };
  }

  #passwordLoopDied(loop: PasswordLoop, reason: string): void {
    if (this.#passwords !== loop) return; // its death was told before
    loop.watch.end();
    loop.worker.terminate();
    if (!this.#isWorthReplacing("password loop", reason, this.#isOver)) return;
    this.#startPasswordLoop();
    for (const network of this.#networks) {
      const passwords = this.#passwordPort();
      if (passwords !== null) post(network.worker, { kind: "passwords", passwords }, [passwords]);
    }
  }

  /** A network loop's way to the password loop; null where there is none. */
  #passwordPort(): MessagePort | null {
    if (this.#passwords === null) return null;
    const { port1, port2 } = new MessageChannel();
    this.#passwords.worker.postMessage({ kind: "serve", port: port1 } satisfies ToPasswords, [port1]);
    return port2;
  }

  #startNetworkLoop(number: number): Promise<void> {
    const worker = this.#startWorker(
      "network",
      networkPermissions(this.config, this.ports, this.#host.temp, realPath),
    );
    const metrics = this.#host.figures.open();
    const loop: NetworkLoop = {
      number,
      worker,
      watch: this.#watch(worker, (reason) => this.#networkLoopDied(loop, reason)),
      metrics,
      connections: ConnectionCount.ownMemory(),
      listening: Promise.withResolvers<void>(),
      deaf: Promise.withResolvers<void>(),
      drained: Promise.withResolvers<void>(),
    };
    this.#networks.push(loop);
    worker.onmessage = (event: MessageEvent<FromNetwork>) => this.#fromNetwork(loop, event.data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#networkLoopDied(loop, event.message);
    };
    const listen = this.config.listen
      .map((address, index) => ({ index, port: this.ports.get(index) ?? null, transport: address.transport }))
      .filter(({ transport }) => transport === "tcp" || number === 0)
      .map(({ index, port }) => ({ index, port, tls: this.#plan.certificates.get(index) ?? null }));
    const { environment } = this.#host;
    const passwords = this.#passwordPort();
    const setup = this.#setup(number);
    post(
      worker,
      {
        kind: "setup",
        setup,
        metrics: metrics.memory,
        ownConnections: loop.connections,
        listen,
        environment,
        passwords,
      },
      passwords === null ? [] : [passwords],
    );
    if (this.#script !== null) this.#bridge(this.#script, loop);
    return loop.listening.promise;
  }

  #fromNetwork(loop: NetworkLoop, message: FromNetwork): void {
    loop.watch.heard();
    switch (message.kind) {
      case "listening":
        for (const { index, port } of message.ports) this.ports.set(index, port);
        loop.listening.resolve();
        this.#host.reserve.take(this.config);
        break;
      case "scriptsWanted":
        this.#wantScriptLoop();
        break;
      case "socketWanted":
        this.#host.sockets.heldBytes(message.names).then((heldBytes) =>
          post(loop.worker, { kind: "socket", request: message.request, heldBytes })
        );
        break;
      case "statusWanted":
        this.#host.status(message.historySteps).then((status) =>
          post(loop.worker, { kind: "status", request: message.request, status })
        );
        break;
      case "failed":
        this.#host.failed(message.error);
        break;
      case "refused":
        loop.listening.reject(new ListenError(message.index, message.message));
        break;
      case "log":
        this.#host.writeLog(message);
        break;
      case "deaf":
        loop.deaf.resolve();
        break;
      case "drained":
        loop.drained.resolve();
        break;
      case "here":
        break;
      default:
        message satisfies never;
    }
  }

  async #networkLoopDied(loop: NetworkLoop, reason: string): Promise<void> {
    const at = this.#networks.indexOf(loop);
    if (at === -1) return; // its death was told before
    this.#networks.splice(at, 1);
    this.#end(loop);
    loop.drained.resolve();
    loop.listening.reject(new Error(reason));
    if (!this.#isWorthReplacing(`network loop ${loop.number}`, reason, this.#isStopping)) return;
    try {
      await this.#startNetworkLoop(loop.number);
    } catch (error) {
      this.#host.giveUp(`network loop ${loop.number} cannot be replaced: ${String(error)}; the server ends`);
    }
  }

  /** Ends a network loop; nothing of its clients stays counted. */
  #end({ worker, watch, metrics, connections }: NetworkLoop): void {
    watch.end();
    worker.terminate();
    this.#host.figures.close(metrics);
    ConnectionCount.forget(this.#host.connections, connections);
  }

  /** @param isUnneeded There is nothing left for it to do. */
  #isWorthReplacing(name: string, reason: string, isUnneeded: boolean): boolean {
    this.#host.log.log("error", `${name} died${isUnneeded ? "" : " and is replaced"}: ${reason}`);
    if (isUnneeded) return false;
    const now = performance.now();
    this.#deaths.push(now);
    while (this.#deaths.length > 0 && this.#deaths[0] < now - DEATHS_MS) this.#deaths.shift();
    if (this.#deaths.length < DEATHS_MAX) return true;
    this.#host.giveUp(
      `loops died ${DEATHS_MAX} times within ${
        DEATHS_MS / 1000
      } s; the server ends, the last died of: ${reason}`,
    );
    return false;
  }
}

function post(worker: Worker, message: ToNetwork, transfer: Transferable[] = []): void {
  worker.postMessage(message, transfer);
}

/** What of an address its socket depends on. */
function socketOf({ place: _place, ...socket }: Listen): unknown {
  return socket;
}

function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Where a path leads; itself where it leads nowhere (yet). */
function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}

/** Whether `promise` resolves within `ms`. */
async function isDoneWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  if (ms === Infinity) return await promise.then(() => true);
  const late = Promise.withResolvers<false>();
  const timer = setTimeout(() => late.resolve(false), ms);
  const isDone = await Promise.race([promise.then(() => true), late.promise]);
  clearTimeout(timer);
  return isDone;
}

/** Buckets for all loops; null where no route has a `rate`. */
function ratesOf({ sites }: Config): SharedArrayBuffer | null {
  return sites.some(({ routes }) => routes.some(({ rate }) => rate !== null)) ? RateTable.memory() : null;
}

/** Workers, by the names of their modules in `src/loop`, which `deno compile` finds by `--include`. */
type LoopKind = "network" | "script" | "passwords";

/** `.ts` from source, `.js` in an executable. */
const EXTENSION = import.meta.url.slice(import.meta.url.lastIndexOf("."));

function startWorker(kind: LoopKind, permissions: LoopPermissions): Worker {
  const start = (permissions: LoopPermissions) =>
    new Worker(
      new URL(`../loop/${kind}${EXTENSION}`, import.meta.url),
      { type: "module", name: kind, deno: { permissions } } as WorkerOptions,
    );
  try {
    return start(permissions);
  } catch (error) {
    // Deno 2.7 knows no such permission: for a unix socket it asks for read and write alone.
    if (!(error instanceof URIError) || permissions.net === false) throw error;
    const net = permissions.net.filter((address) => !address.startsWith("unix:"));
    return start({ ...permissions, net: net.length > 0 ? net : false });
  }
}
