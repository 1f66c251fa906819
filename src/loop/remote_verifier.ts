/**
 * Passwords as a network loop has them looked at: by the password loop, over a port. One at a time: what waits here can be given
 * up, what was sent is computed, however long ago its client was told that it takes too long.
 *
 * @module
 */

import { HttpError } from "../http/error.ts";
import type { Verifier } from "../route/auth.ts";
import { after } from "../time/timer.ts";
import type { PasswordAnswer, PasswordQuestion } from "../supervisor/messages.ts";

/** Questions of one loop that may wait: with bcrypt's cost 10 the last of them does so for some seconds. */
const WAITING_MAX = 64;
/** How long an answer may take, in milliseconds: twice what the last of so many waits for bcrypt's cost 11. */
const ANSWER_MS = 20_000;

interface Waiting {
  readonly password: string;
  readonly hash: string;
  readonly answer: PromiseWithResolvers<boolean>;
}

/** The network loop's end of `passwords.ts`. */
export class RemoteVerifier implements Verifier {
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiting>();
  /** What the password loop works on; it stays here when it is given up. */
  #asked: { readonly id: number; readonly answer: PromiseWithResolvers<boolean> } | null = null;
  #port: MessagePort;
  #lastId = 0;

  readonly #answerMs: number;

  /**
   * Nobody waits yet.
   *
   * @param port To the password loop.
   * @param answerMs How long an answer may take.
   */
  constructor(port: MessagePort, answerMs: number = ANSWER_MS) {
    this.#port = port;
    this.#answerMs = answerMs;
    this.#listen(port);
  }

  /**
   * Asks.
   *
   * @throws {HttpError} 503: too many wait already, or the password loop was lost or does not answer.
   */
  verify(password: string, hash: string): Promise<boolean> {
    if (this.#waiting.size >= WAITING_MAX) {
      return Promise.reject(unavailable("too many passwords wait to be looked at"));
    }
    const answer = Promise.withResolvers<boolean>();
    const waiting: Waiting = { password, hash, answer };
    this.#waiting.add(waiting);
    const forget = after(this.#answerMs, () => {
      this.#waiting.delete(waiting);
      answer.reject(unavailable("the password loop does not answer"));
    });
    this.#askNext();
    return answer.promise.finally(forget);
  }

  /** Another password loop has taken over. */
  replace(port: MessagePort): void {
    this.#port.close();
    this.#port = port;
    this.#listen(port);
    this.#asked?.answer.reject(unavailable("the password loop was lost"));
    this.#asked = null;
    this.#askNext();
  }

  #askNext(): void {
    if (this.#asked !== null) return;
    const [next] = this.#waiting;
    if (next === undefined) return;
    const { password, hash, answer } = next;
    this.#waiting.delete(next);
    this.#asked = { id: ++this.#lastId, answer };
    this.#port.postMessage({ id: this.#lastId, password, hash } satisfies PasswordQuestion);
  }

  #listen(port: MessagePort): void {
    port.onmessage = ({ data }: MessageEvent<PasswordAnswer>) => {
      if (data.id !== this.#asked?.id) return; // of a loop that was replaced
      this.#asked.answer.resolve(data.isGood);
      this.#asked = null;
      this.#askNext();
    };
  }
}

function unavailable(reason: string): HttpError {
  return new HttpError(503, reason, { fields: [["Retry-After", "1"]] });
}
