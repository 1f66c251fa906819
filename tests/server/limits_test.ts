import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { eventually } from "../support/deadline.ts";
import { ask, field, get, isReset, post, RawClient } from "../support/raw.ts";
import { BASIC_YAML, runtimeVersion, TestServer } from "../support/server.ts";

const FILES = {
  "static/a.txt": "file",
  "cgi-bin/count.sh": "#!/bin/sh\nn=$(wc -c)\nprintf 'Content-Type: text/plain\\n\\n%s' \"$n\"\n",
};

function start(top: string): Promise<TestServer> {
  return TestServer.start({ yaml: `${top}\n${BASIC_YAML}`, files: FILES });
}

/** Makes a file of so many zeros, which are nowhere on the disk. */
async function makeLarge(server: TestServer, bytes: number): Promise<void> {
  const path = join(server.dir, "static/large.bin");
  await Deno.writeTextFile(path, "");
  await Deno.truncate(path, bytes);
}

Deno.test("requests_per_connection closes the connection after the last, and says so", async () => {
  await using server = await start("limits: { requests_per_connection: 3 }");
  using client = await server.connect();
  await client.send(get("/a.txt").repeat(5));
  const connection: (string | null)[] = [];
  for (let i = 0; i < 3; i++) connection.push(field(await client.readResponse(), "connection"));
  assertEquals(connection, [null, null, "close"]);
  assertEquals((await client.readToEnd()).bytes.length, 0);
});

Deno.test("connections_per_ip counts each address over all loops, answers 503 and makes room again", async () => {
  await using server = await start("workers: 2\nlimits: { connections_per_ip: 4 }");
  const held: RawClient[] = [];
  const statuses: number[] = [];
  try {
    for (let i = 0; i < 8; i++) {
      const client = await server.connect();
      held.push(client);
      await client.send(get("/a.txt"));
      const response = await client.readResponse();
      statuses.push(response.status);
      if (response.status === 503) assertMatch(field(response, "retry-after") ?? "", /^[0-9]+$/);
    }
    assertEquals(statuses, [200, 200, 200, 200, 503, 503, 503, 503]);
  } finally {
    for (const client of held) client.close();
  }
  await eventually("room again", async () => (await ask(server, get("/a.txt"))).status === 200);
});

Deno.test("a client that reads nothing is let go after timeouts.write", async () => {
  await using server = await start("timeouts: { write: 500ms }");
  // More than any system holds for a connection.
  const length = 512 * 1024 * 1024;
  await makeLarge(server, length);
  using client = await server.connect();
  await client.send(get("/large.bin"));
  assertMatch(await client.readUntil("\r\n\r\n"), /^HTTP\/1\.1 200 /);
  // The log has the request as soon as the server has done with it; until then nothing is read here.
  await server.stdoutMatch(/"GET \/large\.bin HTTP\/1\.1" 200 /);
  // There the socket stays open although its client is let go (denoland/deno#36369).
  if ((await runtimeVersion()).startsWith("2.7.")) return;
  let bytes = 0;
  try {
    bytes = await client.countToEnd();
  } catch (error) {
    if (!isReset(error)) throw error;
  }
  assert(bytes < length, `${bytes} bytes came`);
});

Deno.test({
  name: "a client that reads slowly, but reads, gets all of a large file however short timeouts.write is",
  ignore: Deno.build.os !== "linux", // elsewhere the system does not tell what it holds
  fn: async () => {
    await using server = await start("timeouts: { write: 3s }");
    const length = 32 * 1024 * 1024;
    await makeLarge(server, length);
    using client = await server.connect();
    await client.send(get("/large.bin", "Connection: close"));
    assertMatch(await client.readUntil("\r\n\r\n"), /^HTTP\/1\.1 200 /);
    // More than two terms long, and far less than the third of a send buffer after which a writer is woken.
    let bytes = 0;
    for (let i = 0; i < 70; i++) {
      bytes += await client.skipAtLeast(1);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assertEquals(bytes + await client.countToEnd(), length);
  },
});

Deno.test("a body that keeps coming, but slower than limits.min_rate, is given up with 408", async () => {
  await using server = await start("timeouts: { body: 60s }\nlimits: { min_rate: 1KiB }");
  using client = await server.connect();
  await client.send(post("/cgi-bin/count.sh", "x".repeat(100_000)).slice(0, -90_000));
  let isAnswered = false;
  const drip = async () => {
    while (!isAnswered) {
      await client.send("y").catch(() => {}); // It may be over.
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  };
  const read = async () => {
    try {
      return await client.readResponse();
    } finally {
      isAnswered = true;
    }
  };
  const [response] = await Promise.all([read(), drip()]);
  assertEquals([response.status, field(response, "connection")], [408, "close"]);
});
