import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { ask, get, textOf } from "../support/raw.ts";
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
    files: { ...FILES, "static/large.bin": "" },
  });
  // More than any system holds for a connection that nobody reads from.
  const length = 512 * 1024 * 1024;
  await Deno.truncate(join(server.dir, "static/large.bin"), length);
  using client = await server.connect();
  await client.send(get("/large.bin"));
  await client.readUntil("\r\n\r\n");
  await Deno.truncate(join(server.dir, "static/large.bin"), 1024);
  assert(await client.countToEnd() < length);
  await server.stderrMatch(
    /warn \[\S+\] \/large\.bin: the file became [0-9]+ bytes shorter while it was sent/,
  );
  assertEquals(server.stderr.match(/a bug of/), null);
});
