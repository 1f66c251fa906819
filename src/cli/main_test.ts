import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "./commands.ts";
import { SERVE_FLAGS } from "./flags.ts";
import { main } from "./main.ts";
import { samples } from "./samples.ts";
import type { Terminal } from "./terminal.ts";
import { TOP } from "../config/schema.ts";

interface Ran {
  readonly status: number;
  readonly out: string[];
  readonly err: string[];
}

async function run(
  cwd: string,
  args: readonly string[],
  options: { hasColours?: boolean } = {},
): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  const terminal: Terminal = {
    out: (line) => out.push(line.replaceAll(cwd, "FOLDER")),
    err: (line) => err.push(line.replaceAll(cwd, "FOLDER")),
    write: (bytes) => out.push(new TextDecoder().decode(bytes)),
    hasColours: options.hasColours ?? false,
    screen: () => null,
    cwd,
    env: { get: (name) => name === "PATH" ? "/usr/bin:/bin" : undefined },
  };
  return { status: await main(args, terminal), out, err };
}

async function withFolder(fn: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "pollux-test-" }));
  try {
    await fn(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("help fits a screen of 80 columns and 24 lines, and every page has its command and flags", () =>
  withFolder(async (folder) => {
    for (const args of [["--help"], ["-h"], ["help"], ["--dev", "--help"]]) {
      const { status, out, err } = await run(folder, args);
      assertEquals([status, err], [0, []]);
      assert(out.length < 24, `${out.length} lines`);
      for (const line of out) assert(line.length <= 80, line);
      for (const { name } of SERVE_FLAGS) assertStringIncludes(out.join("\n"), `--${name}`);
    }
    for (const { name, summary, flags } of COMMANDS) {
      for (const args of [["help", name], [name, "--help"]]) {
        if (name === "help" && args[1] === "--help") continue;
        const { status, out } = await run(folder, args);
        assertEquals(status, 0, name);
        assertStringIncludes(out[0], summary);
        for (const flag of flags) assertStringIncludes(out.join("\n"), `--${flag.name}`);
        for (const line of out) assert(line.length <= 80, line);
      }
    }
  }));

Deno.test({
  name: "every flag that beats a key of the configuration names a key that exists",
  permissions: "none",
  fn() {
    for (const { key } of SERVE_FLAGS) {
      if (key !== null) assert(Object.hasOwn(TOP, key.split(".")[0]), key);
    }
  },
});

Deno.test("version says its number", () =>
  withFolder(async (folder) => {
    for (const args of [["version"], ["--version"]]) {
      const { status, out } = await run(folder, args);
      assertEquals(status, 0);
      assertMatch(out[0], /^pollux \d+\.\d+\.\d+ \(deno \d+\.\d+\.\d+, [\w-]+\)$/);
    }
  }));

Deno.test("a wrong call is told in two lines, with the nearest right name, and exits with 2", () =>
  withFolder(async (folder) => {
    const cases: [string[], string, string][] = [
      [["chekc"], "chekc is neither a command nor a folder or script; did you mean check?", "help"],
      [["./nope"], "./nope is neither a command nor a folder or script; there is no such path", "help"],
      [["--lisen", ":1"], "--lisen: no such flag; did you mean --listen?", "help serve"],
      [["check", "--confg", "a"], "--confg: no such flag; did you mean --config?", "help check"],
      [["check", "a", "b"], '"b" is one argument too many', "help check"],
      [["check", "a", "--config", "b"], '--config and "a" name the same thing: give one', "help check"],
      [["version", "a"], 'version takes no argument: leave out "a"', "help version"],
      [["explain"], "give a URL path, or --permissions", "help explain"],
      [["explain", "/a", "--permissions"], "--permissions wants no URL path", "help explain"],
      [["explain", "a"], '"a" is no URL path: write /a', "help explain"],
      [["completions", "sh"], "there is no completion for sh; did you mean zsh?", "help completions"],
      [["completions"], "completions wants an argument: pollux completions SHELL", "help completions"],
      [["help", "srve"], "srve is no command; did you mean serve?", "help"],
      [["serve", "a", "--root", "b"], '--root and "a" name the same thing: give one', "help serve"],
    ];
    for (const [args, said, page] of cases) {
      const { status, out, err } = await run(folder, args);
      assertEquals([status, out, err], [2, [], [`pollux: ${said}`, `Try: pollux ${page}`]]);
    }
  }));

Deno.test("serve names every fault of its configuration and exits with 2", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/pollux.yaml`, "root: nope\nlisen: 80\n");
    assertEquals(await run(folder, ["--workers", "0"]), {
      status: 2,
      out: [],
      err: [
        'pollux: --workers: "0" is too small: at least 1',
        "pollux.yaml:1:7: root: there is no folder FOLDER/nope",
        "pollux.yaml:2:1: lisen: no such key; did you mean listen?",
      ],
    });
  }));

Deno.test("colours are for terminals", () =>
  withFolder(async (folder) => {
    const args = ["check", "--config", "nope.yaml"];
    const said = "nope.yaml: there is no such file: make one with pollux init";
    assertEquals((await run(folder, args)).err, [said]);
    assertEquals((await run(folder, args, { hasColours: true })).err, [`\x1b[31m${said}\x1b[0m`]);
  }));

Deno.test("init writes a site that is valid, and never overwrites", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/site/static`, { recursive: true });
    await Deno.writeTextFile(`${folder}/site/static/index.html`, "mine");
    assertEquals(await run(folder, ["init", "site"]), {
      status: 0,
      out: [
        "wrote pollux.yaml",
        "wrote pollux.schema.json",
        "kept  static/index.html",
        "wrote cgi-bin/hello.py",
        "Next: cd site && pollux, then http://127.0.0.1:8080/ and http://127.0.0.1:8080/cgi-bin/hello.py",
      ],
      err: [],
    });
    assertEquals(await Deno.readTextFile(`${folder}/site/static/index.html`), "mine");
    const { status, out } = await run(`${folder}/site`, ["check"]);
    assertEquals([status, out], [0, ["pollux.yaml: valid"]]);
    const again = await run(folder, ["init", "site"]);
    assertEquals([again.status, again.out.filter((line) => line.startsWith("wrote"))], [0, []]);
    const script = await Deno.stat(`${folder}/site/cgi-bin/hello.py`);
    if (Deno.build.os !== "windows") assertEquals((script.mode ?? 0) & 0o111, 0o111);
  }));

Deno.test("init says what keeps it from writing", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/A`, "");
    const { status, err } = await run(folder, ["init", "A"]);
    assertEquals(status, 1);
    assertEquals(err, [
      "pollux: FOLDER/A/pollux.yaml cannot be written: FOLDER/A is a file; name another folder: pollux init DIR",
    ]);
  }));

Deno.test("every key that init comments out is a valid one", () =>
  withFolder(async (folder) => {
    await run(folder, ["init"]);
    // The hash before a key goes, the text behind one stays.
    const all = samples()[0].text.replace(/^( *)# (?=(?: {2})*[a-z_]+:(?: |$))/gm, "$1");
    await Deno.writeTextFile(`${folder}/pollux.yaml`, all);
    const { status, err } = await run(folder, ["check"]);
    assertEquals(err.filter((line) => !line.includes("warning:")), []);
    assertEquals(status, 0);
    for (const key of ["timeout", "max_processes", "interpreters", "body", "access", "workers"]) {
      assertMatch(all, new RegExp(`^ *${key}:`, "m"));
    }
  }));

Deno.test("check says that there is no file, and checks the defaults", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/static`);
    assertEquals(await run(folder, ["check"]), {
      status: 0,
      out: ["no pollux.yaml here; the defaults: valid"],
      err: [],
    });
  }));

