/**
 * Which answers may be kept, for how long, and for whom (RFC 9111, 3 and 4), as a shared cache in front of scripts. Pure.
 *
 * It is stricter than it has to be where a mistake would show one client what is another's: nothing with Set-Cookie or a
 * failure's status is kept, and who sends a cookie gets only what its script has declared to be fresh for everybody. What is
 * stale is never used: a script is asked again, not whether its old answer still holds.
 *
 * @module
 */

import { type Directives, parseCacheControl, secondsOf } from "../http/cache_control.ts";
import { parseHttpDate } from "../http/date.ts";
import type { Field, FieldSection } from "../http/fields.ts";

/** What is asked for. */
export interface CacheRequest {
  /** The request's fields. */
  readonly fields: FieldSection;
  /** Whether a user was recognized. */
  readonly hasUser: boolean;
}

/** What was answered. */
export interface CacheResponse {
  /** Its status. */
  readonly status: number;
  /** Its fields, as the client will see them. */
  readonly fields: readonly Field[];
}

/** How long an answer may be used, and for whom. */
export interface Freshness {
  /** How long in all, in milliseconds. */
  readonly lifetimeMs: number;
  /** How old it is already, in milliseconds. */
  readonly ageMs: number;
  /** Whether it says itself that it may be shared. */
  readonly isExplicit: boolean;
  /** Whether it is declared to be for everybody, also where a request was authorized (3.5). */
  readonly isPublic: boolean;
  /** Names of the request's fields that it depends on, in lower case. */
  readonly vary: readonly string[];
}

/** What a client wants of a cache (5.2.1). */
export interface Wishes {
  /** Its answer must not be kept. */
  readonly noStore: boolean;
  /** No kept answer will do. */
  readonly noCache: boolean;
  /** The oldest that will do, in milliseconds. */
  readonly maxAgeMs: number;
  /** How long it must still be fresh, in milliseconds. */
  readonly minFreshMs: number;
  /** Only a kept answer will do. */
  readonly onlyIfCached: boolean;
}

/** Statuses that may be kept without their saying so (RFC 9110, 15.1), but for parts and failures. */
const BY_DEFAULT: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414]);
/** Further ones that may be kept where they say how long. */
const WHERE_EXPLICIT: ReadonlySet<number> = new Set([302, 303, 307, 400, 403, 451]);

/**
 * Whether an answer to a GET may be kept.
 *
 * @param defaultMs How long it is fresh where it says nothing, in milliseconds.
 * @param nowMs The time, in milliseconds since 1970.
 * @returns null: it may not.
 */
export function storable(
  request: CacheRequest,
  response: CacheResponse,
  defaultMs: number,
  nowMs: number,
): Freshness | null {
  const directives = parseCacheControl(valueOf(response, "cache-control"));
  const vary = varyNames(response);
  if (directives === null || vary === null || readWishes(request.fields).noStore) return null;
  if (valueOf(response, "set-cookie") !== null || valueOf(response, "content-range") !== null) return null;
  if (["no-store", "private", "no-cache"].some((name) => directives.has(name))) return null;
  const isPublic = ["public", "s-maxage", "must-revalidate"].some((name) => directives.has(name));
  if (hasAuthorization(request) && !isPublic) return null;
  const own = ownLifetimeMs(directives, response, nowMs);
  if (!(BY_DEFAULT.has(response.status) || (own !== null && WHERE_EXPLICIT.has(response.status)))) {
    return null;
  }
  const isExplicit = own !== null || directives.has("public");
  if (!isExplicit && request.fields.get("cookie") !== null) return null;
  const ageMs = ageOf(response);
  const lifetimeMs = own ?? defaultMs;
  if (ageMs === null || ageMs >= lifetimeMs) return null;
  return { lifetimeMs, ageMs, isExplicit, isPublic, vary };
}

/** Whether a kept answer may be given to a request, at an age in milliseconds. */
export function usable(request: CacheRequest, freshness: Freshness, ageMs: number): boolean {
  const wishes = readWishes(request.fields);
  if (wishes.noCache || ageMs > wishes.maxAgeMs) return false;
  if (freshness.lifetimeMs - ageMs <= wishes.minFreshMs) return false;
  if (hasAuthorization(request) && !freshness.isPublic) return false;
  return freshness.isExplicit || request.fields.get("cookie") === null;
}

/** What a client wants. A field that cannot be read asks for the most. */
export function readWishes(fields: FieldSection): Wishes {
  const value = fields.combined("cache-control");
  if (value === null) return fields.get("pragma")?.trim().toLowerCase() === "no-cache" ? NO_CACHE : NO_WISHES;
  const directives = parseCacheControl(value);
  if (directives === null) return NO_CACHE;
  return {
    noStore: directives.has("no-store"),
    noCache: directives.has("no-cache"),
    maxAgeMs: (secondsOf(directives, "max-age") ?? Infinity) * 1000,
    minFreshMs: (secondsOf(directives, "min-fresh") ?? 0) * 1000,
    onlyIfCached: directives.has("only-if-cached"),
  };
}

/** Whether a request says who makes it. */
export function isPersonal(request: CacheRequest): boolean {
  return hasAuthorization(request) || request.fields.get("cookie") !== null;
}

const NO_WISHES: Wishes = {
  noStore: false,
  noCache: false,
  maxAgeMs: Infinity,
  minFreshMs: 0,
  onlyIfCached: false,
};
const NO_CACHE: Wishes = { ...NO_WISHES, noCache: true };

function hasAuthorization({ fields, hasUser }: CacheRequest): boolean {
  return hasUser || fields.get("authorization") !== null;
}

/** What an answer says of its own freshness (4.2.1); null: nothing. */
function ownLifetimeMs(directives: Directives, response: CacheResponse, nowMs: number): number | null {
  const seconds = secondsOf(directives, "s-maxage") ?? secondsOf(directives, "max-age");
  if (seconds !== null) return seconds * 1000;
  const expires = valueOf(response, "expires");
  if (expires === null) return null;
  // Date is the server's own, and now. What is no date is past (5.3).
  return Math.max(0, (parseHttpDate(expires, nowMs) ?? nowMs) - nowMs);
}

/** How old an answer is that was itself kept somewhere; null: it does not say so clearly. */
function ageOf(response: CacheResponse): number | null {
  const age = valueOf(response, "age");
  if (age === null) return 0;
  return /^[0-9]{1,10}$/.test(age) ? Number(age) * 1000 : null;
}

/** The names in Vary; null: it depends on more than the request (`*`). */
function varyNames(response: CacheResponse): string[] | null {
  const names = (valueOf(response, "vary") ?? "").toLowerCase().split(",").map((name) => name.trim());
  return names.includes("*") ? null : [...new Set(names.filter((name) => name !== ""))].sort();
}

/** The value of all fields of that name, joined; null without. */
export function valueOf({ fields }: CacheResponse, name: string): string | null {
  const values = fields.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);
  return values.length === 0 ? null : values.join(", ");
}
