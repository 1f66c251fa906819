/**
 * `allow` and `deny`, and sets of address blocks in general.
 *
 * @module
 */

import { HttpError } from "../http/error.ts";
import { type IpAddress, parseIpAddress } from "../http/ip_address.ts";

/**
 * A set of addresses, made of blocks: sorted ranges that do not touch, in which an address is found by halving. Its cost
 * grows with the logarithm of their number.
 */
export class AddressSet {
  readonly #v4: Ranges<number>;
  readonly #v6: Ranges<bigint>;

  /**
   * Prepares the ranges.
   *
   * @param blocks `10.0.0.0/8`, `2001:db8::/32`, or single addresses. Bits behind the prefix count for nothing.
   * @throws {TypeError} One of them is no block: the configuration has checked them.
   */
  constructor(blocks: readonly string[]) {
    const v4: Range<number>[] = [];
    const v6: Range<bigint>[] = [];
    for (const text of blocks) {
      const { address, prefix } = parseBlock(text);
      if (address.family === 4) {
        const size = 2 ** (32 - prefix);
        const first = Math.floor(address.value / size) * size;
        v4.push({ first, last: first + size - 1 });
      } else {
        const shift = BigInt(128 - prefix);
        const first = (address.value >> shift) << shift;
        v6.push({ first, last: first + (1n << shift) - 1n });
      }
    }
    this.#v4 = new Ranges(v4);
    this.#v6 = new Ranges(v6);
  }

  /** Whether nothing is in it. */
  get isEmpty(): boolean {
    return this.#v4.isEmpty && this.#v6.isEmpty;
  }

  /** Whether an address, as text, is in it. What is no address, as that of a unix socket, is in no set. */
  has(address: string): boolean {
    if (this.isEmpty) return false;
    const parsed = parseIpAddress(address);
    if (parsed === null) return false;
    return parsed.family === 4 ? this.#v4.has(parsed.value) : this.#v6.has(parsed.value);
  }
}

/** Who may use a route, by address. */
export class AccessRule {
  readonly #allow: AddressSet | null;
  readonly #deny: AddressSet;

  /**
   * Prepares both sets.
   *
   * @param allow Only these; null: everybody.
   * @param deny Not these, whatever `allow` says.
   */
  constructor(allow: readonly string[] | null, deny: readonly string[]) {
    this.#allow = allow === null ? null : new AddressSet(allow);
    this.#deny = new AddressSet(deny);
  }

  /** Whether a client at this address may use it. An address that is not known is not among those allowed. */
  admits(address: string): boolean {
    return !this.#deny.has(address) && (this.#allow === null || this.#allow.has(address));
  }

  /**
   * Refuses who may not use it.
   *
   * @throws {HttpError} 403.
   */
  check(address: string): void {
    if (!this.admits(address)) {
      throw new HttpError(403, `${address || "a local client"} may not use this route`);
    }
  }
}

interface Range<T> {
  readonly first: T;
  readonly last: T;
}

/** Ranges of numbers, merged and sorted. */
class Ranges<T extends number | bigint> {
  readonly #firsts: T[] = [];
  readonly #lasts: T[] = [];

  constructor(ranges: Range<T>[]) {
    ranges.sort((a, b) => a.first < b.first ? -1 : a.first > b.first ? 1 : 0);
    for (const { first, last } of ranges) {
      const top = this.#lasts.length - 1;
      if (top >= 0 && first <= this.#lasts[top]) {
        if (last > this.#lasts[top]) this.#lasts[top] = last;
        continue;
      }
      this.#firsts.push(first);
      this.#lasts.push(last);
    }
  }

  get isEmpty(): boolean {
    return this.#firsts.length === 0;
  }

  has(value: T): boolean {
    let low = 0;
    let high = this.#firsts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#firsts[middle] <= value) low = middle + 1;
      else high = middle;
    }
    return low > 0 && value <= this.#lasts[low - 1];
  }
}

function parseBlock(text: string): { address: IpAddress; prefix: number } {
  const [addressText, prefixText] = text.split("/");
  const address = parseIpAddress(addressText);
  if (address === null) throw new TypeError(`${text} is no block of addresses`);
  const isWrittenAsV6 = addressText.includes(":");
  const bits = isWrittenAsV6 ? 128 : 32;
  const prefix = prefixText === undefined ? bits : Number(prefixText);
  if (!isWrittenAsV6 || address.family === 6) return { address, prefix };
  // `::ffff:10.0.0.0/104` is 10.0.0.0/8; a shorter prefix than that of all mapped addresses is a block of IPv6.
  if (prefix >= 96) return { address, prefix: prefix - 96 };
  return { address: { family: 6, value: (0xffffn << 32n) | BigInt(address.value) }, prefix };
}
