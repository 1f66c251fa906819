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
    timeout: 3s
  - path: /patient/
    cgi: ${join(REPOSITORY, "cgi-bin")}
    timeout: off
`;

Deno.test("20 hanging scripts get 504 and hold up none of 200 others, and nothing is left", async () => {
  await using server = await TestServer.start({ yaml: YAML, files: { "static/a.txt": "file" } });
  // Warm: what is opened once and kept does not count.
  assertEquals((await ask(server, get("/a.txt"))).status, 200);
  assertEquals((await ask(server, get("/patient/hello.py"))).status, 200);
  await server.childless();
  const isLinux = Deno.build.os === "linux";
  const before = isLinux ? await descriptorCount(server.pid) : 0;

  // Without a clock: the others are answered while these hang, which they do until their clients leave.
  const clients = await Promise.all(Array.from({ length: 20 }, () => server.connect()));
  for (const client of clients) await client.send(get("/patient/hang.py"));
  await server.family(20);
  const others = Array.from({ length: 200 }, async (_, i) => {
    const response = await ask(server, get(i % 10 === 0 ? "/patient/hello.py?name=Leda" : "/a.txt"));
    return [response.status, i % 10 === 0 ? textOf(response).includes("Leda") : textOf(response) === "file"];
  });
  for (const answer of await Promise.all(others)) assertEquals(answer, [200, true]);
  assert((await server.descendants()).length >= 20);
  for (const client of clients) client.close();
  await server.childless();

  const hangs = Array.from({ length: 20 }, async () => (await ask(server, get("/cgi-bin/hang.py"))).status);
  assertEquals(await Promise.all(hangs), Array(20).fill(504));
  await server.childless();
  if (isLinux) {
    await eventually(
      "no descriptor more than before",
      async () => await descriptorCount(server.pid) <= before,
    );
  }
  assert((await server.descendants()).length === 0);
});
