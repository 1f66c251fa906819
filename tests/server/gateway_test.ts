import { assert, assertEquals, assertMatch, assertNotMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { Application, DEAD_ADDRESS, FakePeer, type PeerConnection } from "../support/applications.ts";
import { eventually } from "../support/deadline.ts";
import { descriptorCount, hasProgram } from "../support/processes.ts";
import { ask, field, get, post, textOf, UnexpectedEnd } from "../support/raw.ts";
import { TestServer } from "../support/server.ts";

const NO_PHP = !await hasProgram("php-cgi", "-v");
const NO_FCGIWRAP = !await hasProgram("sh", "-c", "command -v fcgiwrap");

/** The folder of an application's scripts, made before the application starts. */
async function folder(files: Record<string, string>): Promise<string> {
  const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "pollux-test-app-" }));
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(join(dir, name, ".."), { recursive: true });
    await Deno.writeTextFile(join(dir, name), text);
    if (text.startsWith("#!")) await Deno.chmod(join(dir, name), 0o755);
  }
  return dir;
}

function serve(kind: "fastcgi" | "scgi", addresses: string[], keys: string, top = ""): Promise<TestServer> {
  const list = addresses.map((address) => `"${address}"`).join(", ");
  return TestServer.start({
    yaml: `listen: 127.0.0.1:0\n${top}routes:\n  - path: /app/\n    ${kind}: [${list}]\n${
      keys.split("\n").filter((line) => line !== "").map((line) => `    ${line}\n`).join("")
    }`,
  });
}

const PHP = {
  "info.php": `<?php header("Content-Type: text/plain"); foreach (
    ["SCRIPT_NAME", "SCRIPT_FILENAME", "PATH_INFO", "QUERY_STRING", "REQUEST_METHOD", "DOCUMENT_ROOT",
     "CONTENT_LENGTH", "CONTENT_TYPE", "GATEWAY_INTERFACE", "HTTP_X_LONG", "COLOUR", "HTTP_AUTHORIZATION"] as $k)
    echo $k, "=", $_SERVER[$k] ?? "-", "\\n"; echo "body=", strlen(file_get_contents("php://input")), "\\n";`,
  "index.php": `<?php echo "the index"; `,
  "md5.php": `<?php $f = fopen("php://input", "r"); $h = hash_init("md5"); hash_update_stream($h, $f);
    header("Content-Type: text/plain"); echo hash_final($h);`,
  "redirect.php": `<?php header("Location: /app/info.php");`,
  "missing.php": `<?php http_response_code(404); echo "none such";`,
  "flush.php":
    `<?php while (ob_get_level()) ob_end_flush(); echo "first\\n"; flush(); usleep(300000); echo "last\\n";`,
  "large.php":
    `<?php header("Content-Type: text/plain"); for ($i = 0; $i < 64; $i++) echo str_repeat("x", 65536);`,
  "stderr.php": `<?php error_log("a line for the log"); echo "said";`,
  "not-php.txt": "<?php echo 'ran';",
  ".env": "SECRET",
};

for (const transport of ["tcp", "unix"] as const) {
  Deno.test({
    name: `fastcgi over ${transport}: php-cgi answers as a script does`,
    ignore: NO_PHP,
    fn: async (t) => {
      const root = await folder(PHP);
      try {
        await using php = await Application.start(["php-cgi", "-d", "error_log=", "-d", "log_errors=1"], {
          socket: transport === "unix" ? join(root, "php.sock") : null,
          env: { PHP_FCGI_CHILDREN: "2" },
        });
        await using server = await serve(
          "fastcgi",
          [php.address],
          `root: ${root}\nindex: index.php\nenv: { COLOUR: blue }\nconnections: 2`,
        );
        await phpSteps(t, server, root);
        await server.stop();
      } finally {
        await Deno.remove(root, { recursive: true });
      }
    },
  });
}

