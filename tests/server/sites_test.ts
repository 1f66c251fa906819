import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { join } from "@std/path";
import { eventually, within } from "../support/deadline.ts";
import { HAS_IPV6 } from "../support/processes.ts";
import { ask, field, get, isReset, post, RawClient, type Response, textOf } from "../support/raw.ts";
import { runPollux, TestServer } from "../support/server.ts";

const FILES = {
  "static/a.txt": "file",
  "cgi-bin/env.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\nX-A: script\\n\\n%s|%s|%s' " +
    '"$SERVER_NAME" "$SERVER_PORT" "$REMOTE_ADDR"\n',
  "cgi-bin/wait.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nbegun\\n'\nread line\necho $line\n",
};

function to(host: string | null, path = "/"): string {
  return host === null ? `GET ${path} HTTP/1.0\r\n\r\n` : get(path).replace("localhost", host);
}

Deno.test("the host chooses the site: whole, by wildcard, by default", async () => {
  await using server = await TestServer.start({
    yaml: `listen: 127.0.0.1:0
sites:
  - { host: [example.org, www.example.org], routes: [{ path: /, respond: exact }] }
  - { host: "*.example.org", routes: [{ path: /, respond: wild }] }
  - { host: "*.b.example.org", routes: [{ path: /, respond: longer }] }
  - { host: "[::1]", routes: [{ path: /, respond: v6 }] }
  - { routes: [{ path: /, respond: default }] }
`,
  });
  const cases: [string | null, string][] = [
    ["example.org", "exact"],
    ["EXAMPLE.org.:8080", "exact"],
    ["www.example.org", "exact"],
    ["a.example.org", "wild"],
    ["a.b.c.example.org:1", "wild"],
    ["x.b.example.org", "longer"],
    ["b.example.org", "wild"],
    ["badexample.org", "default"],
    ["[::1]:80", "v6"],
    ["127.0.0.1", "default"],
    [null, "default"],
  ];
  for (const [host, text] of cases) assertEquals(textOf(await ask(server, to(host))), text, String(host));
  const absolute = "GET http://example.org/ HTTP/1.1\r\nHost: a.example.org\r\n\r\n";
  assertEquals(textOf(await ask(server, absolute)), "exact");
});

Deno.test({
  name: "a site a port, sites that share one, and a listener without their hosts",
  ignore: !HAS_IPV6,
  async fn() {
    await using server = await TestServer.start({
      yaml: `listen: 127.0.0.1:0
sites:
  - { host: one.example, listen: 127.0.0.2:0, routes: [{ path: /, respond: one }] }
  - { host: two.example, listen: ["[::1]:0"], routes: [{ path: /, cgi: ./cgi-bin/env.sh }] }
  - { host: three.example, routes: [{ path: /, respond: three }] }
  - { routes: [{ path: /, respond: default }] }
`,
      files: FILES,
    });
    const addresses = new Map<string, { hostname: string; port: number }>();
    await server.stderrMatch(/(?:listening on [^]*){3}\n/);
    for (const [, hostname, port] of server.stderr.matchAll(/listening on http:\/\/(\S+):(\d+)\n/g)) {
      addresses.set(hostname, { hostname: hostname.replace(/[[\]]/g, ""), port: Number(port) });
    }
    const at = async (name: string, host: string) => {
      const address = addresses.get(name);
      assert(address !== undefined, [...addresses.keys()].join());
      return textOf(await ask(address, to(host)));
    };
    assertEquals([await at("127.0.0.2", "one.example"), await at("127.0.0.2", "three.example")], [
      "one",
      "one",
    ]);
    assertEquals(await at("[::1]", "[::1]"), `[::1]|${addresses.get("[::1]")?.port}|::1`);
    const shared = await Promise.all(
      ["three.example", "one.example", "x"].map((host) => at("127.0.0.1", host)),
    );
    assertEquals(shared, ["three", "default", "default"]);
  },
});

