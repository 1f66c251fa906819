/**
 * Lines of the access log: `common`, `combined` and `json`, and the lines of `--dev` for people. Pure; where lines go is no concern of this file.
 *
 * `common` and `combined` are the formats of Apache httpd and nginx, byte for byte:
 * `%h - %u [%d/%b/%Y:%H:%M:%S %z] "%r" %>s %b "%{Referer}i" "%{User-agent}i"`. Where the two differ (escapes, an empty
 * body), nginx is followed. A line is ASCII, so that no byte of a request can forge a line or reach a terminal.
 *
 * @module
 */

import type { AccessFormat } from "../config/config.ts";
import type { FieldLines } from "../http/fields.ts";
import { encodeOctets, octetClass } from "../http/octets.ts";
import type { Lines } from "./lines.ts";
import type { AccessRecord } from "./record.ts";

/** The zone that `common` and `combined` tell the time in; `json` always tells UTC. */
export type Zone = "local" | "utc";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** What stands between quotes as it is: printable ASCII but for the two that would end or begin an escape. */
const QUOTED: Uint8Array = octetClass("", [0x20, 0x21], [0x23, 0x5b], [0x5d, 0x7e]);
/** Outside quotes a space or a bracket would begin the next column as well. */
const BARE: Uint8Array = octetClass("!", [0x23, 0x5a], [0x5e, 0x7e]);
/** What JSON.stringify() leaves as it is although a terminal or a line-reader may act on it: DEL, C1 and U+2028, U+2029. */
const UNSAFE_JSON = /[\x7f-\x9f\u2028\u2029]/g;

const QUOTE = 0x22;
const DASH = 0x2d;
const SPACE = 0x20;

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Writes a line of the access log, without its line end. */
export type AccessFormatter = (record: AccessRecord, line: Lines) => void;

/** A line of the Common Log Format. */
export function writeCommon(record: AccessRecord, line: Lines, zone: Zone = "local"): void {
  bare(line, record.remote);
  if (record.user === null) {
    line.ascii(" - -");
  } else {
    line.ascii(" - ");
    bare(line, record.user);
  }
  line.raw(clfTime(record.time, zone));
  requestLine(line, record);
  line.number(record.status);
  line.byte(SPACE);
  line.number(record.bytes);
}

/** A line of the combined format. */
export function writeCombined(record: AccessRecord, line: Lines, zone: Zone = "local"): void {
  writeCommon(record, line, zone);
  line.byte(SPACE);
  quotedField(line, record.fields, "referer");
  line.byte(SPACE);
  quotedField(line, record.fields, "user-agent");
}

/**
 * A JSON object in one line. What is missing is null; `duration_ms` and `script_ms` have three decimals at most. Bytes of a
 * request that are UTF-8 become their characters, others the character of their number.
 */
export function writeJson(record: AccessRecord, line: Lines): void {
  const { fields } = record;
  const json = JSON.stringify({
    time: isoTime(record.time),
    remote: text(record.remote),
    user: text(record.user),
    method: text(record.method),
    target: text(record.target),
    protocol: text(record.protocol),
    status: record.status,
    bytes: record.bytes,
    duration_ms: rounded(record.durationMs),
    script: record.script,
    script_ms: record.scriptMs === null ? null : rounded(record.scriptMs),
    exit: record.exit,
    request_id: record.requestId,
    host: text(fields?.get("host") ?? null),
    referer: text(fields?.get("referer") ?? null),
    user_agent: text(fields?.get("user-agent") ?? null),
  });
  line.text(json.replace(UNSAFE_JSON, (char) => `\\u${hex(char.charCodeAt(0), 4)}`));
}

/** How wide the columns of a readable line are; what is longer moves the rest of its line, and nothing is cut. */
const METHOD_COLUMN = 7;
const TARGET_COLUMN = 40;
const TIME_COLUMN = 9;

/** A line for people: method, path, status, time, and the script with how it ended, where that was not well. */
export function writeReadable(record: AccessRecord, line: Lines, hasColours: boolean): void {
  const { status, exit, script } = record;
  column(line, METHOD_COLUMN, () => bare(line, record.method));
  column(line, TARGET_COLUMN, () => bare(line, record.target));
  line.ascii(hasColours ? coloured(status) : String(status));
  line.ascii(` ${readableTime(record.durationMs).padStart(TIME_COLUMN)}`);
  if (script === null) return;
  line.ascii("  ");
  line.octetText(script.slice(Math.max(script.lastIndexOf("/"), script.lastIndexOf("\\")) + 1), QUOTED);
  if (exit === null || exit === 0) return;
  line.ascii(typeof exit === "number" ? ` (status ${exit})` : ` (${exit})`);
}

