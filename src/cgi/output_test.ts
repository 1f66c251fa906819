/**
 * A script's header: forms, limits, and what is refused beside what is taken.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { OutputParser, type OutputStep, type ScriptHead } from "./output.ts";

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

function text(content: Uint8Array): string {
  return String.fromCharCode(...content);
}

/** Feeds the pieces; the last step, or the end's. The content after the header is gathered. */
function feed(pieces: readonly string[], limit = 65536): { step: OutputStep; content: string } {
  const parser = new OutputParser(limit);
  for (const [index, piece] of pieces.entries()) {
    const step = parser.push(bytes(piece));
    if (step.kind === "head") return { step, content: text(step.rest) + pieces.slice(index + 1).join("") };
    if (step.kind === "bad") return { step, content: "" };
  }
  return { step: parser.end(), content: "" };
}

/** The head of an output; the same whole, byte by byte, and split at each place. */
function head(output: string): ScriptHead & { content: string } {
  const whole = feed([output]);
  assert(whole.step.kind === "head", JSON.stringify(whole.step));
  const ways = [[...output], ...Array.from(output, (_, i) => [output.slice(0, i), output.slice(i)])];
  for (const pieces of ways) {
    const split = feed(pieces);
    assert(split.step.kind === "head");
    assertEquals({ ...split.step.head, content: split.content }, {
      ...whole.step.head,
      content: whole.content,
    });
  }
  return { ...whole.step.head, content: whole.content };
}

/** The reason of a bad output; the same byte by byte. */
function reason(output: string, limit?: number): string {
  const whole = feed([output], limit);
  assert(whole.step.kind === "bad", JSON.stringify(whole.step));
  assertEquals(feed([...output], limit).step.kind, "bad");
  return whole.step.reason;
}

function test(name: string, fn: () => void): void {
  Deno.test({ name: `OutputParser ${name}`, permissions: "none", fn });
}

test("reads a document with LF, CRLF and both mixed", () => {
  for (
    const output of ["A: 1\nB: 2\n\nx", "A: 1\r\nB: 2\r\n\r\nx", "A: 1\r\nB: 2\n\r\nx", "A: 1\nB: 2\r\n\nx"]
  ) {
    const { kind, status, fields, content } = head(output);
    assertEquals([kind, status, content], ["document", 200, "x"]);
    assertEquals(fields, [["A", "1"], ["B", "2"]]);
  }
});

test("leaves the content alone, also where it looks like a header", () => {
  assertEquals(head("Content-Type: a/b\n\n\r\nX: y\n\n\0").content, "\r\nX: y\n\n\0");
});

test("keeps repeated fields, their order and spelling", () => {
  assertEquals(head("set-COOKIE: a\nX: 1\nSet-Cookie: b\n\n").fields, [["set-COOKIE", "a"], ["X", "1"], [
    "Set-Cookie",
    "b",
  ]]);
});

test("trims values and keeps bytes over 127, tabs and colons within", () => {
  assertEquals(head("X: \t a\tb:\xe9 \t\nY:\n\n").fields, [["X", "a\tb:\xe9"], ["Y", ""]]);
});

test("takes Status with and without a reason", () => {
  assertEquals([head("Status: 404 Gone fishing\n\n").status, head("Status: 404 Gone fishing\n\n").reason], [
    404,
    "Gone fishing",
  ]);
  assertEquals([head("status:201\n\n").status, head("status:201\n\n").reason], [201, null]);
  assertEquals(head("Status: 599 \n\n").status, 599);
});

test("refuses a Status that is none", () => {
  for (const value of ["OK", "20", "2000", "20x", "099", "600", "200OK", "-200", "+20 x"]) {
    assertStringIncludes(reason(`X: y\nStatus: ${value}\n\n`), "line 2: Status wants");
  }
});

test("refuses an interim status, but takes 200", () => {
  for (const code of [100, 101, 103, 199]) assertStringIncludes(reason(`Status: ${code}\n\n`), "interim");
  assertEquals(head("Status: 200\n\n").status, 200);
});

test("reads Content-Length strictly", () => {
  assertEquals(head("Content-Length: 0012\n\n").contentLength, 12);
  assertEquals(head("Content-Length: 9007199254740991\n\n").contentLength, Number.MAX_SAFE_INTEGER);
  for (const value of ["", "-1", "+1", "1 ", "0x10", "1e3", "1,1", "9007199254740992", "1".repeat(30)]) {
    if (value === "1 ") continue; // white space around a value is none of its own
    assertStringIncludes(reason(`Content-Length: ${value}\n\n`), "Content-Length wants digits");
  }
  assertEquals(head("X: y\n\n").contentLength, null);
});

