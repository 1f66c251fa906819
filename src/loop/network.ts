/**
 * A network loop: the Worker that serves clients. It starts nothing; scripts run in a script loop, over the bridge.
 *
 * @module
 */

import { Answerer } from "../client/answerer.ts";
import type { BodyLimits } from "../client/body.ts";
import { Client, type ClientHost, type Connection } from "../client/client.ts";
import type { Limits, Timeouts } from "../config/config.ts";
import type { Peer } from "../handlers/handler.ts";
import { formatHttpDate } from "../http/date.ts";
import { accessFormat } from "../observe/access_log.ts";
import type { Batch } from "../observe/batch.ts";
import type { Logger } from "../observe/logger.ts";
import { Metrics } from "../observe/metrics.ts";
import type { AccessRecord } from "../observe/record.ts";
import { Router } from "../route/router.ts";
import type { FromNetwork, ToNetwork } from "../supervisor/messages.ts";
import { LoopClock } from "../time/clock.ts";
import { BridgedScripts } from "./bridge.ts";
import { ConnectionCount } from "./connection_count.ts";
import { handlerMaker } from "./handlers.ts";
import { Listener, type ListenerHost } from "./listener.ts";
import { logBatch, loopLogger } from "./logs.ts";
import { refuseConnection } from "./refusal.ts";
import { postToSupervisor, receiveFromSupervisor } from "./worker.ts";

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
  readonly limits: Limits;
  readonly timeouts: Timeouts;
  readonly bodyLimits: BodyLimits;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly answerer: Answerer;
  readonly record: ((record: AccessRecord) => void) | null;

  readonly #setup: Extract<ToNetwork, { kind: "setup" }>["setup"];
  readonly #errorBatch: Batch;
  readonly #accessBatch: Batch;
  readonly #scripts: BridgedScripts;
  readonly #clients = new Set<Client>();
  readonly #listeners: Listener[] = [];
  readonly #connections: ConnectionCount;
  readonly #requestIdPrefix: string;
  #requestCount = 0;
  #isDraining = false;
  #date = "";
  #dateSecond = 0;

  constructor({ setup, environment, bridge }: Extract<ToNetwork, { kind: "setup" }>) {
    const { config } = setup;
    this.#setup = setup;
    this.limits = config.limits;
    this.timeouts = config.timeouts;
    this.bodyLimits = {
      bodyBytes: config.limits.bodyBytes,
      timeoutMs: config.timeouts.bodyMs,
      minRate: config.limits.minRate,
      fields: config.limits,
    };
    this.metrics = new Metrics(setup.metrics);
    ({ log: this.log, batch: this.#errorBatch } = loopLogger(config.log.level));
    this.#accessBatch = logBatch("access");
    this.record = config.log.access === "off" ? null : this.#recorder(accessFormat(config.log.format));
    this.#connections = new ConnectionCount(setup.connections, config.limits);
    this.#scripts = new BridgedScripts(bridge, () => this.clock.now());
    const make = handlerMaker(setup, {
      clock: this.clock,
      log: this.log,
      metrics: this.metrics,
      scripts: this.#scripts,
      environment,
    });
    this.answerer = new Answerer(new Router(config, make));
    this.#requestIdPrefix = crypto.randomUUID().slice(0, 8) + setup.loop.toString(36);
  }

  /** Opens the sockets and says so. */
  listen(addresses: Extract<ToNetwork, { kind: "setup" }>["listen"]): void {
    const ports: { index: number; port: number }[] = [];
    for (const { index, port } of addresses) {
      try {
        const listener = new Listener(this.#setup.config.listen[index], index, port, this);
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
        this.#scripts.replace(message.bridge);
        break;
      case "drain":
        this.#drain();
        break;
      case "stop":
        this.#stop();
        break;
      case "setup":
        throw new TypeError("a network loop is set up once");
      default:
        message satisfies never;
    }
  }

  accept(connection: Connection, peer: Peer, listenIndex: number): void {
    if (!this.#connections.enter(peer.address)) {
      refuseConnection(connection, this.clock);
      this.metrics.add("connectionsRefused");
      return;
    }
    this.metrics.add("connections");
    const client = new Client(connection, peer, listenIndex, this);
    this.#clients.add(client);
    client.serve();
  }

  over(client: Client): void {
    this.#clients.delete(client);
    this.#connections.leave(client.peer.address);
    if (this.#isDraining && this.#clients.size === 0) this.#drained();
  }

  date(): string {
    const second = Math.floor(Date.now() / 1000);
    if (second !== this.#dateSecond) {
      this.#dateSecond = second;
      this.#date = formatHttpDate(second * 1000);
    }
    return this.#date;
  }

  nextRequestId(): string {
    return `${this.#requestIdPrefix}-${(++this.#requestCount).toString(36)}`;
  }

  isDraining(): boolean {
    return this.#isDraining;
  }

  #recorder(format: (record: AccessRecord) => string): (record: AccessRecord) => void {
    return (record) => this.#accessBatch.add(format(record));
  }

  async #drain(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    this.#isDraining = true;
    for (const client of this.#clients) client.drain();
    if (this.#clients.size === 0) this.#drained();
  }

  #stop(): void {
    this.#isDraining = true;
    for (const listener of this.#listeners) listener.closeNow();
    for (const client of [...this.#clients]) client.destroy("shutdown");
    this.#drained();
  }

  #drained(): void {
    this.#accessBatch.flush();
    this.#errorBatch.flush();
    post({ kind: "drained" });
  }
}
