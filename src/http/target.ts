/**
 * The request target (RFC 9112, 3.2; RFC 3986): its form, and the path as routes, files and scripts see it.
 *
 * @module
 */

import { HttpError } from "./error.ts";
import { isAuthority, splitAuthority } from "./host.ts";
import { HEX_VALUE, PATH, TARGET } from "./octets.ts";

/** A parsed request target. */
export interface Target {
  /** Its form (RFC 9112, 3.2). */
  readonly form: "origin" | "absolute" | "authority" | "asterisk";
  /** The path as sent, without query; `*` in asterisk-form; `/` for an absolute-form without path. */
  readonly rawPath: string;
  /**
   * The path decoded once, with dot segments removed and runs of slashes kept; begins with a slash.
   * `%2F` stays `%2F`; where bytes are no UTF-8, they stay percent-encoded and `isUtf8` is false.
   */
  readonly path: string;
  /** Whether the decoded bytes of the path are UTF-8. */
  readonly isUtf8: boolean;
  /** Whether `path` holds an encoded slash: no file has such a name. */
  readonly hasEncodedSlash: boolean;
  /** What follows the first `?`, as sent; null without one. */
  readonly query: string | null;
  /** `host[:port]` of an absolute-form, which beats the Host field; null otherwise. */
  readonly authority: string | null;
}

/**
 * Parses a target.
 *
 * @param target As sent, or as a script's local redirect gives it.
 * @param method Decides over the forms: authority-form is CONNECT's, asterisk-form OPTIONS's.
 * @throws {HttpError} 400: a form that is none or another method's; a byte that may not be there; in the path a malformed
 * escape, an encoded NUL, CR or LF, or dot segments that leave the root. The connection is closed.
 */
export function parseTarget(target: string, method: string): Target {
  if (method === "CONNECT") return parseAuthorityForm(target);
  if (target.charCodeAt(0) === SLASH) return parsePath(target, 0, "origin", null);
  if (target === "*" && method === "OPTIONS") {
    return {
      form: "asterisk",
      rawPath: "*",
      path: "*",
      isUtf8: true,
      hasEncodedSlash: false,
      query: null,
      authority: null,
    };
  }
  return parseAbsoluteForm(target);
}

/** A target as it was sent, which is parsed once, when that is first asked for. */
export class SentTarget {
  /** As sent; ASCII. */
  readonly text: string;
  #parsed: Target | null = null;

  /** Takes it as it is. */
  constructor(text: string) {
    this.text = text;
  }

  /**
   * Parses it.
   *
   * @throws {HttpError} As {@linkcode parseTarget}.
   */
  parse(method: string): Target {
    // Origin-form means the same for all methods that have it; the others are rare.
    const isOrigin = this.text.charCodeAt(0) === SLASH && method !== "CONNECT";
    return isOrigin ? this.#parsed ??= parseTarget(this.text, method) : parseTarget(this.text, method);
  }
}

/**
 * A decoded path as it stands in a Location: percent-encoded where RFC 3986 wants it. It begins with exactly one slash,
 * since what begins with two names another host.
 *
 * A decoded path does not tell `%2F` from `%252F`; where {@linkcode Target.hasEncodedSlash} is set or
 * {@linkcode Target.isUtf8} is not, `rawPath` does.
 */
export function encodePath(path: string): string {
  let first = 0;
  while (path.charCodeAt(first) === SLASH) first++;
  let encoded = "/";
  for (const byte of encoder.encode(path.slice(first))) {
    encoded += PATH[byte] === 1
      ? String.fromCharCode(byte)
      : "%" + byte.toString(16).toUpperCase().padStart(2, "0");
  }
  return encoded;
}

const SLASH = 0x2f;
const DOT = 0x2e;
const PERCENT = 0x25;
const QUESTION = 0x3f;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** RFC 9112, 3.2.3: host and port, both needed. */
function parseAuthorityForm(target: string): Target {
  if (!isAuthorityText(target) || splitAuthority(target).port === null) {
    throw malformed("a malformed authority-form");
  }
  return {
    form: "authority",
    rawPath: "",
    path: "/",
    isUtf8: true,
    hasEncodedSlash: false,
    query: null,
    authority: target,
  };
}

/** RFC 9112, 3.2.2: `http://host[:port]/path?query`. */
function parseAbsoluteForm(target: string): Target {
  const scheme = target.slice(0, 8).toLowerCase();
  const start = scheme.startsWith("http://") ? 7 : scheme === "https://" ? 8 : -1;
  if (start === -1) throw malformed("a target of no form that this method has");
  let end = start;
  while (end < target.length && target.charCodeAt(end) !== SLASH && target.charCodeAt(end) !== QUESTION) {
    end++;
  }
  const authority = target.slice(start, end);
  if (!isAuthorityText(authority)) throw malformed("a malformed authority in the target");
  return target.charCodeAt(end) === SLASH
    ? parsePath(target, end, "absolute", authority)
    : parsePath("/" + target.slice(end), 0, "absolute", authority);
}

function isAuthorityText(text: string): boolean {
  // Bytes, so that a char over 255 does not become another one on the way.
  const bytes = encoder.encode(text);
  return isAuthority(bytes, 0, bytes.length);
}

