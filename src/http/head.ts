/**
 * The head of a request: request line and field section (RFC 9112, 3 and 5), from bytes as they arrive.
 *
 * @module
 */

import type { FieldSection } from "./fields.ts";

/** Bounds on a head, all in bytes but the count. */
export interface HeadLimits {
  readonly requestLineBytes: number;
  readonly headerBytes: number;
  readonly headerCount: number;
}

/** A request's head. */
export interface RequestHead {
  /** Upper-case token as sent. */
  readonly method: string;
  /** The request target as sent; ASCII. */
  readonly target: string;
  /** HTTP/1.`minor`. */
  readonly minor: 0 | 1;
  readonly fields: FieldSection;
  /** Length of the head on the wire, with its closing empty line. */
  readonly bytes: number;
}
