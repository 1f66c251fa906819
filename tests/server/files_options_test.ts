import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { ask, field, get, octets, post, textOf } from "../support/raw.ts";
import { TestServer } from "../support/server.ts";

Deno.test("files: the options of a route", async (t) => {
  await using server = await TestServer.start({
    yaml: `listen: 127.0.0.1:0
routes:
  - path: /list/
    files: ./list
    list: true
  - path: /all/
    files: ./list
    list: true
    hidden: true
    follow_symlinks: always
  - path: /none/
    files: ./list
    follow_symlinks: never
  - path: /app/
    files: ./app
    fallback: /app/index.html
    cache_control: public, max-age=60
    index: [index.html, index.htm]
  - path: /page/
    files: ./app
    fallback: /page/front.sh
    scripts: [.sh]
  - path: /as-they-are/
    files: ./app
    precompressed: false
    compress: false
`,
    files: {
      "list/b.txt": "four",
      "list/a b&c.txt": "x",
      "list/sub/c.txt": "x",
      "list/.dot": "hidden",
      "list/.well-known/x": "known",
      "outside/o.txt": "outside",
      "app/index.html": "<h1>app</h1>",
      "app/old/index.htm": "old",
      "app/style.css": "plain",
      "app/style.css.gz": octets("gzip"),
      "app/style.css.br": octets("br"),
      "app/front.sh":
        "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s' \"$REQUEST_METHOD $REQUEST_URI $(cat)\"\n",
    },
  });
  const list = join(server.dir, "list");
  await Deno.symlink("b.txt", join(list, "in.txt"));
  await Deno.symlink(join(server.dir, "outside"), join(list, "out"));
  await Deno.symlink("gone", join(list, "dangling"));
  await Deno.utime(join(list, "b.txt"), 1_000_000_000, 1_000_000_000);
  const answer = (path: string, ...lines: string[]) => ask(server, get(path, ...lines));
  const listed = async (path: string) => {
    const response = await answer(path, "Accept: application/json");
    assertMatch(field(response, "content-type") ?? "", /^application\/json/);
    return (JSON.parse(textOf(response)) as { name: string }[]).map(({ name }) => name);
  };

  await t.step("a listing as JSON names what is served, sorted as asked", async () => {
    assertEquals(await listed("/list/"), ["sub", "a b&c.txt", "b.txt", "in.txt"]);
    assertEquals(await listed("/list/?sort=size&order=desc"), ["sub", "b.txt", "in.txt", "a b&c.txt"]);
    assertEquals((await listed("/all/")).filter((name) => name.startsWith(".")), [".well-known", ".dot"]);
    assert((await listed("/all/")).includes("out"));
    const html = await answer("/list/");
    assertMatch(field(html, "vary") ?? "", /accept/i);
    assertMatch(textOf(html), /href="(?:\.\/)?a%20b(?:&amp;|%26)c\.txt"/);
    assertEquals((await answer("/list")).status, 308);
    assertEquals((await ask(server, post("/list/", "x"))).status, 405);
  });

  await t.step("symbolic links are followed as the route says", async () => {
    const rows: [path: string, status: number][] = [
      ["/list/in.txt", 200],
      ["/list/out/o.txt", 404],
      ["/list/dangling", 404],
      ["/all/in.txt", 200],
      ["/all/out/o.txt", 200],
      ["/all/dangling", 404],
      ["/none/in.txt", 404],
      ["/none/out/o.txt", 404],
      ["/none/b.txt", 200],
    ];
    for (const [path, status] of rows) assertEquals((await answer(path)).status, status, path);
  });

  await t.step("hidden files are served where the route says so", async () => {
    assertEquals((await answer("/all/.dot")).status, 200);
    assertEquals((await answer("/list/.dot")).status, 404);
    assertEquals((await answer("/list/.well-known/x")).status, 404, "it is known at the root alone");
  });

  await t.step("the fallback answers for what is not there, with 200", async () => {
    for (const path of ["/app/route/in/app", "/app/none.js?x", "/app/.dot", "/app/style.css/"]) {
      const response = await answer(path);
      assertEquals([response.status, textOf(response)], [200, "<h1>app</h1>"], path);
      assertEquals(field(response, "cache-control"), "public, max-age=60");
    }
    assertEquals(textOf(await answer("/app/old/")), "old");
    assertEquals((await answer("/app/old")).status, 308);
    assertEquals((await ask(server, post("/app/none", "x"))).status, 405);
  });

  await t.step("the fallback may be a script, which gets the request as it is", async () => {
    assertEquals(textOf(await answer("/page/some/where?x=1")), "GET /page/some/where?x=1 ");
    assertEquals(textOf(await ask(server, post("/page/some/where", "body"))), "POST /page/some/where body");
    assertEquals(textOf(await answer("/page/style.css")), "plain");
  });

  await t.step("precompressed copies go to those who take them", async () => {
    const rows: [path: string, accept: string, content: string, coding: string | null][] = [
      ["/app/style.css", "gzip, br", "br", "br"],
      ["/app/style.css", "gzip", "gzip", "gzip"],
      ["/app/style.css", "br;q=0", "plain", null],
      ["/as-they-are/style.css", "gzip, br", "plain", null],
    ];
    const tags = new Set<string | null>();
    for (const [path, accept, content, coding] of rows) {
      const response = await answer(path, `Accept-Encoding: ${accept}`);
      assertEquals(
        [textOf(response), field(response, "content-encoding")],
        [content, coding],
        `${path} ${accept}`,
      );
      assertMatch(field(response, "content-type") ?? "", /^text\/css/);
      assertEquals(field(response, "vary"), path.startsWith("/app/") ? "Accept-Encoding" : null);
      tags.add(field(response, "etag"));
    }
    assertEquals(tags.size, 3);
    assertEquals(textOf(await answer("/app/style.css", "Accept-Encoding: br", "Range: bytes=0-1")), "pl");
  });

  await server.childless();
});
