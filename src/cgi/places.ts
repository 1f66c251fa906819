/**
 * Who may run: `max_processes`, `queue` and `queue_timeout` over the whole server and for each route.
 *
 * Turns are fair: routes with waiting requests take turns, and within a route its clients do, so that neither a slow route nor a
 * busy client makes the others wait longer than their own number. No I/O; time comes from the clock.
 *
 * @module
 */

import type { Clock, Deadline } from "../time/clock.ts";

/** Bounds on scripts that run and requests that wait, of the server or of one route. */
export interface PlaceLimits {
  /** Scripts that may run at once. */
  readonly maxProcesses: number;
  /** Requests that may wait. */
  readonly queue: number;
  /** How long one may wait, in milliseconds. */
  readonly queueTimeoutMs: number;
}

/** Who asks for a place. Exactly one of the two is called, once, perhaps before `request` returns; neither after `leave()`. */
export interface Applicant {
  /** The route whose places it takes, besides the server's. */
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

/** How much a run that ended now counts against all before it, in the average of run times. */
const AVERAGE_WEIGHT = 0.2;

/** Nobody is told to come back later than this, in seconds: what is seen now says little of then. */
const RETRY_AFTER_SECONDS_MAX = 120;

/** The server's places. */
export class Places {
  readonly #server: Gauge;
  readonly #serverLimits: PlaceLimits;
  readonly #routeLimits: ReadonlyMap<number, PlaceLimits>;
  readonly #clock: Clock;
  readonly #routes = new Map<number, RouteQueue>();
  /** Routes with waiting requests; the first is the next. */
  readonly #turns = new Set<RouteQueue>();
  #isGranting = false;

  /**
   * Begins with all places free.
   *
   * @param server The bounds over all routes.
   * @param routes Each cgi route's own bounds, by `Route.id`; a route that is missing has the server's.
   * @param clock For `queueTimeoutMs` and the run times that Retry-After is computed from.
   */
  constructor(server: PlaceLimits, routes: ReadonlyMap<number, PlaceLimits>, clock: Clock) {
    this.#server = new Gauge(server.maxProcesses);
    this.#serverLimits = server;
    this.#routeLimits = routes;
    this.#clock = clock;
  }

  /** Scripts that hold a place. */
  get running(): number {
    return this.#server.running;
  }

  /** Requests that wait for one. */
  get waiting(): number {
    return this.#server.waiting;
  }

  /** Asks for a place: granted at once, queued, or refused. */
  request(applicant: Applicant): Ticket {
    const route = this.#route(applicant.routeId);
    const request = new Request(route, applicant, this.#leave, this.#expire);
    if (!this.#server.isFull && !route.gauge.isFull) {
      // Nobody of this route waits: with room in both it would have been let in.
      this.#grant(request);
    } else if (
      this.#server.waiting >= this.#serverLimits.queue || route.gauge.waiting >= route.limits.queue
    ) {
      request.state = "left";
      applicant.refused("queueFull", this.#retryAfterSeconds(route));
    } else {
      this.#enqueue(request);
    }
    return request;
  }

  readonly #leave = (request: Request): void => {
    const { route, state } = request;
    request.state = "left";
    if (state === "waiting") {
      this.#dequeue(request);
    } else if (state === "running") {
      const nowMs = this.#clock.now();
      this.#server.ended(request.startedMs, nowMs);
      route.gauge.ended(request.startedMs, nowMs);
      this.#grantNext();
    }
  };

  readonly #expire = (request: Request): void => {
    if (request.state !== "waiting") return;
    const retryAfterSeconds = this.#retryAfterSeconds(request.route);
    this.#leave(request);
    request.applicant.refused("queueTimeout", retryAfterSeconds);
  };

  #route(id: number): RouteQueue {
    let route = this.#routes.get(id);
    if (route === undefined) {
      route = new RouteQueue(this.#routeLimits.get(id) ?? this.#serverLimits);
      this.#routes.set(id, route);
    }
    return route;
  }

  #grant(request: Request): void {
    const nowMs = this.#clock.now();
    request.state = "running";
    request.startedMs = nowMs;
    this.#server.began(nowMs);
    request.route.gauge.began(nowMs);
    request.applicant.granted();
  }

  #enqueue(request: Request): void {
    const { route } = request;
    route.add(request);
    this.#turns.add(route);
    this.#server.waiting++;
    route.gauge.waiting++;
    request.deadlineMs = this.#clock.now() +
      Math.min(route.limits.queueTimeoutMs, this.#serverLimits.queueTimeoutMs);
    this.#clock.add(request);
  }

