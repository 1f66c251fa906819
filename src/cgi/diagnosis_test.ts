/**
 * What failures are traced back to: the line, and what to do there.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { diagnose, type Evidence, formatDiagnosis } from "./diagnosis.ts";
import { OutputParser } from "./output.ts";
import type { ScriptExit } from "./run.ts";

const FILE = "/srv/cgi-bin/a.py";

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

interface Case {
  readonly source?: string | null;
  readonly output?: string;
  readonly stderr?: string;
  readonly exit?: Partial<ScriptExit>;
  readonly file?: string;
}

/** `line: cause` of a script with this output, read by the parser; null without a diagnosis. */
function cause({ source = "", output = "", stderr = "", exit = {}, file = FILE }: Case): string | null {
  const parser = new OutputParser(65536);
  const pushed = parser.push(bytes(output));
  const step = pushed.kind === "more" ? parser.end() : pushed;
  assert(step.kind === "bad", `${JSON.stringify(output)} is a good header`);
  const ended: ScriptExit = { code: 0, signal: null, ...exit };
  return said({
    file,
    source: source === null ? null : bytes(source),
    fault: { kind: "badOutput", reason: step.reason, text: step.text, exit: ended },
    stderr,
    exit: ended,
  });
}

function said(evidence: Evidence): string | null {
  const found = diagnose(evidence);
  if (found === null) return null;
  assertEquals(found.file, evidence.file);
  return formatDiagnosis(found).replace(`${evidence.file}:`, "").trimStart();
}

function test(name: string, fn: () => void): void {
  Deno.test({ name: `diagnose() ${name}`, permissions: "none", fn });
}

test("names the line that writes what is no header", () => {
  const source = '#!/usr/bin/python3\nimport os\nprint("Hello, " + os.environ["REMOTE_ADDR"])\n';
  const found = cause({ source, output: "Hello, 192.0.2.1\n" });
  assertEquals(found, '3: it writes "Hello, 192.0.2.1" there, before the empty line that ends the header');
});

test("names the line where the empty line after the header is missing", () => {
  const source = 'print("Content-Type: text/html")\nprint("<!doctype html>")\nprint("<p>x")\n';
  const output = "Content-Type: text/html\n<!doctype html>\n<p>x\n";
  assertEquals(cause({ source, output })?.slice(0, 3), "2: ");
});

test("names no line where two could be meant, or none", () => {
  const twice = 'print("Hello")\nprint("Hello")\n';
  assertEquals(cause({ source: twice, output: "Hello\n" }), null);
  assertEquals(cause({ source: "x = 1\n", output: "Hello\n" }), null);
  assertEquals(cause({ source: null, output: "Hello\n" }), null);
  assertEquals(cause({ source: "\x7fELF\0Hello", output: "Hello\n" }), null);
});

test("knows a header field without its colon, or with a space before it", () => {
  const line = (text: string) => cause({ source: `import x\nprint("${text}")\n`, output: `${text}\n\n` });
  assertEquals(
    line("Content-type text/html"),
    '2: a header field wants a colon after its name: write "Content-Type: text/html"',
  );
  assertEquals(
    line("ContentType=text/plain"),
    '2: a header field wants a colon after its name: write "Content-Type: text/plain"',
  );
  assertEquals(
    line("Content-Type : text/html"),
    '2: there is white space before the colon: write "Content-Type: ..."',
  );
});

test("knows what Status and Content-Length want", () => {
  const line = (text: string) => cause({ source: `\n\nprint("${text}")\n`, output: `${text}\n\n` });
  assertStringIncludes(line("Status: OK") ?? "", "3: Status wants a number of three digits first");
  assertStringIncludes(line("Status: 999 Odd") ?? "", "3: Status wants a number");
  assertStringIncludes(line("Content-Length: ten") ?? "", "3: Content-Length wants the number of bytes");
});

test("knows a field that is given twice", () => {
  const output = "Content-Type: text/html\nContent-Type: text/plain\n\n";
  const source = 'print("Content-Type: text/html")\nprint("Content-Type: text/plain\\n")\n';
  assertEquals(cause({ source, output }), '2: it writes "Content-Type: text/plain" there');
});

