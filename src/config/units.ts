/**
 * Durations, sizes, counts and switches, from the text that stands in the file.
 *
 * Everything is read from the source text, never from what a YAML parser makes of it: `010`, `1_000` and `1e3` mean
 * different things to different parsers, so that they are refused.
 *
 * @module
 */

import { quote, Refusal } from "./refusal.ts";

const DURATION_UNITS_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
const SIZE_UNITS_BYTES = { "": 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;

const DURATION_FORMS = "500ms, 30s, 5m or 1h";
const SIZE_FORMS = "512, 64KiB, 1MiB or 2GiB";

/** What a key takes beside plain values. */
export interface NumberRule {
  /** The least value; 0 without. */
  readonly min?: number;
  /** The greatest value; 2^53-1 without. */
  readonly max?: number;
  /** What `off` stands for, mostly Infinity; without it `off` is refused. */
  readonly off?: number;
}

/** Whether the text says `off` or `false`, which mean the same. */
export function isOff(text: string): boolean {
  return /^(?:off|Off|OFF|false|False|FALSE)$/.test(text);
}

/**
 * Reads a duration: digits and `ms`, `s`, `m` or `h`.
 *
 * @returns Milliseconds; what `off` stands for; or why not. `min` and `max` are in milliseconds.
 */
export function parseDuration(text: string, rule: NumberRule = {}): number | Refusal {
  const off = parseOff(text, rule, DURATION_FORMS);
  if (off !== null) return off;
  const match = /^(0|[1-9][0-9]*)(ms|s|m|h)$/.exec(text);
  if (match === null) return new Refusal(durationRemedy(text));
  const value = Number(match[1]) * DURATION_UNITS_MS[match[2] as keyof typeof DURATION_UNITS_MS];
  return bounded(text, value, rule, formatDuration);
}

/**
 * Reads a size: digits, and `KiB`, `MiB` or `GiB` if they are no bytes.
 *
 * @returns Bytes; what `off` stands for; or why not. `min` and `max` are in bytes.
 */
export function parseSize(text: string, rule: NumberRule = {}): number | Refusal {
  const off = parseOff(text, rule, SIZE_FORMS);
  if (off !== null) return off;
  const match = /^(0|[1-9][0-9]*)(|KiB|MiB|GiB)$/.exec(text);
  if (match === null) return new Refusal(sizeRemedy(text));
  const value = Number(match[1]) * SIZE_UNITS_BYTES[match[2] as keyof typeof SIZE_UNITS_BYTES];
  return bounded(text, value, rule, formatSize);
}

/** Reads a whole number in decimal digits. */
export function parseCount(text: string, rule: NumberRule = {}): number | Refusal {
  const off = parseOff(text, rule, "a whole number");
  if (off !== null) return off;
  if (!/^(?:0|[1-9][0-9]*)$/.test(text)) {
    const remedy = /^0[0-9]+$/.test(text) ? `; write ${Number(text)}, without the leading zero` : "";
    return new Refusal(`${quote(text)} is not a whole number in plain digits${remedy}`);
  }
  return bounded(text, Number(text), rule, String);
}

/** Reads a switch: `true`, or `false` and `off`. */
export function parseSwitch(text: string): boolean | Refusal {
  if (/^(?:true|True|TRUE)$/.test(text)) return true;
  if (isOff(text)) return false;
  const meant = /^(?:on|yes|y|1|enabled?)$/i.test(text)
    ? "true"
    : /^(?:no|n|0|disabled?)$/i.test(text)
    ? "false"
    : null;
  return new Refusal(
    meant === null
      ? `${quote(text)} is not a switch: write true or false`
      : `${quote(text)} is not a switch in YAML 1.2: write ${meant}`,
  );
}

/** Reads a file mode or umask in octal digits, `0660` or `660`. */
export function parseMode(text: string): number | Refusal {
  if (!/^0?[0-7]{3}$/.test(text)) {
    return new Refusal(`${quote(text)} is not a mode: write three octal digits after a zero, such as "0660"`);
  }
  return parseInt(text, 8);
}

/** Writes milliseconds in the greatest unit that divides them. */
export function formatDuration(ms: number): string {
  if (ms === Infinity) return "off";
  for (const unit of ["h", "m", "s"] as const) {
    const unitMs = DURATION_UNITS_MS[unit];
    if (ms >= unitMs && ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  }
  return ms === 0 ? "0s" : `${ms}ms`;
}

/** Writes bytes in the greatest unit that divides them. */
export function formatSize(bytes: number): string {
  if (bytes === Infinity) return "off";
  for (const unit of ["GiB", "MiB", "KiB"] as const) {
    const unitBytes = SIZE_UNITS_BYTES[unit];
    if (bytes >= unitBytes && bytes % unitBytes === 0) return `${bytes / unitBytes}${unit}`;
  }
  return String(bytes);
}

function parseOff(text: string, rule: NumberRule, forms: string): number | Refusal | null {
  if (!isOff(text)) return null;
  return rule.off ?? new Refusal(`cannot be off: write ${forms}`);
}

function bounded(
  text: string,
  value: number,
  rule: NumberRule,
  format: (value: number) => string,
): number | Refusal {
  const max = rule.max ?? Number.MAX_SAFE_INTEGER;
  if (value > max) {
    const off = rule.off === undefined ? "" : ", or off";
    return new Refusal(`${quote(text)} is too large: at most ${format(max)}${off}`);
  }
  if (value < (rule.min ?? 0)) {
    const off = rule.off === undefined ? "" : ", or off";
    return new Refusal(`${quote(text)} is too small: at least ${format(rule.min ?? 0)}${off}`);
  }
  return value;
}

function durationRemedy(text: string): string {
  const said = `${quote(text)} is not a duration`;
  const forms = `${said}: write ${DURATION_FORMS}`;
  if (/^-/.test(text)) return `${said}: it cannot be negative`;
  if (/^(?:0|[1-9][0-9]*)$/.test(text)) return `${said}: the unit is missing; write ${text}s or ${text}ms`;
  if (/^0[0-9]+[a-z]*$/.test(text)) {
    return `${said}: a leading zero; write ${text.replace(/^0+(?=[0-9])/, "")}`;
  }
  const match =
    /^([0-9]+(?:\.[0-9]+)?)\s*(milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|h|days?|d)$/i.exec(
      text,
    );
  if (match !== null) {
    const unit = match[2].toLowerCase();
    const unitMs = unit === "ms" || unit.startsWith("milli")
      ? 1
      : DURATION_UNITS_MS[unit[0] as "s" | "m" | "h"] ?? 24 * DURATION_UNITS_MS.h;
    const ms = Number(match[1]) * unitMs;
    if (Number.isSafeInteger(ms)) return `${said}: write ${formatDuration(ms)}`;
  }
  const parts = text.match(/^(?:[0-9]+(?:ms|s|m|h)){2,}$/) === null
    ? null
    : text.match(/[0-9]+(?:ms|s|m|h)/g);
  if (parts !== null) {
    let ms = 0;
    for (const part of parts) {
      const unit = part.replace(/^[0-9]+/, "") as keyof typeof DURATION_UNITS_MS;
      ms += parseInt(part, 10) * DURATION_UNITS_MS[unit];
    }
    if (Number.isSafeInteger(ms)) return `${said}: one number and one unit; write ${formatDuration(ms)}`;
  }
  return forms;
}

function sizeRemedy(text: string): string {
  const said = `${quote(text)} is not a size`;
  if (/^-/.test(text)) return `${said}: it cannot be negative`;
  if (/^0[0-9]+[a-z]*$/i.test(text)) {
    return `${said}: a leading zero; write ${text.replace(/^0+(?=[0-9])/, "")}`;
  }
  const match = /^([0-9]+(?:\.[0-9]+)?)\s*(b|bytes?|k|kb|kib|m|mb|mib|g|gb|gib)$/i.exec(text);
  if (match !== null) {
    const unit = {
      b: "",
      k: "KiB",
      m: "MiB",
      g: "GiB",
    }[match[2][0].toLowerCase()] as keyof typeof SIZE_UNITS_BYTES;
    const bytes = Number(match[1]) * SIZE_UNITS_BYTES[unit];
    if (Number.isSafeInteger(bytes)) return `${said}: write ${formatSize(bytes)}`;
  }
  return `${said}: write ${SIZE_FORMS}`;
}
