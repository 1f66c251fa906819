/**
 * The Host field and the authority of a target: `uri-host [ ":" port ]` (RFC 9110, 7.2; RFC 3986, 3.2.2).
 *
 * A host is a registered name, an IPv4 address (which is a name by its grammar) or an IPv6 address in brackets. There is
 * no user information, no zone and no IPvFuture: no client has reason to send them to an origin server.
 *
 * @module
 */

import { HEX_VALUE, REG_NAME } from "./octets.ts";

const COLON = 0x3a;
const PERCENT = 0x25;

/** Where the parts of an authority lie. */
export interface AuthorityParts {
  /** The host, an IPv6 address with its brackets; as written. */
  readonly host: string;
  /** 0 to 65535; null without one, also for a colon with nothing behind it. */
  readonly port: number | null;
}

/** Whether these bytes are `host [ ":" port ]` with a host that is not empty, and a port up to 65535. */
export function isAuthority(bytes: Uint8Array, start: number, end: number): boolean {
  const hostEnd = endOfHost(bytes, start, end);
  return hostEnd > start && isPortPart(bytes, hostEnd, end);
}

/** Host and port of what {@linkcode isAuthority} has let through. */
export function splitAuthority(authority: string): AuthorityParts {
  const colon = authority.lastIndexOf(":");
  if (colon === -1 || authority.endsWith("]")) return { host: authority, port: null };
  const port = authority.slice(colon + 1);
  return { host: authority.slice(0, colon), port: port === "" ? null : Number(port) };
}

/** Where the host ends; `start` when there is none or it is malformed. */
function endOfHost(bytes: Uint8Array, start: number, end: number): number {
  if (start < end && bytes[start] === 0x5b) {
    let close = start + 1;
    while (close < end && bytes[close] !== 0x5d) close++;
    return close < end && isIPv6(bytes, start + 1, close) ? close + 1 : start;
  }
  let at = start;
  while (at < end) {
    if (REG_NAME[bytes[at]] === 1) {
      at++;
    } else if (bytes[at] === PERCENT && at + 2 < end && isHex(bytes[at + 1]) && isHex(bytes[at + 2])) {
      at += 3;
    } else {
      break;
    }
  }
  return at;
}

/** Nothing, or a colon and a port of digits, which may be none. */
function isPortPart(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true;
  if (bytes[start] !== COLON) return false;
  let port = 0;
  for (let at = start + 1; at < end; at++) {
    const digit = bytes[at] - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
    if (port > 65535) return false;
  }
  return true;
}

/** `IPv6address` of RFC 3986: eight groups, `::` once for one or more of them, the last two perhaps as IPv4. */
function isIPv6(bytes: Uint8Array, start: number, end: number): boolean {
  let groups = 0;
  let hasGap = false;
  let at = start;
  // The bracket at `end` is neither a digit nor a colon, so that nothing here runs past it.
  if (bytes[at] === COLON && bytes[at + 1] === COLON) {
    hasGap = true;
    at += 2;
    if (at === end) return true;
  }
  for (;;) {
    const groupStart = at;
    while (at - groupStart < 5 && isHex(bytes[at])) at++;
    if (bytes[at] === 0x2e) {
      groups += 2;
      if (!isIPv4(bytes, groupStart, end)) return false;
      break;
    }
    if (at === groupStart || at - groupStart > 4) return false;
    groups++;
    if (at === end) break;
    if (bytes[at] !== COLON) return false;
    at++;
    if (bytes[at] === COLON) {
      if (hasGap) return false;
      hasGap = true;
      at++;
      if (at === end) break;
    }
  }
  return hasGap ? groups < 8 : groups === 8;
}

/** Four numbers of 0 to 255 without leading zeros. */
function isIPv4(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  for (let part = 0; part < 4; part++) {
    if (part > 0 && bytes[at++] !== 0x2e) return false;
    const partStart = at;
    let value = 0;
    while (at < end && bytes[at] >= 0x30 && bytes[at] <= 0x39) value = value * 10 + bytes[at++] - 0x30;
    if (at === partStart || value > 255 || (at - partStart > 1 && bytes[partStart] === 0x30)) return false;
  }
  return at === end;
}

function isHex(byte: number): boolean {
  return HEX_VALUE[byte] !== 255;
}
