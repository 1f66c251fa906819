import { assertEquals } from "@std/assert";
import { CLIENT_STATES, COUNTER_CELL, COUNTERS, GAUGES, Metrics, SCRIPT_ENDS } from "./metrics.ts";

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

/** Every figure, by name. */
function figures(metrics: Metrics): Record<string, number> {
  return Object.fromEntries([
    ...COUNTERS.map((name) => [name, metrics.counter(name)]),
    ...GAUGES.map((name) => [name, metrics.gauge(name)]),
    ...CLIENT_STATES.map((name) => [name, metrics.clients(name)]),
    ...SCRIPT_ENDS.map((name) => [name, metrics.ends(name)]),
    ...([0, 1, 2, 3, 4] as const).map((index) => [`${index + 1}xx`, metrics.statuses(index)]),
    ["latency", metrics.latency.count],
  ].filter(([, value]) => value !== 0));
}

test("Metrics keeps each figure in a cell of its own", () => {
  const metrics = new Metrics();
  let value = 1;
  const expected: Record<string, number> = {};
  for (const name of COUNTERS) metrics.add(name, expected[name] = value++);
  for (const name of GAUGES) metrics.shift(name, expected[name] = value++);
  for (const name of CLIENT_STATES) {
    expected[name] = 1;
    metrics.move(null, CLIENT_STATES.indexOf(name));
  }
  for (const name of SCRIPT_ENDS) {
    expected[name] = 1;
    metrics.scriptNotStarted(name);
  }
  assertEquals(figures(metrics), expected);
});

test("Metrics.move() takes a client from state to state and out", () => {
  const metrics = new Metrics();
  metrics.move(null, CLIENT_STATES.indexOf("READ_REQ"));
  metrics.move(null, CLIENT_STATES.indexOf("READ_REQ"));
  metrics.move(CLIENT_STATES.indexOf("READ_REQ"), CLIENT_STATES.indexOf("REQ_RDY"));
  assertEquals(figures(metrics), { READ_REQ: 1, REQ_RDY: 1 });
  metrics.move(CLIENT_STATES.indexOf("REQ_RDY"), null);
  metrics.move(CLIENT_STATES.indexOf("READ_REQ"), null);
  assertEquals(figures(metrics), {});
});

test("Metrics.answered() counts by class and times", () => {
  const metrics = new Metrics();
  for (const status of [200, 204, 304, 404, 502, 599, 600, 99, 0]) metrics.answered(status, 1);
  assertEquals(figures(metrics), { requests: 9, "2xx": 2, "3xx": 1, "4xx": 1, "5xx": 2, latency: 9 });
});

test("Metrics counts scripts running, and how they ended", () => {
  const metrics = new Metrics();
  metrics.scriptStarted();
  metrics.scriptStarted();
  metrics.scriptEnded("timeout");
  metrics.scriptNotStarted("queueFull");
  assertEquals(figures(metrics), { scriptsStarted: 2, scriptsRunning: 1, timeout: 1, queueFull: 1 });
});

test("Metrics can be read through its memory while another counts", () => {
  const loop = new Metrics();
  const supervisor = new Metrics(loop.memory);
  loop.cells[COUNTER_CELL.bytesOut] += 5;
  loop.answered(200, 3);
  assertEquals(figures(supervisor), { bytesOut: 5, requests: 1, "2xx": 1, latency: 1 });
});

test("Metrics.sum() adds loops up and leaves them as they are", () => {
  const one = new Metrics();
  const two = new Metrics();
  one.add("requests", 1);
  two.add("requests", 2);
  two.move(null, CLIENT_STATES.indexOf("WAIT_CGI"));
  assertEquals(figures(Metrics.sum([one, two])), { requests: 3, WAIT_CGI: 1 });
  assertEquals([figures(one), figures(two)], [{ requests: 1 }, { requests: 2, WAIT_CGI: 1 }]);
});

test("Metrics.inherit() keeps what a dead loop counted and forgets its clients", () => {
  const dead = new Metrics();
  dead.answered(200, 1);
  dead.move(null, CLIENT_STATES.indexOf("READ_REQ"));
  dead.shift("idle", 1);
  dead.scriptStarted();
  const next = new Metrics();
  next.inherit(dead);
  assertEquals(figures(next), { requests: 1, "2xx": 1, latency: 1, scriptsStarted: 1 });
});
