/**
 * One connection to an application. While it is idle a read waits on it, so that its end is noticed at once.
 *
 * @module
 */

import type { Bytes } from "./protocol.ts";

/** What bytes travel over, as of `Deno.Conn`. */
export interface Transport {
  /** Reads some bytes; null at the end. */
  read(buffer: Bytes): Promise<number | null>;
  /** Writes some of the bytes and says how many. */
  write(bytes: Bytes): Promise<number>;
  /** Closes both ways. */
  close(): void;
}

/** Bytes, the receiver's to keep; `ended`: the other side has said all; `lost`: the connection broke, or was closed here. */
export type Received = Bytes | "ended" | "lost";

const READ_BYTES = 65_536;

/** A connection. */
export class GatewayConnection {
  /** Which of the route's addresses it leads to. */
  readonly address: number;
  /** When it was opened, in milliseconds of the loop's clock. */
  readonly openedMs: number;
  /** Whether it has carried another request before this one. */
  isReused = false;
  readonly #transport: Transport;
  readonly #buffer: Bytes = new Uint8Array(READ_BYTES);
  /** The read that was begun while it was idle. */
  #reading: Promise<Received> | null = null;
  #isClosed = false;

  /**
   * Takes a transport over.
   *
   * @param address Which of the route's addresses it leads to.
   */
  constructor(transport: Transport, address: number, openedMs: number) {
    this.openedMs = openedMs;
    this.#transport = transport;
    this.address = address;
  }

  /** What comes next. */
  read(): Promise<Received> {
    const reading = this.#reading ?? this.#read();
    this.#reading = null;
    return reading;
  }

  /** Sends all of it. False: the other side takes no more, or the connection is closed here. */
  async write(bytes: Bytes): Promise<boolean> {
    try {
      for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await this.#transport.write(rest));
      return true;
    } catch (error) {
      if (!isBroken(error)) throw error;
      return false;
    }
  }

  /** Nothing is expected on it until it is read again: `onUnexpected` is called when something comes before, or it ends. */
  rest(onUnexpected: () => void): void {
    const reading = this.#read();
    this.#reading = reading;
    reading.then(() => {
      if (this.#reading === reading) onUnexpected();
    });
  }

  /** Closes it, whatever is under way. Harmless when repeated. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#reading = null;
    this.#transport.close();
  }

  async #read(): Promise<Received> {
    try {
      const count = await this.#transport.read(this.#buffer);
      return count === null ? "ended" : this.#buffer.slice(0, count);
    } catch (error) {
      if (!isBroken(error)) throw error;
      return "lost";
    }
  }
}

/** Whether it was the system that said so, whatever it said; or the connection was closed here meanwhile. */
function isBroken(error: unknown): boolean {
  return error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted ||
    (error instanceof Error && "code" in error);
}
