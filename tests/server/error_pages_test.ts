import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { eventually } from "../support/deadline.ts";
import { ask, field, get, post, RawClient, textOf } from "../support/raw.ts";
import { TestServer } from "../support/server.ts";

const YAML = `listen: 127.0.0.1:0
error_pages:
  404: /errors/404.html
  405: /errors/page.py
  403: /errors/link.html
  413: /errors/413.html
  416: /errors/404.html
  502: /errors/page.py
  504: /errors/moved
  409: /errors/status.py
headers: { X-Site: "1" }
routes:
  - path: /
    files: ./static
    cache_control: max-age=3600
  - path: /up/
    files: ./up
    methods: [GET, PUT]
    body_limit: 4
  - path: /cgi-bin/
    cgi: ./cgi-bin
  - path: /soon/
    cgi: ./cgi-bin
    timeout: 500ms
  - path: /errors/
    files: ./errors
    scripts: [.py]
    index: []
`;

/** A page that tells what it was told. */
const PAGE = `#!/usr/bin/env python3
import os
print("Content-Type: text/plain")
print("Set-Cookie: seen=1")
print("Allow: NOTHING")
print()
names = ["REQUEST_METHOD", "QUERY_STRING", "REDIRECT_STATUS", "CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_RANGE"]
print(*[f"{name}={os.environ.get(name, '-')}" for name in names])
`;

