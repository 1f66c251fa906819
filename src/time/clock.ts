/**
 * The coarse clock of a loop: one interval for all deadlines, instead of a timer a wait.
 *
 * Time is in milliseconds since the loop began (`performance.now()`), read once a tick and whenever `now()` is asked.
 * Tests pass a clock of their own and turn it by hand.
 *
 * @module
 */

import { Chain, type Link } from "../chain.ts";
import { after } from "./timer.ts";

/** Something that must not wait for ever. */
export interface Deadline {
  /** When `expire` is to be called, in milliseconds of its clock; Infinity: never. May be changed at any time. */
  deadlineMs: number;
  /** Called once the time has passed, at each tick until `deadlineMs` is moved or the deadline is removed. */
  expire(nowMs: number): void;
  /** Its clock's: where it stands among the others; null or absent: it is not looked at. */
  link?: Link<Deadline> | null;
}

/** Tells the time and keeps deadlines. */
export interface Clock {
  /** Milliseconds, monotonic. The same for all that happens in one turn of the loop. */
  now(): number;
  /** The time as it was last read, at most a tick ago: good enough for deadlines, and it costs nothing. */
  readonly coarseMs: number;
  /** From now on `deadline` is looked at in each tick. */
  add(deadline: Deadline): void;
  /** No longer. Harmless when it was not there. */
  remove(deadline: Deadline): void;
}

/** A clock that ticks by itself while it has deadlines to watch. */
export class LoopClock implements Clock {
  readonly #deadlines = new Chain<Deadline>();
  readonly #tickMs: number;
  /** The time as it was last read. */
  coarseMs = 0;
  /** Whether that was in this turn. */
  #isFresh = false;
  #isTicking = false;

  /**
   * Makes a clock that stands until it has something to watch.
   *
   * @param tickMs How late a deadline may be noticed at most, in milliseconds.
   */
  constructor(tickMs = 50) {
    this.#tickMs = tickMs;
  }

  /**
   * Milliseconds, monotonic. Reading the time costs 0.2 us, and what has arrived together is answered in one turn: whoever asks
   * first reads it for all who stand in the queue of microtasks.
   */
  now(): number {
    if (!this.#isFresh) {
      this.#isFresh = true;
      this.coarseMs = performance.now();
      queueMicrotask(this.#goStale);
    }
    return this.coarseMs;
  }

  readonly #goStale = (): void => {
    this.#isFresh = false;
  };

  /** From now on `deadline` is looked at in each tick. */
  add(deadline: Deadline): void {
    watch(this.#deadlines, deadline);
    if (!this.#isTicking) this.#tickLater();
  }

  /** No longer. Harmless when it was not there. */
  remove(deadline: Deadline): void {
    unwatch(this.#deadlines, deadline);
  }

  #tickLater(): void {
    this.#isTicking = true;
    after(this.#tickMs, () => this.#tick());
  }

  #tick(): void {
    this.#isTicking = false;
    expireDue(this.#deadlines, this.now());
    if (this.#deadlines.size > 0) this.#tickLater();
  }
}

/** A clock that stands still until it is turned: every timeout is tested without waiting for it. */
export class ManualClock implements Clock {
  readonly #deadlines = new Chain<Deadline>();
  #nowMs = 0;

  /** Milliseconds, as turned. */
  now(): number {
    return this.#nowMs;
  }

  /** From now on `deadline` is looked at when the clock is turned. */
  add(deadline: Deadline): void {
    watch(this.#deadlines, deadline);
  }

  /** No longer. */
  remove(deadline: Deadline): void {
    unwatch(this.#deadlines, deadline);
  }

  /** The same: this clock stands still between two turns. */
  get coarseMs(): number {
    return this.#nowMs;
  }

  /** How many deadlines are kept: none may be left behind. */
  get size(): number {
    return this.#deadlines.size;
  }

  /** Turns the clock on by `ms` and expires what is due. */
  turn(ms: number): void {
    this.#nowMs += ms;
    expireDue(this.#deadlines, this.#nowMs);
  }
}

function watch(deadlines: Chain<Deadline>, deadline: Deadline): void {
  deadline.link ??= deadlines.add(deadline);
}

function unwatch(deadlines: Chain<Deadline>, deadline: Deadline): void {
  if (deadline.link) deadlines.remove(deadline.link);
  deadline.link = null;
}

/** One that expires may move or remove others, which then are not due any more. */
function expireDue(deadlines: Chain<Deadline>, nowMs: number): void {
  const due: Deadline[] = [];
  for (const deadline of deadlines) {
    if (deadline.deadlineMs <= nowMs) due.push(deadline);
  }
  for (const deadline of due) {
    if (deadline.link && deadline.deadlineMs <= nowMs) deadline.expire(nowMs);
  }
}
