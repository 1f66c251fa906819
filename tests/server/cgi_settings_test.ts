import { assert, assertEquals, assertMatch, assertNotMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { eventually } from "../support/deadline.ts";
import { hasProgram, outputOf } from "../support/processes.ts";
import { ask, field, get, textOf, UnexpectedEnd } from "../support/raw.ts";
import { TestServer } from "../support/server.ts";

const HEAD = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n";

/** Another user can only be had by root, and scripts in a folder that it may enter. */
const CANNOT_CHANGE_USER = Deno.build.os !== "linux" || (await outputOf("id", ["-u"])).trim() !== "0" ||
  !await hasProgram("setpriv", "--version");

/** A user that is in `games` beside its own group, for the time of a test. */
async function withUser(work: (name: string, uid: string) => Promise<void>): Promise<void> {
  const name = `pollux${Deno.pid}`;
  await outputOf("useradd", ["--no-create-home", "--home-dir", "/srv/leda", "--groups", "games", name]);
  try {
    await work(name, (await outputOf("id", ["-u", name])).trim());
  } finally {
    await outputOf("userdel", [name]);
  }
}

function start(
  keys: string,
  files: Record<string, string>,
  cgi = "",
): Promise<TestServer> {
  const yaml = `listen: 127.0.0.1:0\n${cgi}routes:\n  - path: /s/\n    cgi: ./s\n${keys}`;
  return TestServer.start({ yaml, files: { "s/.keep": "", ...files } });
}

/** mktemp makes folders that only their owner may enter. */
async function letEnter(server: TestServer): Promise<void> {
  await Deno.chmod(server.dir, 0o755);
}

Deno.test({
  name: "user: scripts run as that user, with its groups and none of the server's (needs root and setpriv)",
  ignore: CANNOT_CHANGE_USER,
  fn: () =>
    withUser(async (name, uid) => {
      await using server = await start(`    user: ${name}\n`, {
        "s/who.sh": `${HEAD}id -u; id -gn; id -Gn; echo "$HOME"; grep -E '^Groups' /proc/self/status\n`,
      });
      await letEnter(server);
      const lines = textOf(await ask(server, get("/s/who.sh"))).trimEnd().split("\n");
      assertEquals(lines.slice(0, 4), [uid, name, `${name} games`, "/srv/leda"]);
      const groups = lines[4].replace("Groups:", "").trim().split(/\s+/).sort();
      const gids = (await outputOf("id", ["-G", name])).trim().split(" ").sort();
      assertEquals(groups, gids);
      // A script that is not the server's own user is ended as any other.
      assertEquals((await ask(server, get("/s/none.sh"))).status, 404);
    }),
});

Deno.test({
  name:
    "group: beside a user it is the primary one; alone it changes the group only (needs root and setpriv)",
  ignore: CANNOT_CHANGE_USER,
  async fn(t) {
    await t.step("with a user", () =>
      withUser(async (name, uid) => {
        await using server = await start(`    user: ${name}\n    group: daemon\n`, {
          "s/who.sh": `${HEAD}id -u; id -gn; id -Gn\n`,
        });
        await letEnter(server);
        const [is, group, groups] = textOf(await ask(server, get("/s/who.sh"))).trimEnd().split("\n");
        assertEquals([is, group], [uid, "daemon"]);
        assertEquals(
          groups.split(" ").sort(),
          ["daemon", "games", name].filter((each) => each !== name || groups.includes(name)).sort(),
        );
        assert(!groups.split(" ").includes("root"), groups);
      }));
    await t.step("without one", async () => {
      await using server = await start("    group: daemon\n", { "s/who.sh": `${HEAD}id -u; id -Gn\n` });
      const lines = textOf(await ask(server, get("/s/who.sh"))).trimEnd().split("\n");
      assertEquals(lines, ["0", "daemon"]);
    });
  },
});

Deno.test({
  name: "a script that runs as another user dies at its timeout with all it started (needs root and setpriv)",
  ignore: CANNOT_CHANGE_USER,
  async fn() {
    await using server = await start("    user: nobody\n    timeout: 5s\n", {
      "s/hang.sh": "#!/bin/sh\ntrap '' TERM\nsleep 300 &\nsleep 301\n",
    });
    await letEnter(server);
    const asking = ask(server, get("/s/hang.sh"));
    const family = await server.family(3);
    assertEquals((await asking).status, 504);
    await server.gone(family);
  },
});

Deno.test({
  name: "a user that is not there is a fault of the configuration or a 500, never a script run as the server",
  ignore: CANNOT_CHANGE_USER,
  async fn() {
    const yaml = "    user: never-heard-of\n";
    try {
      await using server = await start(yaml, { "s/who.sh": `${HEAD}id -u\n` });
      const response = await ask(server, get("/s/who.sh"));
      assert(response.status >= 500, String(response.status));
      assertNotMatch(textOf(response), /^0$/m);
    } catch (error) {
      assertStringIncludes(String(error), "never-heard-of");
    }
  },
});

Deno.test({
  name: "umask, nice and limits hold for the script and not for its neighbours",
  ignore: Deno.build.os !== "linux",
  async fn(t) {
    const report =
      `${HEAD}umask; ulimit -t; ulimit -v; ulimit -n; awk '{ print $19 }' /proc/self/stat; env\n`;
    const yaml = `listen: 127.0.0.1:0
routes:
  - path: /plain/
    cgi: ./s
  - path: /tight/
    cgi: ./s
    umask: "027"
    nice: 7
    limits: { cpu: 10s, memory: 512MiB, files: 64, processes: 4000 }
`;
    await using server = await TestServer.start({
      yaml,
      files: {
        "s/report.sh": report,
        "s/make.sh": `${HEAD}rm -f made; : > made; ls -l made | cut -c1-10\n`,
        "s/nproc.sh": `${HEAD}grep 'Max processes' /proc/self/limits | awk '{ print $3, $4 }'\n`,
        "s/hog.py":
          "#!/usr/bin/env python3\nprint('Content-Type: text/plain\\n')\ntry:\n    x = bytearray(1 << 30)\n    print('has it')\nexcept MemoryError:\n    print('has it not')\n",
        "s/spin.sh": "#!/bin/sh\nwhile :; do :; done\n",
        "s/open.py":
          "#!/usr/bin/env python3\nprint('Content-Type: text/plain\\n')\nopened = []\ntry:\n    while len(opened) < 200: opened.append(open('/dev/null'))\nexcept OSError: pass\nprint(len(opened))\n",
      },
    });
    const lines = async (path: string) => textOf(await ask(server, get(path))).trimEnd().split("\n");
    await t.step("as the route says", async () => {
      const [mask, cpu, memory, files, nice, ...env] = await lines("/tight/report.sh");
      assertEquals([mask, cpu, memory, files, nice], ["0027", "10", String(512 * 1024), "64", "7"]);
      // The shell that reports has its own PWD; what sets the mask adds nothing.
      const names = env.map((line) => line.slice(0, line.indexOf("=")));
      for (const name of ["OLDPWD", "SHLVL", "_"]) assert(!names.includes(name), name);
      assertEquals(await lines("/tight/nproc.sh"), ["4000 4000"]);
      assertEquals(await lines("/tight/make.sh"), ["-rw-r-----"]);
    });
    await t.step("and they bite", async () => {
      assertEquals(await lines("/tight/hog.py"), ["has it not"]);
      assert(Number((await lines("/tight/open.py"))[0]) < 64);
    });
    await t.step("not for others", async () => {
      const [mask, cpu, , files, nice] = await lines("/plain/report.sh");
      assertEquals([mask, cpu, nice], [
        (await outputOf("sh", ["-c", "umask"])).trim(),
        "unlimited",
        (await outputOf("sh", ["-c", "awk '{ print $19 }' /proc/self/stat"])).trim(),
      ]);
      assert(files === "unlimited" || Number(files) > 64, files);
      assertEquals(await lines("/plain/open.py"), ["200"]);
    });
  },
});

Deno.test({
  name: "limits.cpu: a script that only computes is killed by the system, and its answer is not whole",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using server = await start("    limits: { cpu: 1s }\n", {
      "s/spin.sh": "#!/bin/sh\nwhile :; do :; done\n",
    });
    assertEquals((await ask(server, get("/s/spin.sh"))).status, 502);
    await server.stderrMatch(/spin\.sh.*SIG(XCPU|KILL)/);
    await server.childless();
  },
});

