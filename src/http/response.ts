/**
 * The head of a response (RFC 9112, 4 and 5) as bytes, and how its content is delimited (RFC 9112, 6).
 *
 * @module
 */

import type { Field } from "./fields.ts";
import { CR, encodeOctets, FIELD_VALUE, LF, SP, TOKEN } from "./octets.ts";
import { isBodiless, reasonPhrase } from "./status.ts";

/** What {@linkcode decideFraming} goes by. */
export interface FramingRequest {
  /** The request's HTTP/1.`minor`. */
  readonly requestMinor: 0 | 1;
  /** The request's method. */
  readonly method: string;
  /** The response's status. */
  readonly status: number;
  /** Bytes of the content that a GET would get; null when unknown. 0 for none. */
  readonly length: number | null;
  /** Whether the connection could go on: the client wants it and nothing on our side is against it. */
  readonly keepAlive: boolean;
}

/** How a response is delimited, and what becomes of its connection. */
export interface ResponseFraming {
  /** The Content-Length that is sent, in bytes; null: none. */
  readonly contentLength: number | null;
  /** Whether `Transfer-Encoding: chunked` is sent. */
  readonly chunked: boolean;
  /** Whether the connection goes on; if not, its closing may be what ends the content. */
  readonly persistent: boolean;
  /** Whether content follows the head. */
  readonly hasBody: boolean;
  /** The Connection field that is sent; null: none, since the version's default is meant. */
  readonly connection: "keep-alive" | "close" | null;
}

/**
 * Decides how a response is delimited (RFC 9110, 6.4.1 and 8.6; RFC 9112, 6.1 to 6.3 and 9.3).
 *
 * Content of unknown length is chunked for HTTP/1.1 and ended by closing for HTTP/1.0. HEAD gets the fields of a GET. 1xx
 * and 204 have neither length nor coding, 304 a length only where it is known and not 0, which would be that of an empty file.
 */
export function decideFraming(request: FramingRequest): ResponseFraming {
  const { requestMinor, method, status } = request;
  // A 205 has no content, whatever a script writes behind it (RFC 9110, 15.3.6).
  const length = status === 205 ? 0 : request.length;
  const isEmpty = isBodiless(status);
  const hasBody = !isEmpty && method !== "HEAD" && length !== 0;
  const chunked = !isEmpty && length === null && requestMinor === 1;
  const endsByClosing = hasBody && length === null && requestMinor === 0;
  const persistent = request.keepAlive && !endsByClosing;
  let contentLength = length;
  if (status < 200 || status === 204 || (status === 304 && length === 0)) contentLength = null;
  let connection: ResponseFraming["connection"] = null;
  // An interim response says nothing of the connection: the final one does.
  if (status >= 200) {
    if (!persistent) connection = "close";
    else if (requestMinor === 0) connection = "keep-alive";
  }
  return { contentLength, chunked, persistent, hasBody, connection };
}

/** A response's head. */
export interface ResponseHead {
  /** 100 to 999. */
  readonly status: number;
  /** The reason phrase; without it the registered one. */
  readonly reason?: string;
  /** Without Date and what framing adds. */
  readonly fields: readonly Field[];
  /** Fields behind those, likewise: a site's and a route's. */
  readonly moreFields?: readonly Field[];
  /** The Date field, rendered; null for an interim response. */
  readonly date: string | null;
  /** What {@linkcode decideFraming} gave. */
  readonly framing: ResponseFraming;
}

/**
 * How long a head is, in bytes: exactly what {@linkcode writeResponseHead} writes, so that head and content can be given
 * one buffer.
 */
export function measureResponseHead(head: ResponseHead): number {
  const { framing } = head;
  let bytes = statusLineOf(head).length + measureFields(head.fields) + CRLF.length;
  if (head.moreFields !== undefined) bytes += measureFields(head.moreFields);
  if (head.date !== null) bytes += DATE.length + head.date.length + CRLF.length;
  if (framing.contentLength !== null) {
    bytes += CONTENT_LENGTH.length + String(framing.contentLength).length + CRLF.length;
  }
  if (framing.chunked) bytes += CHUNKED.length;
  if (framing.connection !== null) bytes += connectionLine(framing.connection).length;
  return bytes;
}

/**
 * Writes a head, with its closing empty line.
 *
 * @param buffer Has room for it from `offset` on: {@linkcode measureResponseHead} tells how much.
 * @returns Where the head ends in `buffer`.
 * @throws {Error} A name that is no token, or a CR, LF, NUL or another char in a value or reason that no field may hold:
 * a bug of ours, since what scripts say is checked before.
 * @throws {RangeError} There is not enough room.
 */
export function writeResponseHead(head: ResponseHead, buffer: Uint8Array, offset: number): number {
  const { framing } = head;
  let at = writeBytes(statusLineOf(head), buffer, offset);
  if (head.date !== null) {
    at = writeBytes(DATE, buffer, at);
    at = writeValue(head.date, buffer, at);
    at = writeBytes(CRLF, buffer, at);
  }
  at = writeFields(head.fields, buffer, at);
  if (head.moreFields !== undefined) at = writeFields(head.moreFields, buffer, at);
  if (framing.contentLength !== null) {
    at = writeBytes(CONTENT_LENGTH, buffer, at);
    at = writeValue(String(framing.contentLength), buffer, at);
    at = writeBytes(CRLF, buffer, at);
  }
  if (framing.chunked) at = writeBytes(CHUNKED, buffer, at);
  if (framing.connection !== null) at = writeBytes(connectionLine(framing.connection), buffer, at);
  at = writeBytes(CRLF, buffer, at);
  // Writing beyond a typed array's end does nothing; a head cut short must not go out.
  if (at > buffer.length) {
    throw new RangeError(`A head of ${at - offset} bytes has no room at ${offset} of ${buffer.length}`);
  }
  return at;
}

