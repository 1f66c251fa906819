/**
 * Targets that came lately, by their bytes: most requests ask for what was asked for before, and for these no string is made
 * and no character looked at again.
 *
 * @module
 */

import { decodeOctets } from "./octets.ts";
import { SentTarget } from "./target.ts";

/** How many are known at most: each has one place, which it takes from another. */
const PLACES = 1024;
/** Longer ones are none that many ask for. */
const BYTES_MAX = 128;
const QUESTION = 0x3f;

interface Known {
  readonly hash: number;
  readonly target: SentTarget;
}

/** A bounded set of targets. Those with a query are not among them: they are many, and may tell what is nobody else's business. */
export class KnownTargets {
  readonly #known = new Array<Known | null>(PLACES).fill(null);
  /** What came last to each place: one that is asked for once is not worth keeping. */
  readonly #seen = new Int32Array(PLACES);

  /** The target that these bytes spell. */
  read(bytes: Uint8Array, start: number, end: number): SentTarget {
    if (end - start > BYTES_MAX) return spell(bytes, start, end);
    let hash = 0;
    for (let at = start; at < end; at++) {
      if (bytes[at] === QUESTION) return spell(bytes, start, end);
      hash = (Math.imul(hash, 31) + bytes[at]) | 0;
    }
    const place = (hash ^ hash >>> 10) & (PLACES - 1);
    const known = this.#known[place];
    if (known !== null && known.hash === hash && isSpelled(known.target.text, bytes, start, end)) {
      return known.target;
    }
    const target = spell(bytes, start, end);
    if (this.#seen[place] === hash) this.#known[place] = { hash, target };
    this.#seen[place] = hash;
    return target;
  }
}

function spell(bytes: Uint8Array, start: number, end: number): SentTarget {
  return new SentTarget(decodeOctets(bytes, start, end));
}

function isSpelled(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== bytes[start + i]) return false;
  }
  return true;
}
