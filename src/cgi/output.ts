/**
 * A script's header (RFC 3875, 6): from its output, as it arrives, to a status, fields and the kind of response.
 *
 * No I/O and no clock. What follows the header is content and none of this file's business; nor is framing: fields that
 * would frame the message or steer the connection are taken out, since those are the server's to say.
 *
 * @module
 */

import type { Field } from "../http/fields.ts";

/** The header of a script's response. */
export interface ScriptHead {
  /**
   * `document`: no Location (6.2.1). `localRedirect`: a Location of this server and no other field (6.2.2).
   * `clientRedirect`: a Location and nothing else of note (6.2.3). `clientRedirectDocument`: with a Status or a
   * Content-Type of its own (6.2.4).
   */
  readonly kind: "document" | "localRedirect" | "clientRedirect" | "clientRedirectDocument";
  /** 200 to 599: from Status, or else 302 with a Location and 200 without. */
  readonly status: number;
  /** The phrase after the code in Status; null without. Isomorphic (one char per byte). */
  readonly reason: string | null;
  /** In the script's order and spelling, values isomorphic; without Status, Content-Length and the server's own fields. */
  readonly fields: readonly Field[];
  /** Bytes of content, as the script says; null when it does not. */
  readonly contentLength: number | null;
  /** For a local redirect, path and query, percent-encoded; null otherwise. */
  readonly localTarget: string | null;
}

/** What is wrong with a script's output. */
export interface BadOutput {
  /** Told from a head. */
  readonly kind: "bad";
  /** For the log: what is wrong, in which line, and what would be right. */
  readonly reason: string;
  /** The output from the line on that is wrong, isomorphic, as far as it is at hand and at most 1 KiB of it. */
  readonly text: string;
}

/** What a further piece of output came to. */
export type OutputStep =
  | { readonly kind: "more" }
  | { readonly kind: "head"; readonly head: ScriptHead; readonly rest: Uint8Array<ArrayBuffer> }
  | BadOutput;

/** How much of what is wrong is kept, in bytes. */
const TEXT_BYTES_MAX = 1024;

const LF = 0x0a;
const CR = 0x0d;
const MORE: OutputStep = { kind: "more" };

/** A line longer than this is shown shortened in a reason. */
const SHOWN_CHARS_MAX = 60;

/** The fields that are CGI's own (RFC 3875, 6.3). */
const CGI_FIELDS: ReadonlySet<string> = new Set(["content-type", "location", "status"]);

/**
 * Fields that are the server's to write, in lower case. Date is replaced, as Apache and nginx do: a script's own clock, or a
 * page that it kept, must not upset caches.
 */
