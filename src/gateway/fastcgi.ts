/**
 * FastCGI 1.0 as a web server speaks it: records to bytes and bytes to records, one request at a time on a connection. No I/O.
 *
 * @module
 */

import type { Bytes, Protocol, ReplyEvent, ReplyReader } from "./protocol.ts";

const VERSION = 1;
const HEAD_BYTES = 8;
/** `contentLength` has two bytes. */
const CONTENT_BYTES_MAX = 65_535;
/** The longest content that needs no padding. */
const ALIGNED_BYTES_MAX = 65_528;

const BEGIN_REQUEST = 1;
const END_REQUEST = 3;
const PARAMS = 4;
const STDIN = 5;
const STDOUT = 6;
const STDERR = 7;

const RESPONDER = 1;
const KEEP_CONN = 1;
/** A connection has one request at a time. */
const REQUEST_ID = 1;

const END_REQUEST_BYTES = 8;
const REQUEST_COMPLETE = 0;
const OVERLOADED = 2;
/** What `protocolStatus` can say, for the log. */
const PROTOCOL_STATUS = ["complete", "cannot multiplex", "overloaded", "takes no responder role"];

/** The longest name or value: its length has 31 bits. */
const LENGTH_MAX = 2 ** 31 - 1;

const EMPTY: Bytes = new Uint8Array(0);
const encoder = new TextEncoder();

/** The protocol, for the gateway. */
export const FASTCGI: Protocol = {
  name: "fastcgi",
  begin(variables, hasContent, keepsOpen) {
    const begin = new Uint8Array([0, RESPONDER, keepsOpen ? KEEP_CONN : 0, 0, 0, 0, 0, 0]);
    const parts = [
      record(BEGIN_REQUEST, begin),
      stream(PARAMS, encodePairs(variables)),
      record(PARAMS, EMPTY),
    ];
    if (!hasContent) parts.push(record(STDIN, EMPTY));
    return concat(parts);
  },
  content: (bytes) => stream(STDIN, bytes),
  contentEnd: () => record(STDIN, EMPTY),
  reader: () => new RecordReader(),
};

/**
 * The length of a name or value: one byte up to 127, else four with the highest bit set (3.4).
 *
 * @throws {RangeError} It is over 2^31 - 1.
 */
export function encodeLength(length: number): Bytes {
  if (length < 0x80) return new Uint8Array([length]);
  if (length > LENGTH_MAX) {
    throw new RangeError(`a name or value of ${length} bytes has no length in FastCGI`);
  }
  return new Uint8Array([(length >>> 24) | 0x80, length >>> 16, length >>> 8, length]);
}

/** Name-value pairs (3.4), from names and values in turn. */
export function encodePairs(variables: readonly string[]): Bytes {
  const parts: Bytes[] = [];
  for (let i = 0; i < variables.length; i += 2) {
    const name = encoder.encode(variables[i]);
    const value = encoder.encode(variables[i + 1]);
    parts.push(encodeLength(name.length), encodeLength(value.length), name, value);
  }
  return concat(parts);
}

/** A stream's bytes as records, padded to eight bytes; none for no bytes, since an empty record ends the stream. */
function stream(type: number, bytes: Bytes): Bytes {
  if (bytes.length <= CONTENT_BYTES_MAX) return bytes.length === 0 ? EMPTY : record(type, bytes);
  const parts: Bytes[] = [];
  for (let at = 0; at < bytes.length; at += ALIGNED_BYTES_MAX) {
    parts.push(record(type, bytes.subarray(at, at + ALIGNED_BYTES_MAX)));
  }
  return concat(parts);
}

function record(type: number, content: Bytes): Bytes {
  const { length } = content;
  const padding = -length & 7;
  const bytes = new Uint8Array(HEAD_BYTES + length + padding);
  bytes.set([VERSION, type, 0, REQUEST_ID, length >>> 8, length, padding, 0]);
  bytes.set(content, HEAD_BYTES);
  return bytes;
}

