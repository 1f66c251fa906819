/**
 * The known classes of faults of HTTP and CGI servers that no other test meets; `SECURITY.md` has them all.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { ask, field, get, isReset, post, RawClient, textOf } from "../support/raw.ts";
import { TestServer } from "../support/server.ts";

const YAML = `listen: 127.0.0.1:0
log: { access: access.log, level: info }
routes:
  - { path: /, files: ./static, scripts: [.php, .sh] }
  - { path: /cgi-bin/, cgi: ./cgi-bin }
  - { path: /to/, redirect: "https://example.org{path}?{query}" }
  - { path: /kept/, cgi: ./cgi-bin, cache: { max_age: 60s } }
  - { path: /closed/, files: ./static, auth: { basic: ./htpasswd } }
`;

const FILES = {
  "static/a.txt": "0123456789",
  "static/page.php": "<?php secret source ?>",
  "static/script.sh": "#!/bin/sh\n# secret source\nprintf 'Content-Type: text/plain\\n\\nran'\n",
  "static/.htaccess": "secret",
  "outside.txt": "secret of the outside",
  htpasswd: "user:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n",
  "cgi-bin/env.sh": "#!/bin/bash\nprintf 'Content-Type: text/plain\\n\\n'\nenv\n",
  "cgi-bin/body.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec wc -c\n",
  "cgi-bin/host.sh":
    "#!/bin/sh\nprintf 'Content-Type: text/plain\\nCache-Control: max-age=60\\n\\n%s' \"$HTTP_HOST\"\n",
};

function start(): Promise<TestServer> {
  return TestServer.start({ yaml: YAML, files: FILES });
}

/** Ways out of a folder that have worked somewhere. */
const WAYS_OUT = [
  "/../outside.txt",
  "/..//outside.txt",
  "/./../outside.txt",
  "/%2e%2e/outside.txt",
  "/.%2e/outside.txt", // CVE-2021-41773
  "/.%%32%65/outside.txt", // CVE-2021-42013
  "/%252e%252e/outside.txt",
  "/..%2foutside.txt",
  "/..%252foutside.txt",
  "/..%5coutside.txt",
  "/..\\outside.txt",
  "/%c0%ae%c0%ae/outside.txt",
  "/%c0%ae%c0%ae%c0%afoutside.txt",
  "/..;/outside.txt",
  "/..%00/outside.txt",
  "/a.txt/../../outside.txt",
  "/cgi-bin/../../outside.txt",
  "/cgi-bin/.%2e/.%2e/bin/sh",
  "/cgi-bin/..%2f..%2f..%2f..%2fbin/sh",
  "/cgi-bin//../..//../bin/sh",
  "/cgi-bin/%2e%2e%2f%2e%2e%2foutside.txt",
  "/cgi-bin/env.sh/../../../outside.txt",
  "file:///etc/passwd",
  "http://localhost/../outside.txt",
];

/** Names that have made a server send a script's text, or a file that is hidden. */
const SOURCES = [
  "/page.php%20",
  "/page.php.",
  "/page.php%2e",
  "/page.php::$DATA",
  "/page.php%00.txt",
  "/page.php/",
  "/page.php;.txt",
  "/page.php%5c",
  "/page.PHP",
  "/script.sh%20",
  "/script.sh.",
  "/.htaccess",
  "/%2ehtaccess",
  "/.htaccess%20",
  "/HTPASSWD",
  "/../htpasswd",
  "/../pollux.yaml",
];

Deno.test("no known way leads out of a folder", async () => {
  await using server = await start();
  for (const path of WAYS_OUT) {
    const response = await ask(server, get(path));
    assert(response.status >= 400, `${path}: ${response.status}`);
    assert(!textOf(response).includes("secret"), path);
  }
});

Deno.test("no known spelling gives a script's text, or a hidden file", async () => {
  await using server = await start();
  for (const path of SOURCES) {
    const response = await ask(server, get(path));
    assert(!textOf(response).includes("secret"), `${path}: ${response.status}`);
  }
  assertEquals(textOf(await ask(server, get("/script.sh"))), "ran");
});

