import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { join } from "@std/path";
import { eventually } from "../support/deadline.ts";
import { ask, field, get, post, textOf } from "../support/raw.ts";
import { runPollux, TestServer } from "../support/server.ts";

/** `s3cret`, `pa:ss é`, `password`. */
const HTPASSWD = `# users
alice:$apr1$nFtTivCn$QvopWaXPap3Ho9wXpvZlX/
bob:$2y$04$8O6pLnslCt.sBfcg3vZYYOOlRKyH4qjqVnJmFlMIEHEcf5Sx1r/d.
carol:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=
`;
const FILES = {
  "static/a.txt": "file",
  "static/private/a.txt": "private",
  "static/index.html": "index",
  "cgi-bin/who.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s|%s|%s' " +
    '"$AUTH_TYPE" "$REMOTE_USER" "$HTTP_AUTHORIZATION"\n',
  "cgi-bin/inside.sh": "#!/bin/sh\nprintf 'Location: %s\\n\\n' \"$QUERY_STRING\"\n",
  htpasswd: HTPASSWD,
};

function start(routes: string, top = ""): Promise<TestServer> {
  return TestServer.start({ yaml: `listen: 127.0.0.1:0\n${top}routes:\n${routes}`, files: FILES });
}

function basic(credentials: string): string {
  return `Authorization: Basic ${new TextEncoder().encode(credentials).toBase64()}`;
}

Deno.test("allow and deny decide by the client's address, before anything of the body is read", async () => {
  await using server = await start(`
  - { path: /, files: ./static }
  - { path: /mine/, files: ./static, allow: [127.0.0.0/8, "::1"] }
  - { path: /others/, files: ./static, allow: 192.0.2.0/24 }
  - { path: /denied/, files: ./static, allow: 127.0.0.1, deny: 127.0.0.0/30 }
  - { path: /post/, cgi: ./cgi-bin, deny: 127.0.0.1 }
`);
  const expected = {
    "/a.txt": 200,
    "/mine/a.txt": 200,
    "/others/a.txt": 403,
    "/denied/a.txt": 403,
    "/denied": 403,
  };
  for (const [path, status] of Object.entries(expected)) {
    assertEquals((await ask(server, get(path))).status, status, path);
  }
  using client = await server.connect();
  await client.send(
    "POST /post/who.sh HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
  );
  const response = await client.readResponse();
  assertEquals([response.interim, response.status], [[], 403]);
});

Deno.test("rate lets a burst through and then answers 429 with Retry-After, over all loops together", async () => {
  await using server = await start(
    `
  - { path: /, files: ./static }
  - { path: /slow/, files: ./static, rate: { requests: 1, per: 1h, burst: 5 } }
`,
    "workers: 2\n",
  );
  const statuses: number[] = [];
  for (let i = 0; i < 12; i++) {
    const response = await ask(server, get("/slow/a.txt"));
    statuses.push(response.status);
    if (response.status === 429) assertMatch(field(response, "retry-after") ?? "", /^3[56][0-9]{2}$/);
  }
  assertEquals(statuses, [...Array(5).fill(200), ...Array(7).fill(429)]);
  assertEquals((await ask(server, get("/a.txt"))).status, 200);
  using client = await server.connect();
  await client.send(get("/slow/a.txt") + get("/a.txt"));
  assertEquals([(await client.readResponse()).status, (await client.readResponse()).status], [429, 200]);
});

