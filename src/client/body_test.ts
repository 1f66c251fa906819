import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import v8 from "node:v8";
import vm from "node:vm";
import type { LentBytes } from "../buffers.ts";
import type { Framing } from "../http/framing.ts";
import { Metrics } from "../observe/metrics.ts";
import { delay } from "../time/timer.ts";
import { ClientBody } from "./body.ts";
import { Input } from "./input.ts";

const FIELDS = { headerBytes: 1024, headerCount: 10 };

/** A body of which nothing comes, with a reader that waits for it, and that is given up. */
async function abandoned(): Promise<WeakRef<ClientBody>> {
  const source = { read: () => delay(1).then(() => null) };
  const limits = { bodyBytes: Infinity, timeoutMs: Infinity, minRate: 0, fields: FIELDS };
  const host = { now: () => 0, sendContinue() {}, completed() {} };
  const body = new ClientBody(
    new Input(source, { filled() {}, left() {} }, new Metrics()),
    { kind: "length", bytes: 1000 },
    false,
    limits,
    host,
  );
  body.read();
  await delay(0);
  assertEquals(await body.discard(100), false);
  return new WeakRef(body);
}

Deno.test("a body whose reader is cut off is not held on to", async () => {
  v8.setFlagsFromString("--expose-gc");
  const gc: () => void = vm.runInNewContext("gc");
  const bodies = await Promise.all(Array.from({ length: 20 }, abandoned));
  await delay(10); // what their inputs still wait for
  gc();
  await delay(1);
  gc();
  assertEquals(bodies.filter((body) => body.deref() !== undefined).length, 0);
});

/** A body of an input that gives these pieces, one a read, as far as there is room for them. */
function bodyOf(framing: Framing, ...pieces: string[]): { body: ClientBody; input: Input } {
  const source = {
    read(buffer: LentBytes): Promise<number | null> {
      const piece = pieces.shift();
      if (piece === undefined) return Promise.resolve(null);
      const part = piece.slice(0, buffer.length);
      if (part.length < piece.length) pieces.unshift(piece.slice(part.length));
      new TextEncoder().encodeInto(part, buffer);
      return Promise.resolve(part.length);
    },
  };
  const limits = { bodyBytes: Infinity, timeoutMs: Infinity, minRate: 0, fields: FIELDS };
  const input = new Input(source, { filled() {}, left() {} }, new Metrics());
  const host = { now: () => 0, sendContinue() {}, completed: () => input.watch() };
  return { body: new ClientBody(input, framing, false, limits, host), input };
}

const room = (): LentBytes => new Uint8Array(new SharedArrayBuffer(100), 10, 50);
const text = (bytes: LentBytes | null): string | null =>
  bytes === null ? null : String.fromCharCode(...bytes);

Deno.test("a body is read into memory that is lent, to its end and not beyond", async () => {
  const { body, input } = bodyOf({ kind: "length", bytes: 7 }, "abc", "defgGET /");
  for (const part of ["abc", "defg"]) {
    const lent = room();
    const bytes = await body.readInto(lent);
    assertEquals(text(bytes), part);
    assertStrictEquals(bytes?.buffer, lent.buffer);
    assertEquals(bytes?.byteOffset, lent.byteOffset);
  }
  assertEquals(await body.readInto(room()), null);
  await input.fill();
  assertEquals(text(input.buffer.subarray(input.start, input.end)), "GET /");
  assert(input.buffer.buffer instanceof ArrayBuffer);
});

Deno.test("what of a body is at hand, or has to be decoded, is not read into memory that is lent", async () => {
  const plain = bodyOf({ kind: "length", bytes: 3 }, "abcGET /");
  await plain.input.fill();
  assert((await plain.body.readInto(room()))?.buffer instanceof ArrayBuffer);
  const chunked = bodyOf({ kind: "chunked" }, "3\r\nabc\r\n0\r\n\r\nGET /");
  const bytes = await chunked.body.readInto(room());
  assertEquals(text(bytes), "abc");
  assert(bytes?.buffer instanceof ArrayBuffer);
});

Deno.test("what was read into memory that is lent, and comes to somebody else, is a copy", async () => {
  const { body } = bodyOf({ kind: "length", bytes: 7 }, "abc", "defg");
  body.readInto(room());
  // The one who asked is cut off before anything has come.
  assertEquals(await body.discard(100), true);
  const other = bodyOf({ kind: "length", bytes: 3 }, "abc");
  await other.input.fill(3, room());
  const bytes = await other.body.read();
  assertEquals(text(bytes), "abc");
  assert(bytes?.buffer instanceof ArrayBuffer);
});
