import { assert, assertEquals } from "@std/assert";
import { after, delay, within } from "./timer.ts";

Deno.test("waits end in the order in which they are due", async () => {
  const ended: number[] = [];
  const all = [30, 10, 20, 10].map((ms) => delay(ms).then(() => ended.push(ms)));
  await Promise.all(all);
  assertEquals(ended, [10, 10, 20, 30]);
});

Deno.test("no wait ends before its time", async () => {
  const beganMs = performance.now();
  await Promise.all([1, 5, 2.5, 7.25].map(async (ms) => {
    await delay(ms);
    assert(performance.now() - beganMs >= ms);
  }));
});

Deno.test("a wait that is given up does not call back, and holds up none behind it", async () => {
  let called = false;
  const giveUp = after(5, () => called = true);
  const later = delay(10);
  giveUp();
  giveUp();
  await later;
  assert(!called);
});

Deno.test("within() gives what came in time, and null for what did not", async () => {
  assertEquals(await within(Promise.resolve(7), 1000), 7);
  const { promise, resolve } = Promise.withResolvers<number>();
  assertEquals(await within(promise, 5), null);
  resolve(7);
});

Deno.test("a wait that begins later and is shorter ends first", async () => {
  const ended: string[] = [];
  const giveUp = after(60_000, () => ended.push("long"));
  await delay(1);
  await delay(1).then(() => ended.push("short"));
  assertEquals(ended, ["short"]);
  giveUp();
});
