import { assert, assertEquals } from "@std/assert";
import { loadConfig, NO_FLAGS } from "../config/load.ts";
import type { Config } from "../config/config.ts";
import { networkPermissions, scriptPermissions } from "./permissions.ts";

/** A configuration read from `yaml`, in a folder with `www` and `scripts`. */
async function configOf(yaml: string): Promise<{ config: Config; dir: string }> {
  const dir = await Deno.makeTempDir();
  await Deno.mkdir(`${dir}/www`);
  await Deno.mkdir(`${dir}/scripts`);
  await Deno.writeTextFile(`${dir}/pollux.yaml`, yaml);
  const read = await loadConfig({ file: `${dir}/pollux.yaml`, flags: NO_FLAGS, env: Deno.env, cwd: dir });
  if ("faults" in read) throw new Error(JSON.stringify(read.faults));
  return { config: read.config, dir };
}

const itself = (path: string): string => path;

Deno.test("a network loop may listen where it is told and read what it serves, and start nothing", async () => {
  const { config, dir } = await configOf(
    "listen: ['127.0.0.1:8080', '[::1]:0', 'unix:p.sock']\nroot: www\nroutes: [{ path: /cgi-bin/, cgi: scripts }]\n",
  );
  const permissions = networkPermissions(config, new Map([[1, 4711]]), "/tmp/private", itself);
  assertEquals(permissions.net, [
    "127.0.0.1:8080",
    "[::1]:4711",
    `unix:${dir}/p.sock`,
    `unix:${dir}/p.sock~`,
  ]);
  assertEquals(
    new Set(permissions.read || []),
    new Set([`/tmp/private`, `${dir}/p.sock`, `${dir}/p.sock~`, `${dir}/www`, `${dir}/scripts`]),
  );
  assertEquals(
    new Set(permissions.write || []),
    new Set(["/tmp/private", `${dir}/p.sock`, `${dir}/p.sock~`]),
  );
  assertEquals([permissions.run, permissions.env, permissions.ffi, permissions.sys, permissions.import], [
    false,
    false,
    false,
    false,
    false,
  ]);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a script loop may start the named programs and read the script folders, and has no network", async () => {
  const { config, dir } = await configOf("root: www\nroutes: [{ path: /cgi-bin/, cgi: scripts }]\n");
  const permissions = scriptPermissions(config, ["/usr/bin/perl"], "/tmp/warm");
  assertEquals(permissions.read, [`${dir}/scripts`]);
  assertEquals(permissions.run, ["/usr/bin/perl"]);
  assertEquals([permissions.net, permissions.write, permissions.env], [false, false, false]);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("with warm interpreters a script loop may use the sockets in its own folder, and no others", async () => {
  const { config, dir } = await configOf(
    "root: www\nroutes: [{ path: /cgi-bin/, cgi: scripts, warm: python }]\n",
  );
  const permissions = scriptPermissions(config, ["/usr/bin/python3"], "/tmp/private/warm1");
  assertEquals(permissions.read, [`${dir}/scripts`, "/tmp/private/warm1"]);
  assertEquals(permissions.write, ["/tmp/private/warm1"]);
  assert(permissions.net !== false && permissions.net.length > 1);
  assert(permissions.net.every((address) => address.startsWith("unix:/tmp/private/warm1/")));
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a configuration without scripts lets a script loop do nothing at all", async () => {
  const { config, dir } = await configOf("root: www\n");
  const permissions = scriptPermissions(config, [], "/tmp/warm");
  assert(Object.values(permissions).every((value) => value === false));
  await Deno.remove(dir, { recursive: true });
});

Deno.test("where a folder is a link, the loop may read what it leads to as well", async () => {
  const { config, dir } = await configOf("root: www\n");
  const { read } = networkPermissions(config, new Map(), "/tmp/private", (path) => `/real${path}`);
  assert(read !== false && read.includes(`/real${dir}/www`) && read.includes(`${dir}/www`));
  await Deno.remove(dir, { recursive: true });
});
