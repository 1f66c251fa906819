import { assertEquals, assertMatch } from "@std/assert";
import { ask, field, get, octets, RawClient, textOf } from "../support/raw.ts";
import { runPollux, TestServer } from "../support/server.ts";

const FILES = {
  "static/a.txt": "file",
  "cgi-bin/env.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s %s %s %s %s %s' " +
    '"$REMOTE_ADDR" "${REMOTE_PORT:--}" "$REQUEST_SCHEME" "${HTTPS:--}" "$SERVER_NAME" "$SERVER_PORT"\n',
};

const ROUTES = `  - { path: /, files: ./static }
  - { path: /cgi-bin/, cgi: ./cgi-bin }
  - { path: /office/, files: ./static, allow: 192.0.2.0/24 }
  - { path: /slow/, files: ./static, rate: { requests: 1, per: 1h, burst: 1 } }
`;

Deno.test("what a trusted proxy says of its client holds for scripts, rules and the log", async (t) => {
  await using server = await TestServer.start({
    yaml: `listen: 127.0.0.1:0\ntrusted_proxies: [127.0.0.1, 10.0.0.0/8]\nsites:\n` +
      `  - routes:\n${
        ROUTES.replace(/^/gm, "  ")
      }\n  - host: other.example\n    routes:\n      - { path: /, respond: other }\n`,
    files: FILES,
  });
  const env = async (...lines: string[]) => textOf(await ask(server, get("/cgi-bin/env.sh", ...lines)));
  const port = String(server.port);
  await t.step("Forwarded", async () => {
    assertEquals(
      await env(
        'Forwarded: for=9.9.9.9, for="192.0.2.7:99";proto=https;host="example.org:444", for=10.1.1.1',
      ),
      `192.0.2.7 99 https on example.org ${port}`,
    );
    assertEquals(await env('Forwarded: for="[2001:DB8:0::7]"'), `2001:db8::7 - http - localhost ${port}`);
  });
  await t.step("X-Forwarded-For, -Proto, -Host, over several lines", async () => {
    assertEquals(
      await env(
        "X-Forwarded-For: 9.9.9.9, 192.0.2.7",
        "X-Forwarded-For: 10.1.1.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: Example.org",
      ),
      `192.0.2.7 - https on example.org ${port}`,
    );
  });
  await t.step("nonsense counts for nothing", async () => {
    for (
      const line of [
        "Forwarded: for=;x",
        "X-Forwarded-For: x",
        "X-Forwarded-Proto: ftp",
        "X-Forwarded-Host: a b",
      ]
    ) {
      assertMatch(await env(line), /^127\.0\.0\.1 \d+ http - localhost \d+$/, line);
    }
  });
  await t.step("each request of a connection for itself", async () => {
    using client = await server.connect();
    await client.send(
      get("/office/a.txt", "X-Forwarded-For: 192.0.2.1") + get("/office/a.txt") +
        get("/office/a.txt", "X-Forwarded-For: 192.0.3.1") +
        get("/office/a.txt", "X-Forwarded-For: ::ffff:192.0.2.9"),
    );
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await client.readResponse()).status);
    assertEquals(statuses, [200, 403, 403, 200]);
  });
  await t.step("rate counts the clients and not the proxy", async () => {
    const status = async (address: string) =>
      (await ask(server, get("/slow/a.txt", `X-Forwarded-For: ${address}`))).status;
    assertEquals([await status("192.0.2.1"), await status("192.0.2.2"), await status("192.0.2.1")], [
      200,
      200,
      429,
    ]);
    assertEquals([await status("2001:db8::1"), await status("2001:db8::2")], [200, 429]);
  });
  await t.step("the host chooses the site", async () => {
    assertEquals(textOf(await ask(server, get("/", "X-Forwarded-Host: other.example"))), "other");
    assertEquals(textOf(await ask(server, get("/", 'Forwarded: host="other.example"'))), "other");
  });
  await t.step("the log has the client, also for a request that is refused", async () => {
    await ask(server, get("/a.txt?logged", "X-Forwarded-For: 192.0.2.77"));
    await ask(server, get("/a.txt?refused", "X-Forwarded-For: 192.0.2.78", "Content-Length: x"));
    await server.stdoutMatch(/^192\.0\.2\.77 - - .*\?logged/m);
    await server.stdoutMatch(/^192\.0\.2\.78 - - .*\?refused HTTP\/1\.1" 400 /m);
  });
});

Deno.test("what others say is not believed", async () => {
  await using server = await TestServer.start({
    yaml: `listen: 127.0.0.1:0\ntrusted_proxies: [10.0.0.0/8]\nroutes:\n${ROUTES}`,
    files: FILES,
  });
  const lines = [
    "Forwarded: for=192.0.2.1;proto=https;host=a",
    "X-Forwarded-For: 192.0.2.1",
    "X-Forwarded-Proto: https",
  ];
  assertMatch(
    textOf(await ask(server, get("/cgi-bin/env.sh", ...lines))),
    /^127\.0\.0\.1 \d+ http - localhost \d+$/,
  );
  assertEquals((await ask(server, get("/office/a.txt", ...lines))).status, 403);
});

/** A header of version 2 over IPv4: 192.0.2.7 port 99, with a type-length-value of so many bytes. */
function binaryHeader(command: number, extraBytes = 0): string {
  const length = 12 + extraBytes;
  return "\r\n\r\n\0\r\nQUIT\n" + String.fromCharCode(0x20 + command, 0x11, length >> 8, length & 255) +
    "\xc0\x00\x02\x07\x0a\x00\x00\x01\x00\x63\x01\xbb" + "x".repeat(extraBytes);
}

