/**
 * A whole response that is sent again and again, rendered once for HTTP/1.1 on a connection that goes on: all that is left to do
 * is to write the date into it, or to copy it with a word more where the connection ends.
 *
 * @module
 */

import type { Field } from "./fields.ts";
import { decodeOctets, encodeOctets, LF } from "./octets.ts";
import { decideFraming, measureResponseHead, type ResponseHead, writeResponseHead } from "./response.ts";

const ANY_DATE = "Thu, 01 Jan 1970 00:00:00 GMT";
const DATE_NAME = "Date: ";
/** What stands in a closing response in place of the empty line. */
const CLOSING = encodeOctets("Connection: close\r\n\r\n");
const EMPTY_LINE_BYTES = 2;

/** A response, rendered. */
export class PreparedResponse {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #headBytes: number;
  /** Where the value of Date stands. */
  readonly #dateAt: number;
  #date: string;
  #head: Uint8Array<ArrayBuffer> | null = null;
  #content: Uint8Array<ArrayBuffer> | null = null;

  private constructor(bytes: Uint8Array<ArrayBuffer>, headBytes: number, dateAt: number, date: string) {
    this.#bytes = bytes;
    this.#headBytes = headBytes;
    this.#dateAt = dateAt;
    this.#date = date;
  }

  /**
   * Renders a response with its content.
   *
   * @throws {Error} As {@linkcode writeResponseHead}.
   */
  static of(status: number, fields: readonly Field[], content: Uint8Array | null): PreparedResponse {
    const length = content?.length ?? 0;
    const framing = decideFraming({ requestMinor: 1, method: "GET", status, length, keepAlive: true });
    const head: ResponseHead = { status, fields, date: ANY_DATE, framing };
    const headBytes = measureResponseHead(head);
    const bytes = new Uint8Array(headBytes + length);
    writeResponseHead(head, bytes, 0);
    if (content !== null) bytes.set(content, headBytes);
    return new PreparedResponse(bytes, headBytes, bytes.indexOf(LF) + 1 + DATE_NAME.length, ANY_DATE);
  }

  /** How many bytes it has, with its head. */
  get length(): number {
    return this.#bytes.length;
  }

  /** How many of them are its head. */
  get headBytes(): number {
    return this.#headBytes;
  }

  /** Its content, where it lies behind the head. */
  get content(): Uint8Array<ArrayBuffer> {
    return this.#content ??= this.#bytes.subarray(this.#headBytes);
  }

  /** Where this text stands in it. */
  placesOf(text: string): number[] {
    const places: number[] = [];
    const all = decodeOctets(this.#bytes, 0, this.length);
    for (let at = all.indexOf(text); at !== -1; at = all.indexOf(text, at + text.length)) places.push(at);
    return places;
  }

  /** The same in other bytes, as many as it has, with `text` written over what stands at each of these places. */
  copyTo(bytes: Uint8Array<ArrayBuffer>, text: string, places: readonly number[]): PreparedResponse {
    bytes.set(this.#bytes);
    for (const place of places) writeAscii(text, bytes, place);
    return new PreparedResponse(bytes, this.#headBytes, this.#dateAt, this.#date);
  }

  /** All of it, or its head alone, with this date: the same bytes each time. */
  dated(date: string, part: "all" | "head"): Uint8Array<ArrayBuffer> {
    if (date !== this.#date) {
      writeAscii(date, this.#bytes, this.#dateAt);
      this.#date = date;
    }
    return part === "all" ? this.#bytes : this.#head ??= this.#bytes.subarray(0, this.#headBytes);
  }

  /** How many bytes all of it, or its head alone, has where it is the last of its connection. */
  closingBytes(part: "all" | "head"): number {
    const bytes = part === "all" ? this.length : this.#headBytes;
    return bytes - EMPTY_LINE_BYTES + CLOSING.length;
  }

  /** Writes so many bytes from `offset` on, with this date and `Connection: close`. */
  writeClosing(date: string, part: "all" | "head", buffer: Uint8Array, offset: number): void {
    const headEnd = this.#headBytes - EMPTY_LINE_BYTES;
    buffer.set(this.dated(date, "head"), offset);
    buffer.set(CLOSING, offset + headEnd);
    if (part === "all") buffer.set(this.content, offset + headEnd + CLOSING.length);
  }
}

function writeAscii(text: string, bytes: Uint8Array, at: number): void {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
}
