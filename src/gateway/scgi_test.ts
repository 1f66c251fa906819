/**
 * A request as a netstring.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { SCGI } from "./scgi.ts";

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

function begin(variables: readonly string[]): string {
  return new TextDecoder().decode(SCGI.begin(variables, true, false));
}

test("begin() puts CONTENT_LENGTH first and SCGI second", () => {
  const body = "CONTENT_LENGTH\0" + "27\0SCGI\0" + "1\0REQUEST_METHOD\0POST\0REQUEST_URI\0/deepthought\0";
  assertEquals(
    begin(["REQUEST_METHOD", "POST", "REQUEST_URI", "/deepthought", "CONTENT_LENGTH", "27"]),
    `${body.length}:${body},`,
  );
});

test("begin() has CONTENT_LENGTH and SCGI also where the variables have none, or another", () => {
  assertEquals(begin([]), "24:CONTENT_LENGTH\0" + "0\0SCGI\0" + "1\0,");
  assertEquals(begin(["SCGI", "2"]), "24:CONTENT_LENGTH\0" + "0\0SCGI\0" + "1\0,");
});

test("begin() has each name once", () => {
  assertEquals(begin(["A", "1", "A", "2"]), "28:CONTENT_LENGTH\0" + "0\0SCGI\0" + "1\0A\0" + "2\0,");
});

test("begin() counts bytes, not letters", () => {
  assertEquals(begin(["A", "é"]), "29:CONTENT_LENGTH\0" + "0\0SCGI\0" + "1\0A\0é\0,");
});

test("content goes as it is, and all that comes is the answer", () => {
  const bytes = new TextEncoder().encode("content");
  assertEquals(SCGI.content(bytes), bytes);
  assertEquals(SCGI.contentEnd(), null);
  assertEquals(SCGI.reader().push(bytes), [{ kind: "output", bytes }]);
  assertEquals(SCGI.reader().close(), { kind: "end", status: -1, isReusable: false });
});
