/**
 * The chunked transfer coding (RFC 9112, 7.1): chunks in, their data out; and the few bytes that make chunks of ours.
 *
 * The reader is strict to the byte. What it lets pass unseen, another reader in front of or behind it may see: that is how
 * requests are smuggled. Extensions and trailers are checked, counted against the limits, and dropped.
 *
 * @module
 */

import { HttpError } from "./error.ts";
import { FieldSectionReader } from "./fields.ts";
import { CR, encodeOctets, HEX_VALUE, HTAB, LF, QUOTED_TEXT, SP, TOKEN } from "./octets.ts";

/** Bounds on what comes beside the data. */
export interface ChunkedLimits {
  /** Bytes of all chunk extensions and the trailer section together. */
  readonly headerBytes: number;
  /** Trailer lines. */
  readonly headerCount: number;
}

/** 16 digits hold any size up to 2^53-1; more would only be zeros, which serve nobody but an attacker. */
const SIZE_DIGITS_MAX = 16;

const enum State {
  SizeFirst,
  Size,
  /** White space behind the size, an extension's name or value: only `;` or `=` may follow. */
  ExtensionGap,
  ExtensionNameFirst,
  ExtensionName,
  ExtensionNameGap,
  ExtensionValueFirst,
  ExtensionValue,
  Quoted,
  QuotedPair,
  QuotedEnd,
  HeadLineFeed,
  Data,
  DataReturn,
  DataLineFeed,
  Trailers,
  Done,
}

/**
 * Reads a chunked body from bytes as they arrive, cut anywhere. Data is not copied: after each `read`, what it found lies
 * from `dataStart` to `dataEnd` in the bytes it was given.
 *
 * ```ts
 * while (at < end && !reader.isDone) {
 *   at = reader.read(bytes, at, end);
 *   if (reader.dataEnd > reader.dataStart) take(bytes.subarray(reader.dataStart, reader.dataEnd));
 * }
 * ```
 */
export class ChunkedReader {
  /** Where the data that the last `read` found begins. */
  dataStart = 0;
  /** Where it ends; the same as `dataStart` when it found none. */
  dataEnd = 0;
  readonly #limits: ChunkedLimits;
  #state = State.SizeFirst;
  #size = 0;
  #sizeDigits = 0;
  #extensionBytes = 0;
  #decodedBytes = 0;
  #trailers: FieldSectionReader | null = null;

  /** Makes a reader that takes at most what `limits` say. */
  constructor(limits: ChunkedLimits) {
    this.#limits = limits;
  }

  /** Whether the body is complete; what comes behind it is the next request's. */
  get isDone(): boolean {
    return this.#state === State.Done;
  }

  /** Bytes of data so far. */
  get decodedBytes(): number {
    return this.#decodedBytes;
  }

  /** Bytes of the current chunk's data that are still to come; 0 outside of its data. */
  get remainingBytes(): number {
    return this.#state === State.Data ? this.#size : 0;
  }

