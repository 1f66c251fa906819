/**
 * The meta-variables of RFC 3875, 4.1, with those that Apache adds, for CGI, FastCGI and SCGI alike; and the command line of
 * a search-string (4.4).
 *
 * What is the same for all requests of a route, or of a script, is built once; a request adds its own. Values are strings as
 * the system takes them, UTF-8: field values come with one char per byte and are decoded here.
 *
 * @module
 */

import type { Site } from "../config/config.ts";
import { HttpError } from "../http/error.ts";
import { protocolOf, type RequestHead } from "../http/head.ts";
import type { Target } from "../http/target.ts";
import type { Peer } from "../handlers/handler.ts";

/** What SERVER_SOFTWARE says. */
export const SERVER_SOFTWARE = "Pollux/0.1";

/** Linux: the longest string of environment or arguments, its NUL not counted (MAX_ARG_STRLEN less one). */
const STRING_BYTES_MAX = 131_071;

/** All strings of environment and arguments with their pointers: macOS takes 1 MiB, Linux a quarter of the stack (2 MiB). */
const TOTAL_BYTES_MAX = 960 * 1024;

/** How many different field names are remembered with their variables; a client makes up more, but not in earnest. */
const NAMES_MAX = 512;

/** The longest field name that is remembered. */
const NAME_CHARS_MAX = 64;

/** What of the environment is the same for all requests of a script. */
export interface ScriptFacts {
  /** For DOCUMENT_ROOT. */
  readonly site: Site;
  /** SCRIPT_FILENAME. */
  readonly file: string;
  /** SCRIPT_NAME, decoded. */
  readonly name: string;
}

/** What a request adds to it. An `Exchange` has most of that. */
export interface RequestFacts {
  /** The request's head as it came. */
  readonly head: RequestHead;
  /** GET after a local redirect, else the head's. */
  readonly method: string;
  /** Where to, after a redirect within the server. */
  readonly target: Target;
  /** For PATH_TRANSLATED, and SERVER_NAME without Host. */
  readonly site: Site;
  /** Client and socket. */
  readonly peer: Peer;
  /** From Basic authentication; null without. */
  readonly user: string | null;
  /** Decoded; empty, or beginning with a slash. */
  readonly pathInfo: string;
  /** Bytes of content; null without content, or where its length is unknown. */
  readonly contentLength: number | null;
}

/** The part of a route: what all its requests share. */
export interface StaticVariables {
  /** Names and values in turn. */
  readonly pairs: readonly string[];
  /** Whether the script gets HTTP_AUTHORIZATION. */
  readonly passAuthorization: boolean;
}

/**
 * Builds what all requests of a route share.
 *
 * @param env The route's `env`; beats what is passed on.
 * @param passed The server's own variables that `pass_env` names, with their values.
 * @param home The value of HOME.
 */
export function staticVariables(
  env: Readonly<Record<string, string>>,
  passed: Readonly<Record<string, string>>,
  home: string,
  passAuthorization: boolean,
): StaticVariables {
  const all = new Map<string, string>([["HOME", home], ...Object.entries(passed), ...Object.entries(env)]);
  return { pairs: [...all].flat(), passAuthorization };
}

/** What all requests of a script share, names and values in turn. */
export function scriptVariables(shared: StaticVariables, { site, file, name }: ScriptFacts): string[] {
  return [
    "GATEWAY_INTERFACE",
    "CGI/1.1",
    "SERVER_SOFTWARE",
    SERVER_SOFTWARE,
    "DOCUMENT_ROOT",
    site.root,
    "SCRIPT_NAME",
    name,
    "SCRIPT_FILENAME",
    file,
    // php-cgi refuses to run without it, as a guard against being asked for directly.
    "REDIRECT_STATUS",
    "200",
    ...shared.pairs,
  ];
}

/**
 * What a request adds to the variables of its script: names and values in turn, each name once, and none of the script's.
 *
 * @param passAuthorization Whether there is an HTTP_AUTHORIZATION.
 * @throws {HttpError} 400: a value that is no UTF-8, since no other bytes can be passed on unchanged.
 */
