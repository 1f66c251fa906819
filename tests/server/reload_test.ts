import { assert, assertEquals, assertFalse, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { within } from "../support/deadline.ts";
import { ask, field, get, type RawClient, textOf } from "../support/raw.ts";
import { TestServer } from "../support/server.ts";

const YAML = `listen: 127.0.0.1:0
routes:
  - { path: /, files: ./static, scripts: [.py], headers: { X-Site: own } }
  - { path: /zip/, files: ./static }
  - { path: /cgi-bin/, cgi: ./cgi-bin }
  - { path: /packed/, cgi: ./cgi-bin, compress: true }
`;

const PAGE = `<!doctype html>\n<title>x</title>\n${"<p>Line</p>\n".repeat(300)}`;

const FILES = {
  "static/page.html": PAGE,
  "static/page.html.gz": "not even gzip",
  "static/text.txt": PAGE,
  "static/among.py": `print("Content-Type: text/html; charset=utf-8\\nETag: x\\n\\n<p>among</p>", end="")\n`,
  "cgi-bin/short.sh": "#!/bin/sh\nprintf 'Content-Type: text/html\\n\\n<p>short</p>'\n",
  "cgi-bin/long.sh":
    "#!/bin/sh\nprintf 'Content-Type: text/html\\n\\n'; i=0; while [ $i -lt 3000 ]; do echo '<p>a line that is written</p>'; i=$((i+1)); done; sleep 0.1; echo end\n",
  "cgi-bin/length.sh": "#!/bin/sh\nprintf 'Content-Type: text/html\\nContent-Length: 4\\n\\n<hr>'\n",
  "cgi-bin/cut.sh": "#!/bin/sh\nprintf 'Content-Type: text/html\\nContent-Length: 9\\n\\n<hr>'; sleep 0.1\n",
  "cgi-bin/vary.sh": "#!/bin/sh\nprintf 'Content-Type: text/html\\n\\n%s' \"$HTTP_ACCEPT_ENCODING\"\n",
  "cgi-bin/broken.sh": "#!/bin/sh\necho broken\n",
};

const SEALED: readonly [name: string, header: string][] = [
  ["coded", "Content-Encoding: x-own"],
  ["attached", "Content-Disposition: attachment"],
  ["digest", "Content-Digest: sha-256=:AA==:"],
  ["kept", "Cache-Control: no-transform"],
  ["wide", "Content-Type: text/html; charset=utf-16"],
  ["other", "Content-Type: application/xhtml+xml"],
  ["missing", "Status: 404"],
];

const SEALED_FILES = Object.fromEntries(SEALED.map(([name, header]) => {
  const type = header.startsWith("Content-Type") ? "" : "Content-Type: text/html\\n";
  return [`cgi-bin/${name}.sh`, `#!/bin/sh\nprintf '${type}${header}\\n\\n<p>x</p>'\n`];
}));

const BROWSER = "Sec-Fetch-Dest: document";
const TAG = /\n<script src="\/\.pollux\/reload\.js\?v=0"><\/script>\n$/;

async function gunzip(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const stream = new Response(bytes).body?.pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).text();
}

/** Follows the stream of changes: each further version. */
async function follow(
  server: TestServer,
): Promise<{ client: RawClient; next(version: string): Promise<void> }> {
  const client = await server.connect();
  await client.send(get("/.pollux/changes"));
  return {
    client,
    next: async (version) =>
      void await within(`version ${version}`, client.readUntil(`data: ${version}\n\n`)),
  };
}

/** Puts a file where there may be one, as one change: a write may be seen before it is whole. */
async function replace(server: TestServer, path: string, text: string): Promise<void> {
  const made = join(server.dir, "made");
  await Deno.writeTextFile(made, text);
  await Deno.rename(made, join(server.dir, path));
}

