/**
 * Notices a loop that is wedged: alive, but answering nobody. It is asked now and then whether it is there; one that has
 * said nothing over several questions is to be replaced.
 *
 * Questions are counted and not seconds: a machine that slept, or a program that was stopped, counts as one.
 *
 * @module
 */

import { after } from "../time/timer.ts";

/** Between two questions, in milliseconds. */
export const ASK_MS = 5_000;
/** So many questions without a word are too many. */
const SILENCES_MAX = 4;
/** Before its first word it has to start, on a machine that may be busy. */
const FIRST_SILENCES_MAX = 60;

/** Watches one loop. */
export class Watch {
  readonly #ask: () => void;
  readonly #wedged: (silentMs: number) => void;
  readonly #askMs: number;
  #silences = 0;
  #silencesMax = FIRST_SILENCES_MAX;
  #isOver = false;

  /**
   * Asks from now on.
   *
   * @param ask Puts the question.
   * @param wedged Called once, where no answer comes; `silentMs` is how long that took.
   * @param askMs Between two questions, in milliseconds.
   */
  constructor(ask: () => void, wedged: (silentMs: number) => void, askMs: number = ASK_MS) {
    this.#ask = ask;
    this.#wedged = wedged;
    this.#askMs = askMs;
    this.#askLater();
  }

  /** It has said something, whatever it was. */
  heard(): void {
    this.#silences = 0;
    this.#silencesMax = SILENCES_MAX;
  }

  /** It is gone, or nobody wants to know any more. */
  end(): void {
    this.#isOver = true;
  }

  #askLater(): void {
    after(this.#askMs, () => this.#tick());
  }

  #tick(): void {
    if (this.#isOver) return;
    if (this.#silences >= this.#silencesMax) {
      this.#isOver = true;
      this.#wedged(this.#silences * this.#askMs);
      return;
    }
    this.#silences++;
    this.#ask();
    this.#askLater();
  }
}
