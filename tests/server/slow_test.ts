/**
 * Slow clients of all kinds at once; thousands of them, with figures, are `bench/chaos/slow.ts`.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Crowd, READER_BYTES, READER_PATH } from "../../bench/chaos/crowd.ts";
import { eventually } from "../support/deadline.ts";
import { descriptorCount } from "../support/processes.ts";
import { ask, field, get, post, RawClient, textOf } from "../support/raw.ts";
import { BASIC_YAML, runtimeVersion, TestServer } from "../support/server.ts";

const SLOW = 200;

Deno.test("200 slow heads, bodies and readers each, trickling or not, hold up nobody, and each is ended", async () => {
  await using server = await TestServer.start({
    yaml: `timeouts: { header: 3s, body: 3s, write: 3s }\ncgi: { queue_timeout: 3s }\n${BASIC_YAML}`,
    files: {
      "static/a.txt": "file",
      [`static${READER_PATH}`]: new Uint8Array(READER_BYTES),
      "cgi-bin/count.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nwc -c\n",
    },
  });
  // There the sockets of clients that read nothing stay open (denoland/deno#36369).
  const readers = (await runtimeVersion()).startsWith("2.7.") ? 0 : SLOW;
  // The runtime opens files of its own some time after its start: what is there is counted when a few slow ones have come and gone.
  using few = await Crowd.gather(server, { heads: 1, bodies: 0, readers: 0 });
  assertEquals((await few.fates()).heads, { 408: 1 });
  await ask(server, post("/cgi-bin/count.sh", "body"));
  await server.childless();
  const before = await descriptorCount(server.pid);
  using crowd = await Crowd.gather(server, { heads: SLOW, bodies: SLOW, readers });
  let isOver = false;
  const good = async () => {
    let answers = 0;
    using client = await server.connect();
    for (; !isOver; answers++) {
      await client.send(get("/a.txt"));
      assertEquals(textOf(await client.readResponse()), "file");
      assertEquals(textOf(await ask(server, get("/a.txt"))), "file");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return answers;
  };
  const slow = async () => {
    try {
      await crowd.ended();
      // Readers do not see their end before they read: the server's hold on them is what is over.
      await eventually("no slow client", async () => await descriptorCount(server.pid) <= before + 2);
    } finally {
      isOver = true;
    }
  };
  await Promise.all([good(), slow()]);
  const { heads, bodies, readers: read } = await crowd.fates();
  assertEquals(heads, { 408: SLOW });
  assertEquals(read, readers === 0 ? {} : { cut: readers });
  // Half of the bodies are kept whole first; of the others 32 had their script, which has begun to answer, or wait for it.
  assertEquals([bodies[408] >= SLOW / 2, bodies.whole], [true, undefined], JSON.stringify(bodies));
  await server.childless();
  await eventually("no descriptor more", async () => await descriptorCount(server.pid) <= before);
});

/** A body of which the server has been told the length, and has said that it wants it. */
async function beginBody(server: TestServer, path: string): Promise<RawClient> {
  const client = await RawClient.connect(server);
  await client.send(post(path, "x".repeat(100_000), "Expect: 100-continue").slice(0, -100_000));
  await client.readUntil("HTTP/1.1 100 Continue\r\n\r\n");
  return client;
}

Deno.test("bodies that come slower than limits.min_rate hold all places of scripts for so long, and with body: buffer none", async () => {
  await using server = await TestServer.start({
    // Longer than anybody waits here: what ends them is their rate.
    yaml: `timeouts: { body: 10m }\ncgi: { queue_timeout: 10m }\n${BASIC_YAML}` +
      "  - { path: /kept/, cgi: ./cgi-bin, body: buffer }\n",
    files: {
      "cgi-bin/count.sh": "#!/bin/sh\nn=$(wc -c)\nprintf 'Content-Type: text/plain\\n\\n%s' \"$n\"\n",
    },
  });
  const places = 32; // cgi.max_processes
  const kept = await Promise.all(
    Array.from({ length: places + 8 }, () => beginBody(server, "/kept/count.sh")),
  );
  assertEquals(textOf(await ask(server, post("/cgi-bin/count.sh", "four"))).trim(), "4");
  for (const client of kept) client.close();

  const slow = await Promise.all(
    Array.from({ length: places }, () => beginBody(server, "/cgi-bin/count.sh")),
  );
  let ended = 0;
  const drip = async (client: RawClient) => {
    while (ended < places) {
      await client.send("y").catch(() => {}); // It may be over.
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  };
  const end = async (client: RawClient) => {
    const response = await client.readResponse();
    ended++;
    return [response.status, field(response, "connection")];
  };
  await server.family(places);
  const other = ask(server, post("/cgi-bin/count.sh", "four"));
  const drips = slow.map(drip);
  const ends = await Promise.all(slow.map(end));
  assertEquals(ends, Array(places).fill([408, "close"]));
  await Promise.all(drips);
  assertEquals(textOf(await other).trim(), "4");
  for (const client of slow) client.close();
});
