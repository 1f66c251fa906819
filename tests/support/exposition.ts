/**
 * Reads Prometheus' text exposition format 0.0.4, and refuses what a scraper could not read.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";

/** A number with its labels. */
export interface ExposedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The samples of one name. */
export interface ExposedFamily {
  readonly type: string;
  readonly help: string;
  readonly samples: ExposedSample[];
}

const SUFFIXES: Readonly<Record<string, RegExp>> = {
  counter: /^$/,
  gauge: /^$/,
  histogram: /^_(bucket|sum|count)$/,
};
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"/g;
const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([-+.\deE]+|[+-]Inf|NaN)$/;

/**
 * All families of a text, by name.
 *
 * @throws {AssertionError} It is not well-formed, or breaks a rule on names and histograms.
 */
export function parseExposition(text: string): Map<string, ExposedFamily> {
  assert(text.endsWith("\n"), "the last line must end");
  const families = new Map<string, ExposedFamily>();
  let name = "";
  let help = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line);
    if (comment?.[1] === "HELP") {
      [name, help] = [comment[2], comment[3]];
    } else if (comment !== null) {
      assertEquals(comment[2], name, "TYPE follows its HELP");
      assert(!families.has(name), `${name} stands there twice`);
      assert(comment[3] in SUFFIXES, line);
      assertEquals(name.endsWith("_total"), comment[3] === "counter", `${name} is a ${comment[3]}`);
      families.set(name, { type: comment[3], help, samples: [] });
    } else {
      const family = families.get(name);
      const sample = SAMPLE.exec(line);
      assert(family !== undefined && sample !== null, line);
      assert(sample[1].startsWith(name) && SUFFIXES[family.type].test(sample[1].slice(name.length)), line);
      const labels = [...(sample[2] ?? "").matchAll(LABEL)];
      assertEquals(labels.map(([whole]) => whole).join(","), sample[2] ?? "", line);
      family.samples.push({
        name: sample[1],
        labels: Object.fromEntries(labels.map(([, label, value]) => [label, value])),
        value: Number(sample[3].replace("Inf", "Infinity")),
      });
    }
  }
  for (const [name, family] of families) {
    if (family.type === "histogram") assertHistogram(name, family);
  }
  return families;
}

function assertHistogram(name: string, { samples }: ExposedFamily): void {
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
  const bounds = buckets.map(({ labels }) => Number(labels.le.replace("Inf", "Infinity")));
  assertEquals(bounds, bounds.toSorted((a, b) => a - b), "bounds grow");
  assertEquals(bounds.at(-1), Infinity);
  const counts = buckets.map(({ value }) => value);
  assertEquals(counts, counts.toSorted((a, b) => a - b), "counts are cumulative");
  assertEquals(samples.find((sample) => sample.name === `${name}_count`)?.value, counts.at(-1));
}
