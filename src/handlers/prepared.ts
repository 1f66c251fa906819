/**
 * Replies with the bytes that they become: nothing is rendered for them twice.
 *
 * @module
 */

import type { Field } from "../http/fields.ts";
import { PreparedResponse } from "../http/prepared_response.ts";
import type { Reply } from "./handler.ts";

/** A reply that was rendered when it was made; one that is made from it has nothing of that. */
export class PreparedReply implements Reply {
  readonly kind = "reply";
  readonly status: number;
  readonly fields: readonly Field[];
  readonly moreFields?: readonly Field[];
  /** The content, where it lies behind its head. */
  readonly body: Uint8Array<ArrayBuffer> | null;
  readonly #response: PreparedResponse;

  /**
   * Takes what was rendered of a reply with these fields, and those.
   *
   * @param hasContent Whether there is any, though it may be empty.
   */
  constructor(
    status: number,
    fields: readonly Field[],
    response: PreparedResponse,
    hasContent: boolean,
    moreFields?: readonly Field[],
  ) {
    this.status = status;
    this.fields = fields;
    this.moreFields = moreFields;
    this.body = hasContent ? response.content : null;
    this.#response = response;
  }

  /** Renders a reply. The content is copied: the reply's own body is to be kept in its place. */
  static of(
    status: number,
    fields: readonly Field[],
    content: Uint8Array<ArrayBuffer> | null,
  ): PreparedReply {
    const response = PreparedResponse.of(status, fields, content);
    return new PreparedReply(status, fields, response, content !== null);
  }

  /**
   * What a reply was rendered to; null where it was not. It holds for HTTP/1.1, a connection that goes on, and no fields beside
   * the reply's own.
   */
  static responseOf(reply: Reply): PreparedResponse | null {
    return #response in reply ? reply.#response : null;
  }
}