async function phpSteps(t: Deno.TestContext, server: TestServer, root: string): Promise<void> {
  await t.step("variables, PATH_INFO behind .php, names and values of 127 bytes and more", async () => {
    for (const length of [0, 1, 126, 127, 128, 255, 256, 5000]) {
      const long = "v".repeat(length);
      const response = await ask(
        server,
        get("/app/info.php/a/b%20c?x=1", `X-Long: ${long}`, "Authorization: x"),
      );
      assertEquals(response.status, 200);
      const text = textOf(response);
      for (
        const line of [
          "SCRIPT_NAME=/app/info.php",
          `SCRIPT_FILENAME=${root}/info.php`,
          "PATH_INFO=/a/b c",
          "QUERY_STRING=x=1",
          "REQUEST_METHOD=GET",
          `DOCUMENT_ROOT=${root}`,
          "GATEWAY_INTERFACE=CGI/1.1",
          `HTTP_X_LONG=${long}`,
          "HTTP_AUTHORIZATION=-",
          "COLOUR=blue",
          "body=0",
        ]
      ) assertStringIncludes(text, line + "\n");
    }
  });

  await t.step("content, with a length and chunked, byte for byte", async () => {
    for (const length of [0, 1, 65535, 65536, 1_000_000]) {
      const text = textOf(
        await ask(server, post("/app/info.php", "c".repeat(length), "Content-Type: text/x")),
      );
      assertStringIncludes(text, `CONTENT_LENGTH=${length}\n`);
      assertStringIncludes(text, `CONTENT_TYPE=text/x\n`);
      assertStringIncludes(text, `body=${length}\n`);
    }
    const bytes = "0123456789abcdef".repeat(100_000);
    const sum = "b57d9e4f77ff37b6d9b1b5d6a7a3c5b5".length;
    const answer = textOf(await ask(server, post("/app/md5.php", bytes)));
    assertEquals(answer.length, sum);
    const chunked = `POST /app/md5.php HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n` +
      `${bytes.length.toString(16)}\r\n${bytes}\r\n0\r\n\r\n`;
    assertEquals(textOf(await ask(server, chunked)), answer);
  });

  await t.step("index, redirects, statuses, HEAD", async () => {
    assertEquals(textOf(await ask(server, get("/app/"))), "the index");
    const redirect = await ask(server, get("/app/redirect.php"));
    assertEquals([redirect.status, field(redirect, "location")], [302, "/app/info.php"]);
    const missing = await ask(server, get("/app/missing.php"));
    assertEquals([missing.status, textOf(missing)], [404, "none such"]);
    assertEquals((await ask(server, get("/app/none.php"))).status, 404);
    const head = await ask(server, get("/app/index.php").replace("GET", "HEAD"), { method: "HEAD" });
    assertEquals([head.status, head.content.length], [200, 0]);
  });

  await t.step("what is hidden, or no script, is not run by what follows it", async () => {
    assertEquals((await ask(server, get("/app/not-php.txt/x.php"))).status, 404);
    const hidden = await ask(server, get("/app/.env"));
    assertNotMatch(textOf(hidden), /SECRET/);
  });

  await t.step("output goes out as it comes", async () => {
    using client = await server.connect();
    await client.send(get("/app/flush.php"));
    const first = await client.readUntil("first\n");
    assertNotMatch(first, /last/);
    await client.readUntil("last\n");
    const large = await ask(server, get("/app/large.php"));
    assertEquals(large.content.length, 64 * 65536);
  });

  await t.step("standard error goes to the log", async () => {
    assertEquals(textOf(await ask(server, get("/app/stderr.php"))), "said");
    await server.stderrMatch(/error .*fastcgi .*stderr\.php: .*a line for the log/);
  });

  await t.step("many at once share the connections", async () => {
    const answers = await Promise.all(
      Array.from(
        { length: 40 },
        (_, i) =>
          ask(
            server,
            i % 2 === 0 ? get(`/app/info.php?n=${i}`) : post(`/app/info.php?n=${i}`, "x".repeat(i)),
          ),
      ),
    );
    for (const [i, answer] of answers.entries()) {
      assertStringIncludes(textOf(answer), `QUERY_STRING=n=${i}\n`);
      assertStringIncludes(textOf(answer), `body=${i % 2 === 0 ? 0 : i}\n`);
    }
  });
}