Deno.test("check warns of a missing interpreter", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/cgi-bin`);
    const yaml = "routes: [{ path: /, cgi: cgi-bin, interpreters: { .x: no-such-program } }]\n";
    await Deno.writeTextFile(`${folder}/site.yaml`, yaml);
    const { status, err } = await run(folder, ["check", "site.yaml"]);
    assertEquals(status, 0);
    assertStringIncludes(
      err.join("\n"),
      "site.yaml:1:10: warning: routes[0]: no-such-program is not installed, and scripts that end in .x get a 500: " +
        "install it, or name another under interpreters",
    );
  }));

const SITE = `sites:
  - root: static
    routes:
      - { path: /cgi-bin/, cgi: cgi-bin }
      - { path: /old, redirect: /new }
      - { path: /hi, respond: hello }
      - { path: /app, cgi: cgi-bin/run.sh, args: [-v], methods: [GET] }
  - host: other.example
    root: other
`;

async function withSite(fn: (folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    for (const name of ["static/sub", "other", "cgi-bin"]) {
      await Deno.mkdir(`${folder}/${name}`, { recursive: true });
    }
    await Deno.writeTextFile(`${folder}/static/index.html`, "");
    await Deno.writeTextFile(`${folder}/static/a b.txt`, "");
    await Deno.writeTextFile(`${folder}/cgi-bin/run.sh`, "echo\n", { mode: 0o644 });
    await Deno.writeTextFile(`${folder}/cgi-bin/data`, "", { mode: 0o644 });
    await Deno.symlink("../static/a b.txt", `${folder}/cgi-bin/out.sh`);
    await Deno.symlink("gone", `${folder}/cgi-bin/nowhere.sh`);
    await Deno.writeTextFile(`${folder}/pollux.yaml`, SITE);
    await fn(folder);
  });
}

Deno.test("explain shows each decision in its order", () =>
  withSite(async (folder) => {
    const { status, out } = await run(folder, ["explain", "/cgi-bin/run.sh/a%20b?x=1"]);
    const [runs] = out.splice(7, 1);
    assertMatch(runs, /^runs {9}\/.*sh FOLDER\/cgi-bin\/run\.sh$/);
    assertEquals([status, out], [0, [
      "path         /cgi-bin/run.sh/a b",
      "site         the default (pollux.yaml:2)",
      "route        /cgi-bin/ (pollux.yaml:4)",
      "handler      cgi, scripts in FOLDER/cgi-bin",
      "SCRIPT_NAME  /cgi-bin/run.sh",
      "script       FOLDER/cgi-bin/run.sh",
      "PATH_INFO    /a b",
      "timeout      30s, whole run 1h",
      "places       32",
    ]]);
  }));

Deno.test("explain --permissions shows what each loop may do, and the line that asked for it", () =>
  withSite(async (folder) => {
    await Deno.symlink(`${folder}/static`, `${folder}/link`);
    await Deno.writeTextFile(
      `${folder}/pollux.yaml`,
      [
        "listen: 127.0.0.1:8080",
        "routes:",
        "  - path: /",
        "    files: link",
        "    methods: [GET, PUT]",
        "  - path: /cgi-bin/",
        "    cgi: cgi-bin",
        "    auth: { basic: users, realm: r }",
        "    interpreters: { .sh: /bin/sh }",
        "    programs: [/bin/sh]",
        "",
      ].join("\n"),
    );
    await Deno.writeTextFile(`${folder}/users`, "");
    const { status, out } = await run(folder, ["explain", "--permissions"]);
    assertEquals(status, 0);
    const [network, script, passwords, supervisor] = out.join("\n").split("\n\n").map((block) =>
      block.split("\n").slice(1).map((line) => line.trim())
    );
    assertEquals(network.filter((line) => !line.includes("pollux-*")), [
      "net    127.0.0.1:8080  listen (pollux.yaml:1)",
      "read   FOLDER/link  root; route /: files (pollux.yaml:3)",
      "read   FOLDER/cgi-bin  route /cgi-bin/: cgi (pollux.yaml:6)",
      "read   FOLDER/users  route /cgi-bin/: auth (pollux.yaml:6)",
      "read   FOLDER/static  root, where FOLDER/link leads; route /: files, where FOLDER/link leads (pollux.yaml:3)",
      "write  FOLDER/link  route /: methods (pollux.yaml:3)",
      "write  FOLDER/static  route /: methods, where FOLDER/link leads (pollux.yaml:3)",
      "run    nothing",
      "env    nothing",
    ]);
    assert(script.includes("net    nothing") && script.includes("write  nothing"));
    assert(script.some((line) => /^run {4}\/bin\/sh {2}route \/cgi-bin\/: interpreters \.sh/.test(line)));
    assertEquals(passwords, [
      "net    nothing",
      "read   nothing",
      "write  nothing",
      "run    nothing",
      "env    nothing",
    ]);
    assertEquals(supervisor, ["net read write run env: what the program was started with"]);
  }));

Deno.test("explain shows what a script's process is given and held to, where the route says so", () =>
  withSite(async (folder) => {
    await Deno.writeTextFile(
      `${folder}/pollux.yaml`,
      `routes:
  - path: /a/
    cgi: cgi-bin
    user: nobody
    umask: "027"
    nice: 5
    cwd: static
    limits: { cpu: 10s, memory: 512MiB, files: 64, processes: 32 }
    output: plain
    sendfile: [static, other]
  - { path: /b/, cgi: cgi-bin, user: nobody, group: daemon, limits: { files: 8 } }
  - { path: /c/, cgi: cgi-bin, group: daemon }
`,
    );
    const notes = async (url: string) => {
      const { status, out, err } = await run(folder, ["explain", url]);
      assertEquals([status, err], [0, []]);
      return out.slice(10);
    };
    assertEquals(await notes("/a/run.sh"), [
      "runs as      nobody, its own groups",
      "cwd          FOLDER/static",
      "umask        0027",
      "nice         5",
      "limits       cpu 10s, memory 512MiB, files 64, processes 32",
      "output       plain: no header is expected",
      "sendfile     FOLDER/static, FOLDER/other",
    ]);
    assertEquals(await notes("/b/run.sh"), ["runs as      nobody, group daemon", "limits       files 8"]);
    assertEquals(await notes("/c/run.sh"), ["runs as      the server's user, group daemon"]);
  }));

Deno.test("explain says why a script is not run warm", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/cgi-bin`);
    for (const name of ["a.py", "a.pl", "a.sh"]) await Deno.writeTextFile(`${folder}/cgi-bin/${name}`, "1\n");
    const warmth = async (route: string, script: string) => {
      const yaml = `routes: [{ path: /, cgi: cgi-bin, ${route} }]\n`;
      await Deno.writeTextFile(`${folder}/pollux.yaml`, yaml);
      const { out, err } = await run(folder, ["explain", `/${script}`]);
      assertEquals(err, []);
      return out.find((line) => line.startsWith("warm "))?.replace(/^warm +/, "");
    };
    assertMatch(await warmth("warm: python", "a.py") ?? "", /^a fork of \/.*python3/);
    assertEquals(
      await warmth("warm: python, user: nobody", "a.py"),
      "no: it runs as another user or group",
    );
    assertMatch(await warmth("warm: python", "a.sh") ?? "", /^no: it is run by \/.*sh, and warm is python$/);
    assertEquals(await warmth("warm: perl, limits: { files: 9 }", "a.pl"), "no: Perl cannot set limits");
  }));

