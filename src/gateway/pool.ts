/**
 * The connections of one route to its application: balanced over the addresses, bounded in number, kept open for a while.
 *
 * An application often serves one connection a process (php-cgi, fcgiwrap), so that a connection which is merely kept holds
 * a process from which other requests could be answered. Therefore one is kept only while no other request at its address
 * waits for its first byte, and not for long.
 *
 * @module
 */

import type { GatewayHandlerConfig } from "../config/config.ts";
import { type EndReason, StartError } from "../cgi/run.ts";
import type { Logger } from "../observe/logger.ts";
import type { Clock, Deadline } from "../time/clock.ts";
import { GatewayConnection, type Transport } from "./connection.ts";

/** Where an application listens. */
export type GatewayAddress = GatewayHandlerConfig["addresses"][number];

/** Opens a connection; rejects with what the system says. */
export type Connect = (address: GatewayAddress) => Promise<Transport>;

/** What bounds a pool. */
export interface PoolLimits {
  /** Connections at once. */
  readonly connections: number;
  /** Requests that may wait for one. */
  readonly queue: number;
  /** How long they may wait, in milliseconds. */
  readonly queueTimeoutMs: number;
  /** How long connecting to one address may take, in milliseconds. */
  readonly connectMs: number;
  /** Connections that are kept open without a request. */
  readonly idle: number;
}

/** What a pool works with. */
export interface PoolServices {
  /** The loop's clock. */
  readonly clock: Clock;
  /** The error log. */
  readonly log: Logger;
  /** Opens connections. */
  readonly connect: Connect;
}

/** How long a connection is kept open without a request. */
const IDLE_MS = 1_000;
/** The age at which a connection is not kept any more: other clients of the application get their turn. */
const LIFE_MS = 2_000;
/** For how long an address that could not be reached is passed over. */
const ASIDE_MS = 10_000;
/** A unix socket with a full backlog refuses at once where TCP waits: it is tried again, so often. */
const BACKLOG_RETRY_MS = 25;
/** What a client is told to wait where there is no place. */
const RETRY_AFTER_SECONDS = 1;

/** One of the addresses. */
interface Peer {
  readonly address: GatewayAddress;
  readonly index: number;
  /** Requests on their way, those that still connect included. */
  inFlight: number;
  /** Those of them that have not got a byte yet. */
  unanswered: number;
  readonly idle: { readonly connection: GatewayConnection; readonly untilMs: number }[];
  /** Passed over until then. */
  asideUntilMs: number;
}

/** A request's way to a connection. */
export class Taking {
  /** Rejects with StartError. */
  readonly connection: Promise<GatewayConnection>;
  readonly #cancel: (reason: EndReason) => void;

  /** Made by a pool. */
  constructor(connection: Promise<GatewayConnection>, cancel: (reason: EndReason) => void) {
    this.connection = connection;
    this.#cancel = cancel;
    connection.catch(() => {}); // whoever waits for it sees the rejection; nobody has to
  }

  /** It is not wanted any more: rejects, or gives back what came too late. */
  cancel(reason: EndReason): void {
    this.#cancel(reason);
  }
}

interface Waiter {
  readonly untilMs: number;
  readonly resolve: () => void;
  readonly reject: (error: StartError) => void;
}

/** Connections to one application. */
export class Pool implements Deadline {
  /** When waiting or idleness must be looked at; Infinity: nothing waits, nothing is idle. */
  deadlineMs: number = Infinity;
  readonly #peers: readonly Peer[];
  readonly #limits: PoolLimits;
  readonly #services: PoolServices;
  readonly #queue = new Set<Waiter>();
  /** Requests that have a place. */
  #placed = 0;
  /** Where the next search begins, so that equals take turns. */
  #turn = 0;
  #isWatched = false;

