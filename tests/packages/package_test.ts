/**
 * What `deno task release` makes of the executable that POLLUX names: the Debian package is installed, started as its
 * unit would start it, used, and purged; the container image's file system is entered and used.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { debianPackage } from "../../.ci/tasks/release/debian.ts";
import { settings } from "../../.ci/tasks/release/executables.ts";
import { filesBeside, ociImage } from "../../.ci/tasks/release/oci.ts";
import { sha256 } from "../../.ci/tasks/release/tar.ts";
import { within } from "../support/deadline.ts";

const EXECUTABLE = Deno.env.get("POLLUX") ?? "";
const ARCHITECTURE = Deno.build.arch === "x86_64" ? "amd64" : "arm64";
const { version } = settings();

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(program: string, ...args: string[]): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    env: { DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

async function ok(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(program, ...args);
  assertEquals(code, 0, `${program} ${args.join(" ")}: ${stderr}${stdout}`);
  return stdout;
}

async function isThere(program: string): Promise<boolean> {
  return (await run("sh", "-c", `command -v ${program}`)).code === 0;
}

async function isRoot(): Promise<boolean> {
  return (await run("id", "-u")).stdout === "0\n";
}

async function withFolder(fn: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "pollux-test-" });
  try {
    await fn(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What a container's runtime does before it starts anything. */
const MOUNT = 'mount --rbind /proc "$0/proc" && mount --rbind /dev "$0/dev" && exec "$@"';

/** Starts a server by a command line, asks it for some paths, and stops it: the answers, and what it said. */
async function use(
  command: readonly string[],
  paths: readonly string[],
): Promise<{ bodies: string[]; said: string }> {
  const [program, ...args] = command;
  const child = new Deno.Command(program, {
    args,
    env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let said = "";
  const listening = Promise.withResolvers<string>();
  const read = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      said += text;
      const url = /listening on (http:\S+)\n/.exec(said)?.[1];
      if (url !== undefined) listening.resolve(url);
    }
    listening.reject(new Error(`it ended at its start:\n${said}`));
  })();
  try {
    const url = await within("the server to listen", listening.promise);
    const bodies: string[] = [];
    for (const path of paths) bodies.push(await (await fetch(url + path)).text());
    child.kill("SIGTERM");
    const { code } = await within("the server to end", child.status);
    await read;
    assertEquals(code, 0, said);
    return { bodies, said };
  } catch (error) {
    try {
      child.kill("SIGKILL");
    } catch {
      // It had ended by itself.
    }
    await Promise.allSettled([child.status, read]);
    throw error;
  }
}

Deno.test({
  name: "the executable does not name the folder that it was built in",
  ignore: EXECUTABLE === "" || Deno.build.os === "windows",
  fn: async () => {
    // Without its first slash: that is how a bundle would name a module.
    const folder = new URL("../../", import.meta.url).pathname.slice(1);
    assertEquals((await run("grep", "-caF", folder, EXECUTABLE)).stdout, "0\n");
    assertEquals((await run("grep", "-qaF", "src/supervisor/supervisor.ts", EXECUTABLE)).code, 0);
  },
});

Deno.test({
  name: "the Debian package is installed, used as its unit starts it, and purged without a trace",
  ignore: EXECUTABLE === "" || !await isRoot() || !await isThere("dpkg") || !await isThere("setpriv") ||
    (await run("dpkg-query", "--show", "pollux")).code === 0,
  fn: () =>
    withFolder(async (folder) => {
      const executable = await Deno.readFile(EXECUTABLE);
      const file = `${folder}/pollux.deb`;
      await Deno.writeFile(
        file,
        await debianPackage({ executable, architecture: ARCHITECTURE, version, time: 0 }),
      );
      assertMatch(await ok("dpkg-deb", "--info", file), new RegExp(`Version: ${version}`));
      // One such test at a time on this machine; apt waits for others.
      using lock = await Deno.open("/tmp/pollux-package-test.lock", { create: true, write: true });
      await lock.lock(true);
      const waits = ["-qq", "--yes", "-o", "DPkg::Lock::Timeout=300"];
      try {
        await ok("apt-get", "install", ...waits, "--no-install-recommends", file);
        assertEquals(await ok("dpkg", "--verify", "pollux"), "");
        assertStringIncludes(await ok("/usr/bin/pollux", "version"), `pollux ${version}`);
        assertStringIncludes(
          await ok("/usr/bin/pollux", "check", "--config", "/etc/pollux/pollux.yaml"),
          "/etc/pollux/pollux.yaml: valid",
        );
        const unit = "/usr/lib/systemd/system/pollux.service";
        if (await isThere("systemd-analyze")) await ok("systemd-analyze", "verify", unit);
        const start = /^ExecStart=(.*)$/m.exec(await Deno.readTextFile(unit))?.[1].split(" ") ?? [];
        const asUser = ["setpriv", "--reuid=pollux", "--regid=pollux", "--clear-groups", "--no-new-privs"];
        const { bodies: [page, hello] } = await use(
          [...asUser, ...start, "--listen", "127.0.0.1:0"],
          ["/", "/cgi-bin/hello.py?name=Leda"],
        );
        assertStringIncludes(page, "It works");
        assertStringIncludes(hello, "Hello, Leda!");
      } finally {
        await run("apt-get", "purge", ...waits, "pollux");
      }
      assertEquals((await run("dpkg-query", "--show", "pollux")).code, 1);
      assertEquals((await run("getent", "passwd", "pollux")).code, 2);
      for (const path of ["/usr/bin/pollux", "/etc/pollux", "/usr/share/pollux"]) {
        assertEquals((await run("test", "-e", path)).code, 1, path);
      }
    }),
});

