/**
 * Accepts connections on one address, within the limits on their number.
 *
 * @module
 */

import type { Listen } from "../config/config.ts";
import type { Connection } from "../client/connection.ts";
import type { Peer } from "../handlers/handler.ts";
import type { Logger } from "../observe/logger.ts";
import type { ListenOrder } from "../supervisor/messages.ts";
import { delay } from "../time/timer.ts";
import { openUnixSocket } from "./unix_socket.ts";

/** What a listener needs of its loop. */
export interface ListenerHost {
  /** The error log. */
  readonly log: Logger;
  /** Takes a connection, which is its own from then on. Whether it is served; otherwise it is turned away. */
  accept(connection: Connection, peer: Peer, listenIndex: number): boolean;
}

/** Out of descriptors `accept` fails at once, each time: it is tried again after this long. */
const PAUSE_MS = 50;
/**
 * Connections that wait are accepted without a turn of the event loop in between, but are closed only in one: after so many that
 * were turned away there is one, or a flood would use up the descriptors.
 */
const REFUSED_AT_ONCE = 4;
/**
 * And after so many that are served, or those who are there already would wait for the end of a flood. Such a turn costs what a timer
 * does, 2 ms; so from half of them on it is looked whether nobody waits to be accepted, since then there is one by itself.
 */
const ACCEPTED_AT_ONCE = 64;
/** And said again after this long: what lasts is not to fill the log. */
const SAY_AGAIN_MS = 10_000;
/**
 * What waits in the accept queue when the server stops is still taken, until so many looks, this long apart, saw nothing come: looks
 * and not a time, which would pass for a thread that is kept from running as well.
 */
const QUIET_LOOKS = 4;
const LOOK_MS = 5;
/** And no longer than this: under a steady stream of new connections it is never quiet. */
const LAST_CALL_MS_MAX = 2000;
/** Turns of the microtask queue until an operation that ended at once is known to have. */
const SETTLING_TURNS = 8;
const BACKLOG = 4096;

/** A socket that accepts connections. */
export class Listener {
  /** The port; 0 for a unix socket. */
  readonly port: number;

  readonly #index: number;
  readonly #host: ListenerHost;
  readonly #listen: Listen;
  readonly #socket: Deno.Listener<Deno.Conn>;
  #accepted = 0;
  #refused = 0;
  #acceptedAtOnce = 0;
  #lastSaidMs = -Infinity;
  #isLastCall = false;
  #isClosed = false;
  /** Resolves when no connection comes any more, not even one that was accepted in the moment of the end. */
  readonly #accepting: Promise<void>;

  /**
   * Opens the socket; it accepts from now on.
   *
   * @param listen The address.
   * @param order Which it is, and what the configuration does not say of it.
   * @param socket What is accepted from.
   * @throws What the system says when it cannot be opened.
   */
  constructor(
    listen: Listen,
    order: ListenOrder,
    host: ListenerHost,
    socket: Deno.Listener<Deno.Conn> = open(listen, order),
  ) {
    this.#listen = listen;
    this.#index = order.index;
    this.#host = host;
    this.#socket = socket;
    this.port = "port" in this.#socket.addr ? this.#socket.addr.port : 0;
    this.#accepting = this.#accept();
  }

  /**
   * Stops accepting; what waits in the queue is taken first. The system resets whatever is still there when a socket closes,
   * so it closes in the moment in which the queue is seen to be empty, or once it has been quiet.
   */
  async close(): Promise<void> {
    const untilMs = performance.now() + LAST_CALL_MS_MAX;
    this.#isLastCall = true;
    let accepted = this.#accepted;
    for (let quiet = 0; quiet < QUIET_LOOKS && !this.#isClosed && performance.now() < untilMs; quiet++) {
      await delay(LOOK_MS);
      if (accepted !== this.#accepted) quiet = -1;
      accepted = this.#accepted;
    }
    this.closeNow();
    await this.#accepting;
  }

  /** Stops accepting at once. */
  closeNow(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
  }

  async #accept(): Promise<void> {
    let next = this.#socket.accept();
    for (;;) {
      try {
        const connection = await next;
        this.#accepted++;
        if (!this.#take(connection) && ++this.#refused % REFUSED_AT_ONCE === 0) await delay(0);
        this.#acceptedAtOnce++;
        next = this.#socket.accept();
        if (this.#isLastCall || this.#acceptedAtOnce > ACCEPTED_AT_ONCE / 2) await this.#giveTurn(next);
      } catch (error) {
        if (this.#isClosed) return;
        if (
          !(error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.ConnectionReset)
        ) {
          this.#sayFailure(error);
          await delay(PAUSE_MS);
        }
        // Closed meanwhile, this fails as well, and ends the loop.
        next = this.#socket.accept();
      }
    }
  }

  /** Lets the event loop turn, unless nobody waits to be accepted and it does so by itself. */
  async #giveTurn(next: Promise<Deno.Conn>): Promise<void> {
    const isQuiet = await isPending(next);
    if (isQuiet && this.#isLastCall) this.closeNow();
    if (!isQuiet && this.#acceptedAtOnce < ACCEPTED_AT_ONCE) return;
    this.#acceptedAtOnce = 0;
    if (!isQuiet) await delay(0);
  }

  #take(connection: Deno.Conn): boolean {
    let peer: Peer;
    try {
      peer = this.#peer(connection);
    } catch {
      connection.close(); // it was reset before it was looked at
      return true;
    }
    return this.#host.accept(connection, peer, this.#index);
  }

  #sayFailure(error: unknown): void {
    const nowMs = performance.now();
    if (nowMs - this.#lastSaidMs < SAY_AGAIN_MS) return;
    this.#lastSaidMs = nowMs;
    this.#host.log.log(
      "error",
      `no connection is accepted on ${this.#listen.text}: ${
        String(error)
      }; trying again, raise ulimit -n if files are short`,
    );
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

/**
 * Whether a promise is not settled yet, given the time in which one that need not wait would be. Right behind an accept that
 * gave a connection, the next one asks the system at once, so that it waits only where there is no other.
 */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  const settle = () => isSettled = true;
  promise.then(settle, settle);
  for (let i = 0; i < SETTLING_TURNS; i++) await null;
  return !isSettled;
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
