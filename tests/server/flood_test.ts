/**
 * Floods: more connections than are served, garbage instead of a handshake, requests that nobody waits for.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { makeCertificate } from "../support/certificate.ts";
import { eventually, within } from "../support/deadline.ts";
import { descriptorCount } from "../support/processes.ts";
import { ask, get, isReset, RawClient, textOf, UnexpectedEnd } from "../support/raw.ts";
import { BASIC_YAML, runtimeVersion, TestServer } from "../support/server.ts";

const FILES = {
  "static/a.txt": "file",
  "cgi-bin/hello.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello'\n",
};

/** What one of a flood sees: a status; 0 where its connection ended before. */
async function statusOf(server: TestServer): Promise<number> {
  try {
    return (await ask(server, get("/a.txt"))).status;
  } catch (error) {
    if (!isReset(error) && !(error instanceof UnexpectedEnd)) throw error;
    return 0;
  }
}

Deno.test("a flood of connections beyond the limit costs those that are served nothing, and leaves nothing", async () => {
  await using server = await TestServer.start({
    yaml: `limits: { connections: 20 }\ntimeouts: { keep_alive: 1h }\n${BASIC_YAML}`,
    files: FILES,
  });
  using good = await server.connect();
  await good.send(get("/a.txt"));
  assertEquals(textOf(await good.readResponse()), "file");
  // The first script makes the server open what it keeps for all.
  assertEquals(textOf(await ask(server, get("/cgi-bin/hello.sh"))), "hello");
  await server.childless();
  const before = await descriptorCount(server.pid);
  const held = await Promise.all(Array.from({ length: 19 }, () => server.connect()));
  for (const client of held) {
    await client.send(get("/a.txt"));
    assertEquals((await client.readResponse()).status, 200);
  }
  for (let wave = 0; wave < 3; wave++) {
    const flood = Promise.all(Array.from({ length: 300 }, () => statusOf(server)));
    for (let i = 0; i < 20; i++) {
      await good.send(get("/a.txt"));
      assertEquals(textOf(await good.readResponse()), "file");
    }
    // Of those that are turned away the oldest are cut off where too many linger.
    const statuses = new Set(await flood);
    assert(statuses.has(503) && !statuses.has(200), [...statuses].join());
  }
  for (const client of held) client.close();
  await eventually("room again", async () => await statusOf(server) === 200);
  await eventually("no descriptor more", async () => await descriptorCount(server.pid) <= before);
});

Deno.test("a flood of garbage, and of clients that say nothing, in place of TLS handshakes holds up nobody", async () => {
  const { cert, key } = await makeCertificate();
  await using server = await TestServer.start({
    yaml: BASIC_YAML.replace(
      "127.0.0.1:0",
      "{ address: 127.0.0.1:0, tls: { cert: cert.pem, key: key.pem } }",
    ),
    files: { ...FILES, "cert.pem": cert, "key.pem": { text: key, mode: 0o600 } },
  });
  const connect = () =>
    within("a handshake", Deno.connectTls({ hostname: "127.0.0.1", port: server.port, caCerts: [cert] }));
  using good = RawClient.over(await connect());
  // The first script makes the server open what it keeps for all.
  await good.send(get("/cgi-bin/hello.sh"));
  assertEquals(textOf(await good.readResponse()), "hello");
  await server.childless();
  const before = await descriptorCount(server.pid);
  const garbage = [
    "\x16\x03\x01\xff\xff".repeat(100),
    get("/a.txt"),
    "\0".repeat(5000),
    "\x80\x2e\x01\x03",
    "",
  ];
  const flood = await Promise.all(Array.from({ length: 300 }, async (_, i) => {
    const client = await server.connect();
    await client.send(garbage[i % garbage.length]).catch(() => {});
    return client;
  }));
  for (let i = 0; i < 20; i++) {
    await good.send(get("/a.txt"));
    assertEquals(textOf(await good.readResponse()), "file");
  }
  using late = RawClient.over(await connect());
  await late.send(get("/a.txt"));
  assertEquals(textOf(await late.readResponse()), "file");
  late.close();
  for (const client of flood) client.close();
  await eventually("no descriptor more", async () => await descriptorCount(server.pid) <= before);
  assert(!server.stderr.includes("bug"), server.stderr);
});

Deno.test("a flood of pipelined requests whose answers nobody reads stops at its own connection", async () => {
  // There a write that nobody reads can't be ended (denoland/deno#36369).
  if ((await runtimeVersion()).startsWith("2.7.")) return;
  await using server = await TestServer.start({
    yaml: `timeouts: { write: 2s }\nlog: { access: off }\n${BASIC_YAML}`,
    files: FILES,
  });
  using good = await server.connect();
  using flood = await server.connect();
  let isOver = false;
  const requests = get("/a.txt").repeat(1000);
  const pour = async () => {
    try {
      while (!isOver) await flood.send(requests);
    } catch (error) {
      if (!isReset(error)) throw error;
    }
    isOver = true;
  };
  const serve = async () => {
    while (!isOver) {
      await good.send(get("/a.txt"));
      assertEquals(textOf(await good.readResponse()), "file");
    }
  };
  await within("the flood to be cut off", Promise.all([pour(), serve()]));
});
