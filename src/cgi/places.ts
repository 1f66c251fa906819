/**
 * Who may run: `max_processes`, `queue` and `queue_timeout` over the whole server and for each route.
 *
 * @module
 */

import type { Clock } from "../time/clock.ts";

/** Bounds on scripts that run and requests that wait, of the server or of one route. */
export interface PlaceLimits {
  readonly maxProcesses: number;
  readonly queue: number;
  readonly queueTimeoutMs: number;
}

/** Who asks for a place. Exactly one of the two is called, once, perhaps before `request` returns; neither after `leave()`. */
export interface Applicant {
  readonly routeId: number;
  /** The client's address: clients of one route take turns. */
  readonly client: string;
  /** It may run now. */
  granted(): void;
  /** It may not: 503. */
  refused(kind: "queueFull" | "queueTimeout", retryAfterSeconds: number): void;
}

/** A place, or the wait for one. */
export interface Ticket {
  /** Gives the place back, or leaves the queue. Harmless when repeated. */
  leave(): void;
}

/** The server's places. */
export class Places {
  /**
   * @param server The bounds over all routes.
   * @param routes Each cgi route's own bounds, by `Route.id`; a route that is missing has the server's.
   */
  constructor(_server: PlaceLimits, _routes: ReadonlyMap<number, PlaceLimits>, _clock: Clock) {}

  /** Scripts that hold a place. */
  get running(): number {
    throw new Error("in work");
  }

  /** Requests that wait for one. */
  get waiting(): number {
    throw new Error("in work");
  }

  /** Asks for a place: granted at once, queued, or refused. */
  request(_applicant: Applicant): Ticket {
    throw new Error("in work");
  }
}