/** Each hides a second request from one of two readers; that second one would be answered 404. */
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
const post1 = (...lines: string[]) => `POST /a.txt HTTP/1.1\r\nHost: h\r\n${lines.join("\r\n")}\r\n\r\n`;
const SMUGGLERS: Readonly<Record<string, string>> = {
  "CL.TE": post1("Content-Length: 6", "Transfer-Encoding: chunked") + "0\r\n\r\n" + SMUGGLED,
  "TE.CL": post1("Transfer-Encoding: chunked", "Content-Length: 4") + `2a\r\n${SMUGGLED}\r\n0\r\n\r\n`,
  "CL.CL": post1("Content-Length: 0", `Content-Length: ${SMUGGLED.length}`) + SMUGGLED,
  "CL.CL in a list": post1(`Content-Length: 0, ${SMUGGLED.length}`) + SMUGGLED,
  "TE.TE, an unknown coding": post1("Transfer-Encoding: chunked", "Transfer-Encoding: x") + "0\r\n\r\n" +
    SMUGGLED,
  "TE with a vertical tab": post1("Transfer-Encoding: \x0bchunked", "Content-Length: 5") + "0\r\n\r\n" +
    SMUGGLED,
  "TE with a space before its colon": post1("Transfer-Encoding : chunked") + "0\r\n\r\n" + SMUGGLED,
  "TE on a folded line": post1("Transfer-Encoding:\r\n chunked") + "0\r\n\r\n" + SMUGGLED,
  "TE in quotes": post1('Transfer-Encoding: "chunked"') + "0\r\n\r\n" + SMUGGLED,
  "TE of HTTP/1.0": post1("Transfer-Encoding: chunked").replace("1.1", "1.0") + "0\r\n\r\n" + SMUGGLED,
  "a length with a sign": post1("Content-Length: +0") + SMUGGLED,
  "a length in hexadecimal": post1("Content-Length: 0x0") + SMUGGLED,
  "a length with an underscore": post1("Content-Length: 1_0") + "0123456789" + SMUGGLED,
  "a bare LF for a line end": post1("A: b\nTransfer-Encoding: chunked", "Content-Length: 5") + "0\r\n\r\n" +
    SMUGGLED,
  "a bare CR in a value": post1("A: b\rTransfer-Encoding: chunked", "Content-Length: 5") + "0\r\n\r\n" +
    SMUGGLED,
  "a NUL in a value": post1("A: \0", "Content-Length: 0") + SMUGGLED,
  "a bare LF behind a chunk's size": post1("Transfer-Encoding: chunked") + "0\n\r\n" + SMUGGLED,
  // TERM.EXT, 2025: one reader ends the extension at the LF, another at CRLF.
  "a bare LF in a chunk extension": post1("Transfer-Encoding: chunked") +
    `2;\nxx\r\n2a\r\n0\r\n\r\n${SMUGGLED}`,
  "a bare CR in a chunk extension": post1("Transfer-Encoding: chunked") +
    `2;\rxx\r\n2a\r\n0\r\n\r\n${SMUGGLED}`,
  // EXT.TERM: what stands where the data's CRLF should.
  "two other bytes behind chunk data": post1("Transfer-Encoding: chunked") + `2\r\nabXX0\r\n\r\n${SMUGGLED}`,
  "a bare LF behind chunk data": post1("Transfer-Encoding: chunked") + `2\r\nab\n0\r\n\r\n${SMUGGLED}`,
  "a chunk size beyond 2^64": post1("Transfer-Encoding: chunked") + `10000000000000000\r\n\r\n${SMUGGLED}`,
  "a chunk size with 0x": post1("Transfer-Encoding: chunked") + `0x0\r\n\r\n${SMUGGLED}`,
  "a chunk size with a sign": post1("Transfer-Encoding: chunked") + `-0\r\n\r\n${SMUGGLED}`,
  "no size": post1("Transfer-Encoding: chunked") + `\r\n\r\n${SMUGGLED}`,
  "a line with a blank in front behind the request line":
    "GET /a.txt HTTP/1.1\r\n Host: h\r\nHost: h\r\n\r\n" + SMUGGLED,
  "a request line with two targets": "GET /a.txt /b HTTP/1.1\r\nHost: h\r\n\r\n" + SMUGGLED,
};

Deno.test("no known way smuggles a second request: each is one 400, and the connection ends", async () => {
  await using server = await start();
  for (const [how, bytes] of Object.entries(SMUGGLERS)) {
    using client = await RawClient.connect(server);
    await client.send(bytes);
    const response = await client.readResponse();
    assertEquals([response.status, field(response, "connection")], [400, "close"], how);
    await client.endSending();
    assertEquals((await client.readToEnd()).bytes.length, 0, how);
  }
});

Deno.test("a body that nobody wants is no request either (CL.0, TE.0, 0.CL)", async () => {
  await using server = await start();
  const length = `Content-Length: ${SMUGGLED.length}`;
  const chunked = `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`;
  for (
    const request of [
      get("/a.txt", length) + SMUGGLED,
      get("/none", length) + SMUGGLED,
      get("/a.txt", "Transfer-Encoding: chunked") + chunked,
      get("*", length).replace("GET", "OPTIONS") + SMUGGLED,
      get("/to/x", length) + SMUGGLED,
      get("/a.txt", length, "Expect: 100-continue") + SMUGGLED,
    ]
  ) {
    using client = await RawClient.connect(server);
    await client.send(request);
    await client.readResponse();
    try {
      await client.send(get("/a.txt"));
      await client.endSending();
    } catch (error) {
      if (!isReset(error)) throw error;
    }
    const rest = new TextDecoder().decode((await client.readToEnd()).bytes);
    assert(!rest.includes(" 404 "), `it was answered: ${request}`);
  }
});

