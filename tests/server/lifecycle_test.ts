import { assert, assertEquals, assertMatch, assertNotMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { eventually } from "../support/deadline.ts";
import { stillRunning } from "../support/processes.ts";
import { ask, get, isReset, post, RawClient, textOf } from "../support/raw.ts";
import { BASIC_YAML, runPollux, TestServer, withoutFewFiles } from "../support/server.ts";

const FILES = {
  "static/a.txt": "file",
  "cgi-bin/wait.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nbegun\\n'\nread line\necho $line\n",
  "cgi-bin/hang.sh": "#!/bin/sh\ntrap '' TERM\nsleep 300 &\nsleep 301\n",
  "cgi-bin/hello.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello'\n",
};

Deno.test("it says where it listens, and only there, once it does", async () => {
  await using server = await TestServer.start({ yaml: BASIC_YAML, files: FILES });
  assertEquals(server.stderr.match(/listening/g)?.length, 1);
  assertEquals(textOf(await ask(server, get("/a.txt"))), "file");
});

Deno.test("without a configuration it serves static/ and cgi-bin/ and takes flags", async () => {
  await using server = await TestServer.start({ files: FILES, flags: ["--listen", "127.0.0.1:0"] });
  assertEquals(textOf(await ask(server, get("/a.txt"))), "file");
  assertEquals(textOf(await ask(server, get("/cgi-bin/hello.sh"))), "hello");
});

Deno.test("a named folder is served, and a flag beats the file", async () => {
  await using server = await TestServer.start({
    yaml: "listen: 127.0.0.1:1\nroot: ./static\n",
    files: { "other/b.txt": "other" },
    flags: ["serve", "--listen", "127.0.0.1:0", "--root", "other"],
  });
  assertEquals(textOf(await ask(server, get("/b.txt"))), "other");
});

Deno.test("several addresses are served, each with a line of its own", async () => {
  await using server = await TestServer.start({
    yaml: BASIC_YAML.replace("127.0.0.1:0", "[127.0.0.1:0, 127.0.0.2:0]"),
    files: FILES,
  });
  const [, second] = await server.stderrMatch(/listening on http:\/\/127\.0\.0\.2:(\d+)\n/);
  for (const address of [server, { hostname: "127.0.0.2", port: Number(second) }]) {
    assertEquals(textOf(await ask(address, get("/a.txt"))), "file");
  }
});

Deno.test("SIGTERM finishes what is under way and takes nothing new", async () => {
  await using server = await TestServer.start({ yaml: BASIC_YAML, files: FILES });
  using busy = await server.connect();
  await busy.send(post("/cgi-bin/wait.sh", "end\n").slice(0, -4));
  await busy.readUntil("begun\n");
  using idle = await server.connect();
  await idle.send(get("/a.txt"));
  assertEquals((await idle.readResponse()).status, 200);

  const stopping = server.stop();
  assertEquals((await idle.readToEnd()).bytes.length, 0);
  await server.deaf();
  await busy.send("end\n");
  await busy.readUntil("end\n");
  await busy.readToEnd();
  assertEquals((await stopping).code, 0);
});

/** An answer with its end: by length, by a last chunk, or a refusal. */
const WHOLE = /^HTTP\/1\.1 (200 [^]*\r\n(\r\nfile|\r\nhello|5\r\nhello\r\n0\r\n\r\n)|503 [^]*)$/;

Deno.test("SIGINT stops as well, under load, and every answer that began is whole", async () => {
  await using server = await TestServer.start({ yaml: BASIC_YAML, files: FILES });
  let isStopping = false;
  let answered = 0;
  const load = Promise.all(Array.from({ length: 8 }, async (_, i) => {
    for (;;) {
      let client: RawClient;
      try {
        client = await RawClient.connect(server);
      } catch (error) {
        if (isStopping && error instanceof Deno.errors.ConnectionRefused) return;
        // It stood in the queue of a listener that closed.
        if (isStopping && isReset(error)) continue;
        throw error;
      }
      using _closed = client;
      try {
        await client.send(get(i % 2 === 0 ? "/a.txt" : "/cgi-bin/hello.sh"));
      } catch (error) {
        if (isStopping && isReset(error)) continue;
        throw error;
      }
      const { bytes } = await closing(client);
      if (bytes.length === 0 && isStopping) continue;
      assertMatch(new TextDecoder().decode(bytes), WHOLE);
      answered++;
    }
  }));
  // A client that fails ends the wait for the others.
  await Promise.race([load, eventually("some answers", () => answered > 100)]);
  isStopping = true;
  assertEquals((await server.stop("SIGINT")).code, 0);
  await load;
});

/** Says that nothing follows and reads what comes. */
async function closing(client: RawClient): Promise<{ bytes: Uint8Array; reset: boolean }> {
  try {
    await client.endSending();
  } catch (error) {
    if (!isReset(error) && !(error instanceof Deno.errors.NotConnected)) throw error;
  }
  return await client.readToEnd();
}

Deno.test("scripts that do not end are killed when the time to stop is over", async () => {
  await using server = await TestServer.start({
    yaml: `timeouts: { shutdown: 500ms }\n${BASIC_YAML}`,
    files: FILES,
  });
  using client = await server.connect();
  await client.send(get("/cgi-bin/hang.sh"));
  await server.family(3);
  assertEquals((await server.stop()).code, 0);
});

Deno.test("a second signal stops at once, and nothing is left all the same", async () => {
  await using server = await TestServer.start({ yaml: BASIC_YAML, files: FILES });
  using client = await server.connect();
  await client.send(get("/cgi-bin/hang.sh"));
  const family = await server.family(3);
  server.kill("SIGTERM");
  await server.deaf();
  server.kill("SIGTERM");
  await server.ended();
  await eventually("the scripts' end", async () => {
    return (await stillRunning(family.map(({ pid }) => pid))).length === 0;
  });
});

Deno.test("a port in use: one line that says which, exit status 1", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  try {
    const end = await runPollux({ yaml: BASIC_YAML.replace("127.0.0.1:0", `127.0.0.1:${port}`) });
    assertEquals(end.code, 1, end.stderr);
    const lines = withoutFewFiles(end.stderr).trimEnd().split("\n");
    assertEquals(lines.length, 1, end.stderr);
    assertStringIncludes(lines[0], String(port));
  } finally {
    listener.close();
  }
});

