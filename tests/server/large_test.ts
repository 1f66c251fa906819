import { assert, assertEquals, assertMatch } from "@std/assert";
import { gunzipSync } from "node:zlib";
import { residentBytes } from "../support/processes.ts";
import { ask, field, get, octets, post } from "../support/raw.ts";
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

Deno.test("much that a script says or is told arrives as it was, whatever it goes through", async (t) => {
  const yaml = `listen: 127.0.0.1:0
routes:
  - { path: /plain/, cgi: ./s }
  - { path: /coded/, cgi: ./s, compress: true }
  - { path: /kept/, cgi: ./s, cache: { max_age: 1h } }
`;
  const header = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n";
  const files = { "s/count.sh": `${header}seq 1 400000\n`, "s/echo.sh": `${header}cat\n` };
  await using server = await TestServer.start({ yaml, files });
  const text = Array.from({ length: 400_000 }, (_, i) => `${i + 1}\n`).join("");
  const expected = octets(text);
  const request = get("/plain/count.sh");
  await t.step("in chunks", async () => {
    const response = await ask(server, request);
    assertEquals(field(response, "transfer-encoding"), "chunked");
    assert(equal(response.content, expected));
  });
  await t.step("to the end of the connection", async () => {
    const response = await ask(server, request.replace("HTTP/1.1", "HTTP/1.0"));
    assertEquals(field(response, "transfer-encoding"), null);
    assert(equal(response.content, expected));
  });
  await t.step("compressed", async () => {
    const response = await ask(server, get("/coded/count.sh", "Accept-Encoding: gzip"));
    assertEquals(field(response, "content-encoding"), "gzip");
    assert(equal(gunzipSync(response.content), expected));
  });
  await t.step("kept", async () => {
    for (let i = 0; i < 2; i++) {
      assert(equal((await ask(server, get("/kept/count.sh"))).content, expected));
    }
  });
  await t.step("there and back", async () => {
    using client = await server.connect();
    const sending = client.send(post("/plain/echo.sh", text));
    assert(equal((await client.readResponse()).content, expected));
    await sending;
  });
});

/** Whether bytes are the same; of millions nobody wants to see how they differ. */
function equal(bytes: Uint8Array, expected: Uint8Array): boolean {
  return bytes.length === expected.length && bytes.every((byte, i) => byte === expected[i]);
}
