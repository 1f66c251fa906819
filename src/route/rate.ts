/**
 * `rate`: so many requests of one client address in so much time, and a burst at once.
 *
 * A token bucket, kept as one number: the time at which the bucket will be full again (the theoretical arrival time of the
 * generic cell rate algorithm, ITU-T I.371). A bucket that is full needs no memory, so a table of fixed size does. It lies
 * in memory that all network loops share, and is changed without locks: the limit holds over all of them together,
 * whichever loop takes a connection, and a loop that dies holds up nobody.
 *
 * @module
 */

import type { RateConfig } from "../config/config.ts";
import { HttpError } from "../http/error.ts";
import { customerKey } from "../http/ip_address.ts";

/** Places in which a client's bucket may be: the table is read eight cells at a time. */
const WAYS = 8;
/** Power of two. With {@linkcode WAYS}, 65,536 clients at once: 1 MiB. */
const SETS = 8192;
/** A key and a time. */
const CELLS_PER_PLACE = 2;
/** Seeds of the hash, first in the memory, so that nobody can choose addresses that fall on one another. */
const SEED_CELLS = 2;

/** The buckets of all clients on all routes, in shared memory of a fixed size. */
export class RateTable {
  readonly #cells: BigInt64Array;
  readonly #seedLow: number;
  readonly #seedHigh: number;

  /**
   * A view of the table.
   *
   * @param memory As `memory()` makes it.
   */
  constructor(memory: SharedArrayBuffer) {
    this.#cells = new BigInt64Array(memory);
    this.#seedLow = Number(this.#cells[0] & 0xffff_ffffn);
    this.#seedHigh = Number(this.#cells[1] & 0xffff_ffffn);
  }

  /** Memory for a table, with seeds of its own. */
  static memory(): SharedArrayBuffer {
    const cells = SEED_CELLS + SETS * WAYS * CELLS_PER_PLACE;
    const memory = new SharedArrayBuffer(cells * BigInt64Array.BYTES_PER_ELEMENT);
    const seeds = new BigInt64Array(SEED_CELLS);
    crypto.getRandomValues(seeds);
    new BigInt64Array(memory).set(seeds);
    return memory;
  }

  /**
   * Takes a token out of a bucket.
   *
   * @param key Whose bucket.
   * @param nowUs The time in microseconds, the same for all who share the table.
   * @param intervalUs How long a token takes to come back.
   * @param burst How many tokens a full bucket has.
   * @returns 0 when there was one; otherwise in how many microseconds there will be.
   */
  take(key: string, nowUs: number, intervalUs: number, burst: number): number {
    const time = this.#placeOf(key, BigInt(nowUs)) + 1;
    for (;;) {
      const seen = Atomics.load(this.#cells, time);
      // Further ahead than an empty bucket's is only the time of a clock that was put back since: it counts as one.
      const emptyUs = Math.ceil(nowUs + intervalUs * burst);
      if (seen > emptyUs) {
        Atomics.compareExchange(this.#cells, time, seen, BigInt(emptyUs));
        continue;
      }
      const fullAtUs = Math.max(Number(seen), nowUs);
      const waitUs = fullAtUs - nowUs - intervalUs * (burst - 1);
      if (waitUs > 0) return waitUs;
      const next = BigInt(Math.round(fullAtUs + intervalUs));
      if (Atomics.compareExchange(this.#cells, time, seen, next) === seen) return 0;
    }
  }

  /**
   * The place of a key: its own, or one that is made its own. Where all are taken, the bucket that will be full first goes:
   * who has asked most is remembered longest, so that a crowd of addresses does not wash a busy one out.
   */
  #placeOf(text: string, nowUs: bigint): number {
    const { set, key } = this.#hash(text);
    const first = SEED_CELLS + set * WAYS * CELLS_PER_PLACE;
    const end = first + WAYS * CELLS_PER_PLACE;
    for (;;) {
      let victim = first;
      let victimKey = 0n;
      let victimTime = 2n ** 63n - 1n;
      for (let place = first; place < end; place += CELLS_PER_PLACE) {
        const found = Atomics.load(this.#cells, place);
        if (found === key) return place;
        const time = found === 0n ? 0n : Atomics.load(this.#cells, place + 1);
        if (time < victimTime) {
          victim = place;
          victimKey = found;
          victimTime = time;
        }
      }
      if (Atomics.compareExchange(this.#cells, victim, victimKey, key) === victimKey) {
        if (victimTime > nowUs) Atomics.store(this.#cells, victim + 1, nowUs);
        return victim;
      }
    }
  }

  /** Two hashes of 32 bits over the text (FNV-1a with seeds, then the finalizer of MurmurHash3). */
  #hash(text: string): { set: number; key: bigint } {
    let low = this.#seedLow;
    let high = this.#seedHigh;
    for (let i = 0; i < text.length; i++) {
      const char = text.charCodeAt(i);
      low = Math.imul(low ^ char, 0x01000193);
      high = Math.imul(high ^ char, 0x85ebca6b) + low | 0;
    }
    low = mix(low);
    high = mix(high);
    const key = BigInt.asIntN(64, (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0));
    // 0 marks a place that is free.
    return { set: low & (SETS - 1), key: key === 0n ? 1n : key };
  }
}

function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** The rate of one route. */
export class RateLimit {
  readonly #table: RateTable;
  readonly #prefix: string;
  readonly #intervalUs: number;
  readonly #burst: number;
  readonly #nowMs: () => number;

  /**
   * Begins with full buckets.
   *
   * @param routeId Tells its buckets from those of other routes.
   * @param nowMs Milliseconds of a clock that all loops share.
   */
  constructor(table: RateTable, routeId: number, config: RateConfig, nowMs: () => number) {
    this.#table = table;
    this.#prefix = `${routeId} `;
    this.#intervalUs = config.perMs * 1000 / config.requests;
    this.#burst = config.burst;
    this.#nowMs = nowMs;
  }

  /**
   * Counts a request of a client.
   *
   * @throws {HttpError} 429 with Retry-After: it has asked too often.
   */
  check(address: string): void {
    const key = this.#prefix + customerKey(address);
    const waitUs = this.#table.take(key, Math.round(this.#nowMs() * 1000), this.#intervalUs, this.#burst);
    if (waitUs <= 0) return;
    const seconds = Math.max(1, Math.ceil(waitUs / 1_000_000));
    throw new HttpError(429, `${address || "a local client"} has asked too often`, {
      fields: [["Retry-After", String(seconds)]],
    });
  }
}
