/**
 * What the HTTP code alone costs: a head parsed, a field looked up, a response's head rendered.
 *
 * `deno bench bench/http_bench.ts`
 *
 * @module
 */

import { readFraming } from "../src/http/framing.ts";
import { HeadReader } from "../src/http/head.ts";
import {
  decideFraming,
  measureResponseHead,
  prepareFields,
  type ResponseHead,
  writeResponseHead,
} from "../src/http/response.ts";
import { parseTarget } from "../src/http/target.ts";

const LIMITS = { requestLineBytes: 8192, headerBytes: 32768, headerCount: 100 };
const encoder = new TextEncoder();

const SMALL = encoder.encode(
  "GET /index.html HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: wrk/4.2.0\r\nAccept: */*\r\n" +
    "Connection: keep-alive\r\n\r\n",
);
const BROWSER = encoder.encode(
  "GET /cgi-bin/hello.py?name=World HTTP/1.1\r\nHost: localhost:8080\r\n" +
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
    "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\n" +
    "Cookie: session=0123456789abcdef; theme=dark\r\nUpgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\n" +
    "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\nPriority: u=0, i\r\n\r\n",
);

/** Runs so often inside one measurement that its clock does not matter; results are per 1,000. */
function thousand(fn: () => unknown): () => void {
  return () => {
    for (let i = 0; i < 1000; i++) {
      if (fn() === undefined) {
        throw new Error("A measured function gives something, so that it is not optimized away");
      }
    }
  };
}

const reader = new HeadReader(LIMITS);
Deno.bench({
  name: `1,000 heads of ${SMALL.length} bytes, 4 fields`,
  group: "head",
  baseline: true,
  fn: thousand(() => reader.read(SMALL, 0, SMALL.length)),
});
Deno.bench({
  name: `1,000 heads of ${BROWSER.length} bytes, 12 fields`,
  group: "head",
  fn: thousand(() => reader.read(BROWSER, 0, BROWSER.length)),
});
Deno.bench({
  name: `1,000 heads of ${SMALL.length} bytes, a byte at a time`,
  group: "head",
  fn: thousand(() => {
    for (let end = 1; end < SMALL.length; end++) reader.read(SMALL, 0, end);
    return reader.read(SMALL, 0, SMALL.length);
  }),
});

const browserHead = new HeadReader(LIMITS).read(BROWSER, 0, BROWSER.length);
if (browserHead === null) throw new Error("The browser's head is complete");
Deno.bench({
  name: "1,000 fields found, the eleventh of twelve",
  group: "fields",
  baseline: true,
  fn: thousand(() => browserHead.fields.get("sec-fetch-site")),
});
Deno.bench({
  name: "1,000 fields not found among twelve",
  group: "fields",
  fn: thousand(() => browserHead.fields.get("if-none-match")),
});
Deno.bench({
  name: "1,000 framings of no body",
  group: "fields",
  fn: thousand(() => readFraming(browserHead)),
});

Deno.bench({
  name: "1,000 plain targets",
  group: "target",
  baseline: true,
  fn: thousand(() => parseTarget("/images/2024/picture.jpeg", "GET")),
});
Deno.bench({
  name: "1,000 targets with escapes and a query",
  group: "target",
  fn: thousand(() => parseTarget("/images/gr%C3%BC%C3%9Fe/a%20b.jpeg?size=large", "GET")),
});

const buffer = new Uint8Array(4096);
const fields: ResponseHead["fields"] = [
  ["Content-Type", "text/html; charset=utf-8"],
  ["ETag", '"18f3a-5c2d-65a1b2c3"'],
  ["Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"],
  ["Accept-Ranges", "bytes"],
];

function renderWith(fields: ResponseHead["fields"]): () => number {
  return () => {
    const framing = decideFraming({
      requestMinor: 1,
      method: "GET",
      status: 200,
      length: 1024,
      keepAlive: true,
    });
    const head = { status: 200, fields, date: "Sun, 06 Nov 1994 08:49:37 GMT", framing };
    if (measureResponseHead(head) > buffer.length) throw new Error("The buffer has room");
    return writeResponseHead(head, buffer, 0);
  };
}
Deno.bench({
  name: "1,000 response heads with 6 fields",
  group: "response",
  baseline: true,
  fn: thousand(renderWith(fields)),
});
Deno.bench({
  name: "1,000 response heads, 4 of 6 fields prepared",
  group: "response",
  fn: thousand(renderWith(prepareFields(fields))),
});
