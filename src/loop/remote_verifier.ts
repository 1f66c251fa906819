/**
 * Passwords as a network loop has them looked at: by the password loop, over a port.
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

/** The network loop's end of `passwords.ts`. */
export class RemoteVerifier implements Verifier {
  readonly #waiting = new Map<number, PromiseWithResolvers<boolean>>();
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
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<boolean>();
    this.#waiting.set(id, answer);
    this.#port.postMessage({ id, password, hash } satisfies PasswordQuestion);
    const forget = after(this.#answerMs, () => {
      this.#waiting.delete(id);
      answer.reject(unavailable("the password loop does not answer"));
    });
    return answer.promise.finally(forget);
  }

  /** Another password loop has taken over. */
  replace(port: MessagePort): void {
    this.#port.close();
    const lost = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#port = port;
    this.#listen(port);
    for (const answer of lost) answer.reject(unavailable("the password loop was lost"));
  }

  #listen(port: MessagePort): void {
    port.onmessage = ({ data }: MessageEvent<PasswordAnswer>) => {
      this.#waiting.get(data.id)?.resolve(data.isGood);
      this.#waiting.delete(data.id);
    };
  }
}

function unavailable(reason: string): HttpError {
  return new HttpError(503, reason, { fields: [["Retry-After", "1"]] });
}
