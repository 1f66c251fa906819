import { assertEquals } from "@std/assert";
import { Batch } from "./batch.ts";

/** A batch whose timer and receiver are turned by hand. */
class Bench {
  readonly sent: string[] = [];
  readonly timers = new Set<() => void>();
  readonly batch: Batch;

  constructor(bounds: { sendBytes?: number } = {}) {
    this.batch = new Batch({
      ...bounds,
      send: (lines) => void this.sent.push(new TextDecoder().decode(lines)),
      startTimer: (callback) => {
        this.timers.add(callback);
        return () => this.timers.delete(callback);
      },
    });
  }

  tick(): void {
    for (const callback of [...this.timers]) {
      this.timers.delete(callback);
      callback();
    }
  }
}

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

test("Batch gathers lines until its timer, and has one timer only while there is something", () => {
  const bench = new Bench();
  assertEquals(bench.timers.size, 0);
  bench.batch.add("one");
  bench.batch.add("two");
  assertEquals([bench.timers.size, bench.sent.length], [1, 0]);
  bench.tick();
  assertEquals([bench.sent, bench.timers.size], [["one\ntwo\n"], 0]);
  bench.batch.add("three");
  assertEquals(bench.timers.size, 1);
  bench.tick();
  assertEquals(bench.sent, ["one\ntwo\n", "three\n"]);
});

test("Batch sends at once when enough is gathered, and stops its timer", () => {
  const bench = new Bench({ sendBytes: 8 });
  bench.batch.add("abc");
  assertEquals(bench.sent, []);
  bench.batch.add("def");
  assertEquals([bench.sent, bench.timers.size], [["abc\ndef\n"], 0]);
});

test("Batch.flush() sends on demand, and nothing twice", () => {
  const bench = new Bench();
  bench.batch.flush();
  bench.batch.add("a");
  bench.batch.flush();
  bench.batch.flush();
  bench.tick();
  assertEquals(bench.sent, ["a\n"]);
});

test("Batch takes lines that are added while it sends", () => {
  const sent: string[] = [];
  const batch: Batch = new Batch({
    send: (lines) => {
      const text = new TextDecoder().decode(lines);
      sent.push(text);
      if (text === "a\n") batch.add("b");
    },
    startTimer: () => () => {},
  });
  batch.add("a");
  batch.flush();
  batch.flush();
  assertEquals(sent, ["a\n", "b\n"]);
});

Deno.test("Batch sends by the system's timer when it has no other", async () => {
  const sent = Promise.withResolvers<string>();
  const batch = new Batch({
    send: (lines) => sent.resolve(new TextDecoder().decode(lines)),
    delayMs: 1,
  });
  batch.add("a");
  assertEquals(await sent.promise, "a\n");
});
