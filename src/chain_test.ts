import { assertEquals } from "@std/assert";
import { Chain } from "./chain.ts";

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

test("Chain keeps what is in it in its order, whoever leaves", () => {
  const chain = new Chain<number>();
  const kept: number[] = [];
  const links = new Map<number, ReturnType<Chain<number>["add"]>>();
  let seed = 7;
  for (let i = 0; i < 2000; i++) {
    seed = (seed * 48_271) % 2_147_483_647;
    if (seed % 3 !== 0 || kept.length === 0) {
      links.set(i, chain.add(i));
      kept.push(i);
    } else {
      const [left] = kept.splice(seed % kept.length, 1);
      const link = links.get(left);
      if (link !== undefined) chain.remove(link);
    }
    assertEquals(chain.size, kept.length);
    if (i % 50 === 0) assertEquals([...chain], kept);
  }
  assertEquals([...chain], kept);
});

test("Chain is empty again, and leads from none that has left to another", () => {
  const chain = new Chain<string>();
  const [a, b, c] = ["a", "b", "c"].map((item) => chain.add(item));
  for (const link of [b, a, c]) {
    chain.remove(link);
    assertEquals([link.before, link.after], [null, null]);
  }
  assertEquals([chain.size, [...chain]], [0, []]);
  chain.add("d");
  assertEquals([...chain], ["d"]);
});