export function requestVariables(facts: RequestFacts, passAuthorization: boolean): string[] {
  const { head, target, peer, site } = facts;
  const out: string[] = [
    "SERVER_PROTOCOL",
    protocolOf(head),
    "SERVER_NAME",
    serverName(facts),
    "SERVER_ADDR",
    peer.localAddress,
    "SERVER_PORT",
    String(peer.localPort > 0 ? peer.localPort : peer.scheme === "https" ? 443 : 80),
    "REQUEST_METHOD",
    facts.method,
    "REQUEST_SCHEME",
    peer.scheme,
    "REQUEST_URI",
    requestUri(head.target),
    "QUERY_STRING",
    target.query ?? "",
    "PATH_INFO",
    facts.pathInfo,
  ];
  if (facts.pathInfo !== "") {
    out.push(
      "PATH_TRANSLATED",
      (site.root.endsWith("/") ? site.root.slice(0, -1) : site.root) + facts.pathInfo,
    );
  }
  out.push("REMOTE_ADDR", peer.address, "REMOTE_HOST", peer.address);
  if (peer.port > 0) out.push("REMOTE_PORT", String(peer.port));
  if (peer.scheme === "https") out.push("HTTPS", "on");
  if (facts.user !== null) out.push("AUTH_TYPE", "Basic", "REMOTE_USER", facts.user);
  if (facts.contentLength !== null) out.push("CONTENT_LENGTH", String(facts.contentLength));
  // After a local redirect the content is gone, and its type with it (RFC 3875, 6.2.2).
  const contentType = facts.method === head.method ? head.fields.get("content-type") : null;
  if (contentType !== null) out.push("CONTENT_TYPE", decode(contentType, "Content-Type"));
  pushFields(out, facts, passAuthorization);
  return out;
}

/**
 * The words of a search-string, which become arguments (RFC 3875, 4.4): for GET and HEAD with a query without `=`. There are
 * none where any word is empty, is not UTF-8, holds a NUL, or begins with a dash once decoded: an interpreter could take
 * that for an option (CVE-2012-1823). No shell sees them, so nothing is quoted.
 */
export function searchArguments(method: string, query: string | null): string[] {
  if (query === null || query === "" || (method !== "GET" && method !== "HEAD") || query.includes("=")) {
    return [];
  }
  const words: string[] = [];
  for (const part of query.split("+")) {
    const word = decodeWord(part);
    if (word === null || word === "" || word.startsWith("-") || word.includes("\0")) return [];
    words.push(word);
  }
  return words;
}

function decodeWord(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

/**
 * Refuses what the system would not take.
 *
 * @param besideBytes What there is beside these, as this function has counted it.
 * @returns How much of the system's room all of it takes, in bytes.
 * @throws {HttpError} 431: one string is over 128 KiB, or all together are too long.
 */
export function assertFits(env: readonly string[], args: readonly string[], besideBytes = 0): number {
  let total = besideBytes;
  for (let i = 0; i < env.length; i += 2) {
    total += stringBytes(env[i].length + 1 + env[i + 1].length, () => `${env[i]}=${env[i + 1]}`);
  }
  for (const arg of args) total += stringBytes(arg.length, () => arg);
  if (total > TOTAL_BYTES_MAX) {
    throw new HttpError(
      431,
      `environment and arguments of ${total} bytes are more than a program can be given`,
    );
  }
  return total;
}

/** A string's share: its bytes with NUL and pointer. Only what may come near a bound is counted exactly. */
function stringBytes(chars: number, text: () => string): number {
  const bytes = chars * 3 <= 4096 ? chars : new TextEncoder().encode(text()).length;
  if (bytes > STRING_BYTES_MAX) {
    throw new HttpError(431, `a variable or argument of ${bytes} bytes is more than a program can be given`);
  }
  return bytes + 9;
}

/** The target as the client sent it, in origin-form: scripts expect a path, also from an absolute-form. */
function requestUri(target: string): string {
  if (target.startsWith("/")) return target;
  const rest = target.replace(/^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?]*/, "");
  return rest === "" || rest.startsWith("?") ? "/" + rest : rest;
}

