/**
 * What the system holds for TCP connections: bytes that were written and that the other end has not acknowledged.
 *
 * Linux tells it in /proc/net/tcp, which is read by way of `grep` for the reason that `process_table.ts` gives. It is asked
 * only about clients that seem to have stopped reading, once a second at most however many they are.
 *
 * @module
 */

import { delay } from "../time/timer.ts";
import { output } from "./process_table.ts";

/** Between two looks at the table, in milliseconds. */
const PAUSE_MS = 1_000;

/** The bytes that are held for each connection that has any, by the connection's name: local and remote address. */
export type HeldBytes = ReadonlyMap<string, number>;

/** Looks connections up. */
export class SocketTable {
  readonly #read: () => Promise<HeldBytes>;
  /** The look that all who ask now will share. */
  #next: Promise<HeldBytes | null> | null = null;
  #lastMs = -Infinity;

  /**
   * A table nobody has looked at yet.
   *
   * @param read Reads it.
   */
  constructor(read: () => Promise<HeldBytes> = readHeldBytes) {
    this.#read = read;
  }

  /**
   * How many bytes are held for a connection, read after the question was asked. Never rejects.
   *
   * @param names The names that it may have, as the system writes them: `LOCAL:PORT REMOTE:PORT` in hexadecimal.
   * @returns null where the table cannot be read.
   */
  async heldBytes(names: readonly string[]): Promise<number | null> {
    const table = await (this.#next ??= this.#look());
    if (table === null) return null;
    for (const name of names) {
      const bytes = table.get(name);
      if (bytes !== undefined) return bytes;
    }
    return 0;
  }

  async #look(): Promise<HeldBytes | null> {
    await delay(Math.max(0, this.#lastMs + PAUSE_MS - performance.now()));
    // Who asks from here on may want what has happened since.
    this.#next = null;
    try {
      return await this.#read();
    } catch (error) {
      if (error instanceof Error) return null; // No shell, no room for another process: then nobody knows.
      throw error;
    } finally {
      this.#lastMs = performance.now();
    }
  }
}

async function readHeldBytes(): Promise<HeldBytes> {
  const idle = " 00000000:"; // a send queue without a byte
  return parseHeldBytes(
    await output("/bin/sh", ["-c", `exec grep -hv '${idle}' /proc/net/tcp /proc/net/tcp6`]),
  );
}

/** Reads the lines of /proc/net/tcp and /proc/net/tcp6 (proc_net(5)): `sl local remote st tx_queue:rx_queue ...`. */
export function parseHeldBytes(text: string): HeldBytes {
  const held = new Map<string, number>();
  for (const line of text.split("\n")) {
    const match = /^ *[0-9]+: ([0-9A-F]+:[0-9A-F]{4} [0-9A-F]+:[0-9A-F]{4}) [0-9A-F]{2} ([0-9A-F]{8}):/.exec(
      line,
    );
    if (match !== null) held.set(match[1], parseInt(match[2], 16));
  }
  return held;
}
