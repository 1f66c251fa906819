/**
 * One set of loops for one configuration: a script loop, the network loops, and the bridges between them.
 *
 * A reload makes a second set beside the first, which then drains.
 *
 * @module
 */

import { Changes } from "../cache/changes.ts";
import { type Programs, runnable } from "../cgi/programs.ts";
import type { Config, Listen } from "../config/config.ts";
import type { ScriptsStatus } from "../observe/status.ts";
import { RateTable } from "../route/rate.ts";
import { after, isDoneWithin } from "../time/timer.ts";
import type { LoopsHost } from "./loops_host.ts";
import type { ListenOrder, LoopSetup, PemPair } from "./messages.ts";
import { NetworkLoop } from "./network_loop.ts";
import { PasswordLoop } from "./password_loop.ts";
import { needsPasswordLoop, needsScriptLoop, networkPermissions, scriptPermissions } from "./permissions.ts";
import { ScriptLoop } from "./script_loop.ts";

/** So many deaths of loops within `DEATHS_MS` are too many. */
const DEATHS_MAX = 5;
const DEATHS_MS = 10_000;
/** How many script loops there have been: each has a folder of its own for what it keeps. */
let scriptLoops = 0;

/** How long ended scripts may take to be gone. */
const SCRIPTS_GONE_MS = 3_000;
/** After this long nothing runs any more in a loop that was terminated. */
const TERMINATED_MS = 3_000;
/** So long after the start the script loop starts as well, if no request has wanted it before. */
const SCRIPT_LOOP_DELAY_MS = 250;

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
  #script: ScriptLoop | null = null;
  #passwords: PasswordLoop | null = null;
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

  /** How many network loops there are. */
  get size(): number {
    return this.#networks.length;
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
    for (const loop of this.#networks) loop.configure(this.#setup(loop.number));
    this.#script?.configure(this.#setup(0));
    return true;
  }

  /** With `--dev`: tells the pages that a file has changed. */
  tellChanged(version: string): void {
    for (const loop of this.#networks) loop.tellChanged(version);
  }

  /** What scripts run, and who waits to; nothing where the script loop is too busy to say. */
  async scripts(): Promise<ScriptsStatus> {
    return await this.#script?.scripts() ?? { running: [], queues: [] };
  }

  /** Stops accepting and resolves when the last client is done, or after `deadlineMs` by force; no script is left. */
  async stop(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    const loops = [...this.#networks];
    if (!await isDoneWithin(Promise.all(loops.map((loop) => loop.drain())), deadlineMs)) this.stopNow();
    this.#isOver = true;
    await this.#script?.stop(SCRIPTS_GONE_MS + this.config.cgi.killGraceMs);
    for (const loop of loops) {
      loop.end();
      // It may still be closing connections, and count them out itself.
      after(TERMINATED_MS, () => loop.forgetConnections());
    }
    this.#script?.end();
    this.#passwords?.end();
  }

  /** Resolves once none of them takes connections any more, after `stop` was called. */
  async deaf(): Promise<void> {
    await Promise.all(this.#networks.map((loop) => loop.deaf()));
  }

  /** Cuts every connection. */
  stopNow(): void {
    this.#isStopping = true;
    this.#isOver = true;
    for (const loop of this.#networks) loop.stop();
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

  #setup(loop: number): LoopSetup {
    const { temp, connections } = this.#host;
    const { config } = this.#plan;
    const programs = this.#plan.programs();
    return { config, programs, loop, temp, connections, rates: this.#rates, changes: this.#changes };
  }

  #startNetworkLoop(number: number): Promise<void> {
    const permissions = networkPermissions(this.config, this.ports, this.#host.temp, realPath);
    const loop = new NetworkLoop(number, permissions, this.#host, {
      listening: (ports) => {
        for (const { index, port } of ports) this.ports.set(index, port);
        this.#host.reserve.take(this.config);
      },
      scriptsWanted: () => this.#wantScriptLoop(),
      died: (reason) => this.#networkLoopDied(loop, reason),
    });
    this.#networks.push(loop);
    const listening = loop.listen(
      this.#setup(number),
      this.#listenOrders(number),
      this.#passwords?.port() ?? null,
    );
    this.#script?.bridge(loop);
    return listening;
  }

  /** Where a network loop listens: sockets in the file system are the first one's. */
  #listenOrders(number: number): ListenOrder[] {
    return this.config.listen
      .map(({ transport }, index) => ({ index, transport }))
      .filter(({ transport }) => transport === "tcp" || number === 0)
      .map(({ index }) => ({
        index,
        port: this.ports.get(index) ?? null,
        tls: this.#plan.certificates.get(index) ?? null,
      }));
  }

  async #networkLoopDied(loop: NetworkLoop, reason: string): Promise<void> {
    this.#networks.splice(this.#networks.indexOf(loop), 1);
    const { number } = loop;
    if (!this.#isWorthReplacing(`network loop ${number}`, reason, this.#isStopping)) return;
    try {
      await this.#startNetworkLoop(number);
    } catch (error) {
      this.#host.giveUp(`network loop ${number} cannot be replaced: ${String(error)}; the server ends`);
    }
  }

  /**
   * The script loop is not needed to answer the first request for a file, so it starts a little later, or when it is: with a
   * Worker and the first port that is passed on, it costs 50 ms of start-up.
   */
  #wantScriptLoop(): void {
    if (this.#script === null && !this.#isOver) this.#startScriptLoop();
  }

  #startScriptLoop(): void {
    const warm = `${this.#host.temp}/warm${++scriptLoops}`;
    const permissions = scriptPermissions(this.config, runnable(this.#plan.programs()), warm);
    const loop = new ScriptLoop(this.#setup(0), permissions, warm, this.#host, {
      ready: () => this.#host.reserve.take(this.config),
      died: (reason) => {
        if (this.#isWorthReplacing("script loop", reason, this.#isOver)) this.#startScriptLoop();
        loop.bury();
      },
    });
    this.#script = loop;
    for (const network of this.#networks) loop.bridge(network);
  }

  #startPasswordLoop(): PasswordLoop {
    this.#passwords = new PasswordLoop(this.#host, (reason) => {
      if (!this.#isWorthReplacing("password loop", reason, this.#isOver)) return;
      const passwords = this.#startPasswordLoop();
      for (const loop of this.#networks) loop.askPasswords(passwords.port());
    });
    return this.#passwords;
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

/** Buckets for all loops; null where no route has a `rate`. */
function ratesOf({ sites }: Config): SharedArrayBuffer | null {
  return sites.some(({ routes }) => routes.some(({ rate }) => rate !== null)) ? RateTable.memory() : null;
}