Deno.test("the PROXY protocol says who the client is, where it is asked for, and is required there", async (t) => {
  await using server = await TestServer.start({
    yaml: "listen: { address: 127.0.0.1:0, proxy_protocol: true }\ntrusted_proxies: 192.0.2.8\n" +
      `log: { level: debug }\ntimeouts: { header: 5s }\nlimits: { connections_per_ip: 2 }\nroutes:\n${ROUTES}`,
    files: FILES,
  });
  const request = get("/cgi-bin/env.sh");
  const told = `192.0.2.7 99 http - localhost ${server.port}`;
  await t.step(
    "version 1 and 2, each whole, byte by byte, and for all requests of the connection",
    async () => {
      for (
        const header of ["PROXY TCP4 192.0.2.7 10.0.0.1 99 443\r\n", binaryHeader(1), binaryHeader(1, 5000)]
      ) {
        using client = await server.connect();
        await client.send(header + request + request);
        assertEquals(textOf(await client.readResponse()), told);
        assertEquals(textOf(await client.readResponse()), told);
        client.close();
        if (header.length > 1000) continue;
        using slow = await server.connect();
        await slow.sendSplit([...header].concat(request));
        assertEquals(textOf(await slow.readResponse()), told);
      }
      const v6 = "PROXY TCP6 2001:DB8::7 ::1 99 443\r\n";
      assertMatch(textOf(await ask(server, v6 + request)), /^2001:db8::7 99 /);
    },
  );
  await t.step("LOCAL and UNKNOWN leave it the proxy", async () => {
    for (const header of ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN a b c\r\n", binaryHeader(0)]) {
      assertMatch(textOf(await ask(server, header + request)), /^127\.0\.0\.1 \d+ http /);
    }
  });
  await t.step("Forwarded is believed of whom the header names, if it is trusted", async () => {
    const forwarded = get("/cgi-bin/env.sh", "X-Forwarded-For: 192.0.2.99");
    assertMatch(
      textOf(await ask(server, "PROXY TCP4 192.0.2.8 10.0.0.1 1 2\r\n" + forwarded)),
      /^192\.0\.2\.99 - /,
    );
    assertMatch(
      textOf(await ask(server, "PROXY TCP4 192.0.2.9 10.0.0.1 1 2\r\n" + forwarded)),
      /^192\.0\.2\.9 1 /,
    );
  });
  await t.step("without it, or with nonsense: 400, and nothing of it is taken for a request", async () => {
    for (
      const start of [
        "",
        "PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n",
        "PROXY TCP4 1.2.3.4\r\n",
        binaryHeader(2),
        "\r\n",
      ]
    ) {
      using client = await server.connect();
      await client.send(start + request);
      const response = await client.readResponse();
      assertEquals([response.status, field(response, "connection")], [400, "close"], JSON.stringify(start));
      assertEquals((await client.readToEnd()).bytes.length, 0);
    }
  });
  await t.step(
    "a header that does not end: 408; one that does not begin: closed; one that breaks off: closed",
    async () => {
      using silent = await server.connect();
      using begun = await server.connect();
      await begun.send("PROXY TCP4 192");
      using broken = await server.connect();
      await broken.send(binaryHeader(1).slice(0, 20));
      await broken.endSending();
      const { bytes } = await broken.readToEnd();
      assertMatch(new TextDecoder().decode(bytes), /^HTTP\/1\.1 400 /);
      assertEquals((await begun.readResponse()).status, 408);
      assertEquals((await silent.readToEnd()).bytes.length, 0);
    },
  );
  await t.step(
    "connections are counted by the address that it names, by the /64 of an IPv6 one",
    async () => {
      const held: RawClient[] = [];
      try {
        const counted = [
          ["TCP4 192.0.2.50 10.0.0.1", 200],
          ["TCP4 192.0.2.50 10.0.0.1", 200],
          ["TCP4 192.0.2.50 10.0.0.1", 503],
          ["TCP4 192.0.2.51 10.0.0.1", 200],
          ["TCP6 2001:db8:0:1::1 ::1", 200],
          ["TCP6 2001:db8:0:1:2::2 ::1", 200],
          ["TCP6 2001:db8:0:1:3::3 ::1", 503],
          ["TCP6 2001:db8:0:2::3 ::1", 200],
        ] as const;
        for (const [addresses, status] of counted) {
          const client = await server.connect();
          held.push(client);
          await client.send(`PROXY ${addresses} 1 2\r\n` + get("/a.txt"));
          assertEquals((await client.readResponse()).status, status, addresses);
        }
        await server.stderrMatch(/refused with 503: too many connections of one address/);
      } finally {
        for (const client of held) client.close();
      }
    },
  );
  assertEquals(octets(binaryHeader(1)).length, 28);
});

Deno.test("tls beside proxy_protocol is refused with its reason", async () => {
  const end = await runPollux({
    yaml:
      "listen:\n  address: 127.0.0.1:0\n  tls: { cert: c.pem, key: k.pem }\n  proxy_protocol: true\nroot: ./static\n",
    files: { "c.pem": "", "k.pem": "" },
  });
  assertEquals(end.code, 2, end.stderr);
  assertMatch(end.stderr, /pollux\.yaml:4:\d+: listen\.proxy_protocol: cannot stand beside tls/);
});
