/**
 * Finding scripts, in a real folder.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import type { CgiHandlerConfig, FollowSymlinks } from "../config/config.ts";
import { HttpError } from "../http/error.ts";
import { aHandling } from "./config_fixture.ts";
import { aRoute } from "../../tests/support/exchange.ts";
import { anExchange } from "./exchange_fixture.ts";
import { fileVersion, findScript } from "./script.ts";

interface Options {
  readonly index?: readonly string[];
  readonly followSymlinks?: FollowSymlinks;
  readonly routePath?: string;
  readonly target?: string;
  readonly secrets?: readonly string[];
}

const dir = Deno.realPathSync(Deno.makeTempDirSync());
Deno.mkdirSync(`${dir}/cgi/sub/.hidden`, { recursive: true });
Deno.mkdirSync(`${dir}/outside`);
for (
  const file of [
    "cgi/a.py",
    "cgi/index.py",
    "cgi/sub/b é.py",
    "cgi/sub/.hidden/c.py",
    "cgi/.d.py",
    "outside/e.py",
  ]
) {
  Deno.writeTextFileSync(`${dir}/${file}`, "");
}
Deno.symlinkSync("a.py", `${dir}/cgi/inside.py`);
Deno.symlinkSync("../outside/e.py", `${dir}/cgi/out.py`);
Deno.symlinkSync("../outside", `${dir}/cgi/outdir`);
Deno.symlinkSync("loop", `${dir}/cgi/loop`);
Deno.symlinkSync("nowhere", `${dir}/cgi/dangling`);
addEventListener("unload", () => Deno.removeSync(dir, { recursive: true }));

/** `file name pathInfo`, with the folder left out; or `slash`. */
function find(path: string, options: Options = {}): string {
  const routePath = options.routePath ?? "/cgi-bin/";
  const exchange = anExchange({ target: path, routePath });
  const target = options.target ?? "cgi";
  const config: CgiHandlerConfig = {
    kind: "cgi",
    target: `${dir}/${target}`,
    isFolder: !target.includes("."),
    index: options.index ?? [],
    followSymlinks: options.followSymlinks ?? "inside",
    run: aHandling(),
  };
  const secrets = new Set(options.secrets?.map((name) => `${dir}/${name}`));
  const search = findScript(config, aRoute(routePath), exchange.target, exchange.rest, secrets);
  if (search.kind === "slash") return "slash";
  const { file, name, pathInfo } = search.script;
  return [file.slice(dir.length), name, pathInfo].join("|");
}

function status(path: string, options: Options = {}): number {
  return assertThrows(() => find(path, options), HttpError).status;
}

Deno.test("findScript() takes the first segment that is a file, and leaves the rest as PATH_INFO", () => {
  assertEquals(find("/cgi-bin/a.py"), "/cgi/a.py|/cgi-bin/a.py|");
  assertEquals(find("/cgi-bin/a.py/"), "/cgi/a.py|/cgi-bin/a.py|/");
  assertEquals(find("/cgi-bin/a.py/x/.y//z%20%C3%A9"), "/cgi/a.py|/cgi-bin/a.py|/x/.y//z é");
  assertEquals(find("/cgi-bin/sub/b%20%C3%A9.py/x"), "/cgi/sub/b é.py|/cgi-bin/sub/b é.py|/x");
  assertEquals(find("/a.py/x", { routePath: "/" }), "/cgi/a.py|/a.py|/x");
});

Deno.test("findScript() gives all of the rest to a single program", () => {
  const options = { target: "cgi/a.py", routePath: "/git" };
  assertEquals(find("/git", options), "/cgi/a.py|/git|");
  assertEquals(find("/git/x/.y", options), "/cgi/a.py|/git|/x/.y");
  assertEquals(find("/git/x", { ...options, routePath: "/git/" }), "/cgi/a.py|/git|/x");
  assertEquals(find("/x", { ...options, routePath: "/" }), "/cgi/a.py||/x");
  assertEquals(status("/git", { ...options, target: "cgi/no.py" }), 404);
});

