/**
 * The supervisor: the main thread. It starts the loops, holds the full permissions, handles signals, ends process trees and
 * writes the logs. It never reads a byte from a client.
 *
 * @module
 */

import { type Programs, resolvePrograms } from "../cgi/programs.ts";
import type { Config, Listen, LogConfig } from "../config/config.ts";
import { type Fault, formatFault } from "../config/fault.ts";
import { logBug } from "../observe/bug.ts";
import { LogFile } from "../observe/log_file.ts";
import { formatErrorLine, isLogged } from "../observe/loop_logger.ts";
import type { Logger } from "../observe/logger.ts";
import type { RecentError, ScriptsStatus, ServerStatus } from "../observe/status.ts";
import { systemReason } from "../system_reason.ts";
import { ConnectionCount } from "../loop/connection_count.ts";
import { RunningScripts } from "../loop/running_scripts.ts";
import { CertificateError, readCertificates } from "./certificates.ts";
import { type Descriptors, fitDescriptors, requireRoom, Reserve } from "./descriptors.ts";
import { makeLoopsFair } from "./fairness.ts";
import { Figures } from "./figures.ts";
import { Loops, type LoopsPlan } from "./loops.ts";
import type { LoopsHost } from "./loops_host.ts";
import type { LogMessage, PemPair } from "./messages.ts";
import { ListenError } from "./network_loop.ts";
import { type HeldSignals, holdInspectorPort, type Signals } from "./signals.ts";
import { SocketTable } from "./socket_table.ts";
import { StatusDesk } from "./status.ts";
import { Watcher } from "./watcher.ts";
import { Trees } from "./trees.ts";

/** How the supervisor is started. */
export interface SupervisorOptions {
  /** Finds the programs that the first configuration names. */
  readonly programs: (inherited: readonly number[]) => Programs;
  /** What the system lets the program have open. */
  readonly descriptors: Promise<Descriptors>;
  /** What has asked for something since the program began. */
  readonly signals: HeldSignals;
  /** Reads the configuration anew, for SIGHUP. */
  readonly reload: () => Promise<{ config: Config } | { faults: readonly Fault[] }>;
}

/** How long the logs' last lines may take to be written. */
const LOG_FLUSH_MS = 2_000;

/**
 * Serves until a signal stops it.
 *
 * @returns The exit status: 0 after a clean stop, 1 after a failure, 2 where a certificate cannot be used (said on
 * standard error).
 */
export async function runSupervisor(config: Config, options: SupervisorOptions): Promise<number> {
  let supervisor: Supervisor;
  try {
    supervisor = await Supervisor.create(config, options);
  } catch (error) {
    console.error(`pollux: ${describeStartFailure(error, config)}`);
    return error instanceof CertificateError ? 2 : 1;
  }
  return await supervisor.run();
}

class Supervisor implements LoopsHost {
  readonly log: Logger = {
    log: (level, message) => {
      if (!isLogged(level, this.#config.log.level)) return;
      this.#logs.error.write(new TextEncoder().encode(formatErrorLine(Date.now(), level, message) + "\n"));
    },
  };
  readonly trees: Trees = new Trees(this.log);
  readonly sockets: SocketTable = new SocketTable();
  readonly temp: string;
  readonly connections: SharedArrayBuffer;
  readonly running: SharedArrayBuffer;
  readonly environment: Readonly<Record<string, string>>;
  readonly figures: Figures;
  readonly reserve: Reserve = new Reserve();

  readonly #options: SupervisorOptions;
  #logs: Logs;
  readonly #started = Promise.withResolvers<void>();
  /** One reload at a time, the first once all has started. */
  #reloading: Promise<void> = this.#started.promise;
  readonly #done = Promise.withResolvers<number>();
  readonly #draining = new Map<Loops, Promise<void>>();
  readonly #desk: StatusDesk;
  /** At the start. */
  readonly #descriptors: Descriptors;
  #config: Config;
  #loops: Loops;
  #isStopping = false;
  /** Only with `--dev`. */
  #watcher: Watcher | null = null;
  #changes = 0;
  /** Only what this server has made is its to remove: a path that was taken is somebody else's. */
  #hasSockets = false;

  private constructor(
    config: Config,
    options: SupervisorOptions,
    figures: Figures,
    logs: Logs,
    temp: string,
    certificates: ReadonlyMap<number, PemPair>,
    descriptors: Descriptors,
  ) {
    this.figures = figures;
    this.#config = config;
    this.#descriptors = descriptors;
    this.#options = options;
    this.#logs = logs;
    this.temp = temp;
    this.connections = ConnectionCount.memory();
    this.running = RunningScripts.memory();
    this.environment = Deno.env.toObject();
    makeLoopsFair();
    this.#loops = new Loops(this.#plan(config, options.programs, certificates), new Map(), this);
    this.#desk = new StatusDesk({
      figures,
      loops: () => this.#allLoops().reduce((sum, { size }) => sum + size, 0),
      scripts: () => this.#scripts(),
    });
    this.#desk.watch(config);
  }

