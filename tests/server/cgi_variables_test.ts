import { assert, assertEquals, assertMatch, assertNotMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { HAS_IPV6 } from "../support/processes.ts";
import { ask, field, get, octets, textOf } from "../support/raw.ts";
import { BASIC_YAML, type FileSpec, TestServer } from "../support/server.ts";

/** Prints its variables and arguments, each ended by a NUL, since a value may hold anything else. */
const ENV = `#!/usr/bin/env perl
use Cwd;
print "Content-Type: application/octet-stream\\n\\n";
print "$_=$ENV{$_}\\0" for sort keys %ENV;
print "argv$_=$ARGV[$_ - 1]\\0" for 1 .. @ARGV;
print 'cwd=', getcwd, "\\0";
`;

type Env = Readonly<Record<string, string>>;

async function variables(address: { hostname: string; port: number }, request: string): Promise<Env> {
  const response = await ask(address, request);
  assertEquals(response.status, 200, textOf(response));
  const entries = textOf(response).split("\0").slice(0, -1);
  return Object.fromEntries(entries.map((entry) => entry.split(/=(.*)/s).slice(0, 2)));
}

function assertVariables(env: Env, expected: Readonly<Record<string, string | null>>): void {
  const found = Object.fromEntries(Object.keys(expected).map((name) => [name, env[name] ?? null]));
  assertEquals(found, expected);
}

Deno.test("a URL's parts reach the script in every shape", async (t) => {
  await using server = await TestServer.start({
    yaml: `${BASIC_YAML}  - path: /one
    cgi: ./one.pl
  - path: /deep/er/
    cgi: ./cgi-bin
  - path: /indexed/
    cgi: ./cgi-bin
    index: [index.pl, env.pl]
  - path: /among/
    files: ./among
    scripts: [.pl]
    index: [index.html, index.pl]
    fallback: /among/front.pl
`,
    files: {
      "cgi-bin/env.pl": ENV,
      "cgi-bin/sub/env.pl": ENV,
      "cgi-bin/sub/index.pl": ENV,
      "cgi-bin/a b+c&d=é.pl": ENV,
      "cgi-bin/v1.0/api.v2.pl": ENV,
      "one.pl": ENV,
      "among/app.pl": ENV,
      "among/front.pl": ENV,
      "among/sub/index.pl": ENV,
      "among/page.html": "page",
    },
  });
  const root = join(server.dir, "static");
  const cases: [target: string, name: string, info: string, query: string][] = [
    ["/cgi-bin/env.pl", "/cgi-bin/env.pl", "", ""],
    ["/cgi-bin/env.pl?", "/cgi-bin/env.pl", "", ""],
    ["/cgi-bin/env.pl?a=1&b=%20+c", "/cgi-bin/env.pl", "", "a=1&b=%20+c"],
    ["/cgi-bin/env.pl?a=b?c=/d", "/cgi-bin/env.pl", "", "a=b?c=/d"],
    ['/cgi-bin/env.pl?a=|{}^[]`\\"', "/cgi-bin/env.pl", "", 'a=|{}^[]`\\"'],
    ["/cgi-bin/env.pl?a=%", "/cgi-bin/env.pl", "", "a=%"],
    ["/cgi-bin/env.pl/", "/cgi-bin/env.pl", "/", ""],
    ["/cgi-bin/env.pl/a/b.html?x=1", "/cgi-bin/env.pl", "/a/b.html", "x=1"],
    ["/cgi-bin/env.pl/a%20b%3Fc%23d%25e", "/cgi-bin/env.pl", "/a b?c#d%e", ""],
    ["/cgi-bin/env.pl/%E2%82%AC/%C3%BC", "/cgi-bin/env.pl", "/€/ü", ""],
    ["/cgi-bin/env.pl//a///b//", "/cgi-bin/env.pl", "//a///b//", ""],
    ["/cgi-bin/env.pl/a;b=c/d:e@f!$&'()*+,", "/cgi-bin/env.pl", "/a;b=c/d:e@f!$&'()*+,", ""],
    ["/cgi-bin/env.pl/a%2525", "/cgi-bin/env.pl", "/a%25", ""],
    ["/cgi-bin/env.pl/a/../b", "/cgi-bin/env.pl", "/b", ""],
    ["/cgi-bin/./env.pl/./b", "/cgi-bin/env.pl", "/b", ""],
    ["/cgi-bin/sub/env.pl/x", "/cgi-bin/sub/env.pl", "/x", ""],
    ["/cgi-bin/%65nv.pl", "/cgi-bin/env.pl", "", ""],
    ["/cgi-bin/a%20b+c&d=%C3%A9.pl/p", "/cgi-bin/a b+c&d=é.pl", "/p", ""],
    ["/cgi-bin/v1.0/api.v2.pl/v3.pl/x", "/cgi-bin/v1.0/api.v2.pl", "/v3.pl/x", ""],
    ["/cgi-bin/env.pl/env.pl", "/cgi-bin/env.pl", "/env.pl", ""],
    ["/one", "/one", "", ""],
    ["/one?a=b", "/one", "", "a=b"],
    ["/one/", "/one", "/", ""],
    ["/one/a/b", "/one", "/a/b", ""],
    ["/deep/er/env.pl/a", "/deep/er/env.pl", "/a", ""],
    ["/indexed/?a=1", "/indexed/env.pl", "", "a=1"],
    ["/indexed/sub/", "/indexed/sub/index.pl", "", ""],
    ["/among/app.pl", "/among/app.pl", "", ""],
    ["/among/app.pl/a%20b?x=y", "/among/app.pl", "/a b", "x=y"],
    ["/among/sub/?q=1", "/among/sub/index.pl", "", "q=1"],
    ["/among/no/such/page?q=1", "/among/front.pl", "", "q=1"],
  ];
  for (const [target, name, info, query] of cases) {
    await t.step(target, async () => {
      const env = await variables(server, get(target));
      assertVariables(env, {
        SCRIPT_NAME: name,
        PATH_INFO: info,
        QUERY_STRING: query,
        PATH_TRANSLATED: info === "" ? null : root + info,
        REQUEST_URI: target,
        DOCUMENT_ROOT: root,
      });
      assert((await Deno.stat(env.SCRIPT_FILENAME)).isFile, env.SCRIPT_FILENAME);
    });
  }
  await t.step("an encoded slash stays encoded in PATH_INFO, or is refused; it never separates", async () => {
    const response = await ask(server, get("/cgi-bin/env.pl/a%2Fb"));
    if (response.status === 200) assertMatch(textOf(response), /PATH_INFO=\/a%2[Ff]b\0/);
    else assertEquals(response.status, 404);
    assertEquals((await ask(server, get("/cgi-bin%2Fenv.pl"))).status, 404);
    assertEquals((await ask(server, get("/cgi-bin/sub%2fenv.pl"))).status, 404);
  });
  await t.step("CR, LF and NUL in a path: 400", async () => {
    for (const byte of ["%0d", "%0A", "%00"]) {
      assertEquals((await ask(server, get(`/cgi-bin/env.pl/a${byte}b`))).status, 400, byte);
    }
  });
  await t.step("absolute-form", async () => {
    const request = `GET http://Other.example:81/cgi-bin/env.pl/p?q=1 HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    assertVariables(await variables(server, request), {
      SCRIPT_NAME: "/cgi-bin/env.pl",
      PATH_INFO: "/p",
      QUERY_STRING: "q=1",
      REQUEST_URI: "/cgi-bin/env.pl/p?q=1",
      SERVER_NAME: "other.example",
      SERVER_PORT: String(server.port),
    });
  });
  await t.step("a front controller gets what the client asked for", async () => {
    const env = await variables(server, get("/among/blog/2024/?page=2"));
    assertVariables(env, {
      REQUEST_URI: "/among/blog/2024/?page=2",
      SCRIPT_NAME: "/among/front.pl",
      REQUEST_METHOD: "GET",
    });
    const posted = await variables(
      server,
      "POST /among/blog HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Type: a/b\r\n\r\nabc",
    );
    assertVariables(posted, { REQUEST_METHOD: "POST", CONTENT_LENGTH: "3", CONTENT_TYPE: "a/b" });
    assertEquals(textOf(await ask(server, get("/among/page.html"))), "page");
  });
  await t.step("a folder without its slash: 308, the query kept", async () => {
    for (const path of ["/cgi-bin/sub", "/indexed/sub", "/among/sub"]) {
      const response = await ask(server, get(`${path}?a=1`));
      if (path === "/cgi-bin/sub") assert([308, 404].includes(response.status), path);
      else assertEquals([response.status, field(response, "location")], [308, `${path}/?a=1`]);
    }
  });
});

Deno.test("the server's and the client's side of a request", async (t) => {
  await using server = await TestServer.start({
    yaml: BASIC_YAML.replace("127.0.0.1:0", HAS_IPV6 ? '[127.0.0.1:0, "[::1]:0"]' : "127.0.0.1:0"),
    files: { "cgi-bin/env.pl": ENV },
  });
  const port = String(server.port);
  await t.step("always", async () => {
    const env = await variables(server, get("/cgi-bin/env.pl"));
    assertVariables(env, {
      GATEWAY_INTERFACE: "CGI/1.1",
      SERVER_PROTOCOL: "HTTP/1.1",
      REQUEST_METHOD: "GET",
      SERVER_NAME: "localhost",
      SERVER_ADDR: "127.0.0.1",
      SERVER_PORT: port,
      REMOTE_ADDR: "127.0.0.1",
      REQUEST_SCHEME: "http",
      HTTPS: null,
      AUTH_TYPE: null,
      REMOTE_USER: null,
      REMOTE_IDENT: null,
      CONTENT_LENGTH: null,
      CONTENT_TYPE: null,
      HTTP_HOST: "localhost",
    });
    assertMatch(env.SERVER_SOFTWARE, /^[A-Za-z]+\/[0-9.]+$/);
  });
  const hosts: [host: string, name: string][] = [
    ["example.org", "example.org"],
    ["EXAMPLE.org:8080", "example.org"],
    ["example.org:", "example.org"],
    ["127.0.0.1:99", "127.0.0.1"],
    ["[::1]:99", "[::1]"],
    ["[2001:db8::1]", "[2001:db8::1]"],
  ];
  for (const [host, name] of hosts) {
    await t.step(`Host: ${host}`, async () => {
      const env = await variables(server, `GET /cgi-bin/env.pl HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      assertVariables(env, { SERVER_NAME: name, SERVER_PORT: port, HTTP_HOST: host });
    });
  }
  await t.step("HTTP/1.0 without Host: the address", async () => {
    const env = await variables(server, "GET /cgi-bin/env.pl HTTP/1.0\r\n\r\n");
    assertVariables(env, { SERVER_PROTOCOL: "HTTP/1.0", SERVER_NAME: "127.0.0.1", HTTP_HOST: null });
  });
  await t.step({
    name: "over IPv6",
    ignore: !HAS_IPV6,
    async fn() {
      const [, ipv6] = await server.stderrMatch(/listening on http:\/\/\[::1\]:(\d+)\n/);
      const address = { hostname: "::1", port: Number(ipv6) };
      assertVariables(await variables(address, "GET /cgi-bin/env.pl HTTP/1.0\r\n\r\n"), {
        SERVER_NAME: "[::1]",
        SERVER_ADDR: "::1",
        REMOTE_ADDR: "::1",
        SERVER_PORT: ipv6,
      });
    },
  });
  await t.step("any method of the registry, in its own case", async () => {
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "REPORT", "PROPFIND"]) {
      const env = await variables(
        server,
        `${method} /cgi-bin/env.pl HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n`,
      );
      assertVariables(env, { REQUEST_METHOD: method, CONTENT_LENGTH: "0" });
    }
  });
});