Deno.test("findScript() refuses what is not there, is hidden, or is a folder", () => {
  for (
    const path of [
      "/none",
      "/none/a.py",
      "/.d.py",
      "/sub/.hidden/c.py",
      "/sub/",
      "/sub",
      "/",
      "",
      "//a.py",
      "/sub//b.py",
      "/a.py%00",
    ]
  ) {
    assertEquals(status(`/cgi-bin${path}`), 404, path);
  }
});

Deno.test("findScript() keeps an encoded slash in PATH_INFO and finds no script by it", () => {
  assertEquals(find("/cgi-bin/a.py/x%2Fy"), "/cgi/a.py|/cgi-bin/a.py|/x%2Fy");
  assertEquals(find("/cgi-bin/a.py/%2f"), "/cgi/a.py|/cgi-bin/a.py|/%2f");
  assertEquals(status("/cgi-bin/sub%2Fb"), 404);
  assertEquals(status("/cgi-bin/%2fa.py"), 404);
});

Deno.test("findScript() answers 400 to a path that is no UTF-8", () => {
  assertEquals(status("/cgi-bin/a.py/%ff"), 400);
});

Deno.test("findScript() runs the index for a folder, and wants its slash", () => {
  const options = { index: ["no.py", "index.py"] };
  assertEquals(find("/cgi-bin/", options), "/cgi/index.py|/cgi-bin/index.py|");
  assertEquals(find("/cgi-bin", options), "slash");
  assertEquals(status("/cgi-bin/sub/", options), 404);
  assertEquals(status("/cgi-bin/sub", options), 404);
  assertEquals(status("/cgi-bin/none", options), 404);
});

Deno.test("findScript() follows links as configured", () => {
  assertEquals(find("/cgi-bin/inside.py"), "/cgi/inside.py|/cgi-bin/inside.py|");
  assertEquals(status("/cgi-bin/out.py"), 404);
  assertEquals(status("/cgi-bin/outdir/e.py"), 404);
  assertEquals(find("/cgi-bin/out.py", { followSymlinks: "always" }), "/cgi/out.py|/cgi-bin/out.py|");
  assertEquals(
    find("/cgi-bin/outdir/e.py", { followSymlinks: "always" }),
    "/cgi/outdir/e.py|/cgi-bin/outdir/e.py|",
  );
  assertEquals(status("/cgi-bin/inside.py", { followSymlinks: "never" }), 404);
  for (const followSymlinks of ["inside", "always", "never"] as const) {
    assertEquals(status("/cgi-bin/loop", { followSymlinks }), 404);
    assertEquals(status("/cgi-bin/dangling", { followSymlinks }), 404);
  }
});

Deno.test("findScript() does not run secrets, under their name or by a link", () => {
  assertEquals(status("/cgi-bin/a.py", { secrets: ["cgi/a.py"] }), 404);
  assertEquals(status("/cgi-bin/inside.py", { secrets: ["cgi/a.py"] }), 404);
  assertEquals(status("/cgi-bin/", { index: ["index.py"], secrets: ["cgi/index.py"] }), 404);
});

Deno.test({
  name: "findScript() refuses special files without opening them",
  ignore: Deno.build.os === "windows",
  async fn() {
    const listener = Deno.listen({ transport: "unix", path: `${dir}/cgi/socket.py` });
    await new Deno.Command("/usr/bin/mkfifo", { args: [`${dir}/cgi/fifo.py`] }).spawn().status;
    assertEquals(status("/cgi-bin/socket.py"), 404);
    assertEquals(status("/cgi-bin/fifo.py"), 404);
    listener.close();
  },
});

Deno.test("findScript() sees a change of the file in its version", () => {
  const file = `${dir}/cgi/a.py`;
  const before = fileVersion(file);
  Deno.writeTextFileSync(file, "x");
  const after = fileVersion(file);
  assert(before !== null && after !== null);
  assertEquals([before.size, after.size, before.ino === after.ino], [0, 1, true]);
  assertEquals([fileVersion(`${dir}/cgi`), fileVersion(`${dir}/none`)], [null, null]);
});
