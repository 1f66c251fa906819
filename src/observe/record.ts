/**
 * What is known of a request once it is answered: the access log's and the metrics' raw material.
 *
 * @module
 */

/** One finished request. */
export interface AccessRecord {
  /** Milliseconds since 1970, when its first byte arrived. */
  readonly time: number;
  /** The client's address; `""` over a unix socket. */
  readonly remote: string;
  readonly user: string | null;
  /** As sent; empty where the head could not be read. */
  readonly method: string;
  /** As sent; empty where the head could not be read. */
  readonly target: string;
  /** `HTTP/1.1`, or empty. */
  readonly protocol: string;
  readonly status: number;
  /** Bytes of content sent, without head and chunk framing. */
  readonly bytes: number;
  readonly durationMs: number;
  readonly referer: string | null;
  readonly userAgent: string | null;
  readonly requestId: string;
  readonly host: string | null;
  readonly script: string | null;
  readonly scriptMs: number | null;
  readonly exit: number | string | null;
}
