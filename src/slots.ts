/**
 * Objects by numbers that are used again, where objects come and go by the thousand: a Map would keep them alive, as
 * `chain.ts` says.
 *
 * @module
 */

/** A table of objects; 0 is no object's number. */
export class Slots<Item> {
  readonly #items: (Item | null)[] = [null];
  readonly #free: number[] = [];

  /** Keeps what `make` makes with its number, which nobody else has until `remove`. */
  add(make: (number: number) => Item): Item {
    const number = this.#free.pop() ?? this.#items.length;
    const item = make(number);
    this.#items[number] = item;
    return item;
  }

  /** The object that has the number now; null: none has. */
  get(number: number): Item | null {
    return this.#items[number] ?? null;
  }

  /** Forgets the object that has the number. */
  remove(number: number): void {
    this.#items[number] = null;
    this.#free.push(number);
  }

  /** All of them, which may go meanwhile. */
  all(): Item[] {
    return this.#items.filter((item) => item !== null);
  }
}