  /**
   * Reads on, up to the end of the next data, of the body, or of what has arrived.
   *
   * @returns Where it stopped. What is in front of it is consumed; nothing behind it was looked at.
   * @throws {HttpError} 400: malformed; 431: extensions and trailers beyond the limits. Both close the connection.
   */
  read(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    this.dataStart = this.dataEnd = start;
    while (at < end) {
      if (this.#state === State.Data) return this.#readData(at, end);
      if (this.#state === State.Trailers) return this.#readTrailers(bytes, at, end);
      if (this.#state === State.Done) break;
      this.#step(bytes[at]);
      at++;
    }
    return at;
  }

  #readData(start: number, end: number): number {
    const dataEnd = Math.min(end, start + this.#size);
    this.dataStart = start;
    this.dataEnd = dataEnd;
    this.#size -= dataEnd - start;
    this.#decodedBytes += dataEnd - start;
    if (this.#size === 0) this.#state = State.DataReturn;
    return dataEnd;
  }

  #readTrailers(bytes: Uint8Array, start: number, end: number): number {
    this.#trailers ??= new FieldSectionReader({
      headerBytes: this.#limits.headerBytes - this.#extensionBytes,
      headerCount: this.#limits.headerCount,
    });
    const sectionEnd = this.#trailers.read(bytes, start - this.#trailers.bytesRead, end);
    if (sectionEnd === -1) return end;
    this.#state = State.Done;
    return sectionEnd;
  }

  /** One byte of a chunk's head, or of the CRLF behind its data. */
  #step(byte: number): void {
    switch (this.#state) {
      case State.SizeFirst:
        if (HEX_VALUE[byte] === 255) throw malformed("a chunk size without digits");
        this.#size = HEX_VALUE[byte];
        this.#sizeDigits = 1;
        this.#state = State.Size;
        return;
      case State.Size:
        if (HEX_VALUE[byte] === 255) this.#state = afterSize(byte);
        else this.#addDigit(HEX_VALUE[byte]);
        break;
      case State.ExtensionGap:
        if (byte === 0x3b) this.#state = State.ExtensionNameFirst;
        else if (!isSpace(byte)) throw malformed("white space in a chunk's head");
        break;
      case State.ExtensionNameFirst:
        if (TOKEN[byte] === 1) this.#state = State.ExtensionName;
        else if (!isSpace(byte)) throw malformed("a chunk extension without a name");
        break;
      case State.ExtensionName:
        if (TOKEN[byte] === 0) this.#state = afterExtensionName(byte);
        break;
      case State.ExtensionNameGap:
        if (byte === 0x3b) this.#state = State.ExtensionNameFirst;
        else if (byte === 0x3d) this.#state = State.ExtensionValueFirst;
        else if (!isSpace(byte)) throw malformed("white space in a chunk extension");
        break;
      case State.ExtensionValueFirst:
        if (byte === 0x22) this.#state = State.Quoted;
        else if (TOKEN[byte] === 1) this.#state = State.ExtensionValue;
        else if (!isSpace(byte)) throw malformed("a chunk extension without a value");
        break;
      case State.ExtensionValue:
        if (TOKEN[byte] === 0) this.#state = afterSize(byte);
        break;
      case State.Quoted:
        if (byte === 0x22) this.#state = State.QuotedEnd;
        else if (byte === 0x5c) this.#state = State.QuotedPair;
        else if (QUOTED_TEXT[byte] === 0) throw malformed("a control byte in a chunk extension");
        break;
      case State.QuotedPair:
        if (QUOTED_TEXT[byte] === 0 && byte !== 0x22 && byte !== 0x5c) {
          throw malformed("a control byte in a chunk extension");
        }
        this.#state = State.Quoted;
        break;
      case State.QuotedEnd:
        this.#state = afterSize(byte);
        break;
      case State.HeadLineFeed:
        if (byte !== LF) throw malformed("a bare CR in a chunk's head");
        this.#state = this.#size === 0 ? State.Trailers : State.Data;
        return;
      case State.DataReturn:
        if (byte !== CR) throw malformed("chunk data longer than its size");
        this.#state = State.DataLineFeed;
        return;
      case State.DataLineFeed:
        if (byte !== LF) throw malformed("a bare CR behind chunk data");
        this.#state = State.SizeFirst;
        return;
      case State.Data:
      case State.Trailers:
      case State.Done:
        throw new Error(`A chunk's head has no state ${this.#state}`);
    }
    this.#countExtension();
  }

  #addDigit(digit: number): void {
    if (++this.#sizeDigits > SIZE_DIGITS_MAX) throw malformed("a chunk size of too many digits");
    this.#size = this.#size * 16 + digit;
    // Looked at with each digit: up to here the number is exact, so that the comparison is.
    if (this.#size > Number.MAX_SAFE_INTEGER) throw malformed("a chunk size over 2^53-1");
  }

  /** Over the whole body: a limit for each chunk would let a body of one-byte chunks carry any amount. */
  #countExtension(): void {
    if (this.#state === State.Size || this.#state === State.HeadLineFeed) return;
    if (++this.#extensionBytes > this.#limits.headerBytes) {
      throw new HttpError(431, "chunk extensions longer than limits.header_bytes", { close: true });
    }
  }
}

/** The state behind a size or a complete extension. */
function afterSize(byte: number): State {
  if (byte === CR) return State.HeadLineFeed;
  if (byte === 0x3b) return State.ExtensionNameFirst;
  if (isSpace(byte)) return State.ExtensionGap;
  throw malformed(byte === LF ? "a bare LF in a chunk's head" : "a malformed chunk size or extension");
}

function afterExtensionName(byte: number): State {
  if (byte === 0x3d) return State.ExtensionValueFirst;
  if (isSpace(byte)) return State.ExtensionNameGap;
  return afterSize(byte);
}

function isSpace(byte: number): boolean {
  return byte === SP || byte === HTAB;
}

function malformed(reason: string): HttpError {
  return new HttpError(400, reason, { close: true });
}

/** What ends each chunk of ours, behind its data. Not to be changed. */
export const CHUNK_END: Uint8Array<ArrayBuffer> = encodeOctets("\r\n");

/** What ends a chunked body of ours: the last chunk, without trailers. Not to be changed. */
export const LAST_CHUNK: Uint8Array<ArrayBuffer> = encodeOctets("0\r\n\r\n");

/**
 * The head of a chunk of ours: its size and CRLF.
 *
 * @param length Bytes of data that follow; at least 1, for a chunk of 0 ends the body.
 */
export function encodeChunkHead(length: number): Uint8Array<ArrayBuffer> {
  if (!Number.isSafeInteger(length) || length < 1) {
    throw new RangeError(`A chunk cannot have ${length} bytes`);
  }
  return encodeOctets(length.toString(16) + "\r\n");
}
