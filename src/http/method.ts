/**
 * Request methods (RFC 9110, 9): those in IANA's registry, each as one string for the whole program.
 *
 * @module
 */

import { decodeOctets } from "./octets.ts";

/** No registered method is longer, in bytes; what is longer is refused before its end has come. */
export const METHOD_BYTES_MAX = 32;

/** The methods in IANA's HTTP Method Registry, except `*`, which is reserved so that nobody registers it. */
export const METHODS: readonly string[] = Object.freeze([
  "ACL",
  "BASELINE-CONTROL",
  "BIND",
  "CHECKIN",
  "CHECKOUT",
  "CONNECT",
  "COPY",
  "DELETE",
  "GET",
  "HEAD",
  "LABEL",
  "LINK",
  "LOCK",
  "MERGE",
  "MKACTIVITY",
  "MKCALENDAR",
  "MKCOL",
  "MKREDIRECTREF",
  "MKWORKSPACE",
  "MOVE",
  "OPTIONS",
  "ORDERPATCH",
  "PATCH",
  "POST",
  "PRI",
  "PROPFIND",
  "PROPPATCH",
  "PUT",
  "QUERY",
  "REBIND",
  "REPORT",
  "SEARCH",
  "TRACE",
  "UNBIND",
  "UNCHECKOUT",
  "UNLINK",
  "UNLOCK",
  "UPDATE",
  "UPDATEREDIRECTREF",
  "VERSION-CONTROL",
]);

const REGISTERED: ReadonlyMap<string, string> = new Map(METHODS.map((method) => [method, method]));

/** The registered method that these bytes spell; null when there is none. Case counts (RFC 9110, 9.1). */
export function methodOf(bytes: Uint8Array, start: number, end: number): string | null {
  const length = end - start;
  // The three that make up nearly all requests cost no string.
  if (length === 3 && bytes[start] === 0x47 && bytes[start + 1] === 0x45 && bytes[start + 2] === 0x54) {
    return "GET";
  }
  if (length === 4) {
    const word = bytes[start] << 24 | bytes[start + 1] << 16 | bytes[start + 2] << 8 | bytes[start + 3];
    if (word === 0x504f5354) return "POST";
    if (word === 0x48454144) return "HEAD";
  }
  return REGISTERED.get(decodeOctets(bytes, start, end)) ?? null;
}
