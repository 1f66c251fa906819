import { assertEquals } from "@std/assert";
import { CLIENT_STATES, Metrics } from "./metrics.ts";
import { RecentErrors } from "./recent_errors.ts";
import { type RecentError, statusAsJson, withoutQuery } from "./status.ts";
import { aStatus } from "./status_fixture.ts";

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

test("withoutQuery() keeps the path, and shows that there was a query", () => {
  assertEquals(
    ["/a", "/a?token=secret", "*", `/${"x".repeat(400)}?y`].map(withoutQuery),
    ["/a", "/a?…", "*", `/${"x".repeat(299)}…?…`],
  );
});

test("statusAsJson() counts idle and queued clients apart from the states", () => {
  const metrics = new Metrics();
  for (const state of ["READ_REQ", "READ_REQ", "WAIT_CGI", "RES_SENDING"] as const) {
    metrics.move(null, CLIENT_STATES.indexOf(state));
  }
  metrics.shift("idle", 1);
  metrics.shift("queued", 1);
  assertEquals(statusAsJson(aStatus({ figures: metrics.memory })).clients, {
    connected: 4,
    states: { READ_REQ: 2, REQ_RDY: 0, WAIT_CGI: 1, RES_RDY: 0, RES_SENDING: 1, FINISHED: 0 },
    idle: 1,
    queued: 1,
  });
});

test("statusAsJson() has no percentiles where nothing was measured", () => {
  assertEquals(statusAsJson(aStatus()).latencyMs, { count: 0, mean: null, p50: null, p90: null, p99: null });
});

test("RecentErrors passes ten a second on, and more in the next", () => {
  const passed: number[] = [];
  const errors = new RecentErrors(({ timeMs }) => passed.push(timeMs));
  const anError = (timeMs: number): RecentError => (
    { timeMs, status: 502, requestId: "r", method: "GET", url: "/", script: null, reason: "x" }
  );
  for (let i = 0; i < 100; i++) errors.add(anError(1000 + i));
  errors.add(anError(2000));
  assertEquals([passed.length, passed.at(-1)], [11, 2000]);
});
