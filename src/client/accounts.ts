/**
 * What is told of a request that is over: to the counters, the access log and the status page.
 *
 * @module
 */

import type { Metrics } from "../observe/metrics.ts";
import type { AccessRecord } from "../observe/record.ts";
import type { RecentError } from "../observe/status.ts";
import type { ClientExchange } from "./exchange.ts";

/** Who is told. */
export interface Accounts {
  /** What is counted. */
  readonly metrics: Metrics;
  /** Takes a finished request; null: nobody wants to know. */
  readonly record: ((record: AccessRecord) => void) | null;
  /** Takes what went wrong with a request on this side of it; null: nobody wants to know. */
  readonly recordError: ((error: RecentError) => void) | null;
}

const CLIENT_CLOSED_REQUEST = 499;

/** A request was answered, as far as its client wanted. */
export function noteAnswered(
  { metrics, record, recordError }: Accounts,
  exchange: ClientExchange,
  status: number,
  nowMs: number,
): void {
  exchange.isNoted = true;
  const { sentBytes } = exchange;
  const durationMs = nowMs - exchange.startMs;
  // How long somebody looks at the status page says nothing about how fast the server is.
  const isMeasured = exchange.routeFound?.handler.kind !== "status";
  metrics.answered(status, isMeasured ? durationMs : null);
  if (record !== null) record(exchange.record(status, sentBytes, durationMs));
  if (exchange.notes.error !== null) recordError?.(exchange.error(status, exchange.notes.error));
}

/** A client left before its request had an answer: in the log that is nginx's 499. */
export function noteUnanswered({ metrics, record }: Accounts, exchange: ClientExchange, nowMs: number): void {
  if (exchange.isNoted) return;
  metrics.add("connectionsLost");
  record?.(exchange.record(CLIENT_CLOSED_REQUEST, 0, nowMs - exchange.startMs));
}
