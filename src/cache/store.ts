/**
 * Kept answers, bounded in bytes: what was not used for longest goes first. Pure.
 *
 * @module
 */

import type { Reply } from "../handlers/handler.ts";
import type { FieldSection } from "../http/fields.ts";
import type { Freshness } from "./policy.ts";

/** A kept answer. */
export interface Stored {
  /** The answer, whole, with its fields as the handler gave them. */
  readonly reply: Reply & { readonly body: Uint8Array<ArrayBuffer> | null };
  /** How long and for whom. */
  readonly freshness: Freshness;
  /** When it was kept, in milliseconds of the loop's clock. */
  readonly storedMs: number;
  /** How often its target had been changed when it was asked for. */
  readonly changes: number;
}

interface Entry {
  readonly stored: Stored;
  readonly target: string;
  readonly bytes: number;
}

/** What one target has: which fields of a request choose among its answers, and their keys. */
interface Variants {
  readonly vary: readonly string[];
  readonly keys: Set<string>;
}

/** What an entry costs beside its texts and bytes. */
const OVERHEAD_BYTES = 512;

/** Kept answers of one route. */
export class Store {
  readonly #maxBytes: number;
  /** By target and chosen fields; the least recently used first. */
  readonly #entries = new Map<string, Entry>();
  readonly #targets = new Map<string, Variants>();
  #bytes = 0;

  /**
   * Begins empty.
   *
   * @param maxBytes The most that is held, with what is reserved.
   */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held and reserved. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The number of answers. */
  get size(): number {
    return this.#entries.size;
  }

  /** What tells the answers of a target apart, as far as is known: requests of one key may share an answer. */
  keyOf(target: string, request: FieldSection): string {
    return variantKey(target, this.#targets.get(target)?.vary ?? [], request);
  }

  /**
   * The answer for a request; null without.
   *
   * @param nowMs The time of the loop's clock, at which it has to be fresh.
   * @param changes How often its target has been changed: not since it was asked for.
   */
  find(target: string, request: FieldSection, nowMs: number, changes: number): Stored | null {
    const key = this.keyOf(target, request);
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    this.#entries.delete(key);
    const { stored } = entry;
    if (stored.changes !== changes || ageMs(stored, nowMs) >= stored.freshness.lifetimeMs) {
      this.#forget(key, entry);
      return null;
    }
    this.#entries.set(key, entry);
    return stored;
  }

  /**
   * Keeps an answer in place of the one before; does nothing where it is too large.
   *
   * @param key Of {@linkcode variantKey}, by the answer's own `vary`.
   */
  put(target: string, key: string, stored: Stored): void {
    const { vary } = stored.freshness;
    const before = this.#targets.get(target);
    // The last answer says what it depends on (RFC 9111, 4.1); by other fields the others cannot be found.
    if (before !== undefined && before.vary.join() !== vary.join()) this.delete(target);
    const old = this.#entries.get(key);
    if (old !== undefined) this.#forget(key, old);
    const bytes = sizeOf(key, target, stored);
    if (!this.reserve(bytes)) return;
    this.#entries.set(key, { stored, target, bytes });
    const variants = this.#targets.get(target);
    if (variants === undefined) this.#targets.set(target, { vary, keys: new Set([key]) });
    else variants.keys.add(key);
  }

  /** Forgets all answers of a target. */
  delete(target: string): void {
    for (const key of this.#targets.get(target)?.keys ?? []) {
      const entry = this.#entries.get(key);
      if (entry !== undefined) this.#forget(key, entry);
    }
  }

  /** Holds room for an answer that is being made, at the cost of what was not used for longest; false: there is none. */
  reserve(bytes: number): boolean {
    if (bytes > this.#maxBytes) return false;
    while (this.#bytes + bytes > this.#maxBytes) {
      const [oldest] = this.#entries;
      if (oldest === undefined) return false;
      this.#forget(...oldest);
    }
    this.#bytes += bytes;
    return true;
  }

  /** Gives reserved room back. */
  release(bytes: number): void {
    this.#bytes -= bytes;
  }

  #forget(key: string, { target, bytes }: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= bytes;
    const variants = this.#targets.get(target);
    variants?.keys.delete(key);
    if (variants?.keys.size === 0) this.#targets.delete(target);
  }
}

/** How old an answer is at a time of the loop's clock, in milliseconds (RFC 9111, 4.2.3). */
export function ageMs({ freshness, storedMs }: Stored, nowMs: number): number {
  return freshness.ageMs + (nowMs - storedMs);
}

/** What tells an answer apart from the others of its target: the request's fields of these names. */
export function variantKey(target: string, vary: readonly string[], request: FieldSection): string {
  let key = target; // A NUL is in no field and no target.
  // A field that is absent is not one that is empty.
  for (const name of vary) key += "\0" + name + (request.combined(name)?.replace(/^/, "=") ?? "");
  return key;
}

function sizeOf(key: string, target: string, { reply }: Stored): number {
  let chars = key.length + target.length + (reply.reason?.length ?? 0);
  for (const [name, value] of reply.fields) chars += name.length + value.length + OVERHEAD_BYTES / 16;
  return 2 * chars + (reply.body?.length ?? 0) + OVERHEAD_BYTES;
}
