import { assert, assertEquals, assertMatch, assertNotMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { eventually } from "../support/deadline.ts";
import { outputOf } from "../support/processes.ts";
import { ask, field, get, post, RawClient, sendAndReset, textOf, UnexpectedEnd } from "../support/raw.ts";
import { BASIC_YAML, type FileSpec, STATUS_ROUTE, TestServer } from "../support/server.ts";

/** A script in sh that writes a header and then does more. */
function sh(...lines: string[]): string {
  return ["#!/bin/sh", "printf 'Content-Type: text/plain\\n\\n'", ...lines, ""].join("\n");
}

/** A script in sh that writes exactly this text. */
function output(text: string): string {
  return `#!/bin/sh\ncat <<'END'\n${text}\nEND\n`;
}

function start(files: Record<string, FileSpec>, yaml = BASIC_YAML, env: Record<string, string> = {}) {
  return TestServer.start({ yaml, files, env });
}

/** `name=value` lines as a record. */
function environment(text: string): Record<string, string> {
  return Object.fromEntries(
    text.trimEnd().split("\n").map((
      line,
    ) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

Deno.test("a script's environment is its meta-variables, and nothing else", async (t) => {
  await using server = await start(
    { "cgi-bin/env.sh": sh("env") },
    `${BASIC_YAML}    env: { COLOUR: blue }\n`,
    {
      SECRET: "1",
      TZ: "UTC",
      LANG: "C",
    },
  );
  const ask_ = async (request: string) => environment(textOf(await ask(server, request)));

  await t.step("for a POST with all that there is", async () => {
    const env = await ask_(
      "POST /cgi-bin/env.sh/a/b%20c?x=1&y=%20z HTTP/1.1\r\n" +
        [
          "Host: Example.org:8080",
          "Content-Type: text/x-test",
          "Content-Length: 3",
          "X-Custom: one",
          "X-Custom: two",
          "Cookie: a=1",
          "Cookie: b=2",
          "Proxy: evil",
          "Authorization: Basic eDp5",
          "X_Under_Score: evil",
          "Content_Length: 99",
          "Connection: keep-alive, X-Hop",
          "X-Hop: evil",
          "Keep-Alive: 1",
          "TE: trailers",
          "User-Agent: test",
        ].join("\r\n") + "\r\n\r\nabc",
    );
    const expected: Record<string, string> = {
      AUTH_TYPE: "",
      GATEWAY_INTERFACE: "CGI/1.1",
      REQUEST_METHOD: "POST",
      SCRIPT_NAME: "/cgi-bin/env.sh",
      PATH_INFO: "/a/b c",
      PATH_TRANSLATED: join(server.dir, "static/a/b c"),
      QUERY_STRING: "x=1&y=%20z",
      CONTENT_LENGTH: "3",
      CONTENT_TYPE: "text/x-test",
      REMOTE_ADDR: "127.0.0.1",
      SERVER_NAME: "example.org",
      SERVER_PORT: String(server.port),
      SERVER_ADDR: "127.0.0.1",
      SERVER_PROTOCOL: "HTTP/1.1",
      REQUEST_URI: "/cgi-bin/env.sh/a/b%20c?x=1&y=%20z",
      REQUEST_SCHEME: "http",
      SCRIPT_FILENAME: join(server.dir, "cgi-bin/env.sh"),
      DOCUMENT_ROOT: join(server.dir, "static"),
      REDIRECT_STATUS: "200",
      HTTP_HOST: "Example.org:8080",
      HTTP_X_CUSTOM: "one, two",
      HTTP_COOKIE: "a=1; b=2",
      HTTP_USER_AGENT: "test",
      COLOUR: "blue",
      TZ: "UTC",
      LANG: "C",
    };
    for (const [name, value] of Object.entries(expected)) {
      // RFC 3875 lets what is empty be absent.
      if (value === "") assertEquals(env[name] ?? "", "", name);
      else if (name === "SERVER_NAME") assertEquals(env[name]?.toLowerCase(), value, name);
      else assertEquals(env[name], value, name);
    }
    assertMatch(env.SERVER_SOFTWARE, /^pollux\/\d/i);
    assertMatch(env.REMOTE_PORT, /^\d+$/);
    const others = ["SERVER_SOFTWARE", "REMOTE_PORT", "REMOTE_HOST", "HOME", "PATH", "LC_ALL"];
    const ownOfTheShell = ["PWD", "OLDPWD", "SHLVL", "_"];
    const unknown = Object.keys(env).filter((name) =>
      !(name in expected) && !others.includes(name) && !ownOfTheShell.includes(name)
    );
    assertEquals(unknown, []);
  });

  await t.step("for a GET without query, PATH_INFO or body", async () => {
    const env = await ask_(get("/cgi-bin/env.sh"));
    assertEquals(env.QUERY_STRING, "");
    for (const name of ["PATH_INFO", "PATH_TRANSLATED", "CONTENT_LENGTH", "CONTENT_TYPE"]) {
      assertEquals(env[name] ?? "", "", name);
    }
    assertEquals("HTTPS" in env, false);
  });

  await t.step("PATH_INFO is decoded once and keeps what it holds", async () => {
    const cases: [path: string, info: string][] = [
      ["/cgi-bin/env.sh/", "/"],
      ["/cgi-bin/env.sh//a//b/", "//a//b/"],
      ["/cgi-bin/env.sh/a%2541", "/a%41"],
      ["/cgi-bin/env.sh/%C3%A9", "/é"],
      ["/cgi-bin/env.sh/.hidden", "/.hidden"],
    ];
    for (const [path, info] of cases) assertEquals((await ask_(get(path))).PATH_INFO, info, path);
  });

  await t.step("a path that is no UTF-8 arrives as it came, or is refused", async () => {
    const response = await ask(server, get("/cgi-bin/env.sh/%ff"));
    if (response.status === 200) {
      assertStringIncludes(String.fromCharCode(...response.content), "PATH_INFO=/\xff\n");
    } else assertEquals(response.status, 400);
  });
});

Deno.test("a script runs in its own folder, with its input and no other descriptor", async () => {
  await using server = await start({
    "cgi-bin/sub/where.sh": sh("pwd", "cat", "ls /proc/self/fd | wc -l"),
  });
  const lines = textOf(await ask(server, get("/cgi-bin/sub/where.sh"))).split("\n");
  assertEquals(lines[0], join(server.dir, "cgi-bin/sub"));
  // What whoever runs the tests left open goes through to everybody.
  const usual = Number((await outputOf("sh", ["-c", "ls /proc/self/fd | wc -l"])).trim());
  if (Deno.build.os === "linux") assert(Number(lines[1]) <= usual, lines[1]);
});

Deno.test({
  name: "a script inherits nothing that was open when the server was started, and no variable for it",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using server = await TestServer.start({
      yaml: BASIC_YAML,
      files: {
        "cgi-bin/open.sh": sh(
          "for d in 3 4 5 6 7 8 9; do readlink /proc/$$/fd/$d; done",
          "echo environment",
          "tr '\\0' '\\n' </proc/$$/environ",
        ),
      },
      redirections: "3</etc/passwd 8</dev/null 9>&2",
    });
    const [open, variables] = textOf(await ask(server, get("/cgi-bin/open.sh"))).split("environment\n");
    assertEquals(open, "");
    assertMatch(variables, /^GATEWAY_INTERFACE=CGI\/1\.1$/m);
    assertNotMatch(variables, /^(?:PWD|OLDPWD|SHLVL|_)=/m);
  },
});

Deno.test("request bodies reach their own script", async (t) => {
  await using server = await start({ "cgi-bin/echo.sh": sh("cat") });
  await t.step("many at once do not mix", async () => {
    await Promise.all(Array.from({ length: 24 }, async (_, i) => {
      const body = `${i},`.repeat(5000);
      assertEquals(textOf(await ask(server, post("/cgi-bin/echo.sh", body))), body);
    }));
  });
  await t.step("all byte values pass both ways", async () => {
    const body = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i)).repeat(64);
    const response = await ask(server, post("/cgi-bin/echo.sh", body));
    assertEquals(String.fromCharCode(...response.content), body);
  });
  await t.step("a chunked one is known by its length", async () => {
    const response = await ask(
      server,
      "POST /cgi-bin/echo.sh HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n",
    );
    assertEquals(textOf(response), "abcdef");
  });
});

Deno.test("a script that does not read its input gets its answer through", async () => {
  await using server = await start({ "cgi-bin/unread.sh": sh("exec <&-", "echo done") });
  const response = await ask(server, post("/cgi-bin/unread.sh", "x".repeat(300_000)));
  assertEquals([response.status, textOf(response)], [200, "done\n"]);
});

Deno.test("which file is the script, and what may not run", async (t) => {
  await using server = await start({
    "cgi-bin/a.sh": { text: sh("echo a"), mode: 0o644 },
    "cgi-bin/deep/er/b.sh": sh('echo "$SCRIPT_NAME $PATH_INFO"'),
    "cgi-bin/noext": sh("echo noext"),
    "cgi-bin/data.txt": { text: "secret", mode: 0o644 },
    "cgi-bin/run.txt": { text: "secret", mode: 0o755 },
    "cgi-bin/odd": { text: "#!/usr/bin/never-heard-of\n", mode: 0o755 },
    "cgi-bin/.hidden.sh": sh("echo hidden"),
    "outside.sh": sh("echo outside"),
  });
  await Deno.symlink(join(server.dir, "outside.sh"), join(server.dir, "cgi-bin/link.sh"));
  const status = async (path: string) => (await ask(server, get(path))).status;
  await t.step("by extension, without the executable bit", async () => {
    assertEquals(textOf(await ask(server, get("/cgi-bin/a.sh"))), "a\n");
  });
  await t.step("by its first line, without extension", async () => {
    assertEquals(textOf(await ask(server, get("/cgi-bin/noext"))), "noext\n");
  });
  await t.step("the first segment that names a file", async () => {
    assertEquals(textOf(await ask(server, get("/cgi-bin/deep/er/b.sh/c/d"))), "/cgi-bin/deep/er/b.sh /c/d\n");
  });
  await t.step("not found: 404", async () => {
    for (const path of ["/cgi-bin/none", "/cgi-bin/deep/none.sh", "/cgi-bin/deep/er%2fb.sh"]) {
      assertEquals(await status(path), 404, path);
    }
  });
  await t.step("folders are never listed", async () => {
    for (const path of ["/cgi-bin/", "/cgi-bin/deep/", "/cgi-bin/deep"]) {
      const response = await ask(server, get(path));
      assert([403, 404, 308].includes(response.status), `${path}: ${response.status}`);
      assertNotMatch(textOf(response), /a\.sh/);
    }
  });
  await t.step("neither mapped nor executable: 403, and never its text", async () => {
    const response = await ask(server, get("/cgi-bin/data.txt"));
    assertEquals(response.status, 403);
    assertNotMatch(textOf(response), /secret/);
  });
  await t.step("executable, but nothing allowed runs it: 500, with the reason in the log", async () => {
    assertEquals(await status("/cgi-bin/odd"), 500);
    await server.stderrMatch(/never-heard-of/);
    const response = await ask(server, get("/cgi-bin/run.txt"));
    assertEquals(response.status, 500);
    assertNotMatch(textOf(response), /secret/);
  });
  await t.step("a link that leads out of the folder: not there", async () => {
    assert([403, 404].includes(await status("/cgi-bin/link.sh")));
  });
  await t.step("a script put there while the server runs works, and so does a changed one", async () => {
    const path = join(server.dir, "cgi-bin/new.sh");
    assertEquals(await status("/cgi-bin/new.sh"), 404);
    await Deno.writeTextFile(path, sh("echo one"));
    assertEquals(textOf(await ask(server, get("/cgi-bin/new.sh"))), "one\n");
    await Deno.writeTextFile(path, sh("echo two"));
    assertEquals(textOf(await ask(server, get("/cgi-bin/new.sh"))), "two\n");
    await Deno.remove(path);
    assertEquals(await status("/cgi-bin/new.sh"), 404);
  });
});

Deno.test("kinds of responses", async (t) => {
  await using server = await start({
    "static/target.txt": "target",
    "cgi-bin/status.sh": output(
      "Status: 418 Short and stout\nContent-Type: text/plain\nX-A: 1\nX-A: 2\n\ntea",
    ),
    "cgi-bin/crlf.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\nX-B: c\\r\\n\\r\\nbody'\n",
    "cgi-bin/length.sh": output("Content-Type: text/plain\nContent-Length: 3\n\nabcdef"),
    "cgi-bin/empty.sh": output("Content-Type: text/plain\n"),
    "cgi-bin/nocontent.sh": output("Status: 204\n"),
    "cgi-bin/client.sh": output("Location: http://example.org/x?y\n"),
    "cgi-bin/clientdoc.sh": output(
      "Status: 303 See Other\nLocation: http://example.org/\nContent-Type: text/plain\n\nthere",
    ),
    "cgi-bin/local.sh": output("Location: /target.txt\n"),
    "cgi-bin/localscript.sh": output("Location: /cgi-bin/show.sh/p?q=1\n"),
    "cgi-bin/show.sh": sh('echo "$REQUEST_METHOD $PATH_INFO $QUERY_STRING $CONTENT_LENGTH"', "cat"),
    "cgi-bin/loop.sh": output("Location: /cgi-bin/loop.sh\n"),
    "cgi-bin/nph-raw.sh": "#!/bin/sh\nprintf 'HTTP/1.1 203 Mine\\r\\nContent-Length: 2\\r\\n\\r\\nok'\n",
    "cgi-bin/none.sh": "#!/bin/sh\nexit 0\n",
    "cgi-bin/fails.sh": "#!/bin/sh\nexit 3\n",
    "cgi-bin/nohead.sh": "#!/bin/sh\necho hello\necho\n",
    "cgi-bin/cut.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n'\n",
    "cgi-bin/notype.sh": "#!/bin/sh\nprintf 'X-A: b\\n\\nbody'\n",
    "cgi-bin/interim.sh": output("Status: 103 Early Hints\nContent-Type: text/plain\n\nx"),
    "cgi-bin/badstatus.sh": output("Status: abc\nContent-Type: text/plain\n\nx"),
    "cgi-bin/inject.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\nX-A: b\\rSet-Cookie: evil\\n\\nx'\n",
    "cgi-bin/longhead.sh":
      "#!/bin/sh\nprintf 'X-A: '\nhead -c 100000 /dev/zero | tr '\\0' a\nprintf '\\n\\n'\n",
    "cgi-bin/exit1.sh": sh("echo body", "exit 1"),
    "cgi-bin/killed.sh": sh("echo body", "kill -9 $$"),
    "cgi-bin/holder.sh": sh("echo body", "sleep 20 &"),
    "cgi-bin/args.sh": sh('for a in "$@"; do echo "[$a]"; done'),
    "cgi-bin/big.sh": sh("head -c 300000 /dev/zero"),
  });
  const answer = (path: string) => ask(server, get(path));

  await t.step("Status, fields of one name, and the reason", async () => {
    const response = await answer("/cgi-bin/status.sh");
    assertEquals([response.status, response.reason, textOf(response)], [418, "Short and stout", "tea\n"]);
    assertEquals(response.fields.filter(([name]) => name === "x-a").map(([, value]) => value), ["1", "2"]);
    assertEquals(response.fields.filter(([name]) => name === "status"), []);
    assert(field(response, "date") !== null);
  });
  await t.step("CRLF in the header", async () => {
    const response = await answer("/cgi-bin/crlf.sh");
    assertEquals([field(response, "x-b"), textOf(response)], ["c", "body"]);
  });
  await t.step("a short answer has a length, a long one is chunked", async () => {
    // Where the machine is busy, its end may come after the 10 ms for which an answer is held.
    await eventually("a length", async () => (await answer("/cgi-bin/crlf.sh")).framing === "length");
    const response = await answer("/cgi-bin/big.sh");
    assertEquals([response.framing, response.content.length], ["chunked", 300_000]);
  });
  await t.step("no content", async () => {
    assertEquals((await answer("/cgi-bin/empty.sh")).content.length, 0);
    assertEquals((await answer("/cgi-bin/nocontent.sh")).status, 204);
  });
  await t.step("a script's own length that is not true is never sent on as it is", async () => {
    using client = await server.connect();
    await client.send(get("/cgi-bin/length.sh", "Connection: close"));
    const head = await client.readUntil("\r\n\r\n");
    const { bytes } = await client.readToEnd();
    if (/content-length: 3\r/i.test(head)) assertEquals(new TextDecoder().decode(bytes), "abc");
    else assertMatch(head, /^HTTP\/1\.1 502 /);
  });
  await t.step("client redirects", async () => {
    const plain = await answer("/cgi-bin/client.sh");
    assertEquals([plain.status, field(plain, "location")], [302, "http://example.org/x?y"]);
    const withDocument = await answer("/cgi-bin/clientdoc.sh");
    assertEquals([withDocument.status, textOf(withDocument)], [303, "there\n"]);
  });
  await t.step("local redirects, and not without end", async () => {
    assertEquals(textOf(await answer("/cgi-bin/local.sh")), "target");
    assertEquals(textOf(await ask(server, post("/cgi-bin/localscript.sh", "body"))).trim(), "GET /p q=1");
    assertEquals((await answer("/cgi-bin/loop.sh")).status, 502);
  });
  await t.step("an nph- script speaks for itself, and the connection closes", async () => {
    using client = await server.connect();
    await client.send(get("/cgi-bin/nph-raw.sh"));
    const { bytes } = await client.readToEnd();
    assertEquals(new TextDecoder().decode(bytes), "HTTP/1.1 203 Mine\r\nContent-Length: 2\r\n\r\nok");
  });
  await t.step("no valid header: 502", async () => {
    for (const name of ["none", "fails", "nohead", "cut", "interim", "badstatus", "inject", "longhead"]) {
      assertEquals((await answer(`/cgi-bin/${name}.sh`)).status, 502, name);
    }
  });
  await t.step("a non-zero exit after its answer does no harm", async () => {
    const response = await answer("/cgi-bin/exit1.sh");
    assertEquals([response.status, textOf(response)], [200, "body\n"]);
  });
  await t.step("death by a signal never looks complete", async () => {
    using client = await server.connect();
    await client.send(get("/cgi-bin/killed.sh"));
    try {
      const response = await client.readResponse();
      // It may have died before anything was sent.
      assertEquals(response.status, 502);
    } catch (error) {
      assert(error instanceof UnexpectedEnd || error instanceof Deno.errors.ConnectionReset, String(error));
    }
  });
  await t.step("a child that holds the pipe does not hold up the answer", async () => {
    assertEquals(textOf(await answer("/cgi-bin/holder.sh")), "body\n");
  });
  await t.step("a search string becomes arguments", async () => {
    const cases: [query: string, text: string][] = [
      ["a+b%20c", "[a]\n[b c]\n"],
      ["a=1", ""],
      ["a+-b", ""],
      ["a+%2Db", ""],
      ["", ""],
    ];
    for (const [query, text] of cases) {
      assertEquals(textOf(await answer(`/cgi-bin/args.sh?${query}`)), text, query);
    }
  });
});

Deno.test("output goes out as it is written", async () => {
  await using server = await start({
    "cgi-bin/stream.sh": sh("echo one", "read line", 'echo "two $line"', "read line", 'echo "three $line"'),
  });
  using client = await server.connect();
  // The script goes on only when it is told to: nothing of this works if either way is held back.
  await client.send("POST /cgi-bin/stream.sh HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n");
  assertMatch(await client.readUntil("one\n"), /^HTTP\/1\.1 200 /);
  await client.send("a\n");
  await client.readUntil("two a\n");
  await client.send("b\n");
  await client.readUntil("three b\n");
});

Deno.test("standard error goes to the log, with the script's name and pid", async () => {
  await using server = await start({
    "cgi-bin/complains.sh": sh("echo 'something is \x1b[31mwrong' >&2", "echo pid $$", "printf 'no end' >&2"),
  });
  const text = textOf(await ask(server, get("/cgi-bin/complains.sh")));
  const pid = /pid (\d+)/.exec(text)?.[1];
  const [line] = await server.stderrMatch(/^.*something is .*wrong.*$/m);
  assertStringIncludes(line, "complains.sh");
  assertMatch(line, new RegExp(`\\b${pid}\\b`));
  assert(!line.includes("\x1b"), line);
  await server.stderrMatch(/no end/);
});

Deno.test("a script that never answers: 504, and it dies with all it started", async () => {
  await using server = await start(
    {
      "cgi-bin/hang.sh": "#!/bin/sh\nsleep 300 &\nsh -c 'sleep 301; true' &\nsleep 302\n",
      "cgi-bin/begun.sh": sh("echo begun", "sleep 303"),
    },
    // Time enough to begin and to be seen, on a busy machine too.
    `${BASIC_YAML}    timeout: 5s\n`,
  );
  const asking = ask(server, get("/cgi-bin/hang.sh"));
  using client = await server.connect();
  await client.send(get("/cgi-bin/begun.sh"));
  const family = await server.family(5 + 2);
  await client.readUntil("begun\n");
  assertEquals((await asking).status, 504);
  const { bytes } = await client.readToEnd();
  assertNotMatch(new TextDecoder().decode(bytes), /0\r\n\r\n$/);
  await server.gone(family);
});

Deno.test("a client that leaves ends its script, with all it started", async (t) => {
  await using server = await start({
    "cgi-bin/hang.sh": "#!/bin/sh\nsleep 300 &\nsleep 301\n",
    "cgi-bin/endless.sh": sh("while :; do echo x; sleep 0.05; done"),
  }, `${BASIC_YAML}    client_gone: 200ms\n`);
  await t.step("by closing, before anything came", async () => {
    using client = await server.connect();
    await client.send(get("/cgi-bin/hang.sh"));
    const family = await server.family(3);
    client.close();
    await server.gone(family);
  });
  await t.step("by a reset, while it writes", async () => {
    await sendAndReset(server, get("/cgi-bin/endless.sh"), "x\n");
    await server.childless();
  });
  await t.step("by closing its sending side, after a while", async () => {
    using client = await server.connect();
    await client.send(get("/cgi-bin/endless.sh"));
    await client.endSending();
    await client.readToEnd();
    await server.childless();
  });
});

Deno.test("too many scripts: they wait, and beyond the queue get 503", async () => {
  await using server = await start(
    { "cgi-bin/wait.sh": sh("read line", "echo $line") },
    `cgi: { max_processes: 2, queue: 2 }\n${BASIC_YAML}${STATUS_ROUTE}`,
  );
  const clients: RawClient[] = [];
  try {
    // Each script runs until its client has sent its line.
    for (let i = 0; i < 4; i++) {
      const client = await server.connect();
      clients.push(client);
      await client.send(post("/cgi-bin/wait.sh", "n\n").slice(0, -2));
    }
    await eventually("two scripts", async () => (await server.descendants()).length === 2);
    await server.queued(2);
    const refused = await ask(server, post("/cgi-bin/wait.sh", "n\n"));
    assertEquals(refused.status, 503);
    assertMatch(field(refused, "retry-after") ?? "", /^\d+$/);
    assertEquals((await server.descendants()).length, 2);
    for (const client of clients) await client.send("n\n");
    for (const client of clients) assertEquals(textOf(await client.readResponse()), "n\n");
  } finally {
    for (const client of clients) client.close();
  }
});

Deno.test("a queue that does not move: 503 with Retry-After", async () => {
  await using server = await start(
    { "cgi-bin/wait.sh": sh("read line", "echo $line") },
    `cgi: { max_processes: 1, queue_timeout: 300ms }\n${BASIC_YAML}`,
  );
  using first = await server.connect();
  await first.send(post("/cgi-bin/wait.sh", "n\n").slice(0, -2));
  await eventually("the first script", async () => (await server.descendants()).length === 1);
  const response = await ask(server, get("/cgi-bin/wait.sh"));
  assertEquals(response.status, 503);
  assert(field(response, "retry-after") !== null);
  await first.send("n\n");
  assertEquals(textOf(await first.readResponse()), "n\n");
});

Deno.test("an interpreter that is missing is named at the start and in the log of the 500", async () => {
  await using server = await start(
    { "cgi-bin/a.zz": { text: "x", mode: 0o644 }, "cgi-bin/b.sh": sh("echo b"), "static/a.txt": "a" },
    `cgi: { interpreters: { .zz: zz-never-heard-of, .sh: sh } }\n${BASIC_YAML}`,
  );
  await server.stderrMatch(/zz-never-heard-of/);
  const before = server.stderr.length;
  const response = await ask(server, get("/cgi-bin/a.zz"));
  assertEquals(response.status, 500);
  assertNotMatch(textOf(response), /zz-never-heard-of/);
  await eventually("the reason in the log", () => /zz-never-heard-of/.test(server.stderr.slice(before)));
  assertEquals(textOf(await ask(server, get("/cgi-bin/b.sh"))), "b\n");
});

Deno.test("a single program takes all of the rest as PATH_INFO", async () => {
  await using server = await start(
    { "one.sh": sh('echo "$SCRIPT_NAME $PATH_INFO"') },
    "listen: 127.0.0.1:0\nroutes:\n  - path: /one\n    cgi: ./one.sh\n",
  );
  assertEquals(textOf(await ask(server, get("/one/a/b"))), "/one /a/b\n");
  assertEquals(textOf(await ask(server, get("/one"))).trimEnd(), "/one");
  assertEquals((await ask(server, get("/onemore"))).status, 404);
});
