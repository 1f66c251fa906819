/**
 * Programs that nobody here wrote, over plain connections and over TLS: curl, Python's http.client and urllib, git, wrk, and
 * Chromium without a window. Each is skipped where it is not installed.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertNotMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { eventually } from "../support/deadline.ts";
import { type Certificate, makeCertificate } from "../support/certificate.ts";
import { hasProgram, outputOf } from "../support/processes.ts";
import { type FileSpec, REPOSITORY, TestServer } from "../support/server.ts";

const FILES: Record<string, FileSpec> = {
  "static/a.txt": "0123456789",
  "static/long.txt": "all work and no play\n".repeat(10_000),
  "static/dir/index.html": "index",
  "cgi-bin/echo.sh":
    '#!/bin/sh\nprintf \'Content-Type: text/plain\\n\\n%s|%s|\' "$HTTPS" "$CONTENT_LENGTH"\ncat\n',
  "cgi-bin/count.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nwc -c\n",
  "cgi-bin/lines.sh":
    "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nfor n in 1 2 3; do echo $n; sleep 0.05; done\n",
  "up/.keep": "",
};

const ROUTES = `limits: { body: 8MiB }
routes:
  - { path: /, files: ./static }
  - { path: /cgi-bin/, cgi: ./cgi-bin }
  - { path: /small/, cgi: ./cgi-bin, body_limit: 1KiB }
  - { path: /up/, files: ./up, methods: [GET, HEAD, PUT, DELETE] }
  - { path: /old/, redirect: "/a.txt?{query}", status: 301 }
`;

const KINDS = ["plain", "TLS"] as const;
type Kind = typeof KINDS[number];

const hasOpenssl = await hasProgram("openssl", "version");
let certificate: Promise<Certificate> | null = null;

/** A server of that kind, with its certificate as `cert.pem` in its folder. */
async function start(kind: Kind, routes = ROUTES): Promise<TestServer> {
  if (kind === "plain") {
    return await TestServer.start({ yaml: `listen: 127.0.0.1:0\n${routes}`, files: FILES });
  }
  const { cert, key } = await (certificate ??= makeCertificate());
  const listen = "listen: { address: 127.0.0.1:0, tls: { cert: cert.pem, key: key.pem } }\n";
  return await TestServer.start({
    yaml: listen + routes,
    files: { ...FILES, "cert.pem": cert, "key.pem": key },
  });
}

/** A test over each kind of connection; skipped, and its name says why, where the program is missing. */
function overEach(
  program: string,
  isThere: boolean,
  what: string,
  fn: (kind: Kind, t: Deno.TestContext) => Promise<void>,
): void {
  for (const kind of KINDS) {
    const missing = !isThere ? program : kind === "TLS" && !hasOpenssl ? "openssl" : null;
    Deno.test({
      name: `${program} over ${kind}: ${what}${missing === null ? "" : ` (skipped: it needs ${missing})`}`,
      ignore: missing !== null,
      fn: (t) => fn(kind, t),
    });
  }
}

