/**
 * The one error that a client can cause: a status, a reason for the log, and whether the connection can go on.
 * Thrown in `http/`, `route/` and `handlers/`, answered in one place (`client/`).
 *
 * @module
 */

import type { Field } from "./fields.ts";

/** What an {@linkcode HttpError} may say beside its status and reason. */
export interface HttpErrorOptions {
  /** Fields the reply must carry: `Allow`, `Retry-After`, `WWW-Authenticate`, `Content-Range`. */
  fields?: readonly Field[];
  /** The connection cannot be used any more: where the next request begins is unknown or not to be trusted. */
  close?: boolean;
  /** What caused it, for the error log only. */
  cause?: unknown;
}

/** A request that is refused: answered with `status` and an error page; `message` goes to the error log, never to the client. */
export class HttpError extends Error {
  /** The status of the reply, 400 to 599. */
  readonly status: number;
  /** Fields for the reply. */
  readonly fields: readonly Field[];
  /** Whether the connection is closed after the reply. */
  readonly close: boolean;

  /**
   * Makes a refusal.
   *
   * @param status The status of the reply, 400 to 599.
   * @param reason What was wrong, for the log.
   */
  constructor(status: number, reason: string, options: HttpErrorOptions = {}) {
    super(reason, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "HttpError";
    this.status = status;
    this.fields = options.fields ?? [];
    this.close = options.close ?? false;
  }
}
