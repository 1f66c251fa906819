/**
 * A real server in a process of its own, on a port of its own, in a folder of its own: from source, or the executable that the
 * environment variable POLLUX names.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { eventually, within } from "./deadline.ts";
import { descendantsOf, type ProcessInfo, runningWith, stillRunning } from "./processes.ts";
import { ask, get, RawClient, textOf } from "./raw.ts";

/** The repository. */
export const REPOSITORY: string = fromFileUrl(new URL("../../", import.meta.url)).replace(/[/\\]$/, "");

/**
 * What the program says of a machine that lets it open few files: so many connections, and no more. It is said beside whatever else
 * is, and is left out where all of that is compared.
 */
const FEW_FILES = /^.*the system lets this program open \d+ files, which is enough for .*\n/gm;

/** Standard error without that. */
export function withoutFewFiles(stderr: string): string {
  return stderr.replace(FEW_FILES, "");
}

/** Where interpreters are looked for: the system's own first, since a version manager's shim takes long to start. */
const PATH = `/usr/local/bin:/usr/bin:/bin:${Deno.env.get("PATH") ?? ""}`;

/** A file to be made: its text, or with more about it. */
export type FileSpec = string | Uint8Array | { readonly text: string; readonly mode: number };

/** How a server is to be started. */
export interface ServerOptions {
  /** Written as pollux.yaml in its folder; `{dir}` stands for that folder. Without it there is no such file. */
  readonly yaml?: string;
  /** Files to be made in its folder first, by path. Text that begins with `#!` is made executable. */
  readonly files?: Readonly<Record<string, FileSpec>>;
  /** Arguments of the program. */
  readonly flags?: readonly string[];
  /** Variables beside PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether its standard output is read while it runs; true by default. Otherwise it is a pipe that fills up. */
  readonly readsStdout?: boolean;
  /** Whether its standard output is a terminal (Python's pty is there to make one). */
  readonly terminal?: boolean;
  /** Redirections of a shell: what is open when it is started, beside its three streams. */
  readonly redirections?: string;
  /** How many descriptors it may have; otherwise as many as this process. */
  readonly descriptors?: number;
  /** What is run in place of main.ts, by its path in the repository; not of an executable. */
  readonly entry?: string;
}

