/**
 * A network loop: the Worker that serves clients. It starts nothing; scripts run in a script loop, over the bridge.
 *
 * @module
 */

import type { Answerer } from "../client/answerer.ts";
import type { BodyLimits } from "../client/body.ts";
import { Chain } from "../chain.ts";
import { Client, type ClientHost } from "../client/client.ts";
import type { Connection } from "../client/connection.ts";
import type { HeadReaders } from "../client/head_readers.ts";
import type { Config, Limits, Timeouts } from "../config/config.ts";
import type { Peer } from "../handlers/handler.ts";
import { formatHttpDate } from "../http/date.ts";
import { customerKey } from "../http/ip_address.ts";
import type { Logger } from "../observe/logger.ts";
import { Metrics } from "../observe/metrics.ts";
import { RecentErrors } from "../observe/recent_errors.ts";
import type { AccessRecord } from "../observe/record.ts";
import type { RecentError } from "../observe/status.ts";
import type { AddressSet } from "../route/access.ts";
import { Passwords } from "../route/auth.ts";
import { StatusFeed } from "../status/feed.ts";
import type { FromNetwork, ToNetwork } from "../supervisor/messages.ts";
import { LoopClock } from "../time/clock.ts";
import { after } from "../time/timer.ts";
import { BridgedScripts } from "./bridge.ts";
import { Budget } from "./budget.ts";
import { ConnectionCount } from "./connection_count.ts";
import { Listener, type ListenerHost } from "./listener.ts";
import { logBatch } from "./logs.ts";
import { Refusals } from "./refusal.ts";
import { RemoteVerifier } from "./remote_verifier.ts";
import { socketNames } from "./socket_name.ts";
import { Reload } from "./reload.ts";
import { Service, type ServiceSurroundings } from "./service.ts";
import { SupervisorStatus } from "./supervisor_status.ts";
import { postToSupervisor, receiveFromSupervisor } from "./worker.ts";

/** What lasts is not to fill the log. */
const SAY_AGAIN_MS = 10_000;

receiveFromSupervisor((message: ToNetwork) => {
  if (message.kind !== "setup") {
    throw new TypeError(`a network loop's first message is its setup, not ${message.kind}`);
  }
  const loop = new NetworkLoop(message);
  receiveFromSupervisor((further: ToNetwork) => loop.receive(further));
  loop.listen(message.listen);
});

function post(message: FromNetwork): void {
  postToSupervisor(message);
}

/** Accepts clients and serves them. */
class NetworkLoop implements ClientHost, ListenerHost {
  readonly clock = new LoopClock();
  readonly metrics: Metrics;

  readonly #config: Config;
  readonly #surroundings: ServiceSurroundings;
  readonly #scripts: BridgedScripts;
  /** null: not in --dev. */
  readonly #reload: Reload | null;
  readonly #verifier: RemoteVerifier | null;
  readonly #clients = new Chain<Client>();
  readonly #listeners: Listener[] = [];
  readonly #connections: ConnectionCount;
  readonly #refusals = new Refusals(this.clock);
  readonly #requestIdPrefix: string;
  readonly #budget: Budget;
  #lastShedSaidMs = -Infinity;
  readonly #socketQuestions = new Map<number, (heldBytes: number | null) => void>();
  #socketQuestionCount = 0;
  readonly #status = new SupervisorStatus(post);
  readonly #feed = new StatusFeed(this.#status, after);
  readonly #recentErrors = new RecentErrors((error) => post({ kind: "failed", error }));
  #service: Service;
  #requestCount = 0;
  /** Answers close their connections. */
  #isDraining = false;
  /** No connection comes any more. */
  #isClosed = false;
  #date = "";
  #dateUntilMs = -Infinity;

  constructor(
    { setup, metrics, ownConnections, environment, passwords }: Extract<ToNetwork, { kind: "setup" }>,
  ) {
    this.#config = setup.config;
    this.metrics = new Metrics(metrics);
    this.#verifier = passwords === null ? null : new RemoteVerifier(passwords);
    this.#scripts = new BridgedScripts(() => this.clock.now(), () => post({ kind: "scriptsWanted" }));
    this.#connections = new ConnectionCount(setup.connections, ownConnections);
    this.#requestIdPrefix = crypto.randomUUID().slice(0, 8) + setup.loop.toString(36);
    this.#reload = setup.config.dev ? new Reload() : null;
    this.#surroundings = {
      clock: this.clock,
      metrics: this.metrics,
      scripts: this.#scripts,
      status: { status: this.#status, feed: this.#feed },
      reload: this.#reload,
      environment,
      accessBatch: logBatch("access"),
      errorBatch: logBatch("error"),
      passwords: this.#verifier === null ? null : new Passwords(this.#verifier),
    };
    this.#service = new Service(setup, this.#surroundings);
    const { workers } = setup.config;
    this.#budget = new Budget(this.clock, this.#clients, (count) => this.#sayShed(count), workers);
  }

  get limits(): Limits {
    return this.#service.limits;
  }

  get timeouts(): Timeouts {
    return this.#service.timeouts;
  }

  get bodyLimits(): BodyLimits {
    return this.#service.bodyLimits;
  }

  get headReaders(): HeadReaders {
    return this.#service.headReaders;
  }

  get log(): Logger {
    return this.#service.log;
  }

