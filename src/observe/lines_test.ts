import { assertEquals } from "@std/assert";
import { octetClass } from "../http/octets.ts";
import { Lines } from "./lines.ts";

const LETTERS = octetClass("", [0x61, 0x7a]);

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

function written(write: (lines: Lines) => void, bytes?: number): string {
  const lines = new Lines(bytes);
  write(lines);
  return new TextDecoder().decode(lines.take());
}

test("Lines.number() writes whole numbers of any length", () => {
  for (const value of [0, 9, 10, 99, 100, 4_294_967_295, 4_294_967_296, Number.MAX_SAFE_INTEGER]) {
    assertEquals(written((lines) => lines.number(value)), String(value));
  }
});

test("Lines.octets() and octetText() escape what is not safe", () => {
  assertEquals(
    written((lines) => lines.octets(Uint8Array.of(0x61, 0x00, 0xff, 0x62), 0, 3, LETTERS)),
    "a\\x00\\xFF",
  );
  assertEquals(written((lines) => lines.octetText("a\n\xe9b", LETTERS)), "a\\x0A\\xE9b");
});

test("Lines.octetText() writes a char over 255 as its bytes in UTF-8, pairs included", () => {
  assertEquals(written((lines) => lines.octetText("a€b", LETTERS)), "a\\xE2\\x82\\xACb");
  assertEquals(written((lines) => lines.octetText("\xe9😀", LETTERS)), "\\xE9\\xF0\\x9F\\x98\\x80");
});

test("Lines grow to whatever is written, by each way of writing", () => {
  const long = "x".repeat(100);
  const all = (lines: Lines) => {
    lines.byte(0x61);
    lines.ascii(long);
    lines.text(long + "é");
    lines.octets(new Uint8Array(20), 0, 20, LETTERS);
    lines.octetText(long, LETTERS);
    lines.number(123_456);
  };
  assertEquals(written(all, 1), `a${long}${long}é${"\\x00".repeat(20)}${long}123456`);
});

test("Lines.take() leaves them empty, with another buffer", () => {
  const lines = new Lines();
  lines.ascii("a");
  const first = lines.take();
  assertEquals(lines.length, 0);
  lines.ascii("b");
  assertEquals([new TextDecoder().decode(first), new TextDecoder().decode(lines.take())], ["a", "b"]);
});
