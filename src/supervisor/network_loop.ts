/**
 * A loop that serves clients, as the supervisor holds it.
 *
 * @module
 */

import { ConnectionCount } from "../loop/connection_count.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { LoopsHost } from "./loops_host.ts";
import { LoopWorker } from "./loop_worker.ts";
import type { FromNetwork, ListenOrder, LoopSetup, ToNetwork } from "./messages.ts";
import type { LoopPermissions } from "./permissions.ts";

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

/** What a network loop tells the set that it belongs to. */
export interface NetworkLoopEvents {
  /** Its addresses accept connections, each on a port. */
  listening(ports: readonly { readonly index: number; readonly port: number }[]): void;
  /** The first script is wanted. */
  scriptsWanted(): void;
  /** It died by itself and is ended; told once. */
  died(reason: string): void;
}

/** Serves clients. */
export class NetworkLoop {
  /** Its number among its kind, from 0. */
  readonly number: number;

  readonly #host: LoopsHost;
  readonly #events: NetworkLoopEvents;
  readonly #worker: LoopWorker<ToNetwork, FromNetwork>;
  readonly #metrics: Metrics;
  /** Its part of the number of connections. */
  readonly #connections = ConnectionCount.ownMemory();
  readonly #listening = Promise.withResolvers<void>();
  readonly #deaf = Promise.withResolvers<void>();
  readonly #drained = Promise.withResolvers<void>();

  /** Starts it; it waits for `listen`. */
  constructor(number: number, permissions: LoopPermissions, host: LoopsHost, events: NetworkLoopEvents) {
    this.number = number;
    this.#host = host;
    this.#events = events;
    host.reserve.release();
    this.#worker = new LoopWorker("network", permissions, {
      message: (message) => this.#take(message),
      died: (reason) => this.#died(reason),
    }, host.askMs);
    this.#metrics = host.figures.open();
  }

  /**
   * Tells it what it serves, and where; resolves once every address accepts connections.
   *
   * @param passwords Its way to the password loop; null where there is none.
   * @throws {ListenError} An address is taken or may not be used.
   */
  listen(setup: LoopSetup, listen: readonly ListenOrder[], passwords: MessagePort | null): Promise<void> {
    this.#worker.post({
      kind: "setup",
      setup,
      metrics: this.#metrics.memory,
      ownConnections: this.#connections,
      listen,
      environment: this.#host.environment,
      passwords,
    }, passwords === null ? [] : [passwords]);
    return this.#listening.promise;
  }

  /** Another configuration, from the next request on. */
  configure(setup: LoopSetup): void {
    this.#worker.post({ kind: "configure", setup });
  }

  /** Scripts go here from now on. */
  bridge(bridge: MessagePort): void {
    this.#worker.post({ kind: "bridge", bridge }, [bridge]);
  }

  /** Passwords go here from now on. */
  askPasswords(passwords: MessagePort): void {
    this.#worker.post({ kind: "passwords", passwords }, [passwords]);
  }

  /** With `--dev`: tells the pages that a file has changed. */
  tellChanged(version: string): void {
    this.#worker.post({ kind: "changed", version });
  }

  /** It is to take no more connections; resolves when the last client is done. */
  drain(): Promise<void> {
    this.#worker.post({ kind: "drain" });
    return this.#drained.promise;
  }

  /** Resolves once it takes no more connections, after it was told to `drain`. */
  async deaf(): Promise<void> {
    await Promise.race([this.#deaf.promise, this.#drained.promise]);
  }

  /** It is to cut every connection; nobody waits for it. */
  stop(): void {
    this.#worker.post({ kind: "stop" });
    this.#drained.resolve();
  }

  /** Ends it; nothing of its clients stays counted. */
  end(): void {
    this.#worker.end();
    this.#host.figures.close(this.#metrics);
    this.forgetConnections();
  }

  /** Counts out what it has counted in. */
  forgetConnections(): void {
    ConnectionCount.forget(this.#host.connections, this.#connections);
  }

  #died(reason: string): void {
    this.end();
    this.#drained.resolve();
    this.#listening.reject(new Error(reason));
    this.#events.died(reason);
  }

  #take(message: FromNetwork): void {
    const host = this.#host;
    switch (message.kind) {
      case "listening":
        this.#events.listening(message.ports);
        this.#listening.resolve();
        break;
      case "scriptsWanted":
        this.#events.scriptsWanted();
        break;
      case "socketWanted":
        host.sockets.heldBytes(message.names).then((heldBytes) =>
          this.#worker.post({ kind: "socket", request: message.request, heldBytes })
        );
        break;
      case "statusWanted":
        host.status(message.historySteps).then((status) =>
          this.#worker.post({ kind: "status", request: message.request, status })
        );
        break;
      case "failed":
        host.failed(message.error);
        break;
      case "refused":
        this.#listening.reject(new ListenError(message.index, message.message));
        break;
      case "log":
        host.writeLog(message);
        break;
      case "deaf":
        this.#deaf.resolve();
        break;
      case "drained":
        this.#drained.resolve();
        break;
      case "here":
        break;
      default:
        message satisfies never;
    }
  }
}
