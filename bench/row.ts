/**
 * What is measured: rows of contenders, sampled in turn, and the goals that the figures are held against.
 *
 * @module
 */

import type { Sample } from "./load.ts";

/** One that is measured. */
export interface Contender {
  /** As the table calls it. */
  readonly name: string;
  /** Measures it once. */
  sample(): Promise<Sample>;
}

/** A figure that is wanted of a row's first contender. */
export interface Goal {
  /** Which figure of the samples. */
  readonly metric: string;
  /** Whether more of it is wanted, or less. */
  readonly bound: "atLeast" | "atMost";
  /** The bound: times the figure of `of`, or the figure itself where that is null. */
  readonly value: number;
  /** Another contender; null: the figure stands for itself. */
  readonly of: string | null;
}

/** Something that is measured. */
export interface Row {
  /** What is done. */
  readonly title: string;
  /** Who does it; the goals are the first one's. */
  readonly contenders: readonly Contender[];
  /** What is wanted. */
  readonly goals: readonly Goal[];
  /** Instead of the usual number. */
  readonly rounds?: number;
}

/** The middle of samples, and how far they reach. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** A goal, and what became of it. */
export interface Verdict extends Goal {
  readonly title: string;
  readonly subject: string;
  readonly own: Spread;
  /** null where the goal stands for itself. */
  readonly other: Spread | null;
  /** The median of the rounds' ratios; the figure itself where the goal stands for itself. */
  readonly reached: number;
  readonly isMet: boolean;
}

/** What was measured of a row. */
export interface Result {
  readonly suite: string;
  readonly title: string;
  /** By contender and metric. */
  readonly figures: Readonly<Record<string, Readonly<Record<string, Spread>>>>;
  readonly verdicts: readonly Verdict[];
}

/** `goal("req/s", "atLeast", 1.3, "nginx")`. */
export function goal(metric: string, bound: Goal["bound"], value: number, of: string | null = null): Goal {
  return { metric, bound, value, of };
}

/** Samples all contenders in each round, beginning with another one each time. */
export async function measure(suite: string, row: Row, usualRounds: number): Promise<Result> {
  const { title, contenders } = row;
  const samples = new Map<string, Sample[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < (row.rounds ?? usualRounds); round++) {
    for (let i = 0; i < contenders.length; i++) {
      const { name, sample } = contenders[(i + round) % contenders.length];
      samples.get(name)?.push(await sample());
    }
  }
  const figures = Object.fromEntries([...samples].map(([name, list]) => [name, spreads(list)]));
  const names = new Set(samples.keys());
  const subject = contenders[0].name;
  const verdicts = row.goals
    // Peers that are not installed are no yardstick.
    .filter(({ of }) => of === null || names.has(of))
    .map((goal) => judge(title, goal, subject, samples));
  return { suite, title, figures, verdicts };
}

function judge(title: string, goal: Goal, subject: string, samples: Map<string, Sample[]>): Verdict {
  const own = valuesOf(samples.get(subject) ?? [], goal.metric);
  const others = goal.of === null ? null : valuesOf(samples.get(goal.of) ?? [], goal.metric);
  const ratios = others === null ? own : own.map((value, round) => value / others[round]);
  const reached = spread(ratios).median;
  const isMet = goal.bound === "atLeast" ? reached >= goal.value : reached <= goal.value;
  return { ...goal, title, subject, own: spread(own), other: others && spread(others), reached, isMet };
}

function valuesOf(samples: readonly Sample[], metric: string): number[] {
  return samples.map((sample) => sample[metric]);
}

function spreads(samples: readonly Sample[]): Record<string, Spread> {
  return Object.fromEntries(
    Object.keys(samples[0]).map((metric) => [metric, spread(valuesOf(samples, metric))]),
  );
}

function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { min: sorted[0], median, max: sorted[sorted.length - 1] };
}