Deno.test("a wrong configuration: every fault with its place, exit status 2", async (t) => {
  await t.step("keys and values", async () => {
    const end = await runPollux({
      yaml: [
        "listen: 127.0.0.1:0",
        "timeouts:",
        "  headr: 10s",
        "  body: soon",
        "routes:",
        "  - path: /",
        "    files: ./static",
        "    cgi: ./cgi-bin",
        "",
      ].join("\n"),
    });
    assertEquals(end.code, 2, end.stderr);
    assertMatch(end.stderr, /pollux\.yaml:3:3: timeouts\.headr: .*\bheader\b/);
    assertMatch(end.stderr, /pollux\.yaml:4:\d+: timeouts\.body: /);
    assertMatch(end.stderr, /pollux\.yaml:\d+:\d+: .*routes\[0\]/);
    assertNotMatch(end.stderr, /\bat .*\.ts:\d+/);
    assertNotMatch(end.stderr, /listening/);
  });
  await t.step("text that is no YAML", async () => {
    const end = await runPollux({ yaml: "listen: [\n" });
    assertEquals(end.code, 2, end.stderr);
    assertMatch(end.stderr, /pollux\.yaml:\d+:\d+: /);
  });
  await t.step("a file that is not there", async () => {
    const end = await runPollux({ flags: ["--config", "none.yaml"] });
    assertEquals(end.code, 2, end.stderr);
    assertStringIncludes(end.stderr, "none.yaml");
  });
  await t.step("an unknown flag names the nearest", async () => {
    const end = await runPollux({ flags: ["--lisen", "8080"] });
    assertEquals(end.code, 2, end.stderr);
    assertStringIncludes(end.stderr, "--listen");
  });
});

