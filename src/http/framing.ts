/**
 * What follows a request's head, and what follows the answer: body, `100 Continue`, the next request (RFC 9112, 6 and 9).
 *
 * Where two readers could differ over where a request ends, the second request is the attacker's. So nothing here is
 * guessed or repaired: an ambiguous message is refused and its connection closed.
 *
 * @module
 */

import { HttpError } from "./error.ts";
import type { ParsedHead } from "./head.ts";
import { TOKEN } from "./octets.ts";

/** How long a request's body is. */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; /** 0 to 2^53-1. */ readonly bytes: number }
  | { readonly kind: "chunked" };

const NONE: Framing = Object.freeze({ kind: "none" });
const CHUNKED: Framing = Object.freeze({ kind: "chunked" });

/**
 * Finds out where the body ends (RFC 9112, 6.3).
 *
 * @throws {HttpError} 400: Transfer-Encoding with Content-Length, in HTTP/1.0, malformed, or not ending in its only
 * `chunked`; Content-Length twice, as a list, no digits or over 2^53-1. 501: another coding before `chunked`. All of them
 * close the connection.
 */
export function readFraming(head: ParsedHead): Framing {
  const { fields } = head;
  const length = fields.indexOf("content-length", 0);
  const codings = fields.combined("transfer-encoding");
  if (codings === null) {
    if (length === -1) return NONE;
    if (fields.indexOf("content-length", length + 1) !== -1) throw ambiguous("Content-Length twice");
    return { kind: "length", bytes: parseContentLength(fields.valueAt(length)) };
  }
  if (length !== -1) throw ambiguous("Transfer-Encoding with Content-Length");
  if (head.minor === 0) throw ambiguous("Transfer-Encoding in HTTP/1.0");
  checkTransferCodings(codings);
  return CHUNKED;
}

/**
 * Whether the connection is meant to go on after the answer (RFC 9112, 9.3): in HTTP/1.1 unless Connection says `close`, in
 * HTTP/1.0 only if it says `keep-alive`, and not `close` too.
 */
export function isPersistent(head: ParsedHead): boolean {
  const isDefault = head.minor === 1;
  const connection = head.fields.combined("connection");
  if (connection === null) return isDefault;
  if (connection === "keep-alive") return true; // as browsers send it
  if (connection === "close") return false; // as others do
  const options = listElements(connection);
  return !options.includes("close") && (isDefault || options.includes("keep-alive"));
}

/** What a client expects: nothing, `100 Continue` before it sends its body, or what nobody knows (417). */
export type Expectation = "none" | "continue" | "unknown";

/** What the client expects (RFC 9110, 10.1.1). HTTP/1.0 knows no expectations: there the field is ignored. */
export function readExpectation(head: ParsedHead): Expectation {
  const expect = head.minor === 0 ? null : head.fields.combined("expect");
  if (expect === null) return "none";
  const expectations = listElements(expect);
  if (expectations.some((expectation) => expectation !== "100-continue")) return "unknown";
  return expectations.length > 0 ? "continue" : "none";
}

/** `1*DIGIT` (RFC 9110, 8.6): no sign, no list, no fraction. */
function parseContentLength(text: string): number {
  if (text === "") throw ambiguous("an empty Content-Length");
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) throw ambiguous("a Content-Length that is not only digits");
    bytes = bytes * 10 + digit;
    // Looked at with each digit: up to here the number is exact, so that the comparison is.
    if (bytes > Number.MAX_SAFE_INTEGER) throw ambiguous("a Content-Length over 2^53-1");
  }
  return bytes;
}

/**
 * Lets only `chunked` through. Empty elements, which other lists may hold, are refused as well: some peer would skip them
 * and another not.
 */
function checkTransferCodings(text: string): void {
  // A quoted parameter could hide a comma; only codings that are unknown here have any.
  if (text.includes('"')) throw ambiguous("quotes in Transfer-Encoding");
  const codings = text.split(",").map((coding) => trim(coding).toLowerCase());
  for (const coding of codings) {
    const semicolon = coding.indexOf(";");
    if (!isToken(trim(semicolon === -1 ? coding : coding.slice(0, semicolon)))) {
      throw ambiguous("a malformed Transfer-Encoding");
    }
  }
  if (codings.at(-1) !== "chunked") throw ambiguous("a Transfer-Encoding that does not end in chunked");
  if (codings.indexOf("chunked") !== codings.length - 1) throw ambiguous("chunked twice");
  if (codings.length > 1) throw new HttpError(501, "a transfer coding other than chunked", { close: true });
}

/** The elements of a comma-separated list in lower case, without the empty ones (RFC 9110, 5.6.1). */
function listElements(text: string): string[] {
  return text.split(",").map((element) => trim(element).toLowerCase()).filter((element) => element !== "");
}

/** Without SP and HTAB around it; `trim()` would take off other bytes too, which are no white space here. */
function trim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && (text[start] === " " || text[start] === "\t")) start++;
  while (start < end && (text[end - 1] === " " || text[end - 1] === "\t")) end--;
  return text.slice(start, end);
}

function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (TOKEN[text.charCodeAt(i)] !== 1) return false;
  }
  return text !== "";
}

function ambiguous(reason: string): HttpError {
  return new HttpError(400, reason, { close: true });
}
