/**
 * The head of a request: request line and field section (RFC 9112, 3 and 5), from bytes as they arrive.
 *
 * What the fields mean for the body is in `framing.ts`, what the target means in `target.ts`.
 *
 * @module
 */

import { HttpError } from "./error.ts";
import { type FieldLines, type FieldSection, FieldSectionReader } from "./fields.ts";
import { isAuthority } from "./host.ts";
import { METHOD_BYTES_MAX, methodOf } from "./method.ts";
import { KnownTargets } from "./known_targets.ts";
import { CR, LF, SP, TARGET, TOKEN } from "./octets.ts";
import type { SentTarget } from "./target.ts";

/** Bounds on a head, all in bytes but the count. */
export interface HeadLimits {
  /** The request line, without its CRLF. */
  readonly requestLineBytes: number;
  /** All field lines together, each with its CRLF. */
  readonly headerBytes: number;
  /** Field lines. */
  readonly headerCount: number;
}

/** A request's head. */
export interface RequestHead {
  /** Upper-case token as sent. */
  readonly method: string;
  /** The request target as sent; ASCII. */
  readonly target: string;
  /** HTTP/1.`minor`. */
  readonly minor: 0 | 1;
  /** Its field lines. */
  readonly fields: FieldSection;
  /** Length of the head on the wire, with its closing empty line. */
  readonly bytes: number;
}

/** The version of HTTP that a head is of, as it is written. */
export function protocolOf({ minor }: RequestHead): "HTTP/1.1" | "HTTP/1.0" {
  return minor === 1 ? "HTTP/1.1" : "HTTP/1.0";
}

/** A head as {@linkcode HeadReader} gives it, over the bytes it was read from. */
export interface ParsedHead extends RequestHead {
  /** Its field lines. */
  readonly fields: FieldLines;
  /** The request target, which may have been parsed before. */
  readonly sent: SentTarget;
}

const enum State {
  Start,
  EmptyLineFeed,
  Method,
  Target,
  Version,
  LineFeed,
  Fields,
}

/**
 * Reads heads from bytes as they arrive, cut anywhere. No byte is looked at more than twice, so that a head that comes one byte at
 * a time costs no more than one that comes whole, and the limits hold while it is read.
 */
export class HeadReader {
  /** What it takes at most. */
  readonly limits: HeadLimits;

  readonly #fields: FieldSectionReader;
  readonly #targets: KnownTargets;
  #state = State.Start;
  /** How far it has read; like all places here, counted from where the head begins. */
  #at = 0;
  /** Where the request line begins: behind an empty line, if there was one. */
  #line = 0;
  #methodEnd = 0;
  #targetEnd = 0;
  #method = "";
  #sent: SentTarget | null = null;
  #minor: 0 | 1 = 1;

  /**
   * Makes a reader.
   *
   * @param limits What it takes at most.
   * @param targets Those that came before, which readers may share.
   */
  constructor(limits: HeadLimits, targets: KnownTargets = new KnownTargets()) {
    this.limits = limits;
    this.#targets = targets;
    this.#fields = new FieldSectionReader(limits);
  }

  /** Makes it ready for the next head. */
  reset(): void {
    this.#state = State.Start;
    this.#at = 0;
    this.#line = 0;
    this.#fields.reset();
  }

