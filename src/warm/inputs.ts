/**
 * Where children of fork servers come for their standard input: each with the token that only it was told.
 *
 * Descriptors cannot be handed to another process from here, so the child connects and makes the socket its standard input.
 *
 * @module
 */

import { delay } from "../time/timer.ts";

/** How many bytes a token has, all ASCII. */
const TOKEN_BYTES = 24;
/** Out of descriptors `accept` fails at once, each time: it is tried again after this long, in milliseconds. */
const PAUSE_MS = 50;

/** The socket and those who are expected at it. */
export class Inputs {
  readonly #listener: Deno.UnixListener;
  readonly #secret = randomHex(8);
  readonly #expected = new Map<string, (connection: Deno.Conn) => void>();
  #lastToken = 0;

  /**
   * Listens from now on.
   *
   * @param path Of the socket, in a folder that nobody else can look into.
   * @throws What `Deno.listen` throws.
   */
  constructor(path: string) {
    this.#listener = Deno.listen({ transport: "unix", path });
    this.#accept();
  }

  /** A new token, and the connection of whoever comes with it. */
  expect(): { readonly token: string; readonly connection: Promise<Deno.Conn>; forget(): void } {
    const token = this.#secret +
      (++this.#lastToken).toString(16).padStart(TOKEN_BYTES - this.#secret.length, "0");
    const { promise, resolve } = Promise.withResolvers<Deno.Conn>();
    this.#expected.set(token, resolve);
    return { token, connection: promise, forget: () => this.#expected.delete(token) };
  }

  /** Takes no more. */
  close(): void {
    this.#listener.close();
  }

  async #accept(): Promise<void> {
    for (;;) {
      let connection: Deno.Conn;
      try {
        connection = await this.#listener.accept();
      } catch (error) {
        if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
        // No descriptor is free: the child waits in the queue meanwhile.
        await delay(PAUSE_MS);
        continue;
      }
      this.#take(connection);
    }
  }

  async #take(connection: Deno.Conn): Promise<void> {
    const bytes = new Uint8Array(TOKEN_BYTES);
    let length = 0;
    while (length < bytes.length) {
      // A child that ends in between has nothing to be given.
      const count = await connection.read(bytes.subarray(length)).catch(() => null);
      if (count === null) return connection.close();
      length += count;
    }
    const token = new TextDecoder().decode(bytes);
    const take = this.#expected.get(token);
    this.#expected.delete(token);
    if (take === undefined) connection.close();
    else take(connection);
  }
}

function randomHex(bytes: number): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}