const SERVERS_OWN: ReadonlySet<string> = new Set([
  "connection",
  "date",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** `tchar` of RFC 9110, 5.6.2, by byte. */
const IS_TOKEN: readonly boolean[] = Array.from(
  { length: 256 },
  (_, byte) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]$/.test(String.fromCharCode(byte)),
);

/** Reads a script's header from its output, given in pieces of any size. */
export class OutputParser {
  readonly #limitBytes: number;
  /** What arrived and is not yet read as lines. */
  #pending: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** How far `#pending` was searched for a line's end. */
  #searched = 0;
  #bytes = 0;
  #lines = 0;
  /** Where the line that is read begins in `#pending`. */
  #lineStart = 0;
  #status: { code: number; reason: string | null } | null = null;
  #contentLength: number | null = null;
  #location: string | null = null;
  /** A field of CGI's own that was sent without a value. */
  #empty: string | null = null;
  #hasContentType = false;
  readonly #fields: Field[] = [];

  /** Begins before the first line.
   *
   * @param limitBytes The header's longest length with its empty line, in bytes. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /**
   * Takes the next piece of output; never again after a `head` or a `bad`.
   *
   * @param bytes Not changed; `rest` may be a view of it.
   */
  push(bytes: Uint8Array<ArrayBuffer>): OutputStep {
    this.#pending = this.#pending.length === 0 ? bytes : concat(this.#pending, bytes);
    let start = 0;
    for (;;) {
      this.#lineStart = start;
      const end = this.#pending.indexOf(LF, Math.max(start, this.#searched));
      if (end === -1) break;
      const bad = this.#count(end + 1 - start);
      if (bad !== null) return bad;
      this.#lines++;
      const lineEnd = end > start && this.#pending[end - 1] === CR ? end - 1 : end;
      const line = this.#pending.subarray(start, lineEnd);
      start = end + 1;
      if (line.length === 0) return this.#finish(this.#pending.subarray(start));
      const fault = this.#readLine(line);
      if (fault !== null) return fault;
    }
    this.#pending = this.#pending.subarray(start);
    this.#searched = this.#pending.length;
    this.#lineStart = 0;
    // A NUL or an endless line is refused at once, not when the limit or the timeout is reached.
    if (this.#pending.includes(0)) return this.#bad(`line ${this.#lines + 1} holds a NUL byte`);
    if (this.#bytes + this.#pending.length > this.#limitBytes) return this.#tooLong();
    return MORE;
  }

  /** The output ended before the header did: says what is missing. */
  end(): BadOutput {
    if (this.#lines === 0 && this.#pending.length === 0) return this.#bad("it wrote nothing");
    const line = this.#lines + 1;
    if (this.#pending.length > 0) {
      const fault = this.#readLine(this.#pending, line);
      if (fault !== null) return fault;
    }
    return this.#bad(`its output ends in line ${line}, without the empty line that ends the header`);
  }

  #count(bytes: number): BadOutput | null {
    this.#bytes += bytes;
    return this.#bytes > this.#limitBytes ? this.#tooLong() : null;
  }

  #tooLong(): BadOutput {
    return this.#bad(
      `its header is longer than ${this.#limitBytes} bytes (head_bytes) in line ${this.#lines + 1}; ` +
        "is the empty line after it missing?",
    );
  }

  #bad(reason: string): BadOutput {
    const text = isomorphic(this.#pending.subarray(this.#lineStart, this.#lineStart + TEXT_BYTES_MAX));
    return { kind: "bad", reason, text };
  }

  /** Reads one field line, without its line end. */
  #readLine(line: Uint8Array, number = this.#lines): BadOutput | null {
    let colon = 0;
    while (colon < line.length && IS_TOKEN[line[colon]]) colon++;
    if (colon === 0 || line[colon] !== 0x3a) return this.#bad(notAField(line, number));
    for (let i = colon + 1; i < line.length; i++) {
      const byte = line[i];
      if ((byte < 0x20 && byte !== 0x09) || byte === 0x7f) {
        return this.#bad(`line ${number} holds the control byte 0x${byte.toString(16).padStart(2, "0")}`);
      }
    }
    const name = isomorphic(line.subarray(0, colon));
    return this.#take(name, trim(isomorphic(line.subarray(colon + 1))), number);
  }

  #take(name: string, value: string, number: number): BadOutput | null {
    const lower = name.toLowerCase();
    // "A NULL field value is equivalent to a field not being sent" (6.3).
    if (value === "" && CGI_FIELDS.has(lower)) {
      this.#empty = name;
      return null;
    }
    switch (lower) {
      case "status":
        return this.#takeStatus(value, number);
      case "content-length":
        return this.#takeContentLength(value, number);
      case "location":
        if (this.#location !== null) return this.#twice(name, number);
        this.#location = value;
        break;
      case "content-type":
        if (this.#hasContentType) return this.#twice(name, number);
        this.#hasContentType = true;
        break;
    }
    // X-CGI-*: for the server alone, and none is known here (6.3.5).
    if (!SERVERS_OWN.has(lower) && !lower.startsWith("x-cgi-")) this.#fields.push([name, value]);
    return null;
  }

  #takeStatus(value: string, number: number): BadOutput | null {
    if (this.#status !== null) return this.#twice("Status", number);
    const match = /^([0-9]{3})(?:[ \t]+(.*))?$/.exec(value);
    const code = match === null ? 0 : Number(match[1]);
    if (match === null || code < 100 || code > 599) {
      return this.#bad(`line ${number}: Status wants three digits from 200 to 599, not ${shown(value)}`);
    }
    if (code < 200) return this.#bad(`line ${number}: an interim status ${code} is the server's to send`);
    this.#status = { code, reason: match[2] ? match[2] : null };
    return null;
  }

  #takeContentLength(value: string, number: number): BadOutput | null {
    if (this.#contentLength !== null) return this.#twice("Content-Length", number);
    const length = /^[0-9]{1,16}$/.test(value) ? Number(value) : NaN;
    if (!Number.isSafeInteger(length)) {
      return this.#bad(`line ${number}: Content-Length wants digits, not ${shown(value)}`);
    }
    this.#contentLength = length;
    return null;
  }

  /** "The script MUST NOT" give a CGI field twice (6.3): which of the two it means is a guess. */
  #twice(name: string, number: number): BadOutput {
    return this.#bad(`line ${number}: ${name} is given twice`);
  }

  #finish(rest: Uint8Array<ArrayBuffer>): OutputStep {
    if (this.#lines === 1) {
      return this.#bad("line 1 is empty: the header is missing, Content-Type at least");
    }
    const location = this.#location;
    const hasNothing = this.#status === null && this.#contentLength === null && this.#fields.length === 0;
    if (location === null && hasNothing) {
      return this.#bad(
        this.#empty === null
          ? "the header says nothing: Content-Type at least is missing"
          : `the header says nothing, ${this.#empty} has no value: give it one, or write Content-Type`,
      );
    }
    // All lines but the empty one are fields.
    const isAlone = this.#lines === 2;
    const isLocal = location !== null && isAlone && /^\/(?!\/)[^#]*$/.test(location);
    const head: ScriptHead = {
      kind: location === null
        ? "document"
        : isLocal
        ? "localRedirect"
        : this.#status !== null || this.#hasContentType
        ? "clientRedirectDocument"
        : "clientRedirect",
      status: this.#status?.code ?? (location === null ? 200 : 302),
      reason: this.#status?.reason ?? null,
      fields: this.#fields,
      contentLength: this.#contentLength,
      localTarget: isLocal ? percentEncode(location) : null,
    };
    return { kind: "head", head, rest };
  }
}