/** The name by which the client knows the server, without port; an IPv6 address in brackets (RFC 3875, 4.1.14). */
function serverName({ peer, target, head, site }: RequestFacts): string {
  const host = peer.host ?? target.authority ?? head.fields.get("host") ?? "";
  const name = decode(host, "Host").replace(/:[0-9]*$/, "").toLowerCase();
  if (name !== "") return name;
  if (peer.localAddress !== "") {
    return peer.localAddress.includes(":") ? `[${peer.localAddress}]` : peer.localAddress;
  }
  return site.hosts.find((host) => !host.includes("*")) ?? "localhost";
}

/** HTTP_* (RFC 3875, 4.1.18). Lines of one name become one variable. */
function pushFields(out: string[], { head }: RequestFacts, passAuthorization: boolean): void {
  const { fields } = head;
  const named = connectionOptions(fields.combined("connection"));
  const first = out.length;
  for (let i = 0; i < fields.count; i++) {
    const name = fields.nameAt(i);
    const variable = fieldVariable(name);
    if (variable === null || (variable === "HTTP_AUTHORIZATION" && !passAuthorization)) continue;
    if (named !== null && named.has(name.toLowerCase())) continue;
    const value = decode(fields.valueAt(i), name);
    const at = indexOfName(out, first, variable);
    if (at === -1) out.push(variable, value);
    else out[at + 1] += (variable === "HTTP_COOKIE" ? "; " : ", ") + value;
  }
}

function indexOfName(pairs: readonly string[], from: number, name: string): number {
  for (let i = from; i < pairs.length; i += 2) {
    if (pairs[i] === name) return i;
  }
  return -1;
}

/** Names that Connection declares to be for this hop alone; null for the usual `keep-alive` and `close`. */
function connectionOptions(value: string | null): ReadonlySet<string> | null {
  if (value === null) return null;
  const lower = value.toLowerCase();
  if (lower === "keep-alive" || lower === "close") return null;
  // Host is not hop-by-hop whatever a client says: without it a script would build links to somewhere else.
  return new Set(lower.split(",").map((option) => option.trim()).filter((option) => option !== "host"));
}

/**
 * Fields no script sees, in lower case: those that have variables of their own, those for this hop alone, and Proxy, which as
 * HTTP_PROXY would turn a script's own requests over to whoever sent it (CVE-2016-5385).
 */
const HIDDEN: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "content-type",
  "keep-alive",
  "proxy",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const variableOfName = new Map<string, string | null>();

/**
 * The variable of a field name; null where there is none. `X_A` and `X-A` would both be HTTP_X_A: a proxy that strips one
 * could be deceived by the other, so a name has letters, digits and hyphens only.
 */
function fieldVariable(name: string): string | null {
  const known = variableOfName.get(name);
  if (known !== undefined) return known;
  const lower = name.toLowerCase();
  const variable = /^[a-z0-9-]+$/.test(lower) && !HIDDEN.has(lower) && !lower.startsWith("proxy-")
    ? "HTTP_" + name.toUpperCase().replaceAll("-", "_")
    : null;
  if (variableOfName.size < NAMES_MAX && name.length <= NAME_CHARS_MAX) variableOfName.set(name, variable);
  return variable;
}

/** A field value, one char per byte, as the UTF-8 that it must be to reach the script unchanged. */
function decode(value: string, field: string): string {
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(value)) return value;
  try {
    // A byte order mark at the start is content like any other.
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return decoder.decode(Uint8Array.from(value, (c) => c.charCodeAt(0)));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new HttpError(400, `the value of ${field} is no UTF-8 and cannot be given to a script`);
  }
}
