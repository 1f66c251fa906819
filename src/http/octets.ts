/**
 * Octets and their classes (RFC 9110, 5.6; RFC 5234, B.1), and strings of one char an octet.
 *
 * A class is a table of 256 entries, 1 for a member: one load and one comparison for each octet.
 *
 * @module
 */

/** HTAB. */
export const HTAB = 0x09;
/** LF. */
export const LF = 0x0a;
/** CR. */
export const CR = 0x0d;
/** SP. */
export const SP = 0x20;

const ALPHA = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const DIGIT = "0123456789";

/** The table of the octets in `members` and in the ranges, both ends included. */
export function octetClass(members: string, ...ranges: readonly (readonly [number, number])[]): Uint8Array {
  const table = new Uint8Array(256);
  for (let i = 0; i < members.length; i++) table[members.charCodeAt(i)] = 1;
  for (const [first, last] of ranges) table.fill(1, first, last + 1);
  return table;
}

/** `tchar`: what names, methods and tokens are made of (RFC 9110, 5.6.2). */
export const TOKEN: Uint8Array = octetClass("!#$%&'*+-.^_`|~" + DIGIT + ALPHA);

/** What a field value may hold: HTAB, SP, VCHAR, obs-text (RFC 9110, 5.5). */
export const FIELD_VALUE: Uint8Array = octetClass("\t", [0x20, 0x7e], [0x80, 0xff]);

/** `qdtext` of a quoted string (RFC 9110, 5.6.4): its two exceptions are the quote and the backslash. */
export const QUOTED_TEXT: Uint8Array = octetClass("\t !", [0x23, 0x5b], [0x5d, 0x7e], [0x80, 0xff]);

/** Visible ASCII without `#`, `<` and `>`, which no part of a target may hold. */
export const TARGET: Uint8Array = octetClass('!"=?@', [0x24, 0x3b], [0x41, 0x7e]);

/** `pchar` (RFC 3986, 3.3) without the percent sign, and the slash: what a path holds as it is. */
export const PATH: Uint8Array = octetClass("/-._~!$&'()*+,;=:@" + DIGIT + ALPHA);

/** `reg-name` (RFC 3986, 3.2.2) without the percent sign. */
export const REG_NAME: Uint8Array = octetClass("-._~!$&'()*+,;=" + DIGIT + ALPHA);

/** The value of each hexadecimal digit; 255 for other octets. */
export const HEX_VALUE: Uint8Array = new Uint8Array(256).fill(255);
for (let i = 0; i < 10; i++) HEX_VALUE[0x30 + i] = i;
for (let i = 0; i < 6; i++) HEX_VALUE[0x41 + i] = HEX_VALUE[0x61 + i] = 10 + i;

/** Each octet with A to Z made lower. */
export const LOWER: Uint8Array = Uint8Array.from(
  { length: 256 },
  (_, i) => i >= 0x41 && i <= 0x5a ? i + 32 : i,
);

/** The octets as a string, one char each (isomorphic: no encoding is assumed). */
export function decodeOctets(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  let at = start;
  // Many arguments at a time: one call and one concatenation for eight octets instead of eight.
  for (; at + 8 <= end; at += 8) {
    text += String.fromCharCode(
      bytes[at],
      bytes[at + 1],
      bytes[at + 2],
      bytes[at + 3],
      bytes[at + 4],
      bytes[at + 5],
      bytes[at + 6],
      bytes[at + 7],
    );
  }
  if (at + 4 <= end) {
    text += String.fromCharCode(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
    at += 4;
  }
  for (; at < end; at++) text += String.fromCharCode(bytes[at]);
  return text;
}

/** The string's chars as octets; a char over 255 loses its upper half, so the caller knows that there is none. */
export function encodeOctets(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
