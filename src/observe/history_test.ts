import { assertEquals } from "@std/assert";
import { History, HISTORY_NAMES, HISTORY_STEPS } from "./history.ts";
import { CLIENT_STATES, Metrics } from "./metrics.ts";

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

test("History has no columns before its first step", () => {
  assertEquals(new History(new Metrics(), 0).columns(), null);
});

test("History.add() keeps rates by the time that has passed, percentiles of the step, and gauges at its end", () => {
  const metrics = new Metrics();
  metrics.answered(200, 1);
  const history = new History(metrics, 0);
  for (let i = 0; i < 4; i++) metrics.answered(i === 0 ? 404 : 200, 100);
  metrics.add("bytesOut", 300);
  metrics.move(null, CLIENT_STATES.indexOf("WAIT_CGI"));
  metrics.shift("queued", 1);
  history.add(Metrics.sum([metrics]), 2000, 5000);
  metrics.move(CLIENT_STATES.indexOf("WAIT_CGI"), null);
  history.add(Metrics.sum([metrics]), 3000, 6000);
  const columns = history.columns();
  if (columns === null) throw new Error("no columns");
  assertEquals(Object.keys(columns), [...HISTORY_NAMES]);
  assertEquals(
    [columns.time, columns.requests, columns["2xx"], columns["4xx"], columns.bytesOut],
    [[5000, 6000], [2, 0], [1.5, 0], [0.5, 0], [150, 0]],
  );
  assertEquals([columns.WAIT_CGI, columns.queued], [[1, 0], [1, 1]]);
  // A sixteenth off at most; what came before the step counts for nothing.
  assertEquals(columns.p50[0] !== null && columns.p50[0] >= 100 && columns.p50[0] < 107, true);
  assertEquals([columns.p50[1], columns.p99[1]], [null, null]);
});

test("History forgets the oldest step when it is full", () => {
  const metrics = new Metrics();
  const history = new History(metrics, 0);
  for (let step = 1; step <= HISTORY_STEPS + 2; step++) {
    history.add(Metrics.sum([metrics]), step * 1000, step * 1000);
  }
  const times = history.columns()?.time ?? [];
  assertEquals([times.length, times[0], times.at(-1)], [HISTORY_STEPS, 3000, (HISTORY_STEPS + 2) * 1000]);
  assertEquals(history.columns(2)?.time, [(HISTORY_STEPS + 1) * 1000, (HISTORY_STEPS + 2) * 1000]);
});
