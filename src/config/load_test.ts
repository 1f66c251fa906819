import { assert, assertEquals } from "@std/assert";
import { type ConfigFlags, loadConfig, type LoadResult, NO_FLAGS } from "./load.ts";
import type { Config, Route } from "./config.ts";
import { formatFault } from "./fault.ts";

/** A folder with what configurations name. */
async function withFolder(fn: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "pollux-test-" }));
  try {
    for (const name of ["static", "other", "cgi-bin"]) await Deno.mkdir(`${folder}/${name}`);
    await Deno.writeTextFile(`${folder}/cgi-bin/hello.sh`, "#!/bin/sh\n", { mode: 0o755 });
    await Deno.writeTextFile(`${folder}/htpasswd`, "a:b\n");
    await Deno.writeTextFile(`${folder}/cert.pem`, "");
    await Deno.writeTextFile(`${folder}/key.pem`, "");
    await fn(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function load(
  folder: string,
  yaml: string | null,
  flags: Partial<ConfigFlags> = {},
): Promise<LoadResult> {
  if (yaml !== null) await Deno.writeTextFile(`${folder}/pollux.yaml`, yaml);
  return await loadConfig({
    file: null,
    flags: { ...NO_FLAGS, ...flags },
    env: { get: () => undefined },
    cwd: folder,
    places: true,
  });
}

async function configOf(
  folder: string,
  yaml: string | null,
  flags: Partial<ConfigFlags> = {},
): Promise<Config> {
  const result = await load(folder, yaml, flags);
  if ("faults" in result) throw new Error(result.faults.map(formatFault).join("\n"));
  return result.config;
}

/** Every fault as it is shown, with FOLDER for the folder. */
async function faultsOf(
  folder: string,
  yaml: string | null,
  flags: Partial<ConfigFlags> = {},
): Promise<string[]> {
  const result = await load(folder, yaml, flags);
  return "faults" in result
    ? result.faults.map((fault) => formatFault(fault).replaceAll(folder, "FOLDER"))
    : [];
}

function routeAt(config: Config, path: string): Route {
  const route = config.sites[0].routes.find((route) => route.path === path);
  assert(route !== undefined, path);
  return route;
}

Deno.test("loadConfig() without a file serves static and cgi-bin", () =>
  withFolder(async (folder) => {
    const config = await configOf(folder, null);
    assertEquals(config.file, null);
    assertEquals(config.listen.map((one) => one.text), ["127.0.0.1:8080"]);
    assertEquals(config.sites[0].routes.map((route) => [route.path, route.handler.kind]), [
      ["/", "files"],
      ["/cgi-bin/", "cgi"],
    ]);
    assertEquals(config.sites[0].root, `${folder}/static`);
    assert(Object.isFrozen(config) && Object.isFrozen(config.sites[0].routes));
    assertEquals(structuredClone(config), config);
  }));

Deno.test("loadConfig() without a file or folders says that there is nothing to serve", () =>
  withFolder(async (folder) => {
    await Deno.remove(`${folder}/static`);
    await Deno.remove(`${folder}/cgi-bin`, { recursive: true });
    assertEquals(await faultsOf(folder, null), [
      "there is nothing to serve: no pollux.yaml, no folder static and no folder cgi-bin in FOLDER; " +
      "name a folder (pollux DIR), or make a site with pollux init",
    ]);
  }));

Deno.test("a ROOT that is a script takes every path", () =>
  withFolder(async (folder) => {
    const config = await configOf(folder, null, { root: "cgi-bin/hello.sh" });
    assertEquals(config.sites[0].root, `${folder}/cgi-bin`);
    const { handler } = routeAt(config, "/");
    assert(handler.kind === "cgi");
    assertEquals([handler.target, handler.isFolder], [`${folder}/cgi-bin/hello.sh`, false]);
  }));

Deno.test("flags beat the file", () =>
  withFolder(async (folder) => {
    const yaml = "listen: :1\nroot: static\nworkers: 3\nlog: { format: json }\nroutes:\n" +
      "  - { path: /cgi-bin/, cgi: cgi-bin }\n";
    const config = await configOf(folder, yaml, {
      listen: ["127.0.0.1:9", "unix:s"],
      root: "other",
      cgiBin: "other",
      workers: "2",
      logFormat: "common",
      dev: true,
    });
    assertEquals(config.listen.map((one) => one.text), ["127.0.0.1:9", `unix:${folder}/s`]);
    assertEquals(config.sites[0].root, `${folder}/other`);
    const files = routeAt(config, "/").handler;
    const cgi = routeAt(config, "/cgi-bin/").handler;
    assertEquals(files.kind === "files" && files.dir, `${folder}/other`);
    assertEquals(cgi.kind === "cgi" && cgi.target, `${folder}/other`);
    assertEquals([config.workers, config.log.format, config.dev], [2, "common", true]);
  }));

Deno.test("each wrong flag is a fault of its own", () =>
  withFolder(async (folder) => {
    const flags = {
      listen: ["nowhere", ":80", ":80"],
      root: "nope",
      cgiBin: "nope",
      workers: "0",
      logFormat: "combind",
      dev: true,
    };
    assertEquals(await faultsOf(folder, null, flags), [
      '--listen: "nowhere" has no port: write nowhere:8080',
      "--listen :80: [::]:80 is given twice: give it once",
      "--root: there is no folder FOLDER/nope",
      "--cgi-bin: there is no folder or program FOLDER/nope",
      "--dev: [::]:80 can be reached from other machines, and --dev shows them what scripts print: listen on 127.0.0.1",
      '--workers: "0" is too small: at least 1',
      '--log-format: "combind" is not known here: write combined, common or json',
    ]);
    assertEquals(
      await faultsOf(folder, "sites: [{ root: static }, { host: b, root: other }]\n", { root: "static" }),
      [
        "--root: goes with one site, and the configuration has several: change the file instead",
      ],
    );
  }));

Deno.test("loadConfig() fills in every default", () =>
  withFolder(async (folder) => {
    const config = await configOf(folder, "root: static\n");
    assertEquals(config.limits, {
      requestLineBytes: 8192,
      headerBytes: 32768,
      headerCount: 100,
      bodyBytes: 64 * 2 ** 20,
      connections: 10000,
      connectionsPerIp: Infinity,
      minRate: 100,
      requestsPerConnection: Infinity,
    });
    assertEquals(config.timeouts, {
      headerMs: 10_000,
      bodyMs: 30_000,
      keepAliveMs: 60_000,
      writeMs: 30_000,
      shutdownMs: 30_000,
    });
    assertEquals(config.log, { access: "stdout", format: "combined", error: "stderr", level: "info" });
    assertEquals([config.workers, config.temp, config.trustedProxies], [1, "/tmp", []]);
    assertEquals(config.cgi, {
      timeoutMs: 30_000,
      runLimitMs: 3_600_000,
      headBytes: 65_536,
      nice: 0,
      clientGoneMs: 1000,
      killGraceMs: 0,
      maxProcesses: 32,
      queue: 256,
      queueTimeoutMs: 10_000,
      interpreters: {
        ".py": ["python3"],
        ".pl": ["perl"],
        ".sh": ["sh"],
        ".php": ["php-cgi"],
        ".rb": ["ruby"],
        ".cgi": "shebang",
      },
      programs: ["python3", "perl", "sh", "bash", "ruby", "php-cgi", "node", "deno", "awk"],
      env: {},
      passEnv: ["PATH", "LANG", "LC_ALL", "TZ"],
      passAuthorization: false,
    });
  }));

Deno.test("cgi settings go from the top over the site to the route: maps are joined, lists replaced", () =>
  withFolder(async (folder) => {
    const config = await configOf(
      folder,
      `cgi: { timeout: 1s, queue: 5, env: { A: top, B: top }, interpreters: { .lua: bin/lua, .rb: off } }
sites:
  - cgi: { timeout: 2s, env: { B: site, C: site }, programs: [awk] }
    routes:
      - { path: /a/, cgi: cgi-bin }
      - { path: /b/, cgi: cgi-bin, timeout: off, env: { C: route }, interpreters: { .py: [python3, -I] } }
`,
    );
    const run = (path: string) => {
      const { handler } = routeAt(config, path);
      assert(handler.kind === "cgi");
      return handler.run.settings;
    };
    assertEquals([config.cgi.timeoutMs, config.cgi.env], [1000, { A: "top", B: "top" }]);
    assertEquals([run("/a/").timeoutMs, run("/a/").queue], [2000, 5]);
    assertEquals(run("/a/").env, { A: "top", B: "site", C: "site" });
    assertEquals(run("/a/").programs, ["awk"]);
    assertEquals(run("/b/").timeoutMs, Infinity);
    assertEquals(run("/b/").env, { A: "top", B: "site", C: "route" });
    assertEquals(run("/b/").interpreters, {
      ".py": ["python3", "-I"],
      ".pl": ["perl"],
      ".sh": ["sh"],
      ".php": ["php-cgi"],
      ".cgi": "shebang",
      ".lua": [`${folder}/bin/lua`],
    });
  }));

Deno.test("paths count from the file's own folder, and are absolute", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/etc`);
    await Deno.writeTextFile(
      `${folder}/etc/p.yaml`,
      "root: ../static\ntemp: ../other\nlog: { access: a.log }\nroutes: [{ path: /x, cgi: ../cgi-bin/hello.sh }]\n",
    );
    const result = await loadConfig({ file: "etc/p.yaml", env: { get: () => undefined }, cwd: folder });
    assert("config" in result);
    assertEquals(result.config.file, `${folder}/etc/p.yaml`);
    assertEquals(result.config.sites[0].root, `${folder}/static`);
    assertEquals([result.config.temp, result.config.log.access], [`${folder}/other`, `${folder}/etc/a.log`]);
    assertEquals(result.config.secrets, [`${folder}/etc/p.yaml`]);
    assertEquals(routeAt(result.config, "/x").handler.kind, "cgi");
  }));

Deno.test("off and false mean the same, quoted or not", () =>
  withFolder(async (folder) => {
    for (const off of ["off", "false", "'off'", '"false"']) {
      const config = await configOf(
        folder,
        `root: static\nlimits: { body: ${off}, min_rate: ${off} }\ntimeouts: { keep_alive: ${off} }\n` +
          `log: { access: ${off} }\ncgi: { pass_authorization: ${off} }\n`,
      );
      assertEquals([config.limits.bodyBytes, config.limits.minRate], [Infinity, 0], off);
      assertEquals([config.timeouts.keepAliveMs, config.log.access], [Infinity, "off"], off);
      assertEquals(config.cgi.passAuthorization, false, off);
    }
  }));

Deno.test("a folder's route ends with a slash, a program's stays as it is written", () =>
  withFolder(async (folder) => {
    const config = await configOf(
      folder,
      `routes:
  - { path: /img, files: static }
  - { path: /cgi, cgi: cgi-bin }
  - { path: /app, cgi: cgi-bin/hello.sh }
  - { path: /git/, cgi: cgi-bin/hello.sh }
  - { path: /old, redirect: /new }
`,
    );
    assertEquals(config.sites[0].routes.map((route) => route.path), [
      "/img/",
      "/cgi/",
      "/app",
      "/git/",
      "/old",
    ]);
    assertEquals(config.sites[0].routes.map((route) => route.id), [0, 1, 2, 3, 4]);
  }));

Deno.test("root is a route at /, unless / has one of its own", () =>
  withFolder(async (folder) => {
    const short = await configOf(folder, "root: static\nroutes: [{ path: /a/, files: other }]\n");
    assertEquals(short.sites[0].routes.map((route) => route.path), ["/a/", "/"]);
    const own = await configOf(folder, "root: other\nroutes: [{ path: /, files: static }]\n");
    assertEquals([own.sites[0].root, own.sites[0].routes.length], [`${folder}/other`, 1]);
    const none = await configOf(folder, "routes: [{ path: /, files: other }]\n");
    assertEquals(none.sites[0].root, `${folder}/other`);
  }));

Deno.test("sites share an address, or have their own", () =>
  withFolder(async (folder) => {
    const config = await configOf(
      folder,
      `listen: [":1", "[::1]:2"]
sites:
  - { root: static }
  - { host: [B.example, "*.b.example"], root: static, listen: 127.0.0.1:3 }
  - { host: c.example, root: other, listen: [":1", "unix:s"] }
`,
    );
    assertEquals(config.listen.map((one) => one.text), [
      "[::]:1",
      "[::1]:2",
      "127.0.0.1:3",
      `unix:${folder}/s`,
    ]);
    assertEquals(config.sites.map((site) => site.listen), [[0, 1], [2], [0, 3]]);
    assertEquals(config.sites[1].hosts, ["b.example", "*.b.example"]);
    assertEquals(config.listen[2].place, { line: 4, column: 63 });
  }));

Deno.test("addresses of the top level are left out where every site has its own", () =>
  withFolder(async (folder) => {
    const config = await configOf(folder, "sites: [{ root: static, listen: :5 }]\n");
    assertEquals(config.listen.map((one) => one.text), ["[::]:5"]);
  }));

Deno.test("every modifier and handler arrives in base units", () =>
  withFolder(async (folder) => {
    const config = await configOf(
      folder,
      `listen: [{ address: ":443", tls: { cert: cert.pem, key: key.pem } }, { address: ":444", proxy_protocol: true }]
headers: { X-A: [a, b] }
error_pages: { 404: /404.html }
routes:
  - path: /a/
    files: static
    methods: [GET, PUT]
    auth: { basic: htpasswd, methods: [PUT] }
    allow: 10.0.0.0/8
    deny: [10.0.0.1]
    rate: { requests: 10, per: 1m }
    headers: { X-B: c }
    body_limit: 1KiB
    compress: off
  - path: /b
    cgi: cgi-bin/hello.sh
    args: [x]
    cwd: other
    user: www-data
    umask: "022"
    limits: { cpu: 10s, memory: 512MiB, files: 64, processes: 32 }
    output: plain
    headers: { content-type: text/csv }
    sendfile: other
    warm: python
    preload: [json]
    cache: { max_age: 5s }
  - { path: /c, fastcgi: ["127.0.0.1:9000", "unix:f.sock"] }
  - { path: /d, respond: "", status: 204 }
  - { path: /e, redirect: "https://example.org{path}", status: 301 }
  - { path: /f, status: true }
`,
    );
    const tls = { cert: `${folder}/cert.pem`, key: `${folder}/key.pem` };
    assertEquals(config.listen.map((listen) => listen.tls), [tls, null]);
    assertEquals(config.listen.map((listen) => listen.proxyProtocol), [false, true]);
    assertEquals(
      [...config.secrets].sort(),
      ["htpasswd", "key.pem", "pollux.yaml"].map((name) => `${folder}/${name}`),
    );
    const [site] = config.sites;
    assertEquals([site.headers, site.errorPages], [[["X-A", "a"], ["X-A", "b"]], { 404: "/404.html" }]);
    const a = routeAt(config, "/a/");
    assertEquals(a.auth, { file: `${folder}/htpasswd`, realm: "Restricted", methods: ["PUT"] });
    assertEquals([a.allow, a.deny, a.rate], [["10.0.0.0/8"], ["10.0.0.1"], {
      requests: 10,
      perMs: 60_000,
      burst: 10,
    }]);
    assertEquals([a.bodyLimitBytes, a.compress, a.headers], [1024, false, [["X-B", "c"]]]);
    const b = routeAt(config, "/b");
    assert(b.handler.kind === "cgi");
    assertEquals([b.cache, b.compress], [{ maxAgeMs: 5000, sizeBytes: 64 * 2 ** 20 }, false]);
    const { settings: _settings, ...run } = b.handler.run;
    assertEquals(run, {
      args: ["x"],
      cwd: `${folder}/other`,
      user: "www-data",
      group: null,
      umask: 0o22,
      limits: { cpuSeconds: 10, memoryBytes: 512 * 2 ** 20, files: 64, processes: 32 },
      output: "plain",
      contentType: "text/csv",
      sendfile: [`${folder}/other`],
      body: "auto",
      warm: "python",
      preload: ["json"],
    });
    const c = routeAt(config, "/c").handler;
    assertEquals(c.kind === "fastcgi" && c.addresses, [
      { transport: "tcp", hostname: "127.0.0.1", port: 9000 },
      { transport: "unix", path: `${folder}/f.sock` },
    ]);
    assertEquals(routeAt(config, "/e").handler, {
      kind: "redirect",
      target: "https://example.org{path}",
      status: 301,
    });
    assertEquals(routeAt(config, "/f").handler, { kind: "status" });
  }));

/** A configuration and every fault in it. */
const FAULTS: readonly (readonly [yaml: string, faults: readonly string[]])[] = [
  ["just text\n", [
    '1:1: is "just text", where a block is wanted: listen, workers, temp, trusted_proxies, ...',
  ]],
  ["- a\n", ["1:1: is a list, where a block is wanted: listen, workers, temp, trusted_proxies, ..."]],
  ["a: [1\n", ["2:1: the file ends within [ ] or { }: a closing bracket is missing"]],
  ["listen: [a, b\nroot: static\n", [
    "2:1: a comma or a closing bracket is missing before this, or quotes around a text that has one",
  ]],
  ["root: static\nlisten:\n", ["2:1: listen: has no value: write an address"]],
  ["root: static\nlisten: []\n", ["2:9: listen: is empty: name an address, such as 127.0.0.1:8080"]],
  ["root: static\nlisen: 80\n", ["2:1: lisen: no such key; did you mean listen?"]],
  ["root: static\nlog: { acess: off }\n", ["2:8: log.acess: no such key; did you mean access?"]],
  ["root: static\ntimeout: 1s\n", ["2:1: timeout: belongs under cgi, or into a cgi route"]],
  ["root: static\nmethods: [GET]\n", ["2:1: methods: belongs into a route: write it under routes"]],
  ["root: static\nlist: true\n", ["2:1: list: belongs into a files route: write it under routes"]],
  ["sites: [{ root: static, workers: 2 }]\n", [
    "1:25: sites[0].workers: belongs to the top level: it holds for the whole server",
  ]],
  ["root: static\n<<: { a: b }\n", ['2:1: ["<<"]: YAML 1.2 has no merge keys: write the keys out']],
  ["root: static\nlog: off\n", ['2:6: log: is "off", where a block is wanted: access, format, error, level']],
  ["root: static\nlog: { access: nope/a.log, error: stdout }\n", [
    "2:16: log.access: there is no folder FOLDER/nope for the log: make it first",
    "2:35: log.error: the error log goes to stderr or to a file, never to stdout",
  ]],
  ["root: static\nworkers: many\n", ['2:10: workers: "many" is not a whole number in plain digits']],
  ["root: static\nworkers: [1]\n", ["2:10: workers: is a list: write a number or auto"]],
  ["root: static\nlimits: { body: 1MB, header_count: 010 }\n", [
    '2:17: limits.body: "1MB" is not a size: write 1MiB',
    '2:36: limits.header_count: "010" is not a whole number in plain digits; write 10, without the leading zero',
  ]],
  ["root: static\ntimeouts: { header: 0s, shutdown: 30 }\n", [
    '2:21: timeouts.header: "0s" is too small: at least 1ms, or off',
    '2:35: timeouts.shutdown: "30" is not a duration: the unit is missing; write 30s or 30ms',
  ]],
  ["root: static\ncgi: { kill_grace: off, nice: 20 }\n", [
    "2:20: cgi.kill_grace: cannot be off: write 500ms, 30s, 5m or 1h",
    '2:31: cgi.nice: "20" is too large: at most 19',
  ]],
  ["root: static\ncgi: { interpreters: { py: python3, .pl: perl -T, .x: [] } }\n", [
    '2:24: cgi.interpreters.py: "py": an extension has its dot; write .py',
    '2:42: cgi.interpreters[".pl"]: "perl -T": arguments want a list; write [perl, -T]',
    '2:55: cgi.interpreters[".x"]: is empty: write [python3, -I]',
  ]],
  ["root: static\ncgi: { env: { HTTP_PROXY: x, query_string: y, A-B: z }, pass_env: [REMOTE_USER] }\n", [
    '2:15: cgi.env.HTTP_PROXY: "HTTP_PROXY" is a meta-variable: the request decides it, no configuration',
    '2:30: cgi.env.query_string: "query_string" is a meta-variable: the request decides it, no configuration',
    `2:47: cgi.env.A-B: "A-B" is not a variable's name: letters, digits and _, no digit in front`,
    '2:68: cgi.pass_env[0]: "REMOTE_USER" is a meta-variable: the request decides it, no configuration',
  ]],
  ["root: static\nlisten:\n  - :80\n  - 127.0.0.1:81\n  - '*:80'\n", [
    "5:5: listen[2]: [::]:80 stands twice, in line 3 and in line 5: keep one",
  ]],
  ["root: static\nlisten: [{ address: ':443', tls: { cert: nope.pem } }, { mode: '0660' }]\n", [
    "2:34: listen[0].tls: has no key: add the private key's file",
    "2:56: listen[1]: has no address: add address: 127.0.0.1:8080",
  ]],
  ["root: static\nlisten: { address: ':443', tls: { cert: nope.pem, key: key.pem }, mode: '0660' }\n", [
    "2:41: listen.tls.cert: there is no file FOLDER/nope.pem",
    "2:67: listen.mode: is for unix sockets: take it out",
  ]],
  ["root: static\nlisten: unix:nope/s\n", [
    "2:9: listen: there is no folder FOLDER/nope for the socket s: make it first",
  ]],
  [
    "listen: :1\nsites:\n  - { root: static }\n  - { host: b, root: static, listen: { address: ':1', proxy_protocol: true } }\n",
    [
      "4:38: sites[1].listen: [::]:1 has other settings in line 1: make them the same",
    ],
  ],
  ["root: static\ntrusted_proxies: [10.0.0.0/33]\n", [
    '2:19: trusted_proxies[0]: "10.0.0.0/33": what follows the slash is a number of bits from 0 to 32',
  ]],
  ["root: static\ntemp: nope\n", ["2:7: temp: there is no folder FOLDER/nope"]],
  ["root: nope\n", ["1:7: root: there is no folder FOLDER/nope"]],
  ["root: ~/site\n", ['1:7: root: "~/site": ~ is not expanded here; write the whole path']],
  ["root: htpasswd\n", [
    "1:7: root: FOLDER/htpasswd is no folder: for one script write a route { path: /, cgi: PROGRAM }",
  ]],
  ["root: static\nhost: [a:80, '*', www.*, a b]\n", [
    '2:8: host[0]: "a:80": a host has no port here; write a',
    '2:19: host[2]: "www.*": * stands for the labels in front, as in "*.example.org"',
    '2:26: host[3]: "a b" is not a host name: write example.org or "*.example.org"',
  ]],
  ["root: static\nerror_pages: { 200: /a, 404: b }\n", [
    '2:16: error_pages.200: "200" is not the status of an error: 400 to 599',
    '2:30: error_pages.404: "b": a path of URLs begins with a slash; write /b',
  ]],
  ["root: static\nheaders: { Content-Length: 1, 'a b': c, X: \"a\\nb\" }\n", [
    "2:12: headers.Content-Length: the server itself sets this field",
    '2:31: headers["a b"]: "a b" is not a field name',
    `2:44: headers.X: "a?b": a field's value has no line breaks and no letters beyond Latin-1`,
  ]],
  ["sites: []\n", ["1:8: sites: is empty: write a site, or take the key out"]],
  ["sites: [{ host: a }]\n", ["1:9: sites[0]: has neither root nor routes: add root: ./static"]],
  ["sites: [{ root: static }, { root: other }]\n", [
    "1:27: sites[1]: has no host, and neither has the site in line 1: one site is the default; add host: example.org",
  ]],
  ["sites:\n  - { host: [a, a], root: static }\n  - { host: A, root: static }\n", [
    "2:17: sites[0].host[1]: a stands twice: keep one",
    "3:13: sites[1].host: a is a host of the site in line 2 too: keep one",
  ]],
  ["root: static\nsites: [{ root: static }]\n", [
    "1:1: root: stands at the top level beside sites: move it into a site",
  ]],
  ["routes: [{ path: / }]\n", [
    "1:10: routes[0]: has no handler: add one of files, cgi, fastcgi, scgi, redirect, respond, status",
  ]],
  ["routes: [{ path: /, respnd: hello, methds: [GET] }]\n", [
    "1:10: routes[0]: has no handler: add one of files, cgi, fastcgi, scgi, redirect, respond, status",
    "1:21: routes[0].respnd: no such key; did you mean respond?",
    "1:36: routes[0].methds: no such key; did you mean methods?",
  ]],
  ["root: static\nroutes: [{ path: /a, files: static, error_pages: {}, host: a, workers: 2 }]\n", [
    "2:37: routes[0].error_pages: belongs to the site: write it beside routes",
    "2:54: routes[0].host: belongs to the site: write it beside routes",
    "2:63: routes[0].workers: belongs to the top level: it holds for the whole server",
  ]],
  ["root: static\nport: 80\nserver_name: a\nssl: {}\n", [
    "2:1: port: no such key; did you mean listen?",
    "3:1: server_name: no such key; did you mean host?",
    '4:1: ssl: belongs to an address: listen: { address: ":443", tls: { cert: FILE, key: FILE } }',
  ]],
  ["routes:\n  - { location: /, alias: static }\n", [
    "2:5: routes[0]: has no handler: add one of files, cgi, fastcgi, scgi, redirect, respond, status",
    "2:7: routes[0].location: no such key; did you mean path?",
    "2:20: routes[0].alias: no such key; did you mean files?",
  ]],
  ["routes: [{ path: ^/a/.*$, files: static }, { path: '~ \\.php$', files: static }]\n", [
    '1:18: routes[0].path: "^/a/.*$": a route takes all that is below its path; write /a/',
    '1:52: routes[1].path: "~ \\.php$": a route takes all that is below its path; write /',
  ]],
  ["routes: [{ path: /, files: static, cgi: cgi-bin }]\n", [
    "1:10: routes[0]: has 2 handlers, files and cgi: a route has one; make another route",
  ]],
  ["routes: [a]\n", [
    "1:10: routes[0]: is no route: write a block with path and one of files, cgi, fastcgi, scgi, redirect, respond, status",
  ]],
  ["routes: [{ files: static }]\n", ["1:10: routes[0]: has no path: add path: /"]],
  [
    "routes: [{ path: a, files: static }, { path: /a/*, files: static }, { path: /a//b, files: static }, " +
    "{ path: /../a, files: static }, { path: /%41, files: static }, { path: '/?a', files: static }]\n",
    [
      '1:18: routes[0].path: "a": a path of URLs begins with a slash; write /a',
      '1:46: routes[1].path: "/a/*": a route takes all that is below its path; write /a/',
      '1:77: routes[2].path: "/a//b": a slash stands twice; write /a/b',
      '1:109: routes[3].path: "/../a": a path has no . or .. segments',
      '1:141: routes[4].path: "/%41": write the path decoded, without %',
      '1:172: routes[5].path: "/?a": a path has no query and no fragment',
    ],
  ],
  ["routes:\n  - { path: /a, files: static }\n  - { path: /a/, files: other }\n", [
    "3:13: routes[1].path: /a/ has a route already, in line 2: keep one",
  ]],
  ["routes: [{ path: /a, files: nope }, { path: /b, cgi: nope }, { path: /c, files: htpasswd }]\n", [
    "1:29: routes[0].files: there is no folder FOLDER/nope",
    "1:54: routes[1].cgi: there is no folder or program FOLDER/nope",
    "1:81: routes[2].files: FOLDER/htpasswd is no folder: a files route serves a folder",
  ]],
  ["routes: [{ path: /, cgi: cgi-bin, args: [a] }, { path: /b, cgi: cgi-bin/hello.sh, index: [a] }]\n", [
    "1:35: routes[0].args: is for one program, and FOLDER/cgi-bin is a folder",
    "1:83: routes[1].index: is for a folder, and FOLDER/cgi-bin/hello.sh is one program",
  ]],
  ["routes: [{ path: /, files: static, timeout: 1s, args: [a], timout: 1s }]\n", [
    "1:36: routes[0].timeout: is for scripts: add scripts, such as scripts: [.php]",
    "1:49: routes[0].args: belongs to a cgi route, not to files",
    "1:60: routes[0].timout: no such key; did you mean timeout?",
  ]],
  ["routes: [{ path: /, cgi: cgi-bin, cwd: nope, sendfile: [nope] }]\n", [
    "1:40: routes[0].cwd: there is no folder FOLDER/nope",
    "1:57: routes[0].sendfile[0]: there is no folder FOLDER/nope",
  ]],
  ["routes: [{ path: /, files: static, methods: [get, GETT, 'GET, POST'] }]\n", [
    '1:46: routes[0].methods[0]: "get": methods are written in capitals; write GET',
    '1:51: routes[0].methods[1]: "GETT" is not a registered method: write GET, HEAD, POST, PUT, PATCH or DELETE',
    '1:57: routes[0].methods[2]: "GET, POST": several methods want a list; write [GET, POST]',
  ]],
  ["routes: [{ path: /, files: static, methods: [] }]\n", [
    "1:45: routes[0].methods: is empty: nothing would be allowed; name one",
  ]],
  [
    "routes: [{ path: /, files: static, auth: { basic: nope } }, { path: /b, files: static, auth: { realm: a } }]\n",
    [
      "1:51: routes[0].auth.basic: there is no file FOLDER/nope: make one with htpasswd -cB",
      "1:94: routes[1].auth: has no basic: add basic: htpasswd, the file of users and passwords",
    ],
  ],
  ["routes: [{ path: /, files: static, rate: { burst: 2 }, cache: { max_age: 1s } }]\n", [
    "1:42: routes[0].rate: has no requests: write { requests: 10, per: 1s, burst: 20 }",
    "1:56: routes[0].cache: is for cgi, fastcgi and scgi routes",
  ]],
  ["routes: [{ path: /, redirect: 'a', status: 303 }, { path: /b, redirect: '/{pth}', status: 304 }]\n", [
    '1:31: routes[0].redirect: "a": a target begins with a slash or a scheme, such as https://example.org{path}',
    '1:73: routes[1].redirect: "/{pth}": "{pth}" means nothing here; there are {path} and {query}',
    '1:91: routes[1].status: "304" is not known here: write 301, 302, 303, 307 or 308',
  ]],
  ["routes: [{ path: /, respond: a, status: 204 }, { path: /b, status: false }, { path: /c, respond: }]\n", [
    '1:30: routes[0].respond: an answer with status 204 has no content: write respond: ""',
    "1:68: routes[1].status: only true means something here; leave the route out instead",
    "1:89: routes[2].respond: has no value: write a text",
  ]],
  ["routes: [{ path: /, fastcgi: [] }, { path: /b, scgi: ':1' }]\n", [
    "1:30: routes[0].fastcgi: has no address: write 127.0.0.1:9000 or unix:/run/app.sock",
    '1:54: routes[1].scgi: ":1" names no host: write 127.0.0.1:1 or unix:/run/app.sock',
  ]],
];