test("knows an empty line before the header", () => {
  const source = 'print("""\nContent-Type: text/html\n\n<p>hello""")\n';
  const output = "\nContent-Type: text/html\n\n<p>hello\n";
  assertStringIncludes(cause({ source, output }) ?? "", "2: an empty line comes before the header");
});

test("finds the script's line in what interpreters say on standard error", () => {
  const messages: readonly [file: string, line: number, stderr: string][] = [
    [
      "/s/a.py",
      7,
      'Traceback (most recent call last):\n  File "/s/a.py", line 7, in <module>\n  File "/lib/x.py", line 9\nKeyError: 1\n',
    ],
    ["/s/a.pl", 3, 'syntax error at /s/a.pl line 3, near "x y"\n'],
    ["/s/a.pl", 12, "Died at /s/a.pl line 12.\n"],
    ["/s/a.sh", 4, "/s/a.sh: 4: frobnicate: not found\n"],
    ["/s/a.sh", 5, "/s/a.sh: line 5: frobnicate: command not found\n"],
    ["/s/a.php", 6, "PHP Parse error:  syntax error, unexpected end of file in /s/a.php on line 6\n"],
    ["/s/a.php", 8, "PHP Fatal error:  Uncaught Exception: x in /s/a.php:8\n"],
    ["/s/a.rb", 9, "/s/a.rb:9:in `<main>': undefined local variable\n"],
    ["/s/a.awk", 2, "mawk: /s/a.awk: line 2: syntax error at or near }\n"],
    ["/s/a.awk", 3, "gawk: /s/a.awk:3: fatal: division by zero attempted\n"],
  ];
  for (const [file, line, stderr] of messages) {
    const last = stderr.trimEnd().split("\n").at(-1) ?? "";
    // The place in front of a message is not told twice.
    const message = last.replace(/^\/s\/a\.\w+:(?: line)? ?\d+:(?:in [^:]*:)? */, "");
    assertEquals(cause({ file, source: "x\n", stderr, exit: { code: 1 } }), `${line}: ${message}`);
  }
});

test("quotes the last line of standard error where no line is named", () => {
  assertEquals(cause({ source: "x\n", stderr: "one\ncannot go on\n", exit: { code: 2 } }), "cannot go on");
  // Of a script that ends well it need not be the reason.
  assertStringIncludes(cause({ source: "x\n", stderr: "debug: 1\n" }) ?? "", "without writing anything");
});

test("finds an error message in the output", () => {
  const output = `Traceback (most recent call last):\n  File "${FILE}", line 2, in <module>\nKeyError: 'x'\n`;
  const found = cause({ source: "import os\n", output, exit: { code: 1 } });
  assertEquals(found, `2: an error message comes before the header: "KeyError: 'x'"`);
});

test("knows what a file is that cannot be a script as it is", () => {
  assertEquals(cause({ source: "" }), "the file is empty");
  assertEquals(
    cause({ source: "\xff\xfe#\0!\0", exit: { code: 2 } }),
    "1: it is saved as UTF-16: save it as UTF-8",
  );
  assertEquals(
    cause({ source: "\xef\xbb\xbfecho hi\n", output: "\xef\xbb\xbfContent-Type: text/html\n\n" }),
    "1: a byte order mark comes before the header: save the file as UTF-8 without one",
  );
});

test("knows Windows line ends in a shell script, and not in one that another interpreter takes", () => {
  const windows = "echo Content-Type: text/plain\r\necho\r\n";
  const failed = {
    output: "Content-Type: text/plain\r\n",
    stderr: "2: \r: not found\n",
    exit: { code: 127 },
  };
  assertStringIncludes(
    cause({ file: "/s/a.sh", source: windows, ...failed }) ?? "",
    "1: its lines end in CR LF",
  );
  assertStringIncludes(
    cause({ file: "/s/a", source: `#!/bin/bash\n${windows}`, ...failed }) ?? "",
    "2: its lines end",
  );
  assertEquals(cause({ file: "/s/a.sh", source: "echo\n", ...failed })?.includes("CR LF"), false);
  assertEquals(cause({ source: `#!/usr/bin/python3\r\n`, exit: { code: 127 } })?.includes("CR LF"), false);
});

