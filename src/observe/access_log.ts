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
import type { AccessRecord } from "./record.ts";

/** The zone that `common` and `combined` tell the time in; `json` always tells UTC. */
export type Zone = "local" | "utc";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** What nginx escapes between quotes: all but printable ASCII, and the two that would end or begin an escape. */
const UNSAFE = /[^\x20-\x7e]|["\\]/;
/** Outside quotes a space would begin the next column as well. */
const UNSAFE_BARE = /[^\x21-\x7e]|["\\[\]]/;
/** What JSON.stringify() leaves as it is although a terminal or a line-reader may act on it: DEL, C1 and U+2028, U+2029. */
const UNSAFE_JSON = /[\x7f-\x9f\u2028\u2029]/g;

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A line of the Common Log Format, without its line end. */
export function formatCommon(record: AccessRecord, zone: Zone = "local"): string {
  return `${bare(record.remote)} - ${bare(record.user)} [${clfTime(record.time, zone)}] "${
    requestLine(record)
  }" ${record.status} ${record.bytes}`;
}

/** A line of the combined format, without its line end. */
export function formatCombined(record: AccessRecord, zone: Zone = "local"): string {
  return `${formatCommon(record, zone)} "${quoted(record.referer)}" "${quoted(record.userAgent)}"`;
}

/**
 * A JSON object in one line, without its line end. What is missing is null; `duration_ms` and `script_ms` have three
 * decimals at most. Bytes of a request that are UTF-8 become their characters, others the character of their number.
 */
export function formatJson(record: AccessRecord): string {
  return JSON.stringify({
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
    host: text(record.host),
    referer: text(record.referer),
    user_agent: text(record.userAgent),
  }).replace(UNSAFE_JSON, (char) => `\\u${hex(char.charCodeAt(0), 4)}`);
}

/** How wide the columns of a readable line are; what is longer moves the rest of its line, and nothing is cut. */
const METHOD_COLUMN = 7;
const TARGET_COLUMN = 40;
const TIME_COLUMN = 9;

/**
 * A line for people: method, path, status, time, and the script with how it ended, where that was not well. Without its line
 * end.
 */
export function formatReadable(record: AccessRecord, hasColours: boolean): string {
  const { status, exit, script } = record;
  const method = bare(record.method).padEnd(METHOD_COLUMN);
  const target = bare(record.target).padEnd(TARGET_COLUMN);
  const time = readableTime(record.durationMs).padStart(TIME_COLUMN);
  const line = `${method} ${target} ${hasColours ? coloured(status) : status} ${time}`;
  if (script === null) return line;
  const name = quoted(script.slice(Math.max(script.lastIndexOf("/"), script.lastIndexOf("\\")) + 1));
  const end = exit === null || exit === 0
    ? ""
    : typeof exit === "number"
    ? ` (status ${exit})`
    : ` (${exit})`;
  return `${line}  ${name}${end}`;
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

/** The function for a configured format. */
export function accessFormat(format: AccessFormat): (record: AccessRecord) => string {
  switch (format) {
    case "combined":
      return (record) => formatCombined(record);
    case "common":
      return (record) => formatCommon(record);
    case "json":
      return formatJson;
    case "readable":
      return (record) => formatReadable(record, false);
    case "coloured":
      return (record) => formatReadable(record, true);
  }
}

/** `GET /path HTTP/1.1` as it came; `-` where no request line was read. */
function requestLine(record: AccessRecord): string {
  if (record.method === "" && record.target === "") return "-";
  const line = record.protocol === ""
    ? `${record.method} ${record.target}`
    : `${record.method} ${record.target} ${record.protocol}`;
  return UNSAFE.test(line) ? escapeBytes(line, UNSAFE) : line;
}

function quoted(value: string | null): string {
  if (value === null || value === "") return "-";
  return UNSAFE.test(value) ? escapeBytes(value, UNSAFE) : value;
}

function bare(value: string | null): string {
  if (value === null || value === "") return "-";
  return UNSAFE_BARE.test(value) ? escapeBytes(value, UNSAFE_BARE) : value;
}

/** Each unsafe byte as `\xHH`, upper-case digits, as nginx writes them. A char over 255 is its UTF-8 bytes. */
function escapeBytes(value: string, unsafe: RegExp): string {
  let out = "";
  for (const char of value) {
    if (!unsafe.test(char)) {
      out += char;
    } else if (char.length === 1 && char.charCodeAt(0) <= 0xff) {
      out += `\\x${hex(char.charCodeAt(0), 2)}`;
    } else {
      for (const byte of encoder.encode(char)) out += `\\x${hex(byte, 2)}`;
    }
  }
  return out;
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
const clfCache = { second: NaN, zone: "local" as Zone, text: "" };
const isoCache = { second: NaN, text: "" };

/** `22/Nov/2026:02:34:24 +0000`. */
function clfTime(timeMs: number, zone: Zone): string {
  const second = Math.floor(timeMs / 1000);
  if (clfCache.second !== second || clfCache.zone !== zone) {
    clfCache.second = second;
    clfCache.zone = zone;
    clfCache.text = renderClfTime(second * 1000, zone);
  }
  return clfCache.text;
}

function renderClfTime(timeMs: number, zone: Zone): string {
  const offsetMinutes = zone === "utc" ? 0 : -new Date(timeMs).getTimezoneOffset();
  // The wall clock's digits are those of UTC at a time that is shifted by the offset.
  const wall = new Date(timeMs + offsetMinutes * 60_000);
  const sign = offsetMinutes < 0 ? "-" : "+";
  const offset = Math.abs(offsetMinutes);
  return `${two(wall.getUTCDate())}/${MONTHS[wall.getUTCMonth()]}/${wall.getUTCFullYear()}:` +
    `${two(wall.getUTCHours())}:${two(wall.getUTCMinutes())}:${two(wall.getUTCSeconds())} ` +
    `${sign}${two(Math.floor(offset / 60))}${two(offset % 60)}`;
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
