import { assert, assertEquals, assertInstanceOf, assertMatch, assertStringIncludes } from "@std/assert";
import { resolvePrograms } from "../cgi/programs.ts";
import { loadConfig, NO_FLAGS } from "../config/load.ts";
import { ConnectionCount } from "../loop/connection_count.ts";
import { aStatus } from "../observe/status_fixture.ts";
import { RunningScripts } from "../loop/running_scripts.ts";
import { Reserve } from "./descriptors.ts";
import { Figures } from "./figures.ts";
import { Loops } from "./loops.ts";
import { SocketTable } from "./socket_table.ts";
import { eventually } from "../../tests/support/deadline.ts";
import { isReset } from "../../tests/support/raw.ts";
import { Trees } from "./trees.ts";

/** Of `secret`, by `htpasswd -nbB -C 4`. */
const PASSWORD_HASH = "$2b$04$OA5WVNDK1Ec9kjM0CCnatu77g.pTtNNVfvgU1kRVG.vdUspV8m/ha";
const LOGIN = `Authorization: Basic ${btoa("u:secret")}\r\n`;

/** A set of loops over a folder of its own, whose Workers a test can reach. */
class Bench implements AsyncDisposable {
  readonly logged: string[] = [];
  readonly gaveUp: string[] = [];
  readonly #changed: (() => void)[] = [];

  private constructor(
    readonly dir: string,
    readonly loops: Loops,
    readonly figures: Figures,
    readonly workers: Worker[],
    readonly restore: () => void,
  ) {}

