import { assertEquals, assertMatch, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import type { Config } from "../config/config.ts";
import { loadConfig, NO_FLAGS } from "../config/load.ts";
import { DescriptorError, fitDescriptors, readDescriptors, requireRoom, Reserve } from "./descriptors.ts";

async function aConfig(): Promise<Config> {
  const cwd = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${cwd}/static`);
    const read = await loadConfig({ file: null, flags: NO_FLAGS, env: Deno.env, cwd });
    if ("faults" in read) throw new Error(JSON.stringify(read.faults));
    return read.config;
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

Deno.test("fitDescriptors() leaves the configuration as it is where the limit is high, or none is known", async () => {
  const config = await aConfig();
  for (const limit of [20_000, Infinity]) {
    assertEquals(fitDescriptors(config, { limit, open: 25 }), { config, warning: null });
  }
});

Deno.test("fitDescriptors() lowers connections and scripts to what there is room for, and says so", async () => {
  const config = await aConfig();
  for (const limit of [64, 256, 1024, 4096]) {
    const { config: { limits, cgi }, warning } = fitDescriptors(config, { limit, open: 23 });
    const used = 23 + 3 * 6 + 1 + limits.connections + 4 * cgi.maxProcesses;
    assertEquals([used < limit, limits.connections >= limit / 16, cgi.maxProcesses >= 1], [true, true, true]);
    assertStringIncludes(warning ?? "", `${limits.connections} connections (limits.connections: 10000)`);
    assertStringIncludes(
      warning ?? "",
      `the system lets this program open ${limit} files, which is enough for `,
    );
    assertStringIncludes(warning ?? "", ` scripts at once (cgi.max_processes: `);
  }
});

Deno.test("fitDescriptors() refuses a limit with which not even the loops can be started", async () => {
  const config = await aConfig();
  const error = assertThrows(() => fitDescriptors(config, { limit: 40, open: 23 }), DescriptorError);
  assertStringIncludes(error.message, "the system lets this program open 40 files, and it needs ");
  assertStringIncludes(error.message, " at least: raise that limit (ulimit -n; LimitNOFILE= in systemd)");
});

Deno.test("requireRoom() refuses another set of loops where too few descriptors are left, or none to ask the system", async () => {
  const config = await aConfig();
  const known = { limit: 64, open: 23 };
  const needed = 6 + 1 + 3;
  await requireRoom(config, known, () => Promise.resolve({ limit: 64, open: 64 - needed }));
  await requireRoom(config, known, () => Promise.resolve({ limit: Infinity, open: 0 }));
  const { message } = await assertRejects(
    () => requireRoom(config, known, () => Promise.resolve({ limit: 64, open: 64 - needed + 1 })),
    DescriptorError,
  );
  assertStringIncludes(message, "what has changed needs new loops beside the old ones, and those 10");
  assertStringIncludes(
    message,
    "open files; the system lets this program open 64, and 9 are left: raise that limit",
  );
  assertStringIncludes(message, ", or reload when fewer clients are connected");
  const none = Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" });
  await assertRejects(
    () => requireRoom(config, known, () => Promise.reject(none)),
    DescriptorError,
    "0 are left",
  );
});

Deno.test("readDescriptors() tells the limit of this process and what it has open", async () => {
  const { limit, open } = await readDescriptors();
  assertEquals([limit > 16, open > 2, open < limit], [true, true, true]);
});

Deno.test({
  name: "Reserve holds descriptors and lets them go",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const config = await aConfig();
    const reserve = new Reserve();
    reserve.take(config);
    reserve.take(config); // as many as before: sanitizers find what is left open
    reserve.release();
  },
});

Deno.test({
  name: "readDescriptors() tells what the program was started with",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const module = new URL("descriptors.ts", import.meta.url).href;
    const program =
      `import { readDescriptors } from "${module}"; console.log((await readDescriptors()).inherited.join());`;
    const { stdout } = await new Deno.Command("/bin/sh", {
      args: ["-c", 'exec 3</dev/null 8</dev/null; exec "$0" eval "$1"', Deno.execPath(), program],
      stderr: "inherit",
    }).output();
    assertMatch(new TextDecoder().decode(stdout), /^3,(?:[4-7],)*8\b/);
  },
});

Deno.test("readDescriptors() knows no limit where there is no shell", async () => {
  assertEquals(await readDescriptors("/no/such/shell"), { limit: Infinity, open: 0, inherited: [] });
});