Deno.test({
  name: "fastcgi: one process that serves one connection answers many clients",
  ignore: NO_PHP,
  fn: async () => {
    const root = await folder(PHP);
    try {
      await using php = await Application.start(["php-cgi"]);
      await using server = await serve("fastcgi", [php.address], `root: ${root}\nindex: index.php`);
      const answers = await Promise.all(Array.from({ length: 30 }, () => ask(server, get("/app/"))));
      assertEquals(answers.map(({ status }) => status), Array(30).fill(200));
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  },
});

Deno.test({
  name: "fastcgi: fcgiwrap runs scripts",
  ignore: NO_FCGIWRAP,
  fn: async () => {
    const root = await folder({
      "env.sh": `#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'; echo "$PATH_INFO|$SCRIPT_NAME"; cat\n`,
      "exit.sh": `#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nsaid'; exit 3\n`,
    });
    try {
      await using wrap = await Application.start(["fcgiwrap", "-f", "-c", "2"]);
      await using server = await serve("fastcgi", [wrap.address], `root: ${root}\nconnections: 2`);
      for (let i = 0; i < 5; i++) {
        const answer = await ask(server, post("/app/env.sh/a/b", "content"));
        assertEquals(textOf(answer), "/a/b|/app/env.sh\ncontent");
      }
      assertEquals(textOf(await ask(server, get("/app/exit.sh"))), "said");
      assertEquals((await ask(server, get("/app/none.sh"))).status >= 400, true);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  },
});

/** Answers one SCGI request on a connection, as a threaded server does, and says its variables. */
const SCGI_SERVER = `
import os, socket, threading
listener = socket.socket(fileno=0)
def serve(connection):
    stream = connection.makefile("rwb")
    length = b""
    while (c := stream.read(1)) != b":":
        length += c
    head = stream.read(int(length))
    assert stream.read(1) == b","
    parts = head.split(b"\\0")[:-1]
    names = parts[::2]
    assert names[0] == b"CONTENT_LENGTH" and len(set(names)) == len(names), names
    env = dict(zip(names, parts[1::2]))
    assert env[b"SCGI"] == b"1"
    body = stream.read(int(env[b"CONTENT_LENGTH"]))
    query = env[b"QUERY_STRING"]
    if query == b"short":
        stream.write(b"Status: 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\nshort")
    elif query == b"local":
        stream.write(b"Location: /app/target?there\\r\\n\\r\\n")
    else:
        stream.write(b"Status: 201 Made\\r\\nContent-Type: text/plain\\r\\n\\r\\n")
        stream.write(b"|".join([env[b"SCRIPT_NAME"], env[b"PATH_INFO"], query, str(len(body)).encode()]))
    stream.flush()
    connection.close()
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,)).start()
`;

Deno.test("scgi: variables, content, a local redirect, an answer that is cut", async () => {
  await using application = await Application.start(["/usr/bin/python3", "-c", SCGI_SERVER]);
  await using server = await serve("scgi", [application.address], "");
  const answer = await ask(server, get("/app/a/b?q=1"));
  assertEquals([answer.status, answer.reason, textOf(answer)], [201, "Made", "/app|/a/b|q=1|0"]);
  assertEquals(textOf(await ask(server, post("/app/x", "y".repeat(200_000)))), "/app|/x||200000");
  const chunked =
    "POST /app/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  assertEquals(textOf(await ask(server, chunked)), "/app|/x||3");
  assertEquals(textOf(await ask(server, get("/app/x?local"))), "/app|/target|there|0");
  await assertRejectsWithEnd(() => ask(server, get("/app/x?short")));
  await server.stderrMatch(/announced 100 bytes .* and wrote 5/);
});

async function assertRejectsWithEnd(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof UnexpectedEnd) return;
    throw error;
  }
  throw new Error("the answer looks complete");
}

/** A FastCGI record; the content's length may be lied about. */
function record(
  type: number,
  content: string,
  { version = 1, id = 1, length = content.length, padding = 0 } = {},
): string {
  return String.fromCharCode(version, type, id >> 8, id & 255, length >> 8, length & 255, padding, 0) +
    content +
    "p".repeat(padding);
}

const STDOUT = 6;
const HEADER = "Content-Type: text/plain\r\n\r\n";

function end(appStatus = 0, protocolStatus = 0): string {
  return record(3, String.fromCharCode(0, 0, 0, appStatus, protocolStatus, 0, 0, 0));
}

/** The request's last record: an empty STDIN. */
const REQUEST_END = "\x01\x05\x00\x01\x00\x00";

function peer(answer: (connection: PeerConnection, nth: number) => Promise<void>): FakePeer {
  return new FakePeer(async (connection, nth) => {
    await connection.until(REQUEST_END);
    await answer(connection, nth);
  });
}

