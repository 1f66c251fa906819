import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { eventually } from "../support/deadline.ts";
import { descriptorCount } from "../support/processes.ts";
import { ask, get, textOf } from "../support/raw.ts";
import { REPOSITORY, TestServer } from "../support/server.ts";

const YAML = `listen: 127.0.0.1:0
routes:
  - path: /
    files: ./static
  - path: /cgi-bin/
    cgi: ${join(REPOSITORY, "cgi-bin")}
    timeout: 10s
`;

Deno.test("20 hanging scripts get 504 and hold up none of 200 others, and nothing is left", async () => {
  await using server = await TestServer.start({ yaml: YAML, files: { "static/a.txt": "file" } });
  // Warm: what is opened once and kept does not count.
  assertEquals((await ask(server, get("/a.txt"))).status, 200);
  assertEquals((await ask(server, get("/cgi-bin/hello.py"))).status, 200);
  await server.childless();
  const isLinux = Deno.build.os === "linux";
  const before = isLinux ? await descriptorCount(server.pid) : 0;

  let hanging = 20;
  const hangs = Promise.all(Array.from({ length: 20 }, async () => {
    const { status } = await ask(server, get("/cgi-bin/hang.py"));
    hanging--;
    return status;
  }));
  // A hanging one that fails ends the wait for the others.
  await Promise.race([hangs, server.family(20)]);
  const others = Array.from({ length: 200 }, async (_, i) => {
    const response = await ask(server, get(i % 10 === 0 ? "/cgi-bin/hello.py?name=Leda" : "/a.txt"));
    return [response.status, i % 10 === 0 ? textOf(response).includes("Leda") : textOf(response) === "file"];
  });
  for (const answer of await Promise.all(others)) assertEquals(answer, [200, true]);
  // The order tells it without a clock: all others are answered while the hanging ones still hang.
  assertEquals(hanging, 20);
  assertEquals(await hangs, Array(20).fill(504));

  await server.childless();
  if (isLinux) {
    await eventually(
      "no descriptor more than before",
      async () => await descriptorCount(server.pid) <= before,
    );
  }
  assert((await server.descendants()).length === 0);
});
