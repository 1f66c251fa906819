/**
 * The request target (RFC 9112, 3.2; RFC 3986): its form, and the path as routes, files and scripts see it.
 *
 * @module
 */

/** A parsed request target. */
export interface Target {
  readonly form: "origin" | "absolute" | "authority" | "asterisk";
  /** The path as sent, without query; `*` in asterisk-form; `/` for an absolute-form without path. */
  readonly rawPath: string;
  /**
   * The path decoded once, with dot segments removed and runs of slashes kept; begins with a slash.
   * `%2F` stays `%2F`; where bytes are no UTF-8, they stay percent-encoded and `isUtf8` is false.
   */
  readonly path: string;
  readonly isUtf8: boolean;
  /** Whether `path` holds an encoded slash: no file has such a name. */
  readonly hasEncodedSlash: boolean;
  /** What follows the first `?`, as sent; null without one. */
  readonly query: string | null;
  /** `host[:port]` of an absolute-form, which beats the Host field; null otherwise. */
  readonly authority: string | null;
}
