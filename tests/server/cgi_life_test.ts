import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { Socket } from "node:net";
import { join } from "@std/path";
import { eventually, within } from "../support/deadline.ts";
import { descriptorCount, outputOf, runningWith } from "../support/processes.ts";
import {
  ask,
  field,
  get,
  isomorphic,
  isReset,
  octets,
  post,
  type RawClient,
  sendAndReset,
  textOf,
  UnexpectedEnd,
} from "../support/raw.ts";
import { BASIC_YAML, type FileSpec, STATUS_ROUTE, TestServer } from "../support/server.ts";

const MIB = 1024 * 1024;

/** A script in sh that writes a header and then does more. */
function sh(...lines: string[]): string {
  return ["#!/bin/sh", "printf 'Content-Type: text/plain\\n\\n'", ...lines, ""].join("\n");
}

function start(files: Record<string, FileSpec>, keys = "", top = ""): Promise<TestServer> {
  return TestServer.start({ yaml: `${top}${BASIC_YAML}${keys}`, files });
}

/**
 * A pipe that scripts hold open: `all` resolves with what they wrote to it once the last of them, and of what they
 * started, is gone. That is an event, not a look at a list of processes. A script that is ended before it has opened the
 * pipe leaves it without an end: what may end it waits for `begun`.
 */
class Held implements AsyncDisposable {
  readonly all: Promise<string>;
  readonly #begun = Promise.withResolvers<void>();
  readonly #reader: Deno.ChildProcess;

  private constructor(reader: Deno.ChildProcess) {
    this.#reader = reader;
    this.all = this.#read(reader.stdout);
  }

  /** Resolves once a script has it open and has said so. */
  get begun(): Promise<void> {
    return within("the script to begin", this.#begun.promise);
  }

  async #read(stdout: ReadableStream<Uint8Array>): Promise<string> {
    let text = "";
    for await (const bytes of stdout) {
      text += isomorphic(bytes);
      this.#begun.resolve();
    }
    return text;
  }

