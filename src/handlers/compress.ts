/**
 * Content codings that are applied on the way (RFC 9110, 8.4.1): which content is worth it, and the coding of bytes that
 * are there and of content that is still being made.
 *
 * The compressor works on the loop's own thread, at about 8 MB a second. It is fed in small pieces, between which others
 * have their turn, so that no request waits more than a few milliseconds for somebody else's page to be compressed.
 *
 * @module
 */

import { preferredCoding } from "../http/accept.ts";
import { codedEtag } from "../http/etag.ts";
import type { Field } from "../http/fields.ts";
import type { Exchange, Handler, Outcome, Reply, Source } from "./handler.ts";
import { isCompressible } from "./media_type.ts";
import type { Coding } from "./representation.ts";

/** Shorter content fits into one packet anyway. */
const COMPRESSED_MIN_BYTES = 1024;

/** What is fed at once, in bytes. */
const FED_BYTES = 16 * 1024;

/** The codings that can be applied, the smallest result first. */
export const CODINGS: readonly Coding[] = ["br", "gzip"];

/** Whether content of this media type and length is worth compressing; null: its length is not known yet. */
export function isWorthCompressing(type: string, length: number | null): boolean {
  return (length === null || length >= COMPRESSED_MIN_BYTES) && isCompressible(type);
}

/** Compresses bytes that are in memory. */
export async function compressBytes(
  bytes: Uint8Array<ArrayBuffer>,
  coding: Coding,
): Promise<Uint8Array<ArrayBuffer>> {
  const source = new CompressedSource(sourceOf(bytes), coding);
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for (let chunk = await source.read(); chunk !== null; chunk = await source.read()) chunks.push(chunk);
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** The content of another source, compressed while it is sent. */
export class CompressedSource implements Source {
  /** Not known before the end. */
  readonly length = null;
  readonly #source: Source;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #writer: WritableStreamDefaultWriter<BufferSource>;
  #isFed = false;
  #isClosed = false;
  #turn: ReturnType<typeof setTimeout> | undefined;

  /** Takes over a source: it is closed with this one. */
  constructor(source: Source, coding: Coding) {
    const stream = new CompressionStream(coding === "br" ? "brotli" : "gzip");
    this.#source = source;
    this.#reader = stream.readable.getReader();
    this.#writer = stream.writable.getWriter();
  }

  /** The next compressed bytes; null at the end. Rejects with whatever the other source does. */
  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (!this.#isFed) {
      this.#isFed = true;
      this.#feed();
    }
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (done) return null;
      if (value.length > 0) return value;
    }
  }

  /** Feeds the compressor as fast as it is read from; what breaks off is thrown by `read`. */
  async #feed(): Promise<void> {
    try {
      for (let chunk = await this.#source.read(); chunk !== null; chunk = await this.#source.read()) {
        for (let at = 0; at < chunk.length; at += FED_BYTES) {
          // A copy, since a stream takes no shared memory.
          await this.#writer.write(chunk.slice(at, at + FED_BYTES));
          if (this.#isClosed) return;
          await this.#nextTurn();
        }
      }
      await this.#writer.close();
    } catch (error) {
      await this.#writer.abort(error).catch(() => {}); // it was aborted before, by close()
    }
  }

  /** Lets everything that waits have its turn; after `close` there is no next one. */
  #nextTurn(): Promise<void> {
    return new Promise((resolve) => this.#turn = setTimeout(resolve, 0));
  }

  /** Ends it, and the other source. */
  close(reason: unknown): void {
    this.#isClosed = true;
    clearTimeout(this.#turn);
    this.#source.close(reason);
    // Either may have ended before.
    this.#writer.abort(reason).catch(() => {});
    this.#reader.cancel(reason).catch(() => {});
  }
}

/** The handler with its replies compressed, where {@linkcode compressReply} does so. */
export function compressed(handler: Handler): Handler {
  return (exchange) => {
    const outcome = handler(exchange);
    return outcome instanceof Promise
      ? outcome.then((settled) => compressOutcome(settled, exchange))
      : compressOutcome(outcome, exchange);
  };
}

/** The outcome of a script or gateway: a reply is compressed, where {@linkcode compressReply} does so. */
export function compressOutcome(outcome: Outcome, exchange: Exchange): Outcome {
  return outcome.kind === "reply" ? compressReply(outcome, exchange) : outcome;
}

/**
 * A reply of a script or gateway, compressed where its route says so, it is worth it and the client takes it; otherwise the
 * reply itself, with Vary where another client would get another one.
 *
 * @param reply Complete, with the fields that the script gave.
 */
export function compressReply(reply: Reply, exchange: Exchange): Reply {
  if (reply.status !== 200 || reply.body === null || !isCodable(reply)) return reply;
  const { fields } = exchange.head;
  const coding = preferredCoding(fields.combined("accept-encoding"), CODINGS);
  const changed = withVary(reply.fields);
  // A range of the plain form is what is asked for (RFC 9110, 14.2): coded, its positions would mean something else.
  if (coding === null || coding === "identity" || fields.get("range") !== null) {
    return { ...reply, fields: changed };
  }
  const coded = changed.flatMap(([name, value]): Field[] => {
    switch (name.toLowerCase()) {
      case "etag":
        return [[name, codedEtag(value, coding)]];
      case "accept-ranges":
        return [];
      default:
        return [[name, value]];
    }
  });
  coded.push(["Content-Encoding", coding]);
  const source = reply.body instanceof Uint8Array ? sourceOf(reply.body) : reply.body;
  return { ...reply, fields: coded, body: new CompressedSource(source, coding) };
}

/** Whether a reply may and should be coded: not what is coded already, nor what must not be transformed (RFC 9110, 7.7). */
function isCodable(reply: Reply): boolean {
  let type: string | null = null;
  for (const [name, value] of reply.fields) {
    switch (name.toLowerCase()) {
      case "content-type":
        type = value.toLowerCase();
        break;
      case "content-encoding":
      case "content-range":
        return false;
      case "cache-control":
        if (/\bno-transform\b/i.test(value)) return false;
    }
  }
  const { body } = reply;
  if (type === null || body === null || (!(body instanceof Uint8Array) && body.raw === true)) return false;
  return isWorthCompressing(type, body.length);
}

function withVary(fields: readonly Field[]): Field[] {
  const isNamed = fields.some(([name, value]) =>
    name.toLowerCase() === "vary" && /(?:^|[\s,])(?:\*|accept-encoding)(?:$|[\s,])/i.test(value)
  );
  return isNamed ? [...fields] : [...fields, ["Vary", "Accept-Encoding"]];
}

function sourceOf(bytes: Uint8Array<ArrayBuffer>): Source {
  let rest: Uint8Array<ArrayBuffer> | null = bytes.length === 0 ? null : bytes;
  return {
    length: bytes.length,
    read() {
      const chunk = rest;
      rest = null;
      return chunk;
    },
    close() {},
  };
}
