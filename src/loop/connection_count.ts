/**
 * Keeps `limits.connections` and `limits.connections_per_ip`: the first over all loops, in shared memory.
 *
 * @module
 */

import type { Limits } from "../config/config.ts";

/** Counts connections. */
export class ConnectionCount {
  readonly #total: Int32Array;
  readonly #byAddress = new Map<string, number>();

  /**
   * Counts in memory that all loops share.
   *
   * @param memory Shared by all loops: four bytes.
   */
  constructor(memory: SharedArrayBuffer) {
    this.#total = new Int32Array(memory);
  }

  /** Memory for the count. */
  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(4);
  }

  /** Counts one more; false when there is no room for it. */
  enter(address: string, limits: Limits): boolean {
    const ofAddress = this.#byAddress.get(address) ?? 0;
    if (ofAddress >= limits.connectionsPerIp && address !== "") return false;
    if (Atomics.add(this.#total, 0, 1) >= limits.connections) {
      Atomics.sub(this.#total, 0, 1);
      return false;
    }
    this.#byAddress.set(address, ofAddress + 1);
    return true;
  }

  /** Counts one less. */
  leave(address: string): void {
    Atomics.sub(this.#total, 0, 1);
    const left = (this.#byAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, left);
  }
}
