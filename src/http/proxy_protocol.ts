/**
 * The PROXY protocol, versions 1 and 2: what a proxy in front says of its client before the first request (HAProxy,
 * doc/proxy-protocol.txt).
 *
 * @module
 */

import { HttpError } from "./error.ts";
import { formatIpAddress, parseIpAddress } from "./ip_address.ts";
import { decodeOctets } from "./octets.ts";

/** What a proxy says of a connection. */
export interface ProxyHeader {
  /** Who is at the other side of the proxy; null where it does not say: its own checks, and what is not TCP over IP. */
  readonly source: { readonly address: string; readonly port: number } | null;
  /** The header's length, which may be more than has arrived: the rest of it is to be skipped. */
  readonly bytes: number;
}

/** The longest line of version 1, with its CRLF (section 2.1). */
const LINE_BYTES_MAX = 107;
/** `PROXY ` */
const LINE_START = Uint8Array.of(0x50, 0x52, 0x4f, 0x58, 0x59, 0x20);
/** Section 2.2. */
const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
const FIXED_BYTES = 16;
const CR = 0x0d;
const LF = 0x0a;

const enum Command {
  Local = 0,
  Proxy = 1,
}

/** Family and transport: two addresses of so many bytes, then two ports. */
const ADDRESS_BYTES: Readonly<Record<number, number>> = { 0x11: 4, 0x21: 16 };

/**
 * Reads the header.
 *
 * @param bytes What has arrived, in `[start, end)`.
 * @returns null while it is incomplete.
 * @throws {HttpError} 400: it is no header; the connection is closed.
 */
export function readProxyHeader(bytes: Uint8Array, start: number, end: number): ProxyHeader | null {
  if (start === end) return null;
  const isLine = bytes[start] === LINE_START[0];
  const prefix = isLine ? LINE_START : SIGNATURE;
  const length = Math.min(prefix.length, end - start);
  for (let i = 0; i < length; i++) {
    if (bytes[start + i] !== prefix[i]) throw malformed("there is none");
  }
  if (length < prefix.length) return null;
  return isLine ? readLine(bytes, start, end) : readBinary(bytes, start, end);
}

/** Version 1: `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443`, a line. */
function readLine(bytes: Uint8Array, start: number, end: number): ProxyHeader | null {
  const bound = Math.min(end, start + LINE_BYTES_MAX);
  let lf = start;
  while (lf < bound && bytes[lf] !== LF) lf++;
  if (lf === bound) {
    if (end - start >= LINE_BYTES_MAX) throw malformed("its line is too long");
    return null;
  }
  if (bytes[lf - 1] !== CR) throw malformed("its line does not end in CRLF");
  const length = lf + 1 - start;
  const words = decodeOctets(bytes, start, lf - 1).split(" ");
  if (words[1] === "UNKNOWN") return { source: null, bytes: length };
  const [, family, from, to, fromPort, toPort] = words;
  if (words.length !== 6 || (family !== "TCP4" && family !== "TCP6")) {
    throw malformed("its line has another shape");
  }
  const isOfFamily = (text: string) => (family === "TCP6") === text.includes(":");
  const source = isOfFamily(from) ? parseIpAddress(from) : null;
  const target = isOfFamily(to) ? parseIpAddress(to) : null;
  if (source === null || target === null) throw malformed("an address in it is none");
  if (!isPort(fromPort) || !isPort(toPort)) throw malformed("a port in it is none");
  return { source: { address: formatIpAddress(source), port: Number(fromPort) }, bytes: length };
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9][0-9]{0,4})$/.test(text) && Number(text) <= 65535;
}

/** Version 2: sixteen bytes, addresses, and type-length-values that are skipped. */
function readBinary(bytes: Uint8Array, start: number, end: number): ProxyHeader | null {
  if (end - start < FIXED_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, end - start);
  const version = view.getUint8(12) >> 4;
  const command = view.getUint8(12) & 15;
  if (version !== 2) throw malformed(`its version is ${version}`);
  if (command !== Command.Local && command !== Command.Proxy) throw malformed(`its command is ${command}`);
  const rest = view.getUint16(14);
  const length = FIXED_BYTES + rest;
  const addressBytes = ADDRESS_BYTES[view.getUint8(13)];
  if (command === Command.Local || addressBytes === undefined) return { source: null, bytes: length };
  const blockBytes = 2 * addressBytes + 4;
  if (rest < blockBytes) throw malformed("it is too short for its addresses");
  if (end - start < FIXED_BYTES + blockBytes) return null;
  const address = formatIpAddress(
    addressBytes === 4
      ? { family: 4, value: view.getUint32(FIXED_BYTES) }
      : { family: 6, value: (view.getBigUint64(FIXED_BYTES) << 64n) | view.getBigUint64(FIXED_BYTES + 8) },
  );
  // An IPv4-mapped address is that IPv4 address, here as elsewhere.
  const plain = parseIpAddress(address);
  return {
    source: {
      address: plain === null ? address : formatIpAddress(plain),
      port: view.getUint16(FIXED_BYTES + 2 * addressBytes),
    },
    bytes: length,
  };
}

function malformed(reason: string): HttpError {
  return new HttpError(400, `the PROXY protocol's header: ${reason}`, { close: true });
}
