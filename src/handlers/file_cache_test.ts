import { assertEquals } from "@std/assert";
import { type CacheEntry, FileCache } from "./file_cache.ts";

class Entry implements CacheEntry {
  isUsed = false;
  isForgotten = false;
  constructor(readonly costBytes: number) {}
  forget() {
    this.isForgotten = true;
  }
}

function fill(cache: FileCache, count: number, costBytes: number): Entry[] {
  return Array.from({ length: count }, () => {
    const entry = new Entry(costBytes);
    cache.add(entry);
    return entry;
  });
}

Deno.test({
  name: "FileCache gives up the oldest beyond its bound, those in use last",
  permissions: "none",
  fn() {
    const cache = new FileCache(100);
    const entries = fill(cache, 10, 10);
    assertEquals([cache.bytes, cache.size], [100, 10]);
    entries[0].isUsed = true;
    fill(cache, 1, 20);
    assertEquals(entries.map((entry) => entry.isForgotten).indexOf(true), 1);
    assertEquals([entries[0].isForgotten, entries[2].isForgotten, entries[3].isForgotten], [
      false,
      true,
      false,
    ]);
    assertEquals(cache.bytes, 100);
  },
});

Deno.test({
  name: "FileCache gives up those in use too where all are, and what cannot fit at all",
  permissions: "none",
  fn() {
    const cache = new FileCache(100);
    const entries = fill(cache, 10, 10);
    for (const entry of entries) entry.isUsed = true;
    const [late] = fill(cache, 1, 10);
    assertEquals(cache.size, 10);
    assertEquals([late, ...entries].filter((entry) => entry.isForgotten).length, 1);
    const [huge] = fill(cache, 1, 101);
    assertEquals([huge.isForgotten, cache.bytes, cache.size], [true, 0, 0]);
  },
});

Deno.test({
  name: "FileCache counts each entry once, and forgets what is removed",
  permissions: "none",
  fn() {
    const cache = new FileCache(100);
    const [entry] = fill(cache, 1, 10);
    cache.remove(entry);
    cache.remove(entry);
    assertEquals([cache.bytes, cache.size, entry.isForgotten], [0, 0, false]);
  },
});

Deno.test({
  name: "FileCache believes an entry for 5 ms on a small site and for a second at most",
  permissions: "none",
  fn() {
    const cache = new FileCache(1e9);
    assertEquals(cache.believedMs, 5);
    fill(cache, 200, 1);
    assertEquals(cache.believedMs, 200);
    fill(cache, 2000, 1);
    assertEquals(cache.believedMs, 1000);
  },
});
