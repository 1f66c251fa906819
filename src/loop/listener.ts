/**
 * Accepts connections on one address, within the limits on their number.
 *
 * @module
 */

import type { Listen } from "../config/config.ts";
import type { Connection } from "../client/client.ts";
import type { Peer } from "../handlers/handler.ts";
import type { Logger } from "../observe/logger.ts";
import type { ListenOrder } from "../supervisor/messages.ts";
import { delay } from "../time/timer.ts";
import { openUnixSocket } from "./unix_socket.ts";

/** What a listener needs of its loop. */
export interface ListenerHost {
  /** The error log. */
  readonly log: Logger;
  /** Takes a connection, which is its own from then on. */
  accept(connection: Connection, peer: Peer, listenIndex: number): void;
}

/** Out of descriptors `accept` fails at once, each time: it is tried again after this long. */
const PAUSE_MS = 50;
/** And said again after this long: what lasts is not to fill the log. */
const SAY_AGAIN_MS = 10_000;
/** What waits in the accept queue when the server stops is still taken, until none came for this long. */
const LAST_CALL_MS = 20;
/** And no longer than this: under a steady stream of new connections it is never quiet. */
const LAST_CALL_MS_MAX = 200;
const BACKLOG = 4096;

/** A socket that accepts connections. */
export class Listener {
  /** The port; 0 for a unix socket. */
  readonly port: number;

  readonly #index: number;
  readonly #host: ListenerHost;
  readonly #listen: Listen;
  readonly #socket: Deno.Listener<Deno.Conn>;
  #lastAcceptMs = 0;
  #lastSaidMs = -Infinity;
  #isClosed = false;

  /**
   * Opens the socket; it accepts from now on.
   *
   * @param listen The address.
   * @param order Which it is, and what the configuration does not say of it.
   * @throws What the system says when it cannot be opened.
   */
  constructor(listen: Listen, order: ListenOrder, host: ListenerHost) {
    this.#listen = listen;
    this.#index = order.index;
    this.#host = host;
    this.#socket = open(listen, order);
    this.port = "port" in this.#socket.addr ? this.#socket.addr.port : 0;
    this.#accept();
  }

  /** Stops accepting; what waits in the queue is taken first. */
  async close(): Promise<void> {
    const untilMs = performance.now() + LAST_CALL_MS_MAX;
    this.#lastAcceptMs = performance.now();
    while (performance.now() < Math.min(this.#lastAcceptMs + LAST_CALL_MS, untilMs)) {
      await delay(LAST_CALL_MS / 4);
    }
    this.closeNow();
  }

  /** Stops accepting at once. */
  closeNow(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
  }

  async #accept(): Promise<void> {
    while (!this.#isClosed) {
      try {
        const connection = await this.#socket.accept();
        this.#lastAcceptMs = performance.now();
        this.#take(connection);
      } catch (error) {
        if (this.#isClosed) return;
        if (
          !(error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.ConnectionReset)
        ) {
          this.#sayFailure(error);
          await delay(PAUSE_MS);
        }
      }
    }
  }

  #take(connection: Deno.Conn): void {
    let peer: Peer;
    try {
      peer = this.#peer(connection);
    } catch {
      connection.close(); // it was reset before it was looked at
      return;
    }
    this.#host.accept(connection, peer, this.#index);
  }

  #sayFailure(error: unknown): void {
    const nowMs = performance.now();
    if (nowMs - this.#lastSaidMs < SAY_AGAIN_MS) return;
    this.#lastSaidMs = nowMs;
    this.#host.log.log("error", `accept on ${this.#listen.text}: ${String(error)}; trying again`);
  }

  #peer(connection: Deno.Conn): Peer {
    const scheme = this.#listen.tls === null ? "http" : "https";
    const { remoteAddr: remote, localAddr: local } = connection;
    if (!("hostname" in remote) || !("hostname" in local)) {
      return { address: "", port: 0, localAddress: "", localPort: 0, scheme, host: null };
    }
    if (isTcp(connection)) connection.setNoDelay(true);
    return {
      address: plainAddress(remote.hostname),
      port: remote.port,
      localAddress: plainAddress(local.hostname),
      localPort: local.port,
      scheme,
      host: null,
    };
  }
}

/** A TLS connection has no such switch. */
function isTcp(connection: Deno.Conn): connection is Deno.TcpConn {
  return "setNoDelay" in connection;
}

function open(listen: Listen, { port, tls }: ListenOrder): Deno.Listener<Deno.Conn> {
  if (listen.transport === "unix") {
    return openUnixSocket(listen.path, listen.mode);
  }
  const address = {
    hostname: listen.hostname,
    port: port ?? listen.port,
    reusePort: Deno.build.os === "linux",
    tcpBacklog: BACKLOG,
  };
  return tls === null ? Deno.listen(address) : Deno.listenTls({ ...address, ...tls });
}

/** An IPv4 address that came to an IPv6 socket is that IPv4 address. */
function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice("::ffff:".length) : address;
}
