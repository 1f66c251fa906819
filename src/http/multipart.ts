/**
 * Reads multipart/form-data (RFC 7578 over RFC 2046, 5.1) from bytes as they arrive.
 *
 * Strict where readers differ, since what one of them takes for content another takes for a part: no preamble, no
 * transfer encodings, one Content-Disposition a part, and a line that begins with the delimiter is a delimiter line or an
 * error. What is kept between two calls is at most a part's head or a delimiter.
 *
 * @module
 */

import { HttpError } from "./error.ts";
import { type FieldLines, FieldSectionReader } from "./fields.ts";
import { CR, encodeOctets, HTAB, LF, SP } from "./octets.ts";

/** The head of one part. */
export interface PartHead {
  /** The name of the form's field. */
  readonly name: string;
  /** The name of the file as the client gives it, perhaps with folders; null for a field that is no file. */
  readonly fileName: string | null;
}

/** What was read. */
export type MultipartPiece =
  /** A part begins. */
  | { readonly kind: "head"; readonly head: PartHead }
  /** Content of the part, never empty; valid until the next call. */
  | { readonly kind: "content"; readonly bytes: Uint8Array<ArrayBuffer> }
  /** The part is complete. */
  | { readonly kind: "end" };

/** Bounds on a part's head: browsers send two lines. */
const HEAD_LIMITS = { headerBytes: 8192, headerCount: 16 };
/** White space behind a delimiter that transports are said to add. */
const PADDING_BYTES_MAX = 64;
const DASH = 0x2d;
const NOTHING = new Uint8Array(0);

/** `bchars` (RFC 2046, 5.1.1). */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;

/**
 * The boundary that a Content-Type announces.
 *
 * @param contentType The field's value, all its lines joined; null without.
 * @returns null: it is no multipart/form-data.
 * @throws {HttpError} 400: it is, but its boundary is missing or malformed.
 */
export function multipartBoundary(contentType: string | null): string | null {
  const type = contentType?.split(";", 1)[0].trim().toLowerCase();
  if (contentType === null || type !== "multipart/form-data") return null;
  const boundary = readParameters(contentType)?.get("boundary");
  if (boundary === undefined || !BOUNDARY.test(boundary)) {
    throw new HttpError(400, `multipart/form-data without a valid boundary: ${contentType}`);
  }
  return boundary;
}

const enum State {
  Start,
  /** Behind `CRLF "--" boundary`. */
  Delimiter,
  Head,
  Content,
  /** Behind the last delimiter: what follows is nobody's. */
  Epilogue,
}

/** Reads one body. */
export class MultipartReader {
  readonly #delimiter: Uint8Array;
  readonly #fields = new FieldSectionReader(HEAD_LIMITS);
  #state = State.Start;
  /** What could not be decided yet. The first delimiter has no CRLF of its own. */
  #rest: Uint8Array<ArrayBuffer> = Uint8Array.of(CR, LF);

  /**
   * Makes a reader for one body.
   *
   * @param boundary As {@linkcode multipartBoundary} gives it.
   */
  constructor(boundary: string) {
    this.#delimiter = encodeOctets(`\r\n--${boundary}`);
  }

  /**
   * Reads on.
   *
   * @param bytes What has arrived; it must not change before the pieces have been used.
   * @throws {HttpError} 400: it is malformed; 415: a part in a transfer encoding.
   */
  push(bytes: Uint8Array<ArrayBuffer>): MultipartPiece[] {
    const pieces: MultipartPiece[] = [];
    const buffer = this.#rest.length === 0 ? bytes : join(this.#rest, bytes);
    let at = 0;
    for (let next = 0; next !== -1; next = this.#step(buffer, at, pieces)) at = next;
    if (this.#state === State.Content) at = this.#contentUntilRest(buffer, at, pieces);
    this.#rest = this.#state === State.Epilogue ? NOTHING : buffer.slice(at);
    return pieces;
  }

  /**
   * The body has ended.
   *
   * @throws {HttpError} 400: it should not have.
   */
  finish(): void {
    if (this.#state !== State.Epilogue) throw malformed("it ends before its last delimiter");
  }

  /** Takes one step, and says up to where; -1: it needs more. */
  #step(buffer: Uint8Array<ArrayBuffer>, at: number, pieces: MultipartPiece[]): number {
    switch (this.#state) {
      case State.Start:
        return this.#readStart(buffer);
      case State.Delimiter:
        return this.#readDelimiterEnd(buffer, at);
      case State.Head:
        return this.#readHead(buffer, at, pieces);
      case State.Content: {
        const end = this.#find(buffer, at);
        if (end === -1) return -1;
        if (end > at) pieces.push({ kind: "content", bytes: buffer.subarray(at, end) });
        pieces.push({ kind: "end" });
        this.#state = State.Delimiter;
        return end + this.#delimiter.length;
      }
      case State.Epilogue:
        return -1;
    }
  }

  /** The first delimiter; some clients put an empty line before it. */
  #readStart(buffer: Uint8Array): number {
    for (const start of [0, 2]) {
      const length = this.#matchAt(buffer, start);
      if (length === this.#delimiter.length) {
        this.#state = State.Delimiter;
        return start + length;
      }
      if (start + length === buffer.length) return -1;
    }
    throw malformed("it does not begin with its delimiter");
  }

  /** `--` behind the last delimiter; else padding, and CRLF. */
  #readDelimiterEnd(buffer: Uint8Array, at: number): number {
    if (buffer.length - at < 2) return -1;
    if (buffer[at] === DASH && buffer[at + 1] === DASH) {
      this.#state = State.Epilogue;
      return at + 2;
    }
    let end = at;
    while (end < buffer.length && (buffer[end] === SP || buffer[end] === HTAB)) end++;
    if (end - at > PADDING_BYTES_MAX) throw malformed("a delimiter with too much white space behind it");
    if (end < buffer.length && buffer[end] !== CR) {
      throw malformed("a line that only begins as the delimiter");
    }
    if (buffer.length - end < 2) return -1;
    if (buffer[end + 1] !== LF) throw malformed("a bare CR behind a delimiter");
    this.#state = State.Head;
    return end + 2;
  }