Deno.test("--dev: what a browser opens as a page loads itself again, and nothing else is touched", async (t) => {
  await using server = await TestServer.start({
    yaml: YAML,
    files: { ...FILES, ...SEALED_FILES },
    flags: ["--dev"],
  });
  const page = (path: string, ...fields: string[]) => ask(server, get(path, BROWSER, ...fields));

  await t.step("a file, whole and not stored, whatever is stored of it", async () => {
    const response = await page("/page.html");
    assertEquals([response.status, textOf(response).replace(TAG, "")], [200, PAGE]);
    assertMatch(textOf(response), TAG);
    assertEquals([field(response, "cache-control"), field(response, "etag")], ["no-store", null]);
    assertEquals(field(response, "x-site"), "own");
    const etag = field(await ask(server, get("/page.html")), "etag");
    const again = await page("/page.html", `If-None-Match: ${etag}`);
    assertEquals(again.status, 200);
    assertMatch(textOf(again), TAG);
  });

  await t.step("compressed", async () => {
    for (const path of ["/page.html", "/packed/long.sh"]) {
      const response = await page(path, "Accept-Encoding: gzip");
      assertEquals(field(response, "content-encoding"), "gzip", path);
      assertMatch(await gunzip(response.content), TAG);
    }
  });

  await t.step("what scripts write: short, chunked, with a length, and among files", async () => {
    for (const path of ["/cgi-bin/short.sh", "/cgi-bin/long.sh", "/cgi-bin/length.sh", "/among.py"]) {
      const plain = textOf(await ask(server, get(path)));
      const text = textOf(await page(path));
      assertMatch(text, TAG);
      assertEquals(text.replace(TAG, ""), plain, path);
    }
  });

  await t.step("scripts see the request as it came", async () => {
    const response = await page("/cgi-bin/vary.sh", "Accept-Encoding: gzip, br");
    assertEquals(textOf(response).replace(TAG, ""), "gzip, br");
  });

  await t.step("what breaks off looks no more whole than before", async () => {
    using client = await server.connect();
    await client.send(get("/cgi-bin/cut.sh", BROWSER));
    const { bytes } = await client.readToEnd();
    const answer = new TextDecoder().decode(bytes);
    assertMatch(answer, /\r\n\r\n<hr>$/);
    assertFalse(answer.includes("script"));
  });

  await t.step("the page of a failure", async () => {
    const response = await page("/cgi-bin/broken.sh", "Accept: text/html");
    assertEquals(response.status, 502);
    assertStringIncludes(textOf(response), '<script src="/.pollux/reload.js"></script>');
    assertMatch(field(response, "content-security-policy") ?? "", /script-src 'self'; connect-src 'self'/);
  });

  await t.step("nothing of other types, parts, methods and clients", async () => {
    const same = async (path: string, ...fields: string[]) => {
      const response = await ask(server, get(path, ...fields));
      assertFalse(textOf(response).includes(".pollux"), `${path} ${fields}`);
      return response;
    };
    await same("/page.html");
    await same("/page.html", "Sec-Fetch-Dest: empty");
    await same("/text.txt", BROWSER);
    assertEquals((await same("/page.html", BROWSER, "Range: bytes=0-99")).status, 206);
    for (const [name] of SEALED) await same(`/cgi-bin/${name}.sh`, BROWSER);
    const head = await ask(server, get("/page.html", BROWSER).replace("GET", "HEAD"), { method: "HEAD" });
    assertEquals(field(head, "content-length"), String(PAGE.length));
    const post = "POST /cgi-bin/short.sh HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n" + BROWSER + "\r\n\r\n";
    assertEquals(textOf(await ask(server, post)), "<p>short</p>");
  });
});

Deno.test("--dev: pages are told of changes of files and scripts, also those who come late", async () => {
  const server = await TestServer.start({ yaml: YAML, files: FILES, flags: ["--dev"] });
  await using _ = server;
  const script = await ask(server, get("/.pollux/reload.js?v=0"));
  assertEquals([script.status, field(script, "content-type")], [200, "text/javascript; charset=utf-8"]);
  assertStringIncludes(textOf(script), 'new EventSource("/.pollux/changes")');
  const { client, next } = await follow(server);
  using _client = client;
  await next("0");
  await replace(server, "static/page.html", "<p>changed");
  await next("1");
  await ask(server, get("/page.html"));
  await replace(server, "cgi-bin/new.sh", "echo\n");
  await next("2");
  const page = textOf(await ask(server, get("/page.html", BROWSER)));
  const version = /^<p>changed\n<script src="[^"]*\?v=(\d+)"/.exec(page)?.[1] ?? "";
  assertEquals(version, "2");
  // One who comes late is told at once.
  const late = await follow(server);
  using _late = late.client;
  await late.next(version);
  // Nobody who looks on keeps the server from stopping.
  const { stdout } = await within("the end", server.stop());
  assertFalse(stdout.includes(".pollux"), "the access log tells of the server's own requests");
});

Deno.test("without --dev there is no such script, path or watcher", async () => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  assertEquals(textOf(await ask(server, get("/page.html", BROWSER))), PAGE);
  for (const path of ["/.pollux/reload.js", "/.pollux/changes"]) {
    assertEquals((await ask(server, get(path, BROWSER))).status, 404);
  }
  assert(field(await ask(server, get("/page.html", BROWSER)), "etag") !== null);
});
