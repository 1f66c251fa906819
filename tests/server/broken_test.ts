import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { ask, get, RawClient, textOf } from "../support/raw.ts";
import { BASIC_YAML, TestServer } from "../support/server.ts";

const FILES = {
  "static/a.txt": "file",
  "cgi-bin/count.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nwc -c\n",
};

Deno.test("bodies are kept whole where the temporary folder was cleared away", async () => {
  await using server = await TestServer.start({
    yaml: `temp: ./temp\n${BASIC_YAML}`,
    files: { ...FILES, "temp/.keep": "" },
  });
  const temp = join(server.dir, "temp");
  for await (const { name, isDirectory } of Deno.readDir(temp)) {
    if (isDirectory) await Deno.remove(join(temp, name), { recursive: true });
  }
  const chunk = `10000\r\n${"x".repeat(65536)}\r\n`;
  const head = "POST /cgi-bin/count.sh HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  const response = await ask(server, head + chunk.repeat(20) + "0\r\n\r\n");
  assertEquals([response.status, textOf(response).trim()], [200, String(20 * 65536)]);
});

Deno.test("a file that becomes shorter while it is sent breaks off, and the log says so", async () => {
  await using server = await TestServer.start({
    yaml: BASIC_YAML,
    files: { ...FILES, "static/large.bin": new Uint8Array(32 * 1024 * 1024) },
  });
  using client = await server.connect();
  await client.send(get("/large.bin"));
  await client.readUntil("\r\n\r\n");
  await Deno.truncate(join(server.dir, "static/large.bin"), 1024);
  assert(await client.countToEnd() < 32 * 1024 * 1024);
  await server.stderrMatch(
    /warn \[\S+\] \/large\.bin: the file became [0-9]+ bytes shorter while it was sent/,
  );
  assertEquals(server.stderr.match(/a bug of/), null);
});

Deno.test("a server out of descriptors says so once, and goes on when it has some again", async () => {
  await using server = await TestServer.start({
    yaml: "listen: 127.0.0.1:0\nroot: ./static\n",
    files: FILES,
    descriptors: 96,
  });
  const clients: RawClient[] = [];
  for (let i = 0; i < 160; i++) clients.push(await RawClient.connect(server));
  await server.stderrMatch(/Too many open files/);
  for (const client of clients) client.close();
  assertEquals(textOf(await ask(server, get("/a.txt"))), "file");
  const { stderr } = await server.stop();
  assertEquals(stderr.match(/Too many open files/g)?.length, 1);
  assertStringIncludes(stderr, "accept on 127.0.0.1:0");
});
