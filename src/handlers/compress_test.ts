import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { bytesOf, exchange, fieldOf } from "../../tests/support/exchange.ts";
import type { Field } from "../http/fields.ts";
import { CompressedSource, compressReply } from "./compress.ts";
import type { Reply, ReplyBody, Source } from "./handler.ts";

const TEXT = "all work and no play ".repeat(5000);
const CONTENT = new TextEncoder().encode(TEXT);

/** A source over chunks, which may break off. */
function sourceOf(chunks: Uint8Array<ArrayBuffer>[], breaksOff = false): Source & { closed: unknown[] } {
  const left = [...chunks];
  const closed: unknown[] = [];
  return {
    length: null,
    closed,
    read: () => {
      const chunk = left.shift();
      if (chunk === undefined && breaksOff) return Promise.reject(new Error("broken off"));
      return Promise.resolve(chunk ?? null);
    },
    close: (reason) => void closed.push(reason),
  };
}

async function expand(body: ReplyBody, format: CompressionFormat = "gzip"): Promise<string> {
  const stream = new Blob([await bytesOf(body)]).stream().pipeThrough(new DecompressionStream(format));
  return await new Response(stream).text();
}

function reply(body: ReplyBody, fields: Field[] = [["Content-Type", "text/html"]], status = 200): Reply {
  return { kind: "reply", status, fields, body };
}

const GZIP = exchange({ fields: { "Accept-Encoding": "gzip" } });

Deno.test("compressReply() codes text of any kind of body, as the client prefers", async () => {
  assertEquals(await expand(compressReply(reply(CONTENT), GZIP).body), TEXT);
  const streamed = compressReply(reply(sourceOf([CONTENT.slice(0, 40_000), CONTENT.slice(40_000)])), GZIP);
  assertEquals([fieldOf(streamed, "Content-Encoding"), fieldOf(streamed, "Vary")], [
    "gzip",
    "Accept-Encoding",
  ]);
  assertEquals(await expand(streamed.body), TEXT);
  const br = compressReply(reply(CONTENT), exchange({ fields: { "Accept-Encoding": "gzip;q=0.5, br" } }));
  assertEquals(fieldOf(br, "Content-Encoding"), "br");
  await bytesOf(br.body);
});

Deno.test("compressReply() makes the entity tag another, weak one, and takes Accept-Ranges out", async () => {
  const fields: Field[] = [["Content-Type", "text/css"], ["ETag", '"a"'], ["Accept-Ranges", "bytes"], [
    "Vary",
    "Cookie",
  ]];
  const coded = compressReply(reply(CONTENT, fields), GZIP);
  assertEquals(coded.fields, [
    ["Content-Type", "text/css"],
    ["ETag", 'W/"a.gzip"'],
    ["Vary", "Cookie"],
    ["Vary", "Accept-Encoding"],
    ["Content-Encoding", "gzip"],
  ]);
  await bytesOf(coded.body);
});

Deno.test("compressReply() says Vary where another client would get it coded", () => {
  const plain = reply(CONTENT);
  const requests: Record<string, string>[] = [
    {},
    { "Accept-Encoding": "identity" },
    { "Accept-Encoding": "gzip", Range: "bytes=0-1" },
  ];
  for (const fields of requests) {
    const left = compressReply(plain, exchange({ fields }));
    assertStrictEquals(left.body, CONTENT);
    assertEquals(fieldOf(left, "Vary"), "Accept-Encoding");
  }
  const varied = reply(CONTENT, [["Content-Type", "text/html"], ["Vary", "Cookie, Accept-Encoding"]]);
  assertEquals(compressReply(varied, exchange()).fields, varied.fields);
});

Deno.test("compressReply() leaves alone what must not be coded, or is not worth it", () => {
  const html: Field = ["Content-Type", "text/html"];
  for (
    const left of [
      reply(null),
      reply(CONTENT, []),
      reply(CONTENT, [["Content-Type", "image/png"]]),
      reply(CONTENT, [["Content-Type", "text/event-stream"]]),
      reply(CONTENT, [html, ["Content-Encoding", "br"]]),
      reply(CONTENT, [html, ["Cache-Control", "public, no-transform"]]),
      reply(CONTENT, [html], 404),
      reply(CONTENT, [html, ["Content-Range", "bytes 0-1/2"]], 206),
      reply(CONTENT.slice(0, 1023)),
      reply({ ...sourceOf([CONTENT]), raw: true }),
    ]
  ) assertStrictEquals(compressReply(left, GZIP), left);
});

Deno.test("CompressedSource breaks off where its source does", async () => {
  const inner = sourceOf([CONTENT.slice(0, 100)], true);
  const source = new CompressedSource(inner, "gzip");
  await assertRejects(
    async () => {
      while (await source.read() !== null);
    },
    Error,
    "broken off",
  );
  source.close(new Error("broken off"));
  assertEquals(inner.closed.length, 1);
});

Deno.test("CompressedSource may be closed at any time, and closes its source", async () => {
  const unread = sourceOf([CONTENT]);
  new CompressedSource(unread, "br").close(null);
  assertEquals(unread.closed, [null]);
  const half = sourceOf([CONTENT, CONTENT]);
  const source = new CompressedSource(half, "gzip");
  assert(await source.read() !== null);
  const reason = new Error("the client has gone");
  source.close(reason);
  assertEquals(half.closed, [reason]);
});