Deno.test("fastcgi: what an application must not send is a 502, and the log says what", async (t) => {
  const cases: [name: string, sent: string, log: RegExp][] = [
    ["another protocol", "HTTP/1.1 200 OK\r\n\r\n", /version 72: is it FastCGI/],
    ["nothing", "", /closed the connection before the end/],
    ["half a record's head", record(STDOUT, "").slice(0, 5), /closed the connection before the end/],
    ["half a record", record(STDOUT, HEADER).slice(0, 20), /closed the connection before the end/],
    ["no END_REQUEST", record(STDOUT, HEADER), /closed the connection before the end/],
    ["a request that was not made", record(STDOUT, HEADER, { id: 2 }), /request 2, which was not made/],
    ["a type of requests", record(5, HEADER), /type 5/],
    [
      "output after its end",
      record(STDOUT, HEADER) + record(STDOUT, "") + record(STDOUT, "x"),
      /after the end/,
    ],
    ["an END_REQUEST that is too short", record(STDOUT, HEADER) + record(3, "1234"), /another length/],
    ["no header", record(STDOUT, "hello\n") + end(), /no header field/],
    ["an empty answer", end(), /wrote nothing/],
    [
      "a header without end",
      record(STDOUT, "X: y\r\n".repeat(9000)) + record(STDOUT, "X: y\r\n".repeat(9000)),
      /longer than/,
    ],
    ["no responder", end(0, 3), /no responder role/],
  ];
  let says = "";
  await using application = peer((connection) => connection.say(says));
  await using server = await serve("fastcgi", [application.address], "");
  for (const [name, sent, log] of cases) {
    await t.step(name, async () => {
      says = sent;
      const before = server.stderr.length;
      assertEquals((await ask(server, get("/app/"))).status, 502);
      await server.stderrMatch(new RegExp(`^[^]{${before}}[^]*(?:${log.source})`));
    });
  }
});

Deno.test("fastcgi: an application that is overloaded is a 503 with Retry-After", async () => {
  await using application = peer((connection) => connection.say(end(0, 2)));
  await using server = await serve("fastcgi", [application.address], "");
  const answer = await ask(server, get("/app/"));
  assertEquals([answer.status, field(answer, "retry-after")], [503, "1"]);
});

Deno.test("fastcgi: padding, records of one byte, standard error between, are all the same", async () => {
  await using application = peer(async (connection) => {
    const content = HEADER + "content";
    for (const [i, char] of [...content].entries()) {
      await connection.say(record(STDOUT, char, { padding: i }));
    }
    await connection.say(record(7, "complaint\n") + record(STDOUT, "") + end());
  });
  await using server = await serve("fastcgi", [application.address], "");
  const answer = await ask(server, get("/app/"));
  assertEquals(textOf(answer), "content");
  await server.stderrMatch(/complaint/);
});

Deno.test("fastcgi: an answer that breaks off is cut, and not made to look whole", async () => {
  await using application = peer(async (connection) => {
    await connection.say(record(STDOUT, HEADER + "x".repeat(60_000)) + record(STDOUT, "y".repeat(60_000)));
    await connection.say(record(STDOUT, "z".repeat(1000)).slice(0, 500));
  });
  await using server = await serve("fastcgi", [application.address], "");
  using client = await server.connect();
  await client.send(get("/app/"));
  await assertRejectsWithEnd(() => client.readResponse());
});

Deno.test("fastcgi: silence is a 504, and later a cut", async () => {
  await using application = peer(async (connection, nth) => {
    if (nth === 1) await connection.say(record(STDOUT, HEADER + "begun"));
    await connection.toEnd();
  });
  await using server = await serve("fastcgi", [application.address], "timeout: 3s");
  const first = ask(server, get("/app/"));
  await eventually("the first one is there", () => application.count === 1);
  await assertRejectsWithEnd(() => ask(server, get("/app/")));
  assertEquals((await first).status, 504);
  await server.stderrMatch(/had not finished its header/);
  await server.stderrMatch(/gave no sign of life/);
  await eventually("both connections closed", () => application.count === 2);
});

Deno.test("fastcgi: nobody listens: 502; another address answers instead, and the dead one is passed over", async () => {
  await using alone = await serve("fastcgi", [DEAD_ADDRESS], "");
  assertEquals((await ask(alone, get("/app/"))).status, 502);
  await alone.stderrMatch(/cannot connect to 127\.0\.0\.1/);
  await using application = peer((connection) => connection.say(record(STDOUT, HEADER + "alive") + end()));
  await using server = await serve("fastcgi", [DEAD_ADDRESS, application.address], "");
  for (let i = 0; i < 6; i++) assertEquals(textOf(await ask(server, get("/app/"))), "alive");
  await server.stderrMatch(/passed over/);
  assertEquals(server.stderr.match(/passed over/g)?.length, 1);
});

