/**
 * Objects in the order in which they came, where they come and go by the thousand.
 *
 * A Map or Set would keep them alive: as it grows and shrinks it changes its table, each former table leads to the next, and the
 * first that has grown old holds on to all that was in any of them until the next full collection. What leaves a chain leaves nothing
 * behind.
 *
 * @module
 */

/** Where an object stands in its chain. */
export interface Link<Item> {
  /** The object. */
  readonly item: Item;
  /** The one before; null: it is the first, or has left. */
  before: Link<Item> | null;
  /** The one behind; null: it is the last, or has left. */
  after: Link<Item> | null;
}

/** A chain of objects. */
export class Chain<Item> {
  #first: Link<Item> | null = null;
  #last: Link<Item> | null = null;
  #size = 0;

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  /** Puts an object at the end; whoever has its link can take it out. */
  add(item: Item): Link<Item> {
    const link: Link<Item> = { item, before: this.#last, after: null };
    if (this.#last === null) this.#first = link;
    else this.#last.after = link;
    this.#last = link;
    this.#size++;
    return link;
  }

  /** Takes an object out, by a link that is in this chain. */
  remove(link: Link<Item>): void {
    const { before, after } = link;
    if (before === null) this.#first = after;
    else before.after = after;
    if (after === null) this.#last = before;
    else after.before = before;
    link.before = null;
    link.after = null;
    this.#size--;
  }

  /** All of them, the oldest first; none may come or go meanwhile. */
  *[Symbol.iterator](): Iterator<Item> {
    for (let link = this.#first; link !== null; link = link.after) yield link.item;
  }
}