overEach("curl", await hasProgram("curl", "--version"), "what people do with it", async (kind, t) => {
  await using server = await start(kind);
  const trust = kind === "TLS" ? ["--cacert", join(server.dir, "cert.pem")] : [];
  const curl = (...args: string[]) =>
    outputOf("curl", ["--silent", "--show-error", "--max-time", "60", "--noproxy", "*", ...trust, ...args], {
      cwd: server.dir,
    });
  const url = (path: string) => server.url + path;
  const status = ["--output", "-", "--write-out", "|%{http_code}|%{num_connects}"];

  await t.step("several files over one connection", async () => {
    const args = [url("/a.txt"), url("/dir/"), url("/a.txt")].flatMap((
      each,
    ) => ["--write-out", "|%{num_connects};", each]);
    assertEquals(await curl(...args), "0123456789|1;index|0;0123456789|0;");
  });
  await t.step("HEAD, ranges, HTTP/1.0", async () => {
    assertMatch(await curl("--head", url("/a.txt")), /^HTTP\/1\.1 200 OK\r\n[^]*Content-Length: 10\r\n/);
    assertEquals(await curl("--range", "2-4", url("/a.txt")), "234");
    assertEquals(await curl("--http1.0", url("/a.txt")), "0123456789");
    assertEquals(await curl("--http1.0", url("/cgi-bin/lines.sh")), "1\n2\n3\n");
  });
  await t.step("a download is resumed", async () => {
    await Deno.writeTextFile(join(server.dir, "part.txt"), "01234");
    await curl("--continue-at", "-", "--output", "part.txt", url("/a.txt"));
    assertEquals(await Deno.readTextFile(join(server.dir, "part.txt")), "0123456789");
  });
  await t.step("only if it is newer", async () => {
    assertEquals(
      await curl(...status, "--time-cond", join(server.dir, "static/a.txt"), url("/a.txt")),
      "|304|1",
    );
    await curl("--etag-save", "tag", url("/a.txt"));
    assertEquals(await curl(...status, "--etag-compare", "tag", url("/a.txt")), "|304|1");
  });
  await t.step("compressed", async () => {
    assertEquals((await curl("--compressed", url("/long.txt"))).length, 210_000);
    assertMatch(
      await curl("--compressed", "--head", url("/long.txt")),
      /\r\nContent-Encoding: (br|gzip)\r\n/,
    );
  });
  await t.step("redirects are followed", async () => {
    assertEquals(await curl("--location", url("/old/?x")), "0123456789");
    assertEquals(await curl("--location", url("/dir")), "index");
  });
  await t.step("a form, a file, and a body of unknown length", async () => {
    assertMatch(
      await curl("--data", "a=b", url("/cgi-bin/echo.sh")),
      kind === "TLS" ? /^on\|3\|a=b$/ : /^\|3\|a=b$/,
    );
    const large = join(server.dir, "large.bin");
    await Deno.writeFile(large, new Uint8Array(3 * 1024 * 1024));
    // More than 1 MiB: curl asks first whether it may.
    assertEquals((await curl("--data-binary", `@${large}`, url("/cgi-bin/count.sh"))).trim(), "3145728");
    const chunked = ["--header", "Transfer-Encoding: chunked", "--data-binary", `@${large}`];
    assertEquals((await curl(...chunked, url("/cgi-bin/count.sh"))).trim(), "3145728");
    assertEquals(await curl(...status, "--upload-file", large, url("/up/large.bin")), "|201|1");
    assertEquals(await curl(...status, "--upload-file", large, url("/up/large.bin")), "|204|1");
    assertEquals((await Deno.stat(join(server.dir, "up/large.bin"))).size, 3 * 1024 * 1024);
    assertEquals(await curl(...status, "--request", "DELETE", url("/up/large.bin")), "|204|1");
  });
  await t.step("a body that is refused: the answer arrives, asked first or not", async () => {
    const large = ["--data-binary", `@${join(server.dir, "large.bin")}`];
    for (const header of ["Expect: 100-continue", "Expect:"]) {
      const told = await curl(...status, ...large, "--header", header, url("/small/echo.sh"));
      assertMatch(told, /\|413\|1$/, header);
    }
  });
  await t.step("an upgrade to HTTP/2 that nobody takes up", async () => {
    assertEquals(await curl("--http2", url("/a.txt")), "0123456789");
  });
  await t.step("paths as they are", async () => {
    assertMatch(await curl(...status, "--path-as-is", url("/../a.txt")), /\|400\|1$/);
    assertMatch(await curl(...status, "--path-as-is", url("/dir/../a.txt")), /^0123456789\|200\|1$/);
  });
});

const PYTHON = `
import http.client, ssl, sys, urllib.error, urllib.request

kind, port, certificate = sys.argv[1], int(sys.argv[2]), sys.argv[3]
tls = ssl.create_default_context(cafile=certificate) if kind == "TLS" else None
if tls:
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=tls, timeout=60)
else:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

def ask(method, path, body=None, headers={}):
    connection.request(method, path, body=body, headers=headers)
    response = connection.getresponse()
    return response.status, response.read(), response

def same(is_, wanted):
    if is_ != wanted:
        raise AssertionError(f"{is_!r} is not {wanted!r}")

connection.connect()
socket = connection.sock
for _ in range(3):
    same(ask("GET", "/a.txt")[:2], (200, b"0123456789"))
status, content, response = ask("HEAD", "/a.txt")
same((status, content, response.getheader("Content-Length")), (200, b"", "10"))
same(ask("GET", "/a.txt", headers={"Range": "bytes=2-4"})[:2], (206, b"234"))
same(ask("GET", "/nothing")[0], 404)
same(ask("GET", "/cgi-bin/lines.sh")[:2], (200, b"1\\n2\\n3\\n"))
same(ask("POST", "/cgi-bin/count.sh", b"x" * 500000)[1].strip(), b"500000")
same(ask("POST", "/cgi-bin/echo.sh", iter([b"a", b"bc"]))[1][-6:], b"|3|abc"[-6:])
tag = ask("GET", "/a.txt")[2].getheader("ETag")
same(ask("GET", "/a.txt", headers={"If-None-Match": tag})[:2], (304, b""))
same(ask("PUT", "/up/new.txt", b"new")[0], 201)
same(ask("GET", "/up/new.txt")[1], b"new")
same(ask("DELETE", "/up/new.txt")[0], 204)
same(ask("OPTIONS", "/a.txt")[0], 204)
same(connection.sock is socket, True)
same(ask("GET", "/a.txt", headers={"Connection": "close"})[1], b"0123456789")
same(connection.sock, None)

handlers = [urllib.request.ProxyHandler({})] + ([urllib.request.HTTPSHandler(context=tls)] if tls else [])
opener = urllib.request.build_opener(*handlers)
base = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
same(opener.open(base + "/old/?x", timeout=60).read(), b"0123456789")
same(opener.open(base + "/cgi-bin/echo.sh", b"a=b", timeout=60).read()[-6:], b"|3|a=b")
try:
    opener.open(base + "/nothing", timeout=60)
    raise AssertionError("no error")
except urllib.error.HTTPError as error:
    same((error.code, error.headers["Content-Type"]), (404, "text/html; charset=utf-8"))
print("well")
`;

