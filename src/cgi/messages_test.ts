/**
 * What the error log says of scripts that fail: each message in its own words.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { diagnose } from "./diagnosis.ts";
import { describeFault, type ScriptFault } from "./end.ts";
import { OutputParser } from "./output.ts";
import type { StartFailure } from "./run.ts";
import { assertFits } from "./variables.ts";

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

test("describeFault() says how a script ended and what would be right", () => {
  const died = { code: -1, signal: "SIGKILL" };
  const cases: readonly (readonly [ScriptFault, string])[] = [
    [
      { kind: "runLimit", runLimitMs: 2000 },
      "ran for 2 s and was ended; if that is normal, raise cgi.run_limit",
    ],
    [{ kind: "died", signal: "SIGSEGV" }, "died by SIGSEGV: the response is cut off"],
    [
      { kind: "noFile", name: "/a" },
      'named the file "/a" to be sent, which is not in the folders of sendfile: correct it, or add its folder',
    ],
    [{ kind: "badOutput", reason: "bad", text: "", exit: died }, "bad; it died by SIGKILL"],
    [
      { kind: "badOutput", reason: "bad", text: "", exit: { code: 1, signal: null } },
      "bad; it ended with status 1",
    ],
    [{ kind: "failed", code: 3 }, "ended with status 3"],
  ];
  for (const [fault, said] of cases) assertEquals(describeFault(fault), said);
});

test("describeFault() says why a script was not started", () => {
  const retryAfterSeconds = 1;
  const cases: readonly (readonly [StartFailure, string])[] = [
    [
      { kind: "queueFull", retryAfterSeconds },
      "found no place and a full queue; raise cgi.max_processes or cgi.queue if the machine can bear it",
    ],
    [
      { kind: "queueTimeout", retryAfterSeconds },
      "found no place within cgi.queue_timeout; raise cgi.max_processes if the machine can bear it",
    ],
    [{ kind: "notStarted", message: "x" }, "could not be started: x"],
    [{ kind: "loopLost" }, "was lost with the loop that ran it; another runs the next"],
    [
      { kind: "loopSilent", retryAfterSeconds },
      "was not started: the loop that starts scripts does not answer, the machine may have too much to do",
    ],
    [{ kind: "ended", reason: "shutdown" }, "was ended before it began (shutdown)"],
  ];
  for (const [failure, said] of cases) assertEquals(describeFault({ kind: "start", failure }), said);
});

test("OutputParser says in which line a header is wrong, and what would be right", () => {
  const cases: readonly (readonly [output: string, said: string])[] = [
    ["", "it wrote nothing"],
    ["A: a\nB\0", "line 2 holds a NUL byte"],
    ["A: a\nB: \x01\n", "line 2 holds the control byte 0x01"],
    ["A: a", "its output ends in line 1, without the empty line that ends the header"],
    [
      `A: ${"a".repeat(64)}`,
      "its header is longer than 64 bytes (head_bytes) in line 1; is the empty line after it missing?",
    ],
    ["Status: OK\n", 'line 1: Status wants three digits from 200 to 599, not "OK"'],
    ["Status: 100\n", "line 1: an interim status 100 is the server's to send"],
    ["Content-Length: x\n", 'line 1: Content-Length wants digits, not "x"'],
    ["Location: /a\nLocation: /b\n", "line 2: Location is given twice"],
    ["\n", "line 1 is empty: the header is missing, Content-Type at least"],
    ["Date: today\n\n", "the header says nothing: Content-Type at least is missing"],
    ["Status:\n\n", "the header says nothing, Status has no value: give it one, or write Content-Type"],
    ["A: a\n b\n", "line 2 begins with white space: a field is one line"],
    [
      "HTTP/1.1 200 OK\n",
      'line 1 is an HTTP status line: write "Status: ..." instead, or name the script nph-...',
    ],
  ];
  for (const [output, said] of cases) {
    const parser = new OutputParser(64);
    const pushed = parser.push(bytes(output));
    const step = pushed.kind === "more" ? parser.end() : pushed;
    assert(step.kind === "bad", output);
    assertEquals(step.reason, said);
  }
});

/** The cause of output that is no header. */
function causeOf(text: string, exit: { code: number; signal: string | null }): string | undefined {
  const fault: ScriptFault = { kind: "badOutput", reason: "", text, exit };
  return diagnose({ file: "/a", source: null, fault, stderr: "", exit })?.cause;
}

test("diagnose() says what a signal means", () => {
  const cases: Readonly<Record<string, string>> = {
    SIGABRT: "it gave up by itself (SIGABRT): a failed assertion, or an exception that nothing caught",
    SIGBUS: "the program, its interpreter or a library of it has a fault (SIGBUS): run it in a debugger",
    SIGFPE: "it divided by zero or the like (SIGFPE): run it in a debugger",
    SIGILL: "the program was built for another processor, or has a fault (SIGILL)",
    SIGKILL: "something killed it (SIGKILL): the system where memory ran out (see dmesg), or another program",
    SIGPIPE: "it wrote to a pipe that nobody reads any more (SIGPIPE)",
    SIGSEGV: "the program, its interpreter or a library of it has a fault (SIGSEGV): run it in a debugger",
    SIGSYS: "it made a system call that is not allowed (SIGSYS)",
    SIGTERM: "something ended it (SIGTERM): not this server",
    SIGXCPU: "it used more processor time than limits.cpu allows (SIGXCPU)",
    SIGXFSZ: "it wrote a larger file than it may (SIGXFSZ)",
  };
  for (const [signal, said] of Object.entries(cases)) assertEquals(causeOf("", { code: -1, signal }), said);
});

test("diagnose() says what a shell's exit status means", () => {
  const code = (code: number) => causeOf("", { code, signal: null });
  assertEquals(code(126), "a command in it is there but may not be executed (status 126)");
  assertEquals(code(127), "a command in it was not found (status 127): scripts get PATH as pass_env says");
});

test("diagnose() leaves the length of content to the server", () => {
  const good = { code: 0, signal: null };
  const number = "Content-Length wants the number of bytes: leave it out, and the server counts them";
  assertEquals(causeOf("Content-Length: x", good), number);
  const fault: ScriptFault = { kind: "short", writtenBytes: 1, announcedBytes: 2 };
  const found = diagnose({ file: "/a", source: null, fault, stderr: "", exit: good });
  const whole =
    "Content-Length wants the bytes of the whole content: leave it out, and the server counts them";
  assertEquals(found?.cause, whole);
});

test("assertFits() says how much of an environment is too much", () => {
  const long = "x".repeat(200_000);
  const one = assertThrows(() => assertFits(["A", long], []), Error);
  assertEquals(one.message, "a variable or argument of 200002 bytes is more than a program can be given");
  const many = assertThrows(() => assertFits([], new Array(50).fill("x".repeat(100_000))), Error);
  assertEquals(
    many.message,
    "environment and arguments of 5000450 bytes are more than a program can be given",
  );
});
