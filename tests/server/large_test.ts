import { assert, assertEquals, assertMatch } from "@std/assert";
import { residentBytes } from "../support/processes.ts";
import { get } from "../support/raw.ts";
import { BASIC_YAML, type FileSpec, TestServer } from "../support/server.ts";

const GIB = 1024 ** 3;
const GROWTH_MAX = 48 * 1024 * 1024;

const FILES: Record<string, FileSpec> = {
  "cgi-bin/count.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nwc -c\n",
  "cgi-bin/zeros.sh":
    `#!/bin/sh\nprintf 'Content-Type: application/octet-stream\\n\\n'\nhead -c ${GIB} /dev/zero\n`,
  "cgi-bin/endless.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\ncat /dev/zero\n",
  "static/a.txt": "file",
};
const YAML = `limits: { body: 2GiB }\n${BASIC_YAML}`;

/** How much a process' resident memory grows at most while something happens. */
async function growthWhile(pid: number, work: () => Promise<void>): Promise<number> {
  const before = await residentBytes(pid);
  let most = before;
  let isDone = false;
  const watching = (async () => {
    while (!isDone) {
      most = Math.max(most, await residentBytes(pid));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  try {
    await work();
  } finally {
    isDone = true;
    await watching;
  }
  return most - before;
}

/** Code that was never run does not count: a little goes both ways first. */
async function warm(server: TestServer): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await upload(server, 1024 * 1024);
    await download(server, "/cgi-bin/zeros.sh", 1024 * 1024);
  }
  await server.childless();
}

async function upload(server: TestServer, size: number): Promise<void> {
  using client = await server.connect();
  await client.send(`POST /cgi-bin/count.sh HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n`);
  const piece = new Uint8Array(256 * 1024);
  for (let sent = 0; sent < size; sent += piece.length) await client.send(piece);
  assertEquals(new TextDecoder().decode((await client.readResponse()).content).trim(), String(size));
}

/** Takes so much of an answer, and leaves. HTTP/1.0, so that the content has no framing to be counted apart. */
async function download(server: TestServer, path: string, size: number): Promise<void> {
  using client = await server.connect();
  await client.send(`GET ${path} HTTP/1.0\r\n\r\n`);
  assertMatch(await client.readUntil("\r\n\r\n"), /^HTTP\/1\.1 200 /);
  if (size === GIB) assertEquals(await client.countToEnd(), GIB);
  else await client.skipAtLeast(size);
}

Deno.test("1 GiB passes to a script in flat memory", async () => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  await warm(server);
  const growth = await growthWhile(server.pid, () => upload(server, GIB));
  assert(growth < GROWTH_MAX, `grew by ${growth / 1024 / 1024} MiB`);
});

Deno.test("1 GiB passes from a script in flat memory", async () => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  await warm(server);
  const growth = await growthWhile(server.pid, () => download(server, "/cgi-bin/zeros.sh", GIB));
  assert(growth < GROWTH_MAX, `grew by ${growth / 1024 / 1024} MiB`);
});

Deno.test("a client that does not read stops its script and not the server", async () => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  await warm(server);
  using stopped = await server.connect();
  const growth = await growthWhile(server.pid, async () => {
    await stopped.send(get("/cgi-bin/endless.sh"));
    await stopped.readUntil("\r\n\r\n");
    // Meanwhile a fast one takes a good deal from the same script.
    await download(server, "/cgi-bin/endless.sh", 256 * 1024 * 1024);
  });
  assert(growth < GROWTH_MAX, `grew by ${growth / 1024 / 1024} MiB`);
  stopped.close();
  await server.childless();
});
