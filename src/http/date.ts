/**
 * Dates of HTTP (RFC 9110, 5.6.7): rendered as IMF-fixdate, read in all three forms.
 *
 * @module
 */

const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const SHORT_WEEKDAYS = WEEKDAYS.map((name) => name.slice(0, 3));
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const FIRST_MS = Date.UTC(1970, 0, 1);
const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59);

/**
 * `Sun, 06 Nov 1994 08:49:37 GMT`.
 *
 * @param epochMs Milliseconds since 1970; what lies before 1970 or after 9999 is moved to the nearest date that fits.
 */
export function formatHttpDate(epochMs: number): string {
  return new Date(Math.min(Math.max(epochMs, FIRST_MS), LAST_MS)).toUTCString();
}

/**
 * Reads `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` or `Sun Nov  6 08:49:37 1994`.
 *
 * @param nowMs The present, in milliseconds since 1970: a two-digit year that would lie more than 50 years after it is one
 * of the century before.
 * @returns Milliseconds since 1970; null for anything else, which makes a condition void (RFC 9110, 13.1).
 */
export function parseHttpDate(text: string, nowMs: number): number | null {
  const comma = text.indexOf(",");
  if (comma === 3) return parseImfFixdate(text);
  return comma === -1 ? parseAsctime(text) : parseRfc850(text, comma, nowMs);
}

function parseImfFixdate(text: string): number | null {
  if (text.length !== 29 || text[4] !== " " || text[7] !== " " || text[11] !== " " || text[16] !== " ") {
    return null;
  }
  if (!isWeekday(text, 3) || !text.endsWith(" GMT")) return null;
  return toEpoch(digits(text, 12, 4), month(text, 8), digits(text, 5, 2), text, 17);
}

function parseAsctime(text: string): number | null {
  if (text.length !== 24 || text[3] !== " " || text[7] !== " " || text[10] !== " " || text[19] !== " ") {
    return null;
  }
  if (!isWeekday(text, 3)) return null;
  const day = text[8] === " " ? digits(text, 9, 1) : digits(text, 8, 2);
  return toEpoch(digits(text, 20, 4), month(text, 4), day, text, 11);
}

function parseRfc850(text: string, comma: number, nowMs: number): number | null {
  const rest = text.slice(comma);
  if (rest.length !== 24 || rest[1] !== " " || rest[4] !== "-" || rest[8] !== "-" || rest[11] !== " ") {
    return null;
  }
  if (!isWeekday(text, comma) || !rest.endsWith(" GMT")) return null;
  const shortYear = digits(rest, 9, 2);
  if (shortYear === null) return null;
  const present = new Date(nowMs).getUTCFullYear();
  const century = present - present % 100;
  for (const year of [century + 100 + shortYear, century + shortYear]) {
    const epochMs = toEpoch(year, month(rest, 5), digits(rest, 2, 2), rest, 12);
    if (epochMs !== null && epochMs <= fiftyYearsAfter(nowMs)) return epochMs;
  }
  return toEpoch(century - 100 + shortYear, month(rest, 5), digits(rest, 2, 2), rest, 12);
}

function fiftyYearsAfter(epochMs: number): number {
  const date = new Date(epochMs);
  return date.setUTCFullYear(date.getUTCFullYear() + 50);
}

/** Whether the text begins with a weekday: three letters of it, or all where more come before the comma. */
function isWeekday(text: string, length: number): boolean {
  return (length === 3 ? SHORT_WEEKDAYS : WEEKDAYS).includes(text.slice(0, length));
}

/** The month's name at `at`, from 0; null when there is none. */
function month(text: string, at: number): number | null {
  const index = MONTHS.indexOf(text.slice(at, at + 3));
  return index === -1 ? null : index;
}

/** The number of exactly `count` digits at `at`; null when there is none. */
function digits(text: string, at: number, count: number): number | null {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return null;
    value = value * 10 + digit;
  }
  return value;
}

/** Joins date and the time of day, `08:49:37` at `at`; null when a part is missing or out of its range. */
function toEpoch(
  year: number | null,
  monthIndex: number | null,
  day: number | null,
  text: string,
  at: number,
): number | null {
  const hour = digits(text, at, 2);
  const minute = digits(text, at + 3, 2);
  const second = digits(text, at + 6, 2);
  if (
    year === null || monthIndex === null || day === null || hour === null || minute === null ||
    second === null
  ) {
    return null;
  }
  if (text[at + 2] !== ":" || text[at + 5] !== ":") return null;
  // 60: a leap second. Some day of the month is always too many; Date would carry it into the next one.
  if (hour > 23 || minute > 59 || second > 60 || day < 1 || day > daysIn(year, monthIndex)) return null;
  const date = new Date(0);
  // Not Date.UTC, which takes the years 0 to 99 for those of the twentieth century.
  date.setUTCFullYear(year, monthIndex, day);
  date.setUTCHours(hour, minute, second);
  return date.getTime();
}

function daysIn(year: number, monthIndex: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, monthIndex + 1, 0);
  return date.getUTCDate();
}
