/**
 * An exchange as somebody else is to see it: with another head, or below another path. All else is the exchange's own.
 *
 * @module
 */

import type { RequestHead } from "../http/head.ts";
import type { Exchange } from "./handler.ts";

/** Passes on whatever does not differ. */
export abstract class ExchangeView implements Exchange {
  abstract readonly head: RequestHead;
  abstract readonly method: string;
  abstract readonly target: Exchange["target"];
  abstract readonly rest: string;
  /** The exchange that is seen. */
  readonly whole: Exchange;

  /** A view of `whole`. */
  constructor(whole: Exchange) {
    this.whole = whole;
  }

  get id(): string {
    return this.whole.id;
  }

  get site(): Exchange["site"] {
    return this.whole.site;
  }

  get route(): Exchange["route"] {
    return this.whole.route;
  }

  get body(): Exchange["body"] {
    return this.whole.body;
  }

  get peer(): Exchange["peer"] {
    return this.whole.peer;
  }

  get user(): string | null {
    return this.whole.user;
  }

  get signal(): AbortSignal {
    return this.whole.signal;
  }

  get notes(): Exchange["notes"] {
    return this.whole.notes;
  }

  delegate(): void {
    this.whole.delegate();
  }

  begun(): void {
    this.whole.begun();
  }
}
