/**
 * A histogram of durations with log-linear buckets: sixteen to each power of two microseconds, so that a percentile is
 * at most a sixteenth off, from a microsecond to half an hour, in a fixed number of cells. Pure.
 *
 * Its cells can lie in shared memory: one thread records, others read.
 *
 * @module
 */

/** Buckets to a power of two: 2 ** 4. */
const LINEAR_BITS = 4;
const LINEAR = 1 << LINEAR_BITS;
/** Durations are cut off here, 2 ** 31 microseconds (35.8 minutes). */
const MAX_MICROS = 2 ** 31 - 1;
const BUCKETS = LINEAR * (31 - LINEAR_BITS + 1);
/** The sum lies after the buckets, in microseconds. */
const SUM = BUCKETS;

/** How many numbers a histogram needs. */
export const HISTOGRAM_CELLS: number = BUCKETS + 1;

/** Durations, counted. */
export class Histogram {
  /** A count for each bucket, then the sum. */
  readonly cells: Float64Array;

  /** A histogram over {@linkcode HISTOGRAM_CELLS} numbers, zero at first; in memory of its own by default. */
  constructor(cells: Float64Array = new Float64Array(HISTOGRAM_CELLS)) {
    if (cells.length !== HISTOGRAM_CELLS) throw new RangeError(`a histogram has ${HISTOGRAM_CELLS} cells`);
    this.cells = cells;
  }

  /** Counts a duration in milliseconds. What is negative counts as zero, what is over half an hour as half an hour. */
  record(ms: number): void {
    const micros = ms > 0 ? Math.min(ms * 1000, MAX_MICROS) : 0;
    this.cells[bucketOf(micros)]++;
    this.cells[SUM] += micros;
  }

  /** Adds another's counts. */
  merge(other: Histogram): void {
    for (let i = 0; i < HISTOGRAM_CELLS; i++) this.cells[i] += other.cells[i];
  }

  /** How many durations were counted. */
  get count(): number {
    let count = 0;
    for (let i = 0; i < BUCKETS; i++) count += this.cells[i];
    return count;
  }

  /** Their sum, in milliseconds. */
  get sumMs(): number {
    return this.cells[SUM] / 1000;
  }

  /**
   * The duration in milliseconds that a share of all does not exceed, told as the upper end of its bucket.
   *
   * @param share Above 0 and at most 1: 0.99 for the 99th percentile.
   * @returns Zero when nothing was counted.
   */
  percentile(share: number): number {
    const rank = Math.max(1, Math.ceil(this.count * share));
    let seen = 0;
    for (let i = 0; i < BUCKETS; i++) {
      seen += this.cells[i];
      if (seen >= rank) return upperMicros(i) / 1000;
    }
    return 0;
  }

  /**
   * How many durations were at most so long; exact where `ms` is a power of two of microseconds, which is where a bucket
   * ends, and else without the bucket it falls in.
   */
  countUpTo(ms: number): number {
    const micros = ms * 1000;
    let count = 0;
    for (let i = 0; i < BUCKETS && upperMicros(i) <= micros; i++) count += this.cells[i];
    return count;
  }
}

/** The bucket of a duration; buckets are half open, `(lower, upper]`, as Prometheus' `le` is. */
function bucketOf(micros: number): number {
  const value = Math.max(0, Math.ceil(micros) - 1);
  if (value < LINEAR) return value;
  const shift = 31 - Math.clz32(value) - LINEAR_BITS;
  return (shift << LINEAR_BITS) + (value >> shift);
}

/** The longest duration of a bucket. */
function upperMicros(bucket: number): number {
  if (bucket < 2 * LINEAR) return bucket + 1;
  const shift = (bucket >> LINEAR_BITS) - 1;
  return ((bucket & (LINEAR - 1)) + LINEAR + 1) * 2 ** shift;
}