Deno.test("a request's fields as HTTP_*, but for those that could deceive", async (t) => {
  await using server = await TestServer.start({
    yaml: `${BASIC_YAML}  - path: /authorized/\n    cgi: ./cgi-bin\n    pass_authorization: true\n`,
    files: { "cgi-bin/env.pl": ENV },
  });
  await t.step("joined, trimmed, empty, UTF-8", async () => {
    const env = await variables(
      server,
      String.fromCharCode(...octets(get(
        "/cgi-bin/env.pl",
        "Accept: text/html",
        "X-Many: 1",
        "x-many:  2 ",
        "X-Empty:",
        "X-9-Lives: nine",
        "Cookie: a=1",
        "Cookie: b=2",
        "X-Utf8: caf\xc3\xa9 \xe2\x82\xac",
        "Referer: http://a/?b=c",
      ))),
    );
    assertVariables(env, {
      HTTP_ACCEPT: "text/html",
      HTTP_X_MANY: "1, 2",
      HTTP_X_EMPTY: "",
      HTTP_X_9_LIVES: "nine",
      HTTP_COOKIE: "a=1; b=2",
      HTTP_X_UTF8: "café €",
      HTTP_REFERER: "http://a/?b=c",
    });
  });
  await t.step("never these", async () => {
    const env = await variables(
      server,
      get(
        "/cgi-bin/env.pl",
        "Proxy: http://evil/",
        "Proxy-Authorization: Basic eDp5",
        "Proxy-Connection: keep-alive",
        "Authorization: Basic eDp5",
        "Connection: keep-alive, X-Named",
        "X-Named: 1",
        "Keep-Alive: 5",
        "TE: trailers",
        "Trailer: X",
        "Upgrade: h2c",
        "X_Under: 1",
        "X-Under_Score: 1",
        "X.Dot: 1",
        "X!Bang: 1",
        "Content_Length: 99",
        "Content_Type: evil",
        "HTTP-PROXY: evil",
      ),
    );
    const http = Object.keys(env).filter((name) => name.startsWith("HTTP_")).sort();
    assertEquals(http, ["HTTP_HOST", "HTTP_HTTP_PROXY"]);
    assertVariables(env, { CONTENT_LENGTH: null, CONTENT_TYPE: null, HTTP_PROXY: null });
  });
  await t.step("Host stays, whatever Connection says", async () => {
    const env = await variables(server, get("/cgi-bin/env.pl", "Connection: Host, close"));
    assertVariables(env, { HTTP_HOST: "localhost" });
  });
  await t.step("Authorization where the route passes it on", async () => {
    const env = await variables(server, get("/authorized/env.pl", "Authorization: Bearer abc"));
    assertVariables(env, { HTTP_AUTHORIZATION: "Bearer abc", AUTH_TYPE: null, REMOTE_USER: null });
  });
  await t.step("bytes that are no UTF-8: as they came, or 400", async () => {
    const response = await ask(server, get("/cgi-bin/env.pl", "X-Odd: a\xff\xfeb"));
    if (response.status === 200) {
      assertMatch(String.fromCharCode(...response.content), /HTTP_X_ODD=a\xff\xfeb\0/);
    } else assertEquals(response.status, 400);
  });
});

