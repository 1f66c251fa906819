/**
 * How full the heap of any thread becomes under loads that hold much at once: V8 ends the process where one reaches its limit.
 *
 *     deno run --no-prompt --allow-net --allow-read --allow-write --allow-run --allow-env bench/chaos/heap.ts [idle|readers|pipelined|scripts ...]
 *
 * The heap is what V8 says of it before each collection, garbage included; what is resident counts all threads, and buffers.
 *
 * @module
 */

import { residentBytes } from "../../tests/support/processes.ts";
import { TestServer } from "../../tests/support/server.ts";

const MIB = 2 ** 20;
const LARGE_BYTES = 100 * MIB;
const SCRIPT_BYTES = 8 * MIB;
const LOOK_MS = 100;
const HOLD_MS = 5_000;
const encoder = new TextEncoder();

/** Connections to a server, all of them closed at the end. */
class Crowd implements Disposable {
  readonly connections: Deno.TcpConn[] = [];

  [Symbol.dispose](): void {
    for (const connection of this.connections) connection.close();
  }

  /** Connects `count` times and sends `request` over each. */
  async gather({ hostname, port }: TestServer, count: number, request: string): Promise<void> {
    const bytes = encoder.encode(request);
    for (let i = 0; i < count; i++) {
      const connection = await Deno.connect({ hostname, port });
      this.connections.push(connection);
      await writeAll(connection, bytes);
    }
  }
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
}

/** Reads until the end, or until so much has come. */
async function drain(connection: Deno.TcpConn, bytesMax = Infinity): Promise<number> {
  const buffer = new Uint8Array(65_536);
  let bytes = 0;
  while (bytes < bytesMax) {
    const count = await connection.read(buffer);
    if (count === null) break;
    bytes += count;
  }
  return bytes;
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const get = (path: string, more = ""): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;

const PIPELINED = 1000;
const ROUNDS = 20;

const LOADS: Record<string, (server: TestServer, crowd: Crowd) => Promise<string>> = {
  /** Each has had an answer. */
  async idle(server, crowd) {
    await crowd.gather(server, 10_000, get("/a.txt"));
    for (const connection of crowd.connections) await drain(connection, 1);
    await wait(HOLD_MS);
    return "10,000 idle connections";
  },
  /** They read nothing. */
  async readers(server, crowd) {
    await crowd.gather(server, 2000, get("/large.bin"));
    await wait(HOLD_MS);
    return "2,000 readers of 100 MiB that read nothing";
  },
  /** Half of them read what is answered, the others nothing at all. */
  async pipelined(server, crowd) {
    await crowd.gather(server, 64, "");
    const requests = encoder.encode(get("/a.txt").repeat(PIPELINED));
    let answered = 0;
    const last = Promise.withResolvers<void>();
    let under = crowd.connections.length / 2;
    crowd.connections.forEach(async (connection, i) => {
      if (i % 2 === 0) {
        // Blocked for good once nobody reads its answers.
        writeAll(connection, encoder.encode(get("/a.txt").repeat(PIPELINED * ROUNDS))).catch(() => {});
        return;
      }
      const sent = (async () => {
        for (let round = 0; round < ROUNDS; round++) await writeAll(connection, requests);
        await writeAll(connection, encoder.encode(get("/a.txt", "Connection: close\r\n")));
      })();
      const bytes = await drain(connection);
      answered += bytes;
      await sent;
      if (--under === 0) last.resolve();
    });
    await last.promise;
    return `64 clients that pipeline ${PIPELINED * ROUNDS} requests each, half of which read nothing; ${
      (answered / MIB).toFixed(0)
    } MiB answered`;
  },
  /** They read nothing at first. */
  async scripts(server, crowd) {
    await crowd.gather(server, 500, get("/cgi-bin/large.sh", "Connection: close\r\n"));
    await wait(HOLD_MS);
    const bytes = await Promise.all(crowd.connections.map((connection) => drain(connection)));
    const whole = bytes.filter((count) => count > SCRIPT_BYTES).length;
    return `500 scripts at once of ${SCRIPT_BYTES / MIB} MiB each: ${whole} whole answers`;
  },
};

/** The fullest heap of each thread, in MiB, the largest first. */
function fullest(trace: string): number[] {
  const peaks = new Map<string, number>();
  // [4711:0x5581:0]  1234 ms: Scavenge 10.1 (12.3) -> 9.0 (13.3) MB, ...
  for (const [, isolate, mib] of trace.matchAll(/^\[\d+:(\w+):?\d*\]\s.*?ms: .*?([\d.]+) \([\d.]+\) -> /gm)) {
    peaks.set(isolate, Math.max(peaks.get(isolate) ?? 0, Number(mib)));
  }
  return [...peaks.values()].sort((a, b) => b - a);
}

/** Puts `load` on a server that writes what it collects into `trace`. */
async function bear(load: string, trace: string): Promise<string> {
  await using server = await TestServer.start({
    yaml: [
      "listen: 127.0.0.1:0",
      "limits: { connections: 10100, min_rate: 1 }",
      "timeouts: { header: 10m, keep_alive: 10m, write: 10m }",
      "log: { access: off }",
      "cgi: { max_processes: 500 }",
      "routes:",
      "  - { path: /, files: ./static }",
      "  - { path: /cgi-bin/, cgi: ./cgi-bin }",
      "",
    ].join("\n"),
    files: {
      "static/a.txt": "file",
      "cgi-bin/large.sh":
        `#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec head -c ${SCRIPT_BYTES} /dev/zero\n`,
    },
    env: { DENO_V8_FLAGS: "--trace-gc" },
    redirections: `> ${trace}`,
  });
  await Deno.writeFile(`${server.dir}/static/large.bin`, new Uint8Array(0));
  await Deno.truncate(`${server.dir}/static/large.bin`, LARGE_BYTES);
  let resident = 0;
  let isOver = false;
  const watched = (async () => {
    for (; !isOver; await wait(LOOK_MS)) resident = Math.max(resident, await residentBytes(server.pid));
  })();
  using crowd = new Crowd();
  const what = await LOADS[load](server, crowd);
  isOver = true;
  await watched;
  return `${what}; resident at most ${(resident / MIB).toFixed(0)} MiB`;
}

/** What V8 has written is all there once the server has ended. */
async function measure(load: string): Promise<void> {
  const trace = await Deno.makeTempFile({ prefix: "pollux-heap-" });
  try {
    const what = await bear(load, trace);
    const heaps = fullest(await Deno.readTextFile(trace)).map((mib) => mib.toFixed(0));
    console.log(`${what}; heaps of up to ${heaps.join(", ")} MiB`);
  } finally {
    await Deno.remove(trace);
  }
}

for (const load of Deno.args.length > 0 ? Deno.args : Object.keys(LOADS)) await measure(load);
