/**
 * Starts Pollux and the yardsticks of its own runtime, and what is told its port.
 *
 * @module
 */

import type { Target } from "./load.ts";
import type { BenchSite } from "./site.ts";
import { childrenOf } from "./usage.ts";

/** A server that runs. */
export interface Server extends Target, AsyncDisposable {}

const ROOT = new URL("../", import.meta.url).pathname;

/** How Pollux is started from source, by the task's own permissions. */
async function sourceCommand(): Promise<string[]> {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const command: string = tasks.start.command;
  return [Deno.execPath(), ...command.split(" ").slice(1)];
}

/** The command that starts Pollux: from source, or the executable. */
export async function polluxCommand(executable: string | null): Promise<string[]> {
  return executable === null ? await sourceCommand() : [executable];
}

/** A configuration of Pollux: all its defaults, but for where things lie and the sizes that 1 GiB needs. */
export function polluxConfig(site: BenchSite, more = ""): string {
  return `listen: 127.0.0.1:0
${more}root: ${site.files}
limits: { body: off }
routes:
  - { path: /cgi-bin/, cgi: ${site.scripts} }
`;
}

/** Starts Pollux with a configuration, which is written to a file of that name. */
export async function startPollux(
  site: BenchSite,
  name: string,
  config: string,
  executable: string | null = null,
): Promise<Server> {
  await Deno.writeTextFile(`${site.dir}/${name}.yaml`, config);
  const command = [...await polluxCommand(executable), "--config", `${site.dir}/${name}.yaml`];
  return await startListening(command, `${site.dir}/${name}.log`);
}

/** The bare loop, or the runtime's own server. */
export async function startYardstick(
  site: BenchSite,
  script: "bare_loop.ts" | "deno_serve.ts",
): Promise<Server> {
  const flags = ["--no-prompt", "--allow-net", "--allow-read"];
  const path = new URL(script, import.meta.url).pathname;
  const command = [Deno.execPath(), "run", ...flags, path, `${site.files}/1k.html`];
  return await startListening(command, "/dev/null");
}

/** Starts what says on standard error where it listens; its standard output goes to `log`. */
async function startListening(command: string[], log: string): Promise<Server> {
  const child = new Deno.Command("sh", {
    args: ["-c", 'exec "$@" >>"$0"', log, ...command],
    cwd: ROOT,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let said = "";
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      said += text;
      const match = /listening on http:\/\/127\.0\.0\.1:(\d+)\s/.exec(said);
      if (match !== null) resolve(Number(match[1]));
    }
    reject(new Error(`${command.join(" ")}: ${said}`));
  })();
  const port = await promise;
  return { port, pids: [child.pid], [Symbol.asyncDispose]: () => stop(child) };
}

/** Starts what has to be told its port, and waits until it answers. */
export async function startOn(port: number, program: string, args: string[]): Promise<Server> {
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  await answering(port);
  const children = await childrenOf(child.pid);
  return { port, pids: [child.pid, ...children], [Symbol.asyncDispose]: () => stop(child) };
}

async function stop(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGTERM");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // It has ended.
  }
  await child.status;
}

async function answering(port: number): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      (await Deno.connect({ port })).close();
      return;
    } catch (error) {
      if (tries === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** A port of the loopback address that is free now. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
