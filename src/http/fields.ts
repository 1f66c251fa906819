/**
 * Field lines (RFC 9110, 5; RFC 9112, 5).
 *
 * A request's field section keeps the bytes as they came and makes a string only of what is asked for; names keep
 * their spelling and lines their order. A response's fields are a plain list.
 *
 * @module
 */

import { HttpError } from "./error.ts";
import { CR, decodeOctets, FIELD_VALUE, HTAB, LF, LOWER, SP, TOKEN } from "./octets.ts";

/** A field line of a response: name and value. */
export type Field = readonly [name: string, value: string];

/** A request's field section. Names are asked for in lower case; values are isomorphic (one char per byte). */
export interface FieldSection {
  /** The number of field lines. */
  readonly count: number;
  /** The name of line `index` as it was spelled. */
  nameAt(index: number): string;
  /** The value of line `index`, without surrounding white space. */
  valueAt(index: number): string;
  /** The value of the first line of that name; null without. */
  get(name: string): string | null;
  /** The values of all lines of that name joined with `, ` (RFC 9110, 5.2); null without. */
  combined(name: string): string | null;
}

/** What is kept of each line: where its colon is, and its CR. Its name begins behind the line before it. */
const MARKS = 2;
const CRLF_BYTES = 2;
const COLON = 0x3a;
/** Of a section of which it is not known what names there are. */
const ALL_NAMES = -1;
/** What makes an ASCII letter lower. */
const LOWER_BIT = 0x20;

/**
 * One of 32 bits for a name, by its length and its first letter: most names that are asked for are not there, and need not be
 * looked for.
 */
function nameBit(bytes: number, first: number): number {
  return 1 << (bytes * 5 + (first | LOWER_BIT));
}

/** A field section over the bytes it was read from, which nobody overwrites while it lives. */
export class FieldLines implements FieldSection {
  /** The number of field lines. */
  readonly count: number;
  /** Where the section lies. */
  readonly bytes: Uint8Array;
  readonly #origin: number;
  readonly #marks: readonly number[];
  readonly #names: number;

  /**
   * Makes a section of what {@linkcode FieldSectionReader} has read.
   *
   * @param bytes Where the section lies.
   * @param origin Where it begins in `bytes`.
   * @param marks For each line the places of its colon and its CR, counted from `origin`.
   * @param names The reader's, if it is known.
   */
  constructor(bytes: Uint8Array, origin: number, marks: readonly number[], names = ALL_NAMES) {
    this.#names = names;
    this.bytes = bytes;
    this.#origin = origin;
    this.#marks = marks;
    this.count = marks.length / MARKS;
  }

