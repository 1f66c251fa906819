import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { join } from "@std/path";
import { eventually } from "../support/deadline.ts";
import {
  ask,
  field,
  get,
  isomorphic,
  isReset,
  octets,
  type Response,
  textOf,
  UnexpectedEnd,
} from "../support/raw.ts";
import { BASIC_YAML, type FileSpec, TestServer } from "../support/server.ts";

/** Writes what its query tells: parts in hexadecimal digits, each by a system call of its own. */
const EMIT = `#!/usr/bin/env perl
my ($parts) = $ENV{QUERY_STRING} =~ /w=([0-9a-f.]*)/;
my ($pause) = $ENV{QUERY_STRING} =~ /pause=([0-9.]+)/;
for (split /\\./, $parts) {
  my $bytes = pack 'H*', $_;
  syswrite STDOUT, $bytes if length $bytes;
  select undef, undef, undef, $pause if $pause;
}
`;

/** Prints its variables, then its input. */
const SHOW = `#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
for name in REQUEST_METHOD SCRIPT_NAME PATH_INFO QUERY_STRING CONTENT_LENGTH CONTENT_TYPE REQUEST_URI HTTP_X_A; do
  eval "printf '%s=%s\\n' $name \\"\\\${$name-unset}\\""
done
cat
`;

const FILES: Record<string, FileSpec> = {
  "cgi-bin/emit.pl": EMIT,
  "cgi-bin/nph-emit.pl": EMIT,
  "cgi-bin/show.sh": SHOW,
  "cgi-bin/big.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nhead -c 300000 /dev/zero\n",
  "static/target.txt": "target",
  "static/denied/a.txt": "denied",
};

const YAML = `${BASIC_YAML}  - path: /denied/
    files: ./static/denied
    deny: [127.0.0.0/8]
  - path: /post-only/
    cgi: ./cgi-bin
    methods: [POST]
  - path: /small/
    cgi: ./cgi-bin
    head_bytes: 200
`;

/** The path of a script that writes these parts. A char is a byte. */
function emit(parts: readonly string[], pauseSeconds = 0, script = "/cgi-bin/emit.pl"): string {
  const hex = parts.map((part) =>
    [...octets(part)].map((byte) => byte.toString(16).padStart(2, "0")).join("")
  );
  return `${script}?w=${hex.join(".")}${pauseSeconds > 0 ? `&pause=${pauseSeconds}` : ""}`;
}

function answer(server: TestServer, ...parts: string[]): Promise<Response> {
  return ask(server, get(emit(parts)));
}

/** Everything that comes for a request, as one char per byte. */
async function raw(server: TestServer, request: string): Promise<string> {
  using client = await server.connect();
  await client.send(request);
  return isomorphic((await client.readToEnd()).bytes);
}

function close(path: string, method = "GET"): string {
  return get(path, "Connection: close").replace("GET", method);
}

Deno.test("a header is read with any line ends, split over any writes", async (t) => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  const headers = [
    "Content-Type: text/plain\nX-A: b\n\n",
    "Content-Type: text/plain\r\nX-A: b\r\n\r\n",
    "Content-Type: text/plain\r\nX-A: b\n\r\n",
    "Content-Type: text/plain\nX-A:b  \r\n\n",
    "content-type:text/plain\nx-a:\t b\n\n",
  ];
  for (const header of headers) {
    await t.step(JSON.stringify(header), async () => {
      const expected = (response: Response) =>
        assertEquals(
          [response.status, field(response, "content-type"), field(response, "x-a"), textOf(response)],
          [200, "text/plain", "b", "body\r\n\r\nmore"],
        );
      const text = `${header}body\r\n\r\nmore`;
      expected(await answer(server, text));
      // A byte at a time, slowly enough that most arrive one by one.
      expected(await ask(server, get(emit([...text], 0.001))));
      const places = [...header].map((_, index) => index + 1);
      for (let at = 0; at < places.length; at += 8) {
        await Promise.all(
          places.slice(at, at + 8).map(async (place) =>
            expected(await ask(server, get(emit([text.slice(0, place), text.slice(place)], 0.005))))
          ),
        );
      }
    });
  }
});

