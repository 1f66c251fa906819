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

/** A route's own bounds. */
export interface RoutePlaces {
  /** What the route is known by over reloads, where `Route.id` may become another's. */
  readonly key: string;
  /** Its bounds. */
  readonly limits: PlaceLimits;
}

/** Scripts that run beside those of these places and count against the same `maxProcesses`. */
export interface OtherPlaces {
  /** Says how many run here. */
  publish(count: number): void;
  /** How many run elsewhere. */
  elsewhere(): number;
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

/** Nobody tells when a place elsewhere is free: while requests wait for one, it is looked at so often, in milliseconds. */
const LOOK_ELSEWHERE_MS = 50;

/** There is nothing beside these places. */
const ALONE: OtherPlaces = { publish() {}, elsewhere: () => 0 };

/** The server's places. */
export class Places {
  readonly #server: Gauge;
  #serverLimits: PlaceLimits;
  #routePlaces: ReadonlyMap<number, RoutePlaces>;
  readonly #clock: Clock;
  readonly #others: OtherPlaces;
  /** By key. */
  readonly #routes = new Map<string, RouteQueue>();
  /** Routes with waiting requests; the first is the next. */
  readonly #turns = new Set<RouteQueue>();
  #isGranting = false;
  /** Looks again whether there is a place, while somebody waits that only others keep out. */
  readonly #look: Deadline = {
    deadlineMs: Infinity,
    expire: () => {
      this.#look.deadlineMs = Infinity;
      this.#clock.remove(this.#look);
      this.#grantNext();
    },
  };

  /**
   * Begins with all places free.
   *
   * @param server The bounds over all routes.
   * @param routes Each cgi route's own bounds, by `Route.id`; a route that is missing has the server's.
   * @param clock For `queueTimeoutMs` and the run times that Retry-After is computed from.
   * @param others What else takes of the server's places.
   */
  constructor(
    server: PlaceLimits,
    routes: ReadonlyMap<number, RoutePlaces>,
    clock: Clock,
    others: OtherPlaces = ALONE,
  ) {
    this.#server = new Gauge(server.maxProcesses);
    this.#serverLimits = server;
    this.#routePlaces = routes;
    this.#clock = clock;
    this.#others = others;
  }

  /** Other bounds from now on. Who runs and who waits stays so, and counts. */
  configure(server: PlaceLimits, routes: ReadonlyMap<number, RoutePlaces>): void {
    this.#serverLimits = server;
    this.#server.max = server.maxProcesses;
    this.#routePlaces = routes;
    for (const { key, limits } of routes.values()) this.#routes.get(key)?.configure(limits);
    const kept = new Set(Array.from(routes.values(), ({ key }) => key));
    for (const key of this.#routes.keys()) {
      if (!kept.has(key)) this.#routes.delete(key); // it lives on with those who run and wait
    }
    this.#grantNext();
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
    if (!this.#isFull() && !route.gauge.isFull && route.gauge.waiting === 0) {
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
      this.#others.publish(this.#server.running);
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
    const { key, limits } = this.#routePlaces.get(id) ?? { key: String(id), limits: this.#serverLimits };
    let route = this.#routes.get(key);
    if (route === undefined) {
      route = new RouteQueue(limits);
      this.#routes.set(key, route);
    }
    return route;
  }

  #isFull(): boolean {
    return this.#server.isFull || this.#server.running + this.#others.elsewhere() >= this.#server.max;
  }

  #grant(request: Request): void {
    const nowMs = this.#clock.now();
    request.state = "running";
    request.startedMs = nowMs;
    this.#server.began(nowMs);
    this.#others.publish(this.#server.running);
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
    this.#lookElsewhere();
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
    this.#lookElsewhere();
  }

  /** Where it is others that keep somebody out, no end of a script here will let him in. */
  #lookElsewhere(): void {
    if (this.#look.deadlineMs !== Infinity) return;
    if (this.#server.waiting === 0 || this.#server.isFull || !this.#isFull()) return;
    this.#look.deadlineMs = this.#clock.now() + LOOK_ELSEWHERE_MS;
    this.#clock.add(this.#look);
  }

  /** Whose turn it is; null where nobody waits, or all who wait have to go on. */
  #next(): Request | null {
    if (this.#isFull()) return null;
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
  limits: PlaceLimits;
  readonly gauge: Gauge;
  /** Clients that wait; the first is the next. Each one's requests in their order. */
  readonly #clients = new Map<string, Set<Request>>();

  constructor(limits: PlaceLimits) {
    this.limits = limits;
    this.gauge = new Gauge(limits.maxProcesses);
  }

  configure(limits: PlaceLimits): void {
    this.limits = limits;
    this.gauge.max = limits.maxProcesses;
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
  max: number;
  running = 0;
  waiting = 0;
  #startedSumMs = 0;
  /** Average run time; 0 before the first end. */
  #averageMs = 0;

  constructor(max: number) {
    this.max = max;
  }

  get isFull(): boolean {
    return this.running >= this.max;
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
    return Math.max(this.#averageMs, ageMs) * (this.waiting + 1) / this.max;
  }
}
