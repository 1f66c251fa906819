import { assertEquals, assertMatch } from "@std/assert";
import { basename, join } from "@std/path";
import { eventually } from "../support/deadline.ts";
import { outputOf } from "../support/processes.ts";
import { ask, field, get, RawClient, type Response, sendAndReset, textOf } from "../support/raw.ts";
import { TestServer } from "../support/server.ts";

const YAML = `listen: 127.0.0.1:0
routes:
  - path: /
    files: ./static
  - path: /up/
    files: ./up
    methods: [GET, HEAD, PUT, POST, DELETE]
    body_limit: 1MiB
    hidden: true
    list: true
  - path: /put/
    files: ./up
    methods: [GET, PUT]
  - path: /linked/
    files: ./up
    methods: [GET, PUT, DELETE]
    follow_symlinks: always
  - path: /app/
    files: ./app
    scripts: [.sh]
    methods: [GET, POST, PUT, DELETE]
    index: [index.sh]
  - path: /conf/
    files: .
    methods: [GET, PUT, POST, DELETE]
`;

function request(method: string, path: string, content: string, ...lines: string[]): string {
  const head = [
    `${method} ${path} HTTP/1.1`,
    "Host: a",
    `Content-Length: ${content.length}`,
    ...lines,
    "",
    "",
  ];
  return head.join("\r\n") + content;
}

/** A form's parts, each a head without its last CRLF and a content. */
function form(...parts: readonly (readonly [head: string, content: string])[]): string {
  return parts.map(([head, content]) => `--B\r\n${head}\r\n\r\n${content}\r\n`).join("") + "--B--\r\n";
}

function file(name: string, content: string): readonly [string, string] {
  return [`Content-Disposition: form-data; name="f"; filename="${name}"`, content];
}

const FORM = "Content-Type: multipart/form-data; boundary=B";

