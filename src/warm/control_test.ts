/**
 * Tests of what a fork server says, whole and in pieces.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { type ControlMessage, ControlReader } from "./control.ts";

Deno.test({
  name: "ControlReader reads each message, wherever its bytes are cut",
  permissions: "none",
  fn() {
    const bytes = new TextEncoder().encode(
      "R 0 0\nE 7 9\nE 8 1\nxé",
    );
    const messages: ControlMessage[] = [
      { kind: "ready" },
      { kind: "errors", pid: 7, bytes: new TextEncoder().encode("E 8 1\nxé") },
    ];
    assertEquals(new ControlReader().push(bytes), messages);
    const more: ControlMessage[] = [
      { kind: "exit", pid: 7, exit: { code: 0, signal: null } },
      { kind: "exit", pid: 8, exit: { code: 3, signal: null } },
      { kind: "exit", pid: 9, exit: { code: 137, signal: "SIGKILL" } },
      { kind: "plain", pid: 9, reason: "why" },
      { kind: "note", text: "note" },
      { kind: "retired" },
    ];
    const rest = new TextEncoder().encode("X 7 1\n0X 8 3\n768X 9 1\n9F 9 3\nwhyL 0 4\nnoteQ 0 0\n");
    for (let cut = 0; cut <= rest.length; cut++) {
      const reader = new ControlReader();
      assertEquals([...reader.push(rest.subarray(0, cut)), ...reader.push(rest.subarray(cut))], more);
    }
  },
});

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