/** Reads the records of one answer. Contents are passed on as they come, without waiting for the end of their record. */
class RecordReader implements ReplyReader {
  readonly #head = new Uint8Array(HEAD_BYTES);
  #headBytes = 0;
  #type = 0;
  /** What is still to come of the record's content, and of its padding. */
  #content = 0;
  #padding = 0;
  readonly #end = new Uint8Array(END_REQUEST_BYTES);
  #endBytes = 0;
  /** Standard output has ended, as an empty record says. */
  #isOutputEnded = false;
  #isOver = false;

  push(bytes: Bytes): readonly ReplyEvent[] {
    const events: ReplyEvent[] = [];
    let at = 0;
    while (at < bytes.length && !this.#isOver) {
      if (this.#headBytes < HEAD_BYTES) {
        this.#head[this.#headBytes++] = bytes[at++];
        if (this.#headBytes === HEAD_BYTES) this.#readHead(events);
      } else if (this.#content > 0) {
        const end = Math.min(bytes.length, at + this.#content);
        this.#content -= end - at;
        this.#take(bytes.subarray(at, end), events);
        at = end;
      } else {
        const skipped = Math.min(bytes.length - at, this.#padding);
        this.#padding -= skipped;
        at += skipped;
      }
      if (this.#headBytes === HEAD_BYTES && this.#content === 0 && this.#padding === 0) {
        this.#endRecord(events);
      }
    }
    if (this.#isOver && at < bytes.length) {
      const last = events.pop();
      // What follows the end belongs to nothing that was asked for.
      if (last !== undefined) events.push(last.kind === "end" ? { ...last, isReusable: false } : last);
    }
    return events;
  }

  close(): ReplyEvent {
    // Without END_REQUEST the exit status is not known; that the output is whole, is.
    if (this.#isOutputEnded && this.#headBytes === 0) return { kind: "end", status: -1, isReusable: false };
    return { kind: "bad", reason: "closed the connection before the end of its answer" };
  }

  #readHead(events: ReplyEvent[]): void {
    const [version, type, idHigh, idLow, lengthHigh, lengthLow, padding] = this.#head;
    this.#type = type;
    this.#content = lengthHigh << 8 | lengthLow;
    this.#padding = padding;
    if (version !== VERSION) return this.#bad(`sent a record of version ${version}: is it FastCGI?`, events);
    if ((idHigh << 8 | idLow) !== REQUEST_ID) {
      return this.#bad(`sent a record for request ${idHigh << 8 | idLow}, which was not made`, events);
    }
    switch (type) {
      case STDOUT:
        if (this.#isOutputEnded) return this.#bad("went on with its output after the end of it", events);
        if (this.#content === 0) this.#isOutputEnded = true;
        return;
      case STDERR:
        return;
      case END_REQUEST:
        if (this.#content !== END_REQUEST_BYTES) this.#bad("sent an END_REQUEST of another length", events);
        return;
      default:
        return this.#bad(`sent a record of type ${type}, which no answer has`, events);
    }
  }

  #take(bytes: Bytes, events: ReplyEvent[]): void {
    if (this.#type === STDOUT) events.push({ kind: "output", bytes });
    else if (this.#type === STDERR) events.push({ kind: "errors", bytes });
    else {
      this.#end.set(bytes, this.#endBytes);
      this.#endBytes += bytes.length;
    }
  }

  #endRecord(events: ReplyEvent[]): void {
    if (this.#isOver) return;
    this.#headBytes = 0;
    if (this.#type !== END_REQUEST) return;
    this.#isOver = true;
    const status = new DataView(this.#end.buffer).getUint32(0);
    const protocolStatus = this.#end[4];
    if (protocolStatus === REQUEST_COMPLETE) events.push({ kind: "end", status, isReusable: true });
    else if (protocolStatus === OVERLOADED) events.push({ kind: "overloaded" });
    else {
      const said = PROTOCOL_STATUS[protocolStatus] ?? `gives status ${protocolStatus}, which is none`;
      this.#bad(`refused the request: ${said}`, events);
    }
  }

  #bad(reason: string, events: ReplyEvent[]): void {
    this.#isOver = true;
    events.push({ kind: "bad", reason });
  }
}

function concat(parts: readonly Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
