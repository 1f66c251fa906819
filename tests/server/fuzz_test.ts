/**
 * Hostile bytes: 20,000 requests from a seed, random and mutated. Each gets an answer or a close, and the next good
 * request is served.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { within } from "../support/deadline.ts";
import { ask, get, isomorphic, isReset, octets, post, RawClient, textOf } from "../support/raw.ts";
import { BASIC_YAML, TestServer } from "../support/server.ts";

const REQUESTS = 20_000;
const AT_ONCE = 16;
const SEED = Number(Deno.env.get("POLLUX_FUZZ_SEED") ?? "20261122");

/** Numbers that look random and are the same for the same seed (mulberry32). */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** From 0 to `end` - 1. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % end;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }
}

const GOOD = [
  get("/a.txt", "Range: bytes=1-2,4-", 'If-None-Match: "x"', "Accept: text/html;q=0.5, */*"),
  get("/a.txt").replace("GET", "HEAD"),
  get("/sub/../a.txt?x=%20y"),
  get("/.well-known/%2e%2e/a.txt"),
  get("http://localhost:80/a.txt"),
  post("/a.txt", "body of some bytes"),
  'POST /a.txt HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x="y"\r\nabc\r\n0\r\nT: v\r\n\r\n',
  get("/a.txt", "Expect: 100-continue", "Content-Length: 4") + "body",
  "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
  get("*").replace("GET", "OPTIONS"),
  get("/a.txt", "Connection: close, x", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
];

/** What parsers stumble over. */
const TOKENS = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  ";",
  ",",
  '"',
  "\\",
  "%00",
  "%2e%2e%2f",
  "%",
  "/../",
  "//",
  "\x7f",
  "\x80",
  "\xff\xfe",
  "\xc0\xaf",
  "HTTP/1.1",
  "HTTP/2.0",
  "GET ",
  "Content-Length: 5\r\n",
  "Content-Length: -1\r\n",
  "Content-Length: 18446744073709551616\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: \x0bchunked\r\n",
  "Host: \r\n",
  "Host: a\r\nHost: b\r\n",
  "Range: bytes=0-9223372036854775807\r\n",
  "Range: bytes=-,-,-\r\n",
  "If-Modified-Since: Sun, 99 Foo 9999 99:99:99 GMT\r\n",
  "Accept: */*;q=1e99\r\n",
  "ffffffffffffffff\r\n",
  "0\r\n\r\n",
  "A".repeat(9000),
  "A: b\r\n".repeat(150),
];

function hostile(random: Random): Uint8Array<ArrayBuffer> {
  if (random.below(10) === 0) {
    return Uint8Array.from({ length: 1 + random.below(400) }, () => random.below(256));
  }
  let text = random.pick(GOOD);
  for (let n = 1 + random.below(4); n > 0; n--) {
    const at = random.below(text.length + 1);
    const rest = Math.min(text.length, at + random.below(12));
    switch (random.below(6)) {
      case 0:
        text = text.slice(0, at) + random.pick(TOKENS) + text.slice(at);
        break;
      case 1:
        text = text.slice(0, at) + random.pick(TOKENS) + text.slice(rest);
        break;
      case 2:
        text = text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1);
        break;
      case 3:
        text = text.slice(0, at) + text.slice(rest);
        break;
      case 4:
        text = text.slice(0, rest) + text.slice(at, rest) + text.slice(rest);
        break;
      case 5:
        text = text.slice(0, at);
        break;
    }
  }
  return octets(text);
}

/** Sends, says that nothing follows, and reads until the server has ended the connection. */
async function provoke(server: TestServer, request: Uint8Array, split: number): Promise<void> {
  using client = await RawClient.connect(server);
  try {
    await client.sendSplit([request.subarray(0, split), request.subarray(split)]);
    await client.endSending();
  } catch (error) {
    // Refused, and closed, before all was sent.
    if (!isReset(error)) throw error;
  }
  const { bytes } = await client.readToEnd();
  const answer = isomorphic(bytes.subarray(0, 16));
  assert(
    bytes.length === 0 || /^HTTP\/1\.1 [1-5]\d\d /.test(answer),
    `it answered ${JSON.stringify(answer)}`,
  );
  assert(!/^HTTP\/1\.1 500 /.test(answer), "it answered 500");
}

Deno.test("20,000 hostile requests: an answer or a close for each, and the next good one is served", async () => {
  await using server = await TestServer.start({
    yaml: `timeouts: { header: 3s, body: 3s, keep_alive: 3s }\nlog: { level: error }\n${BASIC_YAML}`,
    files: { "static/a.txt": "0123456789", "static/sub/b.txt": "b" },
  });
  const random = new Random(SEED);
  let next = 0;
  const worker = async () => {
    while (next < REQUESTS) {
      const number = next++;
      const request = hostile(random);
      const split = random.below(request.length + 1);
      try {
        await provoke(server, request, split);
      } catch (error) {
        throw new Error(
          `request ${number} of seed ${SEED}, split at ${split}: ${JSON.stringify(isomorphic(request))}`,
          {
            cause: error,
          },
        );
      }
      if (number % 1000 === 999) assertEquals(textOf(await ask(server, get("/a.txt"))), "0123456789");
    }
  };
  await within("all requests", Promise.all(Array.from({ length: AT_ONCE }, worker)), 600_000);
  assertEquals(textOf(await ask(server, get("/a.txt"))), "0123456789");
  assertEquals(server.stderr.split("\n").filter((line) => / error /.test(line)), []);
});