Deno.test("headers, methods, body_limit, redirect and respond", async (t) => {
  await using server = await TestServer.start({
    yaml: `listen: 127.0.0.1:0
headers: { X-A: site, X-B: site }
routes:
  - { path: /, files: ./static }
  - { path: /cgi-bin/, cgi: ./cgi-bin, headers: { X-B: route, Set-Cookie: [a=1, b=2] }, methods: [GET, HEAD, PUT], body_limit: 4 }
  - { path: /to/, redirect: "https://example.org{path}?{query}" }
  - { path: /kept, redirect: "/a.txt", status: 307 }
  - { path: /say, respond: "no such thing", status: 410, headers: { Content-Type: text/html, X-C: c } }
  - { path: /nothing, respond: "", status: 204 }
`,
    files: FILES,
  });
  const header = (response: Response, ...names: string[]) => names.map((name) => field(response, name));
  await t.step("headers: the route's over the site's over the script's, on errors too", async () => {
    assertEquals(header(await ask(server, get("/a.txt")), "x-a", "x-b"), ["site", "site"]);
    const script = await ask(server, get("/cgi-bin/env.sh"));
    assertEquals(header(script, "x-a", "x-b"), ["site", "route"]);
    const cookies = script.fields.filter(([name]) => name === "set-cookie").map(([, value]) => value);
    assertEquals(cookies, ["a=1", "b=2"]);
    const missing = await ask(server, get("/cgi-bin/none"));
    assertEquals([missing.status, ...header(missing, "x-a", "x-b")], [404, "site", "route"]);
  });
  await t.step("methods: 405 with Allow, and OPTIONS", async () => {
    const refused = await ask(server, post("/cgi-bin/env.sh", "x"));
    assertEquals([refused.status, field(refused, "allow")], [405, "GET, HEAD, PUT, OPTIONS"]);
    const options = await ask(server, get("/cgi-bin/env.sh").replace("GET", "OPTIONS"));
    assertEquals([options.status, field(options, "allow")], [204, "GET, HEAD, PUT, OPTIONS"]);
    assertEquals((await ask(server, post("/cgi-bin/env.sh", "x").replace("POST", "PUT"))).status, 200);
    assertEquals((await ask(server, get("/a.txt").replace("GET", "BREW"))).status, 501);
  });
  await t.step("body_limit: 413 beyond it", async () => {
    const put = (content: string) => ask(server, post("/cgi-bin/env.sh", content).replace("POST", "PUT"));
    assertEquals([(await put("1234")).status, (await put("12345")).status], [200, 413]);
  });
  await t.step("redirect with path and query", async () => {
    const location = async (path: string) => {
      const response = await ask(server, get(path));
      return `${response.status} ${field(response, "location")}`;
    };
    assertEquals(await location("/to/a%20b/%2F?x=1&y"), "302 https://example.org/to/a%20b/%2F?x=1&y");
    assertEquals(await location("/to/a"), "302 https://example.org/to/a");
    assertEquals(await location("/kept?x"), "307 /a.txt");
  });
  await t.step("respond", async () => {
    const response = await ask(server, get("/say"));
    assertEquals([response.status, textOf(response), ...header(response, "content-type", "x-c", "x-a")], [
      410,
      "no such thing",
      "text/html",
      "c",
      "site",
    ]);
    const nothing = await ask(server, get("/nothing"));
    assertEquals([nothing.status, nothing.content.length], [204, 0]);
  });
});

/** Connects to a unix socket. */
async function connectUnix(path: string): Promise<RawClient> {
  return RawClient.over(await within("a connection", Deno.connect({ transport: "unix", path })));
}

async function askUnix(path: string, request: string): Promise<Response> {
  using client = await connectUnix(path);
  await client.send(request);
  return await client.readResponse();
}

