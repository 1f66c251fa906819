/**
 * Replies that are given again and again, with the bytes that they become: nothing is rendered for them twice.
 *
 * A reply is told by its identity, so that one that is made from another has nothing of this.
 *
 * @module
 */

import type { Field } from "../http/fields.ts";
import { type PreparedResponse, prepareResponse } from "../http/response.ts";
import type { Reply } from "./handler.ts";

const PREPARED = new WeakMap<Reply, PreparedResponse>();

/** What {@linkcode prepareReply} gives. */
export interface PreparedReply extends Reply {
  /** The content, where it lies behind its head. */
  readonly body: Uint8Array<ArrayBuffer> | null;
}

/** Makes a reply, frozen, and renders it. The content is copied: the reply's own body is to be kept in its place. */
export function prepareReply(
  status: number,
  fields: readonly Field[],
  content: Uint8Array<ArrayBuffer> | null,
): PreparedReply {
  const prepared = prepareResponse(status, fields, content);
  const body = content === null ? null : prepared.bytes.subarray(prepared.headBytes);
  const reply: PreparedReply = Object.freeze({ kind: "reply", status, fields, body });
  PREPARED.set(reply, prepared);
  return reply;
}

/** What a reply was rendered to; it holds for HTTP/1.1, a connection that goes on, and no fields beside the reply's own. */
export function preparedResponse(reply: Reply): PreparedResponse | undefined {
  return PREPARED.get(reply);
}
