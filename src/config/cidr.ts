/**
 * Blocks of addresses, `10.0.0.0/8`, `2001:db8::/32`, or one address (RFC 4632, RFC 4291).
 *
 * @module
 */

import { quote, Refusal } from "./refusal.ts";

/** A block of addresses. */
export interface Cidr {
  /** Of which version. */
  readonly family: "ipv4" | "ipv6";
  /** In the shortest usual form. */
  readonly address: string;
  /** How many leading bits count: 0 to 32, or 0 to 128. */
  readonly prefix: number;
}

/** Reads a block or a single address (which is a block of one). */
export function parseCidr(text: string): Cidr | Refusal {
  const slash = text.indexOf("/");
  const addressText = slash === -1 ? text : text.slice(0, slash);
  const v4 = normalizeIpv4(addressText);
  const address = v4 ?? normalizeIpv6(addressText);
  if (address === null) {
    return new Refusal(
      `${quote(text)} is not a block of addresses: write 10.0.0.0/8, 2001:db8::/32 or one address`,
    );
  }
  const bits = v4 === null ? 128 : 32;
  if (slash === -1) return { family: v4 === null ? "ipv6" : "ipv4", address, prefix: bits };
  const prefixText = text.slice(slash + 1);
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(prefixText) || Number(prefixText) > bits) {
    return new Refusal(`${quote(text)}: what follows the slash is a number of bits from 0 to ${bits}`);
  }
  return { family: v4 === null ? "ipv6" : "ipv4", address, prefix: Number(prefixText) };
}

/** A dotted quad, four numbers from 0 to 255 without leading zeros; null for anything else. */
export function normalizeIpv4(text: string): string | null {
  const octet = "(?:0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])";
  return new RegExp(`^${octet}(?:\\.${octet}){3}$`).test(text) ? text : null;
}

/** An IPv6 address (no brackets, no zone) in its shortest form; null for anything else. */
export function normalizeIpv6(text: string): string | null {
  if (!/^[0-9A-Fa-f:.]+$/.test(text) || !text.includes(":")) return null;
  const url = URL.parse(`http://[${text}]/`);
  return url === null ? null : url.hostname.slice(1, -1);
}
