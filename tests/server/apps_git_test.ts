import {
  assert,
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { join } from "@std/path";
import { startExample } from "../support/example.ts";
import { hasProgram, outputOf } from "../support/processes.ts";
import { ask, field, get, octets, textOf } from "../support/raw.ts";
import type { TestServer } from "../support/server.ts";

const MIB = 1024 * 1024;

/** Git without the settings of whoever runs the tests. */
const ENV = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_SYSTEM: "/dev/null",
  GIT_TERMINAL_PROMPT: "0",
  GIT_ASKPASS: "true",
  GIT_AUTHOR_NAME: "Leda",
  GIT_AUTHOR_EMAIL: "leda@example.org",
  GIT_COMMITTER_NAME: "Leda",
  GIT_COMMITTER_EMAIL: "leda@example.org",
};

function git(cwd: string, ...args: string[]): Promise<string> {
  // What is random cannot be compressed: to try it costs more than all the rest.
  return outputOf("git", ["-c", "gc.auto=0", "-c", "core.compression=0", ...args], { cwd, env: ENV });
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isFile, () => false);
}

/** A bare repository below the server's `repositories`, with one commit on `main`; its working copy is `work`. */
async function repository(server: TestServer): Promise<string> {
  const bare = join(server.dir, "repositories/project.git");
  const work = join(server.dir, "work");
  await Deno.mkdir(bare, { recursive: true });
  await git(bare, "init", "--quiet", "--bare", "--initial-branch=main");
  await Deno.mkdir(work);
  await git(work, "init", "--quiet", "--initial-branch=main");
  await Deno.writeTextFile(join(work, "readme.txt"), "all about geese & <swans>\n");
  await git(work, "add", ".");
  await git(work, "commit", "--quiet", "-m", "begin");
  await git(work, "push", "--quiet", bare, "main");
  return work;
}

const HAS_GIT = await hasProgram("git", "--version");

