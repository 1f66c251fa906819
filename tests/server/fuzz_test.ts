/**
 * Hostile bytes over the wire: 20,000 times requests of the corpus, random and mutated, alone and pipelined, half of them from a
 * fixed seed. Each gets answers that can be read strictly or a close, the next good request is served, and nothing is a bug.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { within } from "../support/deadline.ts";
import { ask, get, isomorphic, isReset, octets, post, RawClient, textOf } from "../support/raw.ts";
import { TestServer } from "../support/server.ts";
import { inputOctets } from "../support/splits.ts";
import { readRequest, readResponses } from "../fuzz/reference.ts";
import { FIXED_SEED, Random, RUN_SEED } from "../fuzz/seeds.ts";

const REQUESTS = 20_000;
const AT_ONCE = 16;
const YAML = `listen: 127.0.0.1:0
timeouts: { header: 20s, body: 20s, keep_alive: 20s }
log: { level: error }
cgi: { timeout: 20s, max_processes: 4 }
routes:
  - { path: /, files: ./static }
  - { path: /cgi-bin/, cgi: ./cgi-bin }
  - { path: /up/, files: ./up, methods: [GET, HEAD, PUT, POST, DELETE] }
  - { path: /closed/, files: ./static, auth: { basic: ./htpasswd } }
`;

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

/** The corpus: heads as parsers are given them, chunked bodies behind a head, and requests of real clients. */
const CORPUS: readonly string[] = [
  ...inputs("wire/requests.json"),
  ...inputs("http/heads.json").filter(({ length }) => length < 2000),
  ...inputs("http/chunked.json").filter(({ length }) => length < 2000).map((body) =>
    `POST /a.txt HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${body}`
  ),
];

function inputs(file: string): string[] {
  const cases = JSON.parse(Deno.readTextFileSync(new URL(`../corpus/${file}`, import.meta.url)));
  return cases.map(({ input }: { input: Parameters<typeof inputOctets>[0] }) =>
    isomorphic(inputOctets(input))
  );
}

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
  let text = random.pick(random.below(2) === 0 ? GOOD : CORPUS);
  // A pipeline, in which what is mutated may change what the rest means.
  while (random.below(4) === 0) text += random.pick(random.below(2) === 0 ? GOOD : CORPUS);
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
  const { bytes, reset } = await client.readToEnd();
  checkAnswers(isomorphic(request), isomorphic(bytes), reset);
}

/** Whether a head is refused for its size, which is before its method counts. */
function isBeyondLimits(wire: string): boolean {
  const head = wire.replace(/^\r\n/, "").split("\r\n\r\n", 1)[0];
  const [line, ...fields] = head.split("\r\n");
  const fieldBytes = fields.reduce((sum, { length }) => sum + length + 2, 0);
  return line.length > 8 * 1024 || fieldBytes > 32 * 1024 || fields.length > 100;
}

/** Reads all that was answered, strictly: no more final answers than requests, and one for what is none. */
function checkAnswers(wire: string, answered: string, isReset: boolean): void {
  const methods: string[] = [];
  for (let rest = wire; rest !== "";) {
    const reading = readRequest(rest);
    if (reading.kind !== "request" || isBeyondLimits(rest)) {
      // Whether its answer has content, hangs on how much of it could be read; it is the last one.
      methods.push("GET");
      break;
    }
    methods.push(/^(?:\r\n)?(\S+) /.exec(rest)?.[1] ?? "GET");
    rest = rest.slice(reading.bytes);
  }
  const responses = readResponses(answered, methods, true);
  const finals = responses.filter(({ status }) => status === 0 || status >= 200);
  assert(finals.length <= methods.length, `${finals.length} answers to ${methods.length} requests`);
  for (const [index, { status, isWhole }] of responses.entries()) {
    assert(isWhole || isReset || index === responses.length - 1, "an answer that is not whole");
    assert(status !== 500, "it answered 500");
  }
}

Deno.test("20,000 hostile requests: right answers or a close for each, and the next good one is served", async () => {
  await using server = await TestServer.start({
    yaml: YAML,
    files: {
      "static/a.txt": "0123456789",
      "static/sub/b.txt": "b",
      "up/.keep": "",
      "cgi-bin/echo.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec cat\n",
      htpasswd: "user:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n",
    },
  });
  for (const seed of [FIXED_SEED, RUN_SEED]) await provokeAll(server, seed, REQUESTS / 2);
  assertEquals(server.stderr.split("\n").filter((line) => / error |\bbug\b/.test(line)), []);
});

/** Sends so many of a seed, and a good request after each hundred. */
async function provokeAll(server: TestServer, seed: number, count: number): Promise<void> {
  const random = new Random(seed);
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const number = next++;
      const request = hostile(random);
      const split = random.below(request.length + 1);
      try {
        await provoke(server, request, split);
      } catch (cause) {
        const what = JSON.stringify(isomorphic(request));
        throw new Error(`request ${number} of POLLUX_FUZZ_SEED=${seed}, split at ${split}: ${what}`, {
          cause,
        });
      }
      if (number % 100 === 99) assertEquals(textOf(await ask(server, get("/a.txt"))), "0123456789");
    }
  };
  await within("all requests", Promise.all(Array.from({ length: AT_ONCE }, worker)), 600_000);
}