Deno.test("a function in a variable is a text, and nothing runs it (Shellshock)", async () => {
  await using server = await start();
  const attack = "() { :; }; echo SHOCKED > shocked";
  const response = await ask(
    server,
    get(`/cgi-bin/env.sh?${encodeURIComponent("() { :;};")}=`, `User-Agent: ${attack}`),
  );
  assert(textOf(response).includes(`HTTP_USER_AGENT=${attack}\n`));
  await assertMissing(`${server.dir}/cgi-bin/shocked`);
});

async function assertMissing(path: string): Promise<void> {
  try {
    await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  throw new Error(`${path} is there`);
}

Deno.test("nothing of a request splits an answer", async () => {
  await using server = await start();
  for (
    const evil of ["%0d%0aX-Evil:%201", "%0aX-Evil:%201", "%0d%0a%0d%0a<html>", "%E5%98%8A%E5%98%8DX-Evil:1"]
  ) {
    for (const path of [`/to/${evil}`, `/to/x?${evil}`, `/${evil}/`, `/cgi-bin/env.sh/${evil}`]) {
      const response = await ask(server, get(path));
      assertEquals(field(response, "x-evil"), null, path);
    }
  }
});

Deno.test("nothing of a request is markup in an error page", async () => {
  await using server = await start();
  for (const path of ["/<script>", "/%3Cscript%3E", "/none?<script>", "/cgi-bin/%3Cscript%3E"]) {
    const response = await ask(
      server,
      get(path, "Accept: text/html", "Referer: <script>", "User-Agent: <script>"),
    );
    assert(response.status >= 400);
    assert(!textOf(response).includes("<script>"), path);
  }
});

Deno.test("a Host that was made up gets into no redirect, no page, and no other's cache", async () => {
  await using server = await start();
  const evil = (path: string) =>
    `GET ${path} HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n\r\n`;
  for (const path of ["/to/x", "/cgi-bin", "/none"]) {
    const response = await ask(server, evil(path));
    const told = response.fields.map(([, value]) => value).join() + textOf(response);
    assert(!told.includes("evil.example"), path);
  }
  assertEquals(textOf(await ask(server, evil("/kept/host.sh"))), "evil.example");
  assertEquals(textOf(await ask(server, get("/kept/host.sh"))), "localhost");
});

Deno.test("a header of the PROXY protocol is nonsense where it is not asked for", async () => {
  await using server = await start();
  for (
    const header of [
      "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n",
      "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + "\0".repeat(12),
    ]
  ) {
    const response = await ask(server, header + get("/a.txt"));
    assertEquals([response.status, field(response, "connection")], [400, "close"]);
  }
});

Deno.test("a request's content is never unpacked", async () => {
  await using server = await start();
  const zeros = new Blob([new Uint8Array(10_000_000)]).stream().pipeThrough(new CompressionStream("gzip"));
  const bomb = new Uint8Array(await new Response(zeros).arrayBuffer());
  using client = await RawClient.connect(server);
  await client.send(
    post("/cgi-bin/body.sh", "", "Content-Encoding: gzip").replace("Length: 0", `Length: ${bomb.length}`),
  );
  await client.send(bomb);
  assertEquals(textOf(await client.readResponse()).trim(), String(bomb.length));
});

Deno.test("nothing of a request makes a line of a log, or moves a terminal", async () => {
  const access = await (async () => {
    await using server = await start();
    await ask(server, get("/a.txt", 'User-Agent: a" 200 1 "-\x9b31m\xff\\'));
    await ask(server, get('/a.txt?"x"%0a%1b[31m', "Referer: \x80\x85"));
    await ask(
      server,
      get("/closed/a.txt", `Authorization: Basic ${btoa("evil\n1.2.3.4 - admin\x1b[31m:x")}`),
    );
    await server.stop();
    // deno-lint-ignore no-control-regex
    assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(server.stderr), server.stderr);
    return await Deno.readTextFile(`${server.dir}/access.log`);
  })();
  const lines = access.trimEnd().split("\n");
  assertEquals(lines.length, 3, access);
  for (const line of lines) {
    assert(/^127\.0\.0\.1 - [\x20-\x7e]+ \[[^\]]+\] "[^"]*" \d{3} \d+ "[^"]*" "[^"]*"$/.test(line), line);
  }
});
