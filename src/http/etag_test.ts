import { assert, assertEquals, assertFalse, assertMatch, assertNotEquals } from "@std/assert";
import {
  codedEtag,
  contentEtag,
  equalStrong,
  equalVersions,
  equalWeak,
  isEntityTag,
  isSettled,
  listHasTag,
  unsureForMs,
  versionEtag,
} from "./etag.ts";

const VERSION = { inode: 42, size: 1024, modifiedMs: 1_700_000_000_123, changedMs: 1_700_000_000_000 };

Deno.test({
  name: "equalStrong() and equalWeak() compare as the table of RFC 9110, 8.8.3.2",
  permissions: "none",
  fn() {
    const table: [string, string, boolean, boolean][] = [
      ['W/"1"', 'W/"1"', false, true],
      ['W/"1"', 'W/"2"', false, false],
      ['W/"1"', '"1"', false, true],
      ['"1"', '"1"', true, true],
    ];
    for (const [a, b, strong, weak] of table) {
      assertEquals([equalStrong(a, b), equalWeak(a, b)], [strong, weak], `${a} ${b}`);
    }
  },
});

Deno.test({
  name: "listHasTag() finds a tag among several, commas within tags included",
  permissions: "none",
  fn() {
    assert(listHasTag('"a"', '"a"', equalStrong));
    assert(listHasTag('"b", "a"', '"a"', equalStrong));
    assert(listHasTag(',, "b" ,\t"a",', '"a"', equalStrong));
    assert(listHasTag('"x,y", "a"', '"a"', equalStrong));
    assert(listHasTag('"x,y"', '"x,y"', equalStrong));
    assert(listHasTag('""', '""', equalStrong));
    assert(listHasTag('"\xe9"', '"\xe9"', equalStrong));
    assert(listHasTag('W/"a"', '"a"', equalWeak));
    assertFalse(listHasTag('W/"a"', '"a"', equalStrong));
    assertFalse(listHasTag('"a, b"', '"a"', equalStrong));
  },
});

Deno.test({
  name: "listHasTag() finds nothing in or behind what is malformed",
  permissions: "none",
  fn() {
    for (const list of ["", "a", '"a', 'a"', 'w/"a"', "'a'", '"b"x, "a"', 'b, "a"', '"b""a"', '"a b", "a"']) {
      assertFalse(listHasTag(list, '"a"', equalWeak), list);
    }
  },
});

Deno.test({
  name: "isEntityTag() takes one tag and nothing around it",
  permissions: "none",
  fn() {
    for (const tag of ['"a"', 'W/"a"', '""']) assert(isEntityTag(tag), tag);
    for (const text of ["", "a", '"a" ', '"a","b"', "Mon, 01 Jan 2024 00:00:00 GMT"]) {
      assertFalse(isEntityTag(text), text);
    }
  },
});

Deno.test({
  name: "versionEtag() is a well-formed tag that differs with each property",
  permissions: "none",
  fn() {
    const tag = versionEtag(VERSION, false);
    assert(isEntityTag(tag) && !tag.startsWith("W/"));
    assertEquals(versionEtag({ ...VERSION }, false), tag);
    for (
      const change of [{ inode: 43 }, { size: 1025 }, { modifiedMs: 1 }, {
        changedMs: VERSION.changedMs + 1000,
      }]
    ) {
      const changed = { ...VERSION, ...change };
      assertNotEquals(versionEtag(changed, false), tag);
      assertFalse(equalVersions(changed, VERSION));
    }
    assert(equalVersions({ ...VERSION }, VERSION));
  },
});

Deno.test({
  name: "versionEtag() of an unsure version is weak and matches nothing that follows",
  permissions: "none",
  fn() {
    const unsure = versionEtag(VERSION, true);
    assert(isEntityTag(unsure) && unsure.startsWith("W/"));
    assertFalse(equalWeak(unsure, versionEtag(VERSION, false)));
  },
});

Deno.test({
  name: "contentEtag() is a well-formed strong tag of the digest's first 96 bits",
  permissions: "none",
  fn() {
    const digest = new Uint8Array(32).fill(0xfb);
    const tag = contentEtag(digest);
    assertMatch(tag, /^"[\w-]{16}"$/);
    assertEquals(contentEtag(digest.with(31, 0)), tag);
    assertNotEquals(contentEtag(digest.with(11, 0)), tag);
  },
});

Deno.test({
  name: "isSettled() waits until the second of the last change is over, or its tick where the time is finer",
  permissions: "none",
  fn() {
    const { changedMs } = VERSION;
    assert(isSettled(VERSION, changedMs + 1015));
    assertFalse(isSettled(VERSION, changedMs + 1014));
    assertFalse(isSettled(VERSION, changedMs - 60_000), "the clock was set back");
    const fine = { ...VERSION, changedMs: VERSION.modifiedMs };
    assert(isSettled(fine, fine.changedMs + 15));
    assertFalse(isSettled(fine, fine.changedMs + 14));
    const coarse = { ...VERSION, modifiedMs: changedMs };
    assert(isSettled(coarse, changedMs + 2015));
    assertFalse(isSettled(coarse, changedMs + 2014));
  },
});

Deno.test({
  name: "unsureForMs() takes the fine time of a plain write, but not one that was set",
  permissions: "none",
  fn() {
    const { modifiedMs, changedMs } = VERSION;
    assertEquals(unsureForMs(VERSION, modifiedMs + 15), 0);
    assertEquals(unsureForMs(VERSION, modifiedMs + 5), 10);
    const touched = { ...VERSION, modifiedMs: modifiedMs - 5000 };
    assertEquals(unsureForMs(touched, changedMs + 500), 515);
    assertEquals(unsureForMs(touched, changedMs + 1015), 0);
  },
});

Deno.test({
  name: "codedEtag() is weak and another tag than the one it is made from",
  permissions: "none",
  fn() {
    assertEquals(codedEtag('"a-b"', "gzip"), 'W/"a-b.gzip"');
    assertEquals(codedEtag('W/"a-b"', "br"), 'W/"a-b.br"');
  },
});