overEach("python3", await hasProgram("python3", "--version"), "http.client and urllib", async (kind) => {
  await using server = await start(kind);
  const args = ["-c", PYTHON, kind, String(server.port), join(server.dir, "cert.pem")];
  assertEquals(await outputOf("python3", args), "well\n");
});

/** Git without the settings of whoever runs the tests. */
const GIT_ENV = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_SYSTEM: "/dev/null",
  GIT_TERMINAL_PROMPT: "0",
  GIT_AUTHOR_NAME: "Leda",
  GIT_AUTHOR_EMAIL: "leda@example.org",
  GIT_COMMITTER_NAME: "Leda",
  GIT_COMMITTER_EMAIL: "leda@example.org",
};

overEach("git", await hasProgram("git", "--version"), "push, clone and fetch", async (kind) => {
  const backend = join((await outputOf("git", ["--exec-path"])).trim(), "git-http-backend");
  await using server = await start(
    kind,
    `routes:
  - path: /git
    cgi: ${backend}
    env: { GIT_PROJECT_ROOT: "{dir}/repositories", GIT_HTTP_EXPORT_ALL: "1", GIT_CONFIG_GLOBAL: /dev/null }
`,
  );
  const env: Record<string, string> = { ...GIT_ENV, NO_PROXY: "127.0.0.1" };
  // The variable, since it beats the setting where somebody has set it.
  if (kind === "TLS") env.GIT_SSL_CAINFO = join(server.dir, "cert.pem");
  const git = (cwd: string, ...args: string[]) =>
    outputOf("git", ["-c", "gc.auto=0", "-c", "http.postBuffer=65536", ...args], { cwd, env });
  const bare = join(server.dir, "repositories", "a.git");
  const origin = join(server.dir, "origin");
  for (const dir of [bare, origin]) await Deno.mkdir(dir, { recursive: true });
  await git(bare, "init", "--quiet", "--bare", "--initial-branch=main");
  await git(bare, "config", "http.receivepack", "true");
  await git(origin, "init", "--quiet", "--initial-branch=main");
  // Larger than the buffer, so that git sends it chunked.
  await Deno.writeFile(join(origin, "noise.bin"), crypto.getRandomValues(new Uint8Array(60_000)));
  await Deno.copyFile(join(origin, "noise.bin"), join(origin, "again.bin"));
  await Deno.writeFile(join(origin, "more.bin"), crypto.getRandomValues(new Uint8Array(60_000)));
  await git(origin, "add", ".");
  await git(origin, "commit", "--quiet", "-m", "noise");
  const url = `${server.url}/git/a.git`;
  await git(origin, "push", "--quiet", url, "main");
  await git(server.dir, "clone", "--quiet", url, "clone");
  const clone = join(server.dir, "clone");
  assertEquals(await git(clone, "rev-parse", "main"), await git(origin, "rev-parse", "main"));
  await git(origin, "commit", "--quiet", "--allow-empty", "-m", "two");
  await git(origin, "push", "--quiet", url, "main");
  await git(clone, "fetch", "--quiet");
  assertEquals(await git(clone, "rev-parse", "origin/main"), await git(origin, "rev-parse", "main"));
});

// wrk has no way to ask for its version that succeeds.
const hasWrk = await hasProgram("sh", "-c", "command -v wrk");

overEach("wrk", hasWrk, "a second of load, and no error", async (kind) => {
  await using server = await start(kind);
  for (const path of ["/a.txt", "/cgi-bin/echo.sh"]) {
    // On a busy machine a script may take longer than a second.
    await eventually("a second with an answer", async () => {
      const told = await outputOf("wrk", ["-t1", "-c8", "-d1s", "--timeout", "30s", server.url + path]);
      assertNotMatch(told, /Socket errors|Non-2xx/, told);
      return /^\s+[1-9]\d* requests in /m.test(told);
    });
  }
});

const CHROMIUM = [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
];

overEach("chromium", await hasProgram("chromium", "--version"), "the landing page", async (kind) => {
  const routes = `log: { access: stdout }
routes:
  - { path: /, files: "${REPOSITORY}/static" }
  - { path: /cgi-bin/, cgi: ./cgi-bin }
`;
  await using server = await start(kind, routes);
  const profile = await Deno.makeTempDir({ prefix: "pollux-chromium-" });
  try {
    const trust = kind === "TLS" ? ["--ignore-certificate-errors"] : [];
    const args = [...CHROMIUM, ...trust, `--user-data-dir=${profile}`, "--dump-dom", `${server.url}/`];
    const dom = await outputOf("timeout", ["180", "chromium", ...args]);
    assertStringIncludes(dom, "<h1>A folder of scripts, on the web.</h1>");
    for (const path of ["/", "/pollux.css", "/pollux.js"]) {
      await server.stdoutMatch(new RegExp(`"GET ${path.replaceAll(".", "\\.")} HTTP/1\\.1" 200 `));
    }
  } finally {
    await Deno.remove(profile, { recursive: true });
  }
  assert(!/" [45]\d\d /.test(server.stdout.replace(/.*favicon.*\n/g, "")), server.stdout);
});
