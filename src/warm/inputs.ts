/**
 * Where children of fork servers come for their standard input: each with the token that only it was told.
 *
 * Descriptors cannot be handed to another process from here, so the child connects and makes the socket its standard input.
 *
 * @module
 */

import { delay, within } from "../time/timer.ts";

/** How many bytes a token has, all ASCII. */
const TOKEN_BYTES = 24;
/**
 * How long a connection has for its token, in milliseconds: twice this. In between this loop has looked what has come, so that
 * nobody is late because it stood still itself.
 */
const TOKEN_MS = 1_000;
/** Of so many connections the token is awaited at once; others wait in the system's queue. */
const NAMELESS_MAX = 64;
/** Out of descriptors `accept` fails at once, each time: it is tried again after this long, in milliseconds. */
const PAUSE_MS = 50;

/** The socket and those who are expected at it. */
export class Inputs {
  readonly #listener: Deno.UnixListener;
  readonly #secret = randomHex(8);
  readonly #expected = new Map<string, (connection: Deno.Conn) => void>();
  #lastToken = 0;
  #nameless = 0;
  /** Goes on accepting; null: nobody waits for that. */
  #wake: (() => void) | null = null;

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
      if (this.#nameless >= NAMELESS_MAX) await new Promise<void>((resolve) => this.#wake = resolve);
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
    this.#nameless++;
    const reading = readToken(connection);
    const token = await within(reading, TOKEN_MS) ?? await within(reading, TOKEN_MS);
    this.#nameless--;
    this.#wake?.();
    this.#wake = null;
    const take = token === null ? undefined : this.#expected.get(token);
    if (token === null || take === undefined) return connection.close();
    this.#expected.delete(token);
    take(connection);
  }
}

/** The first that comes; null: it does not. Never rejects. */
async function readToken(connection: Deno.Conn): Promise<string | null> {
  const bytes = new Uint8Array(TOKEN_BYTES);
  for (let length = 0; length < bytes.length;) {
    // A child that ends in between has nothing to be given.
    const count = await connection.read(bytes.subarray(length)).catch(() => null);
    if (count === null) return null;
    length += count;
  }
  return new TextDecoder().decode(bytes);
}

function randomHex(bytes: number): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}
