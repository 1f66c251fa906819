import { assertEquals, assertLess, assertThrows } from "@std/assert";
import { HttpError } from "../http/error.ts";
import { RateLimit, RateTable } from "./rate.ts";

function pure(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

/** A limit whose clock is turned by hand. */
class Bench {
  nowMs = 1_800_000_000_000;
  readonly memory = RateTable.memory();
  readonly limit = this.limitOf(0);

  limitOf(routeId: number, config = { requests: 10, perMs: 1000, burst: 20 }): RateLimit {
    return new RateLimit(new RateTable(this.memory), routeId, config, () => this.nowMs);
  }

  /** How many of `count` requests are let through. */
  passed(address: string, count: number, limit = this.limit): number {
    let passed = 0;
    for (let i = 0; i < count; i++) if (retryAfter(limit, address) === null) passed++;
    return passed;
  }
}

function retryAfter(limit: RateLimit, address: string): string | null {
  try {
    limit.check(address);
    return null;
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    assertEquals([error.status, error.fields.length], [429, 1]);
    return error.fields[0][1];
  }
}

pure("RateLimit lets a burst through, and then as many as come back in the time", () => {
  const bench = new Bench();
  assertEquals(bench.passed("192.0.2.1", 30), 20);
  bench.nowMs += 99;
  assertEquals(bench.passed("192.0.2.1", 5), 0);
  bench.nowMs += 1;
  assertEquals(bench.passed("192.0.2.1", 5), 1);
  bench.nowMs += 500;
  assertEquals(bench.passed("192.0.2.1", 10), 5);
  bench.nowMs += 3_600_000;
  assertEquals(bench.passed("192.0.2.1", 30), 20);
});

pure("RateLimit says in whole seconds when to come again", () => {
  const bench = new Bench();
  const slow = bench.limitOf(1, { requests: 1, perMs: 60_000, burst: 1 });
  assertEquals([retryAfter(slow, "192.0.2.1"), retryAfter(slow, "192.0.2.1")], [null, "60"]);
  bench.nowMs += 59_500;
  assertEquals(retryAfter(slow, "192.0.2.1"), "1");
  bench.nowMs += 500;
  assertEquals(retryAfter(slow, "192.0.2.1"), null);
});

pure("RateLimit counts each address and each route by itself, and IPv6 by its /64", () => {
  const bench = new Bench();
  const one = { requests: 1, perMs: 60_000, burst: 1 };
  const limit = bench.limitOf(1, one);
  const other = bench.limitOf(2, one);
  assertEquals(retryAfter(limit, "192.0.2.1"), null);
  assertEquals(retryAfter(limit, "192.0.2.2"), null);
  assertEquals(retryAfter(other, "192.0.2.1"), null);
  assertEquals(retryAfter(limit, "2001:db8::1"), null);
  assertEquals(retryAfter(limit, "2001:db8::ffff:0:0:2"), "60");
  assertEquals(retryAfter(limit, "2001:db8:0:1::1"), null);
  assertEquals(retryAfter(limit, ""), null);
  assertEquals(retryAfter(limit, ""), "60");
});

pure("RateLimit is one limit for all loops that share its memory", () => {
  const bench = new Bench();
  const loops = [bench.limitOf(0), bench.limitOf(0), bench.limitOf(0)];
  let passed = 0;
  for (let i = 0; i < 30; i++) passed += bench.passed("192.0.2.1", 1, loops[i % 3]);
  assertEquals(passed, 20);
});

pure("RateLimit takes a time far ahead, as of another clock, for an empty bucket and no more", () => {
  const bench = new Bench();
  bench.nowMs += 86_400_000;
  assertEquals(bench.passed("192.0.2.1", 30), 20);
  bench.nowMs -= 86_400_000;
  assertEquals(bench.passed("192.0.2.1", 1), 0);
  assertEquals(retryAfter(bench.limit, "192.0.2.1"), "1");
  bench.nowMs += 500;
  assertEquals(bench.passed("192.0.2.1", 30), 5);
});

pure("a crowd of addresses does not wash a busy one out of the table", () => {
  const bench = new Bench();
  assertEquals(bench.passed("192.0.2.1", 30), 20);
  for (let i = 0; i < 100_000; i++) {
    bench.limit.check(`2001:db8:${(i >> 16).toString(16)}:${(i & 0xffff).toString(16)}::1`);
  }
  assertEquals(bench.passed("192.0.2.1", 1), 0);
  assertLess(bench.memory.byteLength, 2 ** 21);
});

pure("RateTable never refuses two clients for one another", () => {
  const bench = new Bench();
  const one = bench.limitOf(7, { requests: 1, perMs: 60_000, burst: 1 });
  let passed = 0;
  for (let i = 0; i < 20_000; i++) passed += bench.passed(`10.${i >> 8}.${i & 255}.1`, 1, one);
  assertEquals(passed, 20_000);
  // The last one: of so many, the first may have lost its place to another.
  assertThrows(() => one.check("10.78.31.1"), HttpError);
});
