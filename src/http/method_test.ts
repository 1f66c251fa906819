import { assertEquals } from "@std/assert";
import { octets } from "../../tests/support/splits.ts";
import { METHOD_BYTES_MAX, methodOf, METHODS } from "./method.ts";

Deno.test({
  name: "methodOf() finds each registered method, and none with a char more, less or other",
  permissions: "none",
  fn() {
    const find = (text: string) => methodOf(octets("x" + text + "y"), 1, 1 + text.length);
    for (const method of METHODS) {
      assertEquals(find(method), method);
      for (const other of [method + "X", method.slice(0, -1) + "0", method.toLowerCase()]) {
        assertEquals(find(other), null, other);
      }
    }
    assertEquals([find(""), find("*"), find("GE"), find("PUTT")], [null, null, null, null]);
  },
});

Deno.test({
  name: "METHODS are sorted, unlike, and no longer than what is read of a method",
  permissions: "none",
  fn() {
    assertEquals([...METHODS].sort(), [...METHODS]);
    assertEquals(new Set(METHODS).size, METHODS.length);
    assertEquals(METHODS.every((method) => method.length <= METHOD_BYTES_MAX), true);
  },
});
