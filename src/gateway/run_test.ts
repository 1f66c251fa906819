/**
 * A request at an application, with its connection in the test's hand.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import { StartError } from "../cgi/run.ts";
import { FakeLog } from "../cgi/scripts_fixture.ts";
import { ManualClock } from "../time/clock.ts";
import type { Transport } from "./connection.ts";
import { FASTCGI } from "./fastcgi.ts";
import { Pool } from "./pool.ts";
import type { Bytes, Protocol } from "./protocol.ts";
import { type GatewayRequest, GatewayRun } from "./run.ts";
import { SCGI } from "./scgi.ts";

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, permissions: "none", fn });
}

async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await Promise.resolve();
}

function bytes(text: string): Bytes {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** The application's side of a connection. */
class Side implements Transport {
  sent = "";
  isClosed = false;
  isStuck = false;
  readonly #said: (string | null | Error)[] = [];
  #reader: { buffer: Bytes; resolve: (count: number | null) => void; reject: (error: Error) => void } | null =
    null;

  /** It sends; null: it closes; an error: the connection breaks. */
  says(...said: (string | null | Error)[]): void {
    this.#said.push(...said);
    this.#give();
  }

  read(buffer: Bytes): Promise<number | null> {
    return new Promise((resolve, reject) => {
      this.#reader = { buffer, resolve, reject };
      this.#give();
    });
  }

  write(content: Bytes): Promise<number> {
    if (this.isStuck) return new Promise(() => {});
    for (const byte of content) this.sent += String.fromCharCode(byte);
    return Promise.resolve(content.length);
  }

  close(): void {
    this.isClosed = true;
    this.says(null);
  }

  #give(): void {
    if (this.#reader === null || this.#said.length === 0) return;
    const { buffer, resolve, reject } = this.#reader;
    this.#reader = null;
    const said = this.#said.shift() ?? null;
    if (said instanceof Error) return reject(said);
    if (said === null) return resolve(null);
    buffer.set(bytes(said));
    resolve(said.length);
  }
}

class World {
  readonly clock = new ManualClock();
  readonly log = new FakeLog();
  readonly sides: Side[] = [];
  readonly errors: string[] = [];
  readonly pool = new Pool([{ transport: "tcp", hostname: "h", port: 1 }], {
    connections: 4,
    queue: 2,
    queueTimeoutMs: 1000,
    connectMs: 500,
    idle: 4,
  }, { clock: this.clock, log: this.log, connect: () => this.connect() });
  connect = (): Promise<Transport> => {
    const side = new Side();
    this.sides.push(side);
    return Promise.resolve(side);
  };

  async run(request: Partial<GatewayRequest> = {}, protocol: Protocol = FASTCGI): Promise<GatewayRun> {
    const run = new GatewayRun({ variables: [], hasContent: false, isSafe: true, ...request }, {
      pool: this.pool,
      protocol,
      clock: this.clock,
      onErrorLine: (line) => this.errors.push(line),
    });
    await settle();
    return run;
  }
}

function record(type: number, content: string): string {
  return String.fromCharCode(1, type, 0, 1, content.length >> 8, content.length & 255, 0, 0) + content;
}

const END = record(3, "\0\0\0\x05\0\0\0\0");

async function whole(run: GatewayRun): Promise<string> {
  let text = "";
  for (let piece = await run.read(); piece !== null; piece = await run.read()) {
    text += new TextDecoder().decode(piece);
  }
  return text;
}

async function failure(promise: Promise<unknown>): Promise<string> {
  const { failure } = await assertRejects(() => promise, StartError);
  return "message" in failure ? `${failure.kind}: ${failure.message}` : failure.kind;
}

test("an answer is its output, its errors and its status, and its connection is used again", async () => {
  const world = new World();
  for (let i = 0; i < 2; i++) {
    const run = await world.run();
    assertEquals(await run.started, 0);
    world.sides[0].says(record(6, "out") + record(7, "oh\ndear"), record(6, "put") + END);
    assertEquals(await whole(run), "output");
    assertEquals(await run.ended, { code: 5, signal: null });
  }
  assertEquals(world.sides.length, 1);
  assertEquals(world.errors, ["oh", "dear", "oh", "dear"]);
});

