import { assert, assertEquals } from "@std/assert";
import { BUFFER_BYTES, ROOM_BYTES } from "../buffers.ts";
import { RING_BYTES, ringMemory, RingReader, RingWriter } from "./ring.ts";

/** Both ends of a ring, and a clock that stands still. */
function ring(): { writer: RingWriter; reader: RingReader; clock: { ms: number } } {
  const memory = ringMemory();
  const clock = { ms: 1000 };
  return { writer: new RingWriter(memory), reader: new RingReader(memory, () => clock.ms), clock };
}

/** A test whose waits at a ring do not end it: the runtime counts them for nothing, and a loop always waits for something else. */
function test(name: string, run: () => Promise<void>): void {
  Deno.test(name, async () => {
    const alive = setInterval(() => {}, 1000);
    try {
      await run();
    } finally {
      clearInterval(alive);
    }
  });
}

/** What a promise has come to so far. */
async function stateOf<Value>(promise: Promise<Value>): Promise<Value | "waiting"> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  return await Promise.race([promise, Promise.resolve("waiting" as const)]);
}

/** Copies so many bytes out of a ring, piece by piece, as they come. */
async function take(reader: RingReader, length: number): Promise<Uint8Array> {
  const taken = new Uint8Array(length);
  for (let at = 0; at < length;) {
    assert(await reader.ready());
    const piece = reader.peek();
    assert(piece !== null);
    taken.set(piece, at);
    at += piece.length;
    reader.take();
  }
  return taken;
}

const counted = (length: number, from = 0): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (from + i) % 251);

test("a ring gives what was written, in order, over its end and beyond it", async () => {
  const { writer, reader } = ring();
  const lengths = [1, 7, BUFFER_BYTES, RING_BYTES - 3, 5, RING_BYTES, 100_000, 200_000];
  let at = 0;
  for (const length of lengths) {
    assert(await writer.write(counted(length, at)));
    assertEquals(await take(reader, length), counted(length, at));
    assert(!reader.hasBytes);
    assertEquals(reader.peek(), null);
    at += length;
  }
});

test("what is peeked at stays until it is taken, with room around it", async () => {
  const { writer, reader } = ring();
  for (let i = 0; i < 4; i++) await writer.write(counted(BUFFER_BYTES, i));
  for (let i = 0; i < 4; i++) {
    const piece = reader.peek();
    assert(piece !== null);
    assertEquals(piece, counted(BUFFER_BYTES, i));
    const { buffer, byteOffset, length } = piece;
    new Uint8Array(buffer, byteOffset - ROOM_BYTES, ROOM_BYTES).fill(255);
    new Uint8Array(buffer, byteOffset + length, ROOM_BYTES).fill(255);
    assertEquals(reader.peek(), counted(BUFFER_BYTES, i));
    reader.take();
  }
  assert(!reader.hasBytes);
});

test("what is put into a writer's room is written from there, and nothing else is", async () => {
  const { writer, reader } = ring();
  for (let i = 0; i < 9; i++) {
    const room = writer.room();
    assertEquals(room?.length, BUFFER_BYTES);
    room?.set(counted(10, i));
    assert(await writer.write(room?.subarray(0, 10) ?? counted(0)));
    assert(await writer.write(counted(20, i)));
    assertEquals(await take(reader, 30), new Uint8Array([...counted(10, i), ...counted(20, i)]));
  }
  await writer.write(counted(RING_BYTES));
  assertEquals(writer.room(), null);
  const ready = writer.ready();
  assertEquals(await stateOf(ready), "waiting");
  await take(reader, RING_BYTES);
  assert(await ready);
  writer.stop();
  assert(!await writer.ready());
});

test("a writer waits at a full ring until half of it is free", async () => {
  const { writer, reader } = ring();
  assert(await writer.write(counted(RING_BYTES)));
  const writing = writer.write(counted(1));
  assertEquals(await stateOf(writing), "waiting");
  reader.take();
  assertEquals(await stateOf(writing), "waiting");
  reader.take();
  assert(await writing);
});

test("a writer learns that a slow reader takes something before half of the ring is free", async () => {
  const { writer, reader, clock } = ring();
  assert(await writer.write(counted(RING_BYTES)));
  const writing = writer.write(counted(1));
  assertEquals(await stateOf(writing), "waiting");
  clock.ms += 1000;
  reader.take();
  assert(await writing);
});

test("a write of more than a ring holds waits for its reader as often as it must", async () => {
  const { writer, reader } = ring();
  const bytes = counted(3 * RING_BYTES + 17);
  const writing = writer.write(bytes).then(() => writer.close());
  assertEquals(await take(reader, bytes.length), bytes);
  await writing;
  assert(!await reader.ready());
});

test("a reader that waits is woken by bytes and by the end", async () => {
  const { writer, reader } = ring();
  let ready = reader.ready();
  assertEquals(await stateOf(ready), "waiting");
  await writer.write(counted(1));
  assert(await ready);
  reader.take();
  ready = reader.ready();
  writer.close();
  assert(!await ready);
});

test("bytes written before the end are had after it", async () => {
  const { writer, reader } = ring();
  await writer.write(counted(2));
  writer.close();
  assert(await reader.ready());
  reader.take();
  assert(!await reader.ready());
});

test("an end that is stopped waits no more", async () => {
  const { writer, reader } = ring();
  const ready = reader.ready();
  reader.stop();
  assert(!await ready);
  await writer.write(counted(RING_BYTES));
  const writing = writer.write(counted(1));
  assertEquals(await stateOf(writing), "waiting");
  writer.stop();
  assert(!await writing);
});

test("two threads pass each byte once, in order, whatever the pieces are", async () => {
  const source = `
    import { RingReader } from ${JSON.stringify(new URL("ring.ts", import.meta.url).href)};
    self.onmessage = async ({ data }) => {
      const reader = new RingReader(data, () => performance.now());
      let length = 0, wrong = 0;
      while (await reader.ready()) {
        const piece = reader.peek();
        for (let i = 0; i < piece.length; i++) if (piece[i] !== (length + i) % 251) wrong++;
        length += piece.length;
        reader.take();
      }
      self.postMessage({ length, wrong });
    };`;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module" });
  const memory = ringMemory();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  worker.onmessage = ({ data }) => resolve(data);
  worker.postMessage(memory);
  const writer = new RingWriter(memory);
  let written = 0;
  for (let i = 0; i < 400; i++) {
    const length = 1 + (i * 7919) % 80_000;
    assert(await writer.write(counted(length, written)));
    written += length;
    // Now and then the reader catches up and waits.
    if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  writer.close();
  assertEquals(await promise, { length: written, wrong: 0 });
  worker.terminate();
  URL.revokeObjectURL(url);
});
