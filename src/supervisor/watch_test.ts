import { assertEquals } from "@std/assert";
import { Watch } from "./watch.ts";

Deno.test("Watch tells of a loop that says nothing, once, after some questions", async () => {
  let asked = 0;
  const silentMs = await new Promise((resolve) => new Watch(() => asked++, resolve, 5).heard());
  assertEquals([asked, silentMs], [4, 20]);
});

Deno.test("Watch waits longer for the first word of a loop, which has to start", async () => {
  let asked = 0;
  const silentMs = await new Promise((resolve) => new Watch(() => asked++, resolve, 2));
  assertEquals([asked, silentMs], [60, 120]);
});

Deno.test("Watch is content with a loop that answers now and then, and with one that has ended", async () => {
  let asked = 0;
  let isWedged = false;
  const { promise, resolve } = Promise.withResolvers<void>();
  const watch: Watch = new Watch(
    () => {
      asked++;
      if (asked % 3 === 0) watch.heard();
      if (asked === 30) resolve();
    },
    () => isWedged = true,
    2,
  );
  await promise;
  watch.end();
  await new Promise((resolve) => AbortSignal.timeout(50).addEventListener("abort", resolve));
  assertEquals([asked, isWedged], [30, false]);
});