/** What `write` writes, filled up with spaces, and one more behind it. */
function column(line: Lines, width: number, write: () => void): void {
  const end = line.length + width;
  write();
  while (line.length < end) line.byte(SPACE);
  line.byte(SPACE);
}

function readableTime(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Green, blue, yellow and red, by its first digit. */
function coloured(status: number): string {
  const colour = status < 300 ? 32 : status < 400 ? 34 : status < 500 ? 33 : 31;
  return `\x1b[${colour}m${status}\x1b[0m`;
}

/** What writes the lines of a configured format. */
export function accessFormat(format: AccessFormat): AccessFormatter {
  switch (format) {
    case "combined":
      return (record, line) => writeCombined(record, line);
    case "common":
      return (record, line) => writeCommon(record, line);
    case "json":
      return writeJson;
    case "readable":
      return (record, line) => writeReadable(record, line, false);
    case "coloured":
      return (record, line) => writeReadable(record, line, true);
  }
}

/** `"GET /path HTTP/1.1" ` as it came; `"-" ` where no request line was read. */
function requestLine(line: Lines, { method, target, protocol }: AccessRecord): void {
  line.byte(QUOTE);
  if (method === "" && target === "") return line.ascii('-" ');
  line.octetText(method, QUOTED);
  line.byte(SPACE);
  line.octetText(target, QUOTED);
  line.ascii(BEHIND_TARGET[protocol]);
}

const BEHIND_TARGET = { "HTTP/1.1": ' HTTP/1.1" ', "HTTP/1.0": ' HTTP/1.0" ', "": '" ' };

/** The value of the first line of that name, as it lies in the head. */
function quotedField(line: Lines, fields: FieldLines | null, name: string): void {
  const index = fields?.indexOf(name, 0) ?? -1;
  if (fields === null || index === -1) return line.ascii('"-"');
  const start = fields.valueStart(index);
  const end = fields.valueEnd(index);
  if (start === end) return line.ascii('"-"');
  line.byte(QUOTE);
  line.octets(fields.bytes, start, end, QUOTED);
  line.byte(QUOTE);
}

function bare(line: Lines, value: string | null): void {
  if (value === null || value === "") line.byte(DASH);
  else line.octetText(value, BARE);
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, "0");
}

/** A request's field holds a byte in each char: its characters, where those bytes are UTF-8. */
function text(value: string | null): string | null {
  if (value === null || value === "") return null;
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(value) || /[^\x00-\xff]/.test(value)) return value;
  const bytes = Uint8Array.from(value, (char) => char.charCodeAt(0));
  try {
    return strictDecoder.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return value;
    throw error;
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

// A busy loop writes many lines within one second: each form of it is made once.
const clfCache = { second: NaN, zone: "local" as Zone, bytes: new Uint8Array(0) };
const isoCache = { second: NaN, text: "" };

/** ` [22/Nov/2026:02:34:24 +0000] `. */
function clfTime(timeMs: number, zone: Zone): Uint8Array {
  const second = Math.floor(timeMs / 1000);
  if (clfCache.second !== second || clfCache.zone !== zone) {
    clfCache.second = second;
    clfCache.zone = zone;
    clfCache.bytes = encodeOctets(renderClfTime(second * 1000, zone));
  }
  return clfCache.bytes;
}

function renderClfTime(timeMs: number, zone: Zone): string {
  const offsetMinutes = zone === "utc" ? 0 : -new Date(timeMs).getTimezoneOffset();
  // The wall clock's digits are those of UTC at a time that is shifted by the offset.
  const wall = new Date(timeMs + offsetMinutes * 60_000);
  const sign = offsetMinutes < 0 ? "-" : "+";
  const offset = Math.abs(offsetMinutes);
  return ` [${two(wall.getUTCDate())}/${MONTHS[wall.getUTCMonth()]}/${wall.getUTCFullYear()}:` +
    `${two(wall.getUTCHours())}:${two(wall.getUTCMinutes())}:${two(wall.getUTCSeconds())} ` +
    `${sign}${two(Math.floor(offset / 60))}${two(offset % 60)}] `;
}

/** `2026-11-22T02:34:24.123Z`. */
function isoTime(timeMs: number): string {
  const second = Math.floor(timeMs / 1000);
  if (isoCache.second !== second) {
    isoCache.second = second;
    isoCache.text = new Date(second * 1000).toISOString().slice(0, -4);
  }
  return `${isoCache.text}${String(Math.floor(timeMs - second * 1000)).padStart(3, "0")}Z`;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