Deno.test("content is announced by CONTENT_LENGTH in every framing", async (t) => {
  const count = ENV +
    'my $n = 0; while (read STDIN, my $part, 65536) { $n += length $part } print "read=$n\\0";\n';
  await using server = await TestServer.start({
    yaml: `${BASIC_YAML}  - path: /stream/
    cgi: ./cgi-bin
    body: stream
  - path: /buffer/
    cgi: ./cgi-bin
    body: buffer
`,
    files: { "cgi-bin/count.pl": count },
  });
  const chunked = (path: string) =>
    `POST ${path} HTTP/1.1\r\nHost: h\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n` +
    "3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Trailer: evil\r\n\r\n";
  const sized = (path: string) =>
    `POST ${path} HTTP/1.1\r\nHost: h\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nabcde`;
  const cases: [name: string, request: string, expected: Record<string, string | null>][] = [
    ["none", get("/cgi-bin/count.pl"), { CONTENT_LENGTH: null, CONTENT_TYPE: null, read: "0" }],
    ["a length", sized("/cgi-bin/count.pl"), { CONTENT_LENGTH: "5", CONTENT_TYPE: "a/b", read: "5" }],
    ["a length, kept first", sized("/buffer/count.pl"), { CONTENT_LENGTH: "5", read: "5" }],
    ["chunked, kept first", chunked("/cgi-bin/count.pl"), {
      CONTENT_LENGTH: "13",
      CONTENT_TYPE: "a/b",
      HTTP_TRANSFER_ENCODING: null,
      HTTP_X_TRAILER: null,
      read: "13",
    }],
    ["chunked, streamed", chunked("/stream/count.pl"), {
      CONTENT_LENGTH: null,
      HTTP_TRANSFER_ENCODING: null,
      read: "13",
    }],
    ["a GET with content", sized("/cgi-bin/count.pl").replace("POST", "GET"), {
      CONTENT_LENGTH: "5",
      read: "5",
    }],
  ];
  for (const [name, request, expected] of cases) {
    await t.step(name, async () => assertVariables(await variables(server, request), expected));
  }
});

