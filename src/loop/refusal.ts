/**
 * The answer to connections beyond the limits: made beforehand, so that a flood costs next to nothing.
 *
 * @module
 */

import type { Connection } from "../client/connection.ts";
import type { Clock, Deadline } from "../time/clock.ts";

const TEXT = "Too many connections; try again later.\n";
const ANSWER = new TextEncoder().encode(
  "HTTP/1.1 503 Service Unavailable\r\n" +
    "Content-Type: text/plain; charset=utf-8\r\n" +
    `Content-Length: ${TEXT.length}\r\n` +
    "Retry-After: 1\r\n" +
    "Connection: close\r\n\r\n" + TEXT,
);
/** How long the client may take to read the answer: closing with its request unread would destroy that (RFC 9112, 9.6). */
const LINGER_MS = 1_000;
/** How many are given that time at once: each holds a descriptor, which those that are served may want. */
const LINGERING_MAX = 256;
/** And no more than this share of the connections that are served. */
const LINGERING_SHARE = 1 / 8;
const scratch = new Uint8Array(4096);

/** Turns connections away. */
export class Refusals {
  readonly #clock: Clock;
  /** The oldest first. */
  readonly #lingering = new Set<Deadline>();

  /**
   * Nobody is refused yet.
   *
   * @param clock That of the loop.
   */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Answers 503 and closes. Never rejects.
   *
   * @param connectionsMax How many connections are served.
   */
  async refuse(connection: Connection, connectionsMax: number): Promise<void> {
    const deadline: Deadline = {
      deadlineMs: this.#clock.now() + LINGER_MS,
      expire: () => {
        if (!this.#lingering.delete(deadline)) return;
        this.#clock.remove(deadline);
        connection.close();
      },
    };
    const lingeringMax = Math.max(2, Math.min(LINGERING_MAX, connectionsMax * LINGERING_SHARE));
    for (const oldest of this.#lingering) {
      if (this.#lingering.size < lingeringMax) break;
      oldest.expire(this.#clock.now());
    }
    this.#lingering.add(deadline);
    this.#clock.add(deadline);
    try {
      await connection.write(ANSWER);
      await connection.closeWrite();
      while (await connection.read(scratch) !== null);
    } catch {
      // It has left: nothing was promised to it.
    }
    deadline.expire(this.#clock.now());
  }
}