test("refuses Status, Location, Content-Type or Content-Length twice, but takes others", () => {
  for (const line of ["Status: 200", "Location: /x", "Content-Type: a/b", "Content-Length: 1"]) {
    assertStringIncludes(reason(`${line}\n${line}\n\n`), "line 2");
  }
  assertEquals(head("Link: a\nLink: a\n\n").fields.length, 2);
});

test("takes out what a script must not set", () => {
  const own =
    "Connection: close\nKeep-Alive: 1\nTransfer-Encoding: chunked\nTE: x\nTrailer: x\nUpgrade: x\nProxy-Connection: x\nDate: x\nX-CGI-Extra: 1\nStatus: 200\nContent-Length: 3\n";
  assertEquals(head(own + "Server: mine\nX: y\n\nabc").fields, [["Server", "mine"], ["X", "y"]]);
});

test("tells a local redirect from a client's", () => {
  assertEquals([head("Location: /a?b\n\n").kind, head("Location: /a?b\n\n").localTarget], [
    "localRedirect",
    "/a?b",
  ]);
  assertEquals(head("Location: /a b\xc3\xa9\n\n").localTarget, "/a%20b%C3%A9");
  for (
    const [output, kind, status] of [
      ["Location: //host/a\n\n", "clientRedirect", 302],
      ["Location: /a#frag\n\n", "clientRedirect", 302],
      ["Location: http://h/\n\n", "clientRedirect", 302],
      ["Location: b.html\n\n", "clientRedirect", 302],
      ["Location: /a\nSet-Cookie: x\n\n", "clientRedirect", 302],
      ["Location: /a\nContent-Type: a/b\n\nx", "clientRedirectDocument", 302],
      ["Status: 303 See\nLocation: /a\n\n", "clientRedirectDocument", 303],
      ["Location: /a\nStatus: 201\n\n", "clientRedirectDocument", 201],
    ] as const
  ) {
    const { localTarget, ...found } = head(output);
    assertEquals([found.kind, found.status, localTarget], [kind, status, null], output);
    assert(found.fields.some(([name]) => name === "Location"));
  }
});

test("takes an empty Content-Type as none", () => {
  const { kind, fields } = head("Content-Type:\nX-A: \n\n");
  assertEquals([kind, fields], ["document", [["X-A", ""]]]);
  assertEquals(head("Content-Type:\nLocation: http://a/\n\n").kind, "clientRedirect");
});

test("takes an empty field of CGI's own as if it were not sent", () => {
  assertEquals(
    reason("Location:\n\n"),
    "the header says nothing, Location has no value: give it one, or write Content-Type",
  );
  assertEquals(head("Location: \nStatus:\nX: y\n\n").status, 200);
  assertEquals(head("Location: \nStatus:\nX: y\n\n").fields, [["X", "y"]]);
});

test("names what is missing", () => {
  assertEquals(reason(""), "it wrote nothing");
  assertStringIncludes(reason("\nhello"), "line 1 is empty");
  assertStringIncludes(reason("\r\n"), "line 1 is empty");
  assertStringIncludes(reason("Content-Type: text/plain\n"), "ends in line 2");
  assertStringIncludes(reason("Content-Type: text/plain"), "ends in line 1");
  assertStringIncludes(
    reason("Hello, world\n"),
    'line 1 is no header field: "Hello, world"; the header must come first',
  );
  assertStringIncludes(reason("Hello, world"), "line 1 is no header field");
  assertStringIncludes(reason("Content-Type: text/html\n<html>\n"), "line 2 is no header field");
  assertStringIncludes(reason("HTTP/1.1 200 OK\n\n"), "nph-");
});

test("refuses what is no field", () => {
  for (const line of [": x", "A b: x", "A : x", "A", "\xe9: x", "A\x01: x", "(A): x", " A: x", "\tA: x"]) {
    assertStringIncludes(reason(`X: y\n${line}\n\n`), "line 2");
  }
  assertEquals(head("X: y\n!#$%&'*+-.^_`|~09azAZ: x\n\n").fields.length, 2);
});

test("refuses control bytes in a value", () => {
  for (const byte of ["\0", "\x01", "\x1b", "\x7f", "\r"]) {
    assertStringIncludes(reason(`X: a${byte}b\n\n`), "line 1");
  }
  assertStringIncludes(reason("X: y\r\r\n\n"), "0x0d");
});

test("refuses a NUL before the line ends", () => {
  assertStringIncludes(reason("\x7fELF\0"), "NUL");
});

test("bounds the header, with its empty line, to the byte", () => {
  const output = "X: " + "y".repeat(40) + "\n\n";
  assertStringIncludes(reason(output + "content", output.length - 1), "head_bytes");
  assertEquals(feed([output + "content"], output.length).step.kind, "head");
  assertStringIncludes(reason("y".repeat(100), 99), "head_bytes");
});
