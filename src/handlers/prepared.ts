/**
 * Replies that are given again and again, with the bytes that they become: nothing is rendered for them twice.
 *
 * A reply is told by its identity, so that one that is made from another has nothing of this.
 *
 * @module
 */

import { type PreparedResponse, prepareResponse } from "../http/response.ts";
import type { Reply } from "./handler.ts";

const PREPARED = new WeakMap<Reply, PreparedResponse>();

/** Content above this is not copied into its head's buffer: the copy would take more than it saves. In bytes. */
const CONTENT_BYTES_MAX = 8 * 1024;

/** How many bytes are kept for a reply with so much content. */
export function preparedBytes(contentBytes: number): number {
  return contentBytes <= CONTENT_BYTES_MAX ? 512 + contentBytes : 0;
}

/** Renders a reply, where that is worth its memory; the reply, frozen. Its content is in memory. */
export function prepareReply(reply: Reply & { readonly body: Uint8Array<ArrayBuffer> | null }): Reply {
  const { status, fields, body } = reply;
  if ((body?.length ?? 0) <= CONTENT_BYTES_MAX) PREPARED.set(reply, prepareResponse(status, fields, body));
  return Object.freeze(reply);
}

/** What a reply was rendered to; it holds for HTTP/1.1, a connection that goes on, and no fields beside the reply's own. */
export function preparedResponse(reply: Reply): PreparedResponse | undefined {
  return PREPARED.get(reply);
}