  /**
   * Nothing is connected before the first request.
   *
   * @param addresses At least one.
   */
  constructor(addresses: readonly GatewayAddress[], limits: PoolLimits, services: PoolServices) {
    this.#peers = addresses.map((address, index) => ({
      address,
      index,
      inFlight: 0,
      unanswered: 0,
      idle: [],
      asideUntilMs: -Infinity,
    }));
    this.#limits = limits;
    this.#services = services;
  }

  /**
   * Gets a connection for one request, to be given back by `give`.
   *
   * @param mayReuse Whether one that carried other requests will do: it may have ended unseen, and then the request is lost.
   */
  take(mayReuse: boolean): Taking {
    let cancelled: EndReason | null = null;
    let waiter: Waiter | null = null;
    const connection = (async () => {
      await this.#place((made) => waiter = made);
      let taken: GatewayConnection | null = null;
      try {
        if (cancelled !== null) throw new StartError({ kind: "ended", reason: cancelled });
        taken = await this.#connection(mayReuse, () => cancelled !== null);
        if (cancelled !== null) throw new StartError({ kind: "ended", reason: cancelled });
        return taken;
      } catch (error) {
        if (taken === null) this.#leave();
        else this.give(taken, { isReusable: false, isAnswered: false });
        throw error;
      }
    })();
    return new Taking(connection, (reason) => {
      cancelled ??= reason;
      if (waiter !== null && this.#queue.delete(waiter)) {
        waiter.reject(new StartError({ kind: "ended", reason }));
      }
    });
  }

  /** The request has got its first byte. */
  answered(connection: GatewayConnection): void {
    this.#peers[connection.address].unanswered--;
  }

  /** A request is done with its connection, which is kept where it can be, and else closed. */
  give(
    connection: GatewayConnection,
    { isReusable, isAnswered }: { isReusable: boolean; isAnswered: boolean },
  ): void {
    const peer = this.#peers[connection.address];
    peer.inFlight--;
    if (!isAnswered) peer.unanswered--;
    const isKept = isReusable && peer.unanswered === 0 && this.#idleCount() < this.#limits.idle &&
      this.#services.clock.now() < connection.openedMs + LIFE_MS;
    if (isKept) this.#keep(peer, connection);
    else connection.close();
    this.#leave();
  }

  /** Whether the application is to be told that a connection stays open. */
  get keepsOpen(): boolean {
    return this.#limits.idle > 0;
  }

  /** A wait or an idle time is over. */
  expire(nowMs: number): void {
    for (const waiter of this.#queue) {
      if (waiter.untilMs > nowMs) break;
      this.#queue.delete(waiter);
      waiter.reject(busy("found no free connection within queue_timeout"));
    }
    for (const { idle } of this.#peers) {
      while (idle.length > 0 && idle[0].untilMs <= nowMs) idle.shift()?.connection.close();
    }
    this.#watch();
  }

  /** Waits for its turn. */
  #place(onWait: (waiter: Waiter) => void): Promise<void> | void {
    if (this.#placed < this.#limits.connections) {
      this.#placed++;
      return;
    }
    if (this.#queue.size >= this.#limits.queue) throw busy("found all connections taken and the queue full");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { untilMs: this.#services.clock.now() + this.#limits.queueTimeoutMs, resolve, reject };
    this.#queue.add(waiter);
    onWait(waiter);
    this.#watch();
    return promise;
  }

  /** A place is free: it goes to who waits longest. */
  #leave(): void {
    const [next] = this.#queue;
    if (next === undefined) {
      this.#placed--;
      return;
    }
    this.#queue.delete(next);
    next.resolve();
  }

  async #connection(mayReuse: boolean, isCancelled: () => boolean): Promise<GatewayConnection> {
    const tried = new Set<Peer>();
    let failure: StartError | null = null;
    while (tried.size < this.#peers.length && !isCancelled()) {
      const peer = this.#choose(tried);
      tried.add(peer);
      peer.inFlight++;
      peer.unanswered++;
      try {
        const kept = mayReuse ? peer.idle.pop()?.connection : undefined;
        return kept ?? await this.#open(peer, isCancelled);
      } catch (error) {
        peer.inFlight--;
        peer.unanswered--;
        if (!(error instanceof StartError)) throw error;
        failure = error;
      }
    }
    throw failure ?? new StartError({ kind: "ended", reason: "abandoned" });
  }

  /** The address with the least on its way; one set aside only where there is no other. */
  #choose(tried: ReadonlySet<Peer>): Peer {
    const nowMs = this.#services.clock.now();
    const turn = this.#turn++ % this.#peers.length;
    const inTurn = [...this.#peers.slice(turn), ...this.#peers.slice(0, turn)].filter((peer) =>
      !tried.has(peer)
    );
    const isAside = (peer: Peer) => peer.asideUntilMs > nowMs;
    return inTurn.reduce((best, peer) => {
      if (isAside(best) !== isAside(peer)) return isAside(best) ? peer : best;
      return peer.inFlight < best.inFlight ? peer : best;
    });
  }

  async #open(peer: Peer, isCancelled: () => boolean): Promise<GatewayConnection> {
    this.#makeRoom();
    const { clock, log } = this.#services;
    const where = describeAddress(peer.address);
    try {
      const transport = await this.#connect(peer.address, clock.now() + this.#limits.connectMs, isCancelled);
      peer.asideUntilMs = -Infinity;
      return new GatewayConnection(transport, peer.index, clock.now());
    } catch (error) {
      if (isCancelled()) throw new StartError({ kind: "ended", reason: "abandoned" });
      if (!(error instanceof Error)) throw error;
      const isLate = error instanceof ConnectTimeout;
      peer.asideUntilMs = clock.now() + ASIDE_MS;
      const message = `cannot connect to ${where}: ${
        isLate ? `nothing within ${this.#limits.connectMs / 1000} s` : error.message
      }; start the application, or correct its address`;
      if (this.#peers.length > 1) {
        log.log("warn", `gateway: ${message}; it is passed over for ${ASIDE_MS / 1000} s`);
      }
      throw new StartError({ kind: isLate ? "gatewayTimeout" : "gatewayFailed", message });
    }
  }

  /** Connects before a time; what comes later is closed. */
  async #connect(address: GatewayAddress, untilMs: number, isCancelled: () => boolean): Promise<Transport> {
    const { clock, connect } = this.#services;
    for (;;) {
      const late = Promise.withResolvers<never>();
      const deadline: Deadline = {
        deadlineMs: untilMs,
        expire: () => late.reject(new ConnectTimeout()),
      };
      const opening = connect(address);
      clock.add(deadline);
      try {
        return await Promise.race([opening, late.promise]);
      } catch (error) {
        if (error instanceof ConnectTimeout) opening.then((transport) => transport.close(), () => {});
        if (!(error instanceof Deno.errors.WouldBlock) || isCancelled()) throw error;
        if (clock.now() >= untilMs) throw new ConnectTimeout();
      } finally {
        clock.remove(deadline);
      }
      await new Promise((resolve) => setTimeout(resolve, BACKLOG_RETRY_MS));
    }
  }

  /** Idle connections count as connections: the oldest makes room for a new one. */
  #makeRoom(): void {
    if (this.#placed + this.#idleCount() <= this.#limits.connections) return;
    let oldest: Peer | null = null;
    for (const peer of this.#peers) {
      if (peer.idle.length === 0) continue;
      if (oldest === null || peer.idle[0].untilMs < oldest.idle[0].untilMs) oldest = peer;
    }
    oldest?.idle.shift()?.connection.close();
  }

  #keep(peer: Peer, connection: GatewayConnection): void {
    connection.isReused = true;
    const entry = { connection, untilMs: this.#services.clock.now() + IDLE_MS };
    peer.idle.push(entry);
    connection.rest(() => {
      const at = peer.idle.indexOf(entry);
      // In use again, it is its request's to read.
      if (at === -1) return;
      peer.idle.splice(at, 1);
      connection.close();
    });
    this.#watch();
  }

  #idleCount(): number {
    return this.#peers.reduce((sum, { idle }) => sum + idle.length, 0);
  }

  /** Sets the deadline to what comes first, and is with the clock only while there is one. */
  #watch(): void {
    let firstMs = Infinity;
    for (const { untilMs } of this.#queue) {
      firstMs = untilMs;
      break;
    }
    for (const { idle } of this.#peers) {
      if (idle.length > 0) firstMs = Math.min(firstMs, idle[0].untilMs);
    }
    this.deadlineMs = firstMs;
    const isNeeded = firstMs < Infinity;
    if (isNeeded === this.#isWatched) return;
    this.#isWatched = isNeeded;
    if (isNeeded) this.#services.clock.add(this);
    else this.#services.clock.remove(this);
  }
}

/** An address as it is written in the configuration. */
export function describeAddress(address: GatewayAddress): string {
  if (address.transport === "unix") return `unix:${address.path}`;
  const { hostname, port } = address;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

class ConnectTimeout extends Error {}

function busy(what: string): StartError {
  return new StartError({
    kind: "gatewayBusy",
    message: `${what}; raise connections if the application can bear it`,
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}
