/**
 * One form of a file's content (RFC 9110, 3.2: a representation), with the fields and replies made ready, and what of it a
 * request gets by its preconditions and ranges. No I/O: the content is in memory, or whoever asked opens the file.
 *
 * @module
 */

import { evaluateConditions, type Validators } from "../http/conditional.ts";
import { formatHttpDate } from "../http/date.ts";
import { HttpError } from "../http/error.ts";
import type { FileVersion } from "../http/etag.ts";
import type { Field } from "../http/fields.ts";
import {
  type ByteRange,
  contentRange,
  multipartRanges,
  selectRanges,
  unsatisfiedRange,
} from "../http/range.ts";
import { prepareFields } from "../http/response.ts";
import type { Exchange, Reply } from "./handler.ts";
import { PreparedReply } from "./prepared.ts";

/** Content codings that a form may have. */
export type Coding = "br" | "gzip";

/** What a representation is made from. */
export interface RepresentationFacts {
  /** How it is coded; null: not at all. */
  readonly coding: Coding | null;
  /** The path of its file below the route's folder. */
  readonly below: string;
  /** The path of its file, links resolved. */
  readonly realPath: string;
  /** The file's version when it was read. */
  readonly version: FileVersion;
  /** Whether any change of the file will show in its version. */
  readonly isSettled: boolean;
  /** Bytes of the content; null where that is not known before it is coded. */
  readonly length: number | null;
  /** The content; null for a file that is not kept in memory. */
  readonly bytes: Uint8Array<ArrayBuffer> | null;
  /** The entity tag. */
  readonly etag: string;
  /** The media type, without regard to its coding. */
  readonly type: string;
  /** The value of Cache-Control; null: without. */
  readonly cacheControl: string | null;
  /** Whether there are several forms, so that the answer depends on Accept-Encoding. */
  readonly isNegotiated: boolean;
  /** The time of day, in milliseconds since 1970. */
  readonly wallMs: () => number;
}

/** What is sent of a representation: its pieces, cut from memory or read from the file. */
export interface Plan {
  /** The status. */
  readonly status: 200 | 206;
  /** The reply's fields. */
  readonly fields: readonly Field[];
  /** Bytes as they are, or parts of the content, in turn. */
  readonly pieces: readonly (Uint8Array<ArrayBuffer> | ByteRange)[];
  /** Bytes of all pieces together. */
  readonly length: number;
}

/** One form of a file's content. Never changed: what changes is another one. */
export class Representation implements Validators {
  /** What it was made from. */
  readonly facts: RepresentationFacts;
  /** The fields of a 200. */
  readonly fields: readonly Field[];
  /** The whole answer; null for a file that is not kept in memory. */
  readonly reply: Reply | null;
  /**
   * When its file was last modified, in milliseconds since 1970; where that is in the future, when it was looked at, since
   * no answer may be older than what it says of its content (RFC 9110, 8.8.2.1).
   */
  readonly lastModifiedMs: number;
  /** The same as it is sent. */
  readonly lastModified: string;
  readonly #notModified: Reply;

  /** Makes the fields and replies ready. */
  constructor(facts: RepresentationFacts) {
    this.lastModifiedMs = Math.min(facts.version.modifiedMs, facts.wallMs());
    this.lastModified = formatHttpDate(this.lastModifiedMs);
    const always: Field[] = [["ETag", facts.etag]];
    if (facts.cacheControl !== null) always.push(["Cache-Control", facts.cacheControl]);
    if (facts.isNegotiated) always.push(["Vary", "Accept-Encoding"]);
    const fields: Field[] = [["Content-Type", facts.type]];
    if (facts.coding !== null) fields.push(["Content-Encoding", facts.coding]);
    fields.push(
      ["Last-Modified", this.lastModified],
      ["Accept-Ranges", "bytes"],
      ...always,
    );
    this.fields = prepareFields(fields);
    const reply = facts.bytes === null ? null : PreparedReply.of(200, this.fields, facts.bytes);
    this.reply = reply;
    this.facts = { ...facts, bytes: reply?.body ?? null };
    // Of the fields about the content a 304 carries those alone by which caches find their copy (RFC 9110, 15.4.5).
    this.#notModified = PreparedReply.of(304, prepareFields(always), null);
  }

  /** Its entity tag. */
  get etag(): string {
    return this.facts.etag;
  }

  /** A second that has passed: nothing more can happen in it (RFC 9110, 8.8.2.2). */
  get isLastModifiedStrong(): boolean {
    return this.facts.wallMs() >= Math.floor(this.facts.version.modifiedMs / 1000) * 1000 + 1000;
  }

  /**
   * What of it a request gets, by its preconditions and ranges.
   *
   * @returns A reply, complete; or a plan by which the open file is to be read.
   * @throws {HttpError} 412 and 416.
   */
  decide(exchange: Exchange): Reply | Plan {
    const { method, head: { fields } } = exchange;
    const { outcome, rangeHolds } = evaluateConditions(method, fields, this, this.facts.wallMs);
    if (outcome === "notModified") return this.#notModified;
    if (outcome === "preconditionFailed") throw new HttpError(412, "a precondition does not hold");
    const range = rangeHolds ? fields.combined("range") : null;
    const { length } = this.facts;
    if (range === null || length === null) return this.#whole();
    const selection = selectRanges(range, length);
    switch (selection.kind) {
      case "whole":
        return this.#whole();
      case "unsatisfiable":
        throw new HttpError(416, `${range} of ${length} bytes`, {
          fields: [["Content-Range", unsatisfiedRange(length)], ["Accept-Ranges", "bytes"]],
        });
      case "parts": {
        const plan = this.#parts(selection.parts, length);
        const { bytes } = this.facts;
        return bytes === null
          ? plan
          : { kind: "reply", status: plan.status, fields: plan.fields, body: cut(bytes, plan) };
      }
    }
  }

  #whole(): Reply | Plan {
    if (this.reply !== null) return this.reply;
    // Where the content is coded on the way, what is read is the plain file.
    const length = this.facts.version.size;
    return {
      status: 200,
      fields: this.fields,
      pieces: length === 0 ? [] : [{ first: 0, last: length - 1 }],
      length,
    };
  }

  #parts(parts: readonly ByteRange[], length: number): Plan {
    if (parts.length === 1) {
      const [part] = parts;
      const fields: Field[] = [...this.fields, ["Content-Range", contentRange(part, length)]];
      return { status: 206, fields, pieces: parts, length: part.last - part.first + 1 };
    }
    // Random, so that no content can hold it but by an accident that will not happen.
    const boundary = crypto.randomUUID().replaceAll("-", "");
    const multipart = multipartRanges(parts, length, this.facts.type, boundary);
    const fields = this.fields.map((field): Field =>
      field[0] === "Content-Type" ? ["Content-Type", multipart.contentType] : field
    );
    return { status: 206, fields, pieces: multipart.pieces, length: multipart.length };
  }
}

/** The pieces of content that is in memory, without a copy where there is only one. */
function cut(bytes: Uint8Array<ArrayBuffer>, plan: Plan): Uint8Array<ArrayBuffer> {
  const cuts = plan.pieces.map((piece) =>
    piece instanceof Uint8Array ? piece : bytes.subarray(piece.first, piece.last + 1)
  );
  if (cuts.length === 1) return cuts[0];
  const joined = new Uint8Array(plan.length);
  let at = 0;
  for (const piece of cuts) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}
