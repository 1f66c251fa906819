/**
 * Which targets were changed, over all loops: each loop keeps answers of its own, and a POST that one of them handles makes those
 * of the others untrue as well (RFC 9111, 4.4).
 *
 * Counters in memory that the loops share, at a place that a hash of the target chooses: an answer holds as long as its
 * target's counter is what it was when it was asked for. Targets that meet forget each other's answers, which costs a run.
 *
 * @module
 */

/** Power of two: 64 KiB. */
const COUNTERS = 16_384;
const COUNTERS_AT = 1;

/** Counts changes of targets. */
export class Changes {
  readonly #cells: Int32Array;

  /**
   * Counts in memory that all loops share.
   *
   * @param memory As `memory()` makes it.
   */
  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Int32Array(memory);
  }

  /** Memory for the counts, with a seed of its own, so that nobody can choose targets that meet. */
  static memory(): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(4 * (COUNTERS_AT + COUNTERS));
    new Int32Array(memory).set(crypto.getRandomValues(new Int32Array(COUNTERS_AT)));
    return memory;
  }

  /** A target was changed. */
  note(target: string): void {
    Atomics.add(this.#cells, this.#placeOf(target), 1);
  }

  /** How often it was, so far; the number itself means nothing. */
  count(target: string): number {
    return Atomics.load(this.#cells, this.#placeOf(target));
  }

  /** FNV-1a with a seed, then the finalizer of MurmurHash3. */
  #placeOf(target: string): number {
    let hash = this.#cells[0];
    for (let i = 0; i < target.length; i++) hash = Math.imul(hash ^ target.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return COUNTERS_AT + ((hash ^ (hash >>> 16)) & (COUNTERS - 1));
  }
}
