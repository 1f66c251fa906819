/**
 * Bodies kept whole.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import type { RequestBody } from "../handlers/handler.ts";
import { HttpError } from "../http/error.ts";
import { aBody } from "./exchange_fixture.ts";
import { type Content, MEMORY_BYTES_MAX, spool } from "./spool.ts";

async function readAll(content: Content): Promise<number[]> {
  let length = 0;
  let sum = 0;
  for (let bytes = await content.read(); bytes !== null; bytes = await content.read()) {
    length += bytes.length;
    for (const byte of bytes) sum += byte;
  }
  return [length, sum];
}

function pieces(count: number, bytes: number, end: Error | null = null): RequestBody {
  let given = 0;
  return {
    length: null,
    read() {
      if (given++ < count) return Promise.resolve(new Uint8Array(bytes).fill(given));
      return end === null ? Promise.resolve(null) : Promise.reject(end);
    },
  };
}

Deno.test({
  name: "spool() keeps a short body in memory, a file system or not",
  permissions: "none",
  async fn() {
    const content = await spool(aBody(["one ", "two"], null), "/nonexistent");
    assertEquals(content.length, 7);
    assertEquals((await readAll(content))[0], 7);
    content.close();
    const longest = await spool(pieces(4, MEMORY_BYTES_MAX / 4), "/nonexistent");
    assertEquals(await readAll(longest), [MEMORY_BYTES_MAX, 10 * MEMORY_BYTES_MAX / 4]);
    assertEquals((await spool(aBody([], null), "/nonexistent")).length, 0);
  },
});

Deno.test({
  name: "spool() gathers what comes in small pieces, in order",
  permissions: "none",
  async fn() {
    const content = await spool(pieces(100_000, 1), "/nonexistent");
    const given: number[] = [];
    let chunks = 0;
    for (let bytes = await content.read(); bytes !== null; bytes = await content.read()) {
      given.push(...bytes);
      chunks++;
    }
    assertEquals(chunks, 2);
    assertEquals(given, Array.from({ length: 100_000 }, (_, i) => (i + 1) % 256));
    // Large ones stay apart, and what follows them may not overwrite them.
    const mixed = await spool(
      aBody(["a".repeat(20_000), "b", "c".repeat(20_000), "d"], null),
      "/nonexistent",
    );
    assertEquals(await readAll(mixed), [40_002, 20_000 * 97 + 98 + 20_000 * 99 + 100]);
  },
});

Deno.test("spool() keeps a long body in a file without a name", async () => {
  const temp = Deno.makeTempDirSync();
  const content = await spool(pieces(20, 100_000), temp);
  assertEquals([...Deno.readDirSync(temp)], []);
  assertEquals(content.length, 2_000_000);
  assertEquals(await readAll(content), [2_000_000, 210 * 100_000]);
  content.close();
  content.close();
  assertEquals(await content.read(), null);
  Deno.removeSync(temp);
});

Deno.test("spool() leaves nothing behind where the body breaks off", async () => {
  const temp = Deno.makeTempDirSync();
  await assertRejects(
    () => spool(pieces(20, 100_000, new HttpError(400, "broke off")), temp),
    HttpError,
    "broke off",
  );
  assertEquals([...Deno.readDirSync(temp)], []);
  Deno.removeSync(temp);
});

Deno.test({
  name: "spool() answers 507 to a full disk",
  async fn() {
    const full = Deno.makeTempDirSync();
    const open = Deno.open;
    try {
      Deno.open = async (path, options) => {
        const file = await open(path, options);
        // What Linux says of a full disk, and of /dev/full, which only a program with all permissions may open.
        file.write = () =>
          Promise.reject(Object.assign(new Error("No space left on device"), { code: "ENOSPC" }));
        return file;
      };
      const error = await assertRejects(() => spool(pieces(20, 100_000), full), HttpError);
      assertEquals(error.status, 507);
    } finally {
      Deno.open = open;
    }
    Deno.removeSync(full);
  },
});

Deno.test({
  name: "spool() keeps no more than so much in memory of all bodies together, and makes room again",
  permissions: "none",
  async fn() {
    const held: Content[] = [];
    const full = async () => {
      for (;;) held.push(await spool(pieces(1, MEMORY_BYTES_MAX), "/nonexistent"));
    };
    // The next one wants a file, which may not be opened here.
    await assertRejects(full, Deno.errors.NotCapable);
    assertEquals(held.length > 32 && held.length <= 64, true);
    for (const content of held) content.close();
    const again = await spool(pieces(1, MEMORY_BYTES_MAX), "/nonexistent");
    assertEquals(await readAll(again), [MEMORY_BYTES_MAX, MEMORY_BYTES_MAX]);
    again.close();
  },
});