  get answerer(): Answerer {
    return this.#service.answerer;
  }

  get trustedProxies(): AddressSet {
    return this.#service.trustedProxies;
  }

  get record(): ((record: AccessRecord) => void) | null {
    return this.#service.record;
  }

  get recordError(): ((error: RecentError) => void) | null {
    return this.#service.hasStatus ? this.#recentErrors.add : null;
  }

  /** Opens the sockets and says so. */
  listen(addresses: Extract<ToNetwork, { kind: "setup" }>["listen"]): void {
    const ports: { index: number; port: number }[] = [];
    for (const order of addresses) {
      const { index } = order;
      try {
        const listener = new Listener(this.#config.listen[index], order, this);
        this.#listeners.push(listener);
        ports.push({ index, port: listener.port });
      } catch (error) {
        post({ kind: "refused", index, message: error instanceof Error ? error.message : String(error) });
        return;
      }
    }
    post({ kind: "listening", ports });
  }

  /** Takes a message of the supervisor. */
  receive(message: ToNetwork): void {
    switch (message.kind) {
      case "bridge":
        this.#scripts.connect(message.bridge);
        break;
      case "passwords":
        this.#verifier?.replace(message.passwords);
        break;
      case "configure":
        this.#service = new Service(message.setup, this.#surroundings);
        this.#feed.end();
        break;
      case "status":
        this.#status.told(message.request, message.status);
        break;
      case "socket":
        this.#socketQuestions.get(message.request)?.(message.heldBytes);
        this.#socketQuestions.delete(message.request);
        break;
      case "changed":
        this.#reload?.changed(message.version);
        break;
      case "drain":
        this.#drain();
        break;
      case "stop":
        this.#stop();
        break;
      case "areYouThere":
        post({ kind: "here" });
        break;
      case "setup":
        throw new TypeError("a network loop is set up once");
      default:
        message satisfies never;
    }
  }

  accept(connection: Connection, peer: Peer, listenIndex: number): boolean {
    const address = this.hasProxyProtocol(listenIndex) ? "" : this.#countedAddress(peer.address);
    if (!this.#connections.enter(address, this.limits)) {
      this.#refusals.refuse(connection, this.limits.connections);
      this.metrics.add("connectionsRefused");
      return false;
    }
    this.metrics.add("connections");
    const client = new Client(connection, peer, listenIndex, this);
    client.countedAs = address;
    client.seat = this.#clients.add(client);
    this.#budget.watch();
    client.serve();
    return true;
  }

  /** What is not Linux does not tell. */
  readonly unacknowledgedBytes = Deno.build.os !== "linux" ? null : (peer: Peer): Promise<number | null> => {
    const request = ++this.#socketQuestionCount;
    const { promise, resolve } = Promise.withResolvers<number | null>();
    this.#socketQuestions.set(request, resolve);
    post({ kind: "socketWanted", request, names: socketNames(peer) });
    return promise;
  };

  hasProxyProtocol(listenIndex: number): boolean {
    return this.#config.listen[listenIndex].proxyProtocol;
  }

  identify(client: Client, address: string): boolean {
    const counted = this.#countedAddress(address);
    if (!this.#connections.enterAddress(counted, this.limits)) return false;
    client.countedAs = counted;
    return true;
  }

  /** A trusted proxy has as many connections as its clients need. */
  #countedAddress(address: string): string {
    return this.trustedProxies.has(address) ? "" : customerKey(address);
  }

  over(client: Client): void {
    this.#connections.leave(client.countedAs);
    if (client.seat !== null) this.#clients.remove(client.seat);
    client.seat = null;
    if (this.#isClosed && this.#clients.size === 0) this.#drained();
  }

  date(): string {
    // By the loop's clock, which has been read; the time of day, which may be set back or forth, is asked once a second.
    const nowMs = this.clock.coarseMs;
    if (nowMs >= this.#dateUntilMs) {
      const wallMs = Date.now();
      this.#date = formatHttpDate(wallMs);
      this.#dateUntilMs = nowMs + 1000 - wallMs % 1000;
    }
    return this.#date;
  }

  nextRequestId(): string {
    return `${this.#requestIdPrefix}-${(++this.#requestCount).toString(36)}`;
  }

  isDraining(): boolean {
    return this.#isDraining;
  }

  #sayShed(count: number): void {
    const nowMs = this.clock.now();
    if (nowMs - this.#lastShedSaidMs < SAY_AGAIN_MS) return;
    this.#lastShedSaidMs = nowMs;
    this.log.log(
      "warn",
      `clients hold too much memory: ${count} connections without a request are closed; lower limits.connections`,
    );
  }

  async #drain(): Promise<void> {
    this.#isDraining = true;
    this.#feed.end();
    this.#reload?.end();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    post({ kind: "deaf" });
    this.#isClosed = true;
    for (const client of [...this.#clients]) client.drain();
    if (this.#clients.size === 0) this.#drained();
  }

  #stop(): void {
    this.#isDraining = true;
    for (const listener of this.#listeners) listener.closeNow();
    for (const client of [...this.#clients]) client.destroy("shutdown");
    this.#drained();
  }

  #drained(): void {
    this.#surroundings.accessBatch.flush();
    this.#surroundings.errorBatch.flush();
    post({ kind: "drained" });
  }
}