  static async create(config: Config, options: SupervisorOptions): Promise<Supervisor> {
    const descriptors = await options.descriptors;
    fitDescriptors(config, descriptors); // refused before anything is made
    const certificates = await readCertificates(config);
    const figures = new Figures();
    const logs = await openLogs(config.log, null, figures);
    const temp = await makeTempFolder(config.temp);
    return new Supervisor(config, options, figures, logs, temp, certificates, descriptors);
  }

  /** Starts, waits for the end, and cleans up. */
  async run(): Promise<number> {
    const signals = this.#handleSignals();
    let status: number;
    let inspector: { close(): void } | null = null;
    try {
      await refuseTakenAddresses(this.#config.listen);
      this.#hasSockets = true;
      await this.#loops.start();
      this.reserve.take(this.#config);
      this.#announce();
      this.#started.resolve();
      this.#watch();
      inspector = holdInspectorPort();
      status = await this.#done.promise;
    } catch (error) {
      console.error(`pollux: ${describeStartFailure(error, this.#config)}`);
      status = 1;
    }
    signals.close();
    this.#watcher?.close();
    inspector?.close();
    this.#loops.stopNow();
    await Promise.all([...this.#draining.values(), this.#loops.stop(0)]);
    await this.#cleanUp();
    return status;
  }

  /** Lines of a loop. */
  writeLog(message: LogMessage): void {
    this.#logs[message.log]?.write(message.lines);
  }

  /** How the server is. */
  status(historySteps: number): Promise<ServerStatus> {
    return this.#desk.status(historySteps);
  }

  /** A request has failed. */
  failed(error: RecentError): void {
    this.#desk.failed(error);
  }

  #allLoops(): Loops[] {
    return [this.#loops, ...this.#draining.keys()];
  }

  async #scripts(): Promise<ScriptsStatus> {
    const parts = await Promise.all(this.#allLoops().map((loops) => loops.scripts()));
    return {
      running: parts.flatMap(({ running }) => running),
      queues: parts.flatMap(({ queues }) => queues),
    };
  }

  /** Stops the server with exit status 1. */
  giveUp(reason: string): void {
    this.log.log("error", reason);
    console.error(`pollux: ${reason}`);
    this.#done.resolve(1);
  }

  #plan(
    config: Config,
    find: SupervisorOptions["programs"],
    certificates: ReadonlyMap<number, PemPair>,
  ): LoopsPlan {
    const { config: fitted, warning } = fitDescriptors(config, this.#descriptors);
    if (warning !== null) this.log.log("warn", warning);
    let found: Programs | null = null;
    const programs = (): Programs => {
      if (found !== null) return found;
      found = find(this.#descriptors.inherited);
      for (const one of found.warnings) this.log.log("warn", one);
      return found;
    };
    return { config: fitted, programs, certificates };
  }

  #handleSignals(): Signals {
    return this.#options.signals.give({
      stop: () => this.#stop().catch(this.#sayBug),
      reload: () => this.#reloading = this.#reloading.then(() => this.#reload()).catch(this.#sayBug),
      reopen: () => this.#reopenLogs().catch(this.#sayBug),
    });
  }

  /** What comes here is expected nowhere; the server goes on with what it has. */
  readonly #sayBug = (error: unknown): void => logBug(this.log, "a bug of Pollux", error);

  async #stop(): Promise<void> {
    if (this.#isStopping) {
      for (const loops of this.#allLoops()) loops.stopNow();
      this.#done.resolve(0);
      return;
    }
    this.#isStopping = true;
    this.log.log("info", "stopping: requests in flight are finished");
    // Loops that a reload is starting are to be stopped like all others.
    await this.#reloading;
    await Promise.all([this.#loops.stop(this.#config.timeouts.shutdownMs), ...this.#draining.values()]);
    this.#done.resolve(0);
  }

  async #reload(): Promise<void> {
    if (this.#isStopping) return;
    const read = await this.#options.reload();
    if ("faults" in read) {
      this.#desk.reloaded("refused");
      for (const fault of read.faults) this.log.log("error", `not reloaded: ${formatFault(fault)}`);
      return;
    }
    const before = this.#logs;
    let logs = before;
    try {
      logs = await openLogs(read.config.log, { config: this.#config.log, logs }, this.figures);
      const find: SupervisorOptions["programs"] = (inherited) =>
        resolvePrograms(read.config, this.environment["PATH"] ?? "", inherited);
      const plan = this.#plan(read.config, find, await readCertificates(read.config));
      if (!this.#loops.configure(plan)) await this.#replaceLoops(plan);
    } catch (error) {
      this.#desk.reloaded("refused");
      this.log.log("error", `not reloaded: ${describeStartFailure(error, read.config)}`);
      closeLogs(logs, before);
      return;
    }
    this.#config = read.config;
    this.#watch();
    this.#logs = logs;
    closeLogs(before, logs);
    this.#desk.reloaded("taken");
    this.#desk.watch(read.config);
    this.log.log("info", "reloaded the configuration");
  }

  /** Other addresses or permissions want other loops; the old ones finish what they have. */
  async #replaceLoops(plan: LoopsPlan): Promise<void> {
    const old = this.#loops;
    const next = new Loops(plan, keptPorts(old, plan.config), this);
    try {
      await refuseTakenAddresses(plan.config.listen, old.config.listen);
      this.reserve.release();
      await requireRoom(plan.config, this.#descriptors);
      await next.start();
    } catch (error) {
      await next.stop(0);
      this.reserve.take(old.config);
      throw error;
    }
    this.#loops = next;
    const draining = old.stop(plan.config.timeouts.shutdownMs);
    this.#draining.set(old, draining);
    draining.then(() => this.#draining.delete(old));
    await removeSockets(old.config.listen, plan.config.listen, this.log);
    // Until then a connection may still come to them, and be answered by what was in force before.
    await old.deaf();
  }

  async #reopenLogs(): Promise<void> {
    await Promise.all([this.#logs.access?.reopen(), this.#logs.error.reopen()]);
  }

  /** With `--dev`: follows the folders of the configuration in force. */
  #watch(): void {
    this.#watcher?.close();
    this.#watcher = this.#config.dev
      ? new Watcher(this.#config, () => this.#loops.tellChanged(String(++this.#changes)), this.log)
      : null;
  }

  #announce(): void {
    this.#config.listen.forEach((listen, index) => {
      console.error(`pollux: listening on ${describeAddress(listen, this.#loops.ports.get(index))}`);
    });
  }

  async #cleanUp(): Promise<void> {
    if (this.#hasSockets) await removeSockets(this.#config.listen, [], this.log);
    // Nothing in it has a name: where its disk has become read-only or is gone, the end is none the worse.
    await Deno.remove(this.temp, { recursive: true }).catch(ignoreMissing).catch((error) =>
      this.log.log("warn", `cannot remove the folder ${this.temp}: ${String(error)}`)
    );
    await Promise.all([this.#logs.access?.close(LOG_FLUSH_MS), this.#logs.error.close(LOG_FLUSH_MS)]);
  }
}

/** The two logs; null: there is no access log. */
interface Logs {
  readonly access: LogFile | null;
  readonly error: LogFile;
}

/** Makes the folder for bodies that are kept whole, private to this process. */
async function makeTempFolder(dir: string): Promise<string> {
  try {
    return await Deno.makeTempDir({ dir, prefix: "pollux-" });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable || !(error instanceof Error)) throw error;
    const remedy = "name a folder that this user may write under temp";
    throw new Error(`cannot make a folder in ${dir}: ${systemReason(error)}; ${remedy}`);
  }
}

/** Opens what is not open already. */
async function openLogs(
  config: LogConfig,
  open: { readonly config: LogConfig; readonly logs: Logs } | null,
  figures: Figures,
): Promise<Logs> {
  const access = open?.config.access === config.access
    ? open.logs.access
    : config.access === "off"
    ? null
    : await openLog(config.access, figures);
  try {
    const error = open?.config.error === config.error
      ? open.logs.error
      : await openLog(config.error, figures);
    return { access, error };
  } catch (error) {
    if (access !== open?.logs.access) access?.close(LOG_FLUSH_MS);
    throw error;
  }
}

/** Closes those of `logs` that are not among `kept`. */
function closeLogs(logs: Logs, kept: Logs): void {
  if (logs.access !== kept.access) logs.access?.close(LOG_FLUSH_MS);
  if (logs.error !== kept.error) logs.error.close(LOG_FLUSH_MS);
}

async function openLog(target: string, { own }: Figures): Promise<LogFile> {
  try {
    return await LogFile.open({ target, dropped: (lines) => own.add("logLinesDropped", lines) });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable || !(error instanceof Error)) throw error;
    const remedy = "name a file that this user may write under log";
    throw new Error(`cannot open the log ${target}: ${systemReason(error)}; ${remedy}`);
  }
}

/**
 * Loops share their ports with `reusePort`, which a second Pollux of the same user could join unnoticed: so each address is
 * tried once without it.
 *
 * @param own Addresses that this server itself listens on: their paths and ports cannot be tried.
 */
async function refuseTakenAddresses(
  addresses: readonly Listen[],
  own: readonly Listen[] = [],
): Promise<void> {
  const paths = new Set(own.map((listen) => listen.transport === "unix" ? listen.path : null));
  const ports = new Set(own.map((listen) => listen.transport === "tcp" ? listen.port : null)).add(0);
  for (const [index, listen] of addresses.entries()) {
    try {
      if (listen.transport === "unix") {
        if (!paths.has(listen.path)) await clearStaleSocket(listen.path);
      } else if (!ports.has(listen.port)) {
        Deno.listen({ hostname: listen.hostname, port: listen.port }).close();
      }
    } catch (error) {
      throw new ListenError(index, error instanceof Error ? error.message : String(error));
    }
  }
}

/** A crash leaves the file of a unix socket behind; one that answers belongs to somebody. */
async function clearStaleSocket(path: string): Promise<void> {
  const found = await Deno.lstat(path).catch(ignoreMissing);
  if (found === undefined) return;
  if (!found.isSocket) throw new Error("there is a file of that name, which is not a socket");
  const answer = await Deno.connect({ transport: "unix", path }).catch(() => null);
  if (answer === null) return await Deno.remove(path);
  answer.close();
  throw new Deno.errors.AddrInUse("the address is in use");
}

/** Removes the files of the unix sockets that are not to be kept. Never rejects: one that stays harms nobody. */
async function removeSockets(
  sockets: readonly Listen[],
  kept: readonly Listen[],
  log: Logger,
): Promise<void> {
  const paths = new Set(kept.map((listen) => listen.transport === "unix" ? listen.path : null));
  for (const listen of sockets) {
    if (listen.transport !== "unix" || paths.has(listen.path)) continue;
    await Deno.remove(listen.path).catch(ignoreMissing).catch((error) =>
      log.log("warn", `cannot remove the socket ${listen.path}: ${String(error)}`)
    );
  }
}

function ignoreMissing(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/** An address whose port was chosen keeps it over a reload. */
function keptPorts(loops: Loops, next: Config): Map<number, number> {
  const kept = new Map<number, number>();
  next.listen.forEach((listen, index) => {
    const before = loops.config.listen.findIndex((old) => old.text === listen.text);
    const port = loops.ports.get(before);
    if (port !== undefined) kept.set(index, port);
  });
  return kept;
}

function describeStartFailure(error: unknown, config: Config): string {
  if (error instanceof CertificateError) return `${config.listen[error.index].text}: ${error.message}`;
  if (!(error instanceof ListenError)) return error instanceof Error ? error.message : String(error);
  const address = config.listen[error.index];
  return `cannot listen on ${address.text}: ${listenRemedy(address, error.message)}`;
}

/** What the system says, as what is wrong and what would be right. */
function listenRemedy(address: Listen, message: string): string {
  if (/in use/i.test(message)) {
    return "the address is in use by another program; stop it or choose another with --listen";
  }
  if (/permission denied/i.test(message)) {
    return address.transport === "unix"
      ? `this user may not make a file there: change the owner or mode of the folder of ${address.path}`
      : "ports below 1024 are for root: choose another with --listen, or give Pollux the capability " +
        "CAP_NET_BIND_SERVICE, as its systemd unit does";
  }
  if (/cannot assign/i.test(message) && address.transport === "tcp") {
    return `this machine has no such address: choose one that it has, or :${address.port} for all of them`;
  }
  if (/lookup address/i.test(message)) return "there is no address of that name: write an IP address";
  return message;
}

function describeAddress(listen: Listen, port: number | undefined): string {
  if (listen.transport === "unix") return `unix:${listen.path}`;
  const host = listen.hostname.includes(":") ? `[${listen.hostname}]` : listen.hostname;
  return `${listen.tls === null ? "http" : "https"}://${host}:${port ?? listen.port}`;
}
