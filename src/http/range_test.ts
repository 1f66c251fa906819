import { assertEquals } from "@std/assert";
import { type ByteRange, contentRange, multipartRanges, selectRanges, unsatisfiedRange } from "./range.ts";

/** Ranges as text: `0-4 7-9`, or what became of the field as a whole. */
function select(value: string, length: number): string {
  const selection = selectRanges(value, length);
  return selection.kind === "parts"
    ? selection.parts.map((part) => `${part.first}-${part.last}`).join(" ")
    : selection.kind;
}

/** What is left of a body whose representation is the given text. */
function render(
  text: string,
  parts: ByteRange[],
  type: string | null,
): { body: string; length: number; contentType: string } {
  const { contentType, pieces, length } = multipartRanges(parts, text.length, type, "B");
  const body = pieces.map((piece) =>
    piece instanceof Uint8Array ? new TextDecoder().decode(piece) : text.slice(piece.first, piece.last + 1)
  ).join("");
  return { body, length, contentType };
}

Deno.test({
  name: "selectRanges() takes one range, open or closed, and a suffix",
  permissions: "none",
  fn() {
    assertEquals(select("bytes=0-0", 10), "0-0");
    assertEquals(select("bytes=0-4", 10), "0-4");
    assertEquals(select("bytes=5-", 10), "5-9");
    assertEquals(select("bytes=9-", 10), "9-9");
    assertEquals(select("bytes=-3", 10), "7-9");
    assertEquals(select("bytes=0-999", 10), "0-9");
    assertEquals(select("bytes=-999", 10), "0-9");
    assertEquals(select("BYTES=0-4", 10), "0-4");
  },
});

Deno.test({
  name: "selectRanges() takes several in the order asked for and leaves out those beyond the end",
  permissions: "none",
  fn() {
    assertEquals(select("bytes=0-1,4-5", 10), "0-1 4-5");
    assertEquals(select("bytes=4-5 ,\t0-1", 10), "4-5 0-1");
    assertEquals(select("bytes=,0-1,,4-5,", 10), "0-1 4-5");
    assertEquals(select("bytes=0-1,10-20", 10), "0-1");
    assertEquals(select("bytes=0-1,-0", 10), "0-1");
  },
});

Deno.test({
  name: "selectRanges() calls unsatisfiable what begins at or beyond the end",
  permissions: "none",
  fn() {
    assertEquals(select("bytes=10-", 10), "unsatisfiable");
    assertEquals(select("bytes=10-20,30-40", 10), "unsatisfiable");
    assertEquals(select("bytes=-0", 10), "unsatisfiable");
    assertEquals(select("bytes=0-", 0), "unsatisfiable");
    assertEquals(select("bytes=-5", 0), "unsatisfiable");
    assertEquals(select(`bytes=${"9".repeat(400)}-`, 10), "unsatisfiable");
  },
});

Deno.test({
  name: "selectRanges() ignores a field with an unknown unit or any malformed range",
  permissions: "none",
  fn() {
    for (
      const value of [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-4",
        "bytes=0-1,5-4",
        "bytes=0-1,x",
        "bytes=+1-2",
        "bytes=1--2",
        "bytes=0x1-2",
        "bytes=1 -2",
        "bytes 0-1",
        "bytes =0-1",
        "items=0-1",
      ]
    ) assertEquals(select(value, 10), "whole", value);
  },
});

Deno.test({
  name: "selectRanges() takes 100 ranges and ignores 101",
  permissions: "none",
  fn() {
    const ranges = (count: number) =>
      `bytes=${Array.from({ length: count }, (_, i) => `${i}-${i}`).join(",")}`;
    assertEquals(selectRanges(ranges(100), 1000).kind, "parts");
    assertEquals(selectRanges(ranges(101), 1000).kind, "whole");
    // Those beyond the end count as well: they cost the same to read.
    assertEquals(selectRanges(ranges(101), 1).kind, "whole");
  },
});

Deno.test({
  name: "selectRanges() takes overlaps up to twice the whole and ignores more",
  permissions: "none",
  fn() {
    assertEquals(select("bytes=0-,0-", 10), "0-9 0-9");
    assertEquals(select("bytes=0-,0-,0-0", 10), "whole");
  },
});

Deno.test({
  name: "multipartRanges() gives each part its head and counts the length to the byte",
  permissions: "none",
  fn() {
    const { body, length, contentType } = render(
      "0123456789",
      [{ first: 0, last: 1 }, { first: 7, last: 9 }],
      "text/plain",
    );
    assertEquals(contentType, "multipart/byteranges; boundary=B");
    assertEquals(
      body,
      "--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n" +
        "--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 7-9/10\r\n\r\n789\r\n--B--\r\n",
    );
    assertEquals(length, body.length);
    const untyped = render("0123456789", [{ first: 3, last: 3 }], null);
    assertEquals(untyped.body, "--B\r\nContent-Range: bytes 3-3/10\r\n\r\n3\r\n--B--\r\n");
    assertEquals(untyped.length, untyped.body.length);
  },
});

Deno.test({
  name: "contentRange() and unsatisfiedRange() say the whole length",
  permissions: "none",
  fn() {
    assertEquals(contentRange({ first: 0, last: 4 }, 10), "bytes 0-4/10");
    assertEquals(unsatisfiedRange(10), "bytes */10");
  },
});
