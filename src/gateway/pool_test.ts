/**
 * Connections by hand: who gets one, who waits, what is kept and what is closed.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { StartError } from "../cgi/run.ts";
import { FakeLog } from "../cgi/scripts_fixture.ts";
import { ManualClock } from "../time/clock.ts";
import type { GatewayConnection, Transport } from "./connection.ts";
import { type GatewayAddress, Pool, type PoolLimits, type Taking } from "./pool.ts";

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, permissions: "none", fn });
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** A transport that says nothing until it is told to end. */
class FakeTransport implements Transport {
  isClosed = false;
  readonly #ended = Promise.withResolvers<null>();

  constructor(readonly port: number) {}

  read(): Promise<null> {
    return this.#ended.promise;
  }

  write(bytes: Uint8Array): Promise<number> {
    return Promise.resolve(bytes.length);
  }

  close(): void {
    this.isClosed = true;
    this.end();
  }

  end(): void {
    this.#ended.resolve(null);
  }
}

class World {
  readonly clock = new ManualClock();
  readonly log = new FakeLog();
  readonly transports: FakeTransport[] = [];
  /** What connecting to a port comes to, where it does not just work. */
  readonly connecting = new Map<number, () => Promise<Transport>>();
  readonly pool: Pool;

  constructor(limits: Partial<PoolLimits> = {}, ports: readonly number[] = [1]) {
    const addresses = ports.map((port): GatewayAddress => ({ transport: "tcp", hostname: "h", port }));
    this.pool = new Pool(addresses, {
      connections: 4,
      queue: 2,
      queueTimeoutMs: 1000,
      connectMs: 500,
      idle: 4,
      ...limits,
    }, { clock: this.clock, log: this.log, connect: (address) => this.#connect(address) });
  }

  #connect(address: GatewayAddress): Promise<Transport> {
    const port = address.transport === "tcp" ? address.port : 0;
    const own = this.connecting.get(port);
    if (own !== undefined) return own();
    const transport = new FakeTransport(port);
    this.transports.push(transport);
    return Promise.resolve(transport);
  }

  /** Takes and answers one. */
  async use(mayReuse = true): Promise<GatewayConnection> {
    const connection = await this.pool.take(mayReuse).connection;
    this.done(connection);
    return connection;
  }

  done(connection: GatewayConnection, isReusable = true): void {
    this.pool.answered(connection);
    this.pool.give(connection, { isReusable, isAnswered: true });
  }

  get open(): number {
    return this.transports.filter(({ isClosed }) => !isClosed).length;
  }
}

async function failure(taking: Taking): Promise<string> {
  const { failure } = await assertRejects(() => taking.connection, StartError);
  return failure.kind;
}

test("a connection is kept and used again, for a second", async () => {
  const world = new World();
  const first = await world.use();
  assertEquals(await world.use(), first);
  assertEquals([world.transports.length, first.isReused], [1, true]);
  world.clock.turn(999);
  assertEquals(world.open, 1);
  world.clock.turn(1);
  assertEquals([world.open, world.clock.size], [0, 0]);
});

test("who may not reuse one gets a new one, and one that may not be reused is closed", async () => {
  const world = new World();
  const first = await world.use();
  const second = await world.pool.take(false).connection;
  assertEquals([second === first, second.isReused], [false, false]);
  world.done(second, false);
  assertEquals(world.open, 1);
});

test("a connection that ends while it is kept is forgotten", async () => {
  const world = new World();
  await world.use();
  world.transports[0].end();
  await settle();
  assertEquals(world.open, 0);
  await world.use();
  assertEquals(world.transports.length, 2);
});

test("a connection is not kept beyond its age, nor while another request waits for its first byte", async () => {
  const world = new World();
  for (let i = 0; i < 4; i++) {
    await world.use();
    world.clock.turn(500);
  }
  await world.use(); // It is two seconds old now.
  assertEquals([world.transports.length, world.open], [1, 0]);
  const waiting = await world.pool.take(true).connection;
  await world.use(false);
  assertEquals(world.open, 1);
  world.pool.answered(waiting);
  await world.use(false);
  assertEquals(world.open, 2);
});

test("kept connections count: the oldest makes room for a new one", async () => {
  const world = new World({ connections: 2 });
  const [a, b] = await Promise.all([world.pool.take(true).connection, world.pool.take(true).connection]);
  world.pool.answered(b);
  world.done(a);
  world.pool.give(b, { isReusable: true, isAnswered: true });
  assertEquals(world.open, 2);
  await world.pool.take(false).connection;
  assertEquals([world.open, world.transports[0].isClosed], [2, true]);
});

test("no more than the limit at once; who waits gets the next, in turn", async () => {
  const world = new World({ connections: 1 });
  const first = await world.pool.take(true).connection;
  const order: number[] = [];
  const waiting = [1, 2].map((n) => {
    const taking = world.pool.take(true);
    taking.connection.then(() => order.push(n));
    return taking;
  });
  await settle();
  assertEquals(order, []);
  world.done(first);
  await settle();
  assertEquals(order, [1]);
  world.done(await waiting[0].connection);
  await settle();
  assertEquals(order, [1, 2]);
});

test("a full queue is busy at once, a full second in it too", async () => {
  const world = new World({ connections: 1, queue: 1 });
  const first = await world.pool.take(true).connection;
  const waiting = world.pool.take(true);
  const busy = (what: string) => `${what}; raise connections if the application can bear it`;
  const full = busy("found all connections taken and the queue full");
  await assertRejects(() => world.pool.take(true).connection, StartError, full);
  world.clock.turn(1000);
  const late = busy("found no free connection within queue_timeout");
  await assertRejects(() => waiting.connection, StartError, late);
  world.done(first);
  assertEquals(await world.use(), first);
});

test("who is cancelled in the queue takes no place, and who is cancelled while connecting gives it back", async () => {
  const world = new World({ connections: 1 });
  const first = await world.pool.take(true).connection;
  const waiting = world.pool.take(true);
  waiting.cancel("clientGone");
  assertEquals(await failure(waiting), "ended");
  world.done(first, false);
  const opening = Promise.withResolvers<Transport>();
  world.connecting.set(1, () => opening.promise);
  const late = world.pool.take(true);
  await settle();
  late.cancel("clientGone");
  const transport = new FakeTransport(1);
  opening.resolve(transport);
  assertEquals(await failure(late), "ended");
  assertEquals(transport.isClosed, true);
  world.connecting.clear();
  await world.use();
});

test("an address that refuses is passed over for ten seconds, and asked again when no other is left", async () => {
  const world = new World({ idle: 0 }, [1, 2]);
  let refusals = 0;
  world.connecting.set(1, () => {
    refusals++;
    return Promise.reject(new Deno.errors.ConnectionRefused("refused"));
  });
  for (let i = 0; i < 5; i++) await world.use();
  assertEquals([refusals, world.log.lines.length], [1, 1]);
  assertStringIncludes(world.log.lines[0], "; it is passed over for 10 s");
  world.connecting.set(2, () => Promise.reject(new Deno.errors.ConnectionRefused("refused")));
  assertEquals(await failure(world.pool.take(true)), "gatewayFailed");
  assertEquals(refusals, 2);
  world.connecting.clear();
  world.clock.turn(10_000);
  await Promise.all([world.pool.take(true).connection, world.pool.take(true).connection]);
  assertEquals(world.transports.slice(-2).map(({ port }) => port).sort(), [1, 2]);
});

test("connecting that takes too long is a timeout, and what comes later is closed", async () => {
  const world = new World();
  const opening = Promise.withResolvers<Transport>();
  world.connecting.set(1, () => opening.promise);
  const taking = world.pool.take(true);
  await settle();
  world.clock.turn(499);
  await settle();
  world.clock.turn(1);
  const late = "cannot connect to h:1: nothing within 0.5 s; start the application, or correct its address";
  const { failure } = await assertRejects(() => taking.connection, StartError, late);
  assertEquals(failure.kind, "gatewayTimeout");
  const transport = new FakeTransport(1);
  opening.resolve(transport);
  await settle();
  assertEquals([transport.isClosed, world.clock.size], [true, 0]);
});
