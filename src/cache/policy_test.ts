/**
 * What may be kept, and for whom: each refusal beside what is accepted.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Field } from "../http/fields.ts";
import { formatHttpDate } from "../http/date.ts";
import { fieldSection } from "../../tests/support/exchange.ts";
import { type CacheRequest, storable, usable } from "./policy.ts";

const NOW = Date.UTC(2026, 0, 1);
const DEFAULT = 5_000;

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

function request(fields: Record<string, string> = {}, hasUser = false): CacheRequest {
  return { fields: fieldSection(fields), hasUser };
}

function fresh(fields: Record<string, string>, status = 200, from: CacheRequest = request()) {
  return storable(from, { status, fields: Object.entries(fields) }, DEFAULT, NOW);
}

function lifetime(fields: Record<string, string>, status = 200, from = request()): number | null {
  return fresh(fields, status, from)?.lifetimeMs ?? null;
}

test("what says nothing is fresh for the default, if its status may be kept", () => {
  for (const status of [200, 203, 204, 300, 301, 308, 404, 405, 410, 414]) {
    assertEquals(lifetime({}, status), DEFAULT, String(status));
  }
  for (const status of [206, 302, 303, 304, 307, 400, 401, 403, 407, 416, 429, 500, 501, 502, 503, 504]) {
    assertEquals(lifetime({}, status), null, String(status));
  }
});

test("a status that is kept only where it says how long", () => {
  for (const status of [302, 303, 307, 403]) {
    assertEquals(lifetime({ "Cache-Control": "max-age=9" }, status), 9000);
  }
  for (const status of [206, 304, 401, 500, 502, 503]) {
    assertEquals(lifetime({ "Cache-Control": "max-age=9" }, status), null, String(status));
  }
  assertEquals(lifetime({ "Cache-Control": "public" }, 302), null);
});

test("s-maxage beats max-age, which beats Expires, which beats the default", () => {
  const Expires = formatHttpDate(NOW + 60_000);
  assertEquals(lifetime({ "Cache-Control": "max-age=9, s-maxage=20", Expires }), 20_000);
  assertEquals(lifetime({ "Cache-Control": "max-age=9", Expires }), 9000);
  assertEquals(lifetime({ Expires }), 60_000);
});

test("what is past, or cannot be read, is not fresh", () => {
  const cases: Record<string, string>[] = [
    { "Cache-Control": "max-age=0" },
    { "Cache-Control": "max-age=x" },
    { "Cache-Control": "max-age" },
    { "Cache-Control": "max-age=5, max-age=6" },
    { "Cache-Control": "s-maxage=0, max-age=60" },
    { "Cache-Control": "max-age = 5" },
    { Expires: "0" },
    { Expires: formatHttpDate(NOW) },
    { Expires: formatHttpDate(NOW - 1000) },
    { Age: "5" },
    { Age: "x" },
    { "Cache-Control": "max-age=9", Age: "9" },
  ];
  for (const fields of cases) assertEquals(lifetime(fields), null, JSON.stringify(fields));
  assertEquals(fresh({ "Cache-Control": "max-age=9", Age: "8" })?.ageMs, 8000);
});

test("what forbids it is not kept", () => {
  for (
    const value of ["no-store", "private", 'private="X"', "no-cache", 'no-cache="X"', "public, NO-STORE"]
  ) {
    assertEquals(lifetime({ "Cache-Control": `${value}, max-age=60` }), null, value);
  }
  assertEquals(lifetime({ "Set-Cookie": "a=1", "Cache-Control": "public, max-age=60" }), null);
  assertEquals(lifetime({ "Content-Range": "bytes 0-1/2" }), null);
  assertEquals(lifetime({ Vary: "*" }), null);
  assertEquals(lifetime({ Vary: "Accept, *" }), null);
  assertEquals(lifetime({}, 200, request({ "Cache-Control": "no-store" })), null);
});

test("Vary is a list of names", () => {
  assertEquals(fresh({ Vary: "Cookie ,accept,, ACCEPT" })?.vary, ["accept", "cookie"]);
  assertEquals(fresh({})?.vary, []);
});

test("an authorized request's answer is kept only where it is declared to be for all", () => {
  const from = [request({ Authorization: "x" }), request({}, true)];
  for (const each of from) {
    assertEquals(lifetime({}, 200, each), null);
    assertEquals(lifetime({ "Cache-Control": "max-age=9" }, 200, each), null);
    for (const value of ["public", "must-revalidate", "s-maxage=9"]) {
      assertEquals(lifetime({ "Cache-Control": `max-age=9, ${value}` }, 200, each), 9000, value);
    }
  }
});

test("an answer to a cookie is kept only where it says itself that it may be", () => {
  const from = request({ Cookie: "session=1" });
  assertEquals(lifetime({}, 200, from), null);
  assertEquals(lifetime({ "Cache-Control": "max-age=9" }, 200, from), 9000);
  assertEquals(lifetime({ "Cache-Control": "public" }, 200, from), DEFAULT);
});

test("fields of one name are read as one", () => {
  const fields: Field[] = [["Cache-Control", "max-age=9"], ["cache-control", "no-store"]];
  assertEquals(storable(request(), { status: 200, fields }, DEFAULT, NOW), null);
});

test("what is kept is given to whom it is for", () => {
  const byDefault = fresh({});
  const explicit = fresh({ "Cache-Control": "max-age=5" });
  const everybody = fresh({ "Cache-Control": "public, max-age=5" });
  if (byDefault === null || explicit === null || everybody === null) throw new Error("not kept");
  const to = (fields: Record<string, string>, hasUser = false) =>
    [byDefault, explicit, everybody].map((freshness) => usable(request(fields, hasUser), freshness, 1000));
  assertEquals(to({}), [true, true, true]);
  assertEquals(to({ Cookie: "a=1" }), [false, true, true]);
  assertEquals(to({ Authorization: "x" }), [false, false, true]);
  assertEquals(to({}, true), [false, false, true]);
});

test("what is kept is not given to whom it will not do", () => {
  const freshness = fresh({ "Cache-Control": "max-age=10" });
  if (freshness === null) throw new Error("not kept");
  const at = (value: string, ageMs: number) => usable(request({ "Cache-Control": value }), freshness, ageMs);
  assertEquals([at("max-age=3", 3000), at("max-age=3", 3001)], [true, false]);
  assertEquals([at("min-fresh=3", 6999), at("min-fresh=3", 7000)], [true, false]);
  assertEquals([at("no-cache", 0), at("max-age=x", 0), at("max-age=x", 1), at("a b", 0)], [
    false,
    true,
    false,
    false,
  ]);
  // What is stale will not do even where a client would take it.
  assertEquals([at("max-stale", 9999), at("max-stale", 10_000)], [true, false]);
  assertEquals(usable(request({ Pragma: "no-cache" }), freshness, 0), false);
  assertEquals(usable(request({ Pragma: "no-cache", "Cache-Control": "max-age=9" }), freshness, 0), true);
});