Deno.test("a unix socket has its mode, replaces a stale file, and goes with the server", async () => {
  const yaml = `listen: [127.0.0.1:0, { address: "unix:p.sock", mode: "0660" }]
routes:
  - { path: /, files: ./static }
  - { path: /cgi-bin/, cgi: ./cgi-bin }
  - { path: /denied/, files: ./static, deny: 0.0.0.0/0 }
  - { path: /inside/, files: ./static, allow: 127.0.0.1 }
`;
  await using server = await TestServer.start({ yaml, files: FILES });
  const path = join(server.dir, "p.sock");
  await server.stderrMatch(/listening on unix:\S+\/p\.sock\n/);
  const mode = async () => ((await Deno.lstat(path)).mode ?? 0) & 0o777;
  assertEquals(await mode(), 0o660);
  const request = get("/cgi-bin/env.sh").replace("localhost", "example.org:81");
  assertEquals(textOf(await askUnix(path, request)), "example.org|80|");
  const statuses = [];
  for (const route of ["/a.txt", "/denied/a.txt", "/inside/a.txt"]) {
    statuses.push((await askUnix(path, get(route))).status);
  }
  assertEquals(statuses, [200, 200, 403]);

  const second = await runPollux({ yaml: `listen: "unix:${path}"\nroot: ./static\n` });
  assertEquals([second.code, /in use/.test(second.stderr)], [1, true], second.stderr);
  assertEquals((await askUnix(path, get("/a.txt"))).status, 200);

  // A crash leaves the file behind.
  server.kill("SIGKILL");
  await server.ended();
  assertEquals((await Deno.lstat(path)).isSocket, true);
  await using next = await TestServer.start({ yaml: yaml.replace("p.sock", path), files: FILES });
  assertEquals((await askUnix(path, get("/a.txt"))).status, 200);
  await next.stop();
  assertEquals(await Deno.lstat(path).then(() => true, () => false), false);
});

Deno.test("a file that is no socket is never replaced", async () => {
  const end = await runPollux({
    yaml: 'listen: "unix:static/a.txt"\nroot: ./static\n',
    files: FILES,
  });
  assertEquals(end.code, 1, end.stderr);
  assertMatch(end.stderr, /a\.txt: there is a file of that name, which is not a socket/);
});

