/**
 * The pids of a script loop's running scripts, in memory that the supervisor shares: should the loop die, it still knows
 * what to end.
 *
 * @module
 */

/** A bounded set of pids; what does not fit is left out, and `places` keeps the number below its size. */
export class PidTable {
  readonly #cells: Int32Array;

  /**
   * A table over shared memory.
   *
   * @param memory Shared; four bytes a pid.
   */
  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Int32Array(memory);
  }

  /** Memory for `count` pids. */
  static memory(count: number): SharedArrayBuffer {
    return new SharedArrayBuffer(4 * count);
  }

  /** Notes a pid. */
  add(pid: number): void {
    const free = this.#cells.indexOf(0);
    if (free >= 0) Atomics.store(this.#cells, free, pid);
  }

  /** Forgets it. */
  remove(pid: number): void {
    const at = this.#cells.indexOf(pid);
    if (at >= 0) Atomics.store(this.#cells, at, 0);
  }

  /** All that are noted. */
  list(): number[] {
    return [...this.#cells].filter((pid) => pid !== 0);
  }
}
