/**
 * Whether a request comes from this machine and is meant for it. Pure.
 *
 * @module
 */

import type { Exchange } from "../handlers/handler.ts";
import { splitAuthority } from "../http/host.ts";
import { parseIpAddress } from "../http/ip_address.ts";

/** What a proxy adds to what it passes on. */
const FORWARDED = [
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
  "via",
];

const LOOPBACK_V4 = 127;
const LOOPBACK_V6 = 1n;

/**
 * Why a request is not taken for one of this machine's own, made on this machine; null: it is.
 *
 * Client and Host must both be loopback: a page of somebody else's, whose name was made to lead here (DNS rebinding), comes
 * from a loopback address too. A proxy on this machine does so as well, perhaps for the whole world, and may even name a
 * loopback Host. So what shows a proxy is refused: its fields, where it is not trusted to say who its client is, and HTTP/1.0,
 * which is what nginx speaks to those behind it and no browser does.
 */
export function foreignness(
  { head, target, peer }: Pick<Exchange, "head" | "target" | "peer">,
): string | null {
  if (!isLoopbackAddress(peer.address)) return `${peer.address || "a unix socket"} is no loopback address`;
  const host = peer.host ?? target.authority ?? head.fields.get("host") ?? "";
  if (!isLoopbackHost(host)) return `the Host ${JSON.stringify(host)} is not that of a loopback address`;
  if (head.minor === 0) return "HTTP/1.0 is what a proxy speaks";
  const field = FORWARDED.find((name) => head.fields.get(name) !== null);
  return field === undefined ? null : `the field ${field} shows a proxy`;
}

function isLoopbackAddress(text: string): boolean {
  const address = parseIpAddress(text);
  if (address === null) return false;
  return address.family === 4
    ? Math.floor(address.value / 2 ** 24) === LOOPBACK_V4
    : address.value === LOOPBACK_V6;
}

/** `localhost`, or an address of its own, with or without a port. */
function isLoopbackHost(authority: string): boolean {
  if (authority === "") return false;
  const { host } = splitAuthority(authority);
  return host.toLowerCase() === "localhost" || isLoopbackAddress(host.replace(/^\[(.*)\]$/, "$1"));
}
