/**
 * Keeps `limits.connections` and `limits.connections_per_ip` over all loops, in memory that they share.
 *
 * Connections of an address are counted in three rows of counters, at a place in each that a hash chooses; the least of the
 * three is the count. Addresses that meet in a row do not meet in all of them, and a count is never too low. So the memory
 * has a fixed size, and nobody waits for a lock.
 *
 * Each loop keeps what it has added of that in memory of its own, which the supervisor sees: should the loop die, its
 * connections are taken off again.
 *
 * @module
 */

import type { Limits } from "../config/config.ts";

const ROWS = 3;
/** Power of two. */
const COLUMNS = 32_768;
/** First the total, then a seed for each row, so that nobody can choose addresses that meet. */
const SEEDS_AT = 1;
const ROWS_AT = SEEDS_AT + ROWS;

/** Counts connections. */
export class ConnectionCount {
  readonly #cells: Int32Array;
  readonly #own: Int32Array;

  /**
   * Counts in memory that all loops share.
   *
   * @param memory As `memory()` makes it.
   * @param own This loop's part, as `ownMemory()` makes it.
   */
  constructor(memory: SharedArrayBuffer, own: SharedArrayBuffer) {
    this.#cells = new Int32Array(memory);
    this.#own = new Int32Array(own);
  }

  /** Memory for the counts, with seeds of its own. */
  static memory(): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(4 * (ROWS_AT + ROWS * COLUMNS));
    new Int32Array(memory).set(crypto.getRandomValues(new Int32Array(ROWS)), SEEDS_AT);
    return memory;
  }

  /** Memory for one loop's part. */
  static ownMemory(): SharedArrayBuffer {
    return new SharedArrayBuffer(4 * (ROWS_AT + ROWS * COLUMNS));
  }

  /** Takes the part of a loop that is gone off all counts. Harmless when repeated. */
  static forget(memory: SharedArrayBuffer, own: SharedArrayBuffer): void {
    const cells = new Int32Array(memory);
    const part = new Int32Array(own);
    part.forEach((count, cell) => {
      if (count !== 0) Atomics.sub(cells, cell, count);
    });
    part.fill(0);
  }

  /**
   * Counts one more; false when there is no room for it.
   *
   * @param address Whose; empty where it is not known, or does not count.
   */
  enter(address: string, limits: Limits): boolean {
    if (this.#add(0, 1) < limits.connections && this.enterAddress(address, limits)) {
      return true;
    }
    this.#add(0, -1);
    return false;
  }

  /** Counts a connection that was let in already for an address; false when that has too many. */
  enterAddress(address: string, limits: Limits): boolean {
    if (address === "") return true;
    let count = Infinity;
    for (let row = 0; row < ROWS; row++) {
      count = Math.min(count, this.#add(this.#placeOf(row, address), 1));
    }
    if (count < limits.connectionsPerIp) return true;
    this.#leaveAddress(address);
    return false;
  }

  /** Counts one less. */
  leave(address: string): void {
    this.#add(0, -1);
    if (address !== "") this.#leaveAddress(address);
  }

  #leaveAddress(address: string): void {
    for (let row = 0; row < ROWS; row++) this.#add(this.#placeOf(row, address), -1);
  }

  /** Adds to a count; what it was before. */
  #add(cell: number, amount: number): number {
    this.#own[cell] += amount;
    return Atomics.add(this.#cells, cell, amount);
  }

  /** FNV-1a with a seed, then the finalizer of MurmurHash3. */
  #placeOf(row: number, address: string): number {
    let hash = this.#cells[SEEDS_AT + row];
    for (let i = 0; i < address.length; i++) hash = Math.imul(hash ^ address.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return ROWS_AT + row * COLUMNS + ((hash ^ (hash >>> 16)) & (COLUMNS - 1));
  }
}