Deno.test("a search string becomes arguments, and never an option", async (t) => {
  await using server = await TestServer.start({
    yaml: `${BASIC_YAML}  - path: /one
    cgi: ./cgi-bin/env.pl
    args: [first, --own]
`,
    files: { "cgi-bin/env.pl": ENV },
  });
  const cases: [query: string, args: string[]][] = [
    ["a", ["a"]],
    ["a+b+c", ["a", "b", "c"]],
    ["a%20b+c%2Bd", ["a b", "c+d"]],
    ["%C3%BC", ["ü"]],
    ["*;$(id)`id`", ["*;$(id)`id`"]],
    ["a%3Db", ["a=b"]],
    ["a=b", []],
    ["a+b=c", []],
    ["", []],
    ["a++b", []],
    ["+a", []],
    ["-d+allow_url_include%3d1", []],
    ["%2Dd", []],
    ["a+-b", []],
    ["%2D%2Dhelp", []],
    ["a%00b", []],
    ["a%ff", []],
    ["a%zz", []],
    // CVE-2024-4577: a soft hyphen, which a code page of Windows turns into a dash, is no dash here.
    ["%ADd+allow_url_include%3d1", []],
  ];
  const argsOf = (env: Env) =>
    Object.keys(env).filter((name) => name.startsWith("argv")).map((name) => env[name]);
  for (const [query, args] of cases) {
    await t.step(query, async () => {
      assertEquals(argsOf(await variables(server, get(`/cgi-bin/env.pl?${query}`))), args);
    });
  }
  await t.step("behind the route's own arguments", async () => {
    assertEquals(argsOf(await variables(server, get("/one/p?x+y"))), ["first", "--own", "x", "y"]);
  });
  await t.step("not for a POST", async () => {
    const env = await variables(
      server,
      "POST /cgi-bin/env.pl?a+b HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
    );
    assertEquals(argsOf(env), []);
  });
});

