/**
 * Runs a document: what it tells a person to write and to type is written and typed, and what it shows is compared with
 * what comes.
 *
 * - A fence with a file's name behind its language (```` ```yaml pollux.yaml ````) is that file, executable where it
 *   begins with `#!`.
 * - ```` ```console ```` is what one types, behind `$ ` (and `> ` where it goes on), and what is then on the screen. A
 *   line `...` stands for any lines. A command that ends in ` &` is a server: it is waited for until it listens.
 * - ```` ```console caddy ```` is typed where that program is installed, which it is in CI.
 * - ```` ```text log ```` is what the server has said on standard error since it was last looked at.
 *
 * A document has a folder of its own, `/home/leda/site` on paper, and an address of its own, 127.0.0.1 on paper: other
 * servers run beside it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import { eventually } from "../support/deadline.ts";
import { runningWith } from "../support/processes.ts";
import { commandLine, REPOSITORY, withoutFewFiles } from "../support/server.ts";

/** A part of a document that is run. */
type Step =
  | { readonly kind: "file"; readonly name: string; readonly text: string }
  | { readonly kind: "command"; readonly command: string; readonly shown: string; readonly line: number }
  | { readonly kind: "log"; readonly shown: string; readonly line: number };

/** Where a document's site is, on paper. */
const PAPER_FOLDER = "/home/leda/site";
const PAPER_ADDRESS = "127.0.0.1";
/** The first port of the documents; others follow the address alone. */
const PAPER_PORT = "8080";

/** Whether the documents are to be rewritten with what came, instead of being compared with it. */
const UPDATES = Deno.env.get("POLLUX_UPDATE_DOCS") === "1";

/** Runs a document of docs/; throws where something else comes than what it shows. */
export async function runDocument(name: string): Promise<void> {
  const path = join(REPOSITORY, "docs", name);
  const document = await Deno.readTextFile(path);
  const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "pollux-test-" }));
  const session = await Session.start(dir);
  const lines = document.split("\n");
  const edits: { line: number; count: number; text: string }[] = [];
  try {
    for (const step of parse(lines)) {
      if (step.kind === "file") {
        await session.write(step.name, step.text);
        continue;
      }
      const expected = normalize(step.shown);
      const came = step.kind === "command"
        ? await session.type(step.command)
        : await session.log((text) => agrees(normalize(text), expected));
      if (agrees(normalize(came), expected)) continue;
      if (!UPDATES) assertEquals(normalize(came), expected, `docs/${name}:${step.line}`);
      edits.push({ line: step.line, count: countLines(step.shown), text: came });
    }
  } finally {
    await session.end();
    await Deno.remove(dir, { recursive: true });
  }
  for (const { line, count, text } of edits.reverse()) {
    lines.splice(line, count, ...(text === "" ? [] : text.replace(/\n$/, "").split("\n")));
  }
  if (edits.length > 0) await Deno.writeTextFile(path, lines.join("\n"));
}

/** Whether a document has anything to run. */
export function isRunnable(document: string): boolean {
  return parse(document.split("\n")).some(({ kind }) => kind === "command");
}

function parse(lines: readonly string[]): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at < lines.length; at++) {
    const [, language, info] = /^```(\w+) ?(.*)$/.exec(lines[at]) ?? [];
    if (language === undefined) continue;
    const begin = at + 1;
    const end = lines.indexOf("```", begin);
    const body = lines.slice(begin, end);
    at = end;
    if (language === "console") {
      if (info === "" || isInstalled(info)) steps.push(...commandsOf(body, begin));
    } else if (info === "log") {
      steps.push({
        kind: "log",
        shown: body.map((line) => `${line}\n`).join(""),
        line: begin,
      });
    } else if (info !== "") {
      steps.push({
        kind: "file",
        name: info,
        text: body.map((line) => `${line}\n`).join(""),
      });
    }
  }
  return steps;
}

