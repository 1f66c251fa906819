/**
 * `pollux ROOT`: a folder or a script that is named on the command line, without a configuration.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runPollux, TestServer, withoutFewFiles } from "../support/server.ts";

const LISTEN = ["--listen", "127.0.0.1:0"];
const HELLO = '#!/bin/sh\nprintf \'Content-Type: text/plain\\n\\n%s %s\' "$SCRIPT_NAME" "$PATH_INFO"\n';

async function get(server: TestServer, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(server.url + path);
  return { status: response.status, text: await response.text() };
}

Deno.test("pollux FOLDER serves its files and lists what has no index, but no hidden file", async () => {
  await using server = await TestServer.start({
    files: {
      "my folder/a.txt": "text of a",
      "my folder/.secret": "x",
      "my folder/page/index.html": "<p>page",
    },
    flags: ["./my folder", ...LISTEN],
  });
  assertEquals(await get(server, "/a.txt"), { status: 200, text: "text of a" });
  assertEquals((await get(server, "/page/")).text, "<p>page");
  const { status, text } = await get(server, "/");
  assertEquals(status, 200);
  assertStringIncludes(text, "a.txt");
  assert(!text.includes(".secret"), text);
  assertEquals((await get(server, "/.secret")).status, 404);
});

Deno.test("a folder that a configuration names is listed only where that says so, also below a ROOT", async () => {
  await using server = await TestServer.start({
    yaml: "root: static\n",
    files: { "static/a.txt": "", "other/b.txt": "b" },
    flags: ["other", ...LISTEN],
  });
  assertEquals((await get(server, "/b.txt")).text, "b");
  assertEquals((await get(server, "/")).status, 404);
});

Deno.test("pollux FOLDER runs the scripts of cgi-bin beside it, or else below it, and never sends their text", async () => {
  for (const place of ["cgi-bin/hello.sh", "site/cgi-bin/hello.sh"]) {
    await using server = await TestServer.start({
      files: { "site/a.txt": "a", [place]: HELLO },
      flags: ["site", ...LISTEN],
    });
    // TestServer makes cgi-bin/ always, so that a script in it is beside.
    if (place.startsWith("site/")) await Deno.remove(`${server.dir}/cgi-bin`, { recursive: true });
    server.kill("SIGHUP");
    await server.stderrMatch(/configuration/);
    assertEquals(await get(server, "/cgi-bin/hello.sh/x"), { status: 200, text: "/cgi-bin/hello.sh /x" });
  }
});

Deno.test("pollux FOLDER does not serve the pollux.yaml in it, and says that it is not read", async () => {
  await using server = await TestServer.start({
    files: { "site/pollux.yaml": "root: .\n", "site/a.txt": "a" },
    flags: ["site", ...LISTEN],
  });
  assertEquals((await get(server, "/pollux.yaml")).status, 404);
  assertMatch(
    server.stderr,
    /warning: --root: \S+pollux.yaml is there and not read: pollux --config \S+ serves/,
  );
});

Deno.test("pollux SCRIPT serves one script at /, with the rest of the path as PATH_INFO", async () => {
  await using server = await TestServer.start({
    files: { "hello.sh": HELLO },
    flags: ["./hello.sh", ...LISTEN],
  });
  assertEquals(await get(server, "/"), { status: 200, text: " /" });
  assertEquals(await get(server, "/a/b?c"), { status: 200, text: " /a/b" });
});

Deno.test("--quiet leaves the access log out, --log-format says how it is written", async () => {
  {
    await using server = await TestServer.start({
      files: { "static/a": "a" },
      flags: [...LISTEN, "--quiet"],
    });
    await get(server, "/a");
    const { stdout, stderr } = await server.stop();
    const said = withoutFewFiles(stderr).replace(/:\d+\n$/, "");
    assertEquals([stdout, said], ["", "pollux: listening on http://127.0.0.1"]);
  }
  await using server = await TestServer.start({
    files: { "static/a": "a" },
    flags: [...LISTEN, "--log-format", "json"],
  });
  await get(server, "/a");
  const { stdout } = await server.stop();
  assertEquals(JSON.parse(stdout.split("\n")[0]).target, "/a");
});

Deno.test("where there is nothing to serve, that and what to do is said, and the exit status is 2", async () => {
  const { code, stdout, stderr } = await runPollux({ flags: ["./nothing", ...LISTEN] });
  assertEquals([code, stdout], [2, ""]);
  assertMatch(
    stderr,
    /^pollux: \.\/nothing is neither a command nor a folder or script; there is no such path\n/,
  );
});
