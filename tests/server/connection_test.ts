import { assert, assertEquals, assertMatch } from "@std/assert";
import { within } from "../support/deadline.ts";
import { ask, field, get, isReset, post, RawClient, type Response, textOf } from "../support/raw.ts";
import { BASIC_YAML, type FileSpec, TestServer } from "../support/server.ts";

const ECHO = `#!/bin/sh
printf 'Content-Type: text/plain\\n\\n%s %s %s:' "$REQUEST_METHOD" "$PATH_INFO" "$CONTENT_LENGTH"
cat
`;
const FILES: Record<string, FileSpec> = {
  "static/a.txt": "0123456789",
  "cgi-bin/echo.sh": ECHO,
  "cgi-bin/slow.sh": "#!/bin/sh\nsleep 0.3\nprintf 'Content-Type: text/plain\\n\\nslow'\n",
  "cgi-bin/unread.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nunread'\n",
  "cgi-bin/after.sh": "#!/bin/sh\ncat >/dev/null\nprintf 'Content-Type: text/plain\\n\\nafter'\n",
  "cgi-bin/two.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\none'\nsleep 0.2\nprintf two\n",
};

function start(yaml = BASIC_YAML, files: Record<string, FileSpec> = {}): Promise<TestServer> {
  return TestServer.start({ yaml, files: { ...FILES, ...files } });
}

Deno.test("a connection serves one request after the other until it is told to close", async () => {
  await using server = await start();
  using client = await server.connect();
  for (let i = 0; i < 3; i++) {
    await client.send(get("/a.txt"));
    const response = await client.readResponse();
    assertEquals([response.status, textOf(response), field(response, "connection")], [
      200,
      "0123456789",
      null,
    ]);
    await client.send(post("/cgi-bin/echo.sh", `n${i}`));
    assertEquals(textOf(await client.readResponse()), `POST  2:n${i}`);
  }
  await client.send(get("/a.txt", "Connection: close"));
  assertEquals(field(await client.readResponse(), "connection"), "close");
  assertEquals(await client.readToEnd(), { bytes: new Uint8Array(0), reset: false });
});

