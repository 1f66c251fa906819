/**
 * Properties held against random input twice: from a seed that is always the same, so that a commit's run can be repeated, and
 * from a new one, so that the runs of many commits see more. What fails is told with its seed; POLLUX_FUZZ_SEED sets the second.
 *
 * @module
 */

import fc from "fast-check";

/** The seed of every run. */
export const FIXED_SEED = 20261122;

/** The seed of this run alone. */
export const RUN_SEED: number = Number(
  Deno.env.get("POLLUX_FUZZ_SEED") ?? crypto.getRandomValues(new Int32Array(1))[0],
);

/** How much longer than in CI to try: POLLUX_FUZZ_TIMES. */
const TIMES = Number(Deno.env.get("POLLUX_FUZZ_TIMES") ?? "1");

/**
 * A test that a property holds.
 *
 * @param runs How many inputs of each seed are tried.
 */
export function holds<T>(name: string, property: fc.IRawProperty<T>, runs: number): void {
  Deno.test(name, async () => {
    for (const seed of [FIXED_SEED, RUN_SEED]) {
      await fc.assert(property, { seed, numRuns: runs * TIMES });
    }
  });
}

/** Numbers that look random and are the same for the same seed (mulberry32). */
export class Random {
  #state: number;

  /** Begins at a seed. */
  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** From 0 to `end` - 1. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % end;
  }

  /** One of them. */
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }
}
