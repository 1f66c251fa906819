/**
 * What all files routes of a loop remember, within one bound.
 *
 * Each route keeps its own map from paths to entries; this keeps the order in which they are given up, and says for how
 * long one may be believed. An entry that was used since it was last looked at gets a second chance: nearly as good as
 * least recently used, and a hit costs one assignment.
 *
 * @module
 */

/** Something that is remembered. */
export interface CacheEntry {
  /** Set at each use. */
  isUsed: boolean;
  /** What it takes, in bytes, its own overhead included; does not change while it is in the cache. */
  readonly costBytes: number;
  /** Its owner forgets it. */
  forget(): void;
}

/** At least so long is an entry believed, in milliseconds: under load, that is a few looks at the disk in a thousand hits. */
const BELIEVED_MIN_MS = 5;

/** At most so long. */
const BELIEVED_MAX_MS = 1000;

/** A bounded set of entries. */
export class FileCache {
  readonly #entries = new Set<CacheEntry>();
  readonly #maxBytes: number;
  #bytes = 0;
  #generation = 0;

  /**
   * An empty cache.
   *
   * @param maxBytes What all entries may take together.
   */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** What all entries take together, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many entries there are. */
  get size(): number {
    return this.#entries.size;
  }

  /** Entries of an earlier generation are not believed without a look at the disk. */
  get generation(): number {
    return this.#generation;
  }

  /** Something was written: nothing is believed without a look at the disk. */
  doubtAll(): void {
    this.#generation++;
  }

  /**
   * For how long an entry is believed before the file is looked at again, in milliseconds.
   *
   * A millisecond an entry bounds the looks to a thousand a second over all of them, whatever the load, which is about
   * one hundredth of a core; a small site gets 5 ms, in which nobody can save a file and reload a page; it is never more
   * than a second.
   */
  get believedMs(): number {
    return Math.min(BELIEVED_MAX_MS, Math.max(BELIEVED_MIN_MS, this.#entries.size));
  }

  /** Adds an entry, which has the same second chance as others, and gives up what is too much. */
  add(entry: CacheEntry): void {
    this.#entries.add(entry);
    this.#bytes += entry.costBytes;
    // A second chance puts an entry behind the last, so the loop comes to it again if need be.
    for (const candidate of this.#entries) {
      if (this.#bytes <= this.#maxBytes) return;
      if (candidate.isUsed) {
        candidate.isUsed = false;
        this.#entries.delete(candidate);
        this.#entries.add(candidate);
      } else {
        this.remove(candidate);
        candidate.forget();
      }
    }
  }

  /** Takes an entry out. Harmless when it is not there. */
  remove(entry: CacheEntry): void {
    if (this.#entries.delete(entry)) this.#bytes -= entry.costBytes;
  }
}
