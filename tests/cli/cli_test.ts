/**
 * The program from outside: what only a process of its own shows, such as streams, exit status and permissions.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { hasProgram } from "../support/processes.ts";
import { commandLine } from "../support/server.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

async function pollux(cwd: string, args: readonly string[], env: Record<string, string> = {}) {
  const command = new Deno.Command(Deno.execPath(), {
    // As `deno task start` runs it.
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--config",
      CONFIG,
      "--allow-net",
      "--allow-read",
      "--allow-write",
      "--allow-run",
      "--allow-env",
      MAIN,
      ...args,
    ],
    cwd,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

async function withFolder(fn: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "pollux-test-" }));
  try {
    await fn(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("check writes faults to standard error, without colours, and exits with 2", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/pollux.yaml`, "root: .\nlisen: 80\nlimits: { body: 1MB }\n");
    assertEquals(await pollux(folder, ["check"]), {
      code: 2,
      stdout: "",
      stderr: "pollux.yaml:2:1: lisen: no such key; did you mean listen?\n" +
        'pollux.yaml:3:17: limits.body: "1MB" is not a size: write 1MiB\n',
    });
  }));

Deno.test("check writes its verdict to standard output and exits with 0", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/site.yaml`, "root: .\n");
    assertEquals(await pollux(folder, ["check", "--config", "site.yaml"]), {
      code: 0,
      stdout: "site.yaml: valid\n",
      stderr: "",
    });
  }));

Deno.test("--dev is refused on an address that others can reach", () =>
  withFolder(async (folder) => {
    const { code, stderr } = await pollux(folder, [".", "--dev", "--listen", "0.0.0.0:0"]);
    assertEquals(code, 2);
    assertMatch(stderr, /^pollux: --dev: 0\.0\.0\.0:0 can be reached from other machines, .*\n$/);
  }));

Deno.test("--version runs where there is nothing to read", () =>
  withFolder(async (folder) => {
    const { code, stdout, stderr } = await pollux(folder, ["--version"], { NO_COLOR: "1" });
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^pollux \d/);
  }));

Deno.test({
  name: "colours are on a terminal, never with NO_COLOR",
  ignore: !await hasProgram("script", "--version"),
  fn: () =>
    withFolder(async (folder) => {
      // The program script gives its command a terminal.
      const onTerminal = async (env: Record<string, string>) => {
        const command = (await commandLine()).flat().map((word) => `'${word}'`).join(" ");
        const { stdout } = await new Deno.Command("script", {
          args: ["-qec", `${command} check --config nope.yaml`, "/dev/null"],
          cwd: folder,
          clearEnv: true,
          env: { PATH: Deno.env.get("PATH") ?? "", HOME: Deno.env.get("HOME") ?? "", TERM: "xterm", ...env },
          stdin: "null",
        }).output();
        return new TextDecoder().decode(stdout).replaceAll("\r\n", "\n");
      };
      const said = "nope.yaml: there is no such file: make one with pollux init";
      assertEquals(await onTerminal({}), `\x1b[31m${said}\x1b[0m\n`);
      assertEquals(await onTerminal({ NO_COLOR: "1" }), `${said}\n`);
      assertEquals(await onTerminal({ TERM: "dumb" }), `${said}\n`);
    }),
});
