/**
 * Ends process trees by asking the supervisor: `Deno.kill` needs a permission that no loop has.
 *
 * @module
 */

import type { TreeKiller } from "../cgi/process.ts";
import type { FromScript } from "../supervisor/messages.ts";

/** The script loop's end of `supervisor/trees.ts`. */
export class RemoteTrees implements TreeKiller {
  readonly #post: (message: FromScript) => void;
  readonly #waiting = new Map<number, () => void>();
  #lastRequest = 0;

  /**
   * Asks for nothing yet.
   *
   * @param post Sends a message to the supervisor.
   */
  constructor(post: (message: FromScript) => void) {
    this.#post = post;
  }

  /** Ends `pid` and all its descendants; resolves once they are gone. */
  endTree(pid: number, graceMs: number, marks: readonly string[]): Promise<void> {
    const request = ++this.#lastRequest;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(request, resolve);
    this.#post({ kind: "endTree", request, pid, graceMs, marks });
    return promise;
  }

  /** Says that `pid` was reaped. */
  rootEnded(pid: number): void {
    this.#post({ kind: "rootEnded", pid });
  }

  /** The supervisor has answered. */
  ended(request: number): void {
    this.#waiting.get(request)?.();
    this.#waiting.delete(request);
  }
}