Deno.test("Status with any reason, and without one", async (t) => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  const cases: [line: string, status: number, reason: string | null][] = [
    ["200", 200, "OK"],
    ["200 OK", 200, "OK"],
    ["404 Nowhere, to be found!", 404, "Nowhere, to be found!"],
    ["299 Odd", 299, "Odd"],
    ["299", 299, null],
    ['500 It\'s (my) "own" <fault> & all', 500, 'It\'s (my) "own" <fault> & all'],
    ["599   spaced   out  ", 599, "spaced   out"],
  ];
  for (const [line, status, reason] of cases) {
    await t.step(line, async () => {
      const response = await answer(server, `Status: ${line}\nContent-Type: text/plain\n\nx`);
      assertEquals([response.status, textOf(response)], [status, "x"]);
      if (reason !== null) assertEquals(response.reason, reason);
    });
  }
  await t.step("bytes over 127 pass unchanged", async () => {
    const answer = await raw(server, close(emit(["Status: 404 pr\xc3\xa9sent \xff\nX-A: \xe9\xff\n\nbody"])));
    assertMatch(answer, /^HTTP\/1\.1 404 pr\xc3\xa9sent \xff\r\n/);
    assertMatch(answer, /\r\nX-A: \xe9\xff\r\n/i);
    assertMatch(answer, /\r\n\r\n(?:4\r\n)?body(?:\r\n0\r\n\r\n)?$/);
  });
});

Deno.test("fields: repeated ones are kept in order, the server's own are taken out", async (t) => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  await t.step("repeated", async () => {
    const { fields } = await answer(
      server,
      "Set-Cookie: a=1\nX-A: 1\nSet-Cookie: b=2\nx-a: 2\nLink: <a>\nLink: <b>\n\n",
    );
    assertEquals(fields.filter(([name]) => ["set-cookie", "x-a", "link"].includes(name)), [
      ["set-cookie", "a=1"],
      ["x-a", "1"],
      ["set-cookie", "b=2"],
      ["x-a", "2"],
      ["link", "<a>"],
      ["link", "<b>"],
    ]);
  });
  const forbidden: [line: string, name: string, value: RegExp][] = [
    ["Connection: close, X-A", "connection", /X-A|close/],
    ["Transfer-Encoding: gzip, chunked", "transfer-encoding", /gzip/],
    ["Keep-Alive: timeout=99", "keep-alive", /99/],
    ["Proxy-Connection: mine", "proxy-connection", /mine/],
    ["Trailer: X-A", "trailer", /X-A/],
    ["TE: trailers", "te", /trailers/],
    ["Upgrade: websocket", "upgrade", /websocket/],
    ["Date: Thu, 01 Jan 1970 00:00:00 GMT", "date", /1970/],
    ["Status: 201", "status", /./],
  ];
  for (const [line, name, value] of forbidden) {
    await t.step(line, async () => {
      using client = await server.connect();
      // The connection goes on, and the framing is true, whatever the script says of them.
      for (let i = 0; i < 2; i++) {
        await client.send(get(emit([`${line}\nContent-Type: text/plain\nX-A: kept\n\nbody`])));
        const response = await client.readResponse();
        assertEquals([textOf(response), field(response, "x-a")], ["body", "kept"]);
        // On a busy machine a short answer may be late for its length.
        assert(["length", "chunked"].includes(response.framing), response.framing);
        for (const [each, own] of response.fields) if (each === name) assertNotMatch(own, value);
        assertEquals(response.fields.filter(([each]) => each === "date").length, 1);
      }
    });
  }
  await t.step("two that contradict each other: 502", async () => {
    for (
      const lines of [
        "Content-Type: text/plain\nContent-Type: text/html",
        "Status: 200\nStatus: 404\nX-A: b",
        "Location: http://a/\nLocation: http://b/",
        "Content-Length: 1\nContent-Length: 2",
      ]
    ) assertEquals((await answer(server, `${lines}\n\nx`)).status, 502, lines);
  });
});