  #dequeue(request: Request): void {
    const { route } = request;
    route.remove(request);
    if (route.gauge.waiting === 1) this.#turns.delete(route);
    this.#server.waiting--;
    route.gauge.waiting--;
    this.#clock.remove(request);
  }

  /** Lets in who may come in. One that is let in may leave at once: the loop that runs sees to that. */
  #grantNext(): void {
    if (this.#isGranting) return;
    this.#isGranting = true;
    try {
      for (let next = this.#next(); next !== null; next = this.#next()) {
        this.#dequeue(next);
        this.#grant(next);
      }
    } finally {
      this.#isGranting = false;
    }
  }

  /** Whose turn it is; null where nobody waits, or all who wait have to go on. */
  #next(): Request | null {
    if (this.#server.isFull) return null;
    for (const route of this.#turns) {
      if (route.gauge.isFull) continue;
      const request = route.first();
      if (request === null) continue;
      this.#turns.delete(route);
      this.#turns.add(route);
      return request;
    }
    return null;
  }

  #retryAfterSeconds(route: RouteQueue): number {
    const nowMs = this.#clock.now();
    const waitMs = Math.max(this.#server.waitMs(nowMs), route.gauge.waitMs(nowMs));
    return Math.min(RETRY_AFTER_SECONDS_MAX, Math.max(1, Math.ceil(waitMs / 1000)));
  }
}

/** One request for a place. */
class Request implements Ticket, Deadline {
  state: "new" | "waiting" | "running" | "left" = "new";
  startedMs = 0;
  deadlineMs = Infinity;
  readonly route: RouteQueue;
  readonly applicant: Applicant;
  readonly #leave: (request: Request) => void;
  readonly #expire: (request: Request) => void;

  constructor(
    route: RouteQueue,
    applicant: Applicant,
    leave: (request: Request) => void,
    expire: (request: Request) => void,
  ) {
    this.route = route;
    this.applicant = applicant;
    this.#leave = leave;
    this.#expire = expire;
  }

  leave(): void {
    this.#leave(this);
  }

  expire(): void {
    this.#expire(this);
  }
}

/** Who waits at one route, by client. */
class RouteQueue {
  readonly limits: PlaceLimits;
  readonly gauge: Gauge;
  /** Clients that wait; the first is the next. Each one's requests in their order. */
  readonly #clients = new Map<string, Set<Request>>();

  constructor(limits: PlaceLimits) {
    this.limits = limits;
    this.gauge = new Gauge(limits.maxProcesses);
  }

  add(request: Request): void {
    request.state = "waiting";
    const { client } = request.applicant;
    const requests = this.#clients.get(client);
    if (requests === undefined) this.#clients.set(client, new Set([request]));
    else requests.add(request);
  }

  remove(request: Request): void {
    const { client } = request.applicant;
    const requests = this.#clients.get(client);
    requests?.delete(request);
    if (requests?.size === 0) this.#clients.delete(client);
  }

  /** Whose turn it is; the client goes to the end of the line. */
  first(): Request | null {
    for (const [client, requests] of this.#clients) {
      this.#clients.delete(client);
      this.#clients.set(client, requests);
      for (const request of requests) return request;
    }
    return null;
  }
}

/** What is seen of the server's or a route's places. */
class Gauge {
  readonly #max: number;
  running = 0;
  waiting = 0;
  #startedSumMs = 0;
  /** Average run time; 0 before the first end. */
  #averageMs = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get isFull(): boolean {
    return this.running >= this.#max;
  }

  began(nowMs: number): void {
    this.running++;
    this.#startedSumMs += nowMs;
  }

  ended(startedMs: number, nowMs: number): void {
    this.running--;
    this.#startedSumMs -= startedMs;
    const ranMs = nowMs - startedMs;
    this.#averageMs = this.#averageMs === 0
      ? ranMs
      : this.#averageMs + AVERAGE_WEIGHT * (ranMs - this.#averageMs);
  }

  /** How long one who comes now would wait, in milliseconds: scripts that do not end count by their age. */
  waitMs(nowMs: number): number {
    if (!this.isFull || this.running === 0) return 0;
    const ageMs = nowMs - this.#startedSumMs / this.running;
    return Math.max(this.#averageMs, ageMs) * (this.waiting + 1) / this.#max;
  }
}
