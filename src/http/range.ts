/**
 * Byte ranges (RFC 9110, 14): which parts of a representation a Range field asks for, and how several parts are put into
 * one `multipart/byteranges` body. Whether Range applies at all (method, If-Range) is `conditional.ts`'s matter.
 *
 * @module
 */

/** A part of a representation. */
export interface ByteRange {
  /** The position of its first byte, counted from 0. */
  readonly first: number;
  /** The position of its last byte. */
  readonly last: number;
}

/**
 * What a Range field means for a representation: `whole`, the field is ignored (200); `parts`, these are sent (206), one
 * or more, in the order asked for; `unsatisfiable`, none of them exists (416).
 */
export type RangeSelection =
  | { readonly kind: "whole" }
  | { readonly kind: "unsatisfiable" }
  | { readonly kind: "parts"; readonly parts: readonly ByteRange[] };

/** More ranges than this in one field are an attack or a mistake: the field is ignored. */
export const RANGE_COUNT_MAX = 100;

/** Ranges that overlap so that more than this many times the representation would be sent: the field is ignored. */
const REPETITION_MAX = 2;

const WHOLE: RangeSelection = Object.freeze({ kind: "whole" });
const UNSATISFIABLE: RangeSelection = Object.freeze({ kind: "unsatisfiable" });

/** `int-range` or `suffix-range`; a suffix has no first position. */
const RANGE_SPEC = /^(?:(\d+)-(\d*)|-(\d+))$/;

/**
 * Reads a Range field against a representation's length (RFC 9110, 14.1.2 and 14.2).
 *
 * An unknown unit, a malformed or senseless range, and what would cost more than it is worth make the field one that is
 * ignored, as the RFC allows: the client then gets the whole, which it has to expect anyway.
 *
 * @param value The field's value.
 * @param length The representation's length in bytes.
 */
export function selectRanges(value: string, length: number): RangeSelection {
  const equals = value.indexOf("=");
  if (equals < 0 || value.slice(0, equals).toLowerCase() !== "bytes") return WHOLE;

  const parts: ByteRange[] = [];
  let count = 0;
  let bytes = 0;
  for (const element of value.slice(equals + 1).split(",")) {
    const spec = element.replace(/^[ \t]+|[ \t]+$/g, "");
    if (spec === "") continue; // empty list elements mean nothing (RFC 9110, 5.6.1.2)
    if (++count > RANGE_COUNT_MAX) return WHOLE;
    const match = RANGE_SPEC.exec(spec);
    if (match === null) return WHOLE;
    const part = match[1] === undefined
      ? suffixRange(match[3], length)
      : intRange(match[1], match[2], length);
    if (part === "malformed") return WHOLE;
    if (part === null) continue;
    parts.push(part);
    bytes += part.last - part.first + 1;
  }
  if (count === 0 || bytes > REPETITION_MAX * length) return WHOLE;
  return parts.length === 0 ? UNSATISFIABLE : { kind: "parts", parts };
}

/** Positions beyond 2^53 lose digits or become Infinity: they are beyond every file either way. */
function intRange(firstText: string, lastText: string, length: number): ByteRange | "malformed" | null {
  const first = Number(firstText);
  const last = lastText === "" ? Infinity : Number(lastText);
  if (last < first) return "malformed";
  return first >= length ? null : { first, last: Math.min(last, length - 1) };
}

function suffixRange(countText: string, length: number): ByteRange | null {
  const count = Math.min(Number(countText), length);
  return count === 0 ? null : { first: length - count, last: length - 1 };
}

/** The value of Content-Range for one part (RFC 9110, 14.4). */
export function contentRange(part: ByteRange, length: number): string {
  return `bytes ${part.first}-${part.last}/${length}`;
}

/** The value of Content-Range of a 416: how long the representation is. */
export function unsatisfiedRange(length: number): string {
  return `bytes */${length}`;
}

/** A body of type `multipart/byteranges`, ready to be sent piece by piece. */
export interface MultipartRanges {
  /** The value of Content-Type, with the boundary. */
  readonly contentType: string;
  /** What is sent in turn: bytes as they are (delimiters and part heads), or parts of the representation. */
  readonly pieces: readonly (Uint8Array<ArrayBuffer> | ByteRange)[];
  /** Bytes of all pieces together: the value of Content-Length. */
  readonly length: number;
}

const ASCII = new TextEncoder();

/**
 * Puts several parts into one body (RFC 9110, 14.6; RFC 2046, 5.1).
 *
 * @param parts The parts, in the order in which they are sent.
 * @param length The representation's whole length in bytes.
 * @param type The representation's media type, for each part's head; null: without.
 * @param boundary 1 to 70 characters of RFC 2046's `bcharsnospace` that need no quoting, which the content must not hold:
 *   random ones.
 */
export function multipartRanges(
  parts: readonly ByteRange[],
  length: number,
  type: string | null,
  boundary: string,
): MultipartRanges {
  const pieces: (Uint8Array<ArrayBuffer> | ByteRange)[] = [];
  let total = 0;
  let delimiter = `--${boundary}\r\n`;
  const typeLine = type === null ? "" : `Content-Type: ${type}\r\n`;
  for (const part of parts) {
    const head = ASCII.encode(`${delimiter}${typeLine}Content-Range: ${contentRange(part, length)}\r\n\r\n`);
    pieces.push(head, part);
    total += head.length + part.last - part.first + 1;
    delimiter = `\r\n--${boundary}\r\n`;
  }
  const end = ASCII.encode(`\r\n--${boundary}--\r\n`);
  pieces.push(end);
  return { contentType: `multipart/byteranges; boundary=${boundary}`, pieces, length: total + end.length };
}
