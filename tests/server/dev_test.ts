import { assert, assertEquals, assertFalse, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { ask, field, get, textOf } from "../support/raw.ts";
import { runPollux, TestServer } from "../support/server.ts";

const YAML = `listen: 127.0.0.1:0
error_pages: { 502: /broken.html }
routes:
  - path: /
    files: ./static
    scripts: [.py]
  - path: /cgi-bin/
    cgi: ./cgi-bin
    env: { SETTING: given }
    interpreters: { .py: python3, .cgi: shebang, .odd: no-such-interpreter }
  - path: /hang/
    cgi: ./cgi-bin
    timeout: 4s
`;

const FILES = {
  "static/broken.html": "the site's own page",
  "static/among.py": 'print("Content-Type: text/plain")\nraise KeyError("among")\n',
  "cgi-bin/crash.py": `import sys
def inner():
    raise ValueError("<b>no & such</b>")
inner()
`,
  "cgi-bin/signal.cgi": "#!/bin/sh\necho last words >&2\nkill -SEGV $$\n",
  "cgi-bin/header.cgi": "#!/bin/sh\necho early >&2\necho Hello\necho\necho late >&2\n",
  "cgi-bin/hang.cgi": "#!/bin/sh\necho before the wait >&2\nexec sleep 60\n",
  "cgi-bin/begun.cgi":
    "#!/bin/sh\nprintf 'Content-Type: text/plain\\nContent-Length: 9\\n\\nbegun'\necho why >&2\n",
  "cgi-bin/missing.cgi": "#!/no/such/interpreter\n",
  "cgi-bin/what.odd": "odd\n",
  "cgi-bin/fine.cgi": "#!/bin/sh\necho unheard >&2\nprintf 'Content-Type: text/plain\\n\\nfine'\n",
  "cgi-bin/flood.py": `import sys
for i in range(20000):
    print("line", i, file=sys.stderr)
sys.exit(3)
`,
};

const FAILURES: readonly [path: string, status: number][] = [
  ["/cgi-bin/crash.py", 502],
  ["/cgi-bin/signal.cgi", 502],
  ["/cgi-bin/header.cgi", 502],
  ["/hang/hang.cgi", 504],
  ["/cgi-bin/missing.cgi", 500],
  ["/cgi-bin/what.odd", 500],
  ["/among.py", 502],
  ["/cgi-bin/none.cgi", 404],
];

Deno.test("--dev shows why a script has failed", async (t) => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES, flags: ["--dev"] });
  const json = async (path: string) => {
    const response = await ask(server, get(path, "Accept: application/json"));
    assertEquals(field(response, "content-type"), "application/problem+json");
    assertEquals(field(response, "cache-control"), "no-store");
    return JSON.parse(textOf(response));
  };

  await t.step("why there is nothing at an address", async () => {
    const { status, detail, reason, command } = await json("/cgi-bin/none.py");
    assertEquals([status, detail, command], [404, "There is nothing at this address.", []]);
    assertEquals(reason, `no script for /cgi-bin/none.py in ${join(server.dir, "cgi-bin")}`);
    const page = textOf(await ask(server, get("/none%3Ci%3E.html", "Accept: text/html")));
    assertStringIncludes(page, `there is no file ${server.dir}/static/none&lt;i&gt;.html`);
  });
  await t.step("a traceback, escaped, in HTML, before the site's own error page", async () => {
    const response = await ask(server, get("/cgi-bin/crash.py", "Accept: text/html", "X-Test: <i>"));
    assertEquals([response.status, field(response, "cache-control")], [502, "no-store"]);
    assertEquals(field(response, "content-type"), "text/html; charset=utf-8");
    const page = textOf(response);
    assertStringIncludes(page, "Traceback (most recent call last)");
    assertStringIncludes(page, "ValueError: &lt;b&gt;no &amp; such&lt;/b&gt;");
    assertFalse(/<[bi]>/.test(page));
    assertStringIncludes(page, "HTTP_X_TEST=&lt;i&gt;");
    assertStringIncludes(page, "SETTING=given");
    assertStringIncludes(page, "status 1");
    const script = join(server.dir, "cgi-bin/crash.py");
    assertStringIncludes(
      page,
      `<strong>Likely cause</strong> <code>${script}:3: </code>ValueError: &lt;b&gt;no`,
    );
    assertMatch(page, /script \S+crash\.py pid \d+: /);
  });

  await t.step("the line of the error log, exit status, time, command and variables, as JSON", async () => {
    const problem = await json("/cgi-bin/crash.py/more?a=b");
    const script = join(server.dir, "cgi-bin/crash.py");
    assertEquals([problem.status, problem.title, problem.exit], [502, "Bad Gateway", 1]);
    assert(problem.ranMs > 0);
    assertEquals(problem.command.at(-1), script);
    assertEquals([problem.variables.PATH_INFO, problem.variables.QUERY_STRING], ["/more", "a=b"]);
    assertStringIncludes(problem.reason, `script ${script} pid `);
    assertStringIncludes(problem.reason, problem.requestId);
    assertEquals(problem.likelyCause, { file: script, line: 3, cause: "ValueError: <b>no & such</b>" });
    const cause = `${problem.reason}; likely cause: ${script}:3: ValueError: `;
    await server.stderrMatch(new RegExp(cause.replace(/[^\w ]/g, "\\$&")));
  });

  await t.step("a signal", async () => {
    const problem = await json("/cgi-bin/signal.cgi");
    assertEquals([problem.status, problem.exit], [502, "SIGSEGV"]);
    assertStringIncludes(problem.stderr, "last words\n");
  });

  await t.step("a bad header, with what the script says after it", async () => {
    let problem = await json("/cgi-bin/header.cgi");
    // On a busy machine it may not come to its end in the second that it has.
    while (problem.exit === "SIGKILL") problem = await json("/cgi-bin/header.cgi");
    assertEquals([problem.status, problem.exit, problem.stderr], [502, 0, "early\nlate\n"]);
    assertEquals([problem.likelyCause.line, problem.likelyCause.cause.slice(0, 10)], [3, "it writes "]);
  });

  await t.step("a script that hangs, as text", async () => {
    const response = await ask(server, get("/hang/hang.cgi", "Accept: text/plain"));
    assertEquals(response.status, 504);
    const page = textOf(response);
    assertStringIncludes(page, "raise cgi.timeout");
    assertStringIncludes(page, "\nLikely cause: it waits for something");
    assertStringIncludes(page, "\nStandard error:\nbefore the wait\n");
    assertStringIncludes(page, "\nExit: SIGKILL\n");
  });

  await t.step("an interpreter that is not there", async () => {
    const missing = await json("/cgi-bin/missing.cgi");
    assertEquals([missing.status, missing.exit, missing.stderr], [500, null, ""]);
    assertEquals(missing.likelyCause, null); // the reason says all
    assertStringIncludes(missing.reason, "/no/such/interpreter");
    const odd = await json("/cgi-bin/what.odd");
    assertEquals([odd.status, odd.command], [500, []]);
    assertStringIncludes(odd.reason, "no-such-interpreter");
  });

  await t.step("a script among files", async () => {
    assertStringIncludes((await json("/among.py")).stderr, "KeyError: 'among'");
  });

  await t.step("of a flood, its end", async () => {
    const { exit, stderr } = await json("/cgi-bin/flood.py");
    assertEquals(exit, 3);
    assert(stderr.length <= 65536);
    assertMatch(stderr, /^line \d+\n/);
    assertStringIncludes(stderr, "\nline 19999\n");
  });

  await t.step("and nothing of it where the script is not at fault, or its answer had begun", async () => {
    const fine = await ask(server, get("/cgi-bin/fine.cgi"));
    assertEquals([fine.status, textOf(fine)], [200, "fine"]);
    using client = await server.connect();
    await client.send(get("/cgi-bin/begun.cgi"));
    const { bytes } = await client.readToEnd();
    assertMatch(new TextDecoder().decode(bytes), /^HTTP\/1\.1 200 [^]*\r\n\r\nbegun$/);
    await server.stderrMatch(/begun\.cgi.*announced 9 bytes/);
  });
});