Deno.test("what is no header is answered 502, with the reason in the log", async (t) => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  const cases: [output: string, reason: RegExp][] = [
    ["", /wrote nothing/],
    ["\n", /line 1 is empty/],
    ["\r\nbody", /line 1 is empty/],
    ["Content-Type: text/plain", /empty line/],
    ["Content-Type: text/plain\n", /empty line/],
    ["hello\n\n", /line 1 is no header field/],
    ["<html>\n<p>: x\n", /line 1 is no header field/],
    ["HTTP/1.1 200 OK\nContent-Type: text/plain\n\n", /nph-/],
    ["Content-Type: text/plain\n X-A: folded\n\n", /white space/],
    ["Content-Type : text/plain\n\n", /no header field/],
    ["X-A\nContent-Type: text/plain\n\n", /no header field/],
    [": value\n\n", /no header field/],
    ["X-\xc3\xa9: b\n\n", /no header field/],
    ["X-A: b\rSet-Cookie: evil\n\n", /control byte 0x0d/],
    ["X-A: b\x00\n\n", /NUL|control byte/],
    ["X-A: \x7f\n\n", /control byte 0x7f/],
    ["Status: 99\nX-A: b\n\n", /Status/],
    ["Status: 600\nX-A: b\n\n", /Status/],
    ["Status: 20\nX-A: b\n\n", /Status/],
    ["Status: OK\nX-A: b\n\n", /Status/],
    ["Status: 100 Continue\nX-A: b\n\n", /interim/],
    ["Status: 101 Switching Protocols\nUpgrade: x\n\n", /interim/],
    ["Content-Length: abc\nX-A: b\n\n", /Content-Length/],
    ["Content-Length: -1\nX-A: b\n\n", /Content-Length/],
    ["Content-Length: 1, 1\nX-A: b\n\nx", /Content-Length/],
    ["Content-Length: 99999999999999999999\nX-A: b\n\nx", /Content-Length/],
  ];
  for (const [output, reason] of cases) {
    await t.step(JSON.stringify(output), async () => {
      const before = server.stderr.length;
      const response = await answer(server, output);
      assertEquals(response.status, 502);
      assertNotMatch(textOf(response), /emit\.pl|evil/);
      // The line comes by another way than the answer.
      await server.stderrMatch(new RegExp(`^[^]{${before}}[^]*emit\\.pl pid \\d+: .*(?:${reason.source})`));
    });
  }
});

Deno.test("a header is bounded in size and in time", async (t) => {
  await using server = await TestServer.start({
    yaml: `${YAML}  - path: /hurry/\n    cgi: ./cgi-bin\n    timeout: 4s\n`,
    files: FILES,
  });
  const header = (bytes: number) => `X-A: ${"a".repeat(bytes - 7)}\n\n`;
  await t.step("as long as head_bytes: taken", async () => {
    const response = await ask(server, get(emit([header(200), "body"], 0, "/small/emit.pl")));
    assertEquals([response.status, textOf(response)], [200, "body"]);
  });
  await t.step("one byte more: 502, also where the empty line never comes", async () => {
    assertEquals((await ask(server, get(emit([header(201)], 0, "/small/emit.pl")))).status, 502);
    assertEquals(
      (await ask(server, get(emit([`X-A: ${"a".repeat(300)}`], 0, "/small/emit.pl")))).status,
      502,
    );
    await server.stderrMatch(/head_bytes/);
  });
  await t.step("one that trickles past the timeout: 504; after it a trickle is a sign of life", async () => {
    const header = Array.from({ length: 300 }, (_, i) => `X-${i}: b\n`);
    const content = ["X-A: b\n\n", ...Array.from({ length: 50 }, () => "x")];
    const [late, alive] = await Promise.all(
      [header, content].map((trickle) => ask(server, get(emit(trickle, 0.1, "/hurry/emit.pl")))),
    );
    assertEquals([late.status, alive.status, textOf(alive)], [504, 200, "x".repeat(50)]);
    await server.childless();
  });
});