Deno.test({
  name: "git: clone, fetch, push with a password, 50 MiB, gzip (docs/examples/git)",
  ignore: !HAS_GIT,
  async fn(t) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", octets("swan:feather")));
    const backend = join((await outputOf("git", ["--exec-path"])).trim(), "git-http-backend");
    await using server = await startExample("git", {
      replace: { "/usr/lib/git-core/git-http-backend": backend, "/srv/git": "{dir}/repositories" },
      files: { "htpasswd": `leda:{SHA}${btoa(String.fromCharCode(...digest))}\n` },
    });
    const work = await repository(server);
    const bare = join(server.dir, "repositories/project.git");
    const push = `http://leda:swan%3Afeather@${server.hostname}:${server.port}/push/project.git`;
    const url = `${server.url}/git/project.git`;
    const clone = join(server.dir, "clone");

    await t.step("clone by protocol version 2", async () => {
      await git(server.dir, "-c", "protocol.version=2", "clone", "--quiet", url, clone);
      assertStringIncludes(await Deno.readTextFile(join(clone, "readme.txt")), "geese");
      const refs = await ask(
        server,
        get("/git/project.git/info/refs?service=git-upload-pack", "Git-Protocol: version=2"),
      );
      assertEquals(field(refs, "content-type"), "application/x-git-upload-pack-advertisement");
      assertMatch(textOf(refs), /version 2\n/);
    });
    await t.step("clone by versions 0 and 1, and shallow", async () => {
      for (const version of ["0", "1"]) {
        await git(
          server.dir,
          "-c",
          `protocol.version=${version}`,
          "clone",
          "--quiet",
          url,
          `${clone}${version}`,
        );
      }
      await git(server.dir, "clone", "--quiet", "--depth=1", url, `${clone}-shallow`);
    });
    await t.step("no push without a password, or with a wrong one", async () => {
      await git(clone, "checkout", "--quiet", "-b", "refused");
      await assertRejects(() => git(clone, "push", "--quiet", url, "refused"), Error, "403");
      await assertRejects(
        () => git(clone, "push", "--quiet", `${server.url}/push/project.git`, "refused"),
        Error,
      );
      const wrong = push.replace("feather", "father");
      await assertRejects(
        () => git(clone, "push", "--quiet", wrong, "refused"),
        Error,
        "Authentication failed",
      );
      assertNotMatch(await git(bare, "branch"), /refused/);
    });
    await t.step("push of 50 MiB with a password, and back again", async () => {
      const noise = new Uint8Array(50 * MIB);
      for (let at = 0; at < noise.length; at += 65536) crypto.getRandomValues(noise.subarray(at, at + 65536));
      await Deno.writeFile(join(work, "noise"), noise);
      await git(work, "add", ".");
      await git(work, "commit", "--quiet", "-m", "noise");
      await git(work, "push", "--quiet", push, "main");
      assertEquals(await git(bare, "rev-parse", "main"), await git(work, "rev-parse", "main"));
      await git(clone, "fetch", "--quiet", "origin");
      assertEquals(await git(clone, "rev-parse", "origin/main"), await git(work, "rev-parse", "main"));
      await git(clone, "fsck", "--strict", "--no-dangling");
    });
    await t.step("a push in one piece with a length, too", async () => {
      await git(work, "commit", "--quiet", "--allow-empty", "-m", "empty");
      await git(work, "-c", "http.postBuffer=200000000", "push", "--quiet", push, "main");
      assertEquals(await git(bare, "rev-parse", "main"), await git(work, "rev-parse", "main"));
    });
    await t.step("a request whose content is gzip'ed, which git sends when it is long", async () => {
      const line = (text: string) => (text.length + 4).toString(16).padStart(4, "0") + text;
      const content = `${line("command=ls-refs\n")}0001${line("peel\n")}${line("symrefs\n")}0000`;
      const packed = new Uint8Array(
        await new Response(new Blob([content]).stream().pipeThrough(new CompressionStream("gzip")))
          .arrayBuffer(),
      );
      const head = [
        "POST /git/project.git/git-upload-pack HTTP/1.1",
        "Host: localhost",
        "Git-Protocol: version=2",
        "Content-Type: application/x-git-upload-pack-request",
        "Content-Encoding: gzip",
        `Content-Length: ${packed.length}`,
        "",
        "",
      ].join("\r\n");
      using client = await server.connect();
      await client.send(head);
      await client.send(packed);
      assertMatch(textOf(await client.readResponse()), /refs\/heads\/main/);
    });
    await t.step("a fetch with a thousand things to tell, from git itself", async () => {
      const main = await git(bare, "rev-parse", "main");
      for (let i = 0; i < 600; i++) await Deno.writeTextFile(join(bare, `refs/heads/b${i}`), main);
      await git(clone, "commit", "--quiet", "--allow-empty", "-m", "ours");
      await git(clone, "fetch", "--quiet", "origin");
      assertEquals((await git(clone, "branch", "-r", "--list", "origin/b*")).trim().split("\n").length, 600);
    });
    await t.step("what is no repository: 404", async () => {
      for (
        const path of [
          "/git/none.git/info/refs?service=git-upload-pack",
          "/git/../etc/passwd",
          "/git/project.git/config",
        ]
      ) {
        const { status } = await ask(server, get(path));
        assert(status >= 400 && status < 500, `${path}: ${status}`);
      }
    });
    await server.childless();
  },
});