  /** The name of line `index` as it was spelled. */
  nameAt(index: number): string {
    const mark = this.#markOf(index);
    return decodeOctets(this.bytes, this.#origin + this.#nameStart(mark), this.#origin + this.#marks[mark]);
  }

  /** The value of line `index`, without surrounding white space. */
  valueAt(index: number): string {
    return decodeOctets(this.bytes, this.valueStart(index), this.valueEnd(index));
  }

  /** Where the value of line `index` begins in `bytes`, behind white space. */
  valueStart(index: number): number {
    const mark = this.#markOf(index);
    const end = this.#origin + this.#marks[mark + 1];
    let start = this.#origin + this.#marks[mark] + 1;
    while (start < end && isSpace(this.bytes[start])) start++;
    return start;
  }

  /** Where the value of line `index` ends in `bytes`, without white space behind it. */
  valueEnd(index: number): number {
    const mark = this.#markOf(index);
    const start = this.#origin + this.#marks[mark] + 1;
    let end = this.#origin + this.#marks[mark + 1];
    while (start < end && isSpace(this.bytes[end - 1])) end--;
    return end;
  }

  /** The value of the first line of that name, given in lower case; null without. */
  get(name: string): string | null {
    const index = this.indexOf(name, 0);
    return index === -1 ? null : this.valueAt(index);
  }

  /** The values of all lines of that name, given in lower case, joined with `, ` (RFC 9110, 5.2); null without. */
  combined(name: string): string | null {
    return this.#mayHave(name) ? this.#combine(name) : null;
  }

  #combine(name: string): string | null {
    let index = this.#find(name, 0);
    if (index === -1) return null;
    let value = this.valueAt(index);
    while ((index = this.#find(name, index + 1)) !== -1) value += ", " + this.valueAt(index);
    return value;
  }

  /** The first line of that name, given in lower case, from line `from` on; -1 without. */
  indexOf(name: string, from: number): number {
    return this.#mayHave(name) ? this.#find(name, from) : -1;
  }

  /** Apart from the search, so that it is compiled into whoever asks, where the name's bit is a constant. */
  #mayHave(name: string): boolean {
    return (this.#names & nameBit(name.length, name.charCodeAt(0))) !== 0;
  }

  #find(name: string, from: number): number {
    const marks = this.#marks;
    const length = name.length;
    let mark = from * MARKS;
    let start = mark === 0 ? 0 : marks[mark - 1] + CRLF_BYTES;
    while (mark < marks.length) {
      if (marks[mark] - start === length && this.#isNamed(start, name)) return mark / MARKS;
      start = marks[mark + 1] + CRLF_BYTES;
      mark += MARKS;
    }
    return -1;
  }

  /** The length of line `index`'s name in bytes. */
  nameBytesAt(index: number): number {
    const mark = this.#markOf(index);
    return this.#marks[mark] - this.#nameStart(mark);
  }

  /** Whether line `index` has that name, given in lower case. */
  isNamed(index: number, name: string): boolean {
    return this.nameBytesAt(index) === name.length && this.#isNamed(this.#nameStart(index * MARKS), name);
  }

  #isNamed(place: number, name: string): boolean {
    const bytes = this.bytes;
    const start = this.#origin + place;
    for (let i = 0; i < name.length; i++) {
      if (LOWER[bytes[start + i]] !== name.charCodeAt(i)) return false;
    }
    return true;
  }

  #nameStart(mark: number): number {
    return mark === 0 ? 0 : this.#marks[mark - 1] + CRLF_BYTES;
  }

  #markOf(index: number): number {
    if (index < 0 || index >= this.count) {
      throw new RangeError(`There is no field line ${index} of ${this.count}`);
    }
    return index * MARKS;
  }
}

/** Bounds on a field section. */
export interface FieldLimits {
  /** Bytes of all lines together, each with its CRLF. */
  readonly headerBytes: number;
  /** Lines. */
  readonly headerCount: number;
}

const enum State {
  LineStart,
  Name,
  Value,
  LineFeed,
  LastLineFeed,
  End,
}

/**
 * Reads a field section, `*( field-line CRLF ) CRLF` (RFC 9112, 2.1), from bytes as they arrive: a head's fields or a
 * trailer section. No byte is looked at more than twice, and only places are kept: strings are made where they are asked for.
 */
export class FieldSectionReader {
  readonly #limits: FieldLimits;
  #state = State.LineStart;
  /** How far it has read; like all places here, counted from where the section begins. */
  #at = 0;
  /** The places of each line, for {@linkcode FieldLines}; what lies behind `#count` is of an earlier section. */
  readonly #marks: number[] = [];
  #count = 0;
  #names = 0;
  /** The first byte of the line at hand. */
  #first = 0;

  /** Makes a reader that takes at most what `limits` say. */
  constructor(limits: FieldLimits) {
    this.#limits = limits;
  }

  /** How many bytes it has read of the section. */
  get bytesRead(): number {
    return this.#at;
  }

  /** Makes it ready for another section. */
  reset(): void {
    this.#state = State.LineStart;
    this.#at = 0;
    this.#count = 0;
    this.#names = 0;
  }

