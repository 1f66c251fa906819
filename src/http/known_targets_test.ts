import { assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import { octets } from "../../tests/support/splits.ts";
import { HttpError } from "./error.ts";
import { KnownTargets } from "./known_targets.ts";
import type { SentTarget } from "./target.ts";

function read(targets: KnownTargets, text: string): SentTarget {
  const bytes = octets(`GET ${text} HTTP/1.1`);
  const target = targets.read(bytes, 4, 4 + text.length);
  assertEquals(target.text, text);
  return target;
}

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

test("KnownTargets knows what came twice, with what it was parsed to", () => {
  const targets = new KnownTargets();
  read(targets, "/a/b.html");
  const known = read(targets, "/a/b.html");
  assertStrictEquals(read(targets, "/a/b.html"), known);
  assertStrictEquals(known.parse("GET"), known.parse("HEAD"));
});

test("KnownTargets keeps none that came once, has a query, or is long", () => {
  for (const text of ["/once", "/a?b", `/${"x".repeat(128)}`]) {
    const targets = new KnownTargets();
    const first = read(targets, text);
    const second = read(targets, text);
    assertFalse(second === first);
    if (text !== "/once") assertFalse(read(targets, text) === second);
  }
});

test("KnownTargets never takes one target for another, however many share its places", () => {
  const targets = new KnownTargets();
  // "Aa" and "BB" have the same hash.
  const texts = ["/Aa", "/BB", "/", "*", ...Array.from({ length: 5000 }, (_, i) => `/file-${i}.html`)];
  for (let round = 0; round < 3; round++) {
    for (const text of texts) assertEquals(read(targets, text).text, text);
    for (const text of ["/Aa", "/Aa", "/BB", "/BB", "/Aa"]) read(targets, text);
  }
});

test("SentTarget reads a target anew for a method that gives it another form", () => {
  const targets = new KnownTargets();
  read(targets, "*");
  const target = read(targets, "*");
  assertEquals(target.parse("OPTIONS").form, "asterisk");
  assertThrows(() => target.parse("GET"), HttpError);
  const origin = read(targets, "/");
  assertEquals(origin.parse("GET").form, "origin");
  assertThrows(() => origin.parse("CONNECT"), HttpError);
});