Deno.test("SIGHUP puts new routes in force, and keeps the old ones where the file has a fault", async (t) => {
  const yaml = (text: string, more = "") =>
    `listen: [127.0.0.1:0, "unix:p.sock"]\nroutes:\n  - { path: /, respond: ${text} }\n` +
    `  - { path: /cgi-bin/, cgi: ./cgi-bin }\n${more}`;
  await using server = await TestServer.start({ yaml: yaml("old"), files: FILES });
  const file = join(server.dir, "pollux.yaml");
  const path = join(server.dir, "p.sock");
  const reload = async (text: string, line: RegExp) => {
    const before = server.stderr.length;
    await Deno.writeTextFile(file, text);
    server.kill("SIGHUP");
    await eventually(String(line), () => line.test(server.stderr.slice(before)));
  };
  /** The answer on a new connection; one in the queue of a socket that closes may be lost. */
  const answer = async (request: string): Promise<string> => {
    for (;;) {
      try {
        return textOf(await ask(server, request));
      } catch (error) {
        if (!isReset(error)) throw error;
      }
    }
  };
  using kept = await server.connect();
  await kept.send(get("/"));
  assertEquals(textOf(await kept.readResponse()), "old");
  using busy = await server.connect();
  await busy.send(post("/cgi-bin/wait.sh", "end\n").slice(0, -4));
  await busy.readUntil("begun\n");

  await t.step("new routes, the same addresses", async () => {
    await reload(yaml("new"), /reloaded the configuration/);
    assertEquals(await answer(get("/")), "new");
    assertEquals(textOf(await askUnix(path, get("/"))), "new");
  });
  await t.step("another folder, so other permissions", async () => {
    await Deno.mkdir(join(server.dir, "more"));
    await Deno.writeTextFile(join(server.dir, "more/b.txt"), "more");
    await reload(yaml("newer", "  - { path: /more/, files: ./more }\n"), /reloaded the configuration/);
    assertEquals([await answer(get("/")), await answer(get("/more/b.txt"))], ["newer", "more"]);
    assertEquals(textOf(await askUnix(path, get("/more/b.txt"))), "more");
  });
  await t.step("a fault is named, and nothing changes", async () => {
    await reload("listen: 127.0.0.1:0\nrouts: []\n", /not reloaded: pollux\.yaml:2:1: routs: .*routes/);
    await reload("listen: [\n", /not reloaded: pollux\.yaml:/);
    assertEquals(await answer(get("/")), "newer");
  });
  await t.step("a request under way is finished", async () => {
    await busy.send("end\n");
    await busy.readUntil("end\n");
  });
  await t.step("rules come and go", async () => {
    await reload(
      yaml("x").replace("respond: x", "respond: x, deny: 127.0.0.1"),
      /reloaded the configuration/,
    );
    assertEquals((await ask(server, get("/"))).status, 403);
    await reload(yaml("x").replace("respond: x", "respond: x, rate: { requests: 1, per: 1h }"), /reloaded/);
    assertEquals([(await ask(server, get("/"))).status, (await ask(server, get("/"))).status], [200, 429]);
    await Deno.writeTextFile(join(server.dir, "htpasswd"), "carol:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n");
    await reload(yaml("x").replace("respond: x", "respond: x, auth: { basic: htpasswd }"), /reloaded/);
    assertEquals((await ask(server, get("/"))).status, 401);
    assertEquals(await answer(get("/", "Authorization: Basic Y2Fyb2w6cGFzc3dvcmQ=")), "x");
  });
  await t.step("a socket that is not wanted any more is gone", async () => {
    await reload(yaml("last").replace(', "unix:p.sock"', ""), /reloaded the configuration/);
    assertEquals(await answer(get("/")), "last");
    assertEquals(await Deno.lstat(path).then(() => true, () => false), false);
  });
  assertNotMatch(server.stderr, /bug/);
});

Deno.test("a reload that fails keeps the logs that are open, also where their folder is gone", async () => {
  const yaml = (log: string, address: string) =>
    `listen: [127.0.0.1:0${address}]\nlog: { access: ${log} }\nroutes: [{ path: /, respond: text }]\n`;
  await using server = await TestServer.start({
    yaml: yaml("logs/a.log", ""),
    files: { ...FILES, "logs/x": "" },
  });
  await Deno.remove(join(server.dir, "logs"), { recursive: true });
  await Deno.writeTextFile(join(server.dir, "pollux.yaml"), yaml("stdout", ', "unix:static/a.txt"'));
  server.kill("SIGHUP");
  await server.stderrMatch(/not reloaded: .*which is not a socket/);
  await Deno.writeTextFile(join(server.dir, "pollux.yaml"), yaml("other.log", ""));
  server.kill("SIGHUP");
  await server.stderrMatch(/ reloaded the configuration/);
  assertEquals(textOf(await ask(server, get("/"))), "text");
  await eventually("a line in the new log", async () => {
    return (await Deno.readTextFile(join(server.dir, "other.log"))).includes('"GET / HTTP/1.1" 200');
  });
});

Deno.test("1,000 sites and 10,000 routes start and answer", async () => {
  const sites = Array.from({ length: 1000 }, (_, i) => {
    const routes = Array.from({ length: 10 }, (_, j) => `{ path: /r${j}/, respond: "${i} ${j}" }`);
    return `  - { host: s${i}.example, routes: [${routes.join(", ")}] }\n`;
  });
  await using server = await TestServer.start({ yaml: `listen: 127.0.0.1:0\nsites:\n${sites.join("")}` });
  using client = await server.connect();
  for (const i of [0, 1, 499, 999]) {
    for (const j of [0, 9]) {
      await client.send(to(`s${i}.example`, `/r${j}/x`));
      assertEquals(textOf(await client.readResponse()), `${i} ${j}`);
    }
  }
});
