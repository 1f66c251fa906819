import { assertEquals } from "@std/assert";
import { aStatus } from "../observe/status_fixture.ts";
import type { ServerStatus } from "../observe/status.ts";
import type { Source } from "../handlers/handler.ts";
import { StatusFeed } from "./feed.ts";

/** A feed whose clock is turned by hand, of a server whose uptime is the number of the question. */
class Bench {
  readonly asked: number[] = [];
  readonly feed = new StatusFeed(
    { ask: (steps) => Promise.resolve(aStatus({ uptimeMs: this.asked.push(steps) * 1000 })) },
    (_ms, callback) => this.#timers.push(callback),
  );
  #timers: (() => void)[] = [];

  get isTicking(): boolean {
    return this.#timers.length > 0;
  }

  async tick(): Promise<void> {
    for (const callback of this.#timers.splice(0)) callback();
    await settled();
  }
}

/** Lets all promises that are resolved have their say. */
async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

async function uptime(source: Source): Promise<number | null> {
  const bytes = await source.read();
  if (bytes === null) return null;
  const [, json] = /^data: (.+)\n\n$/.exec(new TextDecoder().decode(bytes)) ?? [];
  return JSON.parse(json).uptimeSeconds;
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, permissions: "none", fn });
}

test("StatusFeed begins with the past, and asks once for all who look", async () => {
  const bench = new Bench();
  const [one, other] = [bench.feed.watch(), bench.feed.watch()];
  assertEquals([await uptime(one), await uptime(other)], [1, 2]);
  await bench.tick();
  assertEquals([await uptime(one), await uptime(other)], [3, 3]);
  assertEquals(bench.asked, [300, 300, 3]);
});

test("StatusFeed gives who reads slowly the past and then the latest only", async () => {
  const bench = new Bench();
  const slow = bench.feed.watch();
  await settled();
  for (let i = 0; i < 5; i++) await bench.tick();
  assertEquals([await uptime(slow), await uptime(slow)], [1, 6]);
});

test("StatusFeed begins with the past, though a tick that was under way is answered first", async () => {
  const questions: { steps: number; answer: PromiseWithResolvers<ServerStatus> }[] = [];
  let tick = () => {};
  const feed = new StatusFeed({
    ask(steps) {
      const answer = Promise.withResolvers<ServerStatus>();
      questions.push({ steps, answer });
      return answer.promise;
    },
  }, (_ms, callback) => tick = callback);
  const answer = async (index: number) => {
    questions[index].answer.resolve(aStatus({ uptimeMs: index * 1000 }));
    await settled();
  };
  feed.watch();
  tick();
  const late = feed.watch();
  assertEquals(questions.map(({ steps }) => steps), [300, 3, 300]);
  await answer(1);
  await answer(2);
  assertEquals(await uptime(late), 2);
});

test("StatusFeed stops when nobody looks, and begins anew", async () => {
  const bench = new Bench();
  const viewer = bench.feed.watch();
  viewer.close(null);
  await bench.tick();
  assertEquals([bench.isTicking, bench.asked], [false, [300]]);
  bench.feed.watch();
  assertEquals(bench.isTicking, true);
});

test("StatusFeed.end() ends the streams, those that wait and those that will", async () => {
  const bench = new Bench();
  const [waiting, idle] = [bench.feed.watch(), bench.feed.watch()];
  await uptime(waiting);
  const next = uptime(waiting);
  bench.feed.end();
  assertEquals([await next, await uptime(idle)], [null, null]);
});
