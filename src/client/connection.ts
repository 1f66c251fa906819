/**
 * A client's connection, and how one breaks.
 *
 * @module
 */

import type { LentBytes } from "../buffers.ts";
import { ExchangeAborted } from "../handlers/handler.ts";

/** A connection, as of `Deno.Conn`. */
export interface Connection {
  /** Reads some bytes; null at the end. */
  read(buffer: LentBytes): Promise<number | null>;
  /** Writes some of the bytes and says how many. */
  write(bytes: LentBytes): Promise<number>;
  /** Sends the end of what is sent. */
  closeWrite(): Promise<void>;
  /** Closes both ways; throws BadResource when it is closed. */
  close(): void;
  /** TLS only. */
  handshake?(): Promise<unknown>;
}

/** Whether an error is how a connection breaks, by its client's doing or ours; all else is a bug. */
export function isConnectionError(error: unknown): boolean {
  return error instanceof ExchangeAborted || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.NotConnected || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.UnexpectedEof ||
    error instanceof Deno.errors.InvalidData || error instanceof Deno.errors.TimedOut;
}
