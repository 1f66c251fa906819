/**
 * What is kept, found, and given up for want of room.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { FieldSection } from "../http/fields.ts";
import { fieldSection } from "../../tests/support/exchange.ts";
import { Store, type Stored, variantKey } from "./store.ts";

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

function answer(
  length = 0,
  { vary = [] as string[], lifetimeMs = 1000, storedMs = 0, ageMs = 0 } = {},
): Stored {
  return {
    reply: { kind: "reply", status: 200, fields: [], body: new Uint8Array(length) },
    freshness: { lifetimeMs, ageMs, isExplicit: true, isPublic: true, vary },
    storedMs,
    changes: 0,
  };
}

const NOTHING = fieldSection();

function put(store: Store, target: string, request: FieldSection, stored: Stored): void {
  store.put(target, variantKey(target, stored.freshness.vary, request), stored);
}

test("an answer is found while it is fresh", () => {
  const store = new Store(10_000);
  const stored = answer(1, { ageMs: 400, storedMs: 100 });
  put(store, "t", NOTHING, stored);
  assertEquals(store.find("t", NOTHING, 699, 0), stored);
  assertEquals(store.find("t", NOTHING, 699, 1), null);
  put(store, "t", NOTHING, stored);
  assertEquals(store.find("other", NOTHING, 699, 0), null);
  assertEquals(store.find("t", NOTHING, 700, 0), null);
  assertEquals([store.size, store.bytes], [0, 0]);
});

test("a target's answers are told apart by the fields that they depend on", () => {
  const store = new Store(100_000);
  const of = (language: string) =>
    fieldSection({ "Accept-Language": language, "X-Other": `not ${language}` });
  const german = answer(1, { vary: ["accept-language"] });
  const french = answer(2, { vary: ["accept-language"] });
  const none = answer(3, { vary: ["accept-language"] });
  put(store, "t", of("de"), german);
  put(store, "t", of("fr"), french);
  put(store, "t", NOTHING, none);
  assertEquals(store.find("t", of("de"), 0, 0), german);
  assertEquals(store.find("t", of("fr"), 0, 0), french);
  assertEquals(store.find("t", NOTHING, 0, 0), none);
  assertEquals(store.find("t", of(""), 0, 0), null);
  assertEquals(store.keyOf("t", of("de")), store.keyOf("t", of("de")));
  assert(store.keyOf("t", of("de")) !== store.keyOf("t", of("fr")));
});

test("an answer that depends on other fields than those before it takes their place", () => {
  const store = new Store(100_000);
  put(store, "t", NOTHING, answer(1));
  const latest = answer(2, { vary: ["accept"] });
  put(store, "t", fieldSection({ Accept: "a/b" }), latest);
  assertEquals(store.find("t", NOTHING, 0, 0), null);
  assertEquals(store.find("t", fieldSection({ Accept: "a/b" }), 0, 0), latest);
  assertEquals(store.size, 1);
});

test("delete() forgets all answers of a target, and no other's", () => {
  const store = new Store(100_000);
  for (const accept of ["a", "b"]) {
    put(store, "t", fieldSection({ Accept: accept }), answer(1, { vary: ["accept"] }));
  }
  put(store, "u", NOTHING, answer(1));
  store.delete("t");
  store.delete("never");
  assertEquals(store.size, 1);
  assert(store.find("u", NOTHING, 0, 0) !== null);
  store.delete("u");
  assertEquals(store.bytes, 0);
});

test("what was not used for longest goes first", () => {
  const store = new Store(4000);
  for (const target of ["a", "b", "c"]) put(store, target, NOTHING, answer(700));
  assertEquals(store.size, 3);
  store.find("a", NOTHING, 0, 0);
  put(store, "d", NOTHING, answer(700));
  assertEquals(["a", "b", "c", "d"].map((target) => store.find(target, NOTHING, 0, 0) !== null), [
    true,
    false,
    true,
    true,
  ]);
  assert(store.bytes <= 4000);
});

test("an answer counts once, however often it is kept", () => {
  const store = new Store(4000);
  put(store, "a", NOTHING, answer(100));
  const { bytes } = store;
  for (let i = 0; i < 10; i++) put(store, "a", NOTHING, answer(100));
  assertEquals([store.bytes, store.size], [bytes, 1]);
});

test("what is too large is not kept, and drives nothing out", () => {
  const store = new Store(4000);
  put(store, "a", NOTHING, answer(100));
  put(store, "b", NOTHING, answer(4000));
  assertEquals([store.size, store.find("b", NOTHING, 0, 0)], [1, null]);
});

test("room that is reserved is not there for answers", () => {
  const store = new Store(4000);
  put(store, "a", NOTHING, answer(700));
  assertEquals(store.reserve(4001), false);
  assertEquals(store.size, 1);
  assertEquals(store.reserve(3000), true);
  assertEquals([store.size, store.bytes], [0, 3000]);
  assertEquals(store.reserve(1001), false);
  put(store, "b", NOTHING, answer(700));
  assertEquals(store.size, 0);
  store.release(3000);
  assertEquals(store.bytes, 0);
});
