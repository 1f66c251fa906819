/**
 * The loop that verifies passwords, as the supervisor holds it.
 *
 * @module
 */

import type { LoopsHost } from "./loops_host.ts";
import { LoopWorker } from "./loop_worker.ts";
import type { SignOfLife, ToPasswords } from "./messages.ts";
import { NOTHING } from "./permissions.ts";

/** Verifies passwords, and may do nothing else. */
export class PasswordLoop {
  readonly #worker: LoopWorker<ToPasswords, SignOfLife>;

  /**
   * Starts it.
   *
   * @param died It died by itself and is ended; called once.
   */
  constructor({ reserve, askMs }: LoopsHost, died: (reason: string) => void) {
    reserve.release();
    this.#worker = new LoopWorker("passwords", NOTHING, { message: () => {}, died }, askMs);
  }

  /** A network loop's way to it. */
  port(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#worker.post({ kind: "serve", port: port1 }, [port1]);
    return port2;
  }

  /** Ends it. */
  end(): void {
    this.#worker.end();
  }
}
