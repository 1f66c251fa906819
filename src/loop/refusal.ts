/**
 * The answer to a connection beyond the limits: made beforehand, so that a flood costs next to nothing.
 *
 * @module
 */

import type { Connection } from "../client/client.ts";
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
const scratch = new Uint8Array(4096);

/** Answers 503 and closes. Never rejects. */
export async function refuseConnection(connection: Connection, clock: Clock): Promise<void> {
  let isClosed = false;
  const deadline: Deadline = {
    deadlineMs: clock.now() + LINGER_MS,
    expire() {
      clock.remove(deadline);
      isClosed = true;
      connection.close();
    },
  };
  clock.add(deadline);
  try {
    await connection.write(ANSWER);
    await connection.closeWrite();
    while (await connection.read(scratch) !== null);
  } catch {
    // It has left: nothing was promised to it.
  }
  if (!isClosed) deadline.expire(clock.now());
}
