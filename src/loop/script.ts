/**
 * A script loop: the Worker that starts scripts and watches their pipes. It has no network.
 *
 * Starting a process blocks the thread that starts it, so this happens here and not where clients are served. The network
 * loops' end of each bridge is `bridge.ts`.
 *
 * @module
 */

import { giveBuffer, isInBuffer } from "../buffers.ts";
import { Chain } from "../chain.ts";
import { Places, type RoutePlaces, type Ticket } from "../cgi/places.ts";
import {
  type EndReason,
  HOLD_MS,
  type LocalRun,
  type ScriptExit,
  type ScriptPlan,
  type ScriptSpec,
  StartError,
  type StartFailure,
} from "../cgi/run.ts";
import { DEV_TAIL_BYTES, TAIL_BYTES } from "../cgi/stderr.ts";
import type { Config } from "../config/config.ts";
import type { Batch } from "../observe/batch.ts";
import type { Logger } from "../observe/logger.ts";
import { LoopLogger } from "../observe/loop_logger.ts";
import { Metrics, type ScriptEnd } from "../observe/metrics.ts";
import {
  type RouteQueueStatus,
  type RunningScript,
  SCRIPTS_TOLD_MAX,
  withoutQuery,
} from "../observe/status.ts";
import type { FromBridge, FromScript, LoopSetup, ToBridge, ToScript } from "../supervisor/messages.ts";
import { LoopClock } from "../time/clock.ts";
import { after } from "../time/timer.ts";
import { WarmScripts } from "../warm/warm_scripts.ts";
import { MESSAGES_MAX, WINDOW_BYTES, windowCost } from "./bridge.ts";
import { loopLogger } from "./logs.ts";
import { PidTable } from "./pid_table.ts";
import { ringMemory, RingReader, RingWriter } from "./ring.ts";
import { RunningScripts } from "./running_scripts.ts";
import { RemoteTrees } from "./remote_trees.ts";
import { postToSupervisor, receiveFromSupervisor } from "./worker.ts";

receiveFromSupervisor((message: ToScript) => {
  if (message.kind !== "setup") {
    throw new TypeError(`a script loop's first message is its setup, not ${message.kind}`);
  }
  const running = new RunningScripts(message.running.memory, message.running.slot);
  const loop = new ScriptLoop(
    message.setup,
    new PidTable(message.pids),
    running,
    new Metrics(message.metrics),
    message.warm,
  );
  receiveFromSupervisor((further: ToScript) => loop.receive(further));
  post({ kind: "ready" });
});

function post(message: FromScript): void {
  postToSupervisor(message);
}

/** Keeps the places and runs scripts in them. */
class ScriptLoop {
  readonly #clock = new LoopClock();
  readonly #batch: Batch;
  #log: Logger;
  readonly #places: Places;
  #routes: ReadonlyMap<number, ScriptRoute>;
  readonly #pids: PidTable;
  readonly #metrics: Metrics;
  readonly #trees = new RemoteTrees(post);
  readonly #scripts: WarmScripts;
  readonly #runs = new Chain<HostedRun>();
  /** The runs of each network loop, by its number; each in its place there. */
  readonly #bridged = new Map<number, (HostedRun | null)[]>();
  #isStopping = false;
  #isDev: boolean;

