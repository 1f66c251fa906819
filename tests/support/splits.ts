/**
 * Runs a parser over one input in every way in which its bytes can arrive: whole, a byte at a time, in two parts at every
 * place, and with the next message behind it. All of them must come to the same end.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { HttpError } from "../../src/http/error.ts";

/** A message that was read: what it says, and its length on the wire. */
export interface Complete<T> {
  /** In a form that `assertEquals` compares. */
  readonly value: T;
  /** Bytes consumed. */
  readonly bytes: number;
}

/**
 * One parser's life: called with what has arrived so far, which lies from `start` to `end` of `buffer`. Each call may bring
 * another buffer, with the same bytes from `start` on and more behind them.
 */
export type Parser<T> = (buffer: Uint8Array, start: number, end: number) => Complete<T> | null;

/** How a run ended. */
export type Outcome<T> =
  | { readonly kind: "complete"; readonly value: T; readonly bytes: number }
  | { readonly kind: "incomplete" }
  | { readonly kind: "refused"; readonly status: number; readonly close: boolean; readonly reason: string };

/** Up to this many bytes an input is split at every place; a longer one at a sample of them. */
const ALL_PLACES_MAX = 1200;

const NEXT_MESSAGE = new TextEncoder().encode("GET /next HTTP/1.1\r\nHost: next\r\n\r\n");

/**
 * Runs a parser in every way and returns the outcome that all of them had.
 *
 * @param input The message, or the beginning of one, or what is none.
 * @param makeParser Makes a new parser.
 */
export function runSplit<T>(input: Uint8Array, makeParser: () => Parser<T>): Outcome<T> {
  const whole = run(input, [input.length], makeParser());
  for (const place of places(input.length)) {
    assertEquals(run(input, [place, input.length], makeParser()), whole, `split at ${place}`);
  }
  const each = Array.from(input, (_, i) => i + 1);
  assertEquals(run(input, each, makeParser()), whole, "a byte at a time");
  if (whole.kind !== "incomplete") {
    const followed = new Uint8Array([...input, ...NEXT_MESSAGE]);
    assertEquals(run(followed, [followed.length], makeParser()), whole, "with the next message behind it");
    const eachFollowed = Array.from(followed, (_, i) => i + 1);
    assertEquals(
      run(followed, eachFollowed, makeParser()),
      whole,
      "a byte at a time, with the next message behind it",
    );
  }
  return whole;
}

/** The bytes of a string of one char a byte. */
export function octets(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** A corpus's input: a string of one char a byte, or parts of it, some of them repeated. */
export type Input = string | readonly (string | { readonly repeat: string; readonly times: number })[];

/** The bytes of a corpus's input. */
export function inputOctets(input: Input): Uint8Array<ArrayBuffer> {
  if (typeof input === "string") return octets(input);
  return octets(
    input.map((part) => typeof part === "string" ? part : part.repeat.repeat(part.times)).join(""),
  );
}

function run<T>(input: Uint8Array, ends: readonly number[], parser: Parser<T>): Outcome<T> {
  // Short inputs move to another place of another buffer with each arrival, and nothing but what has arrived is there.
  const moves = input.length <= ALL_PLACES_MAX;
  try {
    for (const [index, end] of ends.entries()) {
      const start = moves ? index % 5 : 0;
      let buffer = input;
      if (moves) {
        buffer = new Uint8Array(start + end + 3).fill(0x58);
        buffer.set(input.subarray(0, end), start);
      }
      const complete = parser(buffer, start, start + end);
      if (complete !== null) return { kind: "complete", ...complete };
    }
    return { kind: "incomplete" };
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return { kind: "refused", status: error.status, close: error.close, reason: error.message };
  }
}

function places(length: number): number[] {
  const all = Array.from({ length: Math.max(0, length - 1) }, (_, i) => i + 1);
  return length <= ALL_PLACES_MAX ? all : all.filter((place) => place % 397 === 0 || place > length - 8);
}
