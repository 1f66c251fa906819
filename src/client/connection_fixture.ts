/**
 * A connection in memory, for tests: what the client sends is pushed, what the server wrote is awaited.
 *
 * @module
 */

import type { Connection } from "./connection.ts";

const decoder = new TextDecoder("latin1");
const encoder = new TextEncoder();

/** Both ends of a connection without a network. */
export class FakeConnection implements Connection {
  /** Everything the server has written, one char per byte. */
  written = "";
  /** The server has closed its sending side. */
  isWriteClosed = false;
  /** The server has closed the connection. */
  isClosed = false;
  /** While true, writes wait. */
  isStuck = false;

  #incoming: Uint8Array[] = [];
  #isEnded = false;
  #reset = false;
  #waiting: (() => void)[] = [];
  #changed: (() => void)[] = [];

  /** The client sends. */
  push(bytes: string | Uint8Array): void {
    this.#incoming.push(typeof bytes === "string" ? encoder.encode(bytes) : bytes);
    this.#wake();
  }

  /** The client closes its sending side. */
  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  /** The client resets the connection. */
  reset(): void {
    this.#reset = true;
    this.#wake();
  }

  /** Resolves as soon as `condition` holds; it is looked at after each write and close of the server. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#changed.push(resolve);
      await promise;
    }
  }

  /** Writes go through again. */
  unstick(): void {
    this.isStuck = false;
    this.#wake();
  }

  /** What the client has pushed; waits for it. */
  async read(buffer: Uint8Array<ArrayBuffer>): Promise<number | null> {
    while (this.#incoming.length === 0 && !this.#isEnded && !this.#reset && !this.isClosed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      await promise;
    }
    if (this.#reset) throw new Deno.errors.ConnectionReset("reset by peer");
    if (this.isClosed) throw new Deno.errors.Interrupted("closed");
    const first = this.#incoming[0];
    if (first === undefined) return null;
    const count = Math.min(first.length, buffer.length);
    buffer.set(first.subarray(0, count));
    if (count === first.length) this.#incoming.shift();
    else this.#incoming[0] = first.subarray(count);
    return count;
  }

  /** Keeps what the server writes; waits while it is stuck. */
  async write(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    while (this.isStuck && !this.isClosed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      await promise;
    }
    if (this.#reset) throw new Deno.errors.BrokenPipe("broken pipe");
    if (this.isClosed) throw new Deno.errors.Interrupted("closed");
    this.written += decoder.decode(bytes);
    this.#notify();
    return bytes.length;
  }

  /** The server ends what it sends. */
  closeWrite(): Promise<void> {
    this.isWriteClosed = true;
    this.#notify();
    return Promise.resolve();
  }

  /** The server closes the connection. */
  close(): void {
    if (this.isClosed) throw new Deno.errors.BadResource("closed twice");
    this.isClosed = true;
    this.#wake();
    this.#notify();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }

  #notify(): void {
    const changed = this.#changed;
    this.#changed = [];
    for (const resume of changed) resume();
  }
}

/** A connection over TLS: nothing can be read or written before its handshake has ended. */
export class FakeTlsConnection extends FakeConnection {
  /** The handshake is under way. */
  isShakingHands = true;
  readonly #handshake = Promise.withResolvers<void>();

  /** Resolves with the end of the handshake, which nothing that the server does brings about: so it is in the runtime. */
  handshake(): Promise<void> {
    return this.#handshake.promise;
  }

  /** The handshake has ended well. */
  shakeHands(): void {
    this.isShakingHands = false;
    this.#handshake.resolve();
  }

  /** The client closes its sending side, and with it a handshake that is under way. */
  override end(): void {
    this.#fail(new Deno.errors.UnexpectedEof("tls handshake eof"));
    super.end();
  }

  /** The client resets the connection. */
  override reset(): void {
    this.#fail(new Deno.errors.ConnectionReset("reset by peer"));
    super.reset();
  }

  #fail(error: Error): void {
    this.isShakingHands = false;
    this.#handshake.reject(error);
  }
}
