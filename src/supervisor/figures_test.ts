import { assertEquals } from "@std/assert";
import { CLIENT_STATES } from "../observe/metrics.ts";
import { Figures } from "./figures.ts";
import { parseResident, parseStatus, treeMemory } from "./memory.ts";

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

test("Figures adds up the loops that live and what the others have counted", () => {
  const figures = new Figures();
  const [one, other] = [figures.open(), figures.open()];
  for (const metrics of [one, other]) {
    metrics.answered(200, 5);
    metrics.move(null, CLIENT_STATES.indexOf("READ_REQ"));
    metrics.shift("idle", 1);
  }
  figures.own.add("logLinesDropped", 3);
  figures.close(one);
  figures.close(one);
  const total = figures.total();
  assertEquals(
    [total.counter("requests"), total.latency.count, total.clients("READ_REQ"), total.gauge("idle")],
    [2, 2, 1, 1],
  );
  assertEquals(total.counter("logLinesDropped"), 3);
});

test("treeMemory() adds up a root and its descendants; one that is gone is left out", () => {
  const text = [
    "/proc/7/status:PPid:\t1",
    "/proc/7/status:VmRSS:\t    100 kB",
    "/proc/8/status:PPid:\t7",
    "/proc/8/status:VmRSS:\t     20 kB",
    "/proc/9/status:PPid:\t8",
    "/proc/10/status:PPid:\t1",
    "/proc/10/status:VmRSS:\t    5 kB",
  ].join("\n");
  assertEquals([...treeMemory(parseStatus(text), [7, 10, 11])], [[7, 120 * 1024], [10, 5 * 1024]]);
  assertEquals([...treeMemory(parseResident("   7  1  100\n  8   7 20\n"), [7])], [[7, 120 * 1024]]);
});
