import { assert, assertEquals, assertFalse, assertMatch, assertNotEquals } from "@std/assert";
import {
  codedEtag,
  equalStrong,
  equalVersions,
  equalWeak,
  fileEtag,
  freshForMs,
  isEntityTag,
  listHasTag,
} from "./etag.ts";

const VERSION = { inode: 42, size: 1024, modifiedMs: 1_700_000_000_123, changedMs: 1_700_000_000_123 };

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
  name: "fileEtag() is a well-formed tag that differs with each property",
  permissions: "none",
  fn() {
    const tag = fileEtag(VERSION, false);
    assertMatch(tag, /^"[0-9a-z-]+"$/);
    assertEquals(fileEtag({ ...VERSION }, false), tag);
    for (
      const change of [{ inode: 43 }, { size: 1025 }, { modifiedMs: 1 }, { changedMs: VERSION.changedMs + 1 }]
    ) {
      const changed = { ...VERSION, ...change };
      assertNotEquals(fileEtag(changed, false), tag);
      assertFalse(equalVersions(changed, VERSION));
    }
    assert(equalVersions({ ...VERSION }, VERSION));
  },
});

Deno.test({
  name: "fileEtag() of a fresh version is weak and matches nothing that follows",
  permissions: "none",
  fn() {
    const fresh = fileEtag(VERSION, true);
    assert(isEntityTag(fresh) && fresh.startsWith("W/"));
    assertFalse(equalWeak(fresh, fileEtag(VERSION, false)));
  },
});

Deno.test({
  name: "freshForMs() trusts a time once the file system's clock has moved on",
  permissions: "none",
  fn() {
    assertEquals(freshForMs(VERSION, VERSION.changedMs + 15), 0);
    assertEquals(freshForMs(VERSION, VERSION.changedMs + 5), 10);
    assertEquals(freshForMs(VERSION, VERSION.changedMs), 15);
    // A change in the future: the clock was set back.
    assertEquals(freshForMs(VERSION, VERSION.changedMs - 60_000), 15);
    const coarse = { ...VERSION, changedMs: 1_700_000_000_000 };
    assertEquals(freshForMs(coarse, coarse.changedMs + 1500), 500);
    assertEquals(freshForMs(coarse, coarse.changedMs + 2000), 0);
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