  /**
   * Reads on, and is ready for the next head when it returns one; after an error, `reset` makes it so. The head keeps
   * `buffer`: those bytes stay as they are while it is in use.
   *
   * @param buffer What has arrived; not always the same one, but always with the same bytes from `start` on.
   * @param start Where the head begins in it.
   * @param end Where what has arrived ends.
   * @returns The head; null while it is incomplete.
   * @throws {HttpError} 400: malformed, or Host missing, double or bad (RFC 9112, 3.2); 414: the request line is too long;
   * 431: the fields are too many or too long; 501: the method is not registered; 505: not HTTP/1. All of them close the
   * connection.
   */
  read(buffer: Uint8Array, start: number, end: number): ParsedHead | null {
    if (this.#state !== State.Fields && !this.#readRequestLine(buffer, start, end)) return null;
    const origin = start + this.#at;
    const headEnd = this.#fields.read(buffer, origin, end);
    if (headEnd === -1) return null;
    const sent = this.#sent;
    if (sent === null) throw new TypeError("a field section without a request line");
    const fields = this.#fields.section(buffer, origin);
    checkHost(fields, this.#minor);
    const head = {
      method: this.#method,
      target: sent.text,
      sent,
      minor: this.#minor,
      fields,
      bytes: headEnd - start,
    };
    this.reset();
    return head;
  }

  /** Whether the request line is complete; what is left begins behind it. */
  #readRequestLine(buffer: Uint8Array, start: number, end: number): boolean {
    let at = start + this.#at;
    let state = this.#state;
    // Until the line has begun, its limit is that of the empty line that may come before it.
    let limit = start + this.#line + this.limits.requestLineBytes;
    while (at < end) {
      if (state === State.Start) {
        if (buffer[at] === CR && this.#line === 0) {
          at++;
          state = State.EmptyLineFeed;
          continue;
        }
        if (TOKEN[buffer[at]] === 0) throw malformed("a request line that does not begin with a method");
        state = State.Method;
      }
      if (state === State.Method) {
        const line = start + this.#line;
        const bound = Math.min(end, limit, line + METHOD_BYTES_MAX + 1);
        while (at < bound && TOKEN[buffer[at]] === 1) at++;
        if (at - line > METHOD_BYTES_MAX) throw new HttpError(501, "the method is too long", { close: true });
        if (at === end) break;
        if (at >= limit) throw lineTooLong();
        if (buffer[at] !== SP) throw malformed("a method that is no token");
        this.#methodEnd = at - start;
        at++;
        state = State.Target;
      }
      if (state === State.Target) {
        const bound = Math.min(end, limit);
        while (at < bound && TARGET[buffer[at]] === 1) at++;
        if (at >= end) break;
        if (at >= limit) throw lineTooLong();
        if (buffer[at] !== SP) throw malformed("a target with a byte that no target may hold, or no version");
        if (at - start === this.#methodEnd + 1) throw malformed("an empty target");
        this.#targetEnd = at - start;
        at++;
        state = State.Version;
      }
      if (state === State.Version) {
        // Eight bytes, then CR; what is longer is malformed long before its end.
        const version = start + this.#targetEnd + 1;
        while (at < end && at < limit && at < version + 8 && TARGET[buffer[at]] === 1) at++;
        if (at >= end) break;
        if (buffer[at] !== CR) throw at >= limit ? lineTooLong() : malformed("a malformed version");
        this.#minor = readVersion(buffer, version, at);
        at++;
        state = State.LineFeed;
      } else if (state === State.LineFeed) {
        if (buffer[at] !== LF) throw malformed("a bare CR in the request line");
        this.#finishRequestLine(buffer, start);
        this.#at = at + 1 - start;
        this.#state = State.Fields;
        return true;
      } else {
        if (buffer[at] !== LF) throw malformed("a bare CR before the request line");
        at++;
        this.#line = at - start;
        limit = at + this.limits.requestLineBytes;
        state = State.Start;
      }
    }
    this.#at = at - start;
    this.#state = state;
    return false;
  }

  #finishRequestLine(buffer: Uint8Array, start: number): void {
    const method = methodOf(buffer, start + this.#line, start + this.#methodEnd);
    if (method === null) throw new HttpError(501, "the method is not registered", { close: true });
    this.#method = method;
    this.#sent = this.#targets.read(buffer, start + this.#methodEnd + 1, start + this.#targetEnd);
  }
}

/** `HTTP/1.x`: later minor versions are read as the latest that is known (RFC 9110, 2.5). */
function readVersion(bytes: Uint8Array, start: number, end: number): 0 | 1 {
  const major = bytes[start + 5] - 0x30;
  const minor = bytes[start + 7] - 0x30;
  if (
    end - start !== 8 || bytes[start] !== 0x48 || bytes[start + 1] !== 0x54 || bytes[start + 2] !== 0x54 ||
    bytes[start + 3] !== 0x50 || bytes[start + 4] !== 0x2f || bytes[start + 6] !== 0x2e ||
    major < 1 || major > 9 || minor < 0 || minor > 9
  ) throw malformed("a malformed version");
  if (major > 1) throw new HttpError(505, `HTTP/${major}.${minor} is not served`, { close: true });
  return minor === 0 ? 0 : 1;
}

/**
 * RFC 9112, 3.2: one Host in HTTP/1.1, at most one in HTTP/1.0. Its value may be empty, for a target without authority:
 * then the default site answers (RFC 9112, 3.3).
 */
function checkHost(fields: FieldLines, minor: 0 | 1): void {
  const line = fields.indexOf("host", 0);
  if (line === -1) {
    if (minor === 1) throw malformed("no Host in HTTP/1.1");
    return;
  }
  if (fields.indexOf("host", line + 1) !== -1) throw malformed("more than one Host");
  const start = fields.valueStart(line);
  const end = fields.valueEnd(line);
  if (end > start && !isAuthority(fields.bytes, start, end)) throw malformed("a malformed Host");
}

function malformed(reason: string): HttpError {
  return new HttpError(400, reason, { close: true });
}

function lineTooLong(): HttpError {
  return new HttpError(414, "the request line is longer than limits.request_line", { close: true });
}