  static async make(server: TestServer, name: string): Promise<Held> {
    const path = join(server.dir, name);
    await outputOf("mkfifo", [path]);
    return new Held(
      new Deno.Command("cat", { args: [path], stdin: "null", stdout: "piped", stderr: "null" }).spawn(),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#reader.kill("SIGKILL");
    } catch {
      // It has seen the end.
    }
    await Promise.all([this.#reader.status, this.all]);
  }
}

/** Takes the pipe `../NAME` as descriptor 9 and says so in it. */
function hold(name: string): string {
  return `exec 9> ../${name}; echo begun >&9`;
}

function released(held: Held): Promise<string> {
  return within("the end of the script and all it started", held.all);
}

/** Lets a script go that waits at a pipe of that name. */
function open(server: TestServer, name: string): Promise<void> {
  return within(`a script at ${name}`, Deno.writeTextFile(join(server.dir, name), GO));
}

/** Ends a process that may have ended by itself. */
function kill(pid: number): void {
  try {
    Deno.kill(pid);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** What came before the connection ended, as one char per byte, and how it ended. */
async function rest(client: RawClient): Promise<{ text: string; reset: boolean }> {
  const { bytes, reset } = await client.readToEnd();
  return { text: isomorphic(bytes), reset };
}

Deno.test("what breaks off never looks whole", async (t) => {
  await using server = await start({
    "cgi-bin/crash.sh": sh("echo begun", "read line", "echo more", "kill -SEGV $$"),
    "cgi-bin/length.sh": "#!/bin/sh\nprintf 'Content-Length: 100\\n\\nbegun\\n'\nread line\nkill -9 $$\n",
    "cgi-bin/exits.sh": sh("echo begun", "read line", "exit 9"),
    "cgi-bin/early.sh": "#!/bin/sh\nkill -SEGV $$\n",
    "cgi-bin/half-header.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n'\nkill -9 $$\n",
  });
  const begin = async (path: string, protocol = "HTTP/1.1") => {
    const client = await server.connect();
    await client.send(`POST ${path} ${protocol}\r\nHost: h\r\nContent-Length: 3\r\n\r\n`);
    const head = await client.readUntil("begun\n");
    await client.send("go\n");
    return { client, head };
  };
  await t.step("chunked: no last chunk", async () => {
    const { client, head } = await begin("/cgi-bin/crash.sh");
    assertMatch(head, /transfer-encoding: chunked/i);
    const { text } = await rest(client);
    assertNotMatch(text, /0\r\n\r\n$/);
    await server.stderrMatch(/crash\.sh pid \d+: died by SIGSEGV/);
    client.close();
  });
  await t.step("with a length: short of it", async () => {
    const { client } = await begin("/cgi-bin/length.sh");
    assertEquals((await rest(client)).text, "");
    client.close();
  });
  await t.step(
    "HTTP/1.0: the connection ends (no reset can be sent on this platform), and the log says so",
    async () => {
      const { client, head } = await begin("/cgi-bin/crash.sh", "HTTP/1.0");
      assertNotMatch(head, /transfer-encoding/i);
      await rest(client);
      client.close();
    },
  );
  await t.step("an exit status other than 0 is no breaking off", async () => {
    const { client } = await begin("/cgi-bin/exits.sh");
    await client.readUntil("\r\n0\r\n\r\n");
    client.close();
  });
  await t.step("before the header is whole: 502", async () => {
    for (const name of ["early", "half-header"]) {
      assertEquals((await ask(server, get(`/cgi-bin/${name}.sh`))).status, 502, name);
    }
    await server.stderrMatch(/early\.sh pid \d+: .*SIGSEGV/);
  });
});

Deno.test("a script that writes before it has read never deadlocks", async (t) => {
  await using server = await start(
    {
      "cgi-bin/cat.sh": "#!/bin/sh\nprintf 'Content-Type: application/octet-stream\\n\\n'\nexec cat\n",
      "cgi-bin/first.sh": sh("head -c 8388608 /dev/zero", "wc -c"),
      "cgi-bin/count.sh": sh("wc -c"),
    },
    "",
    "limits: { body: off }\n",
  );
  const pour = async (client: RawClient, bytes: number) => {
    const piece = new Uint8Array(256 * 1024);
    for (let sent = 0; sent < bytes; sent += piece.length) await client.send(piece);
  };
  await t.step("cat of 256 MiB, both ways at once", async () => {
    const size = 256 * MIB;
    using client = await server.connect();
    await client.send(`POST /cgi-bin/cat.sh HTTP/1.0\r\nContent-Length: ${size}\r\n\r\n`);
    const pouring = pour(client, size);
    await client.readUntil("\r\n\r\n");
    assertEquals(await client.countToEnd(), size);
    await pouring;
  });
  await t.step("four of 16 MiB at once, each byte its own", async () => {
    await Promise.all([1, 2, 3, 4].map(async (number) => {
      const content = new Uint8Array(16 * MIB);
      for (let at = 0; at < content.length; at += 65536) {
        crypto.getRandomValues(content.subarray(at, at + 65536));
      }
      content[0] = number;
      using client = await server.connect();
      await client.send(`POST /cgi-bin/cat.sh HTTP/1.0\r\nContent-Length: ${content.length}\r\n\r\n`);
      const sending = client.send(content);
      await client.readUntil("\r\n\r\n");
      const { bytes } = await client.readToEnd();
      await sending;
      assertEquals(bytes.length, content.length);
      assert(bytes.every((byte, at) => byte === content[at]));
    }));
  });
  await t.step("the client sends all before it reads, the script writes all before it reads", async () => {
    using client = await server.connect();
    await client.send(`POST /cgi-bin/first.sh HTTP/1.0\r\nContent-Length: ${1 * MIB}\r\n\r\n`);
    const pouring = pour(client, 1 * MIB);
    await client.readUntil("\r\n\r\n");
    // What follows 8 MiB of zeros is the count, with its line end.
    assertEquals(await client.countToEnd(), 8 * MIB + `${1 * MIB}\n`.length);
    await pouring;
  });
});

Deno.test("a client that reads slowly slows its script, and nobody else", async () => {
  await using server = await start({
    // Each MiB is noted after it was taken.
    "cgi-bin/pour.sh": sh(
      'i=0; while [ $i -lt 64 ]; do head -c 1048576 /dev/zero; i=$((i+1)); echo $i > "../$QUERY_STRING"; done',
    ),
  });
  const noted = async (name: string) => {
    try {
      return Number(await Deno.readTextFile(join(server.dir, name)));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return 0;
      throw error;
    }
  };
  using slow = await server.connect();
  await slow.send(get("/cgi-bin/pour.sh?slow").replace("1.1", "1.0"));
  await slow.readUntil("\r\n\r\n");
  for (let i = 0; i < 2; i++) {
    using fast = await server.connect();
    await fast.send(get(`/cgi-bin/pour.sh?fast${i}`).replace("1.1", "1.0"));
    await fast.readUntil("\r\n\r\n");
    assertEquals(await fast.countToEnd(), 64 * MIB);
    assertEquals(await noted(`fast${i}`), 64);
  }
  // While 128 MiB passed by, it got no further than what sockets, pipes and windows hold: 36 MiB, where the system lets them grow.
  const before = await noted("slow");
  assert(before < 48, `${before} MiB were taken of a script whose client does not read`);
  assertEquals(await slow.countToEnd(), 64 * MIB);
  assertEquals(await noted("slow"), 64);
});

Deno.test("a script that does not read slows its client, and nobody else", async () => {
  await using server = await start({
    "cgi-bin/later.sh": sh("read line < ../gate", "wc -c"),
    "cgi-bin/count.sh": sh("wc -c"),
  }, "    body_limit: 1GiB\n");
  await outputOf("mkfifo", [join(server.dir, "gate")]);
  const [size, slowSize] = [48 * MIB, 96 * MIB];
  const head = (path: string, bytes: number) =>
    `POST ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: ${bytes}\r\n\r\n`;
  const piece = new Uint8Array(256 * 1024);
  using slow = await server.connect();
  await slow.send(head("/cgi-bin/later.sh", slowSize));
  let sent = 0;
  const pouring = (async () => {
    for (; sent < slowSize; sent += piece.length) await slow.send(piece);
  })();
  for (let i = 0; i < 2; i++) {
    using fast = await server.connect();
    await fast.send(head("/cgi-bin/count.sh", size));
    for (let at = 0; at < size; at += piece.length) await fast.send(piece);
    assertEquals(textOf(await fast.readResponse()).trim(), String(size));
  }
  assert(sent < 72 * MIB, `${sent} bytes were taken for a script that does not read`);
  await open(server, "gate");
  await pouring;
  assertEquals(textOf(await slow.readResponse()).trim(), String(slowSize));
});

Deno.test("body: buffer keeps content first, in memory and then in a file that is gone", async (t) => {
  await using server = await TestServer.start({
    yaml: `temp: ./temp\n${BASIC_YAML}    body: buffer\n`,
    files: {
      "cgi-bin/sum.sh": sh("echo $CONTENT_LENGTH", "sha256sum"),
      "temp/.keep": "",
      "static/a.txt": "a",
    },
  });
  const names = () => Array.from(Deno.readDirSync(join(server.dir, "temp")), ({ name }) => name);
  const sum = async (bytes: Uint8Array<ArrayBuffer>) =>
    [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))].map((byte) =>
      byte.toString(16).padStart(2, "0")
    ).join("");
  for (const size of [10, 1 * MIB, 1 * MIB + 1, 5 * MIB]) {
    await t.step(`${size} bytes`, async () => {
      const content = new Uint8Array(size);
      for (let at = 0; at < size; at += 65536) {
        crypto.getRandomValues(content.subarray(at, Math.min(size, at + 65536)));
      }
      using client = await server.connect();
      await client.send(`POST /cgi-bin/sum.sh HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n`);
      await client.send(content.subarray(0, size - 1));
      // Whoever asks meanwhile is answered, and no script has begun.
      assertEquals(textOf(await ask(server, get("/a.txt"))), "a");
      assertEquals((await server.descendants()).filter(({ command }) => command.includes("sum.sh")), []);
      await client.send(content.subarray(size - 1));
      assertEquals(textOf(await client.readResponse()), `${size}\n${await sum(content)}  -\n`);
    });
  }
  await t.step("content that breaks off starts nothing and leaves nothing", async () => {
    using client = await server.connect();
    await client.send("POST /cgi-bin/sum.sh HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000\r\n\r\n");
    await client.send(new Uint8Array(3 * MIB));
    client.close();
    assertEquals(textOf(await ask(server, get("/a.txt"))), "a");
    await server.childless();
  });
  const left = names().filter((name) => name !== ".keep");
  for (const name of left) assert(Deno.statSync(join(server.dir, "temp", name)).isDirectory, name);
});

Deno.test("content that breaks off is never the end of a script's input", async (t) => {
  await using server = await start({
    "cgi-bin/all.sh": sh(hold("held"), "cat > /dev/null", "echo complete >&9"),
  }, "  - path: /stream/\n    cgi: ./cgi-bin\n    body: stream\n    body_limit: 50KiB\n");
  const sized = "POST /cgi-bin/all.sh HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf";
  const chunked =
    "POST /stream/all.sh HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
  const cases: [name: string, request: string, goOn: (client: RawClient) => void | Promise<void>][] = [
    ["the client closes", sized, (client) => client.close()],
    ["the client ends its sending side", sized, (client) => client.endSending()],
    ["a bad chunk", chunked, (client) => client.send("ZZ\r\n")],
    ["chunks that end without the last", chunked, (client) => client.endSending()],
    [
      "a chunk over the limit",
      chunked,
      (client) =>
        client.send("fffffff\r\n" + "x".repeat(100_000)).catch((error) => {
          // It may be refused before all of it is sent.
          if (!isReset(error)) throw error;
        }),
    ],
  ];
  for (const [name, request, goOn] of cases) {
    await t.step(name, async () => {
      await Deno.remove(join(server.dir, "held")).catch(() => {});
      await using held = await Held.make(server, "held");
      using client = await server.connect();
      await client.send(request);
      await server.family(2); // the shell and its cat
      await goOn(client);
      assertEquals(await released(held), "begun\n");
      await server.childless();
    });
  }
  await t.step("the client resets", async () => {
    await Deno.remove(join(server.dir, "held")).catch(() => {});
    await using held = await Held.make(server, "held");
    await sendAndReset(server, sized, () => held.begun);
    assertEquals(await released(held), "begun\n");
  });
});

Deno.test("timeout: off, and a sign of life in time", async () => {
  await using server = await start(
    {
      "cgi-bin/events.sh":
        "#!/bin/sh\nprintf 'Content-Type: text/event-stream\\n\\ndata: one\\n\\n'\nread line < ../gate\nprintf 'data: two\\n\\n'\n",
      "cgi-bin/silent.sh": sh("echo begun", "exec sleep 300"),
      // Longer than its timeout in all, with far shorter pauses.
      "cgi-bin/alive.sh": sh("i=0; while [ $i -lt 45 ]; do i=$((i+1)); echo $i; sleep 0.1; done"),
      "cgi-bin/endless.sh": sh("while :; do echo alive; sleep 0.1; done"),
    },
    "    timeout: 4s\n  - path: /events/\n    cgi: ./cgi-bin\n    timeout: off\n    run_limit: off\n" +
      "  - path: /limited/\n    cgi: ./cgi-bin\n    run_limit: 4s\n",
    "timeouts: { write: 1s, keep_alive: 1s, body: 1s }\n",
  );
  await outputOf("mkfifo", [join(server.dir, "gate")]);
  // Events come as they are written, and silence in between lasts as long as it wants.
  using events = await server.connect();
  await events.send(get("/events/events.sh"));
  assertMatch(await events.readUntil("data: one\n\n"), /text\/event-stream/);
  // Its neighbours run into the time that it does not have.
  const silence = async () => {
    using silent = await server.connect();
    await silent.send(get("/cgi-bin/silent.sh"));
    await silent.readUntil("begun\n");
    assertNotMatch((await rest(silent)).text, /0\r\n\r\n$/);
    await server.stderrMatch(/silent\.sh.*no sign of life/);
  };
  const signsOfLife = async () => {
    const lines = Array.from({ length: 45 }, (_, i) => `${i + 1}\n`);
    assertEquals(textOf(await ask(server, get("/cgi-bin/alive.sh"))), lines.join(""));
  };
  const runLimit = async () => {
    using limited = await server.connect();
    await limited.send(get("/limited/endless.sh"));
    await limited.readUntil("alive\n");
    assertNotMatch((await rest(limited)).text, /0\r\n\r\n$/);
    await server.stderrMatch(/endless\.sh.*run_limit/);
  };
  await Promise.all([silence(), signsOfLife(), runLimit()]);
  await open(server, "gate");
  await events.readUntil("data: two\n\n");
  await events.readUntil("0\r\n\r\n");
  await server.childless();
});

Deno.test("the end of the output is the end of the answer", async (t) => {
  await using server = await start({
    "cgi-bin/holder.sh": sh("echo body", "sleep 299 &"),
    "cgi-bin/chatty.sh": sh("echo body", "(while :; do echo x; sleep 0.02; done) &"),
    "cgi-bin/closes.sh": sh(
      "echo body",
      "exec >&- 2>&-",
      hold("held"),
      "read line < ../gate",
      "echo done >&9",
    ),
    "cgi-bin/daemon.sh": sh(
      "echo body",
      "(exec < /dev/null > /dev/null 2>&1; " + hold("held2") + "; read line < ../gate2; echo done >&9) &",
    ),
  });
  for (const name of ["gate", "gate2"]) await outputOf("mkfifo", [join(server.dir, name)]);
  for (const name of ["holder", "chatty"]) {
    await t.step(`${name}: a child that still holds the pipe does not hold up the answer`, async () => {
      using client = await server.connect();
      await client.send(get(`/cgi-bin/${name}.sh`));
      const response = await client.readResponse();
      assertMatch(textOf(response), /^body\n/);
      // And the connection goes on.
      await client.send(get(`/cgi-bin/${name}.sh`));
      assertEquals((await client.readResponse()).status, 200);
    });
  }
  for (const { pid, command } of await runningWith("sleep 299")) if (command === "sleep 299") kill(pid);
  await t.step("one that closes its output and works on may do so", async () => {
    await using held = await Held.make(server, "held");
    assertEquals(textOf(await ask(server, get("/cgi-bin/closes.sh"))), "body\n");
    await open(server, "gate");
    assertEquals(await released(held), "begun\ndone\n");
  });
  await t.step("a child with streams of its own lives on", async () => {
    await using held = await Held.make(server, "held2");
    assertEquals(textOf(await ask(server, get("/cgi-bin/daemon.sh"))), "body\n");
    await open(server, "gate2");
    assertEquals(await released(held), "begun\ndone\n");
  });
  await server.childless();
});

Deno.test("ended before its time: with all it started, whatever that ignores", async () => {
  const ignoring = [
    hold("$QUERY_STRING"),
    "trap '' TERM INT HUP",
    "sleep 300 &",
    "(sh -c 'trap \"\" TERM; sleep 301; true' &)", // its parent is gone at once
    "setsid sh -c 'sleep 302; true' &",
    "(setsid sh -c '(sleep 303 &) ; sleep 304; true' &)",
    "sleep 305",
  ];
  await using server = await start(
    {
      "cgi-bin/ignores.sh": ["#!/bin/sh", ...ignoring, ""].join("\n"),
      "cgi-bin/begun.sh": sh(ignoring[0], "echo begun", ...ignoring.slice(1)),
      "cgi-bin/polite.sh": sh(
        hold("$QUERY_STRING"),
        "trap 'echo terminated >&9; exit' TERM",
        "while :; do sleep 0.1; done",
      ),
    },
    // Time enough to begin, on a busy machine too.
    "    timeout: 4s\n  - path: /grace/\n    cgi: ./cgi-bin\n    timeout: 4s\n    kill_grace: 1s\n" +
      "  - path: /farewell/\n    cgi: ./cgi-bin\n    timeout: 4s\n    kill_grace: 1h\n" +
      "  - path: /patient/\n    cgi: ./cgi-bin\n    timeout: off\n    kill_grace: 0s\n    client_gone: 100ms\n",
  );
  const ends = async (
    why: string,
    path: string,
    wrote: string,
    work: (request: string) => Promise<unknown>,
  ) => {
    const name = why.replaceAll(" ", "-");
    await using held = await Held.make(server, name);
    await work(get(`${path}?${name}`));
    assertEquals(await released(held), wrote, why);
  };
  const isRefused = async (request: string) => assertEquals((await ask(server, request)).status, 504);
  const isCut = async (request: string) => {
    using client = await server.connect();
    await client.send(request);
    await client.readUntil("\r\n\r\n");
    assertNotMatch((await rest(client)).text, /0\r\n\r\n$/);
  };
  const leaves = async (request: string) => {
    using client = await server.connect();
    await client.send(request);
    await client.readUntil("begun\n");
  };
  await Promise.all([
    ends("silent, with orphans of orphans", "/cgi-bin/ignores.sh", "begun\n", isRefused),
    ends("silent after its answer has begun", "/cgi-bin/begun.sh", "begun\n", isCut),
    ends("it listens to SIGTERM and may say goodbye", "/farewell/polite.sh", "begun\nterminated\n", isCut),
    ends("it listens and has no kill_grace", "/cgi-bin/polite.sh", "begun\n", isCut),
    ends("it does not listen and its kill_grace is over", "/grace/ignores.sh", "begun\n", isRefused),
    ends("its client is gone", "/patient/begun.sh", "begun\n", leaves),
  ]);
  await server.childless();
});

Deno.test("a client that leaves", async (t) => {
  await using server = await start(
    {
      "cgi-bin/silent.sh": `#!/bin/sh\n${hold("held")}\nexec sleep 300\n`,
      "cgi-bin/begun.sh": sh(hold("held"), "echo begun", "exec sleep 300"),
      "cgi-bin/finishes.sh": sh(hold("held"), "read line < ../gate", "echo answer", "echo finished >&9"),
      "cgi-bin/endless.sh": sh(hold("held"), "exec cat /dev/zero"),
    },
    "    timeout: off\n    client_gone: off\n" +
      "  - path: /soon/\n    cgi: ./cgi-bin\n    timeout: off\n    client_gone: 200ms\n" +
      "  - path: /later/\n    cgi: ./cgi-bin\n    timeout: off\n    client_gone: 1h\n",
  );
  await outputOf("mkfifo", [join(server.dir, "gate")]);
  const expectAll = async (work: (held: Held) => Promise<unknown>, wrote: string) => {
    await Deno.remove(join(server.dir, "held")).catch(() => {});
    await using held = await Held.make(server, "held");
    await work(held);
    assertEquals(await released(held), wrote);
    await server.childless();
  };
  await t.step(
    "by a reset, from a script that writes nothing: at once, though client_gone is off",
    () =>
      expectAll(
        (held) => sendAndReset(server, get("/cgi-bin/silent.sh"), () => held.begun),
        "begun\n",
      ),
  );
  await t.step(
    "by a reset, after the answer began",
    () => expectAll(() => sendAndReset(server, get("/cgi-bin/begun.sh"), "begun"), "begun\n"),
  );
  await t.step(
    "by a reset, while its script floods",
    () => expectAll(() => sendAndReset(server, get("/cgi-bin/endless.sh"), "\0"), "begun\n"),
  );
  await t.step("by closing: after client_gone", () =>
    expectAll(async (held) => {
      using client = await server.connect();
      await client.send(get("/soon/silent.sh"));
      await held.begun;
      client.close();
    }, "begun\n"));
  await t.step(
    "by closing its sending side only: it has client_gone for the answer",
    () =>
      expectAll(async (held) => {
        using client = await server.connect();
        await client.send(get("/later/finishes.sh"));
        await client.endSending();
        await held.begun;
        await open(server, "gate");
        assertEquals(textOf(await client.readResponse()), "answer\n");
      }, "begun\nfinished\n"),
  );
  await t.step("client_gone: off lets the script finish", () =>
    expectAll(async (held) => {
      using client = await server.connect();
      await client.send(get("/cgi-bin/finishes.sh"));
      await held.begun;
      client.close();
      assertEquals((await ask(server, get("/nothing"))).status, 404);
      await open(server, "gate");
    }, "begun\nfinished\n"));
  await t.step("out of the queue: its script never starts", async () => {
    assertEquals(await runningWith(join(server.dir, "cgi-bin")), []);
  });
});

Deno.test("scripts that come and go leave no zombie and no descriptor", async () => {
  await using server = await start({
    "cgi-bin/quick.sh": sh("echo quick"),
    "cgi-bin/dies.sh": "#!/bin/sh\nkill -9 $$\n",
    "cgi-bin/none.sh": "#!/bin/sh\nexit 3\n",
    "cgi-bin/unread.sh": sh("exec <&-", "echo done"),
  });
  const rounds = async (count: number) => {
    for (let i = 0; i < count; i++) {
      await Promise.all([
        ask(server, get("/cgi-bin/quick.sh")),
        ask(server, get("/cgi-bin/dies.sh")),
        ask(server, get("/cgi-bin/none.sh")),
        ask(server, post("/cgi-bin/unread.sh", "x".repeat(200_000))),
      ]);
    }
    await server.childless();
  };
  const descriptors = () => descriptorCount(server.pid);
  await rounds(3);
  if (Deno.build.os !== "linux") return await rounds(10);
  const before = await descriptors();
  await rounds(15);
  await eventually("no more descriptors than before", async () => await descriptors() <= before);
});

Deno.test("standard error is bounded in rate and length, and attributed", async (t) => {
  await using server = await start({
    "cgi-bin/flood.sh": sh(
      "echo begun",
      'i=0; while [ $i -lt 20000 ]; do echo "line $i of the flood" >&2; i=$((i+1)); done',
      "echo end",
    ),
    "cgi-bin/long.sh": sh("head -c 1000000 /dev/zero | tr '\\0' x >&2", "echo >&2", "echo after >&2"),
    "cgi-bin/binary.sh": sh("printf 'a\\033[2Jb\\rc\\000d\\377e\\n' >&2"),
    "cgi-bin/endless.sh": sh("echo begun", "cat /dev/zero >&2"),
  }, "  - path: /soon/\n    cgi: ./cgi-bin\n    timeout: 4s\n");
  await t.step("20,000 lines", async () => {
    const before = server.stderr.length;
    assertEquals(textOf(await ask(server, get("/cgi-bin/flood.sh"))), "begun\nend\n");
    await server.stderrMatch(/flood\.sh\[\d+\]: \[\d+ lines suppressed\]/);
    const added = server.stderr.slice(before);
    const lines = added.split("\n").filter((line) => line.includes("of the flood"));
    // A hundred a second, however long a busy machine takes for it.
    assert(lines.length >= 100 && lines.length < 10_000, `${lines.length} lines`);
    for (const line of lines) assertMatch(line, /cgi-bin\/flood\.sh\[\d+\]: line \d+ of the flood$/);
  });
  await t.step("one line of a million bytes", async () => {
    const before = server.stderr.length;
    await ask(server, get("/cgi-bin/long.sh"));
    await server.stderrMatch(/long\.sh\[\d+\]: after/);
    // The end of the flood may still come between.
    const own = server.stderr.slice(before).split("\n").filter((line) => line.includes("long.sh")).join("\n");
    assert(own.length < 12_000, `${own.length} bytes`);
    assertMatch(own, /x\[?.*cut/);
  });
  await t.step("no control byte reaches the log", async () => {
    await ask(server, get("/cgi-bin/binary.sh"));
    const [line] = await server.stderrMatch(/binary\.sh\[\d+\]: .*\n/);
    // deno-lint-ignore no-control-regex
    assertNotMatch(line.trimEnd(), /[\x00-\x1f\x7f]/);
  });
  await t.step("one without end is no sign of life, and costs nothing", async () => {
    using client = await server.connect();
    await client.send(get("/soon/endless.sh"));
    await client.readUntil("begun\n");
    assertNotMatch((await rest(client)).text, /0\r\n\r\n$/);
    await server.childless();
  });
});

/** A client from another loopback address, whose request is whole once it says `go`. */
interface Queued {
  go(): void;
  readonly answer: Promise<string>;
}

async function fromAddress(server: TestServer, localAddress: string, path: string): Promise<Queued> {
  const socket = new Socket();
  const answer = Promise.withResolvers<string>();
  let text = "";
  socket.on("error", answer.reject);
  socket.on("data", (data: Uint8Array) => text += isomorphic(data));
  for (const end of ["end", "close"]) socket.on(end, () => answer.resolve(text));
  const connected = Promise.withResolvers<void>();
  socket.connect({ port: server.port, host: server.hostname, localAddress }, () => {
    socket.write(octets(waiting(path, "Connection: close")), () => connected.resolve());
  });
  await within("a connection", connected.promise);
  return { go: () => socket.write(GO), answer: answer.promise };
}

const GO = "go\n";

/** A request of which all but the content has come. */
function waiting(path: string, ...lines: string[]): string {
  return post(path, GO, ...lines).slice(0, -GO.length);
}

Deno.test({
  name: "the queue is fair between routes and between clients",
  ignore: Deno.build.os !== "linux", // elsewhere 127.0.0.2 is no address of the machine
  async fn(t) {
    // Each script waits for its turn to be let go, and notes who it is.
    const script = sh('echo "$SCRIPT_NAME $REMOTE_ADDR $QUERY_STRING" >> ../order', "read line", "echo ok");
    await using server = await start(
      { "cgi-bin/a.sh": script, "b/b.sh": script },
      `  - path: /b/\n    cgi: ./b\n${STATUS_ROUTE}`,
      "cgi: { max_processes: 1, queue: 20, queue_timeout: 10m }\n",
    );
    const order = async () => (await Deno.readTextFile(join(server.dir, "order"))).trimEnd().split("\n");
    const started = (count: number) =>
      eventually(`script ${count}`, async () => {
        try {
          return (await order()).length === count;
        } catch (error) {
          if (error instanceof Deno.errors.NotFound) return false;
          throw error;
        }
      });
    const run = async (asked: [path: string, from: string][]) => {
      await Deno.remove(join(server.dir, "order")).catch(() => {});
      const clients: Queued[] = [];
      for (const [path, from] of asked) {
        clients.push(await fromAddress(server, from, path));
        if (clients.length === 1) await started(1);
        else await server.queued(clients.length - 1);
      }
      for (let i = 1; i <= asked.length; i++) {
        await started(i);
        const query = (await order())[i - 1].split(" ")[2];
        clients[asked.findIndex(([path]) => path.endsWith(`?${query}`))].go();
      }
      const answers = Promise.all(clients.map(({ answer }) => answer));
      for (const answer of await within("all answers", answers)) assertMatch(answer, /ok\n/);
      await server.childless();
      return await order();
    };
    await t.step("a client with many requests does not shut out one with a single one", async () => {
      const many = Array.from(
        { length: 6 },
        (_, i): [string, string] => [`/cgi-bin/a.sh?m${i}`, "127.0.0.1"],
      );
      const served = await run([...many, ["/cgi-bin/a.sh?single", "127.0.0.2"]]);
      const at = served.findIndex((line) => line.endsWith("single"));
      assert(at <= 2, served.join(", "));
    });
    await t.step("nor does a route with many", async () => {
      const many = Array.from(
        { length: 6 },
        (_, i): [string, string] => [`/cgi-bin/a.sh?m${i}`, "127.0.0.1"],
      );
      const served = await run([...many, ["/b/b.sh?single", "127.0.0.1"]]);
      const at = served.findIndex((line) => line.endsWith("single"));
      assert(at <= 2, served.join(", "));
    });
    await t.step("those of one client in the order they came", async () => {
      const served = await run(
        Array.from({ length: 5 }, (_, i): [string, string] => [`/cgi-bin/a.sh?m${i}`, "127.0.0.1"]),
      );
      assertEquals(served.map((line) => line.slice(-2)), ["m0", "m1", "m2", "m3", "m4"]);
    });
    await t.step("whoever leaves the queue is not started", async () => {
      await Deno.remove(join(server.dir, "order")).catch(() => {});
      using first = await server.connect();
      await first.send(waiting("/cgi-bin/a.sh?first"));
      await started(1);
      await sendAndReset(server, get("/cgi-bin/a.sh?gone"), () => server.queued(1));
      // As soon as the log has it, the server knows that it has left.
      await server.stdoutMatch(/"GET \/cgi-bin\/a\.sh\?gone HTTP\/1\.1" 499 /);
      using last = await server.connect();
      await last.send(waiting("/cgi-bin/a.sh?last"));
      for (const [i, client] of [first, last].entries()) {
        await started(i + 1);
        await client.send(GO);
      }
      assertEquals(textOf(await first.readResponse()), "ok\n");
      assertEquals(textOf(await last.readResponse()), "ok\n");
      assert(!(await order()).some((line) => line.endsWith("gone")));
    });
  },
});

Deno.test("a route's own max_processes and queue, within the server's", async () => {
  await using server = await start(
    { "cgi-bin/wait.sh": sh("read line", "echo $line"), "b/now.sh": sh("echo now") },
    `    max_processes: 1\n    queue: 1\n  - path: /b/\n    cgi: ./b\n${STATUS_ROUTE}`,
  );
  using first = await server.connect();
  await first.send(waiting("/cgi-bin/wait.sh"));
  await server.family(1);
  using second = await server.connect();
  await second.send(waiting("/cgi-bin/wait.sh"));
  await server.queued(1);
  assertEquals(textOf(await ask(server, get("/b/now.sh"))), "now\n");
  const refused = await ask(server, post("/cgi-bin/wait.sh", GO));
  assertEquals(refused.status, 503);
  const seconds = Number(field(refused, "retry-after"));
  assert(Number.isInteger(seconds) && seconds >= 1 && seconds <= 60, String(seconds));
  await server.stderrMatch(/wait\.sh.*(max_processes|queue)/);
  for (const client of [first, second]) {
    await client.send(GO);
    assertEquals(textOf(await client.readResponse()), GO);
  }
});

Deno.test("a client that is refused, or leaves, while its content is under way", async () => {
  await using server = await start({
    "cgi-bin/refuses.sh": "#!/bin/sh\nexec <&-\nprintf 'Status: 403\\n\\nno'\n",
  });
  using client = await server.connect();
  await client.send("POST /cgi-bin/refuses.sh HTTP/1.1\r\nHost: h\r\nContent-Length: 30000000\r\n\r\n");
  try {
    for (let i = 0; i < 100; i++) await client.send(new Uint8Array(100_000));
  } catch (error) {
    assert(isReset(error), String(error));
  }
  const response = await client.readResponse().catch((error) => error);
  if (response instanceof Error) {
    assert(response instanceof UnexpectedEnd || isReset(response), String(response));
  } else assertEquals(response.status, 403);
  await server.childless();
});