Deno.test("uploads", async (t) => {
  await using server = await TestServer.start({
    yaml: YAML,
    files: {
      "up/sub/.keep": "",
      "up/here.txt": "here",
      "outside/secret.txt": "secret",
      "app/index.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s' \"$REQUEST_METHOD$PATH_INFO\"\n",
      "app/plain.txt": "plain",
    },
  });
  const up = join(server.dir, "up");
  const outside = join(server.dir, "outside");
  await Deno.symlink(join(outside, "secret.txt"), join(up, "out.txt"));
  await Deno.symlink(outside, join(up, "out"));
  await Deno.symlink("here.txt", join(up, "in.txt"));
  await outputOf("mkfifo", [join(up, "pipe")]);

  const put = (path: string, content: string, ...lines: string[]) =>
    ask(server, request("PUT", path, content, ...lines));
  const remove = (path: string, ...lines: string[]) =>
    ask(server, get(path, ...lines).replace("GET", "DELETE"));
  const send = (path: string, content: string) => ask(server, request("POST", path, content, FORM));
  const read = (name: string) => Deno.readTextFileSync(join(up, name));
  const names = (dir = up) => [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
  const nothingLeft = () =>
    eventually("no temporary file", () => Promise.resolve(names().every((name) => !/upload/.test(name))));

  await t.step("PUT makes a file, and the tag that it tells is the file's", async () => {
    const made = await put("/up/a%20b.txt", "one");
    assertEquals([made.status, field(made, "location"), made.content.length], [201, "/up/a%20b.txt", 0]);
    const seen = await ask(server, get("/up/a%20b.txt"));
    assertEquals([textOf(seen), field(seen, "etag")], ["one", field(made, "etag")]);
    const { mode } = Deno.statSync(join(up, "a b.txt"));
    assertEquals((mode ?? 0) & 0o133, 0, "executable by nobody, writable by its owner alone");
  });

  await t.step("PUT replaces a file, which the next request on the connection sees", async () => {
    using client = await RawClient.connect(server);
    for (let i = 0; i < 20; i++) {
      await client.send(request("PUT", "/up/again.txt", `content ${i}`) + get("/up/again.txt"));
      assertEquals((await client.readResponse()).status, i === 0 ? 201 : 204);
      assertEquals(textOf(await client.readResponse()), `content ${i}`);
    }
    await client.send(get("/up/again.txt").replace("GET", "DELETE") + get("/up/again.txt"));
    assertEquals((await client.readResponse()).status, 204);
    assertEquals((await client.readResponse()).status, 404);
  });

  await t.step("PUT takes an empty file, a chunked one and a large one", async () => {
    assertEquals((await put("/up/empty", "")).status, 201);
    assertEquals(read("empty"), "");
    const chunked =
      "PUT /up/chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assertEquals((await ask(server, chunked)).status, 201);
    assertEquals(read("chunked"), "abcde");
    const large = "0123456789abcdef".repeat(65536);
    assertEquals((await put("/up/large", large)).status, 201);
    const seen = await ask(server, get("/up/large"));
    assertEquals(textOf(seen) === large, true);
    assertEquals((await put("/up/large", "x", `If-Match: ${field(seen, "etag")}`)).status, 204);
  });

  await t.step("a mode that was set for a file stays, but for what makes it a program", async () => {
    await Deno.writeTextFile(join(up, "private.txt"), "x");
    await Deno.chmod(join(up, "private.txt"), 0o700);
    assertEquals((await put("/up/private.txt", "y")).status, 204);
    assertEquals((Deno.statSync(join(up, "private.txt")).mode ?? 0) & 0o777, 0o600);
  });

  await t.step("what cannot be stored is refused, before the body", async () => {
    const rows: [method: string, path: string, status: number, ...lines: string[]][] = [
      ["PUT", "/up/", 409],
      ["PUT", "/up/sub", 409],
      ["PUT", "/up/sub/", 409],
      ["PUT", "/up/none/a", 409],
      ["PUT", "/up/here.txt/a", 409],
      ["PUT", "/up/.hidden", 403],
      ["PUT", "/up/.well-known/x", 403],
      ["PUT", "/up/.sub/a", 403],
      ["PUT", "/up/sub%2fa", 400],
      ["PUT", "/up/%ff", 400],
      ["PUT", "/up/%01", 400],
      ["PUT", `/up/${"x".repeat(256)}`, 400],
      ["PUT", "/up/pipe", 403],
      ["PUT", "/up/out.txt", 403],
      ["PUT", "/up/out/new.txt", 409],
      ["PUT", "/linked/out/new.txt", 409],
      ["PUT", "/linked/out.txt", 403],
      ["PUT", "/conf/pollux.yaml", 403],
      ["PUT", "/up/new", 400, "Content-Range: bytes 0-1/2"],
      ["PUT", "/up/new", 415, "Content-Encoding: gzip"],
      ["PUT", "/up/new", 412, "If-Match: *"],
      ["PUT", "/up/here.txt", 412, "If-None-Match: *"],
      ["PUT", "/up/here.txt", 412, 'If-Match: "x"'],
      ["PUT", "/up/here.txt", 412, "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT"],
      ["PUT", "/put/.x", 403],
      ["POST", "/put/", 405],
      ["PATCH", "/up/here.txt", 405],
      ["PUT", "/a.txt", 405],
      ["POST", "/up/", 415],
      ["POST", "/up/", 415, "Content-Type: application/x-www-form-urlencoded"],
      ["POST", "/up/", 400, "Content-Type: multipart/form-data"],
      ["POST", "/up/none/", 404, FORM],
      ["POST", "/up/here.txt", 409, FORM],
    ];
    for (const [method, path, status, ...lines] of rows) {
      const what = `${method} ${path} ${lines.join()}`;
      const awaited = request(method, path, "0123456789", "Expect: 100-continue", ...lines).slice(0, -10);
      const early = await ask(server, awaited);
      assertEquals([early.interim, early.status], [[], status], what);
      assertEquals((await ask(server, request(method, path, "0123456789", ...lines))).status, status, what);
    }
    assertEquals(read("here.txt"), "here");
    assertEquals(names(outside), ["secret.txt"]);
  });

  await t.step("a body that is wanted is asked for, and one over the limit is not", async () => {
    using client = await RawClient.connect(server);
    await client.send(request("PUT", "/up/asked", "abc", "Expect: 100-continue").slice(0, -3));
    assertMatch(await client.readUntil("\r\n\r\n"), /^HTTP\/1.1 100 /);
    await client.send("abc");
    assertEquals((await client.readResponse()).status, 201);
    const over = await ask(
      server,
      "PUT /up/over HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\nExpect: 100-continue\r\n\r\n",
    );
    assertEquals([over.interim, over.status], [[], 413]);
    const size = (1048577).toString(16);
    const chunked = `PUT /up/over HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${size}\r\n${
      "x".repeat(1048577)
    }`;
    assertEquals((await ask(server, chunked)).status, 413);
    assertEquals(names().includes("over"), false);
    await nothingLeft();
  });

  await t.step("preconditions protect against lost updates", async () => {
    const { fields } = await ask(server, get("/up/here.txt"));
    const { etag, "last-modified": modified } = Object.fromEntries(fields);
    assertEquals(
      (await put("/up/here.txt", "here 2", `If-Match: ${etag}`, `If-Unmodified-Since: ${modified}`)).status,
      204,
    );
    assertEquals((await put("/up/here.txt", "lost", `If-Match: ${etag}`)).status, 412);
    assertEquals((await remove("/up/here.txt", `If-Match: ${etag}`)).status, 412);
    assertEquals((await put("/up/here.txt", "lost", "If-None-Match: *")).status, 412);
    assertEquals(read("here.txt"), "here 2");
    assertEquals((await put("/up/first.txt", "x", "If-None-Match: *")).status, 201);
  });

  await t.step("of many who would be first one is, and of many who replace one tag one does", async () => {
    const race = async (path: string, line: string, mark: string): Promise<number[]> => {
      const clients = await Promise.all(Array.from({ length: 8 }, () => server.connect()));
      try {
        // All have begun before any is complete.
        for (const [i, client] of clients.entries()) {
          await client.send(request("PUT", path, `${i}${mark}`, line).slice(0, -1));
        }
        await Promise.all(clients.map((client) => client.send(mark)));
        return (await Promise.all(clients.map((client) => client.readResponse()))).map(({ status }) => status)
          .sort();
      } finally {
        for (const client of clients) client.close();
      }
    };
    assertEquals(await race("/up/race.txt", "If-None-Match: *", "!"), [201, ...Array(7).fill(412)]);
    const etag = field(await ask(server, get("/up/race.txt")), "etag");
    // Other content, and so another tag: who has the same content as was there may well replace it twice.
    assertEquals(await race("/up/race.txt", `If-Match: ${etag}`, "?"), [204, ...Array(7).fill(412)]);
    assertMatch(read("race.txt"), /^[0-7]\?$/);
    await nothingLeft();
  });

  await t.step("an upload that breaks off leaves nothing, and the old file as it was", async () => {
    const half = request("PUT", "/up/here.txt", "0123456789").slice(0, -5);
    await sendAndReset(server, half, () => ask(server, get("/nothing")));
    using ended = await server.connect();
    await ended.send(half);
    await ended.endSending();
    assertEquals((await ended.readResponse()).status, 400);
    const bad = await ask(
      server,
      "PUT /up/bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nX\r\n",
    );
    assertEquals(bad.status, 400);
    const cut = form(file("cut.txt", "x")).slice(0, -10);
    assertEquals((await send("/up/", cut)).status, 400);
    await nothingLeft();
    assertEquals([read("here.txt"), names().includes("bad"), names().includes("cut.txt")], [
      "here 2",
      false,
      false,
    ]);
  });

  await t.step(
    "an upload under way is neither served nor listed, and its folder's old ones are cleaned away",
    async () => {
      const stale = join(up, "sub/.pollux-upload-stale");
      await Deno.writeTextFile(stale, "left by a server that was killed");
      await Deno.utime(stale, 0, 0);
      using client = await server.connect();
      await client.send(request("PUT", "/up/sub/slow", "0123456789").slice(0, -5));
      let temporary: string | undefined;
      await eventually("a temporary file", () => {
        temporary = names(join(up, "sub")).find((name) =>
          name.startsWith(".pollux-upload-") && !name.endsWith("stale")
        );
        return Promise.resolve(temporary !== undefined);
      });
      assertEquals((await ask(server, get(`/up/sub/${temporary}`))).status, 404);
      assertEquals(textOf(await ask(server, get("/up/sub/"))).includes("pollux-upload"), false);
      assertEquals((await ask(server, get("/up/sub/slow"))).status, 404);
      await client.send("56789");
      assertEquals((await client.readResponse()).status, 201);
      await eventually(
        "the old one's end",
        () => Promise.resolve(!names(join(up, "sub")).includes(basename(stale))),
      );
      assertEquals(names(join(up, "sub")), [".keep", "slow"]);
    },
  );

  await t.step("DELETE removes a file, and nothing else", async () => {
    assertEquals((await remove("/up/sub/slow")).status, 204);
    assertEquals((await remove("/up/in.txt")).status, 204);
    assertEquals(read("here.txt"), "here 2", "a link is removed, not what it leads to");
    const rows: [path: string, status: number][] = [
      ["/up/none", 404],
      ["/up/none/none", 404],
      ["/up/here.txt/", 404],
      ["/up/sub", 409],
      ["/up/sub/", 409],
      ["/up/", 409],
      ["/up/sub/.keep", 403],
      ["/up/out.txt", 404],
      ["/up/out/secret.txt", 404],
      ["/linked/out/secret.txt", 404],
      ["/up/pipe", 404],
      ["/conf/pollux.yaml", 404],
      ["/put/here.txt", 405],
    ];
    for (const [path, status] of rows) assertEquals((await remove(path)).status, status, path);
    assertEquals(names(outside), ["secret.txt"]);
    assertEquals((await remove("/up/chunked", "If-None-Match: *")).status, 412);
    assertEquals((await remove("/up/chunked", "If-Match: *")).status, 204);
  });

  await t.step("a link within the folder is replaced, not written through", async () => {
    await Deno.symlink("here.txt", join(up, "in.txt"));
    assertEquals((await put("/up/in.txt", "its own")).status, 204);
    assertEquals([read("in.txt"), read("here.txt")], ["its own", "here 2"]);
  });

  await t.step("POST stores the files of a form", async () => {
    const one = await send(
      "/up/sub/",
      form(file("one é.txt".replace("é", "\xc3\xa9"), "1\r\n--C"), [
        'Content-Disposition: form-data; name="note"',
        "no file",
      ], file("", "")),
    );
    assertEquals([one.status, field(one, "location")], [201, "/up/sub/one%20%C3%A9.txt"]);
    assertEquals(read("sub/one é.txt"), "1\r\n--C");
    const several = await send("/up/sub/", form(file("C:\\dir\\two.txt", "2"), file("a/b/three.txt", "3")));
    assertEquals([several.status, field(several, "location")], [201, "/up/sub/"]);
    assertEquals(textOf(several), "/up/sub/two.txt\n/up/sub/three.txt\n");
    assertEquals([read("sub/two.txt"), read("sub/three.txt")], ["2", "3"]);
    assertEquals((Deno.statSync(join(up, "sub/two.txt")).mode ?? 0) & 0o111, 0);
  });

  await t.step("POST stores all files of a form or none", async () => {
    const before = names(join(up, "sub"));
    const refused: [parts: (readonly [string, string])[], status: number][] = [
      [[], 400],
      [[file("", "")], 400],
      [[file("", "x")], 400],
      [[['Content-Disposition: form-data; name="f"', "x"]], 400],
      [[file("new.txt", "x"), file("two.txt", "x")], 409],
      [[file("new.txt", "x"), file("new.txt", "y")], 409],
      [[file("new.txt", "x"), file("a/.htaccess", "x")], 403],
      [[file("new.txt", "x"), file("..", "x")], 403],
      [[file("new.txt", "x"), file("../../new.txt/", "x")], 400],
      [[file("new.txt", "x"), file("a\x01", "x")], 400],
      [[file("new.txt", "x"), file("\xff", "x")], 400],
      [[file("new.txt", "x"), ["Content-Type: text/plain", "x"]], 400],
    ];
    for (const [parts, status] of refused) {
      const what = JSON.stringify(parts);
      const content = parts.length === 0 ? "--B--\r\n" : form(...parts);
      assertEquals((await send("/up/sub/", content)).status, status, what);
      assertEquals(names(join(up, "sub")), before, what);
    }
    assertEquals(read("sub/two.txt"), "2");
    assertEquals((await send("/conf/", form(file("pollux.yaml", "x")))).status, 403);
  });

  await t.step("a script answers for itself, and none is ever uploaded", async () => {
    const told = async (method: string, path: string) =>
      textOf(await ask(server, request(method, path, "", FORM)));
    assertEquals(await told("POST", "/app/"), "POST");
    assertEquals(await told("PUT", "/app/index.sh/x%2Fy"), "PUT/x%2Fy");
    assertEquals(await told("DELETE", "/app/index.sh"), "DELETE");
    for (const name of ["new.sh", "new.SH"]) {
      assertEquals((await put(`/app/${name}`, "#!/bin/sh")).status, 403);
    }
    await Deno.mkdir(join(server.dir, "app/sub"));
    assertEquals((await send("/app/sub/", form(file("new.sh", "#!/bin/sh")))).status, 403);
    assertEquals((await put("/app/plain.txt", "changed")).status, 204);
    assertEquals(names(join(server.dir, "app")), ["index.sh", "plain.txt", "sub"]);
  });

  await t.step("curl uploads as people do", async () => {
    const content = join(server.dir, "content.bin");
    await Deno.writeFile(content, crypto.getRandomValues(new Uint8Array(60_000)));
    const curl = (...args: string[]) =>
      outputOf("curl", ["-sS", "-o", "/dev/null", "-w", "%{http_code} ", "--max-time", "60", ...args]);
    assertEquals(await curl("-T", content, `${server.url}/up/curl.bin`), "201 ");
    assertEquals(Deno.readFileSync(join(up, "curl.bin")), Deno.readFileSync(content));
    assertEquals(
      await curl("-F", `f=@${content};filename=form.bin`, "-F", "x=y", `${server.url}/up/`),
      "201 ",
    );
    assertEquals(Deno.readFileSync(join(up, "form.bin")), Deno.readFileSync(content));
    assertEquals(await curl("-X", "DELETE", `${server.url}/up/form.bin`), "204 ");
  });

  await t.step("OPTIONS and 405 name the methods", async () => {
    const allow = (response: Response) => field(response, "allow");
    const options = await ask(server, get("/up/x").replace("GET", "OPTIONS"));
    assertEquals([options.status, allow(options)], [204, "GET, HEAD, PUT, POST, DELETE, OPTIONS"]);
    assertEquals(allow(await remove("/put/x")), "GET, PUT, OPTIONS");
  });

  await nothingLeft();
});

Deno.test("an upload that stops is given up and leaves nothing", async () => {
  await using server = await TestServer.start({
    yaml:
      "listen: 127.0.0.1:0\ntimeouts: { body: 100ms }\nroutes:\n  - path: /\n    files: ./up\n    methods: [PUT]\n",
    files: { "up/.keep": "" },
  });
  const response = await ask(server, request("PUT", "/a", "0123456789").slice(0, -5));
  assertEquals(response.status, 408);
  await eventually("an empty folder", () => {
    const names = [...Deno.readDirSync(join(server.dir, "up"))].map(({ name }) => name);
    return Promise.resolve(names.join() === ".keep");
  });
});

Deno.test("a server that is killed amid an upload leaves the old file as it was", async () => {
  await using server = await TestServer.start({
    yaml: "listen: 127.0.0.1:0\ntemp: ./temp\nroutes:\n  - path: /\n    files: ./up\n    methods: [PUT]\n",
    files: { "up/a": "old", "temp/.keep": "" },
  });
  const up = join(server.dir, "up");
  using client = await server.connect();
  await client.send(request("PUT", "/a", "0123456789").slice(0, -5));
  await eventually(
    "the upload's beginning",
    () => Promise.resolve([...Deno.readDirSync(up)].some(({ name }) => name !== "a")),
  );
  server.kill("SIGKILL");
  await server.ended();
  assertEquals(await Deno.readTextFile(join(up, "a")), "old");
});

Deno.test("a password file that is not there yet cannot be uploaded", async () => {
  await using server = await TestServer.start({
    yaml: `listen: 127.0.0.1:0
routes:
  - path: /
    files: ./up
    methods: [GET, PUT, POST]
  - path: /private/
    files: ./static
    auth: { basic: ./up/users }
`,
    files: { "up/users": "somebody:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=\n" },
  });
  assertEquals((await ask(server, request("PUT", "/users", "x"))).status, 403);
  await Deno.remove(join(server.dir, "up/users"));
  assertEquals((await ask(server, request("PUT", "/users", "x"))).status, 403);
  assertEquals((await ask(server, request("POST", "/", form(file("users", "x")), FORM))).status, 403);
  assertEquals((await ask(server, request("PUT", "/others", "x"))).status, 201);
});