Deno.test("output: plain: all that a command writes is the content", async (t) => {
  await using server = await start(
    "    output: plain\n    headers: { Content-Type: text/csv }\n",
    {
      "s/date.sh": "#!/bin/sh\necho 'Status: 404'\necho\necho 1,2\n",
      "s/fail.sh": "#!/bin/sh\necho half\nexit 3\n",
      "s/silent-fail.sh": "#!/bin/sh\nexit 1\n",
      "s/late-fail.sh": "#!/bin/sh\nsleep 0.5\nexit 1\n",
      "s/nothing.sh": "#!/bin/sh\nexit 0\n",
      "s/long.sh": "#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' x\nexit 4\n",
      "s/killed.sh": "#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' x\nkill -9 $$\n",
      "s/slow.sh": "#!/bin/sh\necho one\nread line < fifo\necho $line\n",
      "s/nph-x.sh": "#!/bin/sh\nprintf 'HTTP/1.1 299 Mine\\r\\n\\r\\n'\n",
    },
  );
  const answer = (path: string) => ask(server, get(path));
  await t.step("as it is, with the route's type", async () => {
    const response = await answer("/s/date.sh");
    assertEquals([response.status, field(response, "content-type")], [200, "text/csv"]);
    assertEquals(textOf(response), "Status: 404\n\n1,2\n");
  });
  await t.step("nothing at all is an empty answer", async () => {
    const response = await answer("/s/nothing.sh");
    assertEquals([response.status, response.content.length], [200, 0]);
  });
  await t.step("a failure before anything was sent: 500, and nothing of what it wrote", async () => {
    for (const name of ["silent-fail", "late-fail"]) {
      assertEquals((await answer(`/s/${name}.sh`)).status, 500);
    }
    // On a busy machine it may fail later than 100 ms after it has begun to write.
    await eventually("a failure in time", async () => {
      const response = await answer("/s/fail.sh");
      if (response.status === 200) return false;
      assertEquals(response.status, 500);
      assertNotMatch(textOf(response), /half/);
      return true;
    });
    await server.stderrMatch(/fail\.sh.*status 3/);
  });
  await t.step("a failure after the first bytes went out: what it wrote", async () => {
    const response = await answer("/s/long.sh");
    assertEquals([response.status, response.content.length], [200, 300_000]);
  });
  await t.step("death by a signal: cut", async () => {
    using client = await server.connect();
    await client.send(get("/s/killed.sh"));
    const error = await client.readResponse().then(() => null, (error) => error);
    assert(error instanceof UnexpectedEnd || error instanceof Deno.errors.ConnectionReset, String(error));
  });
  await t.step("what is slow goes out after a moment", async () => {
    await outputOf("mkfifo", [join(server.dir, "s/fifo")]);
    using client = await server.connect();
    await client.send(get("/s/slow.sh"));
    assertMatch(await client.readUntil("one\n"), /^HTTP\/1\.1 200 /);
    await Deno.writeTextFile(join(server.dir, "s/fifo"), "two\n");
    await client.readUntil("two\n");
  });
});