Deno.test("env, pass_env and cwd; nothing else of the server's environment", async (t) => {
  await using server = await TestServer.start({
    yaml: `cgi: { env: { A: top, B: top }, pass_env: [PATH, PASSED] }
${BASIC_YAML}    env: { B: route, EMPTY: "", ODD: "a=b ü" }
    cwd: ./elsewhere
  - path: /here/
    cgi: ./cgi-bin
`,
    files: { "cgi-bin/sub/env.pl": ENV, "elsewhere/.keep": "" },
    env: { PASSED: "yes", SECRET: "no", LANG: "C", HTTP_PROXY: "http://evil/" },
  });
  await t.step("as the route says", async () => {
    const env = await variables(server, get("/cgi-bin/sub/env.pl"));
    assertVariables(env, {
      A: "top",
      B: "route",
      EMPTY: "",
      ODD: "a=b ü",
      PASSED: "yes",
      SECRET: null,
      LANG: null,
      HTTP_PROXY: null,
      REDIRECT_STATUS: "200",
      cwd: join(server.dir, "elsewhere"),
    });
    assert(env.PATH.length > 0 && "HOME" in env);
  });
  await t.step("without cwd: the script's own folder", async () => {
    assertVariables(await variables(server, get("/here/sub/env.pl")), {
      B: "top",
      cwd: join(server.dir, "cgi-bin/sub"),
    });
  });
});

Deno.test("an environment that is too large: 431, and the largest that is not", async () => {
  await using server = await TestServer.start({
    yaml: `limits: { header_bytes: 2MiB, header_count: 1000, request_line: 256KiB }\n${BASIC_YAML}`,
    files: { "cgi-bin/env.pl": ENV },
  });
  const wide = (bytes: number) => get("/cgi-bin/env.pl", `X-A: ${"a".repeat(bytes)}`);
  assertEquals((await variables(server, wide(131_000))).HTTP_X_A.length, 131_000);
  assertEquals((await ask(server, wide(131_072))).status, 431);
  const many = get(
    "/cgi-bin/env.pl",
    ...Array.from({ length: 30 }, (_, i) => `X-${i}: ${"a".repeat(60_000)}`),
  );
  assertEquals((await ask(server, many)).status, 431);
  assertEquals((await ask(server, get(`/cgi-bin/env.pl?${"a".repeat(140_000)}`))).status, 431);
  assertEquals((await ask(server, get("/cgi-bin/env.pl"))).status, 200);
});

