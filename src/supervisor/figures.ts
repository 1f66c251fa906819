/**
 * The figures of all loops together: of those that live, in memory that each of them shares, and of those that are gone, which
 * is kept, so that a counter never goes back.
 *
 * @module
 */

import { Metrics } from "../observe/metrics.ts";

/** Everybody's figures. */
export class Figures {
  /** What loops that are gone have counted, and what the supervisor counts itself. */
  readonly own: Metrics = new Metrics();
  readonly #live = new Set<Metrics>();

  /** Figures for a loop to be started; nobody but that loop writes them. */
  open(): Metrics {
    const metrics = new Metrics();
    this.#live.add(metrics);
    return metrics;
  }

  /** A loop is gone: what it counted stays, its clients and scripts do not. Harmless when repeated. */
  close(metrics: Metrics): void {
    if (this.#live.delete(metrics)) this.own.inherit(metrics);
  }

  /** All of them, added up. */
  total(): Metrics {
    return Metrics.sum([this.own, ...this.#live]);
  }
}