Deno.test("every kind of fault is told with its place, its key and what would be right", () =>
  withFolder(async (folder) => {
    for (const [yaml, expected] of FAULTS) {
      assertEquals(await faultsOf(folder, yaml), expected.map((line) => `pollux.yaml:${line}`), yaml);
    }
  }));

Deno.test("a file that cannot be read says why", () =>
  withFolder(async (folder) => {
    const said = async (file: string) => {
      const result = await loadConfig({ file, env: { get: () => undefined }, cwd: folder });
      return "faults" in result ? result.faults.map(formatFault) : [];
    };
    assertEquals(await said("nope.yaml"), ["nope.yaml: there is no such file: make one with pollux init"]);
    assertEquals(await said("static"), ["static: is a folder: name a file"]);
    await Deno.writeFile(`${folder}/large.yaml`, new Uint8Array(8 * 2 ** 20 + 1));
    assertEquals(await said("large.yaml"), ["large.yaml: is larger than 8 MiB: that is no configuration"]);
  }));

Deno.test("faults of text and of meaning are told in one run, each at its own number", () =>
  withFolder(async (folder) => {
    const yaml = `limits: { body: 1MB }
routes:
  - { path: x, files: static }
  - { path: /b, files: nope }
  - { path: /c, filez: static }
  - { path: /d, cgi: nope }
`;
    assertEquals(await faultsOf(folder, yaml), [
      'pollux.yaml:1:17: limits.body: "1MB" is not a size: write 1MiB',
      'pollux.yaml:3:13: routes[0].path: "x": a path of URLs begins with a slash; write /x',
      "pollux.yaml:4:24: routes[1].files: there is no folder FOLDER/nope",
      "pollux.yaml:5:5: routes[2]: has no handler: add one of files, cgi, fastcgi, scgi, redirect, respond, status",
      "pollux.yaml:5:17: routes[2].filez: no such key; did you mean files?",
      "pollux.yaml:6:22: routes[3].cgi: there is no folder or program FOLDER/nope",
    ]);
  }));

Deno.test("10,000 routes load", () =>
  withFolder(async (folder) => {
    const routes = Array.from({ length: 10_000 }, (_, index) =>
      `  - { path: /r${index}, respond: "${index}" }\n`);
    const config = await configOf(folder, `routes:\n${routes.join("")}`);
    assertEquals(config.sites[0].routes.length, 10_000);
  }));

Deno.test("loadConfig() takes a named file without any key for a mistake, not for a wish", async () => {
  const dir = await Deno.makeTempDir();
  try {
    for (const text of ["", "# nothing yet\n"]) {
      await Deno.writeTextFile(`${dir}/pollux.yaml`, text);
      const read = await loadConfig({ file: `${dir}/pollux.yaml`, flags: NO_FLAGS, env: Deno.env, cwd: dir });
      assert("faults" in read);
      assertEquals(read.faults.map(({ message }) => message), [
        "is empty: say at least what is served, as in `root: ./static`",
      ]);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
