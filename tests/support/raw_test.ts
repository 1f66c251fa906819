import { assertEquals, assertRejects } from "@std/assert";
import { BadResponse, field, octets, RawClient, textOf, UnexpectedEnd } from "./raw.ts";

/** A client of a server that sends these bytes and closes. */
async function against(bytes: string, use: (client: RawClient) => Promise<void>): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    using conn = await listener.accept();
    for (const byte of octets(bytes)) await conn.write(Uint8Array.of(byte));
  })();
  using client = await RawClient.connect(listener.addr);
  await use(client);
  await serving;
}

Deno.test("RawClient reads responses of each framing, one after the other", async () => {
  const bytes = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: b\r\n\r\nabc" +
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n" +
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n" +
    "HTTP/1.1 200 OK\r\n\r\nthe rest";
  await against(bytes, async (client) => {
    const first = await client.readResponse();
    assertEquals([first.interim, first.status, textOf(first), field(first, "x-a")], [[100], 200, "abc", "b"]);
    assertEquals(textOf(await client.readResponse()), "de0123456789");
    assertEquals((await client.readResponse({ method: "HEAD" })).framing, "none");
    assertEquals((await client.readResponse()).status, 304);
    assertEquals((await client.readResponse()).status, 204);
    const last = await client.readResponse();
    assertEquals([textOf(last), last.framing], ["the rest", "close"]);
    await assertRejects(() => client.readResponse(), UnexpectedEnd);
  });
});

Deno.test("RawClient refuses what a server must not send", async () => {
  const head = "HTTP/1.1 200 OK\r\n";
  const bad = [
    "HTTP/1.1 200\r\n\r\n",
    "HTTP/2 200 OK\r\n\r\n",
    "HTTP/1.1 600 X\r\n\r\n",
    "HTTP/1.1 200 OK\n\r\n",
    `${head}A: b\n\r\n`,
    `${head}A : b\r\n\r\n`,
    `${head}A: b\0\r\n\r\n`,
    `${head}A\r\n\r\n`,
    `${head}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
    `${head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${head}Content-Length: +3\r\n\r\nabc`,
    `${head}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    `${head}Transfer-Encoding: chunked\r\n\r\nx\r\n`,
    `${head}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n`,
    "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
  ];
  for (const bytes of bad) {
    await against(bytes, async (client) => {
      await assertRejects(() => client.readResponse(), BadResponse, "", bytes);
    });
  }
});

Deno.test("RawClient tells a response that broke off from one that is whole", async () => {
  const head = "HTTP/1.1 200 OK\r\n";
  for (
    const bytes of [
      "",
      "HTTP/1.1 2",
      `${head}Content-Length: 3\r\n\r\nab`,
      `${head}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n`,
    ]
  ) {
    await against(bytes, async (client) => {
      await assertRejects(() => client.readResponse(), UnexpectedEnd);
    });
  }
});
