import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { hasProgram, outputOf } from "../support/processes.ts";
import { BASIC_YAML, TestServer } from "../support/server.ts";

const CLIENTS = 12;
const FILES = 2000;

/** Git without the settings of whoever runs the tests. */
const ENV = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_SYSTEM: "/dev/null",
  GIT_TERMINAL_PROMPT: "0",
  GIT_AUTHOR_NAME: "Leda",
  GIT_AUTHOR_EMAIL: "leda@example.org",
  GIT_COMMITTER_NAME: "Leda",
  GIT_COMMITTER_EMAIL: "leda@example.org",
};

function git(cwd: string, ...args: string[]): Promise<string> {
  const settings = ["gc.auto=0", "protocol.version=2", "core.compression=0"].flatMap((each) => ["-c", each]);
  return outputOf("git", [...settings, ...args], { cwd, env: ENV });
}

async function backend(): Promise<string> {
  const path = join((await outputOf("git", ["--exec-path"])).trim(), "git-http-backend");
  await Deno.stat(path);
  return path;
}

Deno.test({
  name: "twelve git clients clone, push and fetch a repository of 2,000 files at once",
  ignore: !await hasProgram("git", "--version"),
  fn: async () => {
    const yaml = `limits: { body: 1GiB }
${BASIC_YAML}  - path: /git
    cgi: ${await backend()}
    env: { GIT_PROJECT_ROOT: "{dir}/repositories", GIT_HTTP_EXPORT_ALL: "1", GIT_CONFIG_GLOBAL: /dev/null }
`;
    await using server = await TestServer.start({ yaml });
    const bare = join(server.dir, "repositories", "big.git");
    await Deno.mkdir(bare, { recursive: true });
    await git(bare, "init", "--quiet", "--bare", "--initial-branch=main");
    await git(bare, "config", "http.receivepack", "true");

    // The first push fills it: a body of some megabytes, which git sends chunked.
    const origin = join(server.dir, "origin");
    await Deno.mkdir(origin);
    await git(origin, "init", "--quiet", "--initial-branch=main");
    for (let i = 0; i < FILES; i++) {
      const folder = join(origin, `d${i % 40}`);
      if (i < 40) await Deno.mkdir(folder);
      // Hardly compressible, so that packs are large.
      const noise = crypto.getRandomValues(new Uint8Array(512));
      await Deno.writeTextFile(join(folder, `f${i}.txt`), `${i}\n${noise.join(" ")}\n`);
    }
    await git(origin, "add", ".");
    await git(origin, "commit", "--quiet", "-m", "all files");
    const url = `${server.url}/git/big.git`;
    await git(origin, "push", "--quiet", url, "main");
    assertEquals(
      (await git(bare, "rev-parse", "main")).trim(),
      (await git(origin, "rev-parse", "main")).trim(),
    );

    await Promise.all(Array.from({ length: CLIENTS }, async (_, i) => {
      const clone = join(server.dir, `clone${i}`);
      await git(server.dir, "clone", "--quiet", url, clone);
      assertEquals((await git(clone, "ls-files")).trimEnd().split("\n").length, FILES);
      await Deno.writeTextFile(join(clone, `new${i}.txt`), `new ${i}\n`);
      await git(clone, "add", ".");
      await git(clone, "commit", "--quiet", "-m", `from ${i}`);
      await git(clone, "push", "--quiet", "origin", `HEAD:refs/heads/client${i}`);
      const shallow = join(server.dir, `shallow${i}`);
      await git(server.dir, "clone", "--quiet", "--depth=1", "--branch=main", url, shallow);
      await git(shallow, "fetch", "--quiet", "--depth=1", "origin", `refs/heads/client${i}`);
      assertEquals(await git(shallow, "show", `FETCH_HEAD:new${i}.txt`), `new ${i}\n`);
      for (const repository of [clone, shallow]) await git(repository, "fsck", "--strict", "--no-dangling");
    }));

    await git(bare, "fsck", "--strict", "--no-dangling");
    const branches = (await git(bare, "for-each-ref", "--format=%(refname)", "refs/heads")).trimEnd().split(
      "\n",
    );
    assertEquals(branches.length, CLIENTS + 1);
    assertMatch(branches.join(" "), /refs\/heads\/client11\b/);
    await server.childless();
  },
});
