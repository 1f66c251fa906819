/**
 * Lines of standard error: splitting, bounds.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { DEV_TAIL_BYTES, LINE_BYTES_MAX, LINES_PER_SECOND_MAX, StderrLines, StderrTail } from "./stderr.ts";

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

function tail(pieces: readonly string[]): string {
  const kept = new StderrTail(DEV_TAIL_BYTES);
  for (const piece of pieces) kept.push(new TextEncoder().encode(piece));
  return kept.text();
}

Deno.test({
  name: "StderrTail keeps all of what fits",
  permissions: "none",
  fn() {
    assertEquals(tail([]), "");
    assertEquals(tail(["a\n", "b", "\n\nc"]), "a\nb\n\nc");
    const full = "x".repeat(DEV_TAIL_BYTES - 2) + "\ny";
    for (const pieces of [[full], [...full.match(/[^]{1,1000}/g) ?? []]]) assertEquals(tail(pieces), full);
  },
});

Deno.test({
  name: "StderrTail keeps the last lines of what does not fit, however it comes",
  permissions: "none",
  fn() {
    const lines = Array.from({ length: 40_000 }, (_, i) => `line ${i}\n`).join("");
    const rest = lines.slice(-DEV_TAIL_BYTES);
    const expected = rest.slice(rest.indexOf("\n") + 1);
    for (const size of [lines.length, 100_000, DEV_TAIL_BYTES + 1, DEV_TAIL_BYTES, 4099, 7]) {
      const pieces: string[] = [];
      for (let at = 0; at < lines.length; at += size) pieces.push(lines.slice(at, at + size));
      assertEquals(tail(pieces), expected, `by ${size}`);
    }
    // One line without an end: as much of it as there is room for.
    assertEquals(tail(["x".repeat(DEV_TAIL_BYTES), "y"]), "x".repeat(DEV_TAIL_BYTES - 1) + "y");
    assertEquals(tail(["x".repeat(DEV_TAIL_BYTES + 9) + "\n"]), "x".repeat(DEV_TAIL_BYTES - 1) + "\n");
  },
});
