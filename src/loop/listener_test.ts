import { assertEquals } from "@std/assert";
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

/** A socket at which a connection comes in the moment in which it is closed. */
class LastMoment implements Deno.Listener<Deno.Conn> {
  readonly addr: Deno.Addr = { transport: "unix", path: "/nowhere" };
  readonly rid = 0;
  readonly #accepted = Promise.withResolvers<Deno.Conn>();
  #isClosed = false;

  accept(): Promise<Deno.Conn> {
    return this.#isClosed ? Promise.reject(new Deno.errors.BadResource()) : this.#accepted.promise;
  }

  close(): void {
    this.#isClosed = true;
    const address = this.addr;
    const connection = { remoteAddr: address, localAddr: address, close() {} };
    // As the runtime does it: what it has accepted by then it hands over in a later turn.
    setTimeout(() => this.#accepted.resolve(connection as unknown as Deno.Conn), 10);
  }

  ref(): void {}
  unref(): void {}
  [Symbol.dispose](): void {}
  async *[Symbol.asyncIterator](): AsyncIterableIterator<Deno.Conn> {}
}

Deno.test("Listener.close() resolves when no connection comes any more, not even one that came in that moment", async () => {
  let taken = 0;
  const host = { log: { log() {} }, receivedBytes: 0, accept: () => ++taken > 0 };
  const listener = new Listener(LISTEN, { index: 0, port: null, tls: null }, host, new LastMoment());
  await listener.close();
  assertEquals(taken, 1);
});
