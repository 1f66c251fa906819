/**
 * A network loop's way to learn how the server is: it asks the supervisor, which alone sees all loops.
 *
 * @module
 */

import type { ServerStatus } from "../observe/status.ts";
import type { StatusSource } from "../status/feed.ts";
import type { FromNetwork } from "../supervisor/messages.ts";

/** Asks the supervisor. */
export class SupervisorStatus implements StatusSource {
  readonly #post: (message: FromNetwork) => void;
  readonly #asked = new Map<number, (status: ServerStatus) => void>();
  #lastRequest = 0;

  /**
   * Nothing is asked yet.
   *
   * @param post Sends a message to the supervisor.
   */
  constructor(post: (message: FromNetwork) => void) {
    this.#post = post;
  }

  ask(historySteps: number): Promise<ServerStatus> {
    const request = ++this.#lastRequest;
    const { promise, resolve } = Promise.withResolvers<ServerStatus>();
    this.#asked.set(request, resolve);
    // Who asks is counted in its new state when it begins to wait, in this turn: the supervisor is not to look before that.
    queueMicrotask(() => this.#post({ kind: "statusWanted", request, historySteps }));
    return promise;
  }

  /** The supervisor has answered. */
  told(request: number, status: ServerStatus): void {
    this.#asked.get(request)?.(status);
    this.#asked.delete(request);
  }
}