  constructor(
    setup: LoopSetup,
    pids: PidTable,
    running: RunningScripts,
    metrics: Metrics,
    warm: string,
  ) {
    const config = setup.config;
    this.#isDev = config.dev;
    ({ log: this.#log, batch: this.#batch } = loopLogger(config.log.level));
    this.#routes = scriptRoutes(config);
    this.#places = new Places(config.cgi, this.#routes, this.#clock, running);
    this.#metrics = metrics;
    this.#pids = pids;
    this.#scripts = new WarmScripts({
      folder: warm,
      log: { log: (level, message) => this.#log.log(level, message) },
      clock: this.#clock,
    });
  }

  receive(message: ToScript): void {
    switch (message.kind) {
      case "bridge":
        this.#serve(message.loop, message.bridge);
        break;
      case "configure": {
        const { config } = message.setup;
        this.#isDev = config.dev;
        this.#log = new LoopLogger(this.#batch, config.log.level);
        this.#routes = scriptRoutes(config);
        this.#places.configure(config.cgi, this.#routes);
        this.#scripts.retire();
        break;
      }
      case "treeEnded":
        this.#trees.ended(message.request);
        break;
      case "scriptsWanted":
        post({ kind: "scripts", request: message.request, scripts: this.#tell() });
        break;
      case "stop":
        this.#stop();
        break;
      case "areYouThere":
        post({ kind: "here" });
        break;
      case "setup":
        throw new TypeError("a script loop is set up once");
      default:
        message satisfies never;
    }
  }

  #serve(loop: number, port: MessagePort): void {
    // A second bridge of a loop is that of its successor: nobody is left whom the first one's scripts could answer.
    for (const run of this.#bridged.get(loop) ?? []) run?.end("abandoned");
    const runs: (HostedRun | null)[] = [];
    this.#bridged.set(loop, runs);
    const plans: ScriptPlan[] = [];
    const outbox = new Outbox(port);
    port.onmessage = (event: MessageEvent<ToBridge>) => {
      const message = event.data;
      if (message.kind !== "start") {
        runs[message.id]?.receive(message);
        return;
      }
      if (message.plan !== null) plans[message.at] = message.plan;
      const spec = { plan: plans[message.at], request: message.request };
      const run = new HostedRun(message.id, spec, outbox, {
        places: this.#places,
        metrics: this.#metrics,
        route: this.#routes.get(spec.plan.routeId) ?? NO_ROUTE,
        start: (spec) =>
          this.#scripts.start(spec, {
            trees: this.#trees,
            onStderr: (line, pid) => this.#log.log("warn", `${spec.plan.script}[${pid}]: ${line}`),
            stderrTailBytes: this.#isDev ? DEV_TAIL_BYTES : TAIL_BYTES,
            now: () => this.#clock.now(),
          }),
        pids: this.#pids,
        over: () => {
          if (runs[message.id] === run) runs[message.id] = null;
          this.#runs.remove(link);
          if (this.#isStopping) this.#reportDrained();
        },
      });
      runs[message.id] = run;
      const link = this.#runs.add(run);
      if (this.#isStopping) run.end("shutdown");
      else run.apply();
    };
  }

  /** What runs, the oldest first, and where requests wait. */
  #tell(): { running: RunningScript[]; queues: RouteQueueStatus[] } {
    const running: RunningScript[] = [];
    const queues = new Map<ScriptRoute, { running: number; waiting: number }>();
    for (const run of this.#runs) {
      const queue = queues.get(run.route) ?? { running: 0, waiting: 0 };
      queues.set(run.route, queue);
      if (run.isWaiting) queue.waiting++;
      else queue.running++;
      const told = run.tell();
      if (told !== null && running.length < SCRIPTS_TOLD_MAX) running.push(told);
    }
    return {
      running,
      queues: [...queues].map(([{ path, limits }, queue]) => ({
        route: path,
        maxProcesses: limits.maxProcesses,
        ...queue,
      })),
    };
  }

  #stop(): void {
    this.#isStopping = true;
    for (const run of [...this.#runs]) run.end("shutdown");
    this.#reportDrained();
  }

  async #reportDrained(): Promise<void> {
    if (this.#runs.size > 0) return;
    await this.#scripts.close();
    this.#batch.flush();
    post({ kind: "drained" });
  }
}

/** How long it may take until a network loop knows of a start that only its deadlines wait for, in milliseconds. */
const TELL_START_MS = 50;

/** How long it may take until a network loop knows of the end of an output whose script lives on, in milliseconds. */
const TELL_END_MS = 20;

/** A first output that is kept back is less than this, in bytes: more of it is on its way, and worth a message of its own. */
const HELD_BYTES_MAX = 16_384;

/** Output below this is copied into its message, in bytes: to transfer a buffer costs as much as to copy 6 KiB. */
const COPIED_BYTES_MAX = 4096;

const NOTHING: readonly Transferable[] = [];

/** What of output's memory goes with its message. */
function transferable(bytes: Uint8Array<ArrayBuffer>): readonly Transferable[] {
  return bytes.length < COPIED_BYTES_MAX ? NOTHING : [bytes.buffer];
}

/** What goes to a network loop: in one message whatever the runs say in one turn. */
class Outbox {
  readonly #port: MessagePort;
  #messages: FromBridge[] = [];
  #transfer: Transferable[] = [];

  constructor(port: MessagePort) {
    this.#port = port;
  }

  /** Sends a message at the end of this turn. */
  post(message: FromBridge, transfer: readonly Transferable[]): void {
    if (this.#messages.length === 0) queueMicrotask(this.#flush);
    this.#messages.push(message);
    this.#transfer.push(...transfer);
  }

  readonly #flush = (): void => {
    const messages = this.#messages;
    const transfer = this.#transfer;
    this.#messages = [];
    this.#transfer = [];
    this.#port.postMessage(messages, transfer);
  };
}

/** What one run says, in its order: what is in no hurry waits for what is. */
class Mail {
  readonly #outbox: Outbox;
  /** What waits; each message is made when it goes. */
  #kept: { readonly make: () => FromBridge; readonly transfer: readonly Transferable[] }[] = [];
  #dueMs = Infinity;
  #stopWaiting: (() => void) | null = null;

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  /** Sends what waits, and a message behind it. */
  post(message: FromBridge, transfer: readonly Transferable[]): void {
    this.#send();
    this.#outbox.post(message, transfer);
  }

  /** Sends a message with the next, or after `ms` milliseconds. */
  postWithin(ms: number, make: () => FromBridge, transfer: readonly Transferable[]): void {
    this.#kept.push({ make, transfer });
    const dueMs = performance.now() + ms;
    if (dueMs >= this.#dueMs) return;
    this.#dueMs = dueMs;
    this.#stopWaiting?.();
    this.#stopWaiting = after(ms, this.#send);
  }

  readonly #send = (): void => {
    if (this.#kept.length === 0) return;
    for (const { make, transfer } of this.#kept) this.#outbox.post(make(), transfer);
    this.#kept = [];
    this.#dueMs = Infinity;
    this.#stopWaiting?.();
    this.#stopWaiting = null;
  };
}

/** What a hosted run needs of its loop. */
interface RunHost {
  readonly places: Places;
  readonly metrics: Metrics;
  readonly route: ScriptRoute;
  start(spec: ScriptSpec): LocalRun;
  readonly pids: PidTable;
  /** The run is over and its last message sent. */
  over(): void;
}

/** One run, from its place in the queue to its exit, with the messages of one bridge. */
class HostedRun {
  readonly spec: ScriptSpec;
  readonly #id: number;
  readonly #mail: Mail;
  readonly #host: RunHost;
  #ticket: Ticket | null = null;
  #run: LocalRun | null = null;
  #isOver = false;
  #input: Promise<void> = Promise.resolve();
  #unconsumedBytes = 0;
  #roomForOutput: PromiseWithResolvers<void> | null = null;
  #isOutputDropped = false;
  /** What output goes through; null: messages. */
  #outputRing: RingWriter | null = null;
  /** What further input comes through; null: messages. */
  #inputRing: RingReader | null = null;
  #isWaiting = false;
  /** Of the process; 0: there is none yet. */
  #pid = 0;
  #startedMs = 0;
  /** Why it is ended before its time. */
  #reason: EndReason | null = null;

  constructor(id: number, spec: ScriptSpec, outbox: Outbox, host: RunHost) {
    this.spec = spec;
    this.#id = id;
    this.#mail = new Mail(outbox);
    this.#host = host;
  }

  /** Asks for a place. */
  apply(): void {
    this.#ticket = this.#host.places.request({
      routeId: this.spec.plan.routeId,
      client: this.spec.request.client,
      granted: () => this.#start(),
      refused: (kind, retryAfterSeconds) => {
        this.#host.metrics.scriptNotStarted(kind);
        this.#post({ kind: "failed", id: this.#id, failure: { kind, retryAfterSeconds } });
        this.#finish();
      },
    });
    if (this.#isOver) this.#ticket.leave();
    else this.#setWaiting(this.#run === null);
  }

  /** Its route. */
  get route(): ScriptRoute {
    return this.#host.route;
  }

  /** Whether it has no place yet. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** What the status page is told of it; null: it has no process. */
  tell(): RunningScript | null {
    if (this.#pid === 0) return null;
    const { plan, request: { url, requestId } } = this.spec;
    return {
      pid: this.#pid,
      script: plan.script,
      route: this.route.path,
      url: withoutQuery(url),
      requestId,
      ageMs: performance.now() - this.#startedMs,
      memoryBytes: null,
    };
  }

  #setWaiting(isWaiting: boolean): void {
    if (isWaiting === this.#isWaiting) return;
    this.#isWaiting = isWaiting;
    this.#host.metrics.shift("scriptsWaiting", isWaiting ? 1 : -1);
  }

  /** Takes one message of its bridge. */
  receive(message: Exclude<ToBridge, { kind: "start" }>): void {
    switch (message.kind) {
      case "input":
        this.#input = this.#input.then(() => this.#pass(message.bytes));
        break;
      case "inputRing": {
        const ring = this.#inputRing = new RingReader(message.memory, () => performance.now());
        this.#input = this.#input.then(() => this.#passRing(ring));
        break;
      }
      case "inputEnd":
        this.#input = this.#input.then(() => this.#run?.closeInput());
        break;
      case "consumed":
        message.spares?.forEach(giveBuffer);
        this.#unconsumedBytes -= message.bytes;
        if (this.#unconsumedBytes < WINDOW_BYTES) this.#resumeOutput();
        break;
      case "end":
        this.end(message.reason);
        break;
      default:
        message satisfies never;
    }
  }

  /** Ends it: out of the queue, or with its process tree. */
  end(reason: EndReason): void {
    this.#isOutputDropped = true;
    this.#resumeOutput();
    this.#outputRing?.stop();
    this.#inputRing?.stop();
    if (this.#run !== null) {
      this.#reason ??= reason;
      this.#tellStderr(this.#run); // what it said so far: within kill_grace it may live on for long
      this.#run.end(reason);
      return;
    }
    this.#host.metrics.scriptNotStarted(reason);
    this.#post({ kind: "failed", id: this.#id, failure: { kind: "ended", reason } });
    this.#finish();
  }

  #start(): void {
    if (this.#isOver) return;
    this.#setWaiting(false);
    const run = this.#host.start(this.spec);
    this.#run = run;
    this.#input = run.started.then(
      (pid) => {
        this.#host.pids.add(pid);
        this.#host.metrics.scriptStarted();
        this.#pid = pid;
        this.#startedMs = performance.now();
        const tell = () => {
          const agoMs = performance.now() - this.#startedMs;
          return { kind: "started", id: this.#id, pid, agoMs } as const;
        };
        // Input waits for it; without input only the clock does.
        if (this.spec.request.hasInput) this.#post(tell());
        else this.#postWithin(TELL_START_MS, tell);
      },
      (error) => {
        const failure = startFailure(error);
        const end = failure.kind === "tooLarge" ? "tooLarge" : "notStarted";
        this.#host.metrics.scriptNotStarted(this.#reason ?? end);
        this.#post({ kind: "failed", id: this.#id, failure });
      },
    );
    this.#watch(run);
  }

  async #watch(run: LocalRun): Promise<void> {
    const isStarted = await run.started.then(() => true, () => false);
    if (isStarted) await this.#pumpOutput(run);
    // How it ended follows at once, unless it lives on.
    const stopTelling = after(TELL_END_MS, () => this.#post({ kind: "outputEnd", id: this.#id }));
    const exit = await run.ended;
    stopTelling();
    if (isStarted) {
      this.#host.pids.remove(await run.started);
      this.#host.metrics.scriptEnded(this.#reason ?? ownEnd(exit));
      this.#pid = 0;
      this.#tellStderr(run);
      this.#post({ kind: "exit", id: this.#id, code: exit.code, signal: exit.signal });
    }
    this.#finish();
  }

  async #pumpOutput(run: LocalRun): Promise<void> {
    let messages = 0;
    for (let bytes = await run.read(); bytes !== null; bytes = await run.read()) {
      if (this.#isOutputDropped) continue;
      if (messages++ >= MESSAGES_MAX) {
        await this.#writeToRing(bytes);
        continue;
      }
      this.#unconsumedBytes += windowCost(bytes.length);
      const isKept = messages === 1 && bytes.length < HELD_BYTES_MAX;
      if (isKept) this.#holdOutput(bytes);
      else this.#post({ kind: "output", id: this.#id, bytes, heldMs: 0 }, transferable(bytes));
      if (this.#unconsumedBytes >= WINDOW_BYTES) {
        this.#roomForOutput = Promise.withResolvers();
        await this.#roomForOutput.promise;
      }
    }
  }

  #holdOutput(bytes: Uint8Array<ArrayBuffer>): void {
    const sinceMs = performance.now();
    this.#postWithin(
      HOLD_MS,
      () => ({ kind: "output", id: this.#id, bytes, heldMs: performance.now() - sinceMs }),
      transferable(bytes),
    );
  }

  async #writeToRing(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#outputRing === null) {
      const memory = ringMemory();
      this.#outputRing = new RingWriter(memory);
      this.#post({ kind: "outputRing", id: this.#id, memory });
    }
    await this.#outputRing.write(bytes);
    giveBuffer(bytes);
  }

  #resumeOutput(): void {
    this.#roomForOutput?.resolve();
    this.#roomForOutput = null;
  }

  async #pass(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#run === null || this.#isOver) return;
    const isOpen = await this.#run.write(bytes);
    // Where it is not open the write may still be under way: its buffer is nobody's yet.
    if (isOpen) this.#tellTaken(bytes);
    else this.#post({ kind: "inputClosed", id: this.#id });
  }

  async #passRing(ring: RingReader): Promise<void> {
    const run = this.#run;
    if (run === null) return;
    while (await ring.ready()) {
      const piece = ring.peek();
      if (piece === null) continue;
      // Where it is not open the write may still be under way: the piece is not given back.
      if (!await run.write(piece)) return this.#post({ kind: "inputClosed", id: this.#id });
      ring.take();
    }
  }

  /** For the diagnosis of its failure. */
  #tellStderr(run: LocalRun): void {
    const text = run.stderr?.() ?? "";
    if (text !== "") this.#post({ kind: "stderr", id: this.#id, text });
  }

