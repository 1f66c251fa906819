/**
 * What FastCGI and SCGI have in common: a request as bytes, an answer as it arrives. No I/O.
 *
 * @module
 */

/** Bytes of a connection. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** What an application has said. */
export type ReplyEvent =
  | { readonly kind: "output"; readonly bytes: Bytes }
  | { readonly kind: "errors"; readonly bytes: Bytes }
  /** The answer is complete, with the application's exit status; -1: it gave none. */
  | { readonly kind: "end"; readonly status: number; readonly isReusable: boolean }
  /** It takes no more requests. */
  | { readonly kind: "overloaded" }
  | { readonly kind: "bad"; readonly reason: string };

/** Reads one answer. */
export interface ReplyReader {
  /**
   * Takes what has arrived.
   *
   * @returns What it says, in order; nothing follows an `end`, an `overloaded` or a `bad`. Contents are views of `bytes`.
   */
  push(bytes: Bytes): readonly ReplyEvent[];
  /** The connection has ended: what that means here. */
  close(): ReplyEvent;
}

/** How a gateway is spoken to. */
export interface Protocol {
  /** Its name, for logs. */
  readonly name: "fastcgi" | "scgi";
  /**
   * The beginning of a request, before its content.
   *
   * @param variables Names and values in turn.
   * @param hasContent Whether content follows; otherwise this is the whole request.
   * @param keepsOpen Whether the connection is wanted for further requests.
   */
  begin(variables: readonly string[], hasContent: boolean, keepsOpen: boolean): Bytes;
  /** A piece of content, framed; may be the piece itself. */
  content(bytes: Bytes): Bytes;
  /** What ends the content; null where its length says so. */
  contentEnd(): Bytes | null;
  /** Begins to read an answer. */
  reader(): ReplyReader;
}
