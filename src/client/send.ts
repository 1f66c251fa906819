/**
 * From a reply to what goes out for it: its head and content gathered in one write where both are at hand, or the content as its
 * source gives it.
 *
 * @module
 */

import { isShared, type LentBytes } from "../buffers.ts";
import type { Reply, Source } from "../handlers/handler.ts";
import { CHUNK_END, encodeChunkHead, LAST_CHUNK } from "../http/chunked.ts";
import {
  encodeResponseHead,
  measureResponseHead,
  type ResponseFraming,
  type ResponseHead,
  writeResponseHead,
} from "../http/response.ts";
import type { ClientExchange } from "./exchange.ts";
import type { Output } from "./output.ts";

const NOTHING = new Uint8Array(0);

/** Whether the content comes piece by piece. */
export function isSource(body: Reply["body"]): body is Source {
  return body !== null && !(body instanceof Uint8Array);
}

/** Gathers all of a reply; false where its content is not at hand, or does not fit behind what is gathered. */
export function gatherReply(
  output: Output,
  exchange: ClientExchange,
  reply: Reply,
  framing: ResponseFraming,
  date: string,
): boolean {
  if (isSource(reply.body)) return false;
  const content = framing.hasBody && reply.body !== null ? reply.body : NOTHING;
  const head = responseHead(exchange, reply, framing, date);
  const headBytes = measureResponseHead(head);
  const place = output.reserve(headBytes + content.length);
  if (place === null) return false;
  writeResponseHead(head, place.buffer, place.offset);
  place.buffer.set(content, place.offset + headBytes);
  output.advance(headBytes + content.length);
  exchange.sentBytes = content.length;
  return true;
}

/** Sends a reply. Rejects where the connection breaks, or its source fails or does not keep to its length. */
export async function sendReply(
  output: Output,
  exchange: ClientExchange,
  reply: Reply,
  framing: ResponseFraming,
  date: string,
): Promise<void> {
  await writeHead(output, responseHead(exchange, reply, framing, date));
  const { body } = reply;
  if (isSource(body) && framing.hasBody) return await sendSource(output, exchange, body, framing);
  const content = framing.hasBody && body instanceof Uint8Array ? body : NOTHING;
  await output.write(content);
  exchange.sentBytes = content.length;
}

/** Sends what a script says as it is (RFC 3875, 5). */
export async function sendRaw(output: Output, exchange: ClientExchange, source: Source): Promise<void> {
  for (let bytes = await source.read(); bytes !== null; bytes = await source.read()) {
    await output.write(bytes);
    exchange.sentBytes += bytes.length;
  }
  await output.flush();
}

/** Gathers a head; only one that does not fit behind what is gathered has to wait. */
export async function writeHead(output: Output, head: ResponseHead): Promise<void> {
  const bytes = measureResponseHead(head);
  const place = output.reserve(bytes);
  if (place === null) return await output.write(encodeResponseHead(head));
  writeResponseHead(head, place.buffer, place.offset);
  output.advance(bytes);
}

function responseHead(
  exchange: ClientExchange,
  reply: Reply,
  framing: ResponseFraming,
  date: string,
): ResponseHead {
  const { status, reason, moreFields } = reply;
  const fields = exchange.responseFields(reply);
  return { status, reason, fields, moreFields, date: reply.date ?? date, framing };
}

async function sendSource(
  output: Output,
  exchange: ClientExchange,
  source: Source,
  framing: ResponseFraming,
): Promise<void> {
  const announced = framing.contentLength;
  const frame = new Frame();
  while (true) {
    const next = source.read();
    if (next instanceof Promise && source.isPrompt !== true && output.pendingBytes > 0) {
      // What the script has said goes out before it is waited for again. Should it fail meanwhile, that is heard below.
      next.catch(() => {});
      await output.flush();
    }
    const bytes = next instanceof Promise ? await next : next;
    output.assertWanted();
    if (bytes === null) break;
    if (announced !== null && exchange.sentBytes + bytes.length > announced) {
      throw new RangeError(`content beyond its length of ${announced}`);
    }
    await output.write(framing.chunked ? frame.around(bytes) : bytes);
    exchange.sentBytes += bytes.length;
  }
  if (announced !== null && exchange.sentBytes < announced) {
    throw new RangeError(`content of ${exchange.sentBytes} bytes, not ${announced}`);
  }
  if (framing.chunked) output.append(LAST_CHUNK);
  await output.flush();
}

/** One chunk in one write: even a copy is cheaper than another system call. */
class Frame {
  #buffer: Uint8Array<ArrayBuffer> = NOTHING;

  /** The chunk of `bytes`, until the next. */
  around(bytes: LentBytes): LentBytes {
    const head = encodeChunkHead(bytes.length);
    const chunk = this.#room(bytes, head.length);
    chunk.set(head);
    chunk.set(CHUNK_END, head.length + bytes.length);
    return chunk;
  }

  /** The place of the chunk: around the bytes where they lie if there is room, otherwise around a copy. */
  #room(bytes: LentBytes, headBytes: number): LentBytes {
    const length = headBytes + bytes.length + CHUNK_END.length;
    if (isShared(bytes)) return new Uint8Array(bytes.buffer, bytes.byteOffset - headBytes, length);
    if (this.#buffer.length < length) this.#buffer = new Uint8Array(length);
    this.#buffer.set(bytes, headBytes);
    return this.#buffer.subarray(0, length);
  }
}
