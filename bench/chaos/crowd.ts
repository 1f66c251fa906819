/**
 * Many slow clients at once, over sockets of their own: heads and bodies that do not end, and answers that nobody reads. Half of
 * them trickle, so slowly that no deadline may be moved by it; the others say nothing more.
 *
 *     deno run --no-prompt --allow-net=127.0.0.1 bench/chaos/crowd.ts PORT HEADS BODIES READERS
 *
 * says `gathered` once all are there, and after a line on standard input what became of them, as JSON.
 *
 * @module
 */

import { isReset } from "../../tests/support/raw.ts";

/** What a crowd is made of. */
export const SLOTHS = ["heads", "bodies", "readers"] as const;

/** A kind of slow client. */
export type Sloth = (typeof SLOTHS)[number];

/**
 * What became of them: how many got which status before their connection ended; `cut` had none, or one whose content broke off;
 * `whole` had all of their content.
 */
export type Fates = Record<string, number>;

/** The size of READER_PATH: more than the system holds for a connection that nobody reads from. */
export const READER_BYTES = 16 * 1024 * 1024;
/** What readers ask for, a file. */
export const READER_PATH = "/large.bin";
/** What bodies are sent to, a script that reads all of it. */
export const BODY_PATH = "/cgi-bin/count.sh";

/** Connections that are made at once: more than a queue holds would only wait for the system's next try. */
const STEP = 100;
const TRICKLE_MS = 1000;

const encoder = new TextEncoder();
const HEADS: Record<Sloth, readonly string[]> = {
  heads: ["GET /a.txt HTTP/1.1\r\nHost: localhost\r\n"],
  // As they come, and kept whole first: such a script runs only once its body is there.
  bodies: [
    `POST ${BODY_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nx`,
    `POST ${BODY_PATH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\nx`,
  ],
  readers: [`GET ${READER_PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n`],
};
const DROPS: Record<Sloth, string> = { heads: "X: y\r\n", bodies: "x", readers: "" };
/** What a slow reader reads in TRICKLE_MS. */
const SIP_BYTES = 16;

/** A slow client. */
interface Slow {
  readonly kind: Sloth;
  readonly connection: Deno.Conn;
  readonly trickles: boolean;
  /** What it has read: the beginning of it, and how much. */
  head: string;
  bytes: number;
  isOver: boolean;
}

/** Slow clients of one kind or several, from one process. */
export class Crowd implements Disposable {
  readonly #slow: Slow[] = [];
  readonly #over: Promise<void>[] = [];
  readonly #timer: ReturnType<typeof setInterval>;

  private constructor() {
    this.#timer = setInterval(() => this.#trickle(), TRICKLE_MS);
  }

  /** Connects so many of each kind, and sends what each begins with. */
  static async gather(
    address: { readonly hostname: string; readonly port: number },
    counts: Readonly<Record<Sloth, number>>,
  ): Promise<Crowd> {
    const crowd = new Crowd();
    const { hostname, port } = address;
    const kinds = SLOTHS.flatMap((kind) => Array.from({ length: counts[kind] }, () => kind));
    for (let from = 0; from < kinds.length; from += STEP) {
      const step = kinds.slice(from, from + STEP).map((kind, i) => crowd.#join(kind, { hostname, port }, i));
      await Promise.all(step);
    }
    return crowd;
  }

  async #join(kind: Sloth, address: { hostname: string; port: number }, i: number): Promise<void> {
    const connection = await Deno.connect(address);
    const slow: Slow = { kind, connection, trickles: i % 2 === 0, head: "", bytes: 0, isOver: false };
    this.#slow.push(slow);
    const [text] = HEADS[kind].slice((i >> 1) % HEADS[kind].length);
    await write(slow, text);
    if (kind !== "readers") this.#over.push(readToEnd(slow));
  }

  #trickle(): void {
    for (const slow of this.#slow) {
      if (!slow.trickles || slow.isOver) continue;
      if (slow.kind === "readers") read(slow, SIP_BYTES);
      else write(slow, DROPS[slow.kind]);
    }
  }

  /** Resolves once the server has ended all but the readers, which do not see it before they read. */
  async ended(): Promise<void> {
    await Promise.all(this.#over);
  }

  /** What became of each kind; readers read what is still there. */
  async fates(): Promise<Record<Sloth, Fates>> {
    await this.ended();
    clearInterval(this.#timer);
    const fates: Record<Sloth, Fates> = { heads: {}, bodies: {}, readers: {} };
    for (const slow of this.#slow) {
      if (slow.kind === "readers") await readToEnd(slow);
      const fate = fateOf(slow);
      fates[slow.kind][fate] = (fates[slow.kind][fate] ?? 0) + 1;
    }
    return fates;
  }

  /** Closes what is open. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const { connection } of this.#slow) connection.close();
  }
}

function fateOf({ head, bytes }: Slow): string {
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1];
  const length = /^content-length: (\d+)\r$/im.exec(head)?.[1];
  if (status === undefined || length === undefined) return "cut";
  const isWhole = bytes - head.indexOf("\r\n\r\n") - 4 === Number(length);
  if (!isWhole) return "cut";
  return status === "200" ? "whole" : status;
}

async function write(slow: Slow, text: string): Promise<void> {
  try {
    const bytes = encoder.encode(text);
    for (let done = 0; done < bytes.length;) done += await slow.connection.write(bytes.subarray(done));
  } catch (error) {
    if (!isReset(error)) throw error;
  }
}

/** Reads once; false at the end. */
async function read(slow: Slow, bytesMax: number): Promise<boolean> {
  const bytes = new Uint8Array(bytesMax);
  let count: number | null = null;
  try {
    count = await slow.connection.read(bytes);
  } catch (error) {
    if (!isReset(error)) throw error;
  }
  slow.isOver ||= count === null;
  slow.bytes += count ?? 0;
  if (slow.head.length < 1024) slow.head += new TextDecoder().decode(bytes.subarray(0, count ?? 0));
  return !slow.isOver;
}

async function readToEnd(slow: Slow): Promise<void> {
  while (await read(slow, 64 * 1024));
}

if (import.meta.main) {
  const [port, heads, bodies, readers] = Deno.args.map(Number);
  using crowd = await Crowd.gather({ hostname: "127.0.0.1", port }, { heads, bodies, readers });
  console.log("gathered");
  await Deno.stdin.read(new Uint8Array(1));
  console.log(JSON.stringify(await crowd.fates()));
}