Deno.test("fastcgi: addresses get what they have the least of", async () => {
  const gate = Promise.withResolvers<void>();
  const answer = (name: string) => async (connection: PeerConnection) => {
    await gate.promise;
    await connection.say(record(STDOUT, HEADER + name) + end());
  };
  await using a = peer(answer("a"));
  await using b = peer(answer("b"));
  await using server = await serve("fastcgi", [a.address, b.address], "");
  const answers = Array.from({ length: 8 }, () => ask(server, get("/app/")));
  await eventually("all are there", () => a.count + b.count === 8);
  assertEquals([a.count, b.count], [4, 4]);
  gate.resolve();
  await Promise.all(answers);
});

Deno.test("fastcgi: no more connections than allowed; who waits too long, or behind too many, gets a 503", async () => {
  const gate = Promise.withResolvers<void>();
  await using application = peer(async (connection) => {
    await gate.promise;
    await connection.say(record(STDOUT, HEADER + "done") + end());
  });
  await using server = await serve(
    "fastcgi",
    [application.address],
    "connections: 2",
    "cgi: { queue: 2, queue_timeout: 3s }\n",
  );
  const answers = Array.from({ length: 6 }, () => ask(server, get("/app/")));
  const refused = Promise.all(answers.map(async (answer) => (await answer).status));
  await server.stderrMatch(/queue full/);
  await server.stderrMatch(/within queue_timeout/);
  assertEquals(application.count, 2);
  gate.resolve();
  assertEquals((await refused).sort(), [200, 200, 503, 503, 503, 503]);
});

Deno.test("fastcgi: a kept connection is used again, and one that has ended costs nobody an answer", async () => {
  await using application = new FakePeer(async (connection, nth) => {
    for (let requests = 1; await connection.untilTimes(REQUEST_END, requests); requests++) {
      // Each connection takes two requests, and ends with the third unread.
      if (requests === 3) return;
      await connection.say(record(STDOUT, HEADER + `${nth}.${requests}`) + end());
    }
  });
  await using server = await serve("fastcgi", [application.address], "");
  /** Which connection it came over, and which of its requests it was. */
  const answer = async (request: string) => textOf(await ask(server, request)).split(".").map(Number);
  let [last, times] = await answer(get("/app/"));
  assertEquals([last, times], [0, 1]);
  let kept = 0;
  // On a busy machine one may be idle for longer than it is kept.
  for (let i = 0; i < 100 && (i < 5 || kept < 2); i++) {
    const [nth, requests] = await answer(get("/app/"));
    assertEquals([nth, requests], nth === last ? [last, times + 1] : [last + 1, 1]);
    if (nth === last) kept++;
    [last, times] = [nth, requests];
  }
  assert(kept >= 2);
  // What changes something is never sent where it might have to be sent again.
  assertEquals(await answer(post("/app/", "")), [last + 1, 1]);
});

Deno.test("fastcgi: a client that leaves takes its request along", async () => {
  const gone = Promise.withResolvers<void>();
  await using application = peer(async (connection) => {
    await connection.toEnd();
    gone.resolve();
  });
  await using server = await serve("fastcgi", [application.address], "");
  const before = await descriptorCount(server.pid);
  const client = await server.connect();
  await client.send(get("/app/"));
  await eventually("the request is there", () => application.count === 1);
  client.close();
  await gone.promise;
  await eventually("no descriptor is left", async () => await descriptorCount(server.pid) <= before);
});

Deno.test("fastcgi: an application that answers before it has taken the content", async () => {
  await using application = new FakePeer(async (connection) => {
    await connection.until("x".repeat(10));
    await connection.say(record(STDOUT, "Status: 413\r\n" + HEADER + "too much") + end());
  });
  await using server = await serve("fastcgi", [application.address], "");
  using client = await server.connect();
  await client.send(`POST /app/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n${"x".repeat(10)}`);
  const answer = await client.readResponse();
  assertEquals([answer.status, textOf(answer)], [413, "too much"]);
});

Deno.test("fastcgi: stopping ends with answers under way, and leaves nothing", async () => {
  const gate = Promise.withResolvers<void>();
  await using application = peer(async (connection) => {
    await gate.promise;
    await connection.say(record(STDOUT, HEADER + "last") + end());
  });
  await using server = await serve("fastcgi", [application.address], "");
  const answer = ask(server, get("/app/"));
  await eventually("the request is there", () => application.count === 1);
  server.kill("SIGTERM");
  await server.deaf();
  gate.resolve();
  assertEquals(textOf(await answer), "last");
  assertEquals((await server.ended()).code, 0);
  assert(server.stderr.length > 0);
  assertMatch(server.stderr, /listening/);
});
