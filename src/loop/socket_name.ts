/**
 * A TCP connection's name in /proc/net/tcp and /proc/net/tcp6 (proc_net(5)): both its addresses, as they stand in memory.
 *
 * @module
 */

import type { Peer } from "../handlers/handler.ts";
import { type IpAddress, parseIpAddress } from "../http/ip_address.ts";

/** Where a connection goes from and to. */
export type SocketEnds = Pick<Peer, "address" | "port" | "localAddress" | "localPort">;

/** `::ffff:0:0/96`: an IPv4 address on a socket of IPv6. */
const MAPPED_PREFIX = 0xffffn << 32n;

/**
 * The names that it may have: an IPv4 connection has another one where the socket that took it is one of IPv6.
 *
 * @returns Empty where an address is no plain one, as with a zone.
 */
export function socketNames({ address, port, localAddress, localPort }: SocketEnds): string[] {
  const local = parseIpAddress(localAddress);
  const remote = parseIpAddress(address);
  if (local === null || remote === null) return [];
  const locals = hexForms(local);
  const remotes = hexForms(remote);
  return locals.map((here, i) => `${here}:${hex(localPort, 4)} ${remotes[i]}:${hex(port, 4)}`);
}

function hexForms(address: IpAddress): string[] {
  if (address.family === 6) return [hex128(address.value)];
  return [hex32(address.value), hex128(MAPPED_PREFIX | BigInt(address.value))];
}

function hex128(value: bigint): string {
  return [96n, 64n, 32n, 0n].map((shift) => hex32(Number((value >> shift) & 0xffff_ffffn))).join("");
}

/** The kernel writes the four bytes as the number that they are to the processor: all that Deno runs on are little-endian. */
function hex32(value: number): string {
  const bytes = [0, 8, 16, 24].map((shift) => hex((value >>> shift) & 0xff, 2));
  return bytes.join("");
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, "0");
}
