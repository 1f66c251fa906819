import { assert, assertEquals, assertMatch, assertNotMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { makeCertificate } from "../support/certificate.ts";
import { eventually, within } from "../support/deadline.ts";
import { ask, field, get, post, RawClient, textOf } from "../support/raw.ts";
import { runPollux, TestServer } from "../support/server.ts";

const FILES = {
  "static/a.txt": "file",
  "static/large.bin": "x".repeat(3_000_000),
  "cgi-bin/env.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s %s %s %s' " +
    '"$HTTPS" "$REQUEST_SCHEME" "$SERVER_PORT" "$REMOTE_ADDR"\ncat\n',
};

const YAML = `listen: { address: 127.0.0.1:0, tls: { cert: cert.pem, key: key.pem } }
timeouts: { header: 5m, shutdown: 60s }
limits: { connections: 30 }
routes:
  - { path: /, files: ./static }
  - { path: /cgi-bin/, cgi: ./cgi-bin }
`;

async function connect(port: number, cert: string): Promise<RawClient> {
  return RawClient.over(
    await within("a handshake", Deno.connectTls({ hostname: "127.0.0.1", port, caCerts: [cert] })),
  );
}

async function askTls(port: number, cert: string, request: string): Promise<string> {
  using client = await connect(port, cert);
  await client.send(request);
  return textOf(await client.readResponse());
}

async function statusOf(port: number, cert: string): Promise<number> {
  using client = await connect(port, cert);
  await client.send(get("/a.txt"));
  return (await client.readResponse()).status;
}

Deno.test("TLS", async (t) => {
  const { cert, key } = await makeCertificate();
  await using server = await TestServer.start({
    yaml: YAML,
    files: { ...FILES, "cert.pem": cert, "key.pem": { text: key, mode: 0o600 } },
  });
  const { port } = server;
  assertMatch(server.url, /^https:/);
  await t.step("files, scripts and bodies, one after the other over one connection", async () => {
    using client = await connect(port, cert);
    await client.send(get("/a.txt") + post("/cgi-bin/env.sh", " body") + get("/large.bin"));
    assertEquals(textOf(await client.readResponse()), "file");
    assertEquals(textOf(await client.readResponse()), `on https ${port} 127.0.0.1 body`);
    assertEquals((await client.readResponse()).content.length, 3_000_000);
    const body = " much".repeat(200_000);
    const sending = client.send(post("/cgi-bin/env.sh", body));
    assert(textOf(await client.readResponse()) === `on https ${port} 127.0.0.1${body}`);
    await sending;
    await client.send(get("/a.txt", "Connection: close"));
    assertEquals((await client.readResponse()).status, 200);
    assertEquals((await client.readToEnd()).bytes.length, 0);
  });
  await t.step("plain text fails that connection alone", async () => {
    for (const bytes of [get("/a.txt"), "\x16\x03\x01\xff\xff", "\0".repeat(100)]) {
      using plain = await server.connect();
      await plain.send(bytes);
      await plain.endSending();
      const end = await plain.readToEnd();
      assertNotMatch(new TextDecoder().decode(end.bytes), /HTTP/);
    }
    assertEquals(await askTls(port, cert, get("/a.txt")), "file");
  });
  await t.step(
    "a handshake that stalls costs nobody else anything, and counts as a connection until it ends",
    async () => {
      const stalled = await Promise.all(Array.from({ length: 20 }, () => server.connect()));
      for (const client of stalled.slice(0, 10)) await client.send("\x16\x03\x01");
      assertEquals(await askTls(port, cert, get("/a.txt")), "file");
      const idle = await Promise.all(Array.from({ length: 9 }, () => connect(port, cert)));
      for (const client of idle) {
        await client.send(get("/a.txt"));
        assertEquals((await client.readResponse()).status, 200);
      }
      const last: RawClient[] = [];
      await eventually("the last place", async () => {
        const client = await connect(port, cert);
        await client.send(get("/a.txt"));
        const { status } = await client.readResponse();
        if (status === 200) last.push(client);
        else client.close();
        return status === 200;
      });
      assertEquals(await statusOf(port, cert), 503);
      for (const client of [...stalled, ...idle, ...last]) client.close();
      await eventually("room again", async () => await statusOf(port, cert) === 200);
    },
  );
  await t.step("a client that does not trust it gets nothing, and no word in the error log", async () => {
    await assertRejects(
      () => Deno.connectTls({ hostname: "127.0.0.1", port }).then((conn) => conn.handshake()),
      Error,
    );
    assertNotMatch(server.stderr, /error|bug/);
  });
  await t.step("its key is never served", async () => {
    await using whole = await TestServer.start({
      yaml: YAML.replace("./static", "."),
      files: { ...FILES, "cert.pem": cert, "key.pem": key },
    });
    for (const name of ["key.pem", "pollux.yaml"]) {
      using client = await connect(whole.port, cert);
      await client.send(get(`/${name}`));
      assertEquals((await client.readResponse()).status, 404, name);
    }
  });
});

Deno.test("a handshake that stalls does not hold up the end", async () => {
  const { cert, key } = await makeCertificate();
  await using server = await TestServer.start({
    yaml: YAML,
    files: { ...FILES, "cert.pem": cert, "key.pem": key },
  });
  using fresh = await server.connect();
  using late = await server.connect();
  await late.send("\x16\x03\x01");
  assertEquals(await askTls(server.port, cert, get("/a.txt")), "file");
  assertEquals((await server.stop()).code, 0);
  await Promise.all([fresh.readToEnd(), late.readToEnd()]);
});

Deno.test("SIGHUP reads certificates anew, and one that is broken leaves the old one at work", async () => {
  const [first, second] = await Promise.all([makeCertificate(), makeCertificate()]);
  await using server = await TestServer.start({
    yaml: YAML,
    files: { ...FILES, "cert.pem": first.cert, "key.pem": first.key },
  });
  const { port, dir } = server;
  using old = await connect(port, first.cert);
  await old.send(get("/a.txt"));
  assertEquals((await old.readResponse()).status, 200);

  await Deno.writeTextFile(join(dir, "cert.pem"), second.cert);
  server.kill("SIGHUP");
  await server.stderrMatch(/not reloaded: 127\.0\.0\.1:0: \S*key\.pem is not the key of \S*cert\.pem/);
  assertEquals(await askTls(port, first.cert, get("/a.txt")), "file");

  await Deno.writeTextFile(join(dir, "key.pem"), second.key);
  server.kill("SIGHUP");
  await server.stderrMatch(/reloaded the configuration/);
  await eventually("the new certificate", async () => {
    try {
      return await askTls(port, second.cert, get("/a.txt")) === "file";
    } catch (error) {
      // A connection in the queue of the socket that closes.
      if (error instanceof Deno.errors.InvalidData || error instanceof Deno.errors.ConnectionReset) {
        return false;
      }
      throw error;
    }
  });
});

Deno.test("certificates and keys that cannot be used are named before the server starts", async (t) => {
  const [one, other] = await Promise.all([makeCertificate(), makeCertificate()]);
  const cases: [name: string, files: Record<string, string>, message: RegExp][] = [
    [
      "another's key",
      { "cert.pem": one.cert, "key.pem": other.key },
      /key\.pem is not the key of \S*cert\.pem/,
    ],
    ["no certificate", { "cert.pem": "hello", "key.pem": one.key }, /cert\.pem holds no certificate/],
    ["no key", { "cert.pem": one.cert, "key.pem": "hello" }, /key\.pem holds no private key/],
    ["the two mixed up", { "cert.pem": one.key, "key.pem": one.cert }, /cert\.pem holds no certificate/],
    [
      "a certificate cut short",
      { "cert.pem": one.cert.slice(0, 200) + "\n-----END CERTIFICATE-----\n", "key.pem": one.key },
      /cert\.pem cannot be used/,
    ],
    [
      "a key with a passphrase",
      { "cert.pem": one.cert, "key.pem": one.key.replaceAll("PRIVATE", "ENCRYPTED PRIVATE") },
      /key\.pem holds a key with a passphrase/,
    ],
    ["a file that is not there", { "cert.pem": one.cert }, /there is no file \S*key\.pem/],
  ];
  for (const [name, files, message] of cases) {
    await t.step(name, async () => {
      for (const flags of [[], ["check"]]) {
        const end = await runPollux({ yaml: YAML, files, flags });
        assertEquals(end.code, 2, end.stderr);
        assertMatch(end.stderr, message);
        assertEquals(end.stderr.trimEnd().split("\n").length, 1, end.stderr);
      }
    });
  }
});

Deno.test("one line sends plain clients to TLS", async () => {
  const { cert, key } = await makeCertificate();
  await using server = await TestServer.start({
    yaml: `sites:
  - { listen: 127.0.0.1:0, routes: [{ path: /, redirect: "https://example.org{path}?{query}", status: 301 }] }
  - listen: { address: 127.0.0.1:0, tls: { cert: cert.pem, key: key.pem } }
    root: ./static
`,
    files: { ...FILES, "cert.pem": cert, "key.pem": key },
  });
  const [, secure] = await server.stderrMatch(/listening on https:\/\/127\.0\.0\.1:(\d+)\n/);
  const location = async (path: string) => field(await ask(server, get(path)), "location");
  assertEquals(await location("/a%20b/c?x=1&y"), "https://example.org/a%20b/c?x=1&y");
  assertEquals(await location("/a.txt"), "https://example.org/a.txt");
  assertEquals(await askTls(Number(secure), cert, get("/a.txt")), "file");
});
