import { assertEquals } from "@std/assert";
import { Pace } from "./file_source.ts";

const MIB = 1024 * 1024;

/** Reads by a pace, each of which ends when it is told to. */
class Reads {
  readonly begun: ((bytes: number) => void)[] = [];
  readonly #pace: Pace;

  constructor(pace: Pace) {
    this.#pace = pace;
  }

  /** Begins one when the pace lets it. */
  add(count: number): Promise<number | null>[] {
    return Array.from({ length: count }, () =>
      this.#pace.read(() => {
        const { promise, resolve } = Promise.withResolvers<number>();
        this.begun.push(resolve);
        return promise;
      }));
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await null;
}

Deno.test("Pace lets 16 files be read at once; one that has taken a second does not count", async () => {
  let nowMs = 0;
  const reads = new Reads(new Pace(() => nowMs));
  const all = reads.add(20);
  await settle();
  assertEquals(reads.begun.length, 16);
  reads.begun[3](1);
  assertEquals(await all[3], 1);
  await settle();
  assertEquals(reads.begun.length, 17, "one has ended: the next begins");
  nowMs = 1001;
  all.push(...reads.add(1));
  await settle();
  assertEquals(reads.begun.length, 18, "one of the first hangs: another begins");
  for (let i = 0; i < 21; i++) {
    await settle();
    reads.begun[i](1);
  }
  await Promise.all(all);
});

Deno.test("Pace makes all files pause when 8 MiB of several were sent, and goes on by itself", async () => {
  const reads = new Reads(new Pace());
  const [, second] = reads.add(2);
  await settle();
  reads.begun[1](9 * MIB);
  assertEquals(await second, 9 * MIB);
  const third = reads.add(1);
  await settle();
  assertEquals(reads.begun.length, 2, "none begins in the pause");
  const untilMs = performance.now() + 60_000;
  while (reads.begun.length < 3 && performance.now() < untilMs) await new Promise((go) => setTimeout(go, 1));
  assertEquals(reads.begun.length, 3);
  reads.begun[0](1);
  reads.begun[2](1);
  await Promise.all(third);
});

Deno.test("Pace never makes a file pause that is sent alone", async () => {
  const reads = new Reads(new Pace());
  for (let i = 0; i < 20; i++) {
    const [read] = reads.add(1);
    await settle();
    assertEquals(reads.begun.length, i + 1);
    reads.begun[i](MIB);
    await read;
  }
});