Deno.test("a script's own Content-Length: true, short, and long", async (t) => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  await t.step("true: sent on", async () => {
    const response = await ask(server, get(emit(["Content-Length: 8\n\nfour", "more"], 0.1)));
    assertEquals([response.framing, field(response, "content-length"), textOf(response)], [
      "length",
      "8",
      "fourmore",
    ]);
  });
  await t.step("more than it announced: never sent, and the connection goes on", async () => {
    for (const parts of [["Content-Length: 4\n\nfourmore"], ["Content-Length: 4\n\nfo", "ur", "more"]]) {
      using client = await server.connect();
      for (let i = 0; i < 2; i++) {
        await client.send(get(emit(parts, 0.03)));
        const response = await client.readResponse();
        if (response.status === 200) assertEquals(textOf(response), "four");
        else assertEquals(response.status, 502);
      }
    }
  });
  await t.step("less than it announced: never looks whole", async () => {
    for (
      const parts of [["Content-Length: 8\n\nfour"], ["Content-Length: 8\n\n", "four"], [
        "Content-Length: 8\n\n",
      ]]
    ) {
      using client = await server.connect();
      await client.send(get(emit(parts, 0.03)));
      const outcome = await client.readResponse().catch((error) => error);
      if (outcome instanceof Error) {
        assert(outcome instanceof UnexpectedEnd || isReset(outcome), String(outcome));
      } else assertEquals(outcome.status, 502);
    }
    await server.stderrMatch(/announced 8 bytes \(Content-Length\) and wrote 4/);
  });
  await t.step("none, and nothing written: 0", async () => {
    const response = await answer(server, "Content-Type: text/plain\n\n");
    assertEquals([response.status, field(response, "content-length") ?? "0", textOf(response)], [
      200,
      "0",
      "",
    ]);
  });
  await t.step("to HTTP/1.0 the end of a long answer is the end of the connection", async () => {
    const long = "x".repeat(4000);
    const head = (answer: string) => answer.slice(0, answer.indexOf("\r\n\r\n"));
    // On a busy machine all of it may be there before anything is sent, and its length with it.
    await eventually("an answer without a length", async () => {
      const answer = await raw(server, `GET ${emit([`X-A: b\n\n${long}`, "y"], 0.1)} HTTP/1.0\r\n\r\n`);
      assertMatch(answer, /^HTTP\/1\.1 200 OK\r\n/);
      assertNotMatch(head(answer), /transfer-encoding/i);
      assert(answer.endsWith(`\r\n\r\n${long}y`));
      return !/content-length/i.test(head(answer));
    });
  });
});

Deno.test("HEAD, 204 and 304 have no content, whatever the script writes", async (t) => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  using client = await server.connect();
  const on = async (path: string, method = "GET") => {
    await client.send(get(path).replace("GET", method));
    return await client.readResponse({ method });
  };
  await t.step("HEAD: the fields of a GET, the content left out", async () => {
    const path = emit(["Content-Type: text/plain\nX-A: b\n\nbody"]);
    const [head, body] = [await on(path, "HEAD"), await on(path)];
    assertEquals([head.status, head.content.length, field(head, "x-a")], [200, 0, "b"]);
    assertEquals(field(head, "content-length") ?? "4", "4");
    assertEquals(textOf(body), "body");
  });
  await t.step("HEAD: a script that leaves the content out itself, with its length", async () => {
    const head = await on(emit(["Content-Length: 1234\n\n"]), "HEAD");
    assertEquals([head.status, field(head, "content-length")], [200, "1234"]);
  });
  await t.step("HEAD: a script that leaves the content out, without its length", async () => {
    const head = await on(emit(["Content-Type: text/plain\n\n"]), "HEAD");
    assertEquals(head.status, 200);
    assert(field(head, "content-length") !== "0", "nobody knows how long a GET's would be");
  });
  await t.step("HEAD: more than fits into a pipe", async () => {
    assertEquals((await on("/cgi-bin/big.sh", "HEAD")).status, 200);
  });
  for (const status of ["204 No Content", "304 Not Modified"]) {
    await t.step(status, async () => {
      for (const content of ["", "content"]) {
        const response = await on(emit([`Status: ${status}\nX-A: b\nETag: "e"\n\n${content}`]));
        assertEquals([response.status, field(response, "x-a"), field(response, "etag")], [
          Number(status.slice(0, 3)),
          "b",
          '"e"',
        ]);
      }
    });
  }
  await t.step("the connection was the same all along", async () => {
    assertEquals(textOf(await on("/target.txt")), "target");
  });
});

