/**
 * What the error log says of a request that is refused: each reason in its own words.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { ChunkedReader } from "./chunked.ts";
import { HttpError } from "./error.ts";
import { readFraming } from "./framing.ts";
import { HeadReader, type ParsedHead } from "./head.ts";
import { multipartBoundary, MultipartReader } from "./multipart.ts";
import { encodeOctets } from "./octets.ts";
import { readProxyHeader } from "./proxy_protocol.ts";
import { parseTarget } from "./target.ts";

type Case = readonly [input: string, reason: string];

function test(name: string, cases: readonly Case[], read: (input: string) => unknown): void {
  Deno.test({
    name: `${name} says why it refuses`,
    permissions: "none",
    fn() {
      for (const [input, reason] of cases) {
        assertEquals(assertThrows(() => read(input), HttpError, "", input).message, reason, input);
      }
    },
  });
}

function readHead(text: string): ParsedHead | null {
  const bytes = encodeOctets(text);
  const reader = new HeadReader({ requestLineBytes: 64, headerBytes: 128, headerCount: 3 });
  return reader.read(bytes, 0, bytes.length);
}

test("HeadReader", [
  [":", "a request line that does not begin with a method"],
  [`${"A".repeat(60)} / HTTP/1.1\r\n`, "the method is too long"],
  ["GE(T / HTTP/1.1\r\n", "a method that is no token"],
  ["GET /\x01 HTTP/1.1\r\n", "a target with a byte that no target may hold, or no version"],
  ["GET  HTTP/1.1\r\n", "an empty target"],
  ["GET / HTTX/1.1\r\n\r\n", "a malformed version"],
  ["GET / HTTP/1.1\rX", "a bare CR in the request line"],
  ["\rX", "a bare CR before the request line"],
  ["FROB / HTTP/1.1\r\nHost: a\r\n\r\n", "the method is not registered"],
  ["GET / HTTP/2.0\r\nHost: a\r\n\r\n", "HTTP/2.0 is not served"],
  ["GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "more than one Host"],
  ["GET / HTTP/1.1\r\n\r\n", "no Host in HTTP/1.1"],
  ["GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "a malformed Host"],
  [`GET /${"a".repeat(64)} HTTP/1.1\r\n`, "the request line is longer than limits.request_line"],
], readHead);

test("FieldSectionReader", [
  ["A: a\rX", "a bare CR in a field line"],
  ["A: a\r\n\rX", "a bare CR at the end of the field section"],
  [`A: ${"a".repeat(128)}`, "the field section is longer than limits.header_bytes"],
  ["A: a\r\nB: b\r\nC: c\r\nD: d\r\n\r\n", "there are more field lines than limits.header_count"],
  ["A: a\r\n b\r\n\r\n", "a field line that begins with white space (obs-fold)"],
  [": a\r\n\r\n", "a field without a name"],
  ["A : a\r\n\r\n", "white space in a field name or before its colon"],
  ["A\r\n\r\n", "a field line without a colon"],
  ["A(: a\r\n\r\n", "the byte 0x28 in a field name"],
  ["A: a\n\r\n", "a bare LF in a field line"],
  ["A: \x00\r\n\r\n", "the byte 0x00 in a field value"],
], (fields) => readHead(`GET / HTTP/1.1\r\n${fields}`));

test("readFraming()", [
  ["1 Content-Length: 1\r\nContent-Length: 1", "Content-Length twice"],
  ["1 Content-Length: 1\r\nTransfer-Encoding: chunked", "Transfer-Encoding with Content-Length"],
  ["0 Transfer-Encoding: chunked", "Transfer-Encoding in HTTP/1.0"],
  ["1 Content-Length:", "an empty Content-Length"],
  ["1 Content-Length: +1", "a Content-Length that is not only digits"],
  ["1 Content-Length: 9007199254740992", "a Content-Length over 2^53-1"],
  ['1 Transfer-Encoding: "chunked"', "quotes in Transfer-Encoding"],
  ["1 Transfer-Encoding: chunked,", "a malformed Transfer-Encoding"],
  ["1 Transfer-Encoding: gzip", "a Transfer-Encoding that does not end in chunked"],
  ["1 Transfer-Encoding: chunked, chunked", "chunked twice"],
  ["1 Transfer-Encoding: gzip, chunked", "a transfer coding other than chunked"],
], (input) => {
  const head = readHead(`POST / HTTP/1.${input[0]}\r\nHost: a\r\n${input.slice(2)}\r\n\r\n`);
  if (head !== null) readFraming(head);
});

test("ChunkedReader", [
  [";", "a chunk size without digits"],
  ["1 x", "white space in a chunk's head"],
  ["1;=", "a chunk extension without a name"],
  ["1;a b", "white space in a chunk extension"],
  ["1;a=;", "a chunk extension without a value"],
  ['1;a="\x01', "a control byte in a chunk extension"],
  ["1\rX", "a bare CR in a chunk's head"],
  ["1\r\naX", "chunk data longer than its size"],
  ["1\r\na\rX", "a bare CR behind chunk data"],
  ["00000000000000001", "a chunk size of too many digits"],
  ["20000000000001\r\n", "a chunk size over 2^53-1"],
  [`1;${"a".repeat(80)}`, "chunk extensions longer than limits.header_bytes"],
  ["1\n", "a bare LF in a chunk's head"],
  ["1G", "a malformed chunk size or extension"],
], (input) => {
  const bytes = encodeOctets(input);
  const reader = new ChunkedReader({ headerBytes: 64, headerCount: 3 });
  for (let at = 0; at < bytes.length;) at = reader.read(bytes, at, bytes.length);
});

test("parseTarget()", [
  ["CONNECT /", "a malformed authority-form"],
  ["GET a", "a target of no form that this method has"],
  ["GET http://a b/", "a malformed authority in the target"],
  ["GET /^", "a byte in the path that may only stand there encoded"],
  ["GET /?#", "a byte in the query that no target may hold"],
  ["GET /%00", "an encoded NUL, CR or LF in the path"],
  ["GET /%0", "a malformed escape in the path"],
  ["GET /..", "a path that leaves the root"],
], (input) => {
  const [, method, target] = /^(\w+) (.*)$/.exec(input) ?? [];
  parseTarget(target, method);
});

test("multipartBoundary()", [
  ["multipart/form-data", "multipart/form-data without a valid boundary: multipart/form-data"],
], multipartBoundary);

const FILE = 'Content-Disposition: form-data; name="f"; filename="a"\r\n';

test("MultipartReader", [
  ["--b\r\n", "it ends before its last delimiter"],
  ["text", "it does not begin with its delimiter"],
  [`--b${" ".repeat(2000)}\r\n`, "a delimiter with too much white space behind it"],
  ["--bx\r\n", "a line that only begins as the delimiter"],
  ["--b\rx", "a bare CR behind a delimiter"],
  ["--b\r\nA\r\n\r\n", "the head of a part: a field line without a colon"],
  ['--b\r\nContent-Disposition: form-data; name="f"; filename*=x\r\n\r\n', "the file name x"],
  ["--b\r\nA: a\r\n\r\n", "a part needs one Content-Disposition"],
  ["--b\r\nContent-Disposition: attachment\r\n\r\n", "a part that is no form-data: attachment"],
  ["--b\r\nContent-Disposition: form-data\r\n\r\n", "a part without a name"],
  ['--b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n', "a name that is no UTF-8"],
], (input) => {
  try {
    const reader = new MultipartReader("b");
    reader.push(encodeOctets(input));
    reader.finish();
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    throw new HttpError(error.status, error.message.replace("malformed multipart/form-data: ", ""));
  }
});

test("MultipartReader of a part's coding", [
  [`--b\r\n${FILE}Content-Transfer-Encoding: base64\r\n\r\n`, "a part in the transfer encoding base64"],
], (input) => new MultipartReader("b").push(encodeOctets(input)));

const V2 = "\r\n\r\n\0\r\nQUIT\n";

test("readProxyHeader()", [
  ["GET / HTTP/1.1\r\n", "there is none"],
  [`PROXY ${"a".repeat(120)}`, "its line is too long"],
  ["PROXY UNKNOWN\n", "its line does not end in CRLF"],
  ["PROXY a\r\n", "its line has another shape"],
  ["PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", "an address in it is none"],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1 70000\r\n", "a port in it is none"],
  [`${V2}\x11\x11\0\0`, "its version is 1"],
  [`${V2}\x25\x11\0\0`, "its command is 5"],
  [`${V2}\x21\x11\0\0`, "it is too short for its addresses"],
], (input) => {
  const bytes = encodeOctets(input);
  try {
    readProxyHeader(bytes, 0, bytes.length);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    throw new HttpError(error.status, error.message.replace("the PROXY protocol's header: ", ""));
  }
});
