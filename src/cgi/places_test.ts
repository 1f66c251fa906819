/**
 * Places: bounds, turns, timeouts, and that nothing is left when all have gone.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { ManualClock } from "../time/clock.ts";
import { type OtherPlaces, type PlaceLimits, Places, type RoutePlaces, type Ticket } from "./places.ts";

const OPEN: PlaceLimits = { maxProcesses: 100, queue: 100, queueTimeoutMs: 10_000 };

interface World {
  readonly clock: ManualClock;
  readonly places: Places;
  /** What happened, in order: `a+` granted, `a:queueFull 1` refused. */
  readonly events: string[];
  ask(name: string, routeId?: number, client?: string): Ticket;
  /** What happened since the last call. */
  news(): string[];
}

/** Each route's bounds, by its id, which is its key as well. */
function routePlaces(routes: Record<number, Partial<PlaceLimits>>): Map<number, RoutePlaces> {
  return new Map(
    Object.entries(routes).map(([id, own]) => [Number(id), { key: id, limits: { ...OPEN, ...own } }]),
  );
}

function world(
  server: Partial<PlaceLimits>,
  routes?: Record<number, Partial<PlaceLimits>>,
  others?: OtherPlaces,
): World {
  const clock = new ManualClock();
  const places = new Places({ ...OPEN, ...server }, routePlaces(routes ?? {}), clock, others);
  const events: string[] = [];
  return {
    clock,
    places,
    events,
    ask: (name, routeId = 0, client = "c") =>
      places.request({
        routeId,
        client,
        granted: () => events.push(`${name}+`),
        refused: (kind, seconds) => events.push(`${name}:${kind} ${seconds}`),
      }),
    news: () => events.splice(0),
  };
}

function test(name: string, fn: () => void): void {
  Deno.test({ name: `Places ${name}`, permissions: "none", fn });
}

test("grants at once while there is room", () => {
  const { ask, news, places } = world({ maxProcesses: 2 });
  ask("a");
  ask("b");
  ask("c");
  assertEquals(news(), ["a+", "b+"]);
  assertEquals([places.running, places.waiting], [2, 1]);
});

test("lets the next in when one leaves, and leaving twice is harmless", () => {
  const { ask, news, places } = world({ maxProcesses: 1 });
  const a = ask("a");
  ask("b");
  ask("c");
  news();
  a.leave();
  a.leave();
  assertEquals(news(), ["b+"]);
  assertEquals([places.running, places.waiting], [1, 1]);
});

test("refuses when the server's queue is full", () => {
  const { ask, news } = world({ maxProcesses: 1, queue: 1 });
  ask("a");
  ask("b");
  ask("c");
  assertEquals(news(), ["a+", "c:queueFull 1"]);
});

test("refuses at once with a queue of none", () => {
  const { ask, news, places } = world({ maxProcesses: 1, queue: 0 });
  const a = ask("a");
  ask("b");
  a.leave();
  ask("c");
  assertEquals(news(), ["a+", "b:queueFull 1", "c+"]);
  assertEquals(places.waiting, 0);
});

test("bounds a route within the server, and its queue", () => {
  const { ask, news } = world({ maxProcesses: 3 }, { 1: { maxProcesses: 1, queue: 1 } });
  const a = ask("a", 1);
  ask("b", 1);
  ask("c", 1);
  ask("d", 2);
  assertEquals(news(), ["a+", "c:queueFull 1", "d+"]);
  a.leave();
  assertEquals(news(), ["b+"]);
});

test("a route that is full does not hold up the others", () => {
  const { ask, news } = world({ maxProcesses: 2 }, { 1: { maxProcesses: 1 } });
  ask("a", 1);
  const b = ask("b", 2);
  ask("c", 1);
  ask("d", 2);
  news();
  b.leave();
  assertEquals(news(), ["d+"]);
});

test("routes take turns", () => {
  const { ask, news } = world({ maxProcesses: 1 });
  const first = ask("x", 9);
  const tickets = ["a1", "a2", "a3"].map((name) => ask(name, 1)).concat(
    ask("b1", 2),
    ask("b2", 2),
    ask("c1", 3),
  );
  first.leave();
  const order: string[] = [];
  for (let i = 0; i < 6; i++) {
    const name = news().filter((event) => event !== "x+")[0];
    order.push(name);
    tickets[["a1+", "a2+", "a3+", "b1+", "b2+", "c1+"].indexOf(name)].leave();
  }
  assertEquals(order, ["a1+", "b1+", "c1+", "a2+", "b2+", "a3+"]);
});

test("clients of one route take turns, each in its own order", () => {
  const { ask, news } = world({ maxProcesses: 1 });
  let running = ask("x", 0, "z");
  const tickets = new Map<string, Ticket>();
  for (
    const [name, client] of [["a1", "a"], ["a2", "a"], ["a3", "a"], ["b1", "b"], ["c1", "c"], ["b2", "b"]]
  ) {
    tickets.set(`${name}+`, ask(name, 0, client));
  }
  news();
  const order: string[] = [];
  for (let i = 0; i < 6; i++) {
    running.leave();
    const [name] = news();
    order.push(name);
    running = tickets.get(name) ?? running;
  }
  assertEquals(order, ["a1+", "b1+", "c1+", "a2+", "b2+", "a3+"]);
});