function isInstalled(program: string): boolean {
  const { success } = new Deno.Command("sh", {
    args: ["-c", `PATH=$PATH:/usr/sbin; command -v ${program}`],
    stdout: "null",
  })
    .outputSync();
  if (!success && Deno.env.get("CI") === "true") {
    throw new Error(`there is no ${program}, and CI is to have it`);
  }
  return success;
}

function commandsOf(body: readonly string[], begin: number): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at < body.length;) {
    let command = body[at++].replace(/^\$ /, "");
    while (body[at]?.startsWith("> ")) command += `\n${body[at++].slice(2)}`;
    const from = at;
    while (at < body.length && !body[at].startsWith("$ ")) at++;
    const shown = body.slice(from, at).map((line) => `${line}\n`).join("");
    steps.push({ kind: "command", command, shown, line: begin + from });
  }
  return steps;
}

function countLines(text: string): number {
  return text.split("\n").length - 1;
}

/** What differs from run to run, made the same on both sides. */
function normalize(text: string): string {
  return text
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, "TIME")
    .replace(/\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d \+0000/g, "TIME")
    .replace(/\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/g, "TIME")
    .replace(/\b(pid|PID) \d+/g, "$1 N")
    .replace(/\[\d+\]:/g, "[N]:")
    .replace(/\[[0-9a-f]+-[0-9a-z]+\]/g, "[ID]")
    .replace(/\b\d+ ms\b/g, "N ms")
    .replace(/"(\w*_ms|duration)":[\d.]+/g, '"$1":N')
    .replace(/"request_id":"[^"]*"/g, '"request_id":"..."')
    .replace(/\bcurl\/[\d.]+/g, "curl/N")
    .replace(/\b(ETag: )"[^"]*"/gi, '$1"..."')
    .replace(/\(deno [^)]*\)/g, "(deno)")
    .replace(/[ \t]+$/gm, "");
}