  /** @param wedged The kind of loop whose first Worker is one that hangs. */
  static async start(wedged: string | null = null): Promise<Bench> {
    const dir = await Deno.makeTempDir();
    await Deno.mkdir(`${dir}/cgi`);
    await Deno.writeTextFile(`${dir}/users`, `u:${PASSWORD_HASH}\n`);
    await Deno.writeTextFile(`${dir}/cgi/hello.sh`, "echo Content-Type: text/plain; echo; echo hello\n");
    await Deno.writeTextFile(`${dir}/cgi/hang.sh`, 'echo $$ > "$PWD/pid"; exec sleep 600\n');
    await Deno.writeTextFile(
      `${dir}/pollux.yaml`,
      [
        "listen: 127.0.0.1:0",
        "limits: { connections: 4 }",
        "routes:",
        "  - { path: /, respond: text }",
        "  - { path: /cgi/, cgi: cgi }",
        "  - { path: /secret, respond: secret, auth: { basic: users, realm: r } }",
        "",
      ].join("\n"),
    );
    const read = await loadConfig({ file: `${dir}/pollux.yaml`, flags: NO_FLAGS, env: Deno.env, cwd: dir });
    if ("faults" in read) throw new Error(JSON.stringify(read.faults));
    const programs = resolvePrograms(read.config, Deno.env.get("PATH") ?? "");

    const workers: Worker[] = [];
    let left = wedged === null ? 0 : 1;
    const RealWorker = globalThis.Worker;
    globalThis.Worker = class extends RealWorker {
      constructor(url: string | URL, options?: WorkerOptions) {
        const isWedged = options?.name === wedged && left-- > 0;
        super(isWedged ? new URL("./wedged_fixture.ts", import.meta.url) : url, options);
        workers.push(this);
      }
    };
    const reserve = new Reserve();
    const log = { log: (_level: string, message: string) => bench.#log(message) };
    const figures = new Figures();
    const loops = new Loops(
      { config: read.config, programs: () => programs, certificates: new Map() },
      new Map(),
      {
        log,
        trees: new Trees(log),
        sockets: new SocketTable(),
        temp: dir,
        connections: ConnectionCount.memory(),
        running: RunningScripts.memory(),
        reserve,
        // What does not hang is given all the time that a busy machine takes, for the check of its types too.
        ...(wedged === null ? {} : { askMs: 1_000 }),
        environment: {},
        figures,
        status: () => Promise.resolve(aStatus()),
        failed: () => {},
        writeLog: () => {},
        giveUp: (reason) => bench.gaveUp.push(reason),
      },
    );
    const bench = new Bench(dir, loops, figures, workers, () => {
      globalThis.Worker = RealWorker;
      reserve.release();
    });
    await loops.start();
    return bench;
  }

  /** A connection that is answered and then left open. */
  async hold(): Promise<Deno.Conn> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: this.loops.ports.get(0) ?? 0 });
    await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    await connection.read(new Uint8Array(1024));
    return connection;
  }

  /** Likewise, and `head`, the beginning of a second request, has arrived too. */
  async holdWithin(head: string): Promise<Deno.Conn> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: this.loops.ports.get(0) ?? 0 });
    await connection.write(new TextEncoder().encode(`GET / HTTP/1.1\r\nHost: h\r\n\r\n${head}`));
    await connection.read(new Uint8Array(1024));
    return connection;
  }

  /** Asks for a path; the whole answer as text. */
  async ask(path: string, fields = ""): Promise<string> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: this.loops.ports.get(0) ?? 0 });
    await connection.write(new TextEncoder().encode(`GET ${path} HTTP/1.0\r\n${fields}\r\n`));
    return await new Response(connection.readable).text();
  }

  /** Likewise, again and again until somebody listens. */
  async askUntilAnswered(path: string): Promise<string> {
    for (;;) {
      try {
        const answer = await this.ask(path);
        if (answer !== "") return answer;
      } catch (error) {
        // Who came to the loop that dies is not answered.
        if (!(error instanceof Deno.errors.ConnectionRefused || isReset(error))) throw error;
      }
    }
  }

  /** Asks for a script that never answers; resolves once it runs. */
  async startHanging(): Promise<{ pid: number; answer: Promise<string> }> {
    const watcher = Deno.watchFs(`${this.dir}/cgi`);
    const answer = this.ask("/cgi/hang.sh");
    for await (const { kind, paths } of watcher) {
      if (kind === "modify" && paths.some((path) => path.endsWith("/pid"))) break;
    }
    const pid = Number(await Deno.readTextFile(`${this.dir}/cgi/pid`));
    assert(pid > 0);
    return { pid, answer };
  }

  /** Makes a loop throw where nobody catches it: it is set up a second time. */
  crash(kind: "script" | "network"): void {
    // The password loop is started first, then the network loop, and the script loop once a script is wanted.
    this.workers[kind === "script" ? 2 : 1].postMessage({ kind: "setup" });
  }

  /** Resolves once `text` was logged. */
  async logs(text: string): Promise<void> {
    while (!this.logged.some((line) => line.includes(text))) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#changed.push(resolve);
      await promise;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.loops.stop(1_000);
    this.restore();
    await Deno.remove(this.dir, { recursive: true });
  }

  #log(message: string): void {
    this.logged.push(message);
    for (const resume of this.#changed.splice(0)) resume();
  }
}

Deno.test("a network loop that dies is reported and replaced on the same port", async () => {
  await using bench = await Bench.start();
  assertStringIncludes(await bench.ask("/"), "text");
  bench.crash("network");
  await bench.logs("network loop 0 died and is replaced");
  assertMatch(await bench.askUntilAnswered("/cgi/hello.sh"), /200 OK.*hello/s);
  assertEquals(bench.gaveUp, []);
});

Deno.test("the scripts of a network loop that dies are ended, since nobody is left to answer", async () => {
  await using bench = await Bench.start();
  const { pid, answer } = await bench.startHanging();
  bench.crash("network");
  await answer.catch((error) => assertInstanceOf(error, Deno.errors.ConnectionReset));
  while (isAlive(pid)) await bench.askUntilAnswered("/");
  assertEquals(bench.gaveUp, []);
});

Deno.test("a script loop that dies is replaced: its scripts are ended, their clients told, the next ones run", async () => {
  await using bench = await Bench.start();
  const { pid, answer } = await bench.startHanging();
  bench.crash("script");
  assertMatch(await answer, /^HTTP\/1\.1 50[02] /);
  assertMatch(await bench.ask("/cgi/hello.sh"), /200 OK.*hello/s);
  while (isAlive(pid)) await bench.ask("/");
  assertEquals(bench.gaveUp, []);
});