/** The addresses that a page links to on this server. */
function links(page: string, base: string): string[] {
  const found = [...page.matchAll(/(?:href|src)=["']([^"'#]+)/g)].map(([, link]) =>
    link.replaceAll("&amp;", "&")
  );
  const urls = found.map((link) => new URL(link, base)).filter(({ origin }) =>
    origin === new URL(base).origin
  );
  return [...new Set(urls.map(({ pathname, search }) => pathname + search))];
}

Deno.test({
  name: "gitweb: lists, shows and diffs a project, its styles beside it (docs/examples/gitweb)",
  ignore: !HAS_GIT || !await isFile("/usr/share/gitweb/gitweb.cgi"),
  async fn() {
    await using server = await startExample("gitweb", {
      replace: { "/etc/gitweb.conf": "{dir}/gitweb.conf" },
      files: {
        "gitweb.conf":
          "our $projectroot = $ENV{DOCUMENT_ROOT} . '/../repositories'; $feature{'snapshot'}{'default'} = ['tgz'];\n",
      },
    });
    await repository(server);
    const page = async (path: string) => {
      const response = await ask(server, get(path));
      assertEquals(response.status, 200, `${path}: ${textOf(response)}`);
      return textOf(response);
    };
    assertEquals((await ask(server, get("/gitweb"))).status, 308);
    const index = await page("/gitweb/");
    assertStringIncludes(index, "project.git");
    const summary = links(index, `${server.url}/gitweb/`).find((link) => link.includes("a=summary"));
    assert(summary !== undefined);
    const pages = links(await page(summary), server.url + summary);
    for (const action of ["a=log", "a=shortlog", "a=tree", "a=commitdiff"]) {
      const link = pages.find((each) => each.includes(action));
      assert(link !== undefined, `${action}: ${pages.join("\n")}`);
      assertStringIncludes(await page(link), "project.git");
    }
    const styles = links(index, `${server.url}/gitweb/`).filter((link) => /\.(css|js|png)$/.test(link));
    assert(styles.length > 0);
    for (const style of styles) assertEquals((await ask(server, get(style))).status, 200, style);
    const missing = await ask(server, get("/gitweb/gitweb.cgi?p=none.git"));
    assertEquals(missing.status, 404);
    const blob = await page("/gitweb/gitweb.cgi?p=project.git;a=blob_plain;f=readme.txt;hb=main");
    assertEquals(blob, "all about geese & <swans>\n");
    await server.childless();
  },
});

Deno.test({
  name: "cgit: lists, shows and packs a project, its styles beside it (docs/examples/cgit)",
  ignore: !HAS_GIT || !await isFile("/usr/lib/cgit/cgit.cgi"),
  async fn() {
    await using server = await startExample("cgit", {
      replace: { "/etc/cgitrc": "{dir}/cgitrc" },
      files: { cgitrc: "" },
    });
    await Deno.writeTextFile(
      join(server.dir, "cgitrc"),
      `css=/cgit-css/cgit.css\nsnapshots=tar.gz\nscan-path=${join(server.dir, "repositories")}\n`,
    );
    await repository(server);
    const page = async (path: string) => {
      const response = await ask(server, get(path));
      assertEquals(response.status, 200, `${path}: ${textOf(response)}`);
      return response;
    };
    const index = textOf(await page("/cgit/"));
    assertStringIncludes(index, "project.git");
    const summary = links(index, `${server.url}/cgit/`).find((link) => /project\.git\/?$/.test(link));
    assert(summary !== undefined, index);
    const pages = links(textOf(await page(summary)), server.url + summary);
    for (const part of ["/log/", "/tree/", "/commit/", "/diff/"]) {
      const link = pages.find((each) => each.includes(part));
      assert(link !== undefined, `${part}: ${pages.join("\n")}`);
      await page(link);
    }
    assertEquals(textOf(await page("/cgit/project.git/plain/readme.txt")), "all about geese & <swans>\n");
    const packed = await page("/cgit/project.git/snapshot/project-main.tar.gz");
    assertEquals([...packed.content.subarray(0, 2)], [0x1f, 0x8b]);
    assertEquals((await ask(server, get("/cgit-css/cgit.css"))).status, 200);
    assertEquals((await ask(server, get("/cgit/project.git/plain/none.txt"))).status, 404);
    // cgit's own dumb transport.
    await git(server.dir, "clone", "--quiet", `${server.url}/cgit/project.git`, join(server.dir, "clone"))
      .catch(
        (error) => assertMatch(String(error), /not found|dumb|info\/refs/),
      );
    await server.childless();
  },
});
