import { assert, assertEquals } from "@std/assert";
import { Batch } from "./batch.ts";

/** A batch whose timer and receiver are turned by hand. */
class Bench {
  readonly sent: string[] = [];
  readonly dropped: number[] = [];
  readonly timers = new Set<() => void>();
  accepts = true;
  readonly batch: Batch;

  constructor(bounds: { sendChars?: number; keepChars?: number } = {}) {
    this.batch = new Batch({
      ...bounds,
      send: (lines) => {
        if (this.accepts) this.sent.push(new TextDecoder().decode(lines));
        return this.accepts;
      },
      dropped: (count) => this.dropped.push(count),
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
  const bench = new Bench({ sendChars: 8 });
  bench.batch.add("abc");
  assertEquals(bench.sent, []);
  bench.batch.add("def");
  assertEquals([bench.sent, bench.timers.size], [["abc\ndef\n"], 0]);
});

test("Batch.flush() sends on demand, and nothing twice", () => {
  const bench = new Bench();
  assert(bench.batch.flush());
  bench.batch.add("a");
  assert(bench.batch.flush());
  assert(bench.batch.flush());
  bench.tick();
  assertEquals(bench.sent, ["a\n"]);
});

test("Batch keeps lines in order while the receiver refuses, within its bound, and says what it dropped", () => {
  const bench = new Bench({ sendChars: 8, keepChars: 16 });
  bench.accepts = false;
  for (const line of ["aaaa", "bbbb", "cccc", "dddd", "e"]) bench.batch.add(line);
  assertEquals([bench.sent, bench.batch.droppedCount], [[], 2]);
  bench.tick();
  assertEquals([bench.sent, bench.dropped, bench.timers.size], [[], [], 1]);
  bench.accepts = true;
  bench.tick();
  assertEquals([bench.sent, bench.dropped, bench.timers.size], [["aaaa\nbbbb\ncccc\n"], [2], 0]);
  assertEquals(bench.batch.droppedCount, 0);
});

test("Batch drops a line that is longer than it may keep, and takes the next", () => {
  const bench = new Bench({ keepChars: 8 });
  bench.batch.add("x".repeat(8));
  bench.batch.add("y");
  bench.batch.flush();
  assertEquals([bench.sent, bench.dropped], [["y\n"], [1]]);
});

test("Batch takes lines that are added while it sends", () => {
  const sent: string[] = [];
  const batch: Batch = new Batch({
    send: (lines) => {
      const text = new TextDecoder().decode(lines);
      sent.push(text);
      if (text === "a\n") batch.add("b");
      return true;
    },
    dropped: () => {},
    startTimer: () => () => {},
  });
  batch.add("a");
  assertEquals(batch.flush(), false);
  assertEquals(batch.flush(), true);
  assertEquals(sent, ["a\n", "b\n"]);
});

Deno.test("Batch sends by the system's timer when it has no other", async () => {
  const sent = Promise.withResolvers<string>();
  const batch = new Batch({
    send: (lines) => {
      sent.resolve(new TextDecoder().decode(lines));
      return true;
    },
    dropped: () => {},
    delayMs: 1,
  });
  batch.add("a");
  assertEquals(await sent.promise, "a\n");
});