Deno.test("a script loop that dies while the server stops is replaced: who waited is told, who asks next is answered", async () => {
  await using bench = await Bench.start();
  using late = await bench.holdWithin("GET /cgi/hello.sh HTTP/1.0\r\n");
  const { answer } = await bench.startHanging();
  const stopped = bench.loops.stop(Infinity);
  bench.crash("script");
  assertMatch(await answer, /^HTTP\/1\.1 50[02] /);
  await late.write(new TextEncoder().encode("\r\n"));
  assertMatch(await new Response(late.readable).text(), /200 OK.*hello/s);
  await stopped;
});

Deno.test("a server that stops before its script loop has started answers what asks for a script", async () => {
  await using bench = await Bench.start();
  using late = await bench.holdWithin("GET /cgi/hello.sh HTTP/1.0\r\n");
  const stopped = bench.loops.stop(Infinity);
  await late.write(new TextEncoder().encode("\r\n"));
  assertMatch(await new Response(late.readable).text(), /200 OK.*hello/s);
  await stopped;
});

Deno.test("what a loop has counted outlives it, its clients and scripts do not", async () => {
  await using bench = await Bench.start();
  assertStringIncludes(await bench.ask("/"), "text");
  const { answer } = await bench.startHanging();
  await eventually("the script is counted", () => bench.figures.total().gauge("scriptsRunning") === 1);
  const before = bench.figures.total();
  assertEquals([before.counter("requests"), before.clients("WAIT_CGI"), before.gauge("scriptsRunning")], [
    1,
    1,
    1,
  ]);
  bench.crash("script");
  await answer;
  assertStringIncludes(await bench.ask("/cgi/hello.sh"), "hello");
  await eventually("no script is counted", () => bench.figures.total().gauge("scriptsRunning") === 0);
  assertEquals(bench.figures.total().ends("loopLost"), 1);
  bench.crash("network");
  await bench.logs("network loop 0 died and is replaced");
  assertStringIncludes(await bench.askUntilAnswered("/"), "text");
  const after = bench.figures.total();
  assertEquals([after.counter("requests"), after.counter("scriptsStarted")], [4, 2]);
  // The one that was answered may linger.
  assert(after.clients("WAIT_CGI") === 0 && after.gauge("queued") === 0);
});

Deno.test("a script loop that hangs is replaced; who waited for it is told, and the next script runs", async () => {
  await using bench = await Bench.start("script");
  assertMatch(await bench.ask("/cgi/hello.sh"), /^HTTP\/1\.1 50[0-4] /);
  await bench.logs("script loop died and is replaced: it has not answered for 4 s");
  assertMatch(await bench.ask("/cgi/hello.sh"), /200 OK.*hello/s);
  assertEquals(bench.gaveUp, []);
});

Deno.test("a password loop that hangs is replaced; who waited for it is told, and the next login works", async () => {
  await using bench = await Bench.start("passwords");
  assertMatch(await bench.ask("/secret", LOGIN), /^HTTP\/1\.1 503 /);
  await bench.logs("password loop died and is replaced: it has not answered for 4 s");
  assertMatch(await bench.ask("/secret", LOGIN), /200 OK.*secret/s);
  assertEquals(bench.gaveUp, []);
});

Deno.test("connections of a network loop that dies are not counted any more", async () => {
  await using bench = await Bench.start();
  const held = await Promise.all(Array.from({ length: 4 }, () => bench.hold()));
  assertMatch(await bench.ask("/"), /^HTTP\/1\.1 503 /);
  bench.crash("network");
  await bench.logs("network loop 0 died and is replaced");
  assertStringIncludes(await bench.askUntilAnswered("/"), "text");
  for (const connection of held) connection.close();
});

/** Whether a process is there; a zombie, which only waits for its parent, is not. */
function isAlive(pid: number): boolean {
  const { stdout } = new Deno.Command("ps", { args: ["-o", "state=", "-p", String(pid)], stdout: "piped" })
    .outputSync();
  const state = new TextDecoder().decode(stdout).trim();
  return state !== "" && !state.startsWith("Z");
}
