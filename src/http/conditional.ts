/**
 * Conditional requests (RFC 9110, 13): the whole order of precedence of 13.2.2 in one function, for files, uploads and
 * kept responses alike.
 *
 * @module
 */

import { parseHttpDate } from "./date.ts";
import { equalStrong, equalWeak, isEntityTag, listHasTag } from "./etag.ts";
import type { FieldSection } from "./fields.ts";

/** What is known of the selected representation, for preconditions. */
export interface Validators {
  /** Its entity tag; null: it has none. */
  readonly etag: string | null;
  /** When it was last modified, in milliseconds since 1970, of which whole seconds count; null: unknown. */
  readonly lastModifiedMs: number | null;
  /** The same as it is sent, where that is at hand: what comes back as it was needs no reading. */
  readonly lastModified?: string;
  /**
   * Whether the modification is far enough in the past that no other can have happened in the same second since the
   * client got it (RFC 9110, 8.8.2.2): only then may If-Range count on a date.
   */
  readonly isLastModifiedStrong: boolean;
}

/** What preconditions come to. */
export interface ConditionResult {
  /** `proceed`: as without; `notModified`: 304; `preconditionFailed`: 412. */
  readonly outcome: "proceed" | "notModified" | "preconditionFailed";
  /** Whether a Range field, where there is one, holds: the method is GET and If-Range is absent or true. */
  readonly rangeHolds: boolean;
}

const PROCEED: ConditionResult = Object.freeze({ outcome: "proceed", rangeHolds: false });
const PROCEED_RANGE: ConditionResult = Object.freeze({ outcome: "proceed", rangeHolds: true });
const NOT_MODIFIED: ConditionResult = Object.freeze({ outcome: "notModified", rangeHolds: false });
const FAILED: ConditionResult = Object.freeze({ outcome: "preconditionFailed", rangeHolds: false });

/**
 * Evaluates a request's preconditions in the order of RFC 9110, 13.2.2.
 *
 * To be asked only where the answer without them would be a 2xx (13.2.1). A date that is none is as good as absent, an
 * entity tag that is none matches nothing.
 *
 * @param method The request's method.
 * @param fields Its field section.
 * @param current The selected representation; null: none exists, as before a PUT that creates it.
 * @param now Says the time, in milliseconds since 1970, by which two-digit years of dates are read: most requests have no date.
 */
export function evaluateConditions(
  method: string,
  fields: FieldSection,
  current: Validators | null,
  now: () => number,
): ConditionResult {
  const isRead = method === "GET" || method === "HEAD";

  const ifMatch = fields.combined("if-match");
  if (ifMatch !== null) {
    if (!hasMatch(ifMatch, current, equalStrong)) return FAILED;
  } else {
    const since = dateOf(fields, "if-unmodified-since", now);
    if (since !== null && modifiedAfter(current, since)) return FAILED;
  }

  const ifNoneMatch = fields.combined("if-none-match");
  if (ifNoneMatch !== null) {
    if (hasMatch(ifNoneMatch, current, equalWeak)) return isRead ? NOT_MODIFIED : FAILED;
  } else if (isRead) {
    const text = fields.combined("if-modified-since");
    if (text !== null && current !== null && isUnmodifiedSince(text, current, now)) return NOT_MODIFIED;
  }

  if (method !== "GET") return PROCEED;
  const ifRange = fields.combined("if-range");
  return ifRange === null || rangeConditionHolds(ifRange, current, now) ? PROCEED_RANGE : PROCEED;
}

function hasMatch(
  list: string,
  current: Validators | null,
  equal: (a: string, b: string) => boolean,
): boolean {
  if (current === null) return false;
  if (list === "*") return true;
  return current.etag !== null && listHasTag(list, current.etag, equal);
}

function isUnmodifiedSince(text: string, current: Validators, now: () => number): boolean {
  if (current.lastModifiedMs === null) return false;
  if (text === current.lastModified) return true;
  const since = parseHttpDate(text, now());
  return since !== null && !modifiedAfter(current, since);
}

/** Several lines of such a field are no date. */
function dateOf(fields: FieldSection, name: string, now: () => number): number | null {
  const text = fields.combined(name);
  return text === null ? null : parseHttpDate(text, now());
}

/** Whether it was modified after a date, as far as is known. */
function modifiedAfter(current: Validators | null, dateMs: number): boolean {
  if (current === null || current.lastModifiedMs === null) return false;
  return wholeSecond(current.lastModifiedMs) > dateMs;
}

/** If-Range (RFC 9110, 13.1.5): an entity tag by strong comparison, or a date by exact match and only a strong one. */
function rangeConditionHolds(value: string, current: Validators | null, now: () => number): boolean {
  if (current === null) return false;
  if (isEntityTag(value)) return current.etag !== null && equalStrong(value, current.etag);
  const dateMs = parseHttpDate(value, now());
  if (dateMs === null || current.lastModifiedMs === null || !current.isLastModifiedStrong) return false;
  return wholeSecond(current.lastModifiedMs) === dateMs;
}

function wholeSecond(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}