test("content is framed and ended; what comes after the end is not taken", async () => {
  const world = new World();
  const run = await world.run({ hasContent: true, isSafe: false });
  const head = world.sides[0].sent.length;
  assertEquals(await run.write(bytes("abc")), true);
  run.closeInput();
  run.closeInput();
  await settle();
  const framed = "\x01\x05\0\x01\0\x03\x05\0abc\0\0\0\0\0" + "\x01\x05\0\x01\0\0\0\0";
  assertEquals(world.sides[0].sent.slice(head), framed);
  assertEquals(await run.write(bytes("more")), false);
});

test("an answer before the content was taken closes the connection", async () => {
  const world = new World();
  const run = await world.run({ hasContent: true, isSafe: false });
  world.sides[0].says(record(6, "no") + END);
  assertEquals(await whole(run), "no");
  assertEquals([world.sides[0].isClosed, await run.write(bytes("x"))], [true, false]);
});

test("an answer that breaks off is a failure, however it breaks off", async () => {
  const broken = new Deno.errors.ConnectionReset("reset");
  Object.assign(broken, { code: "ECONNRESET" });
  for (
    const [last, words] of [
      [null, "closed the connection before the end of its answer"],
      [broken, "broke the connection before the end of its answer"],
    ] as const
  ) {
    const world = new World();
    const run = await world.run();
    world.sides[0].says(record(6, "half"), last);
    assertEquals(await run.read(), bytes("half"));
    assertEquals(
      await failure(run.read()),
      `gatewayFailed: the application ${words}; its own log may say why`,
    );
    assertEquals([await run.ended, world.sides[0].isClosed], [{ code: -1, signal: null }, true]);
  }
});

test("an application with too much to do is busy", async () => {
  const world = new World();
  const run = await world.run();
  world.sides[0].says(record(3, "\0\0\0\0\x02\0\0\0"));
  assertEquals(
    await failure(run.read()),
    "gatewayBusy: the application says that it has too much to do (FCGI_OVERLOADED): give it more processes",
  );
});

test("SCGI: the end of the connection is the end of the answer, its breaking is not", async () => {
  const world = new World();
  const run = await world.run({}, SCGI);
  world.sides[0].says("answer", null);
  assertEquals([await whole(run), await run.ended], ["answer", { code: -1, signal: null }]);
  const other = await world.run({}, SCGI);
  world.sides[1].says(
    "answer",
    Object.assign(new Deno.errors.ConnectionReset("reset"), { code: "ECONNRESET" }),
  );
  await other.read();
  assertEquals((await failure(other.read())).startsWith("gatewayFailed"), true);
});

test("a kept connection that ends unseen is replaced by a new one, once", async () => {
  const world = new World();
  const first = await world.run();
  world.sides[0].says(END);
  await whole(first);
  const run = await world.run();
  world.sides[0].says(null);
  const answer = whole(run);
  await settle();
  assertEquals(world.sides.length, 2);
  world.sides[1].says(record(6, "again") + END);
  assertEquals(await answer, "again");
  // A new connection that ends is no matter of chance.
  const last = await world.run({ isSafe: false });
  world.sides[2].says(null);
  assertEquals((await failure(last.read())).startsWith("gatewayFailed"), true);
  assertEquals(world.sides.length, 3);
});

test("a request that cannot be sent has no output, and says why", async () => {
  const world = new World();
  world.connect = () => Promise.reject(new Deno.errors.ConnectionRefused("refused"));
  const run = await world.run();
  assertEquals(await run.read(), null);
  assertEquals(
    await failure(run.started),
    "gatewayFailed: cannot connect to h:1: refused; start the application, or correct its address",
  );
  assertEquals(await run.ended, { code: -1, signal: null });
});

test("end() closes the connection, whatever is under way", async () => {
  const world = new World();
  const run = await world.run({ hasContent: true });
  world.sides[0].isStuck = true;
  run.write(bytes("x"));
  const reading = run.read();
  run.end("clientGone");
  assertEquals([await reading, world.sides[0].isClosed], [null, true]);
  assertEquals(await run.ended, { code: -1, signal: null });
});

test("end() before there is a connection closes the one that comes", async () => {
  const world = new World();
  const opening = Promise.withResolvers<Transport>();
  world.connect = () => opening.promise;
  const run = await world.run();
  run.end("timeout");
  assertEquals(await failure(run.started), "ended");
  const side = new Side();
  opening.resolve(side);
  await settle();
  assertEquals(side.isClosed, true);
});