Deno.test("which program runs a script", async (t) => {
  const head = "printf 'Content-Type: text/plain\\n\\n'";
  const files: Record<string, FileSpec> = {
    "s/mapped.sh": { text: `${head}\necho mapped\n`, mode: 0o644 },
    "s/line": `#!/bin/sh\n${head}\necho line\n`,
    "s/line.txt": `#!/bin/sh\n${head}\necho line.txt\n`,
    "s/env": `#!/usr/bin/env sh\n${head}\necho env\n`,
    "s/argument": `#!/bin/sh -e\n${head}\necho "argument $-"\n`,
    "s/split": `#!/usr/bin/env -S sh -e -u\n${head}\necho "split $-"\n`,
    "s/env-words": `#!/usr/bin/env sh -e\n${head}\n`,
    "s/crlf": `#!/bin/sh\r\n${head}\r\necho crlf\r\n`,
    "s/not-allowed": { text: `#!/usr/bin/perl5.99\n`, mode: 0o755 },
    "s/no-line": { text: `${head}\n`, mode: 0o755 },
    "s/mine.xyz": { text: `${head}\necho "mine $-"\n`, mode: 0o644 },
    "s/text.txt": { text: "secret", mode: 0o644 },
    "s/line-beats-map.py": `#!/bin/sh\n${head}\necho sh\n`,
    "s/awk":
      `#!/usr/bin/awk -f\nBEGIN { print "Content-Type: text/plain\\n\\nawk " ENVIRON["REQUEST_METHOD"] }\n`,
    "s/hello.c":
      '#include <stdio.h>\n#include <stdlib.h>\nint main(int argc, char **argv) { printf("Content-Type: text/plain\\n\\nc %s %d", getenv("REQUEST_METHOD"), argc); return 0; }\n',
  };
  await using server = await TestServer.start({
    yaml: `listen: 127.0.0.1:0
routes:
  - path: /s/
    cgi: ./s
    interpreters: { .xyz: [sh, -e] }
  - path: /mapped/
    cgi: ./s
    interpreters: { .xyz: [sh] }
`,
    files,
  });
  const answer = (path: string) => ask(server, get(path));
  const works: [path: string, text: string][] = [
    ["/s/mapped.sh", "mapped\n"],
    ["/s/line", "line\n"],
    ["/s/line.txt", "line.txt\n"],
    ["/s/env", "env\n"],
    ["/s/line-beats-map.py", "sh\n"],
    ["/s/awk", "awk GET\n"],
  ];
  for (const [path, text] of works) {
    await t.step(path, async () => assertEquals(textOf(await answer(path)), text));
  }
  await t.step("a route's own interpreter, with arguments and without", async () => {
    assertMatch(textOf(await answer("/s/mine.xyz")), /^mine \w*e/);
    assertMatch(textOf(await answer("/mapped/mine.xyz")), /^mine [^e]*\n$/);
  });
  await t.step("a first line with arguments, and env -S", async () => {
    assertMatch(textOf(await answer("/s/argument")), /^argument \w*e/);
    const flags = textOf(await answer("/s/split"));
    assert(flags.includes("e") && flags.includes("u"), flags);
  });
  const fails: [path: string, status: number, log: RegExp][] = [
    ["/s/env-words", 500, /env-words.*env -S/],
    ["/s/crlf", 500, /crlf.*CR LF/],
    ["/s/not-allowed", 500, /not-allowed.*perl5\.99/],
    ["/s/no-line", 500, /no-line.*first line/],
    ["/s/text.txt", 403, /text\.txt.*executable/],
  ];
  for (const [path, status, log] of fails) {
    await t.step(`${path}: ${status}, and the log says what to do`, async () => {
      const response = await answer(path);
      assertEquals(response.status, status);
      assertNotMatch(textOf(response), /secret|perl5|pollux-test/);
      await server.stderrMatch(log);
    });
  }
  await t.step("a program in C that came while the server runs", async () => {
    const compiler = new Deno.Command("cc", { args: ["-o", "s/hello", "s/hello.c"], cwd: server.dir });
    if (!(await compiler.output()).success) return;
    assertEquals(textOf(await answer("/s/hello")), "c GET 1");
  });
  await t.step("one that is made executable, or no longer is", async () => {
    const path = join(server.dir, "s/later");
    await Deno.writeTextFile(path, `#!/bin/sh\n${head}\necho later\n`);
    await Deno.chmod(path, 0o644);
    assertEquals((await answer("/s/later")).status, 403);
    await Deno.chmod(path, 0o755);
    assertEquals(textOf(await answer("/s/later")), "later\n");
    await Deno.writeTextFile(path, `#!/bin/sh\n${head}\necho changed\n`);
    assertEquals(textOf(await answer("/s/later")), "changed\n");
    await Deno.chmod(path, 0o600);
    assertEquals((await answer("/s/later")).status, 403);
  });
  await t.step(
    "the log names the script",
    () => assertStringIncludes(server.stderr, join(server.dir, "s/crlf")),
  );
});