Deno.test("explain ends with what the client would get", () =>
  withSite(async (folder) => {
    const cases: [url: string, status: number, last: string][] = [
      ["/", 0, "file     FOLDER/static/index.html"],
      ["/a b.txt", 0, "file     FOLDER/static/a b.txt"],
      ["/sub", 0, "answer   308 to /sub/"],
      ["/sub/", 1, "answer   404: FOLDER/static/sub has no index, and list is off"],
      ["/nope", 1, "answer   404: there is no file FOLDER/static/nope"],
      ["/a%2Fb.txt", 1, "answer   404: an encoded slash is in no file's name"],
      ["/.hidden", 1, "answer   404: the path names no file that is served"],
      ["/index.html/", 1, "answer   404: FOLDER/static/index.html is a file, not a folder"],
      ["/cgi-bin", 0, "answer  308 to /cgi-bin/"],
      [
        "/cgi-bin/out.sh",
        1,
        "answer   404: FOLDER/cgi-bin/out.sh leads to FOLDER/static/a b.txt, which follow_symlinks does not allow",
      ],
      [
        "/cgi-bin/nowhere.sh",
        1,
        "answer   404: FOLDER/cgi-bin/nowhere.sh is a link that leads nowhere, or out of what follow_symlinks allows",
      ],
      ["/cgi-bin/nope", 1, "answer   404: no script for /cgi-bin/nope in FOLDER/cgi-bin"],
      ["/old", 0, "handler  redirect 302 to /new"],
      ["/hi/there", 0, "handler  respond 200 with 5 characters"],
      ["http://other.example/x", 1, "answer   404: there is no file FOLDER/other/x"],
      ["/%00", 1, ""],
    ];
    for (const [url, status, last] of cases) {
      const ran = await run(folder, ["explain", url]);
      assertEquals(ran.status, status, url);
      if (last === "") assertMatch(ran.out.at(-1) ?? "", /^answer +400: /);
      else assertEquals(ran.out.at(-1), last);
    }
    const app = await run(folder, ["explain", "/app/x"]);
    assertStringIncludes(app.out.join("\n"), "methods      GET");
    assertStringIncludes(app.out.join("\n"), "PATH_INFO    /x");
    const data = await run(folder, ["explain", "/cgi-bin/data"]);
    assertEquals(data.status, 1);
    assertMatch(data.out.at(-1) ?? "", /^answer {7}403: FOLDER\/cgi-bin\/data is no script: /);
  }));

