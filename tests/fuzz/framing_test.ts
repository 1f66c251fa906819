/**
 * Where requests end, read twice: by `src/http` in pieces and by the naive reference whole. What one takes the other takes, up to
 * the same byte and with the same body; what one refuses the other refuses.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { ChunkedReader } from "../../src/http/chunked.ts";
import { HttpError } from "../../src/http/error.ts";
import { readFraming } from "../../src/http/framing.ts";
import { HeadReader } from "../../src/http/head.ts";
import { isomorphic, octets } from "../support/raw.ts";
import { type Reading, readRequest } from "./reference.ts";
import { holds } from "./seeds.ts";

const LIMITS = { requestLineBytes: 100_000, headerBytes: 100_000, headerCount: 1000 };

/** A reading of ours, or the status of what is refused by more than the grammar. */
type Ours = Reading | { readonly kind: "policy"; readonly status: number };

/** Reads one request off `wire`, which arrives cut at `cut`. */
function readOurs(wire: string, cut: number): Ours {
  const bytes = octets(wire);
  const ends = [Math.min(cut, bytes.length), bytes.length];
  try {
    const reader = new HeadReader(LIMITS);
    let head = null;
    for (const end of ends) head ??= reader.read(bytes, 0, end);
    if (head === null) return { kind: "more" };
    const framing = readFraming(head);
    const start = head.bytes;
    if (framing.kind === "none") return { kind: "request", bytes: start, body: "" };
    if (framing.kind === "length") {
      if (bytes.length - start < framing.bytes) return { kind: "more" };
      return {
        kind: "request",
        bytes: start + framing.bytes,
        body: wire.slice(start, start + framing.bytes),
      };
    }
    const chunked = new ChunkedReader(LIMITS);
    let body = "";
    let at = start;
    for (const end of ends) {
      while (at < end && !chunked.isDone) {
        at = chunked.read(bytes, at, end);
        body += isomorphic(bytes.subarray(chunked.dataStart, chunked.dataEnd));
      }
    }
    return chunked.isDone ? { kind: "request", bytes: at, body } : { kind: "more" };
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    assert(error.close, "a refusal that leaves the connection open");
    return error.status === 400 || error.status === 505
      ? { kind: "bad" }
      : { kind: "policy", status: error.status };
  }
}

/** Holds both against each other, over a whole connection; returns what was met. */
function compare(wire: string, cut: number): void {
  let rest = wire;
  for (let i = 0; i < 6 && rest !== ""; i++) {
    const reference = readRequest(rest);
    const ours = readOurs(rest, cut);
    // An unregistered method, or another coding: refused for what it means, and never taken for another length.
    if (ours.kind === "policy") return assertEquals(ours.status, 501);
    // What cannot become right any more need not wait for its end.
    if (reference.kind === "more") return assert(ours.kind === "more" || ours.kind === "bad", ours.kind);
    assertEquals(ours, reference);
    if (reference.kind === "bad") return;
    rest = rest.slice(reference.bytes);
  }
}

const method = fc.constantFrom("GET", "POST", "PUT", "HEAD", "OPTIONS", "get", "BREW", "P@ST", "");
const target = fc.constantFrom("/", "/a?b", "*", "http://h/", "/\x80", "/a b", "", "/#", "/{}");
const version = fc.constantFrom(
  "HTTP/1.1",
  "HTTP/1.1",
  "HTTP/1.1",
  "HTTP/1.0",
  "HTTP/1.2",
  "HTTP/2.0",
  "HTTP/11",
  "http/1.1",
  "",
);
const name = fc.constantFrom(
  "Content-Length",
  "Content-Length",
  "Transfer-Encoding",
  "Transfer-Encoding",
  "Host",
  "A",
  "content-length",
  "TRANSFER-ENCODING",
  "Content_Length",
  "Content-Length ",
  " A",
  "",
);
const value = fc.constantFrom(
  "0",
  "1",
  "5",
  "05",
  "+5",
  "-1",
  "5,5",
  "5, 6",
  "0x5",
  "5 ",
  "",
  "9007199254740991",
  "9007199254740992",
  "1e1",
  "5;a",
  "chunked",
  "Chunked",
  "chunked, chunked",
  "gzip, chunked",
  "chunked, gzip",
  "identity",
  "chunked;a=b",
  "\x0bchunked",
  "chunked,",
  ", chunked",
  '"chunked"',
  "xchunked",
  "\tchunked\t",
  "h",
  "h:80",
  "h:",
  "h:99999",
  "h,h",
  "a b",
  "%41",
  "%4",
);
const lineEnd = fc.constantFrom(
  "\r\n",
  "\r\n",
  "\r\n",
  "\r\n",
  "\r\n",
  "\r\n",
  "\n",
  "\r",
  "\r\r\n",
  "\r\n ",
);
const size = fc.constantFrom(
  "0",
  "1",
  "2",
  "5",
  "00",
  "a",
  "F",
  "",
  " 1",
  "0x1",
  "-1",
  "g",
  "1 ",
  "10000000000000000",
  "fffffffffffffff",
  "0000000000000001",
  "00000000000000001",
);
const extension = fc.constantFrom(
  "",
  "",
  "",
  "",
  ";a",
  ";a=b",
  ' ; a = "b;\\"\r"',
  ';a="b c\\""',
  ";",
  ";a=",
  "a",
  ";\n",
  ";a\n",
  " ;a",
  ';a="\x00"',
  ";a=b;c",
  '; a="',
  ";a=b c",
);
const data = fc.constantFrom("", "x", "xy", "12345", "0123456789", "\r\n", "0\r\n\r\n");
const chunk = fc.tuple(size, extension, lineEnd, data, lineEnd).map((parts) => parts.join(""));
/** A chunk whose size is true. */
const rightChunk = fc.tuple(data, extension, lineEnd).map(([content, extended, end]) =>
  content === "" ? "" : `${content.length.toString(16)}${extended}\r\n${content}${end}`
);
const trailers = fc.constantFrom(
  "0\r\n\r\n",
  "0\r\n\r\n",
  "0\r\nA: b\r\n\r\n",
  "0\r\nA\r\n\r\n",
  "0\r\n A: b\r\n\r\n",
  "0\r\nA: b\n\r\n",
  "0;x\r\n\r\n",
  "0\n\n",
  "0\r\n",
  "",
);
const chunks = fc.tuple(
  fc.array(fc.oneof({ weight: 4, arbitrary: rightChunk }, { weight: 1, arbitrary: chunk }), { maxLength: 4 }),
  trailers,
)
  .map(([all, last]) => all.join("") + last);