Deno.test("redirects of the client", async (t) => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  const cases: [header: string, status: number, location: string][] = [
    ["Location: http://example.org/a?b#c", 302, "http://example.org/a?b#c"],
    ["Location: https://example.org", 302, "https://example.org"],
    ["Location: mailto:leda@example.org", 302, "mailto:leda@example.org"],
    ["Location: //example.org/a", 302, "//example.org/a"],
    ["Location: other.html", 302, "other.html"],
    ["Location: ../up", 302, "../up"],
    ["Location: /local#fragment", 302, "/local#fragment"],
    ["Location: /local\nSet-Cookie: a=1", 302, "/local"],
    ["Location: /local\nContent-Type: text/html", 302, "/local"],
    ["Status: 301\nLocation: /local", 301, "/local"],
    ["Location: /local\nStatus: 308 Mine", 308, "/local"],
    ["Status: 201 Created\nLocation: http://example.org/new", 201, "http://example.org/new"],
    ["Status: 303\nContent-Type: text/plain\nLocation: http://example.org/", 303, "http://example.org/"],
  ];
  for (const [header, status, location] of cases) {
    await t.step(header, async () => {
      for (const content of ["", "document"]) {
        const response = await answer(server, `${header}\n\n${content}`);
        assertEquals([response.status, field(response, "location"), textOf(response)], [
          status,
          location,
          content,
        ]);
      }
    });
  }
});

