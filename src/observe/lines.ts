/**
 * Lines of a log as the bytes that they become: written once, into a buffer that grows, and never a string before.
 *
 * @module
 */

const FIRST_BYTES = 4 * 1024;
const UTF8_BYTES_MAX = 3;
/** How a byte is written that a line may not hold: `\xHH`. */
const ESCAPE_BYTES = 4;
const BACKSLASH = 0x5c;
const SMALL_X = 0x78;
const ZERO = 0x30;
const HEX = Uint8Array.from("0123456789ABCDEF", (digit) => digit.charCodeAt(0));

const encoder = new TextEncoder();

/** Bytes behind each other. */
export class Lines {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  /** Empty; the buffer grows to what is written. */
  constructor(bytes: number = FIRST_BYTES) {
    this.#bytes = new Uint8Array(bytes);
  }

  /** How many bytes there are. */
  get length(): number {
    return this.#length;
  }

  /** What was written, which is the caller's from then on; these lines are empty again. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.subarray(0, this.#length);
    // As many bytes as this time will come next time.
    this.#bytes = new Uint8Array(Math.max(FIRST_BYTES, this.#length + (this.#length >> 3)));
    this.#length = 0;
    return taken;
  }

  /** One byte. */
  byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = byte;
  }

  /** Text of ASCII alone, which is the caller's to know. */
  ascii(text: string): void {
    this.#reserve(text.length);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
    this.#length = at;
  }

  /** Bytes as they are. */
  raw(octets: Uint8Array): void {
    this.#reserve(octets.length);
    const bytes = this.#bytes;
    let at = this.#length;
    // So few that a call of `set` would take longer.
    for (let i = 0; i < octets.length; i++) bytes[at++] = octets[i];
    this.#length = at;
  }

  /** Any text, in UTF-8. */
  text(text: string): void {
    this.#reserve(text.length * UTF8_BYTES_MAX);
    this.#length += encoder.encodeInto(text, this.#bytes.subarray(this.#length)).written;
  }

  /** A whole number, not negative. */
  number(value: number): void {
    if (value > 0x7fff_ffff) return this.ascii(String(value));
    let digits = 1;
    for (let bound = 10; bound <= value; bound *= 10) digits++;
    this.#reserve(digits);
    const bytes = this.#bytes;
    let at = this.#length += digits;
    let rest = value | 0;
    for (let i = 0; i < digits; i++) {
      // By a bit operation it stays a whole number, whose division is a multiplication.
      const tenth = (rest / 10) | 0;
      bytes[--at] = ZERO + rest - 10 * tenth;
      rest = tenth;
    }
  }

  /** Octets as they are where `safe` has a 1 for them, and `\xHH` where it has not. */
  octets(octets: Uint8Array, start: number, end: number, safe: Uint8Array): void {
    this.#reserve((end - start) * ESCAPE_BYTES);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = start; i < end; i++) {
      const octet = octets[i];
      if (safe[octet] === 1) {
        bytes[at++] = octet;
      } else {
        at = escapeInto(bytes, at, octet);
      }
    }
    this.#length = at;
  }

  /** The same for text of one char an octet; a char over 255 is its bytes in UTF-8. */
  octetText(text: string, safe: Uint8Array): void {
    this.#reserve(text.length * ESCAPE_BYTES);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = 0; i < text.length; i++) {
      const char = text.charCodeAt(i);
      if (char > 0xff) return this.#wideText(text, i, at, safe);
      if (safe[char] === 1) {
        bytes[at++] = char;
      } else {
        at = escapeInto(bytes, at, char);
      }
    }
    this.#length = at;
  }

  /** From the first wide char on, which nobody sends but who is called so. */
  #wideText(text: string, from: number, at: number, safe: Uint8Array): void {
    this.#length = at;
    for (const char of text.slice(from)) {
      const octets = char.length === 1 && char <= "\xff"
        ? Uint8Array.of(char.charCodeAt(0))
        : encoder.encode(char);
      this.octets(octets, 0, octets.length, safe);
    }
  }

  #reserve(bytes: number): void {
    const wanted = this.#length + bytes;
    if (wanted <= this.#bytes.length) return;
    const wider = new Uint8Array(Math.max(wanted, 2 * this.#bytes.length));
    wider.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = wider;
  }
}

function escapeInto(bytes: Uint8Array, at: number, octet: number): number {
  bytes[at] = BACKSLASH;
  bytes[at + 1] = SMALL_X;
  bytes[at + 2] = HEX[octet >> 4];
  bytes[at + 3] = HEX[octet & 15];
  return at + ESCAPE_BYTES;
}