  /**
   * Reads on.
   *
   * @param bytes What has arrived.
   * @param origin Where the section begins in `bytes`, by what was read already; before 0 where those bytes are gone.
   * @param end Where what has arrived ends.
   * @returns Where the section ends in `bytes`, its closing empty line included; -1 while it is incomplete.
   * @throws {HttpError} 400: what is no field line (RFC 9112, 5: obs-fold, space before the colon, bare CR or LF, control
   * bytes); 431: more lines or bytes than the limits allow.
   */
  read(bytes: Uint8Array, origin: number, end: number): number {
    const limit = origin + this.#limits.headerBytes;
    const bound = end < limit ? end : limit;
    if (this.#state === State.LineStart) this.#readWholeLines(bytes, origin, bound);
    const marks = this.#marks;
    const marksMax = this.#limits.headerCount * MARKS;
    let count = this.#count;
    let names = this.#names;
    let at = origin + this.#at;
    let state = this.#state;
    while (at < end) {
      if (state === State.LineStart) {
        const byte = bytes[at];
        if (byte === CR) {
          at++;
          state = State.LastLineFeed;
          continue;
        }
        if (at >= limit) throw tooLarge();
        if (TOKEN[byte] === 0) throw badLineStart(byte);
        if (count === marksMax) throw tooMany();
        this.#first = byte;
        state = State.Name;
      }
      if (state === State.Name) {
        while (at < bound && TOKEN[bytes[at]] === 1) at++;
        if (at === end) break;
        if (at >= limit) throw tooLarge();
        if (bytes[at] !== COLON) throw badName(bytes[at]);
        const start = count === 0 ? 0 : marks[count - 1] + CRLF_BYTES;
        names |= nameBit(at - origin - start, this.#first);
        marks[count++] = at - origin;
        at++;
        state = State.Value;
      }
      if (state === State.Value) {
        while (at < bound && FIELD_VALUE[bytes[at]] === 1) at++;
        if (at === end) break;
        if (at >= limit) throw tooLarge();
        if (bytes[at] !== CR) throw badValue(bytes[at]);
        at++;
        state = State.LineFeed;
        if (at === end) break;
      }
      if (state === State.LineFeed) {
        if (at >= limit) throw tooLarge();
        if (bytes[at] !== LF) throw malformed("a bare CR in a field line");
        marks[count++] = at - 1 - origin;
        at++;
        state = State.LineStart;
      } else if (state === State.LastLineFeed) {
        if (bytes[at] !== LF) throw malformed("a bare CR at the end of the field section");
        at++;
        state = State.End;
        break;
      }
    }
    this.#count = count;
    this.#names = names;
    this.#at = at - origin;
    this.#state = state;
    return state === State.End ? at : -1;
  }

  /**
   * Reads lines that are there whole and nothing but right, as nearly all are, without asking at each step whether more has
   * arrived; what to make of the first that is not is left to `read`.
   */
  #readWholeLines(bytes: Uint8Array, origin: number, bound: number): void {
    const marks = this.#marks;
    const marksMax = this.#limits.headerCount * MARKS;
    let count = this.#count;
    let names = this.#names;
    let line = origin + this.#at;
    while (count < marksMax) {
      let at = line;
      while (at < bound && TOKEN[bytes[at]] === 1) at++;
      const colon = at;
      if (colon === line || colon >= bound || bytes[colon] !== COLON) break;
      at++;
      while (at < bound && FIELD_VALUE[bytes[at]] === 1) at++;
      if (at + CRLF_BYTES > bound || bytes[at] !== CR || bytes[at + 1] !== LF) break;
      names |= nameBit(colon - line, bytes[line]);
      marks[count++] = colon - origin;
      marks[count++] = at - origin;
      line = at + CRLF_BYTES;
    }
    this.#count = count;
    this.#names = names;
    this.#at = line - origin;
  }

  /** The section, once `read` has returned its end, over the bytes it lies in: as `read` was given them. */
  section(bytes: Uint8Array, origin: number): FieldLines {
    return new FieldLines(bytes, origin, this.#marks.slice(0, this.#count), this.#names);
  }
}

function isSpace(byte: number): boolean {
  return byte === SP || byte === HTAB;
}

function malformed(reason: string): HttpError {
  return new HttpError(400, reason, { close: true });
}

function tooLarge(): HttpError {
  return new HttpError(431, "the field section is longer than limits.header_bytes", { close: true });
}

function tooMany(): HttpError {
  return new HttpError(431, "there are more field lines than limits.header_count", { close: true });
}

function badLineStart(byte: number): HttpError {
  if (isSpace(byte)) return malformed("a field line that begins with white space (obs-fold)");
  if (byte === COLON) return malformed("a field without a name");
  return badName(byte);
}

function badName(byte: number): HttpError {
  if (isSpace(byte)) return malformed("white space in a field name or before its colon");
  if (byte === CR || byte === LF) return malformed("a field line without a colon");
  return malformed(`the byte ${hex(byte)} in a field name`);
}

function badValue(byte: number): HttpError {
  if (byte === LF) return malformed("a bare LF in a field line");
  return malformed(`the byte ${hex(byte)} in a field value`);
}

function hex(byte: number): string {
  return "0x" + byte.toString(16).padStart(2, "0");
}
