/**
 * Lines of standard error: splitting, bounds.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { LINE_BYTES_MAX, LINES_PER_SECOND_MAX, StderrLines } from "./stderr.ts";

function split(pieces: readonly string[], times: readonly number[] = []): string[] {
  const lines: string[] = [];
  const splitter = new StderrLines((line) => lines.push(line));
  for (const [i, piece] of pieces.entries()) splitter.push(new TextEncoder().encode(piece), times[i] ?? 0);
  splitter.end(times.at(-1) ?? 0);
  return lines;
}

function test(name: string, fn: () => void): void {
  Deno.test({ name: `StderrLines ${name}`, permissions: "none", fn });
}

test("splits at LF, drops a CR before it, keeps empty lines", () => {
  assertEquals(split(["a\nb\r\n\nc\rd\n"]), ["a", "b", "", "c\rd"]);
  assertEquals(split([..."a\nb\r\n\nc"]), ["a", "b", "", "c"]);
});

test("gives a last line without its end, but none after an end", () => {
  assertEquals(split(["a\nb"]), ["a", "b"]);
  assertEquals(split(["a\n"]), ["a"]);
  assertEquals(split([]), []);
});

test("replaces bytes that are no UTF-8", () => {
  const lines: string[] = [];
  const splitter = new StderrLines((line) => lines.push(line));
  splitter.push(Uint8Array.of(0x61, 0xff, 0x0a), 0);
  assertEquals(lines, ["a\ufffd"]);
});

test("cuts a line that is too long, and takes the longest", () => {
  const longest = "x".repeat(LINE_BYTES_MAX);
  assertEquals(split([longest + "\nb\n"]), [longest, "b"]);
  assertEquals(split([longest, "y", "y".repeat(9000), "\nb\n"]), [longest + " [cut]", "b"]);
});

test("counts what is more than a second may have", () => {
  const flood = "y\n".repeat(LINES_PER_SECOND_MAX + 5);
  const lines = split([flood, "next\n"], [0, 1000]);
  assertEquals(lines.length, LINES_PER_SECOND_MAX + 2);
  assertEquals(lines.slice(-2), ["[5 lines suppressed]", "next"]);
  assertEquals(split([flood]).at(-1), "[5 lines suppressed]");
});
