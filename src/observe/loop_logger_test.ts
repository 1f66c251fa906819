import { assertEquals } from "@std/assert";
import { Batch } from "./batch.ts";
import { escapeControls, formatErrorLine, isLogged, LoopLogger } from "./loop_logger.ts";

const TIME = Date.UTC(2026, 10, 22, 2, 34, 24, 123);

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

test("formatErrorLine() is time, level and message", () => {
  assertEquals(formatErrorLine(TIME, "warn", "a b"), "2026-11-22T02:34:24.123Z warn a b");
});

test("formatErrorLine() keeps a message with line ends one line", () => {
  assertEquals(formatErrorLine(TIME, "error", "a\r\nb\tc"), "2026-11-22T02:34:24.123Z error a\\r\\nb\\tc");
});

test("escapeControls() escapes what a terminal acts on and nothing else", () => {
  assertEquals(escapeControls("\x1b[31m\x00\x7f\x9b\u2028\u202e"), "\\x1B[31m\\x00\\x7F\\x9B\\u2028\\u202E");
  assertEquals(escapeControls('C:\\x "é€😀" ~'), 'C:\\x "é€😀" ~');
});

test("isLogged() compares levels", () => {
  const levels = ["debug", "info", "warn", "error"] as const;
  for (const [i, level] of levels.entries()) {
    for (const [j, least] of levels.entries()) assertEquals(isLogged(level, least), i >= j);
  }
});

test("LoopLogger writes from its level on, and errors at once", () => {
  const sent: string[] = [];
  const batch = new Batch({
    send: (lines) => void sent.push(new TextDecoder().decode(lines)),
    startTimer: () => () => {},
  });
  const logger = new LoopLogger(batch, "info", () => TIME);
  logger.log("debug", "no");
  logger.log("info", "one");
  assertEquals(sent, []);
  logger.log("error", "two");
  assertEquals(sent, ["2026-11-22T02:34:24.123Z info one\n2026-11-22T02:34:24.123Z error two\n"]);
});