  #readHead(buffer: Uint8Array, at: number, pieces: MultipartPiece[]): number {
    let end: number;
    try {
      end = this.#fields.read(buffer, at, buffer.length);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      throw malformed(`the head of a part: ${error.message}`);
    }
    if (end === -1) return -1;
    pieces.push({ kind: "head", head: readPartHead(this.#fields.section(buffer, at)) });
    this.#fields.reset();
    this.#state = State.Content;
    return end;
  }

  /** Gives all that cannot be the beginning of a delimiter, and says where that may be. */
  #contentUntilRest(buffer: Uint8Array<ArrayBuffer>, at: number, pieces: MultipartPiece[]): number {
    let end = Math.max(at, buffer.length - this.#delimiter.length + 1);
    while (end < buffer.length && this.#matchAt(buffer, end) < buffer.length - end) end++;
    if (end > at) pieces.push({ kind: "content", bytes: buffer.subarray(at, end) });
    return end;
  }

  /** Where the next delimiter begins; -1: nowhere. */
  #find(buffer: Uint8Array, from: number): number {
    for (let at = buffer.indexOf(CR, from); at !== -1; at = buffer.indexOf(CR, at + 1)) {
      if (this.#matchAt(buffer, at) === this.#delimiter.length) return at;
    }
    return -1;
  }

  /** How many bytes of the delimiter stand at a place. */
  #matchAt(buffer: Uint8Array, at: number): number {
    const delimiter = this.#delimiter;
    let length = 0;
    while (length < delimiter.length && buffer[at + length] === delimiter[length]) length++;
    return length;
  }
}

function readPartHead(fields: FieldLines): PartHead {
  const encoding = fields.combined("content-transfer-encoding")?.toLowerCase() ?? "binary";
  if (!["7bit", "8bit", "binary"].includes(encoding)) {
    throw new HttpError(415, `a part in the transfer encoding ${encoding}`);
  }
  const disposition = fields.combined("content-disposition");
  if (disposition === null || disposition !== fields.get("content-disposition")) {
    throw malformed("a part needs one Content-Disposition");
  }
  const parameters = readParameters(disposition);
  if (parameters === null || !/^form-data[ \t]*(?:;|$)/i.test(disposition)) {
    throw malformed(`a part that is no form-data: ${disposition}`);
  }
  const name = parameters.get("name");
  if (name === undefined) throw malformed("a part without a name");
  const plain = parameters.get("filename");
  const extended = parameters.get("filename*");
  const fileName = plain !== undefined
    ? decodeUtf8(plain)
    : extended !== undefined
    ? decodeExtended(extended)
    : null;
  return { name: decodeUtf8(name), fileName };
}

const PARAMETER =
  /[ \t]*;[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)|"((?:[^"\\]|\\[^])*)")[ \t]*/y;

/**
 * The parameters behind a value, by their names in lower case; null where they are malformed or one comes twice.
 *
 * Of the backslashes in quoted strings only those before a quote or another one are taken out: browsers have sent file
 * names with whole Windows paths.
 */
function readParameters(value: string): Map<string, string> | null {
  const parameters = new Map<string, string>();
  const first = value.indexOf(";");
  for (let at = first === -1 ? value.length : first; at < value.length;) {
    PARAMETER.lastIndex = at;
    const match = PARAMETER.exec(value);
    if (match === null) return value.slice(at).trim() === ";" ? parameters : null;
    at = PARAMETER.lastIndex;
    const [, name, token, quoted] = match;
    const key = name.toLowerCase();
    if (parameters.has(key)) return null;
    parameters.set(key, token ?? quoted.replace(/\\(["\\])/g, "$1"));
  }
  return parameters;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** From one char a byte. */
function decodeUtf8(text: string): string {
  try {
    return UTF8.decode(encodeOctets(text));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw malformed("a name that is no UTF-8");
  }
}

/** `ext-value` (RFC 8187, 3.2.1), which RFC 7578 advises against and some clients send. */
function decodeExtended(value: string): string {
  const match = /^utf-8'[^']*'(.*)$/i.exec(value);
  try {
    if (match !== null) return decodeURIComponent(match[1]);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
  }
  throw malformed(`the file name ${value}`);
}

function join(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}

function malformed(reason: string): HttpError {
  return new HttpError(400, `malformed multipart/form-data: ${reason}`);
}
