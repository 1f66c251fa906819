/**
 * A second reading of RFC 9112, deliberately naive: the whole message in one string of one char a byte, regular expressions
 * written off the grammar, nothing shared with `src/http`. Slow, and short enough to be checked against the RFC by eye.
 *
 * @module
 */

/** Where a request ends, or that it is none, or that more has to come. */
export type Reading =
  | { readonly kind: "request"; readonly bytes: number; readonly body: string }
  | { readonly kind: "bad" }
  | { readonly kind: "more" };

const BAD: Reading = { kind: "bad" };
const MORE: Reading = { kind: "more" };

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const text = "[\\t\\x20-\\x7e\\x80-\\xff]*";
const REQUEST_LINE = new RegExp(`^(${token}) ([\\x21-\\x22\\x24-\\x7e]+) HTTP/([0-9])\\.([0-9])$`);
const FIELD_LINE = new RegExp(`^(${token}):(${text})$`);
const quoted = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t\\x20-\\x7e\\x80-\\xff])*"';
const CHUNK_HEAD = new RegExp(
  `^([0-9A-Fa-f]{1,16})(?:[ \\t]*;[ \\t]*${token}(?:[ \\t]*=[ \\t]*(?:${token}|${quoted}))?)*$`,
);
const HOST = /^((?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+|\[[0-9A-Fa-f:.]+\])(?::([0-9]*))?$|^$/;

/** Reads one request off the beginning of `wire`, of which all has arrived that ever will. */
export function readRequest(wire: string): Reading {
  const start = wire.startsWith("\r\n") ? 2 : 0;
  const headEnd = wire.indexOf("\r\n\r\n", start);
  if (headEnd === -1) return MORE;
  const [first, ...lines] = wire.slice(start, headEnd).split("\r\n");
  const line = REQUEST_LINE.exec(first);
  if (line === null) return BAD;
  const [, , , major, minor] = line;
  if (major !== "1") return BAD;

  const values = new Map<string, string[]>();
  for (const each of lines) {
    const field = FIELD_LINE.exec(each);
    if (field === null) return BAD;
    const name = field[1].toLowerCase();
    values.set(name, [...values.get(name) ?? [], field[2].replace(/^[ \t]+|[ \t]+$/g, "")]);
  }
  const of = (name: string) => values.get(name) ?? [];
  const hosts = of("host");
  if (hosts.length > 1 || (hosts.length === 0 && minor !== "0")) return BAD;
  for (const host of hosts) {
    const parts = HOST.exec(host);
    if (parts === null || Number(parts[2] ?? "0") > 65535) return BAD;
    if (host.startsWith("[") && !URL.canParse(`http://${parts[1]}/`)) return BAD;
  }

  const content = headEnd + 4;
  const lengths = of("content-length");
  const codings = of("transfer-encoding");
  if (codings.length > 0) {
    if (lengths.length > 0 || minor === "0" || codings.join(",").toLowerCase() !== "chunked") return BAD;
    return readChunks(wire, content);
  }
  if (lengths.length === 0) return { kind: "request", bytes: content, body: "" };
  if (lengths.length > 1 || !/^[0-9]+$/.test(lengths[0])) return BAD;
  const length = Number(lengths[0]);
  if (length > Number.MAX_SAFE_INTEGER) return BAD;
  if (wire.length - content < length) return MORE;
  return { kind: "request", bytes: content + length, body: wire.slice(content, content + length) };
}

function readChunks(wire: string, from: number): Reading {
  let body = "";
  for (let at = from;;) {
    const lineEnd = wire.indexOf("\r\n", at);
    if (lineEnd === -1) return MORE;
    const head = CHUNK_HEAD.exec(wire.slice(at, lineEnd));
    if (head === null) return BAD;
    const size = parseInt(head[1], 16);
    if (size > Number.MAX_SAFE_INTEGER) return BAD;
    at = lineEnd + 2;
    if (size === 0) return readTrailers(wire, at, body);
    if (wire.length < at + size + 2) {
      // A byte that cannot be the end of the data is bad before the other one has come.
      const behind = wire.slice(at + size);
      return "\r\n".startsWith(behind) ? MORE : BAD;
    }
    if (wire.slice(at + size, at + size + 2) !== "\r\n") return BAD;
    body += wire.slice(at, at + size);
    at += size + 2;
  }
}

function readTrailers(wire: string, from: number, body: string): Reading {
  for (let at = from;;) {
    const lineEnd = wire.indexOf("\r\n", at);
    if (lineEnd === -1) return MORE;
    if (lineEnd === at) return { kind: "request", bytes: at + 2, body };
    if (!FIELD_LINE.test(wire.slice(at, lineEnd))) return BAD;
    at = lineEnd + 2;
  }
}

/** A response as it stands on the wire. */
export interface ReadResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly fields: ReadonlyMap<string, string>;
  readonly content: string;
  /** Whether its end was seen, and not only that of what was written. */
  readonly isWhole: boolean;
}

