/**
 * Addresses: what to listen on, and where a gateway is.
 *
 * @module
 */

import { normalizeIpv4, normalizeIpv6 } from "./cidr.ts";
import { quote, Refusal } from "./refusal.ts";

/** An address of the network or of the file system. */
export type Address =
  | { readonly transport: "tcp"; readonly hostname: string; readonly port: number }
  | { readonly transport: "unix"; readonly path: string };

/**
 * What `:8080` and `8080` listen on: every address of the machine. `::` takes IPv4 as well, and the addresses of its
 * IPv4 clients are told from IPv6 ones where they are read.
 */
const ANY_HOST = "::";

/**
 * Reads an address to listen on: `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`, `:8080`, `8080`, `unix:/path`.
 * The path of a unix socket stays as it is written.
 */
export function parseListenAddress(text: string): Address | Refusal {
  if (/^[0-9]+$/.test(text)) return withPort(text, ANY_HOST, text, 0);
  return parse(text, 0);
}

/** Reads a gateway's address: as for listening, but a host must be named and port 0 means nothing. */
export function parseGatewayAddress(text: string): Address | Refusal {
  const address = parse(text, 1);
  if (address instanceof Refusal || address.transport === "unix" || address.hostname !== ANY_HOST) {
    return address;
  }
  return new Refusal(`${quote(text)} names no host: write 127.0.0.1:${address.port} or unix:/run/app.sock`);
}

/** The same text for the same address: to find doubles. */
export function addressKey(address: Address): string {
  return address.transport === "unix" ? `unix:${address.path}` : `${address.hostname} ${address.port}`;
}

/** Whether only this machine can reach it. */
export function isLoopback(address: Address): boolean {
  return address.transport === "unix" || address.hostname === "localhost" || address.hostname === "::1" ||
    (address.hostname.startsWith("127.") && normalizeIpv4(address.hostname) !== null);
}

/**
 * A host name in lower case, with its international letters in their ASCII form; an IPv4 address; or an IPv6 address
 * without brackets. Null: it is none of these.
 */
export function normalizeHost(text: string): string | null {
  if (text.startsWith("[") && text.endsWith("]")) return normalizeIpv6(text.slice(1, -1));
  if (/^[0-9.]+$/.test(text)) return normalizeIpv4(text);
  // What a URL would cut off or decode is no part of a name.
  if (/[\s/?#@:%\\[\]]/.test(text)) return null;
  const name = URL.parse(`http://${text}/`)?.hostname.replace(/\.$/, "") ?? "";
  if (name.length > 253 || normalizeIpv4(name) !== null) return null;
  const label = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
  return new RegExp(`^${label}(?:\\.${label})*$`).test(name) ? name : null;
}

function parse(text: string, portMin: number): Address | Refusal {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    if (path === "") return new Refusal(`${quote(text)} names no file: write unix:/run/pollux.sock`);
    if (path.includes("\0")) return new Refusal(`${quote(text)}: a path has no NUL`);
    return { transport: "unix", path };
  }
  const scheme = /^(https?):\/\//.exec(text);
  if (scheme !== null) {
    const rest = text.slice(scheme[0].length).replace(/\/.*$/, "");
    return new Refusal(
      `${quote(text)} is a URL, not an address: write ${rest === "" ? "127.0.0.1:8080" : rest}`,
    );
  }
  const colon = text.lastIndexOf(":");
  if (colon === -1 || text.endsWith("]")) {
    if (normalizeHost(text) === null) return new Refusal(notAnAddress(text));
    return new Refusal(`${quote(text)} has no port: write ${text}:8080`);
  }
  const hostText = text.slice(0, colon);
  if (hostText.includes(":") && !hostText.startsWith("[")) {
    // `::1:8080` could be read in two ways; without brackets nobody knows where the port begins.
    const whole = normalizeIpv6(text);
    if (whole !== null || normalizeIpv6(hostText) !== null) {
      return new Refusal(`${quote(text)}: an IPv6 address stands in brackets: write "[::1]:8080"`);
    }
    return new Refusal(notAnAddress(text));
  }
  const hostname = hostText === "" || hostText === "*" ? ANY_HOST : normalizeHost(hostText);
  if (hostname === null) {
    return new Refusal(`${quote(text)}: ${quote(hostText)} is neither a host name nor an address`);
  }
  return withPort(text, hostname, text.slice(colon + 1), portMin);
}

function withPort(text: string, hostname: string, portText: string, portMin: number): Address | Refusal {
  const port = Number(portText);
  if (!/^(?:0|[1-9][0-9]{0,4})$/.test(portText) || port > 65535 || port < portMin) {
    return new Refusal(`${quote(text)}: a port is a number from ${portMin} to 65535`);
  }
  return { transport: "tcp", hostname, port };
}

function notAnAddress(text: string): string {
  return `${
    quote(text)
  } is not an address: write 127.0.0.1:8080, :8080, "[::1]:8080" or unix:/run/pollux.sock`;
}