Deno.test("local redirects re-enter routing, with its rules and bounds", async (t) => {
  const chain = Object.fromEntries(
    Array.from({ length: 12 }, (_, i): [string, string] => [
      `cgi-bin/hop${i + 1}.sh`,
      `#!/bin/sh\nprintf 'Location: ${i === 0 ? "/target.txt" : `/cgi-bin/hop${i}.sh`}\\n\\n'\n`,
    ]),
  );
  await using server = await TestServer.start({
    yaml: YAML,
    files: { ...FILES, ...chain, "outside.txt": "outside", "cgi-bin/sub/odd name.sh": SHOW },
  });
  const to = (location: string) => emit([`Location: ${location}\n\n`]);
  const shown = async (request: string) => {
    const response = await ask(server, request);
    assertEquals(response.status, 200, textOf(response));
    return Object.fromEntries(textOf(response).trimEnd().split("\n").map((line) => line.split(/=(.*)/s)));
  };
  await t.step("to a file, also by HEAD", async () => {
    assertEquals(textOf(await ask(server, get(to("/target.txt")))), "target");
    const head = await ask(server, get(to("/target.txt")).replace("GET", "HEAD"), { method: "HEAD" });
    assertEquals([head.status, field(head, "content-length")], [200, "6"]);
    assertEquals((await ask(server, get(to("/target.txt"), "Range: bytes=0-1"))).content.length, 2);
  });
  await t.step("to a script: a GET without content, with a path and query of its own", async () => {
    const content = "a=1&b=2";
    const request = [
      `POST ${to("/cgi-bin/show.sh/p%20q/?x=%20y")} HTTP/1.1`,
      "Host: localhost",
      "Content-Type: application/x-www-form-urlencoded",
      `Content-Length: ${content.length}`,
      "X-A: kept",
      "",
      content,
    ].join("\r\n");
    const env = await shown(request);
    assertEquals(env, {
      REQUEST_METHOD: "GET",
      SCRIPT_NAME: "/cgi-bin/show.sh",
      PATH_INFO: "/p q/",
      QUERY_STRING: "x=%20y",
      CONTENT_LENGTH: "unset",
      CONTENT_TYPE: "unset",
      REQUEST_URI: env.REQUEST_URI,
      HTTP_X_A: "kept",
    });
  });
  await t.step("the content of a POST is not taken for another request", async () => {
    using client = await server.connect();
    await client.send(
      `POST ${to("/target.txt")} HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\nGET /evil HTTP/1.1\r\n` +
        get("/target.txt"),
    );
    assertEquals(textOf(await client.readResponse()), "target");
    assertEquals(textOf(await client.readResponse()), "target");
  });
  await t.step("what follows the header is dropped", async () => {
    assertEquals(textOf(await answer(server, "Location: /target.txt\n\n" + "x".repeat(3000))), "target");
  });
  await t.step("spaces and bytes over 127 in it are as if encoded", async () => {
    assertEquals((await shown(get(to("/cgi-bin/sub/odd name.sh?a\xc3\xa9")))).QUERY_STRING, "a%C3%A9");
  });
  await t.step("not found, and not allowed, as for a client", async () => {
    assertEquals((await ask(server, get(to("/nothing.txt")))).status, 404);
    assertEquals((await ask(server, get("/denied/a.txt"))).status, 403);
    assertEquals((await ask(server, get(to("/denied/a.txt")))).status, 403);
    const response = await ask(server, get(to("/post-only/show.sh")));
    assertEquals([response.status, field(response, "allow")?.includes("POST")], [405, true]);
    for (const path of ["/../outside.txt", "/%2e%2e/outside.txt", "/..%2foutside.txt", "/a%00", "/%zz"]) {
      const { status, content } = await ask(server, get(to(path)));
      assert(status >= 400 && status < 600, `${path}: ${status}`);
      assertNotMatch(new TextDecoder().decode(content), /outside/);
    }
  });
  await t.step("a folder without its slash leads the client there", async () => {
    const response = await ask(server, get(to("/denied")));
    assert([308, 403].includes(response.status), String(response.status));
  });
  await t.step("ten in a row, and not eleven", async () => {
    assertEquals(textOf(await ask(server, get("/cgi-bin/hop10.sh"))), "target");
    assertEquals((await ask(server, get("/cgi-bin/hop11.sh"))).status, 502);
    assertEquals(textOf(await ask(server, get("/cgi-bin/hop10.sh"))), "target");
  });
  await t.step("to itself: 502, and no script is left", async () => {
    await Deno.writeTextFile(
      join(server.dir, "cgi-bin/self.pl"),
      EMIT.replace(/\n[^]*/, '\nprint "Location: /cgi-bin/self.pl\\n\\n";\n'),
    );
    assertEquals((await ask(server, get("/cgi-bin/self.pl"))).status, 502);
    await server.childless();
  });
});

Deno.test("nph- scripts: their bytes and nothing else, then the end of the connection", async (t) => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  const nph = (parts: string[], pause = 0) => emit(parts, pause, "/cgi-bin/nph-emit.pl");
  await t.step("byte for byte, in any writes", async () => {
    const text = "HTTP/1.1 299 Mine\r\nX-A: \xff\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assertEquals(await raw(server, get(nph([text]))), text);
    assertEquals(await raw(server, get(nph([...text], 0.001))), text);
  });
  await t.step("as it is written", async () => {
    using client = await server.connect();
    await client.send(get(nph(["HTTP/1.1 200 OK\r\n\r\none", "two"], 0.5)));
    // Half a second apart: were they held back, both would come together.
    assertMatch(await client.readUntil("one"), /^HTTP\/1\.1 200 OK\r\n\r\none$/);
    assertEquals(isomorphic((await client.readToEnd()).bytes), "two");
  });
  await t.step("a request behind it is not answered", async () => {
    const text = "HTTP/1.0 200 OK\r\n\r\nbody";
    assertEquals(await raw(server, get(nph([text])) + get("/target.txt")), text);
  });
  await t.step("HEAD is the script's own business", async () => {
    const text = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
    assertEquals(await raw(server, get(nph([text])).replace("GET", "HEAD")), text);
  });
  await t.step("one that writes nothing: 502", async () => {
    assertEquals((await ask(server, get(nph([])))).status, 502);
  });
});