Deno.test("Basic authentication by bcrypt, apr1 and {SHA}", async (t) => {
  await using server = await start(`
  - { path: /, files: ./static }
  - { path: /private/, files: ./static/private, auth: { basic: ./htpasswd, realm: 'the "inner" circle' } }
  - { path: /cgi-bin/, cgi: ./cgi-bin, auth: { basic: ./htpasswd } }
`);
  await t.step("without credentials: 401 that asks for them", async () => {
    const response = await ask(server, get("/private/a.txt"));
    assertEquals(response.status, 401);
    assertEquals(
      field(response, "www-authenticate"),
      'Basic realm="the \\"inner\\" circle", charset="UTF-8"',
    );
    assertEquals((await ask(server, get("/a.txt"))).status, 200);
  });
  await t.step("each kind of hash lets its user in, the second time as well", async () => {
    using client = await server.connect();
    for (const credentials of ["alice:s3cret", "bob:pa:ss \u00e9", "carol:password", "bob:pa:ss \u00e9"]) {
      await client.send(get("/private/a.txt", basic(credentials)));
      assertEquals(textOf(await client.readResponse()), "private", credentials);
    }
  });
  await t.step("others stay out, and the log says who", async () => {
    const wrong = [
      "alice:s3creT",
      "alice:",
      "Alice:s3cret",
      "nobody:s3cret",
      "bob:password",
      'a"\u202e\u00e9:x',
    ];
    for (const credentials of wrong) {
      assertEquals((await ask(server, get("/private/a.txt", basic(credentials)))).status, 401, credentials);
    }
    await server.stderrMatch(/warn login of "alice" from 127\.0\.0\.1 refused: the password is wrong\n/);
    await server.stderrMatch(/warn login of "nobody" from 127\.0\.0\.1 refused: there is no such user\n/);
    await server.stderrMatch(/warn login of "a\\"\\u202E\u00e9" from /);
    assertNotMatch(server.stderr, /s3creT/);
  });
  await t.step("pipelined behind one another, each with its own answer", async () => {
    using client = await server.connect();
    await client.send(
      get("/private/a.txt", basic("bob:x")) + get("/a.txt") + get("/private/a.txt", basic("carol:password")) +
        get("/private/a.txt"),
    );
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await client.readResponse()).status);
    assertEquals(statuses, [401, 200, 200, 401]);
  });
  await t.step("a script is told who, and not the password", async () => {
    assertEquals(textOf(await ask(server, get("/cgi-bin/who.sh", basic("carol:password")))), "Basic|carol|");
  });
  await t.step("a body waits for nobody who is refused", async () => {
    using client = await server.connect();
    const head = `POST /cgi-bin/who.sh HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n`;
    await client.send(`${head}${basic("carol:wrong")}\r\n\r\n`);
    const response = await client.readResponse();
    assertEquals([response.interim, response.status, field(response, "connection")], [[], 401, "close"]);
    assertEquals((await ask(server, post("/cgi-bin/who.sh", "abc", basic("carol:password")))).status, 200);
  });
  await t.step("the access log has the user", async () => {
    await server.stdoutMatch(/^127\.0\.0\.1 - carol \[.*"GET \/cgi-bin\/who\.sh HTTP\/1\.1" 200 /m);
  });
  await t.step("the password file is never served", async () => {
    await using whole = await start(
      "  - { path: /, files: ., auth: { basic: ./htpasswd, methods: [HEAD] } }\n",
    );
    assertEquals((await ask(whole, get("/htpasswd"))).status, 404);
  });
});

Deno.test("a changed password file is in force within a second, without a reload", async () => {
  await using server = await start(
    "  - { path: /, files: ./static, auth: { basic: ./htpasswd } }\n",
  );
  const status = async (credentials: string) => (await ask(server, get("/a.txt", basic(credentials)))).status;
  assertEquals([await status("carol:password"), await status("dave:password")], [200, 401]);
  await Deno.writeTextFile(join(server.dir, "htpasswd"), "dave:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\nbroken\n");
  await eventually("the new user", async () => await status("dave:password") === 200);
  assertEquals(await status("carol:password"), 401);
  await server.stderrMatch(/htpasswd:2: is not USER:HASH/);
  await Deno.remove(join(server.dir, "htpasswd"));
  await eventually("the missing file", async () => await status("dave:password") === 500);
});

