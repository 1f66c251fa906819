import { assert, assertEquals, assertThrows } from "@std/assert";
import { Histogram, HISTOGRAM_CELLS } from "./histogram.ts";

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

test("Histogram tells each duration's bucket within a sixteenth, and never below it", () => {
  for (let micros = 1; micros < 2 ** 31; micros = Math.ceil(micros * 1.003)) {
    const histogram = new Histogram();
    histogram.record(micros / 1000);
    const told = histogram.percentile(1) * 1000;
    assert(told >= micros * (1 - 1e-9), `${micros} µs told as ${told}`);
    assert(told <= micros * (1 + 1 / 16) + 1, `${micros} µs told as ${told}`);
  }
});

test("Histogram gives percentiles by rank", () => {
  const histogram = new Histogram();
  assertEquals(histogram.percentile(0.5), 0);
  for (let i = 1; i <= 10; i++) histogram.record(i / 1000);
  assertEquals([0.01, 0.1, 0.11, 0.5, 0.9, 0.91, 1].map((share) => histogram.percentile(share) * 1000), [
    1,
    1,
    2,
    5,
    9,
    10,
    10,
  ]);
});

test("Histogram counts and sums", () => {
  const histogram = new Histogram();
  for (const ms of [0, 0.5, 1.5]) histogram.record(ms);
  assertEquals([histogram.count, histogram.sumMs], [3, 2]);
});

test("Histogram takes nonsense as zero and the endless as its longest", () => {
  const histogram = new Histogram();
  for (const ms of [-1, NaN, Infinity, 1e12]) histogram.record(ms);
  assertEquals(histogram.count, 4);
  assertEquals(histogram.countUpTo(0.001), 2);
  assertEquals(histogram.percentile(1), 2 ** 31 / 1000);
});

test("Histogram.countUpTo() is exact at powers of two microseconds", () => {
  const histogram = new Histogram();
  for (const micros of [255, 256, 257, 1023, 1024, 1025]) histogram.record(micros / 1000);
  assertEquals([0.128, 0.256, 0.512, 1.024, 2.048].map((ms) => histogram.countUpTo(ms)), [0, 2, 3, 5, 6]);
});

test("Histogram.merge() adds as if all were recorded in one", () => {
  const one = new Histogram();
  const two = new Histogram();
  const all = new Histogram();
  for (let i = 0; i < 1000; i++) {
    const ms = (i * 7919) % 1000;
    (i % 3 === 0 ? one : two).record(ms);
    all.record(ms);
  }
  one.merge(two);
  assertEquals(one.cells, all.cells);
});

test("Histogram counts in memory that it is given", () => {
  const cells = new Float64Array(new SharedArrayBuffer(HISTOGRAM_CELLS * 8));
  new Histogram(cells).record(5);
  assertEquals(new Histogram(cells).count, 1);
  assertThrows(() => new Histogram(new Float64Array(3)), RangeError);
});
