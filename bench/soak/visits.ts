/**
 * What the soak's clients do: each visit asks for something and checks every byte of the answer, or leaves in the middle.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { Random } from "../../tests/fuzz/seeds.ts";
import { field, get, isReset, RawClient, type Response, UnexpectedEnd } from "../../tests/support/raw.ts";
import { FILES, POOL, TEXTS } from "./site.ts";

/** A client with a connection that it keeps where it can. */
export class Visitor {
  /** Where its choices come from. */
  readonly random: Random;
  /** Its number, for names of its own. */
  readonly index: number;
  readonly #address: { readonly hostname: string; readonly port: number };
  /** How often a kept connection turned out to have ended. */
  retries = 0;
  #client: RawClient | null = null;
  /** Answers to what was asked last. */
  #answers = 0;

  /** A visitor without a connection yet. */
  constructor(address: { readonly hostname: string; readonly port: number }, seed: number, index: number) {
    this.#address = address;
    this.index = index;
    this.random = new Random(seed * 1000 + index);
  }

  /** A connection of its own for a visit that spoils it. */
  connect(): Promise<RawClient> {
    return RawClient.connect(this.#address);
  }

  /**
   * Sends requests in one go and reads as many answers. A kept connection that ended without a byte of an answer was closed while
   * it was idle, and everything is asked again (RFC 9112, 9.3.1).
   */
  async ask(requests: readonly string[], content: Uint8Array = NOTHING): Promise<Response[]> {
    const kept = this.#client;
    if (kept !== null) {
      try {
        return await this.#askOver(kept, requests, content);
      } catch (error) {
        const isIdleEnd = error instanceof UnexpectedEnd && error.message === 'after ""' || isReset(error);
        if (!isIdleEnd || this.#answers > 0) throw error;
        this.retries++;
        this.leave();
      }
    }
    return await this.#askOver(this.#client = await this.connect(), requests, content);
  }

  async #askOver(client: RawClient, requests: readonly string[], content: Uint8Array): Promise<Response[]> {
    const answers: Response[] = [];
    this.#answers = 0;
    await client.send(requests.join(""));
    if (content.length > 0) await client.send(content);
    for (const request of requests) {
      const response = await client.readResponse({ method: request.slice(0, request.indexOf(" ")) });
      this.#answers = answers.push(response);
      if (!/^\d+$/.test(field(response, "x-generation") ?? "")) {
        throw new Error("an answer without X-Generation");
      }
      // Whatever was asked behind it is to be asked again.
      if (field(response, "connection") === "close") break;
    }
    if (answers.some((response) => field(response, "connection") === "close")) this.leave();
    if (answers.length === requests.length) return answers;
    return [...answers, ...await this.ask(requests.slice(answers.length))];
  }

  /** Closes its connection. */
  leave(): void {
    this.#client?.close();
    this.#client = null;
  }
}

const NOTHING = new Uint8Array(0);

/** A kind of visit, and how often it is made beside the others. */
export interface Visit {
  readonly name: string;
  readonly weight: number;
  make(visitor: Visitor): Promise<void>;
}

/** All kinds. */
export const VISITS: readonly Visit[] = [
  { name: "file", weight: 20, make: visitFile },
  { name: "pipeline", weight: 8, make: visitPipeline },
  { name: "range", weight: 8, make: visitRange },
  { name: "text", weight: 4, make: visitText },
  { name: "upload", weight: 8, make: visitUpload },
  { name: "script", weight: 10, make: visitScript },
  { name: "echo", weight: 10, make: visitEcho },
  { name: "slow", weight: 2, make: visitSlowly },
  { name: "abort", weight: 12, make: visitAndLeave },
  { name: "cut", weight: 2, make: visitDying },
];

/** One of them, by weight. */
export function pickVisit(random: Random): Visit {
  let at = random.below(VISITS.reduce((sum, { weight }) => sum + weight, 0));
  for (const visit of VISITS) {
    if (at < visit.weight) return visit;
    at -= visit.weight;
  }
  return VISITS[0];
}

function expect(what: string, response: Response, status: number, content: Uint8Array | null): void {
  if (response.status !== status) throw new Error(`${what}: ${response.status}, not ${status}`);
  if (content === null) return;
  if (Buffer.compare(response.content, content) !== 0) {
    throw new Error(
      `${what}: ${response.content.length} bytes that are not the ${content.length} that they should be`,
    );
  }
}

async function visitFile(visitor: Visitor): Promise<void> {
  const [name, content] = visitor.random.pick([...FILES]);
  const isHead = visitor.random.below(5) === 0;
  const request = isHead ? get(`/${name}`).replace("GET", "HEAD") : get(`/${name}`);
  const [response] = await visitor.ask([request]);
  expect(`${isHead ? "HEAD" : "GET"} ${name}`, response, 200, isHead ? NOTHING : content);
  if (field(response, "content-length") !== String(content.length)) {
    throw new Error(`${name}: another length`);
  }
}

async function visitPipeline(visitor: Visitor): Promise<void> {
  const { random } = visitor;
  const wanted = Array.from({ length: 2 + random.below(30) }, () => {
    if (random.below(8) > 0) {
      const [name, content] = random.pick([...FILES].slice(0, 6));
      return { request: get(`/${name}`), status: 200, content };
    }
    const token = `t=${random.below(2 ** 31)}`;
    return random.below(2) === 0
      ? { request: get(`/none?${token}`), status: 404, content: null }
      : { request: get(`/cgi-bin/query.sh?${token}`), status: 200, content: new TextEncoder().encode(token) };
  });
  const answers = await visitor.ask(wanted.map(({ request }) => request));
  wanted.forEach(({ request, status, content }, index) =>
    expect(`pipelined ${request.slice(0, request.indexOf("\r"))}`, answers[index], status, content)
  );
}

async function visitRange(visitor: Visitor): Promise<void> {
  const { random } = visitor;
  const [name, content] = random.pick([...FILES].filter(([, { length }]) => length >= 10));
  const first = random.below(content.length);
  const last = first + random.below(content.length - first);
  if (random.below(3) > 0) {
    const [response] = await visitor.ask([get(`/${name}`, `Range: bytes=${first}-${last}`)]);
    expect(`${name} ${first}-${last}`, response, 206, content.subarray(first, last + 1));
    return;
  }
  const [response] = await visitor.ask([get(`/${name}`, `Range: bytes=0-1,${first}-${last},-3`)]);
  const boundary = /boundary=(.+)$/.exec(field(response, "content-type") ?? "")?.[1];
  if (boundary === undefined) throw new Error(`${name}: three ranges without a boundary`);
  const parts = [[0, 1], [first, last], [content.length - 3, content.length - 1]];
  const whole = parts.flatMap(([from, to], index) => [
    Buffer.from(
      `${index === 0 ? "" : "\r\n"}--${boundary}\r\nContent-Type: application/octet-stream\r\n` +
        `Content-Range: bytes ${from}-${to}/${content.length}\r\n\r\n`,
    ),
    content.subarray(from, to + 1),
  ]);
  const wanted = Buffer.concat([...whole, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  expect(`${name} in three ranges`, response, 206, wanted);
}

async function visitText(visitor: Visitor): Promise<void> {
  const [name, text] = visitor.random.pick([...TEXTS]);
  const [response] = await visitor.ask([get(`/${name}`, "Accept-Encoding: gzip")]);
  expect(name, response, 200, null);
  if (field(response, "content-encoding") !== "gzip") throw new Error(`${name} was not compressed`);
  const plain = new Blob([response.content]).stream().pipeThrough(new DecompressionStream("gzip"));
  if (await new globalThis.Response(plain).text() !== text) throw new Error(`${name} is another text`);
}

/** A part of the pool. */
function someContent(random: Random, lengthMax: number): Uint8Array<ArrayBuffer> {
  const length = random.below(3) === 0 ? random.below(lengthMax) : random.below(5000);
  const start = random.below(POOL.length - length);
  return POOL.subarray(start, start + length);
}

async function visitUpload(visitor: Visitor): Promise<void> {
  const { random, index } = visitor;
  const path = `/up/${index}-${random.below(3)}.bin`;
  const content = someContent(random, 2_000_000);
  const put = `PUT ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${content.length}\r\n\r\n`;
  const [stored] = await visitor.ask([put], content);
  if (stored.status !== 201 && stored.status !== 204) throw new Error(`PUT ${path}: ${stored.status}`);
  if (content.length > 1 && random.below(3) === 0) {
    // A second one that breaks off must leave the first as it was.
    using broken = await visitor.connect();
    await broken.send(put);
    await broken.send(POOL.subarray(0, random.below(content.length)));
  }
  const [read] = await visitor.ask([get(path)]);
  expect(`${path} read back`, read, 200, content);
  if (random.below(2) === 0) return;
  const [gone] = await visitor.ask([`DELETE ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`]);
  expect(`DELETE ${path}`, gone, 204, null);
  const [none] = await visitor.ask([get(path)]);
  expect(`${path} after its end`, none, 404, null);
}

async function visitScript(visitor: Visitor): Promise<void> {
  const { random } = visitor;
  if (random.below(6) === 0) {
    const [response] = await visitor.ask([get("/cgi-bin/redirect.sh")]);
    return expect("a local redirect", response, 200, FILES.get("1000.bin") ?? NOTHING);
  }
  const token = `x=${random.below(2 ** 31)}&y=${visitor.index}`;
  const [response] = await visitor.ask([get(`/cgi-bin/query.sh?${token}`)]);
  expect("a query", response, 200, new TextEncoder().encode(token));
}

async function visitEcho(visitor: Visitor): Promise<void> {
  const { random } = visitor;
  const content = someContent(random, 400_000);
  const script = random.pick(["echo.sh", "echo.sh", "sum.pl"]);
  const isChunked = random.below(2) === 0;
  const framing = isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${content.length}`;
  const head = `POST /cgi-bin/${script} HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n`;
  const [response] = await visitor.ask([head], isChunked ? chunked(random, content) : content);
  expect(`${script} ${isChunked ? "chunked" : "with a length"}`, response, 200, content);
  if (script !== "sum.pl") return;
  const sum = Buffer.from(await crypto.subtle.digest("SHA-256", content)).toString("hex");
  if (field(response, "x-checksum") !== sum) throw new Error(`${script} got other bytes than were sent`);
}

function chunked(random: Random, content: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < content.length;) {
    const bytes = Math.min(content.length - at, 1 + random.below(30_000));
    parts.push(
      Buffer.from(`${bytes.toString(16)}\r\n`),
      content.subarray(at, at + bytes),
      Buffer.from("\r\n"),
    );
    at += bytes;
  }
  return Buffer.concat([...parts, Buffer.from("0\r\n\r\n")]);
}

/** A large file, or a script's copy of it, read with pauses. */
async function visitSlowly(visitor: Visitor): Promise<void> {
  const { random } = visitor;
  const content = FILES.get("1048577.bin") ?? NOTHING;
  const path = random.pick(["/1048577.bin", "/cgi-bin/download.sh?1048577.bin"]);
  using client = await visitor.connect();
  // To HTTP/1.0 the end of the connection is the end of the answer, whoever gives it.
  await client.send(`GET ${path} HTTP/1.0\r\n\r\n`);
  const head = await client.readUntil("\r\n\r\n");
  if (!head.startsWith("HTTP/1.1 200 ")) throw new Error(`${path}: ${head.slice(0, 60)}`);
  for (let left = 300_000; left > 0;) {
    const part = await client.readSome(1 + random.below(60_000));
    const at = 300_000 - left;
    if (Buffer.compare(part, content.subarray(at, at + part.length)) !== 0) {
      throw new Error(`${path}: other bytes`);
    }
    left -= part.length;
    await new Promise((resolve) => setTimeout(resolve, random.below(20)));
  }
}

/** Somewhere within a request or its answer the client goes. */
async function visitAndLeave(visitor: Visitor): Promise<void> {
  const { random } = visitor;
  const content = someContent(random, 300_000);
  const request = random.pick([
    get("/4194304.bin"),
    get("/65536.bin", "Range: bytes=1-2,4-9"),
    get("/cgi-bin/download.sh?4194304.bin"),
    get("/cgi-bin/query.sh?gone"),
    get("/cgi-bin/hang.sh"),
    get("/long.txt", "Accept-Encoding: gzip"),
    `POST /cgi-bin/echo.sh HTTP/1.1\r\nHost: h\r\nContent-Length: ${content.length}\r\n\r\n`,
    `PUT /up/left-${visitor.index} HTTP/1.1\r\nHost: h\r\nContent-Length: ${content.length + 1}\r\n\r\n`,
  ]);
  using client = await visitor.connect();
  try {
    const isWhole = random.below(4) > 0;
    await client.send(isWhole ? request : request.slice(0, random.below(request.length)));
    if (isWhole && request.startsWith("P")) {
      await client.send(content.subarray(0, random.below(content.length + 1)));
    }
    if (random.below(3) === 0) await client.endSending();
    await new Promise((resolve) => setTimeout(resolve, random.below(60)));
    if (isWhole && /bin |txt /.test(request)) await client.readSome(1 + random.below(100_000));
  } catch (error) {
    // A body that is refused may be answered by a close.
    if (!isReset(error) && !(error instanceof UnexpectedEnd)) throw error;
  }
}

/** A script that is killed within its answer must not look as if it had ended. */
async function visitDying(visitor: Visitor): Promise<void> {
  using client = await visitor.connect();
  await client.send(get("/cgi-bin/die.sh"));
  try {
    const response = await client.readResponse();
    if (response.status < 500) throw new Error(`a script that died has a whole answer of ${response.status}`);
  } catch (error) {
    if (!(error instanceof UnexpectedEnd) && !isReset(error)) throw error;
  }
}
