import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { eventually } from "../support/deadline.ts";
import { hasProgram, outputOf } from "../support/processes.ts";
import { ask, get, post, textOf } from "../support/raw.ts";
import { BASIC_YAML, runPollux, TestServer } from "../support/server.ts";

const FILES = { "static/a.txt": "file" };

/** A file system of its own, where this user may have one. */
class Disk implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes one of so many KiB; null where this user may not. */
  static async mount(kib: number): Promise<Disk | null> {
    const path = await Deno.makeTempDir({ prefix: "pollux-disk-" });
    try {
      await outputOf("mount", ["-t", "tmpfs", "-o", `size=${kib}k`, "tmpfs", path]);
      return new Disk(path);
    } catch {
      await Deno.remove(path);
      return null;
    }
  }

  /** From now on nothing can be written, or again. */
  async remount(how: "ro" | "rw"): Promise<void> {
    await outputOf("mount", ["-o", `remount,${how}`, this.path]);
  }

  /** What lies on it. */
  files(): string[] {
    return Array.from(Deno.readDirSync(this.path), ({ name }) => name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await outputOf("umount", ["-l", this.path]);
    await Deno.remove(this.path);
  }
}

async function mayMount(): Promise<boolean> {
  if (Deno.build.os !== "linux" || !await hasProgram("mount", "--version")) return false;
  await using disk = await Disk.mount(64);
  return disk !== null;
}

const MAY_MOUNT = await mayMount();

/** A test with a disk of so many KiB; skipped where there can be none. */
function onDisk(name: string, kib: number, test: (disk: Disk) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !MAY_MOUNT,
    fn: async () => {
      await using disk = await Disk.mount(kib);
      assert(disk !== null);
      await test(disk);
    },
  });
}

onDisk(
  "an access log on a full disk is told of once, every request is answered, and it goes on once there is room",
  64,
  async (disk) => {
    const ballast = join(disk.path, "ballast");
    await Deno.writeFile(ballast, new Uint8Array(64 * 1024)).catch(() => {});
    await using server = await TestServer.start({
      yaml: `log: { access: ${disk.path}/access.log }\n${BASIC_YAML}`,
      files: FILES,
    });
    for (let i = 0; i < 50; i++) {
      assertEquals((await ask(server, get("/a.txt?while-full"))).status, 200);
    }
    await server.stderrMatch(/access\.log: it cannot be written and will be tried again/);
    await Deno.remove(ballast);
    await server.stderrMatch(/access\.log: it can be written again/);
    assertEquals((await ask(server, get("/a.txt?then"))).status, 200);
    const { stderr } = await server.stop();
    assertEquals(stderr.match(/cannot be written/g)?.length, 1, stderr);
    assertMatch(await Deno.readTextFile(join(disk.path, "access.log")), /while-full[^]*then/);
  },
);

onDisk(
  "a log on a disk that is read-only is named when the server starts, which ends",
  64,
  async (disk) => {
    await disk.remount("ro");
    for (const log of ["access", "error"]) {
      const path = `${disk.path}/${log}.log`;
      const end = await runPollux({ yaml: `log: { ${log}: ${path} }\n${BASIC_YAML}`, files: FILES });
      assertEquals(end.code, 1, end.stderr);
      assertStringIncludes(end.stderr, path);
      assertMatch(end.stderr, /read-only file system/);
    }
  },
);

onDisk(
  "an upload to a full disk is answered 507 and leaves nothing; with room again it is taken",
  256,
  async (disk) => {
    await using server = await startWithUploads(disk);
    assertEquals(await put(server, 1024 * 1024), 507);
    await eventually("nothing is left", () => disk.files().length === 0);
    assertEquals(await put(server, 64 * 1024), 201);
    assertEquals(textOf(await ask(server, get("/up/x.bin"))).length, 64 * 1024);
  },
);

onDisk(
  "an upload to a disk that is read-only is refused with 403; what is there is still served",
  256,
  async (disk) => {
    await using server = await startWithUploads(disk);
    assertEquals(await put(server, 1000), 201);
    await disk.remount("ro");
    assertEquals(await put(server, 2000), 403);
    assertEquals((await ask(server, get("/up/x.bin").replace("GET", "DELETE"))).status, 403);
    assertEquals(textOf(await ask(server, get("/up/x.bin"))).length, 1000);
    assertEquals(disk.files(), ["x.bin"]);
    await disk.remount("rw");
    assertEquals(await put(server, 2000), 204);
    assert(!/bug/.test(server.stderr), server.stderr);
  },
);

onDisk("a body that is kept whole gets 507 where its folder is full", 256, async (disk) => {
  await using server = await startWithTemporary(disk);
  assertEquals((await ask(server, chunks(40))).status, 507);
  const response = await ask(server, chunks(1));
  assertEquals([response.status, textOf(response).trim()], [200, "65536"]);
  await server.stop();
  assertEquals(disk.files(), []);
});

onDisk(
  "a body that is kept whole gets 507 where its folder is read-only; one that memory holds is served",
  256,
  async (disk) => {
    await using server = await startWithTemporary(disk);
    await disk.remount("ro");
    assertEquals((await ask(server, chunks(40))).status, 507);
    const response = await ask(server, chunks(1));
    assertEquals([response.status, textOf(response).trim()], [200, "65536"]);
    const { stderr } = await server.stop();
    assertMatch(
      stderr,
      /refused with 507: no body can be kept in \S+: Read-only file system.*: make it writable, or name another folder under temp/,
    );
    // Its own folder there stays, which is said, and the end is none the worse.
    assertMatch(stderr, / warn cannot remove the folder \S+: .*Read-only file system/);
    assert(!/bug|fault of Pollux/.test(stderr), stderr);
  },
);

function startWithUploads(disk: Disk): Promise<TestServer> {
  return TestServer.start({
    yaml: `${BASIC_YAML}  - { path: /up/, files: ${disk.path}, methods: [GET, PUT, DELETE] }\n`,
    files: FILES,
  });
}

async function put(server: TestServer, bytes: number): Promise<number> {
  const request = post("/up/x.bin", "x".repeat(bytes)).replace("POST", "PUT");
  return (await ask(server, request)).status;
}

function startWithTemporary(disk: Disk): Promise<TestServer> {
  return TestServer.start({
    yaml: `temp: ${disk.path}\n${BASIC_YAML}`,
    files: { "cgi-bin/count.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nwc -c\n" },
  });
}

/** A body of so many chunks of 64 KiB. */
function chunks(count: number): string {
  const head = "POST /cgi-bin/count.sh HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  return head + `10000\r\n${"x".repeat(65536)}\r\n`.repeat(count) + "0\r\n\r\n";
}

Deno.test("copytruncate: the log goes on at the end that is, without a hole", async () => {
  await using server = await TestServer.start({
    yaml: `log: { access: ./access.log }\n${BASIC_YAML}`,
    files: FILES,
  });
  const path = join(server.dir, "access.log");
  const has = (text: string) => async () => (await Deno.readTextFile(path).catch(() => "")).includes(text);
  await ask(server, get("/a.txt?before"));
  await eventually("the first line", has("?before"));
  await Deno.copyFile(path, `${path}.1`);
  await Deno.truncate(path);
  await ask(server, get("/a.txt?after"));
  await eventually("the second line", has("?after"));
  const text = await Deno.readTextFile(path);
  assert(!text.includes("\0") && !text.includes("?before"), text);
  assertStringIncludes(await Deno.readTextFile(`${path}.1`), "?before");
});
