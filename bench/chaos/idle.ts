/**
 * Idle connections, and clients that send whole bodies as slowly as they may: what each costs in memory, and how long another
 * client waits meanwhile.
 *
 *     deno run --no-prompt --allow-net --allow-read --allow-write --allow-run --allow-env bench/chaos/idle.ts [COUNT]
 *
 * @module
 */

import { residentBytes } from "../../tests/support/processes.ts";
import { ask, get } from "../../tests/support/raw.ts";
import { TestServer } from "../../tests/support/server.ts";

const count = Number(Deno.args[0] ?? 10_000);
const KIB = 1024;

await using server = await TestServer.start({
  yaml: [
    "listen: 127.0.0.1:0",
    `limits: { connections: ${count + 100}, min_rate: 1 }`,
    "timeouts: { header: 10m, body: 10m, keep_alive: 10m }",
    "log: { access: off }",
    "routes:",
    "  - { path: /, files: ./static }",
    "  - { path: /cgi-bin/, cgi: ./cgi-bin, body: buffer }",
    "",
  ].join("\n"),
  files: {
    "static/a.txt": "file",
    "cgi-bin/count.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nwc -c\n",
  },
});

/** The p99 of a small file, in milliseconds, over connections of its own. */
async function othersWaitMs(): Promise<string> {
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const began = performance.now();
    await ask(server, get("/a.txt"));
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.99)].toFixed(1);
}

async function settled(): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < 10; i++) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    least = Math.min(least, await residentBytes(server.pid));
  }
  return least;
}

/** `count` connections that have sent `text`, and how memory grew. */
async function hold(name: string, connections: number, text: string, answers: boolean): Promise<void> {
  const before = await settled();
  const held: Deno.Conn[] = [];
  const bytes = new TextEncoder().encode(text);
  for (let i = 0; i < connections; i++) {
    const { hostname, port } = server;
    const connection = await Deno.connect({ hostname, port });
    held.push(connection);
    if (bytes.length === 0) continue;
    for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
    if (answers) await connection.read(new Uint8Array(4096));
  }
  const grown = await settled() - before;
  const each = (grown / connections / KIB).toFixed(1);
  console.log(
    `${name}: ${connections} connections, ${each} KiB each, ${(grown / KIB / KIB).toFixed(0)} MiB in all; ` +
      `another client's p99: ${await othersWaitMs()} ms`,
  );
  for (const connection of held) connection.close();
}

for (let i = 0; i < 200; i++) await ask(server, get("/a.txt"));
const HEAD = "GET /a.txt HTTP/1.1\r\nHost: localhost\r\n";
const CHUNKED = "POST /cgi-bin/count.sh HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
await hold("idle, nothing sent", count, "", false);
await hold("idle after an answer", count, `${HEAD}\r\n`, true);
await hold(
  "a head of 30 KiB that does not end",
  Math.floor(count / 10),
  HEAD + `X: ${"x".repeat(30_000)}`,
  false,
);
await hold("900 KiB of a body that is kept whole", 400, `${CHUNKED}e1000\r\n${"x".repeat(0xe0fff)}`, false);