Deno.test("the access log's formats, in a file", async (t) => {
  const request = get("/a.txt?x=1", 'User-Agent: a"b\t\xe9', "Referer: http://example.org/");
  for (const format of ["combined", "common", "json"] as const) {
    await t.step(format, async () => {
      await using server = await TestServer.start({
        yaml: `log: { access: ./access.log, error: ./error.log, format: ${format} }\n${BASIC_YAML}`,
        files: FILES,
      });
      assertEquals((await ask(server, request)).status, 200);
      assertEquals((await ask(server, get("/cgi-bin/hello.sh"))).status, 200);
      assertEquals((await ask(server, "\x01\r\n\r\n")).status, 400);
      await server.stop();
      const text = await Deno.readTextFile(join(server.dir, "access.log"));
      const lines = text.trimEnd().split("\n");
      assertEquals(lines.length, 3, text);
      const find = (part: string) => lines.find((line) => line.includes(part)) ?? "";
      const start = '127\\.0\\.0\\.1 - - \\[\\d\\d/[A-Z][a-z]{2}/\\d{4}:\\d\\d:\\d\\d:\\d\\d [+-]\\d{4}\\] "';
      switch (format) {
        case "combined":
          assertMatch(
            find("/a.txt"),
            new RegExp(
              `^${start}GET /a\\.txt\\?x=1 HTTP/1\\.1" 200 4 "http://example\\.org/" "a\\\\x22b\\\\x09\\\\xE9"$`,
            ),
          );
          assertMatch(
            find("hello.sh"),
            new RegExp(`^${start}GET /cgi-bin/hello\\.sh HTTP/1\\.1" 200 5 "-" "-"$`),
          );
          break;
        case "common":
          assertMatch(find("/a.txt"), new RegExp(`^${start}GET /a\\.txt\\?x=1 HTTP/1\\.1" 200 4$`));
          break;
        case "json": {
          const entry = JSON.parse(find("hello.sh"));
          assertEquals([entry.method, entry.target, entry.status, entry.bytes, entry.exit, entry.remote], [
            "GET",
            "/cgi-bin/hello.sh",
            200,
            5,
            0,
            "127.0.0.1",
          ]);
          assertEquals(new Date(entry.time).toISOString(), entry.time);
          assertStringIncludes(entry.script, "hello.sh");
          assert(entry.duration_ms >= entry.script_ms && entry.script_ms > 0);
          const file = JSON.parse(find("/a.txt"));
          assertEquals([file.script, file.script_ms, file.exit], [null, null, null]);
          break;
        }
      }
      assertEquals(server.stdout, "");
    });
  }
});

Deno.test("the access log goes to standard output by default, a line a request, none lost at the end", async () => {
  await using server = await TestServer.start({ yaml: BASIC_YAML, files: FILES });
  using client = await server.connect();
  await client.send(get("/a.txt").repeat(500));
  for (let i = 0; i < 500; i++) await client.readResponse();
  const { stdout } = await server.stop();
  assertEquals(
    stdout.trimEnd().split("\n").filter((line) => line.includes('"GET /a.txt HTTP/1.1" 200 4')).length,
    500,
  );
});

Deno.test("a reader of the log that hangs stops neither the answers nor the end", async () => {
  await using server = await TestServer.start({
    yaml: `timeouts: { shutdown: 1s }\n${BASIC_YAML}`,
    files: FILES,
    readsStdout: false,
  });
  using client = await server.connect();
  // A pipe holds 64 KiB, or a megabyte at most; this is several.
  const request = get(`/a.txt?${"x".repeat(4000)}`);
  for (let i = 0; i < 1000; i++) {
    await client.send(request);
    assertEquals((await client.readResponse()).status, 200);
  }
  assertEquals((await server.stop()).code, 0);
});

Deno.test("SIGUSR1 reopens the log files", async () => {
  await using server = await TestServer.start({
    yaml: `log: { access: ./access.log }\n${BASIC_YAML}`,
    files: FILES,
  });
  const path = join(server.dir, "access.log");
  const read = async (path: string) => {
    try {
      return await Deno.readTextFile(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  };
  await ask(server, get("/a.txt?one"));
  await eventually("the first line", async () => (await read(path)).includes("?one"));
  await Deno.rename(path, `${path}.1`);
  server.kill("SIGUSR1");
  await eventually("a new file", async () => {
    try {
      await Deno.stat(path);
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  });
  await ask(server, get("/a.txt?two"));
  await server.stop();
  assertStringIncludes(await read(path), "?two");
  assertNotMatch(await read(`${path}.1`), /\?two/);
});
