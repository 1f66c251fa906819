/**
 * The status as server-sent events: once a second, to whoever looks, from one question a second for all of them.
 *
 * @module
 */

import type { Source } from "../handlers/handler.ts";
import { HISTORY_STEPS } from "../observe/history.ts";
import { type ServerStatus, statusAsJson } from "../observe/status.ts";

/** Who knows how the server is. */
export interface StatusSource {
  /** How it is now, with so many of the last steps. */
  ask(historySteps: number): Promise<ServerStatus>;
}

const INTERVAL_MS = 1000;
/** So much of the past comes with each event: a step that fell between two events is not lost. */
const STEPS = 3;
const TEXT = new TextEncoder();

/** Tells everybody who looks. */
export class StatusFeed {
  readonly #source: StatusSource;
  readonly #after: (ms: number, callback: () => void) => void;
  readonly #viewers = new Set<Viewer>();
  #isTicking = false;

  /**
   * Nothing happens as long as nobody looks.
   *
   * @param after Calls back once, later.
   */
  constructor(source: StatusSource, after: (ms: number, callback: () => void) => void) {
    this.#source = source;
    this.#after = after;
  }

  /** Events from now on, the first with all that is kept of the past. */
  watch(): Source {
    const viewer = new Viewer((gone) => this.#viewers.delete(gone));
    this.#viewers.add(viewer);
    this.#source.ask(HISTORY_STEPS).then((status) => viewer.begin(encodeEvent(status)));
    if (!this.#isTicking) {
      this.#isTicking = true;
      this.#after(INTERVAL_MS, () => this.#tick());
    }
    return viewer;
  }

  /** Ends all streams: the loop stops, or goes by other rules from now on. Whoever looks comes back by itself. */
  end(): void {
    for (const viewer of this.#viewers) viewer.end();
  }

  async #tick(): Promise<void> {
    if (this.#viewers.size === 0) {
      this.#isTicking = false;
      return;
    }
    const event = encodeEvent(await this.#source.ask(STEPS));
    for (const viewer of this.#viewers) viewer.give(event);
    this.#after(INTERVAL_MS, () => this.#tick());
  }
}

function encodeEvent(status: ServerStatus): Uint8Array<ArrayBuffer> {
  return TEXT.encode(`data: ${JSON.stringify(statusAsJson(status))}\n\n`);
}

/** One stream. Who reads slowly gets the latest state and not all of them: nothing piles up. */
class Viewer implements Source {
  readonly length = null;
  readonly #gone: (viewer: Viewer) => void;
  /** The first event has the past and is not to be replaced. */
  #first: Uint8Array<ArrayBuffer> | null = null;
  #hasBegun = false;
  #latest: Uint8Array<ArrayBuffer> | null = null;
  #isEnded = false;
  #waiting: ((bytes: Uint8Array<ArrayBuffer> | null) => void) | null = null;

  constructor(gone: (viewer: Viewer) => void) {
    this.#gone = gone;
  }

  begin(past: Uint8Array<ArrayBuffer>): void {
    this.#hasBegun = true;
    this.#first = past;
    this.#wake();
  }

  /** Before the first there is nothing that this could add to: it is dropped. */
  give(event: Uint8Array<ArrayBuffer>): void {
    if (!this.#hasBegun) return;
    this.#latest = event;
    this.#wake();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  read(): Promise<Uint8Array<ArrayBuffer> | null> {
    const { promise, resolve } = Promise.withResolvers<Uint8Array<ArrayBuffer> | null>();
    this.#waiting = resolve;
    this.#wake();
    return promise;
  }

  close(): void {
    this.#gone(this);
  }

  #wake(): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    const event = this.#first ?? this.#latest;
    if (event === null && !this.#isEnded) return;
    this.#waiting = null;
    if (this.#first !== null) this.#first = null;
    else this.#latest = null;
    waiting(this.#isEnded ? null : event);
  }
}