Deno.test("without --dev nothing of a failure is shown", async () => {
  await using server = await TestServer.start({
    yaml: YAML.replace(/^error_pages.*\n/m, "").replace("timeout: 4s", "timeout: 500ms"),
    files: FILES,
  });
  for (const [path, status] of FAILURES) {
    for (const accept of ["text/html", "application/json", "text/plain"]) {
      const response = await ask(server, get(`${path}?query`, `Accept: ${accept}`));
      assertEquals(response.status, status, path);
      const page = textOf(response);
      const secrets = [
        server.dir,
        "cgi-bin",
        "pid",
        "Traceback",
        "words",
        "early",
        "before",
        "SIG",
        "query",
        "given",
      ];
      for (const secret of secrets) {
        assertFalse(page.includes(secret), `${path} as ${accept} shows ${secret}`);
      }
    }
  }
});

Deno.test("the error log names the line of the script that a failure comes from", async () => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  const log = async (path: string, cause: string) => {
    assertEquals((await ask(server, get(path))).status, 502);
    await server.stderrMatch(new RegExp(`${join(server.dir, cause).replace(/[^\w ]/g, "\\$&")}`));
  };
  await log("/cgi-bin/crash.py", "cgi-bin/crash.py:3: ValueError: <b>no & such</b>");
  await log("/cgi-bin/header.cgi", 'cgi-bin/header.cgi:3: it writes "Hello" there');
  // What was read of the header is sound: the traceback says why it ended there.
  await log("/among.py", "static/among.py:2: KeyError: 'among'");
});

