/**
 * A client that sends exactly the bytes it is told and reads responses strictly, by a parser of its own: what tests say of
 * the server must not rest on the server's own reading of HTTP.
 *
 * @module
 */

import { Socket } from "node:net";
import { DEADLINE_MS, within } from "./deadline.ts";

/** A response, read in full. */
export interface Response {
  /** The statuses of interim responses before it: `[100]`. */
  readonly interim: readonly number[];
  readonly protocol: string;
  readonly status: number;
  readonly reason: string;
  /** Names in lower case, in the order they came. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly content: Uint8Array<ArrayBuffer>;
  /** How its end was told. */
  readonly framing: "none" | "length" | "chunked" | "close";
}

/** The value of the one field of that name; null without. Throws where it came twice. */
export function field(response: Response, name: string): string | null {
  const values = response.fields.filter(([each]) => each === name).map(([, value]) => value);
  if (values.length > 1) throw new Error(`${name} came ${values.length} times: ${values.join(" | ")}`);
  return values[0] ?? null;
}

/** The content as text. */
export function textOf(response: Response): string {
  return new TextDecoder().decode(response.content);
}

/** Bytes as they are written in a test: a char of a string is a byte. */
export function octets(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => {
    const code = char.charCodeAt(0);
    if (code > 0xff) throw new Error(`no byte: ${char}`);
    return code;
  });
}

/** The connection ended where a response, or the rest of one, should have come. */
export class UnexpectedEnd extends Error {}

/** The server broke a rule of RFC 9112. */
export class BadResponse extends Error {}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** A value: visible characters and obs-text, blanks only between them (RFC 9110, 5.5). */
const VALUE = /^([\x21-\x7e\x80-\xff]([\x20-\x7e\x80-\xff\t]*[\x21-\x7e\x80-\xff])?)?$/;

/** A connection to the server. */
export class RawClient implements Disposable {
  readonly #conn: Deno.Conn;
  readonly #chunk = new Uint8Array(new ArrayBuffer(64 * 1024));
  #unread: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #isEnded = false;
  #isClosed = false;

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  /** Connects. */
  static async connect(address: { hostname: string; port: number }): Promise<RawClient> {
    const { hostname, port } = address;
    const conn = await within("a connection", Deno.connect({ hostname, port }));
    conn.setNoDelay();
    return new RawClient(conn);
  }

  /** A client over a connection of another kind. */
  static over(conn: Deno.Conn): RawClient {
    return new RawClient(conn);
  }

