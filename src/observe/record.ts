/**
 * What is known of a request once it is answered: the access log's and the metrics' raw material.
 *
 * @module
 */

import type { FieldLines } from "../http/fields.ts";

/** One finished request. */
export interface AccessRecord {
  /** Milliseconds since 1970, when its first byte arrived. */
  readonly time: number;
  /** The client's address; `""` over a unix socket. */
  readonly remote: string;
  /** Who asked, as authentication knows them; null without. */
  readonly user: string | null;
  /** As sent; empty where the head could not be read. */
  readonly method: string;
  /** As sent; empty where the head could not be read. */
  readonly target: string;
  /** Empty where the head could not be read. */
  readonly protocol: "HTTP/1.1" | "HTTP/1.0" | "";
  /** The status that was sent; where none was, the one that would have been. */
  readonly status: number;
  /** Bytes of content sent, without head and chunk framing. */
  readonly bytes: number;
  /** From its first byte to the end of its answer, in milliseconds. */
  readonly durationMs: number;
  /** The request's field lines, which nobody keeps; null where none were read. */
  readonly fields: FieldLines | null;
  /** Its number for logs and error pages. */
  readonly requestId: string;
  /** Absolute path of the script; null without. */
  readonly script: string | null;
  /** How long the script ran, in milliseconds; null without. */
  readonly scriptMs: number | null;
  /** Exit status, or the signal's name; null without. */
  readonly exit: number | string | null;
}