Deno.test("--dev is refused on an address that others can reach", async () => {
  const open = await runPollux({ yaml: YAML.replace("127.0.0.1", "0.0.0.0"), flags: ["--dev"] });
  assertEquals(open.code, 2);
  assertStringIncludes(open.stderr, "--dev: 0.0.0.0:0 can be reached from other machines");
});

Deno.test("--dev tells requests in a form for people at a terminal, and as always elsewhere", async (t) => {
  const yaml = "listen: 127.0.0.1:0\nroutes: [{ path: /cgi-bin/, cgi: ./cgi-bin }]\n";
  const told = async (terminal: boolean, flags: string[], env: Record<string, string>) => {
    await using server = await TestServer.start({ yaml, files: FILES, terminal, flags, env });
    assertEquals((await ask(server, get("/cgi-bin/fine.cgi?a=1"))).status, 200);
    return (await server.stdoutMatch(/^[^\n]*fine\.cgi[^\n]*\n/m))[0].trimEnd();
  };
  const columns = String.raw`GET     /cgi-bin/fine\.cgi\?a=1 {20}`;
  await t.step("in colours", async () => {
    const line = await told(true, ["--dev"], { NO_COLOR: "", TERM: "xterm" });
    assertMatch(line, new RegExp(`^${columns}\x1b\\[32m200\x1b\\[0m +[0-9.]+ m?s  fine\\.cgi$`));
  });
  await t.step("without colours by NO_COLOR", async () => {
    const line = await told(true, ["--dev"], { NO_COLOR: "1", TERM: "xterm" });
    assertMatch(line, new RegExp(`^${columns}200 +[0-9.]+ m?s  fine\\.cgi$`));
  });
  await t.step("not in another format that was asked for, to a pipe, or without --dev", async () => {
    assertMatch(await told(true, ["--dev", "--log-format", "json"], {}), /^\{"time":/);
    const combined = /^127\.0\.0\.1 - - \[[^\]]+\] "GET \/cgi-bin\/fine\.cgi\?a=1 HTTP\/1\.1" 200 4 "-" "-"$/;
    assertMatch(await told(false, ["--dev"], {}), combined);
    assertMatch(await told(true, [], {}), combined);
  });
});
