/**
 * What proxies say of their clients: Forwarded (RFC 7239), and the X-Forwarded-* fields that came before it.
 *
 * Both are lists to which each proxy adds at the end, so they are read from there: what stands further left a client may have
 * made up, and what is malformed ends the list.
 *
 * @module
 */

import { isAuthority } from "./host.ts";
import { formatIpAddress, type IpAddress, parseIpAddress } from "./ip_address.ts";

/** What one proxy says of whoever asked it. */
export interface ForwardedElement {
  /** Who asked; null where it does not say, or not by address. */
  readonly node: ForwardedNode | null;
  /** How; null where it does not say. */
  readonly scheme: "http" | "https" | null;
  /** For which host, with its port as it was written; null where it does not say. */
  readonly host: string | null;
}

/** An address, perhaps with a port. */
export interface ForwardedNode {
  /** As the system writes it. */
  readonly address: string;
  /** 0 where it is not said. */
  readonly port: number;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t\\x20-\\x7e\\x80-\\xff])*"';
const PAIR = new RegExp(`^(${TOKEN})=(${TOKEN}|${QUOTED})$`);

/** The elements of a Forwarded field from the last to the first; it ends before the first that is malformed. */
export function forwardedElements(value: string): ForwardedElement[] {
  const elements: ForwardedElement[] = [];
  for (const text of splitFromEnd(value)) {
    const element = parseElement(text);
    if (element === null) break;
    elements.push(element);
  }
  return elements;
}

/**
 * The same of the X-Forwarded-* fields, each null without.
 *
 * Scheme and host are those of the proxy that stands at the same place of its list, where the lists are of equal length; or
 * else the last, which the nearest proxy gave.
 */
export function legacyElements(
  addresses: string | null,
  schemes: string | null,
  hosts: string | null,
): ForwardedElement[] {
  const nodeTexts = fromEnd(addresses);
  const schemeAt = listFor(fromEnd(schemes), nodeTexts.length);
  const hostAt = listFor(fromEnd(hosts), nodeTexts.length);
  const elements: ForwardedElement[] = [];
  // Without addresses the nearest proxy may still say how it was asked.
  for (let i = 0; i < Math.max(nodeTexts.length, 1); i++) {
    const node = i < nodeTexts.length ? parseNode(nodeTexts[i]) : null;
    elements.push({ node, scheme: parseScheme(schemeAt(i)), host: parseHost(hostAt(i)) });
    if (node === null) break;
  }
  return elements;
}

/** Splits at commas that stand in no quotes, the last part first. */
function splitFromEnd(value: string): string[] {
  const parts: string[] = [];
  let end = value.length;
  let isQuoted = false;
  for (let at = value.length - 1; at >= 0; at--) {
    const char = value[at];
    if (char === '"' && !isEscaped(value, at)) isQuoted = !isQuoted;
    if (char !== "," || isQuoted) continue;
    parts.push(value.slice(at + 1, end));
    end = at;
  }
  parts.push(value.slice(0, end));
  return parts;
}

function isEscaped(value: string, at: number): boolean {
  let slashes = 0;
  while (value[at - 1 - slashes] === "\\") slashes++;
  return slashes % 2 === 1;
}

/** `forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )`, each name once. */
function parseElement(text: string): ForwardedElement | null {
  const pairs = new Map<string, string>();
  for (const part of text.match(/(?:[^;"]|"(?:[^"\\]|\\.)*"?)+/g) ?? []) {
    const trimmed = part.trim();
    if (trimmed === "") continue;
    const pair = PAIR.exec(trimmed);
    if (pair === null) return null;
    const name = pair[1].toLowerCase();
    if (pairs.has(name)) return null;
    pairs.set(name, unquote(pair[2]));
  }
  const by = (name: string) => pairs.get(name) ?? null;
  const node = by("for");
  return {
    node: node === null ? null : parseNode(node),
    scheme: parseScheme(by("proto")),
    host: parseHost(by("host")),
  };
}

function unquote(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, "$1") : text;
}

/** `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80`, and IPv6 without brackets, which X-Forwarded-For has. */
function parseNode(text: string): ForwardedNode | null {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::([0-9]{1,5}))?$/.exec(text);
  const address = parseIpAddress(match === null ? text : match[1] ?? match[2]);
  const port = match?.[3] === undefined ? 0 : Number(match[3]);
  if (address === null || port > 65535 || (match !== null && !isWrittenRight(match, address))) return null;
  return { address: formatIpAddress(address), port };
}

/** Brackets are for IPv6, also for what stands for IPv4 in it. */
function isWrittenRight(match: RegExpExecArray, address: IpAddress): boolean {
  return match[1] === undefined ? address.family === 4 : match[1].includes(":");
}

function parseScheme(text: string | null): "http" | "https" | null {
  const scheme = text?.toLowerCase();
  return scheme === "http" || scheme === "https" ? scheme : null;
}

function parseHost(text: string | null): string | null {
  if (text === null) return null;
  const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
  return isAuthority(bytes, 0, bytes.length) ? text : null;
}

/** The members of a plain list, the last first; none of an empty one. */
function fromEnd(value: string | null): string[] {
  if (value === null) return [];
  return value.split(",").map((text) => text.trim()).filter((text) => text !== "").reverse();
}

function listFor(texts: readonly string[], length: number): (index: number) => string | null {
  return (index) => texts.length === 0 ? null : texts.length === length ? texts[index] : texts[0];
}
