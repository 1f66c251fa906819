/**
 * Why a request is refused: with `level: debug` the error log says it, under the number that the error page shows.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { outputOf } from "../support/processes.ts";
import { ask, field, get, isReset, post } from "../support/raw.ts";
import { TestServer } from "../support/server.ts";

const YAML = `listen: 127.0.0.1:0
log: { level: debug }
root: ./static
routes:
  - { path: /up/, files: ./up, methods: [GET, PUT, POST, DELETE], body_limit: 1KiB }
  - { path: /app/, files: ./app, scripts: [.sh], methods: [GET, PUT] }
  - { path: /deny/, files: ./static, deny: [127.0.0.0/8] }
  - { path: /rate/, files: ./static, rate: { requests: 1, per: 1h, burst: 1 } }
  - { path: /conf/, files: . }
  - { path: /loop/, cgi: ./loop }
  - { path: /kept/, cgi: ./loop, cache: { max_age: 5s } }
  - { path: /auth/, files: ./static, auth: { basic: users } }
  - { path: /status, status: true }
  - { path: /fastcgi/, fastcgi: "unix:app.sock" }
`;

const FORM = "Content-Type: multipart/form-data; boundary=B";

function as(method: string, request: string): string {
  return request.replace(/^\w+/, method);
}

/** What is asked, and what is said of it. */
const CASES: readonly (readonly [request: string, said: string])[] = [
  [get("/a.txt", "Expect: x"), "refused with 417: an expectation other than 100-continue"],
  [get("https://a/"), "refused with 421: an https target on a connection that is not secured"],
  ["CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "refused with 405: CONNECT is for proxies"],
  [get("/deny/a.txt"), "refused with 403: 127.0.0.1 may not use this route"],
  [get("/rate/a.txt"), ""],
  [get("/rate/a.txt"), "refused with 429: 127.0.0.1 has asked too often"],
  [get("/none"), "refused with 404: there is no file /"],
  [get("/a%2Fb"), "refused with 404: no file has the name "],
  [get("/.hidden"), "refused with 404: no file is served by the name "],
  [get("/folder/"), "/ has no index"],
  [get("/a.txt", "Accept-Encoding: identity;q=0"), "refused with 406: no form is acceptable by identity;q=0"],
  [get("/out.txt"), ", which follow_symlinks does not allow"],
  [get("/pipe"), "pipe is a special file"],
  [get("/conf/pollux.yaml"), "pollux.yaml is a secret"],
  [get("/a.txt", 'If-Match: "x"'), "refused with 412: a precondition does not hold"],
  [as("DELETE", get("/a.txt")), "refused with 405: the route does not take DELETE"],
  [
    as("PUT", post("/up/b", "b", "Content-Range: bytes 0-0/1")),
    ": a PUT of a part of a file (RFC 9110, 14.5)",
  ],
  [as("PUT", post("/up/b", "b", "Content-Encoding: gzip")), "refused with 415: a PUT in the coding gzip"],
  [as("PUT", post("/up/", "b")), "refused with 409: a PUT to a folder"],
  [as("PUT", post("/up/none/b", "b")), "refused with 409: the folder of /none/b is not there"],
  [as("PUT", post("/up/b%2Fc", "b")), "refused with 400: no file can have the name "],
  [as("PUT", post("/app/new.sh", "b")), "new.sh would be a script"],
  [as("DELETE", get("/up/")), "refused with 409: a DELETE of a folder"],
  [post("/up/", "b", "Content-Type: text/plain"), "refused with 415: a POST that is no multipart/form-data"],
  [post("/up/here.txt", "--B--\r\n", FORM), "refused with 409: a POST to a file"],
  [post("/up/", "--B--\r\n", FORM), "refused with 400: a form without a file"],
  [post("/up/", "b".repeat(2000), FORM), "refused with 413: the body is larger than 1024 bytes"],
  [get("/loop/%ff"), "refused with 400: the path is no UTF-8 and cannot be given to a script"],
  [get("/fastcgi/%ff"), "refused with 400: the path is no UTF-8 and cannot be given to an application"],
  [get("/loop/none.sh"), "refused with 404: no script for /loop/none.sh in "],
  [get("/loop/a.sh"), "refused with 502: more than 10 local redirects, the last to /loop/a.sh"],
  [get("/kept/a.sh", "Cache-Control: only-if-cached"), ": only a kept answer would do, and there is none"],
  [get("/auth/a.txt"), "refused with 401: no credentials"],
  [get("/status/x"), "refused with 404: nothing is below a status route"],
  [get("/status?format=x"), "refused with 400: format is one of "],
  [
    get("/status").replace(/Host: .*/, "Host: example.org"),
    " is not that of a loopback address: without allow or auth the status is for this machine alone",
  ],
  ["GET / HTTP/1.1\r\n\r\n", "] 127.0.0.1: refused with 400: no Host in HTTP/1.1"],
];

Deno.test("the error log says why a request is refused, under its number, to whoever asks for that", async () => {
  await using server = await TestServer.start({
    yaml: YAML,
    files: {
      "static/a.txt": "text",
      "static/.hidden": "",
      "static/folder/a": "",
      "outside.txt": "outside",
      "up/here.txt": "here",
      "app/a.sh": "#!/bin/sh\n",
      "loop/a.sh": "#!/bin/sh\nprintf 'Location: /loop/a.sh\\n\\n'\n",
      "users": "alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n",
    },
  });
  await Deno.symlink("../outside.txt", join(server.dir, "static/out.txt"));
  await outputOf("mkfifo", [join(server.dir, "static/pipe")]);
  for (const [request, said] of CASES) {
    const response = await ask(server, request);
    if (said === "") continue;
    const id = field(response, "x-request-id");
    assert(id !== null, request);
    const [line] = await server.stderrMatch(new RegExp(`.*\\[${id}\\].*`));
    assertStringIncludes(line, said);
  }
});

Deno.test("the error log says of a head or a body that comes too slowly, or not at all, which it was", async () => {
  await using server = await TestServer.start({
    yaml: `listen: 127.0.0.1:0
log: { level: debug }
timeouts: { header: 4s, body: 4s }
routes:
  - { path: /up/, files: ./up, methods: [GET, PUT] }
`,
    files: { "up/a": "" },
  });
  const half = "PUT /up/b HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nb";
  const cases: readonly (readonly [sent: string, isEnded: boolean, said: RegExp])[] = [
    ["GET / HT", false, /refused with 408: the head came too slowly/],
    ["GET / HT", true, /refused with 400: the head broke off/],
    [half, false, /PUT \/up\/b: refused with 408: the body came too slowly/],
    [half, true, /PUT \/up\/b: refused with 400: the body broke off/],
  ];
  await Promise.all(cases.map(async ([sent, isEnded, said]) => {
    using connection = await Deno.connect({ hostname: server.hostname, port: server.port });
    await connection.write(new TextEncoder().encode(sent));
    if (isEnded) await connection.closeWrite();
    try {
      while (await connection.read(new Uint8Array(1024)) !== null);
    } catch (error) {
      if (!isReset(error)) throw error;
    }
    await server.stderrMatch(said);
  }));
  assertEquals(server.stderr.includes("a bug of Pollux"), false);
});