Deno.test("explain says where no route takes the path", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/pollux.yaml`, "routes: [{ path: /a, respond: a }]\n");
    const { status, out } = await run(folder, ["explain", "/b"]);
    assertEquals([status, out.at(-1)], [1, "answer  404: no route takes this path"]);
  }));

Deno.test("explain reports a configuration with faults as check does", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/c.yaml`, "root: nope\n");
    assertEquals(await run(folder, ["explain", "/", "--config", "c.yaml"]), {
      status: 2,
      out: [],
      err: ["c.yaml:1:7: root: there is no folder FOLDER/nope"],
    });
  }));

const EXEC_SCRIPTS: Readonly<Record<string, string>> = {
  "show.sh":
    `printf 'Content-Type: text/plain\\n\\n'; printf '%s %s %s ' "$REQUEST_METHOD" "$QUERY_STRING" "$HTTP_X_A"; cat\n`,
  "missing.sh": `printf 'Status: 404 Nothing Here\\nContent-Type: text/plain\\n\\nno'\n`,
  "silent.sh": "echo oops >&2; exit 3\n",
  "away.sh": `printf 'Location: /cgi-bin/show.sh?b=2\\n\\n'\n`,
  "circle.sh": `printf 'Location: /cgi-bin/circle.sh\\n\\n'\n`,
};

