import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { eventually } from "../support/deadline.ts";
import { descriptorCount, outputOf, residentBytes, stillRunning } from "../support/processes.ts";
import { ask, field, get, isReset, RawClient, type Response, textOf, UnexpectedEnd } from "../support/raw.ts";
import { BASIC_YAML, TestServer } from "../support/server.ts";

const FILES = {
  "static/a.txt": "file",
  "other/a.txt": "other",
  "cgi-bin/hello.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello'\n",
  "cgi-bin/chunks.sh":
    "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nwhile :; do echo begun; sleep 0.05; done\n",
  "cgi-bin/length.sh":
    "#!/bin/sh\nprintf 'Content-Type: text/plain\\nContent-Length: 1000\\n\\nbegun\\n'\nsleep 300\n",
};

/** How long a connection that has nothing to do is kept at least while the server stops, or loops are relieved. */
const KEPT_MS = 100;

/** A client that asks time and again over one connection, and knows whether that was given the time to ask. */
class Asker {
  readonly #client: RawClient;
  #beganMs = performance.now();

  constructor(client: RawClient) {
    this.#client = client;
  }

  /** The answer; null where the connection has ended before, and this client was too late: its machine is busy. */
  async ask(path: string): Promise<Response | null> {
    const lastMs = this.#beganMs;
    let sentMs: number | null = null;
    this.#beganMs = performance.now();
    try {
      await this.#client.send(get(path));
      sentMs = performance.now();
      return await this.#client.readResponse();
    } catch (error) {
      const isEnd = isReset(error) || (error instanceof UnexpectedEnd && error.message === 'after ""');
      if (isEnd && (sentMs ?? performance.now()) - lastMs > KEPT_MS) return null;
      throw error;
    }
  }
}

Deno.test("SIGTERM: every request that was sent on a connection that lives is answered, the last with Connection: close", async () => {
  await using server = await TestServer.start({ yaml: BASIC_YAML, files: FILES });
  let answered = 0;
  let closing = 0;
  let late = 0;
  /** Asks again and again over one connection, as long as it stays open. */
  const load = async (client: RawClient, i: number) => {
    const asker = new Asker(client);
    for (;;) {
      const path = i % 4 === 0 ? "/cgi-bin/hello.sh" : "/a.txt";
      const response = await asker.ask(path);
      if (response === null) return void late++;
      assertEquals([response.status, textOf(response)], [200, i % 4 === 0 ? "hello" : "file"]);
      answered++;
      if (field(response, "connection") !== "close") continue;
      closing++;
      return;
    }
  };
  const clients = await Promise.all(Array.from({ length: 16 }, () => server.connect()));
  const loads = Promise.all(clients.map(load));
  await Promise.race([loads, eventually("some answers", () => answered > 200)]);
  const stopped = server.stop();
  await loads;
  assertEquals((await stopped).code, 0);
  assertEquals([closing + late, closing > 0], [16, true]);
  for (const client of clients) client.close();
});

Deno.test("SIGHUP under load: no request fails, and what is new is in force for the next one", async () => {
  await using server = await TestServer.start({ yaml: BASIC_YAML, files: FILES });
  let isOver = false;
  let answered = 0;
  const seen = new Set<string>();
  // Where new loops start the system resets what it had queued for the listener that closes: no client of it was served yet.
  let resets = 0;
  const load = async (i: number) => {
    while (!isOver) {
      using client = await server.connect();
      const asker = new Asker(client);
      for (let n = 0; n < 20 && !isOver; n++) {
        let response: Response | null;
        try {
          response = await asker.ask(i === 0 ? "/cgi-bin/hello.sh" : "/a.txt");
        } catch (error) {
          if (n > 0 || !isReset(error) || ++resets > 4) throw error;
          break;
        }
        if (response === null) break;
        assertEquals(response.status, 200);
        seen.add(textOf(response));
        answered++;
        if (field(response, "connection") === "close") break;
      }
    }
  };
  const loads = Promise.all([0, 1, 2, 3].map(load));
  const path = join(server.dir, "pollux.yaml");
  // In place; with other permissions, so that new loops start; with a file that is wrong, which changes nothing.
  for (
    const [yaml, next, said] of [
      [`${BASIC_YAML}  - { path: /new, respond: new }\n`, "new", "reloaded"],
      [
        `${BASIC_YAML.replace("./static", "./other")}  - { path: /new, respond: newer }\n`,
        "newer",
        "reloaded",
      ],
      [`${BASIC_YAML}  - { path: /new, respond: wrong, methds: [GET] }\n`, "newer", "not reloaded: .*methds"],
    ]
  ) {
    const before = answered;
    const count = () => server.stderr.match(new RegExp(said, "g"))?.length ?? 0;
    const told = count();
    await Deno.writeTextFile(path, yaml);
    server.kill("SIGHUP");
    await Promise.race([loads, eventually(said, () => count() > told)]);
    assertEquals(textOf(await ask(server, get("/new"))), next);
    await Promise.race([loads, eventually("further answers", () => answered > before + 20)]);
  }
  await Promise.race([loads, eventually("the other folder", () => seen.has("other") && seen.has("hello"))]);
  isOver = true;
  await loads;
  assertEquals([...seen].sort(), ["file", "hello", "other"]);
});

