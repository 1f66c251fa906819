import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { eventually } from "../support/deadline.ts";
import { descriptorCount, hasProgram, outputOf } from "../support/processes.ts";
import { ask, field, get, isReset, RawClient, textOf, UnexpectedEnd } from "../support/raw.ts";
import { BASIC_YAML, runPollux, TestServer } from "../support/server.ts";

const FILES = {
  "static/a.txt": "file",
  "cgi-bin/hello.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello'\n",
};

/** The status of the next answer on a connection, or null where that was closed. */
async function statusOn(client: RawClient, path: string): Promise<number | null> {
  try {
    await client.send(get(path));
    return (await client.readResponse()).status;
  } catch (error) {
    if (isReset(error)) return null;
    throw error;
  }
}

Deno.test("with 64 descriptors a server serves, says how many it can, and turns away the others with 503", async () => {
  await using server = await TestServer.start({ yaml: BASIC_YAML, files: FILES, descriptors: 64 });
  assertMatch(server.stderr, /lets this program open 64 files.* enough for [0-9]+ connections.*raise that/);
  using client = await server.connect();
  assertEquals(await statusOn(client, "/a.txt"), 200);

  const others: RawClient[] = [];
  for (let i = 0; i < 160; i++) others.push(await RawClient.connect(server));
  const last = await others[others.length - 1].readResponse();
  assertEquals([last.status, field(last, "connection")], [503, "close"]);
  if (Deno.build.os === "linux") assert(await descriptorCount(server.pid) < 64);
  // Who is served goes on being served.
  assertEquals([await statusOn(client, "/a.txt"), await statusOn(client, "/cgi-bin/hello.sh")], [200, 200]);

  for (const other of others) other.close();
  await eventually("room again", async () => (await ask(server, get("/a.txt"))).status === 200);
  assertEquals(textOf(await ask(server, get("/cgi-bin/hello.sh"))), "hello");
});

Deno.test("scripts at once with 64 descriptors wait their turn, and every one is answered", async () => {
  await using server = await TestServer.start({ yaml: BASIC_YAML, files: FILES, descriptors: 64 });
  const clients = await Promise.all(Array.from({ length: 4 }, () => server.connect()));
  for (let round = 0; round < 3; round++) {
    const statuses = await Promise.all(clients.map((client) => statusOn(client, "/cgi-bin/hello.sh")));
    assertEquals(statuses, [200, 200, 200, 200]);
  }
  for (const client of clients) client.close();
});

Deno.test({
  name: "out of descriptors, files and scripts get 503 and connections wait; with some again all goes on",
  ignore: !await hasProgram("prlimit", "--version"),
  fn: async () => {
    await using server = await TestServer.start({ yaml: BASIC_YAML, files: FILES, descriptors: 64 });
    const allow = (count: number) => outputOf("prlimit", ["--pid", `${server.pid}`, `--nofile=${count}:64`]);
    using client = await server.connect();
    assertEquals(await statusOn(client, "/cgi-bin/hello.sh"), 200);
    await Deno.writeTextFile(join(server.dir, "static/b.txt"), "another");

    await allow(16);
    assertEquals([await statusOn(client, "/b.txt"), await statusOn(client, "/cgi-bin/hello.sh")], [503, 503]);
    using waiting = await server.connect();
    await waiting.send(get("/b.txt"));
    await server.stderrMatch(
      /no connection is accepted on .*Too many open files.*; trying again, raise ulimit -n if files are short/,
    );

    await allow(64);
    assertEquals((await waiting.readResponse()).status, 200);
    assertEquals([await statusOn(client, "/b.txt"), await statusOn(client, "/cgi-bin/hello.sh")], [200, 200]);
    const { stderr } = await server.stop();
    assertEquals(stderr.match(/accepted on .*Too many open files/g)?.length, 1, stderr);
  },
});

for (const [loop, signal] of [["script", "SIGUSR2"], ["network", "SIGWINCH"]] as const) {
  Deno.test({
    name: `a ${loop} loop that dies while there are no descriptors is replaced by means of the reserve`,
    // An executable has no other entry.
    ignore: Deno.env.get("POLLUX") !== undefined,
    fn: async () => {
      const entry = "tests/support/mortal_main.ts";
      const files = {
        ...FILES,
        "static/large.bin": new Uint8Array(16 * 1024 * 1024),
        "cgi-bin/wait.sh": "#!/bin/sh\nexec sleep 600\n",
      };
      await using server = await TestServer.start({ yaml: BASIC_YAML, files, entry, descriptors: 96 });
      const [, most, scripts] = await server.stderrMatch(
        /enough for ([0-9]+) connections.* and ([0-9]+) scripts/,
      );
      assertEquals(textOf(await ask(server, get("/cgi-bin/hello.sh"))), "hello");
      await server.childless();
      // All scripts at once, and a file for each other connection, is more than there are: the last ones get 503, or wait.
      using clients = new DisposableStack();
      for (let i = 0; i < Number(most); i++) {
        const client = clients.use(await server.connect());
        await client.send(get(i < Number(scripts) ? "/cgi-bin/wait.sh" : "/large.bin"));
      }
      await server.stderrMatch(/Too many open files/);

      server.kill(signal);
      await server.stderrMatch(new RegExp(`${loop} loop.* died and is replaced`));
      clients.dispose();
      await eventually("a script", async () => await statusOf(server, "/cgi-bin/hello.sh") === 200);
      assertEquals(await statusOf(server, "/a.txt"), 200);
    },
  });
}

/** The status of an answer over a connection of its own; null: there is none. */
async function statusOf(server: TestServer, path: string): Promise<number | null> {
  try {
    using client = await server.connect();
    return await statusOn(client, path);
  } catch (error) {
    if (isReset(error) || error instanceof Deno.errors.ConnectionRefused || error instanceof UnexpectedEnd) {
      return null;
    }
    throw error;
  }
}

Deno.test("a reload that needs new loops is refused while clients leave no room for them, and taken when they have gone", async () => {
  const before = `workers: 4\n${BASIC_YAML}`;
  await using server = await TestServer.start({ yaml: before, files: FILES, descriptors: 107 });
  const [, most] = await server.stderrMatch(/enough for ([0-9]+) connections/);
  const clients = await Promise.all(Array.from({ length: Number(most) }, () => server.connect()));
  for (const client of clients) assertEquals(await statusOn(client, "/a.txt"), 200);
  const yaml = `${before}  - { path: /more/, files: ./more }\n`;
  await Deno.mkdir(join(server.dir, "more"));
  await Deno.writeTextFile(join(server.dir, "more/b.txt"), "more");
  await Deno.writeTextFile(join(server.dir, "pollux.yaml"), yaml);
  server.kill("SIGHUP");
  await server.stderrMatch(/needs new loops beside the old ones.* and [0-9]+ are left/);
  for (const client of clients) assertEquals(await statusOn(client, "/a.txt"), 200);

  for (const client of clients) client.close();
  await eventually("the reload is taken", async () => {
    server.kill("SIGHUP");
    return (await ask(server, get("/more/b.txt"))).status === 200;
  });
});

Deno.test("with too few descriptors for its loops the program says how many it needs, and ends with 1", async () => {
  const end = await runPollux({ yaml: BASIC_YAML, files: FILES, descriptors: 36 });
  assertEquals(end.code, 1, end.stderr);
  const lines = end.stderr.trimEnd().split("\n");
  assertStringIncludes(lines[lines.length - 1], "raise that limit");
  assertMatch(end.stderr, /open 36 files, and it needs [0-9]+ at least/);
});
