import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { Slab } from "./slab.ts";

Deno.test({
  name: "Slab cuts pieces that do not overlap, many of them from one array",
  permissions: "none",
  fn() {
    const slab = new Slab();
    const pieces = Array.from({ length: 100 }, (_, i) => slab.cut(1000).fill(i));
    for (const [i, piece] of pieces.entries()) assertEquals([...new Set(piece)], [i]);
    assertStrictEquals(pieces[0].buffer, pieces[1].buffer);
    assert(pieces[0].buffer !== pieces[99].buffer);
  },
});

Deno.test({
  name: "Slab gives what is large an array of its own",
  permissions: "none",
  fn() {
    const slab = new Slab();
    const small = slab.cut(10);
    assertEquals(slab.cut(100_000).buffer.byteLength, 100_000);
    assertStrictEquals(slab.cut(10).buffer, small.buffer);
    assertEquals(slab.cut(0).length, 0);
  },
});