/**
 * Renders fields once that are sent again and again: a cached file's, a site's. Sending what this returns is a copy of
 * bytes; sending an equal list is not.
 *
 * @returns The same fields, frozen.
 * @throws {Error} As {@linkcode writeResponseHead}.
 */
export function prepareFields(fields: readonly Field[]): readonly Field[] {
  const prepared = Object.freeze(fields.map(([name, value]) => Object.freeze([name, value] as const)));
  const bytes = new Uint8Array(measureFields(prepared));
  writeFields(prepared, bytes, 0);
  PREPARED.set(prepared, bytes);
  return prepared;
}

/** A head in a buffer of its own. */
export function encodeResponseHead(head: ResponseHead): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(measureResponseHead(head));
  writeResponseHead(head, bytes, 0);
  return bytes;
}

/** `100 Continue`, whole (RFC 9110, 15.2.1). Not to be changed. */
export const CONTINUE: Uint8Array<ArrayBuffer> = encodeOctets("HTTP/1.1 100 Continue\r\n\r\n");

const CRLF = encodeOctets("\r\n");
const DATE = encodeOctets("Date: ");
const CONTENT_LENGTH = encodeOctets("Content-Length: ");
const CHUNKED = encodeOctets("Transfer-Encoding: chunked\r\n");
const CLOSE = encodeOctets("Connection: close\r\n");
const KEEP_ALIVE = encodeOctets("Connection: keep-alive\r\n");

/** What {@linkcode prepareFields} has rendered, as long as somebody has the fields. */
const PREPARED = new WeakMap<readonly Field[], Uint8Array>();

/** Status lines with the registered phrase, by status: at most one for each of 900. */
const STATUS_LINES: Uint8Array[] = [];

function statusLineOf(head: ResponseHead): Uint8Array {
  if (head.reason !== undefined) return encodeStatusLine(head.status, head.reason);
  return STATUS_LINES[head.status] ??= encodeStatusLine(head.status, reasonPhrase(head.status));
}

function encodeStatusLine(status: number, reason: string): Uint8Array {
  if (!Number.isInteger(status) || status < 100 || status > 999) throw new Error(`${status} is no status`);
  const line = new Uint8Array(15 + reason.length);
  let at = writeValue(`HTTP/1.1 ${status} `, line, 0);
  at = writeValue(reason, line, at);
  writeBytes(CRLF, line, at);
  return line;
}

function connectionLine(connection: "keep-alive" | "close"): Uint8Array {
  return connection === "close" ? CLOSE : KEEP_ALIVE;
}

function measureFields(fields: readonly Field[]): number {
  const prepared = PREPARED.get(fields);
  if (prepared !== undefined) return prepared.length;
  let bytes = 0;
  for (let i = 0; i < fields.length; i++) bytes += fields[i][0].length + fields[i][1].length + 4;
  return bytes;
}

function writeFields(fields: readonly Field[], buffer: Uint8Array, offset: number): number {
  const prepared = PREPARED.get(fields);
  if (prepared !== undefined) {
    // A place that is too small is refused at the end, for all parts alike; set() would throw here.
    if (offset + prepared.length <= buffer.length) buffer.set(prepared, offset);
    return offset + prepared.length;
  }
  let at = offset;
  for (let i = 0; i < fields.length; i++) {
    at = writeName(fields[i][0], buffer, at);
    buffer[at++] = 0x3a;
    buffer[at++] = SP;
    at = writeValue(fields[i][1], buffer, at);
    buffer[at++] = CR;
    buffer[at++] = LF;
  }
  return at;
}

function writeName(name: string, buffer: Uint8Array, offset: number): number {
  const length = name.length;
  if (length === 0) throw new Error("A field without a name was to be sent");
  for (let i = 0; i < length; i++) {
    const char = name.charCodeAt(i);
    if (TOKEN[char] !== 1) throw new Error(`The field name ${JSON.stringify(name)} was to be sent`);
    buffer[offset + i] = char;
  }
  return offset + length;
}

function writeValue(value: string, buffer: Uint8Array, offset: number): number {
  const length = value.length;
  for (let i = 0; i < length; i++) {
    const char = value.charCodeAt(i);
    // Chars over 255 are in no table: a value is one char a byte, encoded by who made it.
    if (FIELD_VALUE[char] !== 1) throw new Error(`The field value ${JSON.stringify(value)} was to be sent`);
    buffer[offset + i] = char;
  }
  return offset + length;
}

function writeBytes(bytes: Uint8Array, buffer: Uint8Array, offset: number): number {
  const length = bytes.length;
  for (let i = 0; i < length; i++) buffer[offset + i] = bytes[i];
  return offset + length;
}