async function withScripts(fn: (folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/cgi-bin`);
    for (const [name, text] of Object.entries(EXEC_SCRIPTS)) {
      await Deno.writeTextFile(`${folder}/cgi-bin/${name}`, text, { mode: 0o644 });
    }
    await fn(folder);
  });
}

Deno.test("exec writes status and headers to standard error, the body to standard output", () =>
  withScripts(async (folder) => {
    assertEquals(await run(folder, ["exec", "/cgi-bin/show.sh?a=1", "-H", "X-A: x"]), {
      status: 0,
      out: ["GET a=1 x "],
      err: ["200 OK", "Content-Type: text/plain", ""],
    });
    assertEquals(await run(folder, ["exec", "/cgi-bin/missing.sh"]), {
      status: 1,
      out: ["no"],
      err: ["404 Nothing Here", "Content-Type: text/plain", ""],
    });
  }));

Deno.test("exec gives the script a body, from the command line or a file", () =>
  withScripts(async (folder) => {
    await Deno.writeTextFile(`${folder}/data`, "from a file");
    assertEquals((await run(folder, ["exec", "/cgi-bin/show.sh", "-d", "a=b"])).out.join(""), "POST   a=b");
    assertEquals(
      (await run(folder, ["exec", "/cgi-bin/show.sh", "-XPUT", "--data", "@data"])).out.join(""),
      "PUT   from a file",
    );
    const { status, err } = await run(folder, ["exec", "/cgi-bin/show.sh", "-d", "@nope"]);
    assertEquals(status, 2);
    assertEquals(err[0], "pollux: -d: nope cannot be read: no such file or directory");
  }));

Deno.test("exec follows local redirects as the server does", () =>
  withScripts(async (folder) => {
    assertEquals((await run(folder, ["exec", "/cgi-bin/away.sh", "-d", "x"])).out.join(""), "GET b=2  ");
    const { status, err } = await run(folder, ["exec", "/cgi-bin/circle.sh"]);
    assertEquals([status, err], [1, ["pollux: 502 Bad Gateway: more than 10 local redirects"]]);
  }));

Deno.test("exec says what is wrong with a script, with its standard error and exit status", () =>
  withScripts(async (folder) => {
    const { status, out, err } = await run(folder, ["exec", "/cgi-bin/silent.sh"]);
    assertEquals([status, out], [1, []]);
    assertStringIncludes(err.join("\n"), "oops");
    assertEquals(err.filter((line) => line.startsWith("pollux: likely cause: ")), [
      "pollux: likely cause: FOLDER/cgi-bin/silent.sh: oops",
    ]);
    assert(err.includes("pollux: 502 Bad Gateway"));
    assertEquals(err.at(-1), "pollux: the script ended with exit status 3");
    const nothing = await run(folder, ["exec", "/cgi-bin/nope"]);
    assertEquals(nothing, {
      status: 1,
      out: [],
      err: ["pollux: 404 Not Found: no script for /cgi-bin/nope in FOLDER/cgi-bin"],
    });
    const method = await run(folder, ["exec", "/cgi-bin/show.sh", "-X", "get"]);
    assertEquals(method.status, 1);
    assertMatch(method.err[0], /^pollux: 501 Not Implemented: /);
  }));

/** Scripts that are broken, each in its own way: name, mode, text, status, and the lines that say what is wrong with it. */
const BROKEN: readonly [name: string, mode: number, text: string, status: number, said: readonly string[]][] =
  [
    ["plain", 0o644, "echo hi\n", 403, [
      "FILE is no script: make it executable, or name an interpreter for its extension",
    ]],
    ["mode", 0o644, "#!/bin/sh\necho hi\n", 403, ["FILE is not executable: chmod +x FILE"]],
    [
      "bare",
      0o755,
      "echo hi\n",
      500,
      ["FILE has no first line that names an interpreter: begin it with #! and a program's path"],
    ],
    ["crlf", 0o755, "#!/bin/sh\r\necho hi\r\n", 500, [
      "FILE has Windows line ends (CR LF), also in its first line: save it with LF alone",
    ]],
    ["mark", 0o755, "\ufeff#!/bin/sh\necho hi\n", 500, [
      "FILE begins with a byte order mark, so that its first line is not seen: save it as UTF-8 without one",
    ]],
    ["tcl", 0o755, "#!/usr/bin/tclsh\n", 500, [
      "FILE names /usr/bin/tclsh in its first line, which is not among programs (awk, bash, deno, node, perl, php-cgi, python3, ruby, sh): " +
      "correct it, or add it to cgi.programs",
    ]],
    ["gone", 0o755, "#!/opt/bin/sh\n", 500, [
      "FILE names /opt/bin/sh in its first line, but it is not installed there",
    ]],
    ["lines.sh", 0o644, "echo 'Content-Type: text/plain'\r\necho\r\n", 502, [
      "likely cause: FILE:1: its lines end in CR LF, as on Windows: save it with LF alone",
    ]],
    ["header.sh", 0o644, "echo 'Content-Type: text/html'\necho '<h1>hi</h1>'\n", 502, [
      "line 2 is no header field",
      'likely cause: FILE:2: it writes "<h1>hi</h1>" there, before the empty line that ends the header',
    ]],
    ["end.sh", 0o644, "echo 'Content-Type: text/html'\n", 502, [
      "its output ends in line 2, without the empty line that ends the header",
    ]],
    ["type.sh", 0o644, "x=1\necho 'Content-Type text/html'\necho\n", 502, [
      'likely cause: FILE:2: a header field wants a colon after its name: write "Content-Type: text/html"',
    ]],
    ["early.sh", 0o644, "\n\necho Hello\nprintf 'Content-Type: text/plain\\n\\n'\n", 502, [
      'likely cause: FILE:3: it writes "Hello" there, before the empty line that ends the header',
    ]],
    ["blank.sh", 0o644, "x=1\nprintf '\\nContent-Type: text/plain\\n\\n'\n", 502, [
      "likely cause: FILE:2: an empty line comes before the header and ends it: write the header first, without a line break before it",
    ]],
    [
      "trace.py",
      0o644,
      "import sys\nprint('Content-Type: text/plain')\nprint()\nraise KeyError('x')\n",
      200,
      [
        "Traceback (most recent call last):",
      ],
    ],
    ["error.py", 0o644, "import sys\n\nraise KeyError('x')\n", 502, ["likely cause: FILE:3: KeyError: 'x'"]],
    ["words.pl", 0o644, "use strict;\nprint $x;\n", 502, ["likely cause: FILE:2: "]],
    ["empty.sh", 0o644, "", 502, ["likely cause: FILE: the file is empty"]],
    ["nothing.sh", 0o644, "true\n", 502, [
      'likely cause: FILE: it ends without writing anything: print "Content-Type: text/html" and an empty line first',
    ]],
    ["found.sh", 0o644, "true\nfrobnicate\n", 502, ["likely cause: FILE:2: "]],
    ["signal.sh", 0o644, "kill -SEGV $$\n", 502, [
      "it wrote nothing; it died by SIGSEGV",
      "has a fault (SIGSEGV)",
    ]],
    ["status.sh", 0o644, "printf 'Status: fine\\n\\n'\n", 502, [
      "line 1: Status wants three digits from 200 to 599",
      'likely cause: FILE:1: Status wants a number of three digits first: write "Status: 404 Not Found"',
    ]],
    ["short.sh", 0o644, "printf 'Content-Type: text/plain\\nContent-Length: 9\\n\\nxy'\n", 200, [
      "announced 9 bytes (Content-Length) and wrote 2",
      "likely cause: FILE:1: Content-Length wants the bytes of the whole content",
    ]],
    ["long.sh", 0o644, "printf 'Content-Type: text/plain\\nContent-Length: 1\\n\\nxy'\n", 200, [
      "announced 1 bytes (Content-Length) and writes more: the rest is dropped",
    ]],
    ["untyped.sh", 0o644, "printf 'ContentType: text/plain\\n\\nxy'\n", 200, [
      "the header has no Content-Type, so that a browser has to guess: ContentType is no such field, Content-Type is",
    ]],
    ["slow.sh", 0o644, "sleep 60\n", 504, [
      "had not finished its header after 1 s",
      "likely cause: FILE: it waits for",
    ]],
  ];

Deno.test("exec says of each broken script what is wrong with it, and where", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(
      `${folder}/pollux.yaml`,
      "cgi: { timeout: 1s }\nroutes: [{ path: /cgi-bin/, cgi: ./cgi-bin }]\n",
    );
    await Deno.mkdir(`${folder}/cgi-bin`);
    for (const [name, mode, text, status, said] of BROKEN) {
      await Deno.writeTextFile(`${folder}/cgi-bin/${name}`, text);
      await Deno.chmod(`${folder}/cgi-bin/${name}`, mode);
      const { err } = await run(folder, ["exec", `/cgi-bin/${name}`]);
      const told = err.join("\n").replaceAll(`FOLDER/cgi-bin/${name}`, "FILE");
      assertMatch(told, new RegExp(`^(?:pollux: )?${status} `, "m"), name);
      for (const line of said) assertStringIncludes(told, line, name);
      // Each reason once.
      const reasons = err.filter((line) => line.startsWith("pollux: "));
      assertEquals(reasons.length, new Set(reasons).size, told);
    }
  }));

Deno.test("exec --env prints the variables and runs nothing", () =>
  withScripts(async (folder) => {
    const { status, out, err } = await run(folder, [
      "exec",
      "http://a.example/cgi-bin/silent.sh/x?q",
      "--env",
    ]);
    assertEquals([status, err], [0, []]);
    for (
      const line of [
        "PATH_INFO=/x",
        "QUERY_STRING=q",
        "SERVER_NAME=a.example",
        "SCRIPT_NAME=/cgi-bin/silent.sh",
      ]
    ) {
      assert(out.includes(line), line);
    }
  }));