Deno.test("limits and permissions of a reload hold for the next request, on a connection that was open before", async () => {
  await using server = await TestServer.start({ yaml: BASIC_YAML, files: FILES });
  using client = await server.connect();
  const status = async (path: string) => {
    await client.send(get(path));
    return (await client.readResponse()).status;
  };
  assertEquals(await status("/a.txt"), 200);
  await Deno.writeTextFile(
    join(server.dir, "pollux.yaml"),
    BASIC_YAML.replace("files: ./static", "files: ./static\n    deny: [127.0.0.0/8]"),
  );
  server.kill("SIGHUP");
  await server.stderrMatch(/reloaded the configuration/);
  assertEquals(await status("/a.txt"), 403);
});

Deno.test("SIGHUP serves what a link leads to by then, though nothing in the file has changed", async () => {
  await using server = await TestServer.start({
    yaml: BASIC_YAML,
    files: { "releases/1/a.txt": "first", "releases/2/a.txt": "second" },
  });
  const link = join(server.dir, "current");
  await Deno.symlink("releases/1", link);
  await Deno.writeTextFile(
    join(server.dir, "pollux.yaml"),
    BASIC_YAML.replace("./static", "./current").replace("./cgi-bin", "./current"),
  );
  const reload = async (count: number) => {
    server.kill("SIGHUP");
    const said = new RegExp(`(?:reloaded the configuration[^]*){${count}}`);
    await server.stderrMatch(said);
  };
  await reload(1);
  assertEquals(textOf(await ask(server, get("/a.txt"))), "first");
  await Deno.remove(link);
  await Deno.symlink("releases/2", link);
  await reload(2);
  assertEquals(textOf(await ask(server, get("/a.txt"))), "second");
});

Deno.test("a second SIGTERM ends at once what an earlier reload has left to finish, scripts included", async () => {
  const yaml = `${BASIC_YAML}timeouts: { shutdown: off }\ncgi: { timeout: off }\n`;
  await using server = await TestServer.start({
    yaml,
    files: {
      ...FILES,
      "cgi-bin/sleep.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nbegun'\nexec sleep 300\n",
    },
  });
  using client = await server.connect();
  await client.send(get("/cgi-bin/sleep.sh"));
  const pids = (await server.family(1)).map(({ pid }) => pid);
  await Deno.writeTextFile(join(server.dir, "pollux.yaml"), yaml.replace("./static", "./other"));
  server.kill("SIGHUP");
  await server.stderrMatch(/reloaded the configuration/);
  server.kill("SIGTERM");
  await server.stderrMatch(/stopping: requests in flight are finished/);
  assertEquals((await stillRunning(pids)).length, pids.length);
  server.kill("SIGTERM");
  assertEquals((await server.ended()).code, 0);
  await eventually("the scripts' end", async () => (await stillRunning(pids)).length === 0);
});

Deno.test("an address that a reload drops is no longer served, though its socket cannot be removed", async () => {
  const yaml = (listen: string) => BASIC_YAML.replace("127.0.0.1:0", listen);
  await using server = await TestServer.start({
    yaml: yaml("[127.0.0.1:0, unix:a.sock]"),
    files: { "static/a.txt": "file" },
  });
  // Somebody has put a folder in its place.
  await Deno.remove(join(server.dir, "a.sock"));
  await Deno.mkdir(join(server.dir, "a.sock", "full"), { recursive: true });
  await Deno.writeTextFile(join(server.dir, "pollux.yaml"), yaml("[127.0.0.1:0]"));
  server.kill("SIGHUP");
  await server.stderrMatch(/ warn cannot remove the socket \S+a\.sock: [^]*reloaded the configuration/);
  assertEquals(textOf(await ask(server, get("/a.txt"))), "file");
});