const fields = fc.array(
  fc.tuple(name, fc.constantFrom(":", ": ", ":\t", " :", ""), value, lineEnd).map((parts) => parts.join("")),
  { maxLength: 3 },
);
const anyHead = fc.tuple(
  fc.constantFrom("", "", "", "\r\n", "\n", "\r\n\r\n"),
  method,
  fc.constantFrom(" ", " ", " ", "  ", "\t"),
  target,
  fc.constantFrom(" ", " ", " ", "  "),
  version,
  lineEnd,
  fields,
  lineEnd,
)
  .map(([empty, m, gap, t, gap2, v, end, lines, last]) =>
    `${empty}${m}${gap}${t}${gap2}${v}${end}Host: h\r\n${lines.join("")}${last}`
  );
/** A head that is right but for its framing, as most of those should be. */
const framedHead = fc.tuple(fc.constantFrom("GET", "POST"), fc.constantFrom("1.1", "1.1", "1.0"), fields).map(
  ([m, v, lines]) => `${m} / HTTP/${v}\r\nHost: h\r\n${lines.join("")}\r\n`,
);
const CHUNKED_HEAD = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
const GOOD = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";
const message = fc.oneof(
  fc.constant(GOOD),
  fc.tuple(framedHead, fc.oneof(data, chunks)).map((parts) => parts.join("")),
  fc.tuple(anyHead, fc.oneof(data, chunks)).map((parts) => parts.join("")),
);

/** Some bytes put in, taken out or exchanged. */
const edits = fc.array(
  fc.record({
    at: fc.nat(400),
    remove: fc.nat(2),
    insert: fc.constantFrom(
      "",
      "",
      "\r",
      "\n",
      "\r\n",
      " ",
      "\t",
      "0",
      ":",
      ";",
      ",",
      "\0",
      "\x7f",
      "\x80",
      '"',
    ),
  }),
  { maxLength: 2 },
);
function edited(wire: string, all: readonly { at: number; remove: number; insert: string }[]): string {
  return all.reduce((text, { at, remove, insert }) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + insert + text.slice(place + remove);
  }, wire);
}

holds(
  "a request ends where the reference says, or is refused where it says",
  fc.property(
    fc.array(message, { minLength: 1, maxLength: 3 }),
    edits,
    fc.nat(300),
    (messages, all, cut) => compare(edited(messages.join(""), all), cut),
  ),
  6000,
);

holds(
  "a chunked body ends where the reference says, or is refused where it says",
  fc.property(
    chunks,
    edits,
    fc.nat(100),
    (body, all, cut) => compare(CHUNKED_HEAD + edited(body, all) + GOOD, CHUNKED_HEAD.length + cut),
  ),
  6000,
);

Deno.test("the reference takes what RFC 9112 shows, and knows where it ends", () => {
  const chunkedBody = "4\r\nWiki\r\n5;a=b\r\npedia\r\n0\r\nA: b\r\n\r\n";
  assertEquals(readRequest(CHUNKED_HEAD + chunkedBody + "GET"), {
    kind: "request",
    bytes: CHUNKED_HEAD.length + chunkedBody.length,
    body: "Wikipedia",
  });
  assertEquals(readRequest("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab"), { kind: "more" });
  assertEquals(readRequest("GET / HTTP/1.1\r\n\r\n"), { kind: "bad" });
});
