import { assertEquals, assertMatch } from "@std/assert";
import type { LogLevel } from "../config/config.ts";
import { logBug } from "./bug.ts";

Deno.test({
  name: "logBug() says what and where in one line, and the stack to whoever asks for it",
  permissions: "none",
  fn() {
    const logged: [LogLevel, string][] = [];
    const log = { log: (level: LogLevel, message: string) => void logged.push([level, message]) };
    logBug(log, "a bug of Pollux", new TypeError("no such thing"));
    logBug(log, "a bug of Pollux", "a text");
    const [[first, line], [second, stack], ...rest] = logged;
    assertEquals([first, second], ["error", "debug"]);
    assertMatch(
      line,
      /^a bug of Pollux: TypeError: no such thing in bug_test\.ts:\d+; please report it \(log.level debug shows the stack\)$/,
    );
    assertMatch(stack, /^TypeError: no such thing\n {4}at /);
    assertEquals(rest, [[
      "error",
      "a bug of Pollux: a text; please report it (log.level debug shows the stack)",
    ]]);
  },
});