Deno.test({
  name: "the container image is an OCI layout, and the executable runs with nothing but what is in it",
  ignore: EXECUTABLE === "" || Deno.build.os !== "linux" || !await isThere("ldd"),
  fn: () =>
    withFolder(async (folder) => {
      const executable = await Deno.readFile(EXECUTABLE);
      const files = await filesBeside(EXECUTABLE);
      const image = await ociImage({ executable, files, architecture: ARCHITECTURE, version, time: 0 });
      await Deno.writeFile(`${folder}/image.tar`, image);
      await Deno.mkdir(`${folder}/root`);
      await ok("tar", "-xf", `${folder}/image.tar`, "-C", folder);
      const read = async (digest: string) =>
        await Deno.readFile(`${folder}/blobs/${digest.replace(":", "/")}`);
      const json = async (digest: string) => JSON.parse(new TextDecoder().decode(await read(digest)));
      for await (const { name } of Deno.readDir(`${folder}/blobs/sha256`)) {
        assertEquals(await sha256(await read(`sha256:${name}`)), name);
      }
      assertEquals(JSON.parse(await Deno.readTextFile(`${folder}/oci-layout`)), {
        imageLayoutVersion: "1.0.0",
      });
      const { manifests: [{ digest }] } = JSON.parse(await Deno.readTextFile(`${folder}/index.json`));
      const manifest = await json(digest);
      for (const { digest, size } of [manifest.config, ...manifest.layers]) {
        assertEquals((await read(digest)).length, size);
      }
      const { config, rootfs } = await json(manifest.config.digest);
      const layer = `${folder}/layer.tar`;
      await Deno.writeFile(`${layer}.gz`, await read(manifest.layers[0].digest));
      await ok("gunzip", `${layer}.gz`);
      assertEquals(rootfs.diff_ids, [`sha256:${await sha256(await Deno.readFile(layer))}`]);
      assertEquals(config.User, "65532:65532");

      await ok("tar", "-xf", layer, "-C", `${folder}/root`);
      // Without /proc no executable of Deno starts.
      if ((await run("unshare", "--mount", "true")).code !== 0) return;
      await Deno.writeTextFile(`${folder}/root/srv/static/index.html`, "from the image");
      await Deno.writeTextFile(
        `${folder}/root/srv/cgi-bin/a.sh`,
        "printf 'Content-Type: text/plain\\n\\na script'\n",
      );
      await Deno.chmod(folder, 0o755);
      const [uid, gid] = config.User.split(":");
      const inside = [
        ...["unshare", "--mount", "sh", "-c", MOUNT, `${folder}/root`],
        ...[
          "unshare",
          `--root=${folder}/root`,
          `--wd=${config.WorkingDir}`,
          "--setuid",
          uid,
          "--setgid",
          gid,
        ],
        ...config.Entrypoint,
        ...config.Cmd.with(-1, "127.0.0.1:0"),
      ];
      const { bodies } = await use(inside, ["/", "/cgi-bin/a.sh"]);
      assertEquals(bodies, ["from the image", "a script"]);
    }),
});

Deno.test("the manual pages are roff without faults, and name every command and key", async () => {
  const { commandPage, configurationPage } = await import("../../.ci/tasks/release/manual.ts");
  assertMatch(commandPage(version), /^\.BR? pollux check/m);
  assertMatch(configurationPage(version), /^\.BR queue_timeout /m);
  if (!await isThere("groff")) return;
  await withFolder(async (folder) => {
    for (const page of [commandPage(version), configurationPage(version)]) {
      await Deno.writeTextFile(`${folder}/page`, page);
      const { code, stdout, stderr } = await run("groff", "-man", "-Tascii", "-ww", `${folder}/page`);
      assertEquals([code, stderr], [0, ""]);
      assert(stdout.length > 2000);
    }
  });
});
