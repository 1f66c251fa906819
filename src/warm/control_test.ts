import { assertEquals, assertThrows } from "@std/assert";
import { ControlReader } from "./control.ts";

Deno.test({
  name: "ControlReader says what it reads instead of a message",
  permissions: "none",
  fn() {
    const cases: readonly (readonly [said: string, reason: string])[] = [
      ["hello\n", 'no head of a message: "hello"'],
      ["Z 1 0\n", "no kind of a message: Z"],
      ["x".repeat(10_000), "a head without end"],
    ];
    for (const [said, reason] of cases) {
      const error = assertThrows(() => new ControlReader().push(new TextEncoder().encode(said)), SyntaxError);
      assertEquals(error.message, reason);
    }
  },
});
