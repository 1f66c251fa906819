import { assertEquals, assertNotEquals } from "@std/assert";
import { Slots } from "./slots.ts";

interface Named {
  readonly name: string;
  readonly number: number;
}

const named = (name: string) => (number: number): Named => ({ name, number });

Deno.test("a table gives each object a number of its own, never 0, and a number again once it is free", () => {
  const slots = new Slots<Named>();
  const [a, b, c] = ["a", "b", "c"].map((name) => slots.add(named(name)));
  assertEquals(new Set([0, a.number, b.number, c.number]).size, 4);
  slots.remove(b.number);
  assertEquals([slots.get(a.number), slots.get(b.number), slots.get(c.number)], [a, null, c]);
  const d = slots.add(named("d"));
  assertEquals(d.number, b.number);
  assertEquals(slots.get(b.number), d);
  assertNotEquals(slots.add(named("e")).number, b.number);
});

Deno.test("all objects of a table may be taken out while they are gone through", () => {
  const slots = new Slots<Named>();
  const all = ["a", "b", "c"].map((name) => slots.add(named(name)));
  const seen: Named[] = [];
  for (const item of slots.all()) {
    for (const { number } of all) if (slots.get(number) !== null) slots.remove(number);
    seen.push(item);
  }
  assertEquals(seen, all);
  assertEquals(slots.all(), []);
  assertEquals([slots.get(0), slots.get(99)], [null, null]);
});