test("says what a signal and an exit status mean", () => {
  assertStringIncludes(
    cause({ source: null, exit: { code: 139, signal: "SIGSEGV" } }) ?? "",
    "has a fault (SIGSEGV)",
  );
  assertStringIncludes(
    cause({ source: null, exit: { code: 137, signal: "SIGKILL" } }) ?? "",
    "memory ran out",
  );
  assertStringIncludes(cause({ source: null, exit: { code: 152, signal: "SIGXCPU" } }) ?? "", "limits.cpu");
  assertStringIncludes(cause({ source: "x\n", exit: { code: 127 } }) ?? "", "was not found (status 127)");
  assertStringIncludes(cause({ source: "x\n", exit: { code: 126 } }) ?? "", "may not be executed");
  assertStringIncludes(cause({ source: "x\n" }) ?? "", "it ends without writing anything");
  assertEquals(cause({ source: "x\n", exit: { code: 3 } }), null);
});

test("has a word for every other fault, or none where the fault says all", () => {
  const base = { file: FILE, source: bytes('\nprint("Content-Length: 5")\n'), stderr: "", exit: null };
  const short = { kind: "short", writtenBytes: 2, announcedBytes: 5 } as const;
  assertStringIncludes(said({ ...base, fault: short }) ?? "", "2: Content-Length wants the bytes");
  const timeout = { kind: "timeout", timeoutMs: 1, hadHeader: false } as const;
  assertStringIncludes(said({ ...base, fault: timeout }) ?? "", "flush it");
  assertEquals(said({ ...base, fault: { ...timeout, hadHeader: true } }), null);
  assertStringIncludes(said({ ...base, fault: { kind: "died", signal: "SIGBUS" } }) ?? "", "SIGBUS");
  assertEquals(said({ ...base, fault: { kind: "died", signal: "SIGUSR1" } }), null);
  const failed = { kind: "failed", code: 1 } as const;
  const stderr = `  File "${FILE}", line 4\nSyntaxError: x\n`;
  const exit = { code: 1, signal: null };
  assertEquals(said({ ...base, fault: failed, stderr, exit }), "4: SyntaxError: x");
  assertEquals(said({ ...base, fault: { kind: "runLimit", runLimitMs: 1 } }), null);
  assertEquals(said({ ...base, fault: { kind: "command", status: 403, message: "" } }), null);
  assertEquals(said({ ...base, fault: { kind: "start", failure: { kind: "loopLost" } } }), null);
  assertEquals(said({ ...base, fault: { kind: "noFile", name: "x" } }), null);
});

test("shortens what is long, and lets no byte through that is not printable", () => {
  const found = cause({ source: `print("${"y".repeat(500)}")`, output: `${"y".repeat(500)}\x1b[2J\xff\n` }) ??
    "";
  assert(found.length < 200, found);
  assert(/^[\x20-\x7e]*$/.test(cause({ source: "a\x1bb\xff", output: "a\x1bb\xff\n" }) ?? ""));
});

test("says of perl's last words, that it gives up, what it gave up for", () => {
  const stderr = `Global symbol "$x" requires explicit package name at ${FILE} line 3.
syntax error at ${FILE} line 5, near "}"
Execution of ${FILE} aborted due to compilation errors.
`;
  const exit = { code: 255 };
  const source = "#!/usr/bin/perl\n";
  assertEquals(
    cause({ source, stderr, exit }),
    `3: Global symbol "$x" requires explicit package name at ${FILE} line 3.`,
  );
  const missing =
    `Can't locate No.pm in @INC (you may need to install the No module) (@INC contains: /etc/perl /usr/share/perl5) at ${FILE} line 2.
BEGIN failed--compilation aborted at ${FILE} line 2.
`;
  assertEquals(
    cause({ source, stderr: missing, exit }),
    `2: Can't locate No.pm in @INC (you may need to install the No module) at ${FILE} line 2.`,
  );
  const alone = `Execution of ${FILE} aborted due to compilation errors.\n`;
  assertEquals(cause({ source, stderr: alone, exit }), alone.trimEnd());
});

test("writes a header field anew with its value alone", () => {
  const found = cause({ source: "print('Content-type; text/html')\n", output: "Content-type; text/html\n" });
  assertEquals(found, '1: a header field wants a colon after its name: write "Content-Type: text/html"');
});

test("does not take the end of an empty field for an empty first line", () => {
  assertEquals(cause({ source: "echo Location:\necho\n", output: "Location:\n\n" }), null);
});
