import { assert, assertEquals } from "@std/assert";
import { delay } from "../time/timer.ts";
import { Listener } from "./listener.ts";

const LISTEN = {
  transport: "unix",
  path: "/nowhere",
  mode: 0o600,
  tls: null,
  proxyProtocol: false,
  text: "unix:/nowhere",
  place: null,
} as const;

const ORDER = { index: 0, port: null, tls: null };
const ADDRESS: Deno.Addr = { transport: "unix", path: "/nowhere" };

function aConnection(): Deno.Conn {
  const connection = { remoteAddr: ADDRESS, localAddr: ADDRESS, close() {} };
  return connection as unknown as Deno.Conn;
}

abstract class FakeSocket implements Deno.Listener<Deno.Conn> {
  readonly addr = ADDRESS;
  readonly rid = 0;
  abstract accept(): Promise<Deno.Conn>;
  abstract close(): void;
  ref(): void {}
  unref(): void {}
  [Symbol.dispose](): void {}
  async *[Symbol.asyncIterator](): AsyncIterableIterator<Deno.Conn> {}
}

/** A socket at which a connection comes in the moment in which it is closed. */
class LastMoment extends FakeSocket {
  readonly #accepted = Promise.withResolvers<Deno.Conn>();
  #isClosed = false;

  accept(): Promise<Deno.Conn> {
    return this.#isClosed ? Promise.reject(new Deno.errors.BadResource()) : this.#accepted.promise;
  }

  close(): void {
    this.#isClosed = true;
    // As the runtime does it: what it has accepted by then it hands over in a later turn.
    setTimeout(() => this.#accepted.resolve(aConnection()), 10);
  }
}

/** More than are accepted while anything else has its turn. */
const FLOOD = 1_000_000;

/** A socket at which so many connections wait. */
class Flood extends FakeSocket {
  readonly #over = Promise.withResolvers<Deno.Conn>();
  #left = FLOOD;
  #isClosed = false;

  accept(): Promise<Deno.Conn> {
    if (this.#isClosed) return Promise.reject(new Deno.errors.BadResource());
    return this.#left-- > 0 ? Promise.resolve(aConnection()) : this.#over.promise;
  }

  close(): void {
    this.#isClosed = true;
    if (this.#left < 0) this.#over.reject(new Deno.errors.BadResource());
  }
}

Deno.test("Listener.close() resolves when no connection comes any more, not even one that came in that moment", async () => {
  let taken = 0;
  const host = { log: { log() {} }, accept: () => ++taken > 0 };
  const listener = new Listener(LISTEN, ORDER, host, new LastMoment());
  await listener.close();
  assertEquals(taken, 1);
});

Deno.test("Listener lets others have their turn while connections wait to be accepted", async () => {
  let taken = 0;
  const host = { log: { log() {} }, accept: () => ++taken > 0 };
  const listener = new Listener(LISTEN, ORDER, host, new Flood());
  await delay(0);
  listener.closeNow();
  await listener.close();
  assert(taken < FLOOD, `${taken} were accepted before anything else`);
});