/** With the environment variable WARM, `python` or `perl`, every cgi route is `warm`: the tests hold for these as well. */
function warmed(yaml: string): string {
  const language = Deno.env.get("WARM");
  if (language === undefined) return yaml;
  return yaml
    .replace(/^( +(?:- )?)(cgi: *[^\s{].*)$/gm, (_, indent, cgi) => {
      return `${indent}warm: ${language}\n${indent.replace("-", " ")}${cgi}`;
    })
    .replace(/([{,] *)(cgi: *[^\s{},])/g, `$1warm: ${language}, $2`);
}

/** Without fork servers and those of their children that wait: these lead no session of their own yet. */
function withoutWarm(processes: readonly ProcessInfo[], server: number): ProcessInfo[] {
  const isServer = ({ parent, command }: ProcessInfo) =>
    parent === server && /"<pollux>"|perl .*\/dev\/stdin /.test(command);
  const servers = new Set(processes.filter(isServer).map(({ pid }) => pid));
  return processes.filter(({ pid, parent, state }) =>
    !servers.has(pid) && !(servers.has(parent) && !state.includes("s"))
  );
}

/** How a process ended. */
export interface Ended {
  readonly code: number;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A site with files in `static/` and scripts in `cgi-bin/`; a test adds lines to it. */
export const BASIC_YAML = `listen: 127.0.0.1:0
routes:
  - path: /
    files: ./static
  - path: /cgi-bin/
    cgi: ./cgi-bin
`;

/** A line of `routes` for `TestServer.queued`. */
export const STATUS_ROUTE = "  - { path: /status, status: true }\n";

/** A line of the program's two streams is told as soon as it is there. */
class Collector {
  text = "";
  readonly #waiting = new Set<{ pattern: RegExp; resolve: (match: RegExpExecArray) => void }>();
  readonly #resumed = Promise.withResolvers<void>();
  readonly ended: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array>, reads = true) {
    if (reads) this.#resumed.resolve();
    this.ended = this.#resumed.promise.then(() => this.#collect(stream));
  }

  /** Reads from now on. */
  resume(): void {
    this.#resumed.resolve();
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.text += decoder.decode(chunk, { stream: true });
      for (const waiter of this.#waiting) {
        const match = waiter.pattern.exec(this.text);
        if (match === null) continue;
        this.#waiting.delete(waiter);
        waiter.resolve(match);
      }
    }
  }

  /** Resolves once the text matches. */
  match(pattern: RegExp): Promise<RegExpExecArray> {
    const match = pattern.exec(this.text);
    if (match !== null) return Promise.resolve(match);
    return new Promise((resolve) => this.#waiting.add({ pattern, resolve }));
  }
}

/** Becomes the program with a terminal as its standard output; what is written there goes on to where that was before. */
const TERMINAL = `
import os, pty, sys
master, slave = pty.openpty()
if os.fork() == 0:
    if os.fork(): os._exit(0)
    os.chdir("/")
    os.close(slave)
    os.close(2)
    try:
        while data := os.read(master, 65536): os.write(1, data)
    except OSError: pass
    os._exit(0)
os.wait()
os.dup2(slave, 1)
os.execvp(sys.argv[1], sys.argv[1:])
`;

/** Becomes the program with so many descriptors and no more of them open than its streams, whatever its parent has left open. */
const LIMITED = `
import os, resource, sys
most = int(sys.argv[1])
os.closerange(3, 65536)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
os.execvp(sys.argv[2], sys.argv[2:])
`;

/** The program with its arguments: what `deno task start` runs, or the executable. */
export async function commandLine(): Promise<[program: string, args: string[]]> {
  const executable = Deno.env.get("POLLUX");
  if (executable !== undefined && executable !== "") return [executable, []];
  const config = join(REPOSITORY, "deno.json");
  const { tasks: { start } } = JSON.parse(await Deno.readTextFile(config));
  const [deno, run, ...flags] = String(start.command ?? start).split(/\s+/);
  assertEquals(
    [deno, run, flags.pop()],
    ["deno", "run", "main.ts"],
    "deno.json's start task has another shape",
  );
  return [Deno.execPath(), ["run", "--config", config, ...flags, join(REPOSITORY, "main.ts")]];
}

/** Makes files below a folder. */
export async function makeFiles(dir: string, files: Readonly<Record<string, FileSpec>>): Promise<void> {
  for (const [path, spec] of Object.entries(files)) {
    const full = join(dir, path);
    await Deno.mkdir(dirname(full), { recursive: true });
    const content = typeof spec === "string" || spec instanceof Uint8Array ? spec : spec.text;
    if (typeof content === "string") await Deno.writeTextFile(full, content);
    else await Deno.writeFile(full, content);
    if (typeof spec === "object" && "mode" in spec) await Deno.chmod(full, spec.mode);
    else if (typeof content === "string" && content.startsWith("#!")) await Deno.chmod(full, 0o755);
  }
}

async function spawn(options: ServerOptions, dir: string): Promise<Deno.ChildProcess> {
  await makeFiles(dir, { "static/.keep": "", "cgi-bin/.keep": "", ...options.files });
  if (options.yaml !== undefined) {
    await Deno.writeTextFile(join(dir, "pollux.yaml"), warmed(options.yaml.replaceAll("{dir}", dir)));
  }
  const command = (await commandLine()).flat();
  if (options.entry !== undefined) command.splice(-1, 1, join(REPOSITORY, options.entry));
  const { descriptors } = options;
  const limit = descriptors === undefined ? [] : ["/usr/bin/python3", "-c", LIMITED, String(descriptors)];
  const screen = options.terminal === true ? ["/usr/bin/python3", "-c", TERMINAL] : [];
  const { redirections } = options;
  const open = redirections === undefined ? [] : ["sh", "-c", `exec "$@" ${redirections}`, "sh"];
  const [program, ...args] = [...open, ...screen, ...limit, ...command, ...options.flags ?? []];
  return new Deno.Command(program, {
    args,
    cwd: dir,
    env: { PATH, NO_COLOR: "1", ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs the program until it ends by itself. */
export async function runPollux(options: ServerOptions): Promise<Ended> {
  const dir = await Deno.makeTempDir({ prefix: "pollux-test-" });
  try {
    const child = await spawn(options, dir);
    const output = child.output();
    try {
      const { code, signal, stdout, stderr } = await within("the program to end", output);
      const decoder = new TextDecoder();
      return { code, signal, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
    } catch (error) {
      child.kill("SIGKILL");
      await output;
      throw error;
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** A server at work. `await using` stops it and asserts that it left nothing behind. */
export class TestServer implements AsyncDisposable {
  /** Its folder, with pollux.yaml, static/ and cgi-bin/. */
  readonly dir: string;
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly hostname: string;
  readonly port: number;
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #stdout: Collector;
  readonly #stderr: Collector;
  #hasEnded = false;

  private constructor(
    dir: string,
    url: URL,
    child: Deno.ChildProcess,
    stdout: Collector,
    stderr: Collector,
  ) {
    this.dir = dir;
    this.url = url.origin;
    this.hostname = url.hostname;
    this.port = Number(url.port);
    this.pid = child.pid;
    this.#child = child;
    this.#stdout = stdout;
    this.#stderr = stderr;
  }

  /** Starts a server and waits until it listens. */
  static async start(options: ServerOptions = { yaml: BASIC_YAML }): Promise<TestServer> {
    const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "pollux-test-" }));
    const child = await spawn(options, dir);
    const stdout = new Collector(child.stdout, options.readsStdout);
    const stderr = new Collector(child.stderr);
    const listening = stderr.match(/^pollux: listening on (https?:\/\/\S+)\n/m);
    try {
      const ended = child.status.then(async () => {
        await stderr.ended;
        return null;
      });
      const match = await within("pollux: listening on", Promise.race([listening, ended]));
      if (match === null) throw new Error(`the server ended at its start:\n${stderr.text}`);
      return new TestServer(dir, new URL(match[1]), child, stdout, stderr);
    } catch (error) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It had ended by itself.
      }
      stdout.resume();
      await Promise.all([child.status, stdout.ended, stderr.ended]);
      await Deno.remove(dir, { recursive: true });
      throw error;
    }
  }

  /** What it wrote to standard output so far. */
  get stdout(): string {
    return this.#stdout.text;
  }

  /** What it wrote to standard error so far. */
  get stderr(): string {
    return this.#stderr.text;
  }

  /** Resolves once standard output matches. */
  stdoutMatch(pattern: RegExp): Promise<RegExpExecArray> {
    return within(`${pattern} on stdout`, this.#stdout.match(pattern));
  }

  /** Resolves once standard error matches. */
  stderrMatch(pattern: RegExp): Promise<RegExpExecArray> {
    return within(`${pattern} on stderr`, this.#stderr.match(pattern));
  }

  /** A new connection. */
  connect(): Promise<RawClient> {
    return RawClient.connect(this);
  }

  /** All processes below it. */
  descendants(): Promise<ProcessInfo[]> {
    return descendantsOf(this.pid);
  }

  /** Waits until no process is below it, zombies included. */
  async childless(): Promise<void> {
    let last: ProcessInfo[] = [];
    try {
      await eventually("no child process", async () => {
        last = withoutWarm(await this.descendants(), this.pid);
        return last.length === 0;
      });
    } catch (error) {
      throw new Error(`still there: ${JSON.stringify(last)}`, { cause: error });
    }
  }

  /** Waits until `count` processes are below it, and returns them. */
  async family(count: number): Promise<ProcessInfo[]> {
    let found: ProcessInfo[] = [];
    await eventually(`${count} processes`, async () => (found = await this.descendants()).length >= count);
    return found;
  }

  /** Waits until so many requests wait for the place of a script; the server has `STATUS_ROUTE`. */
  async queued(count: number): Promise<void> {
    await eventually(`${count} that wait`, async () => {
      const { scripts } = JSON.parse(textOf(await ask(this, get("/status", "Accept: application/json"))));
      return scripts.waiting === count;
    });
  }

  /**
   * Waits until none of these processes runs, and none at all is below the server. Those that lost their parent are no
   * descendants any more, so they must be known beforehand.
   */
  async gone(processes: readonly ProcessInfo[]): Promise<void> {
    const pids = processes.map(({ pid }) => pid);
    await eventually(`the end of ${pids.join()}`, async () => (await stillRunning(pids)).length === 0);
    await this.childless();
  }

  /** Waits until a connection is refused: it stops, and listens no more. */
  async deaf(): Promise<void> {
    await eventually("no new connection", async () => {
      try {
        (await Deno.connect({ hostname: this.hostname, port: this.port })).close();
        return false;
      } catch (error) {
        if (error instanceof Deno.errors.ConnectionRefused) return true;
        // Dropped out of the queue of a listener that closed.
        if (error instanceof Deno.errors.ConnectionReset) return false;
        throw error;
      }
    });
  }

  /** Sends a signal. */
  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Resolves when it has ended, by itself or by a signal. */
  async ended(): Promise<Ended> {
    const { code, signal } = await within("the server to end", this.#child.status);
    this.#hasEnded = true;
    this.#stdout.resume();
    await Promise.all([this.#stdout.ended, this.#stderr.ended]);
    return { code, signal, stdout: this.stdout, stderr: this.stderr };
  }

  /**
   * Stops it by a signal and asserts that it ends with 0 and that no process of its own is left. Its folder stays until
   * it is disposed of.
   */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<Ended> {
    const children = await this.descendants();
    this.kill(signal);
    let end: Ended;
    try {
      end = await this.ended();
    } catch (error) {
      this.kill("SIGKILL");
      throw error;
    }
    assertEquals([end.code, end.signal], [0, null], end.stderr);
    await this.#assertNothingLeft(children);
    return end;
  }

  async #assertNothingLeft(children: readonly ProcessInfo[]): Promise<void> {
    const pids = children.map(({ pid }) => pid);
    const left = [...await stillRunning(pids), ...await runningWith(this.dir)];
    for (const { pid } of left) Deno.kill(pid, "SIGKILL");
    assertEquals(left, [], "processes left behind");
  }

  /** Stops it, where it still runs, and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (!this.#hasEnded) await this.stop();
    } finally {
      await Deno.remove(this.dir, { recursive: true });
    }
  }
}

/** The version of Deno that the server under test runs on. */
export async function runtimeVersion(): Promise<string> {
  const executable = Deno.env.get("POLLUX");
  if (executable === undefined) return Deno.version.deno;
  const { stdout } = await new Deno.Command(executable, { args: ["version"] }).output();
  return /\(deno ([0-9.]+)/.exec(new TextDecoder().decode(stdout))?.[1] ?? "";
}
