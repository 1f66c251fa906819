/**
 * How many scripts run in other script loops: after a reload the old one finishes what it has beside the new one, and both
 * are held to one `max_processes`.
 *
 * @module
 */

/** More script loops than this at once are never counted apart: each is one reload whose scripts still run. */
const SLOTS = 64;

/** Where it stands how many slots were ever taken: each start looks at those, and most servers have one or two. */
const REACH = 2 * SLOTS;

/** One loop's view of the memory that all script loops share; each counts in a slot of its own. */
export class RunningScripts {
  readonly #slots: Int32Array;
  readonly #own: number;

  /**
   * Counts nothing yet.
   *
   * @param memory As `memory()` makes it.
   * @param slot As `takeSlot()` gives it.
   */
  constructor(memory: SharedArrayBuffer, slot: number) {
    this.#slots = new Int32Array(memory);
    this.#own = slot;
  }

  /** Memory for all loops. In each slot: the number of scripts, and whether it is taken; behind them `REACH`. */
  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(4 * (REACH + 1));
  }

  /** Takes a free slot for a loop; the last one where there is none. */
  static takeSlot(memory: SharedArrayBuffer): number {
    const slots = new Int32Array(memory);
    let slot = 0;
    while (slot < SLOTS - 1 && slots[SLOTS + slot] !== 0) slot++;
    slots[SLOTS + slot] = 1;
    Atomics.store(slots, REACH, Math.max(slots[REACH], slot + 1));
    return slot;
  }

  /** Gives the slot of a loop back whose scripts have all ended. */
  static giveSlot(memory: SharedArrayBuffer, slot: number): void {
    const slots = new Int32Array(memory);
    Atomics.store(slots, slot, 0);
    slots[SLOTS + slot] = 0;
  }

  /** Says how many run here. */
  publish(count: number): void {
    Atomics.store(this.#slots, this.#own, count);
  }

  /** How many run in all other loops. */
  elsewhere(): number {
    let sum = 0;
    const reach = Atomics.load(this.#slots, REACH);
    for (let slot = 0; slot < reach; slot++) {
      if (slot !== this.#own) sum += Atomics.load(this.#slots, slot);
    }
    return sum;
  }
}