Deno.test("error pages of a site", async (t) => {
  await using server = await TestServer.start({
    yaml: YAML,
    files: {
      "static/a.txt": "0123456789",
      "up/.keep": "",
      "errors/404.html": "<h1>not here</h1>",
      "errors/413.html": "too much",
      "errors/page.py": PAGE,
      "errors/status.py":
        "#!/usr/bin/env python3\nprint('Status: 302\\nLocation: https://example.org/\\n')\n",
      "errors/moved/.keep": "",
      "outside/link.html": "outside",
      "cgi-bin/bad.sh": "#!/bin/sh\necho nonsense\n",
      "cgi-bin/slow.sh": "#!/bin/sh\nexec sleep 60\n",
      "cgi-bin/own.sh": "#!/bin/sh\nprintf 'Status: 404\\nContent-Type: text/plain\\n\\nown page\\n'\n",
      "cgi-bin/data.txt": "neither a script nor a program",
    },
  });
  await Deno.symlink(join(server.dir, "outside/link.html"), join(server.dir, "errors/link.html"));
  const answer = (path: string, ...lines: string[]) => ask(server, get(path, ...lines));

  await t.step("the page has the status of the error, and nothing by which it could be kept", async () => {
    const response = await answer("/missing");
    assertEquals([response.status, response.reason, textOf(response)], [
      404,
      "Not Found",
      "<h1>not here</h1>",
    ]);
    assertEquals(field(response, "content-type"), "text/html; charset=utf-8");
    assertEquals(field(response, "cache-control"), "no-store");
    assertEquals(field(response, "x-site"), "1");
    for (const name of ["etag", "last-modified", "accept-ranges"]) {
      assertEquals(field(response, name), null, name);
    }
    assertMatch(field(response, "x-request-id") ?? "", /^[\w-]+$/);
  });

  await t.step("neither conditions nor ranges are the page's", async () => {
    const { fields } = await answer("/errors/404.html");
    const { etag } = Object.fromEntries(fields);
    for (const line of [`If-None-Match: ${etag}`, "If-None-Match: *", "If-Match: *", "Range: bytes=0-1"]) {
      const response = await answer("/missing", line);
      assertEquals([response.status, textOf(response)], [404, "<h1>not here</h1>"], line);
    }
    const cut = await answer("/a.txt", "Range: bytes=50-");
    assertEquals([cut.status, textOf(cut)], [416, "<h1>not here</h1>"]);
    assertEquals(field(cut, "content-range"), "bytes */10");
  });

  await t.step("HEAD has the page's fields and no content", async () => {
    const response = await ask(server, get("/missing").replace("GET", "HEAD"), { method: "HEAD" });
    assertEquals([response.status, field(response, "content-length")], [404, "17"]);
  });

  await t.step("a script may be the page, and is told of a GET without a body", async () => {
    const response = await ask(server, post("/a.txt", "x=1", "Content-Type: text/plain", "Range: bytes=0-1"));
    assertEquals(response.status, 405);
    assertEquals(
      textOf(response),
      "REQUEST_METHOD=GET QUERY_STRING= REDIRECT_STATUS=200 CONTENT_LENGTH=- CONTENT_TYPE=- HTTP_RANGE=-\n",
    );
    assertEquals(field(response, "allow"), "GET, HEAD, OPTIONS", "the error's, not the page's");
    assertEquals(field(response, "set-cookie"), "seen=1");
  });

  await t.step("a script that fails has a page that a script makes", async () => {
    const response = await answer("/cgi-bin/bad.sh");
    assertEquals(response.status, 502);
    assertStringIncludes(textOf(response), "REQUEST_METHOD=GET");
  });

  await t.step("what goes wrong with a page gives the built-in one", async () => {
    for (
      const [path, status] of [
        ["/cgi-bin/data.txt", 403], // its page is a link that leads outside
        ["/soon/slow.sh", 504], // its page is a folder
      ] as const
    ) {
      const response = await answer(path, "Accept: application/json");
      assertEquals([response.status, JSON.parse(textOf(response)).status], [status, status]);
      assertEquals(field(response, "x-request-id"), JSON.parse(textOf(response)).requestId);
    }
    // Its page is a script that redirects.
    const redirected = await ask(server, get("/up/", "Content-Length: 0").replace("GET", "PUT"));
    assertEquals([redirected.status, field(redirected, "location")], [409, null]);
  });

  await t.step("a page that is not there itself is answered with the page for that", async () => {
    assertEquals(textOf(await answer("/errors/missing")), "<h1>not here</h1>");
    await Deno.rename(join(server.dir, "errors/404.html"), join(server.dir, "errors/gone.html"));
    // What a loop remembers of a file it may believe for some milliseconds.
    await eventually("the built-in page", async () => {
      const response = await answer("/missing", "Accept: text/plain");
      assertEquals(response.status, 404);
      return /^404 Not Found\n.*\nRequest [\w-]+\n$/.test(textOf(response));
    });
  });

  await t.step("a script's own error is its own", async () => {
    const response = await answer("/cgi-bin/own.sh");
    assertEquals([response.status, textOf(response)], [404, "own page\n"]);
  });

  await t.step("a connection that must close closes, and one that need not goes on", async () => {
    using client = await RawClient.connect(server);
    await client.send("PUT /up/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    const response = await client.readResponse();
    assertEquals([response.status, textOf(response)], [413, "too much"]);
    assertEquals(field(response, "connection"), "close");
    using other = await RawClient.connect(server);
    for (let i = 0; i < 3; i++) {
      await other.send(get("/missing") + get("/a.txt"));
      assertEquals((await other.readResponse()).status, 404);
      assertEquals(textOf(await other.readResponse()), "0123456789");
    }
  });

  await server.childless();
});

Deno.test("every error reply carries the id that its page shows", async () => {
  await using server = await TestServer.start();
  const ids = new Set<string>();
  for (const request of [get("/missing"), get("/missing"), get("/%00"), "GET / HTTP/1.1\r\n\r\n"]) {
    const response = await ask(server, request);
    const id = field(response, "x-request-id") ?? "";
    assertStringIncludes(textOf(response), id);
    assertNotEquals(id, "");
    ids.add(id);
  }
  assertEquals(ids.size, 4);
  assertEquals(field(await ask(server, get("/.keep/")), "x-request-id") !== null, true);
});
