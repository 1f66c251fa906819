import { assertEquals } from "@std/assert";
import v8 from "node:v8";
import vm from "node:vm";
import { Metrics } from "../observe/metrics.ts";
import { delay } from "../time/timer.ts";
import { ClientBody } from "./body.ts";
import { Input } from "./input.ts";

const FIELDS = { headerBytes: 1024, headerCount: 10 };

/** A body of which nothing comes, with a reader that waits for it, and that is given up. */
async function abandoned(): Promise<WeakRef<ClientBody>> {
  const source = { read: () => delay(1).then(() => null) };
  const limits = { bodyBytes: Infinity, timeoutMs: Infinity, minRate: 0, fields: FIELDS };
  const host = { now: () => 0, sendContinue() {}, completed() {} };
  const body = new ClientBody(
    new Input(source, { filled() {}, left() {} }, new Metrics()),
    { kind: "length", bytes: 1000 },
    false,
    limits,
    host,
  );
  body.read();
  await delay(0);
  assertEquals(await body.discard(100), false);
  return new WeakRef(body);
}

Deno.test("a body whose reader is cut off is not held on to", async () => {
  v8.setFlagsFromString("--expose-gc");
  const gc: () => void = vm.runInNewContext("gc");
  const bodies = await Promise.all(Array.from({ length: 20 }, abandoned));
  await delay(10); // what their inputs still wait for
  gc();
  await delay(1);
  gc();
  assertEquals(bodies.filter((body) => body.deref() !== undefined).length, 0);
});
