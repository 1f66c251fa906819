import { assert, assertEquals, assertMatch, assertNotMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { eventually } from "../support/deadline.ts";
import { outputOf } from "../support/processes.ts";
import { ask, field, get, textOf } from "../support/raw.ts";
import { TestServer } from "../support/server.ts";

const YAML = `listen: 127.0.0.1:0
routes:
  - path: /
    files: ./static
  - path: /here/
    files: .
`;

Deno.test("static files", async (t) => {
  await using server = await TestServer.start({
    yaml: YAML,
    files: {
      "static/index.html": "<h1>index</h1>",
      "static/a.txt": "0123456789",
      "static/sub/index.html": "sub",
      "static/sub/b.css": "b{}",
      "static/none/.keep": "",
      "static/.hidden": "hidden",
      "static/.well-known/x": "known",
      "static/two words.txt": "two",
      "static/é.txt": "accent",
      "static/empty.txt": "",
      "secret.txt": "secret",
    },
  });
  const static_ = join(server.dir, "static");
  await Deno.symlink(join(server.dir, "secret.txt"), join(static_, "out.txt"));
  await Deno.symlink(server.dir, join(static_, "outside"));
  await Deno.symlink("a.txt", join(static_, "in.txt"));
  await outputOf("mkfifo", [join(static_, "pipe")]);

  const answer = (path: string, ...lines: string[]) => ask(server, get(path, ...lines));

  await t.step("a file has its type, length, validators and date", async () => {
    const response = await answer("/a.txt");
    assertEquals([response.status, textOf(response), response.framing], [200, "0123456789", "length"]);
    assertMatch(field(response, "content-type") ?? "", /^text\/plain; ?charset=utf-8$/i);
    assertMatch(field(response, "etag") ?? "", /^(W\/)?"[\x21\x23-\x7e]+"$/);
    assertMatch(field(response, "last-modified") ?? "", /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
    assertMatch(field(response, "date") ?? "", /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
    assertEquals(field(response, "accept-ranges"), "bytes");
  });

  await t.step(
    "a folder answers with its index, and without its slash by a redirect that keeps the query",
    async () => {
      assertEquals(textOf(await answer("/")), "<h1>index</h1>");
      assertEquals(textOf(await answer("/sub/")), "sub");
      const response = await answer("/sub?x=%20y");
      assertEquals([response.status, field(response, "location")], [308, "/sub/?x=%20y"]);
    },
  );

  await t.step("a redirect never leads to another host", async () => {
    const response = await answer("//sub?x");
    assertEquals([response.status, field(response, "location")], [308, "/sub/?x"]);
  });

  await t.step("runs of slashes are one", async () => {
    assertEquals(textOf(await answer("//sub//")), "sub");
  });

  await t.step("a folder without index is not listed", async () => {
    assert([403, 404].includes((await answer("/none/")).status));
  });

  await t.step("HEAD is GET without content", async () => {
    const byGet = await answer("/a.txt");
    const byHead = await ask(server, get("/a.txt").replace("GET", "HEAD"), { method: "HEAD" });
    const withoutDate = (fields: typeof byGet.fields) => fields.filter(([name]) => name !== "date");
    assertEquals([byHead.status, withoutDate(byHead.fields)], [200, withoutDate(byGet.fields)]);
  });

  await t.step("an empty file and names with blanks and accents are served", async () => {
    assertEquals(textOf(await answer("/empty.txt")), "");
    assertEquals(textOf(await answer("/two%20words.txt")), "two");
    assertEquals(textOf(await answer("/%C3%A9.txt")), "accent");
    assertEquals(textOf(await answer("/sub/../a.txt")), "0123456789");
    assertEquals(textOf(await answer("/sub/%2e%2e/a.txt")), "0123456789");
    assertEquals(textOf(await answer("http://localhost/a.txt")), "0123456789");
  });

  await t.step("conditions are answered in the order of RFC 9110", async () => {
    const { fields } = await answer("/a.txt");
    const { etag, "last-modified": modified } = Object.fromEntries(fields);
    const old = "Sun, 06 Nov 1994 08:49:37 GMT";
    const cases: [lines: string[], status: number][] = [
      [[`If-None-Match: ${etag}`], 304],
      [[`If-None-Match: "x", ${etag}`], 304],
      [["If-None-Match: *"], 304],
      [['If-None-Match: "x"'], 200],
      [[`If-Modified-Since: ${modified}`], 304],
      [[`If-Modified-Since: ${old}`], 200],
      [['If-None-Match: "x"', `If-Modified-Since: ${modified}`], 200],
      [["If-Modified-Since: yesterday"], 200],
      [['If-Match: "x"'], 412],
      [["If-Match: *"], 200],
      [[`If-Unmodified-Since: ${old}`], 412],
      [[`If-Unmodified-Since: ${modified}`], 200],
      [["Range: bytes=0-1", 'If-Range: "x"'], 200],
      [["Range: bytes=0-1", `If-Range: ${old}`], 200],
    ];
    for (const [lines, status] of cases) {
      assertEquals((await answer("/a.txt", ...lines)).status, status, lines.join());
    }
    const unmodified = await answer("/a.txt", `If-None-Match: ${etag}`);
    assertEquals([field(unmodified, "etag"), unmodified.content.length], [etag, 0]);
  });

  await t.step("single ranges", async () => {
    const cases: [range: string, content: string, told: string][] = [
      ["bytes=0-0", "0", "bytes 0-0/10"],
      ["bytes=2-4", "234", "bytes 2-4/10"],
      ["bytes=7-", "789", "bytes 7-9/10"],
      ["bytes=-3", "789", "bytes 7-9/10"],
      ["bytes=-100", "0123456789", "bytes 0-9/10"],
      ["bytes=5-100", "56789", "bytes 5-9/10"],
    ];
    for (const [range, content, told] of cases) {
      const response = await answer("/a.txt", `Range: ${range}`);
      assertEquals([response.status, textOf(response), field(response, "content-range")], [
        206,
        content,
        told,
      ], range);
    }
    for (const range of ["bytes=10-", "bytes=100-200", "bytes=-0"]) {
      const response = await answer("/a.txt", `Range: ${range}`);
      assertEquals([response.status, field(response, "content-range")], [416, "bytes */10"], range);
    }
    for (const range of ["bytes=", "bytes=4-2", "bytes=a-b", "lines=0-1", "bytes 0-1"]) {
      assertEquals((await answer("/a.txt", `Range: ${range}`)).status, 200, range);
    }
  });

  await t.step("many or overlapping ranges get the whole file", async () => {
    const many = Array.from({ length: 101 }, () => "0-0").join(",");
    assertEquals((await answer("/a.txt", `Range: bytes=${many}`)).status, 200);
    assertEquals((await answer("/a.txt", "Range: bytes=0-,0-,0-")).status, 200);
  });

  await t.step("methods", async () => {
    for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
      const response = await ask(server, get("/a.txt", "Content-Length: 0").replace("GET", method));
      assertEquals(response.status, 405, method);
      const allow = (field(response, "allow") ?? "").split(/, */);
      assert(allow.includes("GET") && allow.includes("HEAD") && !allow.includes(method), allow.join());
    }
    const options = await ask(server, get("/a.txt").replace("GET", "OPTIONS"));
    assertEquals(options.status, 204);
    assertMatch(field(options, "allow") ?? "", /\bGET\b.*\bHEAD\b/);
    assertEquals((await ask(server, get("*").replace("GET", "OPTIONS"))).status, 204);
  });

  await t.step("nothing hidden or outside is reachable", async () => {
    const paths = [
      "/.hidden",
      "/.keep",
      "/out.txt",
      "/outside/secret.txt",
      "/outside/",
      "/pipe",
      "/..%2fsecret.txt",
      "/sub/..%2f..%2fsecret.txt",
      "/%2e%2e%2fsecret.txt",
      "/a.txt/",
      "/a.txt/x",
      "/sub%2findex.html",
      "/A.TXT",
      "/nothing",
      "/here/pollux.yaml",
      "/here/./pollux.yaml",
      "/here//pollux.yaml",
      "/%252e%252e/secret.txt",
    ];
    for (const path of paths) {
      const response = await answer(path);
      assert([400, 403, 404].includes(response.status), `${path}: ${response.status}`);
      assertNotMatch(textOf(response), /secret\.txt|listen:/, path);
    }
    for (
      const path of ["/../secret.txt", "/%2e%2e/secret.txt", "/sub/../../secret.txt", "/.%2e/secret.txt"]
    ) {
      assertEquals((await answer(path)).status, 400, path);
    }
    assertEquals(textOf(await answer("/.well-known/x")), "known");
    assertEquals(textOf(await answer("/in.txt")), "0123456789");
    assertEquals(textOf(await answer("/here/secret.txt")), "secret");
  });

  await t.step("error pages follow Accept and name no file of the disk", async () => {
    const kinds: [accept: string, type: RegExp][] = [
      ["text/html", /^text\/html\b/],
      ["application/json", /^application\/(problem\+)?json\b/],
      ["text/plain", /^text\/plain\b/],
      ["text/html;q=0.1, application/json", /^application\/(problem\+)?json\b/],
    ];
    for (const [accept, type] of kinds) {
      const response = await answer("/nothing<x>", `Accept: ${accept}`);
      // `<` may not stand in a target; what matters here is the page.
      assert([400, 404].includes(response.status));
      const found = await answer("/nothing", `Accept: ${accept}`);
      assertEquals(found.status, 404);
      assertMatch(field(found, "content-type") ?? "", type);
      assertStringIncludes((field(found, "vary") ?? "").toLowerCase(), "accept");
      assertNotMatch(textOf(found), new RegExp(server.dir));
      if (type.source.includes("json")) JSON.parse(textOf(found));
    }
  });

  await t.step("a file that changes is answered anew", async () => {
    const path = join(static_, "changing.txt");
    await Deno.writeTextFile(path, "one");
    // What a loop remembers of a file it may believe for some milliseconds.
    const becomes = (status: number, content: string) =>
      eventually(`${status} ${content}`, async () => {
        const response = await answer("/changing.txt");
        return response.status === status && (status !== 200 || textOf(response) === content);
      });
    await becomes(200, "one");
    const before = await answer("/changing.txt");
    await Deno.writeTextFile(path, "three");
    await becomes(200, "three");
    const after = await answer("/changing.txt", `If-None-Match: ${field(before, "etag")}`);
    assertEquals([after.status, textOf(after)], [200, "three"]);
    await Deno.remove(path);
    await becomes(404, "");
    await Deno.writeTextFile(path, "again");
    await becomes(200, "again");
  });
});

Deno.test("a folder is listed where the route says so, with names escaped", async () => {
  await using server = await TestServer.start({
    yaml: "listen: 127.0.0.1:0\nroutes:\n  - path: /\n    files: ./static\n    list: true\n",
    files: { "static/<b>&.txt": "x", "static/.hidden": "x", "static/sub/x": "x" },
  });
  const response = await ask(server, get("/", "Accept: text/html"));
  assertEquals(response.status, 200);
  const page = textOf(response);
  assertStringIncludes(page, "&lt;b&gt;&amp;.txt");
  assertNotMatch(page, /<b>&|\.hidden/);
  assertMatch(page, /sub\//);
});
