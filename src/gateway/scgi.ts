/**
 * SCGI as a web server speaks it: a netstring of variables, then the content; the answer is what follows until the connection
 * ends. No I/O.
 *
 * @module
 */

import type { Bytes, Protocol, ReplyReader } from "./protocol.ts";

const encoder = new TextEncoder();

/** The protocol, for the gateway. */
export const SCGI: Protocol = {
  name: "scgi",
  begin: encodeRequest,
  content: (bytes) => bytes,
  contentEnd: () => null,
  reader: () => READER,
};

/** The end of the connection is the end of the answer: whether it is whole, only a Content-Length can tell. */
const READER: ReplyReader = {
  push: (bytes) => [{ kind: "output", bytes }],
  close: () => ({ kind: "end", status: -1, isReusable: false }),
};

/** CONTENT_LENGTH comes first and always, then SCGI; "duplicate names are not allowed". */
function encodeRequest(variables: readonly string[]): Bytes {
  const values = new Map([["CONTENT_LENGTH", "0"], ["SCGI", "1"]]);
  for (let i = 0; i < variables.length; i += 2) {
    if (variables[i] !== "SCGI") values.set(variables[i], variables[i + 1]);
  }
  let text = "";
  for (const [name, value] of values) text += `${name}\0${value}\0`;
  const pairs = encoder.encode(text);
  const length = encoder.encode(`${pairs.length}:`);
  const bytes = new Uint8Array(length.length + pairs.length + 1);
  bytes.set(length);
  bytes.set(pairs, length.length);
  bytes[bytes.length - 1] = 0x2c;
  return bytes;
}
