/**
 * Readers of heads, lent to the clients of a loop: one is in use only while a part of a head has come, and idle clients have none.
 *
 * @module
 */

import { type HeadLimits, HeadReader } from "../http/head.ts";
import { KnownTargets } from "../http/known_targets.ts";

/** How many are kept for the next client: the rest were in use at once by slow ones. */
const KEPT_MAX = 16;

/** Readers within the same limits. */
export class HeadReaders {
  readonly #limits: HeadLimits;
  readonly #targets = new KnownTargets();
  readonly #kept: HeadReader[] = [];

  /** Makes readers that take at most what `limits` say. */
  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  /** One that is ready for a head. */
  take(): HeadReader {
    return this.#kept.pop() ?? new HeadReader(this.#limits, this.#targets);
  }

  /** Takes one back that has read all of a head; one of other limits, from before a reload, is left to the garbage collector. */
  give(reader: HeadReader): void {
    if (reader.limits === this.#limits && this.#kept.length < KEPT_MAX) this.#kept.push(reader);
  }
}