Deno.test("auth for some methods leaves the others open", async () => {
  await using server = await start(
    "  - { path: /, cgi: ./cgi-bin, auth: { basic: ./htpasswd, methods: [POST] } }\n",
  );
  assertEquals(textOf(await ask(server, get("/who.sh"))), "||");
  assertEquals((await ask(server, post("/who.sh", "x"))).status, 401);
  assertEquals(textOf(await ask(server, post("/who.sh", "x", basic("carol:password")))), "Basic|carol|");
});

Deno.test("local redirects and fallbacks meet the rules of where they lead", async () => {
  await using server = await start(`
  - { path: /cgi-bin/, cgi: ./cgi-bin }
  - { path: /denied/, files: ./static, deny: 127.0.0.1 }
  - { path: /private/, files: ./static/private, auth: { basic: ./htpasswd } }
  - { path: /posted/, cgi: ./cgi-bin, methods: [POST] }
  - { path: /fall/, files: ./static, fallback: /private/a.txt }
  - { path: /fall-denied/, files: ./static, fallback: /denied/a.txt }
  - { path: /once/, files: ./static, rate: { requests: 1, per: 1h, burst: 1 } }
`);
  const status = async (...request: Parameters<typeof get>) => (await ask(server, get(...request))).status;
  assertEquals(await status("/cgi-bin/inside.sh?/denied/a.txt"), 403);
  assertEquals(await status("/cgi-bin/inside.sh?/private/a.txt"), 401);
  assertEquals(await status("/cgi-bin/inside.sh?/private/a.txt", basic("carol:password")), 200);
  assertEquals(await status("/cgi-bin/inside.sh?/posted/who.sh"), 405);
  assertEquals(await status("/cgi-bin/inside.sh?/once/a.txt"), 200);
  assertEquals(await status("/cgi-bin/inside.sh?/once/a.txt"), 429);
  assertEquals(await status("/fall/none"), 401);
  assertEquals(await status("/fall/none", basic("carol:password")), 200);
  assertEquals(await status("/fall/a.txt"), 200);
  assertEquals(await status("/fall-denied/none"), 403);
});

Deno.test("a hash that takes long holds up nobody who needs none", async () => {
  // bcrypt's cost 12: a third of a second, for each of three wrong passwords.
  const slow = "erin:$2b$12$abcdefghijklmnopqrstuuNhzGxTYzCZ9rTMIBSDdwEWvQGmOyLVu\n";
  await using server = await TestServer.start({
    yaml: "listen: 127.0.0.1:0\nroutes:\n  - { path: /, files: ./static }\n" +
      "  - { path: /private/, files: ./static, auth: { basic: ./htpasswd } }\n",
    files: { ...FILES, htpasswd: slow },
  });
  let isOver = false;
  const login = async (i: number) =>
    (await ask(server, get("/private/a.txt", basic(`erin:wrong${i}`)))).status;
  const logins = Promise.all([1, 2, 3].map(login)).finally(() => isOver = true);
  let answered = 0;
  const good = async () => {
    using client = await server.connect();
    for (; !isOver; answered++) {
      await client.send(get("/a.txt"));
      assertEquals((await client.readResponse()).status, 200);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  assertEquals((await Promise.all([logins, good()]))[0], [401, 401, 401]);
  // Held up by each of them, it would be one or two for each.
  assert(answered > 12, `${answered} answers while three passwords were computed`);
});

Deno.test("check names the lines of a password file that give nobody access", async () => {
  const end = await runPollux({
    yaml: "listen: 127.0.0.1:0\nroutes:\n  - { path: /, files: ./static, auth: { basic: ./htpasswd } }\n",
    files: { htpasswd: "a:plain\nb:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\nc\n" },
    flags: ["check"],
  });
  assertEquals(end.code, 0, end.stderr);
  assertMatch(end.stderr, /htpasswd:1:1: warning: has a hash that is neither/);
  assertMatch(end.stderr, /htpasswd:3:1: warning: is not USER:HASH/);
  assertNotMatch(end.stderr, /htpasswd:2|plain/);
});
