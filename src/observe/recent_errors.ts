/**
 * What a loop tells of requests that failed: each, but not more than a few a second. Where thousands fail, the first ones
 * and their number say it all.
 *
 * @module
 */

import type { RecentError } from "./status.ts";

const PER_SECOND_MAX = 10;

/** Passes failures on. */
export class RecentErrors {
  readonly #send: (error: RecentError) => void;
  #second = 0;
  #count = 0;

  /**
   * None has failed yet.
   *
   * @param send Takes those that are passed on.
   */
  constructor(send: (error: RecentError) => void) {
    this.#send = send;
  }

  /** A request has failed. */
  readonly add: (error: RecentError) => void = (error) => {
    const second = Math.floor(error.timeMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#count = 0;
    }
    if (++this.#count <= PER_SECOND_MAX) this.#send(error);
  };
}
