/**
 * Bounds what all clients of a loop hold in memory together. Each has bounds of its own, but ten thousand times those is more than
 * a machine has: beyond the budget the connections are closed that nobody is being answered on, the oldest first.
 *
 * @module
 */

import type { Clock, Deadline } from "../time/clock.ts";

/** What the budget sees of a client. */
export interface Holder {
  /** Bytes that it has in buffers. */
  readonly heldBytes: number;
  /** Nothing is under way for it: it is idle, or has not sent all of a head. */
  readonly isDispensable: boolean;
  /** Closes its connection. */
  shed(): void;
}

/** Over all loops, in bytes. */
const BUDGET_BYTES = 256 * 1024 * 1024;
/** What a connection costs besides its buffers. */
const CONNECTION_BYTES = 8 * 1024;
/** Down to this share of the budget: not one by one. */
const ENOUGH = 0.9;
/** How often it is added up, in milliseconds. */
const LOOK_MS = 1_000;

/** Keeps a loop's clients to their budget. */
export class Budget implements Deadline {
  /** When it is added up next; Infinity without clients. */
  deadlineMs: number = Infinity;
  readonly #clock: Clock;
  readonly #holders: Iterable<Holder>;
  readonly #shed: (count: number) => void;
  readonly #bytes: number;

  /**
   * Looks at nobody yet.
   *
   * @param holders The clients, the oldest first.
   * @param shed Told of how many were closed.
   * @param loops How many loops share the budget.
   * @param bytes The budget of all of them.
   */
  constructor(
    clock: Clock,
    holders: Iterable<Holder>,
    shed: (count: number) => void,
    loops: number,
    bytes: number = BUDGET_BYTES,
  ) {
    this.#clock = clock;
    this.#holders = holders;
    this.#shed = shed;
    this.#bytes = bytes / loops;
  }

  /** There is a client more: it is looked at from now on. */
  watch(): void {
    if (this.deadlineMs !== Infinity) return;
    this.deadlineMs = this.#clock.now() + LOOK_MS;
    this.#clock.add(this);
  }

  /** Adds up, and closes what is too much. */
  expire(nowMs: number): void {
    let bytes = 0;
    let count = 0;
    for (const { heldBytes } of this.#holders) {
      bytes += CONNECTION_BYTES + heldBytes;
      count++;
    }
    if (bytes > this.#bytes) this.#close(bytes - this.#bytes * ENOUGH);
    this.deadlineMs = count === 0 ? Infinity : nowMs + LOOK_MS;
    if (count === 0) this.#clock.remove(this);
  }

  #close(tooManyBytes: number): void {
    let left = tooManyBytes;
    const closed: Holder[] = [];
    for (const holder of this.#holders) {
      if (left <= 0) break;
      if (!holder.isDispensable) continue;
      left -= CONNECTION_BYTES + holder.heldBytes;
      closed.push(holder);
    }
    for (const holder of closed) holder.shed();
    if (closed.length > 0) this.#shed(closed.length);
  }
}
