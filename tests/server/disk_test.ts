import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { eventually } from "../support/deadline.ts";
import { hasProgram, outputOf } from "../support/processes.ts";
import { ask, get, post, textOf } from "../support/raw.ts";
import { BASIC_YAML, TestServer } from "../support/server.ts";

const FILES = { "static/a.txt": "file" };

/** Makes a file system of its own at `path`; what removes it, or null where this user may not. */
async function mountDisk(path: string, size: string): Promise<(() => Promise<string>) | null> {
  try {
    await outputOf("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path]);
  } catch {
    return null;
  }
  return () => outputOf("umount", ["-l", path]);
}

async function mayMount(): Promise<boolean> {
  if (Deno.build.os !== "linux" || !await hasProgram("mount", "--version")) return false;
  const dir = await Deno.makeTempDir();
  const unmount = await mountDisk(dir, "64k");
  await unmount?.();
  await Deno.remove(dir);
  return unmount !== null;
}

const MAY_MOUNT = await mayMount();

Deno.test({
  name:
    "an access log on a full disk is told of once, every request is answered, and it goes on once there is room",
  ignore: !MAY_MOUNT,
  fn: async () => {
    const disk = await Deno.makeTempDir();
    const unmount = await mountDisk(disk, "64k");
    try {
      await Deno.writeFile(join(disk, "ballast"), new Uint8Array(64 * 1024)).catch(() => {});
      await using server = await TestServer.start({
        yaml: `log: { access: ${disk}/access.log }\n${BASIC_YAML}`,
        files: FILES,
      });
      for (let i = 0; i < 50; i++) {
        assertEquals((await ask(server, get("/a.txt?while-full"))).status, 200);
      }
      await server.stderrMatch(/access\.log: it cannot be written and will be tried again/);
      await Deno.remove(join(disk, "ballast"));
      await server.stderrMatch(/access\.log: it can be written again/);
      assertEquals((await ask(server, get("/a.txt?then"))).status, 200);
      const { stderr } = await server.stop();
      assertEquals(stderr.match(/cannot be written/g)?.length, 1, stderr);
      assertMatch(await Deno.readTextFile(join(disk, "access.log")), /while-full[^]*then/);
    } finally {
      await unmount?.();
      await Deno.remove(disk);
    }
  },
});

Deno.test({
  name: "an upload to a full disk is answered 507 and leaves nothing; with room again it is taken",
  ignore: !MAY_MOUNT,
  fn: async () => {
    const disk = await Deno.makeTempDir();
    const unmount = await mountDisk(disk, "256k");
    try {
      await using server = await TestServer.start({
        yaml: `${BASIC_YAML}  - { path: /up/, files: ${disk}, methods: [GET, PUT] }\n`,
        files: FILES,
      });
      const put = (bytes: number) => ask(server, post("/up/x.bin", "x".repeat(bytes)).replace("POST", "PUT"));
      assertEquals((await put(1024 * 1024)).status, 507);
      await eventually("nothing is left", () => [...Deno.readDirSync(disk)].length === 0);
      assertEquals((await put(64 * 1024)).status, 201);
      assertEquals(textOf(await ask(server, get("/up/x.bin"))).length, 64 * 1024);
    } finally {
      await unmount?.();
      await Deno.remove(disk);
    }
  },
});

Deno.test({
  name: "a body that is kept whole gets 507 where its folder is full",
  ignore: !MAY_MOUNT,
  fn: async () => {
    const disk = await Deno.makeTempDir();
    const unmount = await mountDisk(disk, "256k");
    try {
      await using server = await TestServer.start({
        yaml: `temp: ${disk}\n${BASIC_YAML}`,
        files: { "cgi-bin/count.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nwc -c\n" },
      });
      const chunk = `10000\r\n${"x".repeat(65536)}\r\n`;
      const head = "POST /cgi-bin/count.sh HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
      assertEquals((await ask(server, head + chunk.repeat(40) + "0\r\n\r\n")).status, 507);
      const response = await ask(server, head + chunk + "0\r\n\r\n");
      assertEquals([response.status, textOf(response).trim()], [200, "65536"]);
      await server.stop();
      assertEquals([...Deno.readDirSync(disk)], []);
    } finally {
      await unmount?.();
      await Deno.remove(disk);
    }
  },
});

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