/** The path that begins at `start`, which is a slash, and the query. */
function parsePath(
  target: string,
  start: number,
  form: "origin" | "absolute",
  authority: string | null,
): Target {
  let isPlain = true;
  let at = start;
  let previous = 0;
  for (; at < target.length; at++) {
    const char = target.charCodeAt(at);
    if (char === QUESTION) break;
    if (char === PERCENT || (char === DOT && previous === SLASH)) isPlain = false;
    else if (PATH[char] !== 1) throw malformed("a byte in the path that may only stand there encoded");
    previous = char;
  }
  const rawPath = start === 0 && at === target.length ? target : target.slice(start, at);
  let query: string | null = null;
  if (at < target.length) {
    for (let i = at + 1; i < target.length; i++) {
      if (TARGET[target.charCodeAt(i)] !== 1) throw malformed("a byte in the query that no target may hold");
    }
    query = target.slice(at + 1);
  }
  if (isPlain) {
    return { form, rawPath, path: rawPath, isUtf8: true, hasEncodedSlash: false, query, authority };
  }
  const { text, isUtf8, hasEncodedSlash } = decodePath(rawPath);
  return { form, rawPath, path: removeDotSegments(text), isUtf8, hasEncodedSlash, query, authority };
}

/** A path without its escapes, but those of slashes and of bytes that are no UTF-8. */
function decodePath(rawPath: string): { text: string; isUtf8: boolean; hasEncodedSlash: boolean } {
  const bytes = new Uint8Array(rawPath.length);
  let length = 0;
  let hasEncodedSlash = false;
  let isAscii = true;
  for (let at = 0; at < rawPath.length; at++) {
    const char = rawPath.charCodeAt(at);
    if (char !== PERCENT) {
      bytes[length++] = char;
      continue;
    }
    const byte = escapedByte(rawPath, at);
    at += 2;
    if (byte === 0x00 || byte === 0x0a || byte === 0x0d) {
      throw malformed("an encoded NUL, CR or LF in the path");
    }
    if (byte === SLASH) {
      // A separator stays a separator, and what is none does not become one.
      hasEncodedSlash = true;
      bytes[length++] = PERCENT;
      bytes[length++] = 0x32;
      bytes[length++] = 0x46;
    } else {
      if (byte > 0x7f) isAscii = false;
      bytes[length++] = byte;
    }
  }
  const decoded = bytes.subarray(0, length);
  if (isAscii) return { text: decoder.decode(decoded), isUtf8: true, hasEncodedSlash };
  return { ...decodeUtf8(decoded), hasEncodedSlash };
}

function escapedByte(text: string, at: number): number {
  // Past the end this is NaN, which no table knows.
  const high = HEX_VALUE[text.charCodeAt(at + 1)] ?? 255;
  const low = HEX_VALUE[text.charCodeAt(at + 2)] ?? 255;
  if (high === 255 || low === 255) throw malformed("a malformed escape in the path");
  return high * 16 + low;
}

/** The text of UTF-8; of what is none, the bytes that are none come out percent-encoded. */
function decodeUtf8(bytes: Uint8Array): { text: string; isUtf8: boolean } {
  try {
    return { text: decoder.decode(bytes), isUtf8: true };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  let text = "";
  let at = 0;
  while (at < bytes.length) {
    const end = at + utf8Length(bytes, at);
    if (end === at) {
      text += "%" + bytes[at].toString(16).toUpperCase();
      at++;
    } else {
      text += decoder.decode(bytes.subarray(at, end));
      at = end;
    }
  }
  return { text, isUtf8: false };
}

/** How many bytes the well-formed character at `at` has (RFC 3629, 4); 0 when there is none. */
function utf8Length(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first < 0x80) return 1;
  const length = first >= 0xc2 && first <= 0xdf
    ? 2
    : first >= 0xe0 && first <= 0xef
    ? 3
    : first >= 0xf0 && first <= 0xf4
    ? 4
    : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  for (let i = at + 1; i < at + length; i++) {
    if ((bytes[i] & 0xc0) !== 0x80) return 0;
  }
  const second = bytes[at + 1];
  const isOverlong = (first === 0xe0 && second < 0xa0) || (first === 0xf0 && second < 0x90);
  const isSurrogate = first === 0xed && second > 0x9f;
  const isBeyond = first === 0xf4 && second > 0x8f;
  return isOverlong || isSurrogate || isBeyond ? 0 : length;
}

/** RFC 3986, 5.2.4, except that a path that leaves the root is refused and not pulled back into it. */
function removeDotSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.split("/");
  const last = segments.length - 1;
  // The first is empty: it is what stands in front of the first slash.
  for (let i = 1; i <= last; i++) {
    const segment = segments[i];
    if (segment !== "." && segment !== "..") {
      kept.push(segment);
      continue;
    }
    if (segment === ".." && kept.pop() === undefined) throw malformed("a path that leaves the root");
    if (i === last) kept.push("");
  }
  return "/" + kept.join("/");
}

function malformed(reason: string): HttpError {
  return new HttpError(400, reason, { close: true });
}