  #tellTaken(input: Uint8Array<ArrayBuffer>): void {
    const taken = { kind: "taken", id: this.#id, bytes: windowCost(input.length) } as const;
    if (!isInBuffer(input)) return this.#post(taken);
    const spare = new Uint8Array(input.buffer);
    this.#post({ ...taken, spare }, [spare.buffer]);
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#inputRing?.stop();
    this.#setWaiting(false);
    this.#ticket?.leave();
    this.#host.over();
  }

  #post(message: FromBridge, transfer: readonly Transferable[] = NOTHING): void {
    if (!this.#isOver) this.#mail.post(message, transfer);
  }

  #postWithin(ms: number, make: () => FromBridge, transfer: readonly Transferable[] = NOTHING): void {
    if (!this.#isOver) this.#mail.postWithin(ms, make, transfer);
  }
}

/** A route's bounds on its scripts. */
interface ScriptRoute extends RoutePlaces {
  readonly path: string;
}

/** That of a script whose route is no more: its request and a reload have crossed. */
const NO_ROUTE: ScriptRoute = { key: "", path: "", limits: { maxProcesses: 0, queue: 0, queueTimeoutMs: 0 } };

/** Each cgi route's own bounds. */
function scriptRoutes(config: Config): Map<number, ScriptRoute> {
  const places = new Map<number, ScriptRoute>();
  for (const { hosts, listen, routes } of config.sites) {
    for (const { id, path, handler } of routes) {
      if (handler.kind !== "cgi" && handler.kind !== "files") continue;
      const key = JSON.stringify([hosts, listen, path]);
      places.set(id, { key, path, limits: handler.run.settings });
    }
  }
  return places;
}

/** How a script that nobody ended has ended. */
function ownEnd({ code, signal }: ScriptExit): ScriptEnd {
  return signal !== null ? "signal" : code === 0 ? "ok" : "exit";
}

function startFailure(error: unknown): StartFailure {
  return error instanceof StartError ? error.failure : { kind: "notStarted", message: String(error) };
}