/**
 * Reads all responses of a connection, interim ones included.
 *
 * @param methods The methods of the requests, in their order.
 * @param isEnded The server has closed its sending side.
 * @throws {Error} What stands there is no sequence of responses.
 */
export function readResponses(wire: string, methods: readonly string[], isEnded: boolean): ReadResponse[] {
  const found: ReadResponse[] = [];
  let finals = 0;
  for (let at = 0; at < wire.length;) {
    const headEnd = wire.indexOf("\r\n\r\n", at);
    if (headEnd === -1) {
      if (!/^H(T(T(P(\/(1(\.(1( [^]*)?)?)?)?)?)?)?)?$/.test(wire.slice(at))) {
        throw new Error(`no response begins so: ${JSON.stringify(wire.slice(at, at + 40))}`);
      }
      found.push({ status: 0, fields: new Map(), content: "", isWhole: false });
      return found;
    }
    const [first, ...lines] = wire.slice(at, headEnd).split("\r\n");
    const line = /^HTTP\/1\.1 ([1-5][0-9]{2}) [\t\x20-\x7e]*$/.exec(first);
    if (line === null) throw new Error(`no status line: ${JSON.stringify(first.slice(0, 80))}`);
    const status = Number(line[1]);
    const fields = new Map<string, string>();
    for (const each of lines) {
      const field = FIELD_LINE.exec(each);
      if (field === null) throw new Error(`no field line: ${JSON.stringify(each)}`);
      const name = field[1].toLowerCase();
      if (fields.has(name)) throw new Error(`${name} twice`);
      fields.set(name, field[2].trim());
    }
    at = headEnd + 4;
    const method = methods[finals] ?? "GET";
    if (status >= 200) finals++;
    const length = fields.get("content-length");
    const isChunked = fields.has("transfer-encoding");
    if (length !== undefined && isChunked) throw new Error("two framings");
    if (status < 200 || status === 204 || status === 304 || method === "HEAD") {
      found.push({ status, fields, content: "", isWhole: true });
    } else if (isChunked) {
      const reading = readChunks(wire, at);
      if (reading.kind === "bad") {
        throw new Error(`a bad chunk in ${JSON.stringify(wire.slice(at, at + 200))}`);
      }
      if (reading.kind === "more") {
        found.push({ status, fields, content: wire.slice(at), isWhole: false });
        return found;
      }
      found.push({ status, fields, content: reading.body, isWhole: true });
      at = reading.bytes;
    } else if (length === undefined) {
      if (fields.get("connection") !== "close") {
        throw new Error("content without a framing on a connection that goes on");
      }
      found.push({ status, fields, content: wire.slice(at), isWhole: isEnded });
      return found;
    } else {
      const content = wire.slice(at, at + Number(length));
      found.push({ status, fields, content, isWhole: content.length === Number(length) });
      at += content.length;
    }
    if (status >= 200 && fields.get("connection") === "close" && at < wire.length) {
      throw new Error(`bytes behind an answer that said close: ${JSON.stringify(wire.slice(at, at + 80))}`);
    }
  }
  return found;
}
