/**
 * Finding programs in a search path, and what goes in front of a command.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Config, HandlerConfig, ScriptHandling } from "../config/config.ts";
import { aHandling, someSettings } from "./config_fixture.ts";
import { aRoute } from "../../tests/support/exchange.ts";
import { THE_SITE } from "./exchange_fixture.ts";
import { makeLauncher } from "./launch.ts";
import { candidatePaths, type Programs, resolvePrograms, runnable, searchFolders } from "./programs.ts";

const dir = Deno.realPathSync(Deno.makeTempDirSync());
addEventListener("unload", () => Deno.removeSync(dir, { recursive: true }));

function put(path: string, content: string | Uint8Array<ArrayBuffer>, mode = 0o755): string {
  const file = `${dir}/${path}`;
  Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
  Deno.writeFileSync(file, typeof content === "string" ? new TextEncoder().encode(content) : content);
  Deno.chmodSync(file, mode);
  return file;
}

const ELF = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46);
put("shims/myper", "#!/bin/sh\nexec myper");
put("real/myper-5.2", ELF);
Deno.symlinkSync("myper-5.2", `${dir}/real/myper`);
put("real/onlyshim", "#!/bin/sh\n");
put("real/plain", ELF, 0o644);
put("real/box", ELF);
Deno.symlinkSync("box", `${dir}/real/part`);
Deno.mkdirSync(`${dir}/real/folder`);

function config(handling: ScriptHandling, target = `${dir}/none`): Config {
  const handler: HandlerConfig = {
    kind: "cgi",
    target,
    isFolder: true,
    index: [],
    followSymlinks: "inside",
    run: handling,
  };
  return {
    file: null,
    listen: [],
    workers: 1,
    temp: "/tmp",
    trustedProxies: [],
    log: { access: "off", format: "combined", error: "stderr", level: "info" },
    limits: {
      requestLineBytes: 1,
      headerBytes: 1,
      headerCount: 1,
      bodyBytes: 1,
      connections: 1,
      connectionsPerIp: 1,
      minRate: 1,
      requestsPerConnection: 1,
    },
    timeouts: { headerMs: 1, bodyMs: 1, keepAliveMs: 1, writeMs: 1, shutdownMs: 1 },
    cgi: handling.settings,
    sites: [{ ...THE_SITE, routes: [{ ...aRoute("/cgi-bin/"), handler }] }],
    secrets: [],
    dev: false,
  };
}

function resolve(programs: string[], target?: string): Programs {
  const handling = aHandling({ settings: someSettings({ interpreters: {}, programs }) });
  return resolvePrograms(config(handling, target), `${dir}/shims:relative::${dir}/real/:${dir}/nowhere`);
}

Deno.test("resolvePrograms() takes the first real program, and lists what a link leads to", () => {
  const { paths, warnings } = resolve(["myper"]);
  assertEquals(paths["myper"], [`${dir}/real/myper`, `${dir}/real/myper-5.2`]);
  assertEquals(warnings, [
    `${dir}/shims/myper is a script that only looks for the real myper, which takes its time: ` +
    `${dir}/real/myper is run instead`,
  ]);
});

Deno.test("resolvePrograms() does not list a program that plays many parts under one of them", () => {
  assertEquals(resolve(["part"]).paths["part"], [`${dir}/real/part`]);
});

Deno.test("resolvePrograms() takes a script where there is nothing better, without a warning", () => {
  const { paths, warnings } = resolve(["onlyshim"]);
  assertEquals([paths["onlyshim"], warnings], [[`${dir}/real/onlyshim`], []]);
});

Deno.test("resolvePrograms() gives nothing for what is missing, a folder, or not executable", () => {
  const { paths } = resolve(["nosuchprogram", "folder", "plain", `${dir}/none`]);
  assertEquals(Object.values(paths), [[], [], [], []]);
});

Deno.test("resolvePrograms() takes absolute paths, and the usual folders beside the search path", () => {
  const { paths, tools } = resolve([`${dir}/real/box`, "sh"]);
  assertEquals(paths[`${dir}/real/box`], [`${dir}/real/box`]);
  assert(paths["sh"].includes("/bin/sh"));
  assert(tools.sh !== null);
});

Deno.test("runnable() has programs, tools and the programs in script folders, each once", () => {
  const first = put("cgi/a", ELF);
  const second = put("cgi/sub/b", ELF);
  put("cgi/c.py", "#!/bin/sh\n");
  put("cgi/d", ELF, 0o644);
  put("cgi/.hidden/e", ELF);
  const programs = resolve(["myper", `${dir}/real/myper`], `${dir}/cgi`);
  assertEquals([...programs.binaries].sort(), [first, second]);
  const all = runnable(programs);
  assertEquals(new Set(all).size, all.length);
  for (const path of [first, second, `${dir}/real/myper`, programs.tools.sh]) {
    assert(path !== null && all.includes(path));
  }
});

const COMMAND = { kind: "command", program: "/usr/bin/known", args: ["a"] } as const;

const PROGRAMS: Programs = {
  paths: { known: ["/usr/bin/known"] },
  tools: { nice: "/bin/nice", prlimit: "/bin/prlimit", setpriv: "/bin/setpriv", sh: "/bin/sh" },
  binaries: [],
  inherited: [],
  users: { www: { gid: 33, home: "/var/www" } },
  warnings: [],
};

function launch(
  own: Partial<ScriptHandling>,
  programs = PROGRAMS,
  program: string = COMMAND.program,
): string {
  const found = makeLauncher(aHandling(own), programs).launch({ ...COMMAND, program });
  return found.kind === "launch" ? [found.program, ...found.args].join(" ") : found.message;
}

function test(name: string, fn: () => void): void {
  Deno.test({ name: `makeLauncher() ${name}`, permissions: "none", fn });
}

test("puts nothing in front where nothing is asked", () => {
  assertEquals(launch({}), "/usr/bin/known a");
});

test("starts what is on no list by something that is", () => {
  assertEquals(launch({}, PROGRAMS, "/cgi/new"), "/bin/nice -n 0 /cgi/new a");
  const tools = { ...PROGRAMS.tools, nice: null };
  assertEquals(launch({}, { ...PROGRAMS, tools }, "/cgi/new"), '/bin/sh -c exec "$@" sh /cgi/new a');
});

test("sets limits, then the user, then the priority", () => {
  const limits = { cpuSeconds: 1.5, memoryBytes: 1024, files: 64, processes: 8 };
  const settings = someSettings({ nice: 5 });
  assertEquals(
    launch({ limits, user: "www", settings }),
    "/bin/prlimit --cpu=2 --as=1024 --nofile=64 --nproc=8 /bin/setpriv --reuid www --regid 33 --init-groups /bin/nice -n 5 /usr/bin/known a",
  );
});

test("gives a user's own groups, never the server's", () => {
  assertEquals(
    launch({ user: "www", group: "g" }),
    "/bin/setpriv --reuid www --regid g --init-groups /usr/bin/known a",
  );
  assertEquals(
    launch({ user: "1000" }),
    "/bin/setpriv --reuid 1000 --regid 1000 --clear-groups /usr/bin/known a",
  );
  assertEquals(launch({ group: "g" }), "/bin/setpriv --regid g --clear-groups /usr/bin/known a");
});

test("sets a umask by a shell that leaves no variables of its own", () => {
  assertEquals(
    launch({ umask: 0o27 }),
    '/bin/sh -c umask 27; unset PWD OLDPWD SHLVL _; exec "$@" sh /usr/bin/known a',
  );
});

test("closes what was open when the server was started, by the same shell", () => {
  const programs = { ...PROGRAMS, inherited: [3, 8] };
  assertEquals(
    launch({}, programs),
    '/bin/sh -c exec 3<&- 8<&-; unset PWD OLDPWD SHLVL _; exec "$@" sh /usr/bin/known a',
  );
  assertEquals(
    launch({ umask: 0o77, group: "g" }, programs),
    "/bin/setpriv --regid g --clear-groups " +
      '/bin/sh -c umask 77; exec 3<&- 8<&-; unset PWD OLDPWD SHLVL _; exec "$@" sh /usr/bin/known a',
  );
});

test("refuses what it has no tool for", () => {
  const tools = { ...PROGRAMS.tools, setpriv: null };
  assertStringIncludes(
    launch({ user: "www" }, { ...PROGRAMS, tools }),
    "the program setpriv is not installed, which this route's settings need: install it, or take them out",
  );
});

Deno.test("programs are looked for in the folders of PATH, and where they are as a rule", () => {
  assertEquals(searchFolders("/a:rel::/b/:/a", "linux"), ["/a", "/b/", "/usr/local/bin", "/usr/bin", "/bin"]);
  assertEquals(candidatePaths("perl", ["/a", "/b/"], "linux"), ["/a/perl", "/b/perl"]);
  assertEquals(candidatePaths("/opt/perl", ["/a"], "darwin"), ["/opt/perl"]);
});

Deno.test("on Windows programs are .exe files in the folders of PATH, and never batch files", () => {
  const folders = searchFolders("C:\\Python;rel;\\\\host\\share;D:/tools/;C:\\Python", "windows");
  assertEquals(folders, ["C:\\Python", "\\\\host\\share", "D:/tools/"]);
  assertEquals(candidatePaths("python3", ["C:\\Python", "D:/tools/"], "windows"), [
    "C:\\Python\\python3.exe",
    "D:/tools\\python3.exe",
  ]);
  assertEquals(candidatePaths("php-cgi.EXE", ["C:\\p"], "windows"), ["C:\\p\\php-cgi.EXE"]);
  assertEquals(candidatePaths("C:/perl/perl", folders, "windows"), ["C:/perl/perl.exe"]);
  assertEquals(candidatePaths("run.bat", ["C:\\p"], "windows"), ["C:\\p\\run.bat.exe"]);
});