  /** Closes the connection, whatever is under way. Harmless the second time. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Closes the connection, whatever is under way. Harmless the second time. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#conn.close();
  }

  /** Sends all of it. A char of a string is a byte. */
  async send(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? octets(data) : data;
    for (let at = 0; at < bytes.length;) {
      at += await within("the server to take bytes", this.#conn.write(bytes.subarray(at)));
    }
  }

  /** Sends the parts, each in a segment of its own as far as the system allows. */
  async sendSplit(parts: readonly (string | Uint8Array)[]): Promise<void> {
    for (const part of parts) {
      await this.send(part);
      // The next part is written in a later turn; with TCP_NODELAY it goes out by itself.
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  /** Says that nothing more will be sent. */
  async endSending(): Promise<void> {
    await this.#conn.closeWrite();
  }

  /**
   * Reads a response and leaves what follows it unread.
   *
   * @param options.method What it answers: a response to HEAD has no content.
   * @throws {UnexpectedEnd} the connection ended before or within it.
   * @throws {BadResponse} it breaks a rule.
   */
  async readResponse(options: { method?: string; deadlineMs?: number } = {}): Promise<Response> {
    return await within(
      "a response",
      this.#readResponse(options.method ?? "GET"),
      options.deadlineMs ?? DEADLINE_MS,
    );
  }

  /** Reads what comes until there is `text` in it, and returns all of it; what follows stays unread. */
  async readUntil(text: string): Promise<string> {
    return await within(JSON.stringify(text), this.#readUntil(text));
  }

  /** Reads until the server ends the connection. `reset`: it did so by a reset. */
  async readToEnd(): Promise<{ bytes: Uint8Array<ArrayBuffer>; reset: boolean }> {
    const parts: Uint8Array[] = [this.#unread];
    let reset = false;
    try {
      for (let n = await this.#read(); n !== null; n = await this.#read()) {
        parts.push(this.#chunk.slice(0, n));
      }
    } catch (error) {
      if (!isReset(error)) throw error;
      reset = true;
    }
    this.#unread = new Uint8Array(0);
    return { bytes: concat(parts), reset };
  }

  /** Reads what is there, or comes first, up to `max` bytes. */
  async readSome(max: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#unread.length === 0 && !await within("bytes", this.#fill())) {
      throw new UnexpectedEnd("no more bytes");
    }
    return this.#take(Math.min(max, this.#unread.length));
  }

  /** Reads and forgets what comes until it was at least so much; says how much it was. */
  async skipAtLeast(bytes: number): Promise<number> {
    let skipped = this.#unread.length;
    this.#unread = new Uint8Array(0);
    while (skipped < bytes) {
      const n = await this.#read();
      if (n === null) throw new UnexpectedEnd(`${bytes - skipped} bytes are missing`);
      skipped += n;
    }
    return skipped;
  }

  /** Reads and counts what comes until the server ends the connection. */
  async countToEnd(): Promise<number> {
    let count = this.#unread.length;
    this.#unread = new Uint8Array(0);
    for (let n = await this.#read(); n !== null; n = await this.#read()) count += n;
    return count;
  }

  async #read(): Promise<number | null> {
    return await within("bytes, or the end of the connection", this.#conn.read(this.#chunk));
  }

  async #fill(): Promise<boolean> {
    if (this.#isEnded) return false;
    const n = await this.#conn.read(this.#chunk);
    if (n === null) {
      this.#isEnded = true;
      return false;
    }
    this.#unread = concat([this.#unread, this.#chunk.subarray(0, n)]);
    return true;
  }

  #take(count: number): Uint8Array<ArrayBuffer> {
    const taken = this.#unread.subarray(0, count);
    this.#unread = this.#unread.subarray(count);
    return taken;
  }

  async #readUntil(text: string): Promise<string> {
    const wanted = octets(text);
    for (let from = 0;;) {
      const at = indexOf(this.#unread, wanted, from);
      if (at >= 0) return isomorphic(this.#take(at + wanted.length));
      from = Math.max(0, this.#unread.length - wanted.length + 1);
      if (!await this.#fill()) {
        throw new UnexpectedEnd(`after ${JSON.stringify(isomorphic(this.#unread.subarray(0, 200)))}`);
      }
    }
  }

  async #readExactly(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const parts: Uint8Array[] = [];
    let have = 0;
    for (;;) {
      const part = this.#take(Math.min(this.#unread.length, count - have));
      parts.push(part);
      have += part.length;
      if (have === count) return concat(parts);
      if (!await this.#fill()) throw new UnexpectedEnd(`after ${have} of ${count} bytes of content`);
    }
  }

  async #readLine(): Promise<string> {
    const line = (await this.#readUntil("\n")).slice(0, -1);
    if (!line.endsWith("\r") || line.indexOf("\r") !== line.length - 1) {
      throw new BadResponse(`a line that does not end in CRLF: ${JSON.stringify(line)}`);
    }
    return line.slice(0, -1);
  }

  async #readResponse(method: string): Promise<Response> {
    const interim: number[] = [];
    for (;;) {
      const head = await this.#readHead();
      if (head.status >= 200) {
        const { framing, content } = await this.#readContent(head, method);
        return { interim, ...head, framing, content };
      }
      interim.push(head.status);
    }
  }

  async #readHead(): Promise<Pick<Response, "protocol" | "status" | "reason" | "fields">> {
    const line = await this.#readLine();
    const match = /^(HTTP\/1\.[01]) ([1-5][0-9]{2}) ([\t\x20-\x7e]*)$/.exec(line);
    if (match === null) throw new BadResponse(`a status line: ${JSON.stringify(line)}`);
    const [, protocol, status, reason] = match;
    return { protocol, status: Number(status), reason, fields: await this.#readFields() };
  }

  async #readFields(): Promise<[string, string][]> {
    const fields: [string, string][] = [];
    for (let line = await this.#readLine(); line !== ""; line = await this.#readLine()) {
      const colon = line.indexOf(":");
      const name = line.slice(0, Math.max(colon, 0));
      const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "");
      if (!TOKEN.test(name) || !VALUE.test(value)) {
        throw new BadResponse(`a field line: ${JSON.stringify(line)}`);
      }
      fields.push([name.toLowerCase(), value]);
    }
    return fields;
  }

  async #readContent(
    head: Pick<Response, "status" | "fields">,
    method: string,
  ): Promise<Pick<Response, "framing" | "content">> {
    const all = (name: string) => head.fields.filter(([each]) => each === name).map(([, value]) => value);
    const lengths = all("content-length");
    const codings = all("transfer-encoding");
    if (lengths.length > 1 || codings.length > 1 || (lengths.length === 1 && codings.length === 1)) {
      throw new BadResponse(`two framings: ${JSON.stringify({ lengths, codings })}`);
    }
    if (lengths.length === 1 && !/^(0|[1-9][0-9]*)$/.test(lengths[0])) {
      throw new BadResponse(`a Content-Length: ${lengths[0]}`);
    }
    if (codings.length === 1 && codings[0] !== "chunked") throw new BadResponse(`a coding: ${codings[0]}`);
    if (method === "HEAD" || head.status === 304) return { framing: "none", content: new Uint8Array(0) };
    if (head.status === 204) {
      if (lengths.length + codings.length > 0) throw new BadResponse("a 204 with a framing");
      return { framing: "none", content: new Uint8Array(0) };
    }
    if (codings.length === 1) return { framing: "chunked", content: await this.#readChunks() };
    if (lengths.length === 1) {
      return { framing: "length", content: await this.#readExactly(Number(lengths[0])) };
    }
    while (await this.#fill());
    const content = this.#unread;
    this.#unread = new Uint8Array(0);
    return { framing: "close", content };
  }

  async #readChunks(): Promise<Uint8Array<ArrayBuffer>> {
    const parts: Uint8Array[] = [];
    for (;;) {
      const head = await this.#readLine();
      if (!/^[0-9A-Fa-f]{1,13}$/.test(head)) throw new BadResponse(`a chunk's head: ${JSON.stringify(head)}`);
      const size = parseInt(head, 16);
      if (size === 0) {
        await this.#readFields();
        return concat(parts);
      }
      parts.push(await this.#readExactly(size));
      if (await this.#readLine() !== "") throw new BadResponse("a chunk that does not end in CRLF");
    }
  }
}

/** Sends a request on a connection of its own, reads the response, and closes. */
export async function ask(
  address: { hostname: string; port: number },
  request: string | Uint8Array,
  options: { method?: string; deadlineMs?: number } = {},
): Promise<Response> {
  using client = await RawClient.connect(address);
  await client.send(request);
  return await client.readResponse(options);
}

/** A GET with no field but Host. */
export function get(path: string, ...lines: string[]): string {
  return [`GET ${path} HTTP/1.1`, "Host: localhost", ...lines, "", ""].join("\r\n");
}

/** A POST with a Content-Length. */
export function post(path: string, content: string, ...lines: string[]): string {
  const head = [
    `POST ${path} HTTP/1.1`,
    "Host: localhost",
    `Content-Length: ${content.length}`,
    ...lines,
    "",
    "",
  ];
  return head.join("\r\n") + content;
}

/**
 * Connects, sends, waits for `until`, some of the answer or an event elsewhere, and resets the connection. A reset that comes before
 * the server has read takes what was sent along with it: only a wait makes sure that there was a request at all.
 */
export async function sendAndReset(
  address: { hostname: string; port: number },
  request: string,
  until: string | (() => Promise<unknown>),
): Promise<void> {
  const socket = new Socket();
  const done = Promise.withResolvers<void>();
  let seen = "";
  socket.on("error", done.reject);
  socket.on("data", (data: Uint8Array) => {
    seen += isomorphic(data);
    if (typeof until === "string" && seen.includes(until)) socket.resetAndDestroy();
  });
  socket.on("close", () => done.resolve());
  socket.connect(address.port, address.hostname, () => {
    socket.write(octets(request), () => {
      if (typeof until === "function") until().then(() => socket.resetAndDestroy(), done.reject);
    });
  });
  await within("the answer to be reset", done.promise);
}

/** Whether a read or write failed because the other side is gone. */
export function isReset(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionAborted;
}

/** A char for each byte. */
export function isomorphic(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return text;
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(wanted[0], from); at >= 0; at = bytes.indexOf(wanted[0], at + 1)) {
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
