/**
 * Slow clients, thousands of each kind alone and all together: how long a good client waits meanwhile, what they cost, and what
 * becomes of them.
 *
 *     deno run --no-prompt --allow-net --allow-read --allow-write --allow-run --allow-env bench/chaos/slow.ts [COUNT [heads|bodies|readers|all ...]]
 *
 * Fails where a slow client outlives its deadline, or a good client's p99 is 50 ms or more. The slow ones are a process of their
 * own, on the same machine: what they cost the processors is in the figures.
 *
 * @module
 */

import { descriptorCount, residentBytes } from "../../tests/support/processes.ts";
import { ask, get, RawClient, textOf } from "../../tests/support/raw.ts";
import { TestServer } from "../../tests/support/server.ts";
import { eventually } from "../../tests/support/deadline.ts";
import { READER_BYTES, type Sloth, SLOTHS } from "./crowd.ts";

const count = Number(Deno.args[0] ?? 2000);
const MIB = 2 ** 20;
const P99_MS_MAX = 50;
/** How long the good client is watched before the first deadline, and by when the last must be over. */
const DEADLINE_S = 15;
const LATE_MS = 60_000;
/** A good client's pause between two requests, and which of these comes over a connection of its own. */
const PAUSE_MS = 5;
const NEW_EACH = 5;

const faults: string[] = [];

/** A good client: a small file, time and again. */
class Good {
  readonly timesMs: number[] = [];
  #isOver = false;
  readonly #done: Promise<void>;

  constructor(server: TestServer) {
    this.#done = this.#ask(server);
  }

  async #ask(server: TestServer): Promise<void> {
    using client = await RawClient.connect(server);
    for (let i = 0; !this.#isOver; i++) {
      const began = performance.now();
      const isNew = i % NEW_EACH === 0;
      if (!isNew) await client.send(get("/a.txt"));
      const answer = isNew ? await ask(server, get("/a.txt")) : await client.readResponse();
      this.timesMs.push(performance.now() - began);
      if (answer.status !== 200 || textOf(answer) !== "file") {
        faults.push(`a good client got ${answer.status}`);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  /** Ends it: how many requests, and how long they took. */
  async end(): Promise<string> {
    this.#isOver = true;
    await this.#done;
    const times = this.timesMs.toSorted((a, b) => a - b);
    const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
    if (at(0.99) >= P99_MS_MAX) faults.push(`p99 of ${at(0.99).toFixed(1)} ms`);
    const [p50, p99, most] = [at(0.5), at(0.99), at(1)].map((ms) => ms.toFixed(1));
    return `p50 ${p50}, p99 ${p99}, at most ${most} ms of ${times.length} requests`;
  }
}

async function withCrowd(server: TestServer, name: string, counts: Record<Sloth, number>): Promise<void> {
  const before = { rss: await residentBytes(server.pid), descriptors: await descriptorCount(server.pid) };
  const crowd = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--no-check", "--allow-net=127.0.0.1"],
      new URL("crowd.ts", import.meta.url).pathname,
      ...[server.port, counts.heads, counts.bodies, counts.readers].map(String),
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const lines = crowd.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const there = new Good(server);
  await lines.read();
  const gathered = performance.now();
  await new Promise((resolve) => setTimeout(resolve, DEADLINE_S * 1000 / 2));
  const rss = await residentBytes(server.pid);
  console.log(`${name}\n  while they come and hang: ${await there.end()}`);
  const going = new Good(server);
  let held = Infinity;
  try {
    await eventually("all connections to be let go", async () => {
      held = await descriptorCount(server.pid);
      return held <= before.descriptors + 2; // those of the good client itself
    }, LATE_MS);
  } catch {
    faults.push(`${name}: ${held - before.descriptors} descriptors are still held`);
  }
  const seconds = (performance.now() - gathered) / 1000;
  console.log(`  while they are ended: ${await going.end()}; none is left after ${seconds.toFixed(0)} s`);
  const writer = crowd.stdin.getWriter();
  await writer.write(new Uint8Array([10]));
  await writer.close();
  const { value = "{}" } = await lines.read();
  for (const [kind, fates] of Object.entries(JSON.parse(value) as Record<Sloth, Record<string, number>>)) {
    if ("whole" in fates) faults.push(`${name}: ${fates.whole} ${kind} had a whole answer`);
    if (Object.keys(fates).length > 0) console.log(`  what became of the ${kind}: ${JSON.stringify(fates)}`);
  }
  await crowd.status;
  const after = await residentBytes(server.pid);
  const [was, most, then] = [before.rss, rss, after].map((bytes) => (bytes / MIB).toFixed(0));
  console.log(`  resident ${was} MiB before, ${most} with them, ${then} after`);
}

await using server = await TestServer.start({
  yaml: [
    "listen: 127.0.0.1:0",
    `timeouts: { header: ${DEADLINE_S}s, body: ${DEADLINE_S}s, write: ${DEADLINE_S}s }`,
    "log: { access: off }",
    "cgi: { queue_timeout: 5s }",
    "routes:",
    "  - { path: /, files: ./static }",
    "  - { path: /cgi-bin/, cgi: ./cgi-bin }",
    "",
  ].join("\n"),
  files: {
    "static/a.txt": "file",
    "static/large.bin": new Uint8Array(READER_BYTES),
    "cgi-bin/count.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nwc -c\n",
  },
});
for (let i = 0; i < 500; i++) await ask(server, get("/a.txt"));
const NONE: Record<Sloth, number> = { heads: 0, bodies: 0, readers: 0 };
const alone = new Good(server);
await new Promise((resolve) => setTimeout(resolve, 3000));
console.log(`nobody else\n  ${await alone.end()}`);
const wanted = Deno.args.slice(1);
for (const kind of SLOTHS) {
  if (wanted.length > 0 && !wanted.includes(kind)) continue;
  await withCrowd(server, `${count} slow ${kind}`, { ...NONE, [kind]: count });
}
if (wanted.length === 0 || wanted.includes("all")) {
  await withCrowd(server, `${count} of each`, { heads: count, bodies: count, readers: count });
}
if (server.stderr.includes("bug")) faults.push(server.stderr);
for (const fault of new Set(faults)) console.log(`FAULT: ${fault}`);
if (faults.length > 0) Deno.exitCode = 1;