/** Why a line is no field, in words that help who wrote the script. */
function notAField(line: Uint8Array, number: number): string {
  const text = isomorphic(line);
  if (line.includes(0)) return `line ${number} holds a NUL byte`;
  if (text.startsWith(" ") || text.startsWith("\t")) {
    return `line ${number} begins with white space: a field is one line`;
  }
  if (number === 1 && /^HTTP\/[0-9]/.test(text)) {
    return `line 1 is an HTTP status line: write "Status: ..." instead, or name the script nph-...`;
  }
  const hint = number === 1
    ? "the header must come first, Content-Type at least, then an empty line"
    : "is the empty line after the header missing?";
  return `line ${number} is no header field: ${shown(text)}; ${hint}`;
}

/** An isomorphic text in quotes, shortened, with anything but printable ASCII escaped. */
export function shown(text: string): string {
  const cut = text.length > SHOWN_CHARS_MAX ? text.slice(0, SHOWN_CHARS_MAX) + "..." : text;
  return JSON.stringify(cut).replace(/[\x7f-\uffff]/g, (c) => "\\x" + c.charCodeAt(0).toString(16));
}

/** One char per byte: what the script wrote reaches the client as it is. */
function isomorphic(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function trim(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value.charCodeAt(start))) start++;
  while (end > start && isBlank(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** Blanks and bytes over 127 are not allowed in a request target; the rest is the target parser's to judge. */
function percentEncode(target: string): string {
  return target.replace(
    /[\t \x80-\xff]/g,
    (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0"),
  );
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