Deno.test("a server starts at once where another of the same address has just stopped or was killed", async () => {
  // An address of its own: a port of the usual one may be somebody else's by then.
  const [a, b] = crypto.getRandomValues(new Uint8Array(2));
  const hostname = Deno.build.os === "linux" ? `127.99.${a}.${1 + b % 250}` : "127.0.0.1";
  let address = `${hostname}:0`;
  for (const signal of ["SIGTERM", "SIGKILL", "SIGTERM"] as const) {
    await using server = await TestServer.start({
      yaml: BASIC_YAML.replace("127.0.0.1:0", address),
      files: FILES,
    });
    address = `${hostname}:${server.port}`;
    // The server closes this connection first, which leaves its address in TIME_WAIT.
    assertEquals((await ask(server, get("/a.txt", "Connection: close"))).status, 200);
    server.kill(signal);
    await server.ended();
  }
});

for (const [script, framing] of [["chunks.sh", "chunked"], ["length.sh", "with a length"]] as const) {
  Deno.test(`kill -9 of a script, or of the server, in an answer ${framing}: it never looks complete`, async (t) => {
    for (const victim of ["script", "server"] as const) {
      await t.step(victim, async () => {
        await using server = await TestServer.start({ yaml: BASIC_YAML, files: FILES });
        using client = await server.connect();
        await client.send(get(`/cgi-bin/${script}`));
        const begun = await client.readUntil("begun\n");
        const family = await server.descendants();
        if (victim === "script") {
          for (const { pid } of family) kill(pid);
        } else server.kill("SIGKILL");
        const { bytes } = await client.readToEnd();
        const text = begun + new TextDecoder().decode(bytes);
        if (framing === "chunked") assert(!/\r\n0\r\n/.test(text), text);
        else assert(text.slice(text.indexOf("\r\n\r\n") + 4).length < 1000);
        if (victim === "script") {
          assertEquals(textOf(await ask(server, get("/cgi-bin/hello.sh"))), "hello");
          await server.childless();
        } else {
          // Nobody is left to end them: under systemd KillMode=control-group does.
          await server.ended();
          for (const { pid } of family) kill(pid);
          await eventually(
            "their end",
            async () => (await stillRunning(family.map(({ pid }) => pid))).length === 0,
          );
        }
      });
    }
  });
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** A leak of so little a script shows in each wave; what the heap and its collector differ by does not. */
const KEPT_BYTES_A_SCRIPT_MAX = 48 * 1024;
/** So many waves may be needed to tell the two apart. */
const WAVES_MAX = 8;

Deno.test("500 scripts asked for at once: 32 run, all are answered, and everything is as before, time and again", async () => {
  await using server = await TestServer.start({
    yaml: `cgi: { queue: off, queue_timeout: off, max_processes: 32 }\n${BASIC_YAML}`,
    files: {
      ...FILES,
      "cgi-bin/nap.sh": "#!/bin/sh\nsleep 0.1\nprintf 'Content-Type: text/plain\\n\\nnapped'\n",
    },
  });
  const isLinux = Deno.build.os === "linux";
  const scripts = 500;
  let most = 0;
  const descriptors: number[] = [];
  const resident: number[] = [];
  const growth = () => (resident.at(-1) ?? 0) - (resident.at(-2) ?? 0);
  const keeps = () => isLinux && growth() >= scripts * KEPT_BYTES_A_SCRIPT_MAX;
  for (let wave = 0; wave < 3 || (keeps() && wave < WAVES_MAX); wave++) {
    let isOver = false;
    const watch = (async () => {
      while (!isOver) {
        const running = (await server.descendants()).filter(({ command }) => command.includes("nap.sh"));
        most = Math.max(most, running.length);
      }
    })();
    const answers = await Promise.all(Array.from({ length: scripts }, async () => {
      try {
        return textOf(await ask(server, get("/cgi-bin/nap.sh")));
      } catch (error) {
        if (isReset(error)) return "reset";
        throw error;
      }
    }));
    isOver = true;
    await watch;
    assertEquals(answers.filter((text) => text !== "napped"), []);
    await server.childless();
    if (!isLinux) continue;
    // The first wave warms up: the runtime opens files of its own for it.
    const before = descriptors[0] ?? Infinity;
    await eventually("no descriptor more", async () => await descriptorCount(server.pid) <= before);
    descriptors.push(await descriptorCount(server.pid));
    resident.push(await residentBytes(server.pid));
  }
  assert(most > 1 && most <= 32, `${most} at once`);
  if (!isLinux) return;
  assertMatch(await outputOf("ps", ["-o", "stat=", "-p", String(server.pid)]), /^[^Z]/);
  assert(!keeps(), `${resident} bytes after each wave`);
});
