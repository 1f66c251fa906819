import { assertEquals } from "@std/assert";
import { resolvePrograms, runnable } from "../cgi/programs.ts";
import type { Config } from "../config/config.ts";
import { loadConfig, NO_FLAGS } from "../config/load.ts";
import { type LoopPermissions, networkPermissions, NOTHING, scriptPermissions } from "./permissions.ts";
import type { Attempt } from "./sandbox_fixture.ts";

interface Site {
  readonly dir: string;
  readonly config: Config;
  /** A port of somebody else's that takes connections. */
  readonly foreign: string;
}

async function withSite(fn: (site: Site) => Promise<void>): Promise<void> {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  const foreign = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    for (const folder of ["static", "up", "cgi-bin", "temp"]) await Deno.mkdir(`${dir}/${folder}`);
    await Deno.writeTextFile(`${dir}/static/a.txt`, "file");
    await Deno.writeTextFile(`${dir}/cgi-bin/a.sh`, "#!/bin/sh\n");
    await Deno.writeTextFile(
      `${dir}/pollux.yaml`,
      [
        "listen: 127.0.0.1:1",
        "root: ./static",
        "routes:",
        "  - { path: /up/, files: ./up, methods: [GET, PUT] }",
        "  - path: /cgi-bin/",
        "    cgi: ./cgi-bin",
        "    interpreters: { .sh: /bin/sh }",
        "    programs: [/bin/sh]",
        "",
      ].join("\n"),
    );
    const read = await loadConfig({ file: `${dir}/pollux.yaml`, flags: NO_FLAGS, env: Deno.env, cwd: dir });
    if ("faults" in read) throw new Error(JSON.stringify(read.faults));
    await fn({ dir, config: read.config, foreign: `127.0.0.1:${foreign.addr.port}` });
  } finally {
    foreign.close();
    await Deno.remove(dir, { recursive: true });
  }
}

/** Each attempt with what came of it, in a Worker with these permissions. */
async function attempt(
  permissions: LoopPermissions,
  attempts: readonly (readonly [Attempt["kind"], string])[],
): Promise<[string, string, string][]> {
  const worker = new Worker(
    new URL("./sandbox_fixture.ts", import.meta.url),
    { type: "module", deno: { permissions } } as WorkerOptions,
  );
  const results = await new Promise<string[]>((resolve) => {
    worker.onmessage = ({ data }: MessageEvent<string[]>) => resolve(data);
    worker.postMessage(attempts.map(([kind, value]) => ({ kind, value })));
  });
  worker.terminate();
  return attempts.map(([kind, value], i) => [kind, value, results[i]]);
}

/** What no loop may do, whatever its kind. */
function forbidden({ dir, foreign }: Site): [Attempt["kind"], string][] {
  return [
    ["read", "/etc/passwd"],
    ["readByNode", "/etc/passwd"],
    ["read", `${dir}/static/../pollux.yaml`],
    ["read", `${dir}/pollux.yaml`],
    ["list", "/"],
    ["list", dir],
    ["write", `${dir}/beside.txt`],
    ["write", `${dir}/static/a.txt`],
    ["write", `${dir}/up/../beside.txt`],
    ["write", `${dir}/up-other`],
    ["write", `${dir}/cgi-bin/b.sh`],
    ["remove", `${dir}/static/a.txt`],
    ["link", `${dir}/up/link`],
    ["listen", "127.0.0.1:0"],
    ["listen", "0.0.0.0:1"],
    ["connect", foreign],
    ["fetch", `http://${foreign}/`],
    ["resolve", "localhost"],
    ["environment", "PATH"],
    ["run", "/bin/ls"],
    ["run", "ls"],
    ["runByNode", "/bin/ls"],
    ["kill", String(Deno.ppid)], // its own process any loop may end: what is taken over can as well spin for ever
    ["import", new URL("../http/status.ts", import.meta.url).href + "?again"],
    ["import", `http://${foreign}/a.ts`],
    ["system", ""],
    ["library", "/lib/libc.so.6"],
  ];
}

function allRefused(results: readonly (readonly [string, string, string])[]): void {
  const notRefused = results.filter(([, , result]) => !REFUSALS.includes(result));
  assertEquals(notRefused, []);
}

/** Of a dynamic import that is refused only its text tells. */
const REFUSALS = ["NotCapable", "TypeError"];

Deno.test("in a network loop the runtime refuses all that its configuration does not ask for", () =>
  withSite(async (site) => {
    const { dir, config } = site;
    const permissions = networkPermissions(config, new Map(), `${dir}/temp`, (path) => path);
    allRefused(await attempt(permissions, [...forbidden(site), ["run", "/bin/sh"]]));
    const allowed = await attempt(permissions, [
      ["read", `${dir}/static/a.txt`],
      ["list", `${dir}/cgi-bin`],
      ["write", `${dir}/up/new.txt`],
      ["write", `${dir}/temp/body`],
      ["remove", `${dir}/up/new.txt`],
    ]);
    assertEquals(allowed.map(([, , result]) => result), Array(5).fill("done"));
  }));

Deno.test("in a script loop the runtime refuses all but the script folders and the programs that are named", () =>
  withSite(async (site) => {
    const { dir, config } = site;
    const programs = resolvePrograms(config, "/bin");
    const permissions = scriptPermissions(config, runnable(programs), `${dir}/warm`);
    allRefused(
      await attempt(permissions, [
        ...forbidden(site),
        ["read", `${dir}/static/a.txt`],
        ["write", `${dir}/up/a`],
        ["write", `${dir}/temp/a`],
        ["run", `${dir}/cgi-bin/a.sh`],
      ]),
    );
    const allowed = await attempt(permissions, [["read", `${dir}/cgi-bin/a.sh`], ["run", "/bin/sh"]]);
    assertEquals(allowed.map(([, , result]) => result), ["done", "done"]);
  }));

Deno.test("in a password loop the runtime refuses everything", () =>
  withSite(async (site) => {
    const { dir } = site;
    allRefused(
      await attempt(NOTHING, [
        ...forbidden(site),
        ["read", `${dir}/static/a.txt`],
        ["write", `${dir}/up/a`],
        ["run", "/bin/sh"],
      ]),
    );
  }));
