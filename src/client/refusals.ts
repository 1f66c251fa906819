/**
 * From an error to the reply that a client gets for it: which refusal it comes to, and what the log is told.
 *
 * @module
 */

import type { LogLevel } from "../config/config.ts";
import type { Reply } from "../handlers/handler.ts";
import { HttpError } from "../http/error.ts";
import { logBug } from "../observe/bug.ts";
import type { Logger } from "../observe/logger.ts";
import type { Metrics } from "../observe/metrics.ts";
import { isShortage } from "../shortage.ts";
import type { Answerer } from "./answerer.ts";
import type { ClientExchange } from "./exchange.ts";
import { isSource } from "./send.ts";

/** What refusing needs of a loop. */
export interface RefusalHost {
  /** Where bugs are counted. */
  readonly metrics: Metrics;
  /** The error log. */
  readonly log: Logger;
  /** Makes the pages. */
  readonly answerer: Answerer;
}

/** The reply to a request that is refused, or whose handler failed: at once, unless the site has a page of its own for it. */
export function errorReply(
  host: RefusalHost,
  exchange: ClientExchange,
  error: unknown,
): Reply | Promise<Reply> {
  const refusal = error instanceof HttpError
    ? worst(exchange, error)
    : isShortage(error)
    ? shortage(host, exchange, error)
    : bug(host, exchange, error);
  if (refusal === error && exchange.notes.error === null) {
    const { method, target } = exchange.head;
    const level = refusal.status >= 500 ? "warn" : "debug";
    sayRefused(host.log, `[${exchange.id}] ${method} ${target}`, refusal, level);
  }
  if (refusal.status >= 500) exchange.notes.error ??= refusal.message;
  return host.answerer.refuse(exchange, refusal);
}

/** What is the client's own fault is told to who asks for it: anybody can make such a request, any number of times. */
export function sayRefused(
  log: Logger,
  request: string,
  { status, message }: HttpError,
  level: LogLevel,
): void {
  log.log(level, `${request}: refused with ${status}: ${message}`);
}

/**
 * The reply, unless content that has come with the request, and that nobody reads, is malformed: what is ambiguous is
 * refused, whether it is wanted or not.
 *
 * @throws {HttpError} It is.
 */
export function dropUnread(exchange: ClientExchange, reply: Reply): Reply {
  if (exchange.isDelegated || exchange.clientBody.isComplete) return reply;
  try {
    exchange.clientBody.dropArrived();
    return reply;
  } catch (error) {
    if (isSource(reply.body)) reply.body.close(error);
    throw error;
  }
}

/** A request may be refused for two reasons. */
function worst(exchange: ClientExchange, error: HttpError): HttpError {
  if (error.close || exchange.isDelegated) return error;
  try {
    exchange.clientBody.dropArrived();
    return error;
  } catch (worse) {
    if (worse instanceof HttpError) return worse;
    throw worse;
  }
}

function shortage({ log }: RefusalHost, exchange: ClientExchange, error: unknown): HttpError {
  const { target } = exchange.head;
  log.log(
    "warn",
    `[${exchange.id}] ${target}: ${
      String(error)
    }; answered with 503: raise what ulimit -n and -u allow, or the memory`,
  );
  return new HttpError(503, "the system lacks something", { fields: [["Retry-After", "1"]] });
}

function bug({ log, metrics }: RefusalHost, exchange: ClientExchange, error: unknown): HttpError {
  metrics.add("errors");
  logBug(log, `[${exchange.id}] ${exchange.head.target}: a bug of Pollux, answered with 500`, error);
  return new HttpError(500, "internal error", { close: true });
}
