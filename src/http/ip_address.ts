/**
 * Addresses of clients as numbers: for blocks of addresses, and for what a proxy says of its client.
 *
 * @module
 */

/** An address, as a number of 32 or 128 bits. */
export type IpAddress =
  | { readonly family: 4; readonly value: number }
  | { readonly family: 6; readonly value: bigint };

/** `::ffff:0:0/96`: an IPv4 address on an IPv6 socket (RFC 4291, 2.5.5.2). */
const MAPPED_PREFIX = 0xffffn << 32n;

const GROUPS = 8;

/**
 * Reads an address: a dotted quad without leading zeros, or IPv6 (RFC 4291, 2.2) without brackets or zone. An IPv4-mapped
 * IPv6 address is that IPv4 address.
 *
 * @returns null for anything else.
 */
export function parseIpAddress(text: string): IpAddress | null {
  if (!text.includes(":")) {
    const value = parseIpv4(text);
    return value === null ? null : { family: 4, value };
  }
  const value = parseIpv6(text);
  if (value === null) return null;
  return value >> 32n === MAPPED_PREFIX >> 32n
    ? { family: 4, value: Number(value & 0xffff_ffffn) }
    : { family: 6, value };
}

/**
 * Whose address it is, where clients are counted: itself for IPv4, the /64 that it is in for IPv6, since a single customer has
 * that many addresses. What is no address is its own.
 */
export function customerKey(address: string): string {
  if (!address.includes(":")) return address;
  const parsed = parseIpAddress(address);
  return parsed?.family === 6 ? `${(parsed.value >> 64n).toString(16)}/64` : address;
}

/** The address as the system writes it: a dotted quad, or IPv6 in the form of RFC 5952. */
export function formatIpAddress(address: IpAddress): string {
  if (address.family === 4) {
    const { value } = address;
    return `${value >>> 24}.${(value >>> 16) & 0xff}.${(value >>> 8) & 0xff}.${value & 0xff}`;
  }
  const groups = Array.from(
    { length: GROUPS },
    (_, i) => Number((address.value >> BigInt(16 * (GROUPS - 1 - i))) & 0xffffn),
  );
  const gap = longestGap(groups);
  const hex = (from: number, to: number) =>
    groups.slice(from, to).map((group) => group.toString(16)).join(":");
  return gap === null ? hex(0, GROUPS) : `${hex(0, gap.start)}::${hex(gap.end, GROUPS)}`;
}

/** The first longest run of two or more zeros. */
function longestGap(groups: readonly number[]): { start: number; end: number } | null {
  let best: { start: number; end: number } | null = null;
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (end < groups.length && groups[end] === 0) end++;
    if (end - start >= 2 && (best === null || end - start > best.end - best.start)) best = { start, end };
    if (end > start) start = end;
  }
  return best;
}

function parseIpv4(text: string): number | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  let value = 0;
  for (const part of parts) {
    if (!/^(?:0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return null;
    value = value * 256 + Number(part);
  }
  return value;
}

function parseIpv6(text: string): bigint | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const isShortened = halves.length === 2;
  const head = parseGroups(halves[0], !isShortened);
  const tail = isShortened ? parseGroups(halves[1], true) : [];
  if (head === null || tail === null) return null;
  const zeros = GROUPS - head.length - tail.length;
  if (isShortened ? zeros < 1 : zeros !== 0) return null;
  let value = 0n;
  for (const group of [...head, ...Array<number>(zeros).fill(0), ...tail]) {
    value = (value << 16n) | BigInt(group);
  }
  return value;
}

/** Groups of 16 bits; the last two may be written as IPv4 where the address ends. */
function parseGroups(text: string, isEnd: boolean): number[] | null {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    if (part.includes(".") && isEnd && i === parts.length - 1) {
      const quad = parseIpv4(part);
      if (quad === null) return null;
      groups.push(Math.floor(quad / 65536), quad % 65536);
    } else if (/^[0-9A-Fa-f]{1,4}$/.test(part)) {
      groups.push(parseInt(part, 16));
    } else {
      return null;
    }
  }
  return groups;
}