Deno.test("HTTP/1.0 is answered as its clients expect", async (t) => {
  await using server = await start();
  await t.step("the connection closes after the answer, Host or not", async () => {
    for (const request of ["GET /a.txt HTTP/1.0\r\n\r\n", "GET /a.txt HTTP/1.0\r\nHost: localhost\r\n\r\n"]) {
      using client = await server.connect();
      await client.send(request);
      const response = await client.readResponse();
      assertEquals([response.status, textOf(response)], [200, "0123456789"]);
      assertEquals((await client.readToEnd()).bytes.length, 0);
    }
  });
  await t.step("it stays where the client asks for that", async () => {
    using client = await server.connect();
    await client.send("GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assertMatch(field(await client.readResponse(), "connection") ?? "", /^keep-alive$/i);
    await client.send("GET /a.txt HTTP/1.0\r\n\r\n");
    assertEquals((await client.readResponse()).status, 200);
    assertEquals((await client.readToEnd()).bytes.length, 0);
  });
  await t.step("content of unknown length ends by closing", async () => {
    const response = await ask(server, "GET /cgi-bin/two.sh HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assertEquals([textOf(response), response.framing], ["onetwo", "close"]);
  });
});

Deno.test("HEAD has no content and leaves the connection in step", async () => {
  await using server = await start();
  using client = await server.connect();
  for (const path of ["/a.txt", "/cgi-bin/echo.sh", "/nothing", "/cgi-bin/two.sh"]) {
    await client.send(get(path).replace("GET", "HEAD"));
    const response = await client.readResponse({ method: "HEAD" });
    assertEquals(response.status, path === "/nothing" ? 404 : 200, path);
  }
  await client.send(get("/a.txt"));
  assertEquals(textOf(await client.readResponse()), "0123456789");
});

Deno.test("10,000 pipelined requests are answered in order", async () => {
  const files = Object.fromEntries(
    Array.from({ length: 100 }, (_, i) => [`static/${i}.txt`, `${i}`.repeat(1 + i % 7)] as const),
  );
  await using server = await start(BASIC_YAML, files);
  using client = await server.connect();
  // A script among many files: an answer that takes longer must not be overtaken.
  const plan = Array.from({ length: 10_000 }, (_, i) => i % 400 === 200 ? null : (i * 7919) % 100);
  const expected = plan.map((n, i) => n === null ? `GET /${i} :` : `${n}`.repeat(1 + n % 7));
  const requests = plan.map((n, i) => get(n === null ? `/cgi-bin/echo.sh/${i}` : `/${n}.txt`));
  const sending = client.send(requests.join(""));
  for (const text of expected) assertEquals(textOf(await client.readResponse()), text);
  await sending;
});

/** What depends on the time, or on the request's own number: an answer is chunked where its script takes its time. */
const VARYING = ["date", "content-length", "transfer-encoding", "x-request-id"];

/** What must be the same however a request arrives. */
function essence(response: Response): unknown {
  const fields = response.fields.filter(([name]) => !VARYING.includes(name));
  // An error page may carry the request's id.
  return [response.interim, response.status, fields, response.status < 400 ? textOf(response) : null];
}

Deno.test("each request split at every byte boundary gives the same answer as in one piece", async (t) => {
  await using server = await start();
  const requests: [name: string, request: string, method?: string][] = [
    ["a file", get("/a.txt?q=1", "User-Agent: x", "Accept: */*")],
    ["a range", get("/a.txt", "Range: bytes=2-4", 'If-None-Match: "x"')],
    ["HEAD", get("/a.txt").replace("GET", "HEAD"), "HEAD"],
    ["a missing file", get("/nothing")],
    ["a body with a length", post("/cgi-bin/echo.sh/p", "a\r\nb")],
    [
      "a chunked body with an extension and a trailer",
      "POST /cgi-bin/echo.sh HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" +
      "3;x=1\r\nabc\r\n1\r\nd\r\n0\r\nT: v\r\n\r\n",
    ],
    ["a body nobody wants", post("/a.txt", "GET /evil HTTP/1.1\r\n\r\n")],
    ["an empty line first", "\r\n" + get("/a.txt")],
    ["a refused field", get("/a.txt", "Bad Field: x")],
    ["a refused length", post("/a.txt", "abc", "Content-Length: 3")],
    [
      "a refused chunk",
      "POST /cgi-bin/echo.sh HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    ],
    ["HTTP/1.0", "GET /a.txt HTTP/1.0\r\n\r\n"],
  ];
  for (const [name, request, method] of requests) {
    await t.step(name, async () => {
      const whole = essence(await ask(server, request, { method }));
      const answerTo = async (parts: string[]) => {
        using client = await server.connect();
        try {
          await client.sendSplit(parts);
        } catch (error) {
          // A refusal may come before the last part.
          if (!isReset(error)) throw error;
        }
        return essence(await client.readResponse({ method }));
      };
      for (let first = 1; first < request.length; first += 8) {
        const places = Array.from({ length: Math.min(8, request.length - first) }, (_, i) => first + i);
        const answers = await Promise.all(
          places.map((at) => answerTo([request.slice(0, at), request.slice(at)])),
        );
        for (const [i, answer] of answers.entries()) assertEquals(answer, whole, `split at ${places[i]}`);
      }
      assertEquals(await answerTo([...request]), whole, "byte by byte");
    });
  }
});

Deno.test("an empty line behind a request is no request that broke off", async () => {
  await using server = await start(`timeouts: { header: 4s, keep_alive: 4s }\n${BASIC_YAML}`);
  const cases = ["\r\n", "\r"].flatMap((tail) => [true, false].map((isEnded) => ({ tail, isEnded })));
  await Promise.all(cases.map(async ({ tail, isEnded }) => {
    using client = await server.connect();
    await client.send(post("/cgi-bin/echo.sh", "abc") + tail);
    assertEquals((await client.readResponse()).status, 200);
    if (isEnded) await client.endSending();
    assertEquals((await client.readToEnd()).bytes.length, 0, `${JSON.stringify(tail)} ${isEnded}`);
  }));
  using client = await server.connect();
  await client.send(post("/cgi-bin/echo.sh", "abc") + "\r\nG");
  assertEquals((await client.readResponse()).status, 200);
  await client.endSending();
  assertEquals((await client.readResponse()).status, 400);
});

Deno.test("a half-closed client still gets its answer", async () => {
  await using server = await start();
  for (
    const [request, text] of [
      [get("/a.txt"), "0123456789"],
      [get("/cgi-bin/slow.sh"), "slow"],
      [get("/cgi-bin/two.sh"), "onetwo"],
      [post("/cgi-bin/echo.sh", "body"), "POST  4:body"],
    ]
  ) {
    using client = await server.connect();
    await client.send(request);
    await client.endSending();
    assertEquals(textOf(await client.readResponse()), text);
    assertEquals(await client.readToEnd(), { bytes: new Uint8Array(0), reset: false });
  }
  using pipelining = await server.connect();
  await pipelining.send(get("/a.txt") + get("/cgi-bin/slow.sh") + get("/a.txt"));
  await pipelining.endSending();
  for (const text of ["0123456789", "slow", "0123456789"]) {
    assertEquals(textOf(await pipelining.readResponse()), text);
  }
  assertEquals((await pipelining.readToEnd()).bytes.length, 0);
});

Deno.test("a client that closes within a request's head gets no answer and no harm is done", async () => {
  await using server = await start();
  using client = await server.connect();
  await client.send("GET /a.txt HT");
  await client.endSending();
  const { bytes } = await client.readToEnd();
  if (bytes.length > 0) assertMatch(new TextDecoder().decode(bytes), /^HTTP\/1\.1 400 /);
  assertEquals((await ask(server, get("/a.txt"))).status, 200);
});

Deno.test("an early 413 is not lost to a reset", async (t) => {
  const yaml = `${BASIC_YAML}    body_limit: 1KiB\n`;
  await using server = await start(yaml);
  const head = (length: number) =>
    `POST /cgi-bin/echo.sh HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`;
  await t.step("a client that first sends its body", async () => {
    using client = await server.connect();
    await client.send(head(200 * 1024));
    await client.send(new Uint8Array(200 * 1024));
    assertEquals((await client.readResponse()).status, 413);
  });
  await t.step("a client that sends without end while it reads", async () => {
    using client = await server.connect();
    const length = 64 * 1024 * 1024;
    const sending = (async () => {
      try {
        await client.send(head(length));
        await client.send(new Uint8Array(length));
      } catch (error) {
        if (!isReset(error)) throw error;
      }
    })();
    const response = await client.readResponse();
    assertEquals([response.status, field(response, "connection")], [413, "close"]);
    client.close();
    await sending.catch((error) => {
      // Closed here while the write waited.
      if (!(error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.BadResource)) {
        throw error;
      }
    });
  });
  await t.step("a chunked body that grows over the limit", async () => {
    using client = await server.connect();
    await client.send(
      "POST /cgi-bin/echo.sh HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    await client.send(`800\r\n${"x".repeat(0x800)}\r\n0\r\n\r\n`);
    assertEquals((await client.readResponse()).status, 413);
  });
  await t.step("its neighbour: a body of exactly the limit", async () => {
    assertEquals(
      textOf(await ask(server, post("/cgi-bin/echo.sh", "x".repeat(1024)))).length,
      "POST  1024:".length + 1024,
    );
  });
});

Deno.test("a body that nobody read is never taken for a request", async () => {
  await using server = await start();
  using client = await server.connect();
  const evil = get("/a.txt", "X: evil");
  const cases = [["/a.txt", 405], ["/nothing", 405], ["/cgi-bin/unread.sh", 200], [
    "/cgi-bin/nothing",
    404,
  ]] as const;
  for (const [path, expected] of cases) {
    await client.send(post(path, evil.repeat(20)) + get("/a.txt", "Range: bytes=0-2"));
    const first = await client.readResponse();
    assertEquals(first.status, expected, path);
    assertEquals(textOf(await client.readResponse()), "012", path);
  }
});

Deno.test("100 Continue comes when the body is wanted, and only then", async (t) => {
  await using server = await start(`${BASIC_YAML}    methods: [POST]\n    body_limit: 1KiB\n`);
  const head = (path: string, length: number) =>
    get(path, `Content-Length: ${length}`, "Expect: 100-continue");
  await t.step("the script reads: 100, then the answer", async () => {
    using client = await server.connect();
    await client.send(head("/cgi-bin/echo.sh", 4).replace("GET", "POST"));
    assertMatch(await client.readUntil("\r\n\r\n"), /^HTTP\/1\.1 100 Continue\r\n/);
    await client.send("body");
    const response = await client.readResponse();
    assertEquals([response.interim, textOf(response)], [[], "POST  4:body"]);
  });
  await t.step("refused: the final status straight away", async () => {
    for (
      const [path, method, length, status] of [
        ["/nothing", "GET", 4, 404],
        ["/a.txt", "POST", 4, 405],
        ["/cgi-bin/nothing", "POST", 4, 404],
        ["/cgi-bin/echo.sh", "POST", 4096, 413],
      ] as const
    ) {
      const response = await ask(server, head(path, length).replace("GET", method));
      assertEquals([response.interim, response.status], [[], status], path);
    }
  });
  await t.step("another expectation: 417", async () => {
    assertEquals((await ask(server, get("/a.txt", "Expect: 200-ok"))).status, 417);
  });
});

/** Longer than a busy machine keeps a client from sending; who waits for it in vain does so beside others. */
const WAITS = "timeouts: { header: 4s, keep_alive: 5s, body: 4s }\n";

Deno.test("waits have deadlines", async () => {
  const impatient = "  - { path: /impatient/, cgi: ./cgi-bin, timeout: 1s }\n";
  await using server = await start(WAITS + BASIC_YAML + impatient);
  const headThatDoesNotEnd = async () => {
    using client = await server.connect();
    await client.send("GET /a.txt HTTP/1.1\r\nHost: h\r\n");
    const response = await client.readResponse();
    assertEquals([response.status, field(response, "connection")], [408, "close"]);
    assertEquals((await client.readToEnd()).bytes.length, 0);
  };
  const bodyThatDoesNotCome = async () => {
    using client = await server.connect();
    await client.send(post("/cgi-bin/after.sh", "abc").slice(0, -1));
    assertEquals((await client.readResponse()).status, 408);
  };
  const nothingAtAll = async () => {
    using silent = await server.connect();
    const { bytes } = await silent.readToEnd();
    if (bytes.length > 0) assertMatch(new TextDecoder().decode(bytes), /^HTTP\/1\.1 408 /);
  };
  const nothingMore = async () => {
    using idle = await server.connect();
    await idle.send(get("/a.txt"));
    assertEquals((await idle.readResponse()).status, 200);
    assertEquals(await idle.readToEnd(), { bytes: new Uint8Array(0), reset: false });
  };
  /** A script is not to blame for what its client does not send, however little patience there is with it. */
  const noBodyForAnImpatientRoute = async () => {
    using client = await server.connect();
    await client.send(post("/impatient/after.sh", "abc").slice(0, -1));
    assertEquals((await client.readResponse()).status, 408);
  };
  await Promise.all([
    headThatDoesNotEnd(),
    bodyThatDoesNotCome(),
    noBodyForAnImpatientRoute(),
    nothingAtAll(),
    nothingMore(),
  ]);
  assertEquals((await server.stop()).stderr.match(/cgi\.timeout/), null);
});

Deno.test("connections beyond the limit get 503 and make room again", async () => {
  await using server = await start(`limits: { connections: 2 }\n${BASIC_YAML}`);
  const held: RawClient[] = [];
  try {
    for (let i = 0; i < 2; i++) {
      const client = await server.connect();
      held.push(client);
      await client.send(get("/a.txt"));
      assertEquals((await client.readResponse()).status, 200);
    }
    using third = await server.connect();
    const refused = await third.readResponse();
    assertEquals([refused.status, textOf(refused)], [503, "Too many connections; try again later.\n"]);
    assertEquals((await third.readToEnd()).bytes.length, 0);
  } finally {
    for (const client of held) client.close();
  }
  await within(
    "room again",
    (async () => {
      while ((await ask(server, get("/a.txt"))).status !== 200);
    })(),
  );
  assert(true);
});