test("refuses after the queue timeout, the shorter of server's and route's", () => {
  const { ask, news, clock } = world({ maxProcesses: 1, queueTimeoutMs: 500 }, {
    1: { queueTimeoutMs: 200 },
    2: { queueTimeoutMs: 900 },
  });
  ask("a");
  ask("b", 1);
  ask("c", 2);
  news();
  clock.turn(199);
  assertEquals(news(), []);
  clock.turn(1);
  assertEquals(news(), ["b:queueTimeout 1"]);
  clock.turn(300);
  assertEquals(news(), ["c:queueTimeout 1"]);
  assertEquals(clock.size, 0);
});

test("one that leaves the queue is neither granted nor refused", () => {
  const { ask, news, clock, places } = world({ maxProcesses: 1 });
  const a = ask("a");
  const b = ask("b");
  ask("c");
  b.leave();
  a.leave();
  clock.turn(60_000);
  assertEquals(news(), ["a+", "c+"]);
  assertEquals([places.running, places.waiting, clock.size], [1, 0, 0]);
});

test("Retry-After follows the average run time and the queue", () => {
  const { ask, news, clock } = world({ maxProcesses: 2, queue: 3 });
  const a = ask("a");
  const b = ask("b");
  clock.turn(8000);
  a.leave();
  b.leave();
  for (const name of ["c", "d", "e", "f", "g"]) ask(name);
  news();
  ask("h"); // four would be ahead of it or with it, two at a time, eight seconds each
  assertEquals(news(), ["h:queueFull 16"]);
});

test("Retry-After counts scripts that do not end by their age, up to a bound", () => {
  const { ask, news, clock } = world({ maxProcesses: 1, queue: 0 });
  ask("a");
  clock.turn(7500);
  ask("b");
  clock.turn(1e6);
  ask("c");
  assertEquals(news(), ["a+", "b:queueFull 8", "c:queueFull 120"]);
});

test("an applicant may leave as soon as it is granted", () => {
  const { places, clock } = world({ maxProcesses: 1 });
  const first = places.request({ routeId: 0, client: "c", granted() {}, refused() {} });
  let granted = 0;
  const tickets: Ticket[] = [];
  for (let i = 0; i < 50; i++) {
    tickets.push(places.request({
      routeId: 0,
      client: "c",
      granted() {
        granted++;
        tickets[i].leave();
      },
      refused() {},
    }));
  }
  first.leave();
  assertEquals([granted, places.running, places.waiting, clock.size], [50, 0, 0, 0]);
});

test("holds those who run and those who come to the bounds that are configured now", () => {
  const { ask, news, places } = world({ maxProcesses: 2 });
  const [a, b] = [ask("a"), ask("b")];
  ask("c");
  places.configure({ ...OPEN, maxProcesses: 1 }, new Map());
  a.leave();
  assertEquals(news(), ["a+", "b+"]);
  b.leave();
  assertEquals(news(), ["c+"]);
  ask("d");
  places.configure({ ...OPEN, maxProcesses: 3 }, new Map());
  assertEquals(news(), ["d+"]);
});

test("counts a route's scripts on after a change that leaves the route in place", () => {
  const { ask, news, places } = world({}, { 0: { maxProcesses: 1 } });
  const a = ask("a");
  places.configure(OPEN, new Map([[7, { key: "0", limits: { ...OPEN, maxProcesses: 1 } }]]));
  ask("b", 7);
  assertEquals(news(), ["a+"]);
  a.leave();
  assertEquals(news(), ["b+"]);
});

test("gives a route of another key places of its own, though it has the id of one that was", () => {
  const { ask, news, places } = world({}, { 0: { maxProcesses: 1 } });
  ask("a");
  places.configure(OPEN, new Map([[0, { key: "another", limits: { ...OPEN, maxProcesses: 1 } }]]));
  ask("b");
  assertEquals(news(), ["a+", "b+"]);
});

test("counts what runs elsewhere, and looks again for whom that keeps out", () => {
  let elsewhere = 1;
  const published: number[] = [];
  const others = { publish: (count: number) => published.push(count), elsewhere: () => elsewhere };
  const { ask, news, clock } = world({ maxProcesses: 2 }, {}, others);
  const a = ask("a");
  const b = ask("b");
  clock.turn(50);
  assertEquals(news(), ["a+"]);
  elsewhere = 0;
  clock.turn(50);
  assertEquals(news(), ["b+"]);
  a.leave();
  b.leave();
  clock.turn(50);
  assertEquals([published, clock.size], [[1, 2, 1, 0], 0]);
});