/** Whether the lines are the same; `...` stands for any number of them. */
function agrees(came: string, expected: string): boolean {
  const pattern = expected.split("\n").map((line) => line === "..." ? "[^]*" : `${escapePattern(line)}\n`)
    .join("")
    .replace(/\n$/, "");
  return new RegExp(`^${pattern}$`).test(came);
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** A shell with a folder, and a server in its background. */
class Session {
  readonly #dir: string;
  readonly #address: string;
  readonly #port: string;
  readonly #shell: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;
  #said = "";
  #servers = 0;
  #logged = 0;

  private constructor(dir: string, address: string, port: string, shell: Deno.ChildProcess) {
    this.#dir = dir;
    this.#address = address;
    this.#port = port;
    this.#shell = shell;
    this.#input = shell.stdin.getWriter();
    this.#output = shell.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async start(dir: string): Promise<Session> {
    // An address of the machine's own that nobody else has, and a port beside those that the system gives out.
    const [a, b, c, d] = crypto.getRandomValues(new Uint8Array(4));
    const address = `127.${a}.${b}.${1 + c % 250}`;
    const port = String(20000 + d * 40 + c % 40);
    for (const folder of ["bin", "home", "site"]) await Deno.mkdir(join(dir, folder));
    const program = (await commandLine()).flat().map((word) => `'${word}'`).join(" ");
    // What is said without an address of its own has that of the document.
    const wrapper = `#!/bin/sh
case " $* " in *--listen*|*--help*) ;; *)
  case \${1-serve} in check|explain|exec|init|completions|schema|version|help|--version) ;; *)
    grep -qs '^ *listen:' pollux.yaml || set -- "$@" --listen ${address}:${port} ;;
  esac ;;
esac
if [ "\${1-}" = init ]; then
  ${program} "$@" && sed -i 's/${PAPER_ADDRESS}:${PAPER_PORT}/${address}:${port}/' "\${2-.}/pollux.yaml"
  exit
fi
exec ${program} "$@"
`;
    await Deno.writeTextFile(join(dir, "bin/pollux"), wrapper, { mode: 0o755 });
    await Deno.writeTextFile(join(dir, "home/.curlrc"), "silent\nshow-error\n");
    const shell = new Deno.Command("bash", {
      args: ["--norc", "--noprofile"],
      cwd: join(dir, "site"),
      clearEnv: true,
      env: {
        HOME: join(dir, "home"),
        PATH: `${join(dir, "bin")}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`,
        DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
        LC_ALL: "C",
        NO_COLOR: "1",
        TMPDIR: dir,
      },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    return new Session(dir, address, port, shell);
  }

  async write(name: string, text: string): Promise<void> {
    const path = join(this.#dir, "site", name);
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, this.#real(text));
    if (text.startsWith("#!")) await Deno.chmod(path, 0o755);
  }

  /** Types a command; resolves to what is then on the screen. */
  async type(command: string): Promise<string> {
    const file = join(this.#dir, "screen");
    const server = /^([^]*) &$/.exec(command)?.[1];
    if (server !== undefined) return await this.#startServer(server);
    await this.#run(`{ ${this.#real(command)}\n} >'${file}' 2>&1 </dev/null`);
    return this.#paper(await Deno.readTextFile(file));
  }

  /** Resolves to what the server has said since the last time, once that is what is expected or nothing more comes. */
  async log(isExpected: (text: string) => boolean): Promise<string> {
    const path = join(this.#dir, `server${this.#servers}.err`);
    let text = "";
    try {
      await eventually("the log", async () => {
        text = this.#paper((await Deno.readTextFile(path)).slice(this.#logged));
        return isExpected(text) && !(UPDATES && text === "");
      }, UPDATES ? 3000 : undefined);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
    this.#logged = (await Deno.readTextFile(path)).length;
    return text;
  }

  /** Ends the server and the shell; throws where a process is left. */
  async end(): Promise<void> {
    await this.#input.write(new TextEncoder().encode("kill $(jobs -p); wait; exit\n"));
    await this.#input.close();
    while (!(await this.#output.read()).done);
    await this.#shell.status;
    const left = await runningWith(this.#dir);
    for (const { pid } of left) Deno.kill(pid, "SIGKILL");
    assertEquals(left, [], "processes left behind");
  }

  async #startServer(command: string): Promise<string> {
    // A file for each: one that stops may still say so while the next one starts.
    this.#servers++;
    const [out, err] = ["out", "err"].map((kind) => join(this.#dir, `server${this.#servers}.${kind}`));
    await Deno.writeTextFile(err, "");
    await this.#run(`${this.#real(command)} >'${out}' 2>'${err}' </dev/null &`);
    await eventually("the server to listen, or to end", async () => {
      const said = await Deno.readTextFile(err);
      return /listening on \S+\n/.test(said) || await this.#run("kill -0 $!") !== "0";
    });
    const said = await Deno.readTextFile(err);
    this.#logged = said.length;
    return this.#paper(said);
  }

  /** Runs a line; resolves to its exit status. */
  async #run(line: string): Promise<string> {
    await this.#input.write(new TextEncoder().encode(`${line}\necho "done $?"\n`));
    for (;;) {
      const match = /^done (\d+)\n/m.exec(this.#said);
      if (match !== null) {
        this.#said = "";
        return match[1];
      }
      const { done, value } = await this.#output.read();
      if (done) throw new Error(`the shell ended at: ${line}`);
      this.#said += value;
    }
  }

  #real(text: string): string {
    return text.replaceAll(PAPER_FOLDER, join(this.#dir, "site"))
      .replaceAll(`${PAPER_ADDRESS}:${PAPER_PORT}`, `${this.#address}:${this.#port}`)
      .replaceAll(PAPER_ADDRESS, this.#address);
  }

  #paper(text: string): string {
    return withoutFewFiles(text).replaceAll(join(this.#dir, "site"), PAPER_FOLDER)
      .replaceAll(`${this.#address}:${this.#port}`, `${PAPER_ADDRESS}:${PAPER_PORT}`)
      .replaceAll(this.#address, PAPER_ADDRESS)
      // Nobody who reads the documents is root; a machine that tests them may be.
      .replace(/^.*: its scripts run as root: .*\n/gm, "");
  }
}