/** A file of its own kind in each 1,000 bytes, so that a part shows where it is from. */
const LARGE = Array.from({ length: 400 }, (_, i) => String(i).padStart(1000, ".")).join("");

Deno.test("X-Sendfile: the script decides, the server sends", async (t) => {
  const script = (...lines: string[]) =>
    `#!/bin/sh\n${lines.map((line) => `echo '${line}'`).join("\n")}\necho\necho own\n`;
  await using server = await TestServer.start({
    yaml: `listen: 127.0.0.1:0
routes:
  - path: /s/
    cgi: ./s
    sendfile: [./private, ./more]
  - path: /off/
    cgi: ./s
  - path: /
    files: ./www
    scripts: [.sh]
    sendfile: [./more]
`,
    files: {
      "private/a.txt": "0123456789",
      "private/sub/.hidden": "hidden",
      "private/ü %41.txt": "odd name",
      "private/large.bin": LARGE,
      "private/page.html": "<p>",
      "more/b.txt": "more",
      "outside.txt": "outside",
      "www/among.sh": script("X-Sendfile: b.txt"),
      "s/abs.sh": '#!/bin/sh\necho "X-Sendfile: $(dirname "$PWD")/$QUERY_STRING"\necho\n',
      "s/name.sh": '#!/bin/sh\nprintf "X-Sendfile: $QUERY_STRING\\nX-Own: 1\\n\\n"\n',
      "s/accel.sh":
        '#!/bin/sh\necho "X-Accel-Redirect: $QUERY_STRING"\necho "Content-Type: text/x-own"\necho\n',
      "s/fields.sh": script(
        "X-Sendfile: a.txt",
        "Content-Type: application/x-mine",
        "Content-Length: 4",
        'ETag: "mine"',
        "Content-Disposition: attachment",
        "Set-Cookie: a=1",
        "Set-Cookie: b=2",
      ),
      "s/denied.sh": script("Status: 403 Not you", "X-Sendfile: page.html"),
      "s/flood.py":
        "#!/usr/bin/env python3\nimport sys\nsys.stdout.write('X-Sendfile: a.txt\\n\\n' + 'x' * 1000000)\n",
    },
  });
  const name = (name: string, ...lines: string[]) => ask(server, get(`/s/name.sh?${name}`, ...lines));

  await t.step("by a path inside a folder, and below one", async () => {
    for (
      const path of ["/s/abs.sh?private/a.txt", "/s/name.sh?a.txt", "/s/name.sh?/a.txt", "/s/accel.sh?/a.txt"]
    ) {
      const response = await ask(server, get(path));
      assertEquals([response.status, textOf(response)], [200, "0123456789"], path);
      assertEquals(response.framing, "length");
      assertEquals(response.fields.filter(([name]) => /sendfile|accel/.test(name)), []);
    }
    assertEquals(textOf(await name("b.txt")), "more");
    assertEquals(textOf(await name("sub/.hidden")), "hidden");
    assertEquals(textOf(await name("%25c3%25bc%2520%252541.txt".replaceAll("%25", "%%"))), "odd name");
  });
  await t.step("with the script's own fields, but not what only the file can say", async () => {
    const response = await ask(server, get("/s/fields.sh"));
    assertEquals([response.status, textOf(response)], [200, "0123456789"]);
    assertEquals(field(response, "content-type"), "application/x-mine");
    assertEquals(field(response, "content-disposition"), "attachment");
    assertEquals(response.fields.filter(([name]) => name === "set-cookie").length, 2);
    assertNotMatch(field(response, "etag") ?? "", /mine/);
  });
  await t.step("ranges, conditions and HEAD as for any file", async () => {
    const whole = await ask(server, get("/s/fields.sh"));
    const etag = field(whole, "etag") ?? "";
    const part = await ask(server, get("/s/fields.sh", "Range: bytes=2-4"));
    assertEquals([part.status, textOf(part), field(part, "content-range")], [206, "234", "bytes 2-4/10"]);
    assertEquals(field(part, "content-type"), "application/x-mine");
    const parts = await ask(server, get("/s/fields.sh", "Range: bytes=0-0,9-9"));
    assertEquals(parts.status, 206);
    assertMatch(field(parts, "content-type") ?? "", /^multipart\/byteranges/);
    const cached = await ask(server, get("/s/fields.sh", `If-None-Match: ${etag}`));
    assertEquals([cached.status, field(cached, "etag"), field(cached, "content-type")], [304, etag, null]);
    assertEquals((await ask(server, get("/s/fields.sh", 'If-Match: "other"'))).status, 412);
    const beyond = await ask(server, get("/s/fields.sh", "Range: bytes=50-"));
    assertEquals([beyond.status, field(beyond, "content-range")], [416, "bytes */10"]);
    const head = await ask(server, get("/s/fields.sh").replace("GET", "HEAD"), { method: "HEAD" });
    assertEquals([head.status, field(head, "content-length"), head.content.length], [200, "10", 0]);
  });
  await t.step("a large file, and a part of it", async () => {
    const response = await name("large.bin");
    assertEquals(textOf(response), LARGE);
    const part = await name("large.bin", "Range: bytes=399990-");
    assertEquals(textOf(part), ".......399");
    assertEquals(field(part, "content-range"), "bytes 399990-399999/400000");
  });
  await t.step("another status than 200 sends the whole file, whatever was asked", async () => {
    const response = await ask(server, get("/s/denied.sh", "Range: bytes=0-0"));
    assertEquals([response.status, response.reason, textOf(response)], [403, "Not you", "<p>"]);
    assertMatch(field(response, "content-type") ?? "", /^text\/html/);
  });
  await t.step("a POST too", async () => {
    const response = await ask(
      server,
      "POST /s/name.sh?a.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nRange: bytes=0-0\r\n\r\n",
    );
    assertEquals([response.status, textOf(response)], [200, "0123456789"]);
  });
  await t.step("what the script writes beside it is dropped", async () => {
    assertEquals(textOf(await ask(server, get("/s/flood.py"))), "0123456789");
    await server.childless();
  });
  await t.step("nothing from elsewhere, and the log says what was wanted", async () => {
    await Deno.symlink(join(server.dir, "outside.txt"), join(server.dir, "private/link.txt"));
    for (
      const path of [
        "../outside.txt",
        "none.txt",
        "/etc/passwd",
        "sub",
        "sub/",
        "",
        "link.txt",
        `${server.dir}/outside.txt`,
        "sub/../../outside.txt",
        "a.txt/",
      ]
    ) {
      const response = await name(path);
      assertEquals(response.status, path === "" ? response.status : 404, path);
      assertNotMatch(textOf(response), /outside|root:/, path);
      assertEquals(field(response, "x-own"), null);
    }
    await server.stderrMatch(/name\.sh.*none\.txt.*sendfile/);
  });
  await t.step("a script among files has its own folders", async () => {
    assertEquals(textOf(await ask(server, get("/among.sh"))), "more");
  });
  await t.step("off where the route has no such folders", async () => {
    const response = await ask(server, get("/off/fields.sh"));
    assertEquals(textOf(response), "own\n");
  });
});
