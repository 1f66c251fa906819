/**
 * Which program runs a script.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { someSettings } from "./config_fixture.ts";
import { Interpreters, parseStart } from "./interpreter.ts";
import type { Programs } from "./programs.ts";
import { fileVersion } from "./script.ts";

const PROGRAMS: Programs = {
  paths: {
    python3: ["/opt/bin/python3", "/usr/bin/python3", "/usr/bin/python3.11"],
    perl: ["/usr/bin/perl"],
    sh: ["/bin/sh"],
    bash: [],
    "php-cgi": [],
    awk: ["/usr/bin/awk"],
  },
  tools: { nice: null, prlimit: null, setpriv: null, sh: null },
  binaries: [],
  inherited: [],
  users: {},
  warnings: [],
};

const dir = Deno.makeTempDirSync();
addEventListener("unload", () => Deno.removeSync(dir, { recursive: true }));

const route = new Interpreters(
  someSettings({
    interpreters: { ".py": ["python3", "-u"], ".php": ["php-cgi"], ".cgi": "shebang" },
    programs: ["python3", "perl", "sh", "bash"],
  }),
  PROGRAMS,
);

/** The command line for a file with this content, its folder left out; or status and message. */
function choose(name: string, content: string | Uint8Array<ArrayBuffer>, mode = 0o755): string {
  const file = `${dir}/${name}`;
  if (typeof content === "string") Deno.writeTextFileSync(file, content);
  else Deno.writeFileSync(file, content);
  Deno.chmodSync(file, mode);
  const version = fileVersion(file);
  assert(version !== null);
  const found = route.choose(file, version);
  const said = found.kind === "command"
    ? [found.program, ...found.args].join(" ")
    : `${found.status} ${found.message}`;
  return said.replaceAll(`${dir}/`, "");
}

/** The same on Windows, where files have no mode; the map names a program for .py, .php and .cgi (its first line). */
function chooseOnWindows(name: string, content: string | Uint8Array<ArrayBuffer>): string {
  const file = `${dir}/${name}`;
  Deno.writeFileSync(file, typeof content === "string" ? new TextEncoder().encode(content) : content);
  const version = fileVersion(file);
  assert(version !== null);
  const interpreters = new Interpreters(
    someSettings({
      interpreters: { ".py": ["python3", "-u"], ".php": ["php-cgi"], ".cgi": "shebang" },
      programs: ["python3", "perl"],
    }),
    {
      ...PROGRAMS,
      paths: { python3: ["C:\\Python\\python3.exe"], perl: ["C:\\perl\\perl.exe"], "php-cgi": [] },
    },
    "windows",
  );
  const found = interpreters.choose(file, { ...version, mode: 0 });
  const said = found.kind === "command"
    ? [found.program, ...found.args].join(" ")
    : `${found.status} ${found.message}`;
  return said.replaceAll(`${dir}/`, "");
}

const ELF = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0);

Deno.test("an executable script runs by its first line, if that is allowed", () => {
  assertEquals(choose("a", "#!/usr/bin/python3\n"), "/usr/bin/python3 a");
  assertEquals(choose("a", "#! /usr/bin/python3.11  -u -b \nx"), "/usr/bin/python3.11 -u -b a");
  assertEquals(choose("a", "#!/usr/bin/perl\t-T"), "/usr/bin/perl -T a");
  assertEquals(choose("a.py", "#!/usr/bin/perl\n"), "/usr/bin/perl a.py");
  assertEquals(choose("a", "#!/opt/bin/python3\n"), "/opt/bin/python3 a");
});

Deno.test("env is looked up in the configuration", () => {
  assertEquals(choose("a", "#!/usr/bin/env python3\n"), "/opt/bin/python3 a");
  assertEquals(choose("a", "#!/bin/env perl\n"), "/usr/bin/perl a");
  assertEquals(choose("a", "#!/usr/bin/env -S python3 -u  -b\n"), "/opt/bin/python3 -u -b a");
  assertEquals(choose("a", "#!/usr/bin/env -Sperl\n"), "/usr/bin/perl a");
  assertEquals(choose("a", "#!/usr/bin/env /usr/bin/perl\n"), "/usr/bin/perl a");
  for (
    const [line, message] of [
      [
        "env python3 -u",
        "has arguments after env's program (python3 -u), which the system passes as one: write env -S",
      ],
      ["env -i python3", "write env -S"],
      [
        "env -S -i python3",
        "has env options or variables in its first line (-i), which are not supported: set them under cgi.env",
      ],
      ["env -S A=1 python3", "not supported"],
      [
        'env -S "python3"',
        "has a first line with env -S and quotes or variables, which is not supported: write them plainly",
      ],
      ["env", "has a first line with env, but no program: write #!/usr/bin/env python3"],
      ["env node", "cgi.programs"],
      ["env awk", "cgi.programs"],
      ["env bash", "not installed"],
      ["env /usr/bin/awk", "cgi.programs"],
    ]
  ) {
    const said = choose("a", `#!/usr/bin/${line}\n`);
    assertStringIncludes(said, "500 a ");
    assertStringIncludes(said, message);
  }
});

Deno.test("a first line that is not allowed leaves it to the extension", () => {
  assertEquals(choose("a.py", "#!/usr/bin/env node\n"), "/opt/bin/python3 -u a.py");
  assertEquals(choose("a.py", "#!/usr/bin/awk\n"), "/opt/bin/python3 -u a.py");
  assertStringIncludes(
    choose("a", "#!/usr/bin/awk\n"),
    "500 a names /usr/bin/awk in its first line, which is not among",
  );
  assertStringIncludes(
    choose("a", "#!/home/me/python3\n"),
    "500 a names /home/me/python3 in its first line, but it is not installed there: install it, or correct the line",
  );
  assertStringIncludes(choose("a", "#!perl\n"), "500");
});

Deno.test("Windows line ends are named, unless the extension settles it", () => {
  assertStringIncludes(choose("a.cgi", "#!/usr/bin/perl\r\nx"), "500 a.cgi has Windows line ends (CR LF)");
  assertStringIncludes(choose("a", "#!/usr/bin/env python3\r\n"), "CR LF");
  assertEquals(choose("a.py", "#!/usr/bin/env python3\r\n"), "/opt/bin/python3 -u a.py");
});

Deno.test("a program runs by itself, if it is executable", () => {
  assertEquals(choose("a", ELF), "a");
  assertEquals(choose("a.py", ELF), "a.py");
  assertEquals(choose("a.exe", Uint8Array.of(0x4d, 0x5a, 0)), "a.exe");
  assertEquals(choose("a", Uint8Array.of(0xcf, 0xfa, 0xed, 0xfe)), "a");
  assertStringIncludes(choose("a", ELF, 0o644), "403 a is not executable");
  assertEquals(choose("a.cgi", ELF, 0o644), "500 a.cgi is a program, but not executable: make it executable");
  assertStringIncludes(choose("a.cgi", ELF, 0o644), "500 a.cgi is a program, but not executable");
});

Deno.test("any other file runs by its extension", () => {
  assertEquals(choose("a.py", "print()", 0o644), "/opt/bin/python3 -u a.py");
  assertEquals(choose("a.py", "print()", 0o755), "/opt/bin/python3 -u a.py");
  assertEquals(choose("a.b.py", "", 0o644), "/opt/bin/python3 -u a.b.py");
  assertEquals(choose("a.py", "#!/usr/bin/perl\n", 0o644), "/opt/bin/python3 -u a.py");
  assertStringIncludes(choose("a.php", "<?php", 0o644), "500 a.php wants php-cgi");
});

Deno.test("`shebang` takes the first line of a file that is not executable", () => {
  assertEquals(choose("a.cgi", "#!/usr/bin/perl\n", 0o644), "/usr/bin/perl a.cgi");
  assertStringIncludes(choose("a.cgi", "print", 0o644), "500 a.cgi has no first line");
});

Deno.test("what is neither mapped nor executable is forbidden; executable text without a first line is an error", () => {
  assertStringIncludes(choose("a.txt", "#!/usr/bin/perl\n", 0o644), "403");
  assertStringIncludes(choose("py", "x", 0o644), "403");
  assertStringIncludes(choose(".py", "x", 0o644), "403");
  assertStringIncludes(choose("a.txt", "hello", 0o755), "500 a.txt has no first line");
  assertStringIncludes(choose("a", "", 0o755), "500 a is empty: write a script into it");
  assertStringIncludes(choose("a.toString", "x", 0o644), "403");
});

Deno.test("a changed file is read again, an unchanged one is not", () => {
  assertEquals(choose("c", "#!/usr/bin/perl\n"), "/usr/bin/perl c");
  assertEquals(choose("c", "#!/usr/bin/python3\n"), "/usr/bin/python3 c");
  const version = fileVersion(`${dir}/c`);
  assert(version !== null);
  Deno.removeSync(`${dir}/c`);
  assertEquals(route.choose(`${dir}/c`, version).kind, "command");
});

Deno.test({
  name: "parseStart() reads a first line as the system does",
  permissions: "none",
  fn() {
    const parse = (text: string) => parseStart(new TextEncoder().encode(text));
    assertEquals(parse("#!/a b  c \n"), { kind: "shebang", program: "/a", argument: "b  c", hasCr: false });
    assertEquals(parse("#!\t/a"), { kind: "shebang", program: "/a", argument: null, hasCr: false });
    assertEquals(parse("#!/a\r\n"), { kind: "shebang", program: "/a", argument: null, hasCr: true });
    assertEquals(parse("#!/a b\r\n"), { kind: "shebang", program: "/a", argument: "b", hasCr: true });
    assertEquals(parse(""), { kind: "empty" });
    for (const text of ["#", "#!", "#!\n/a", "#! \n", " #!/a\n", "# !/a\n"]) {
      assertEquals(parse(text), { kind: "text" });
    }
  },
});

Deno.test("on Windows the extension says what runs a script, or else its first line by the program's name", () => {
  assertEquals(chooseOnWindows("w.py", "print()\r\n"), "C:\\Python\\python3.exe -u w.py");
  assertEquals(
    chooseOnWindows("w.php", "<?php"),
    "500 w.php wants php-cgi, which interpreters names for .php, but it is not installed: install it, or name another under cgi.interpreters",
  );
  assertEquals(chooseOnWindows("w.py", "#!/usr/bin/perl\n"), "C:\\Python\\python3.exe -u w.py");
  assertEquals(chooseOnWindows("w.cgi", "#!/usr/bin/perl -T\n"), "C:\\perl\\perl.exe -T w.cgi");
  assertEquals(chooseOnWindows("w.cgi", "#!/usr/bin/env python3\n"), "C:\\Python\\python3.exe w.cgi");
  assertEquals(chooseOnWindows("w", "#!/usr/local/bin/perl\n"), "C:\\perl\\perl.exe w");
  assertStringIncludes(
    chooseOnWindows("w", "#!/bin/sh\n"),
    "500 w names sh in its first line, which is not among programs",
  );
  assertStringIncludes(
    chooseOnWindows("w.php", "x"),
    "500 w.php wants php-cgi, which interpreters names for .php",
  );
});

Deno.test("on Windows a program runs by itself, and nothing else without an extension in the map", () => {
  const exe = Uint8Array.of(0x4d, 0x5a, 0x90, 0);
  assertEquals(chooseOnWindows("w.exe", exe), "w.exe");
  assertEquals(chooseOnWindows("w", exe), "w");
  for (const name of ["w.bat", "w.cmd", "w.txt", "w"]) {
    assertStringIncludes(chooseOnWindows(name, "echo off"), `403 ${name} is no script`);
  }
});

Deno.test("a script that only lacks its mode is told from what is no script", () => {
  assertEquals(choose("m", "#!/bin/sh\n", 0o644), "403 m is not executable: chmod +x m");
  assertEquals(choose("m", ELF, 0o644), "403 m is not executable: chmod +x m");
  assertStringIncludes(choose("m", "text", 0o644), "403 m is no script: ");
});

Deno.test("a byte order mark hides the first line", () => {
  for (const mark of [[0xef, 0xbb, 0xbf], [0xff, 0xfe], [0xfe, 0xff]]) {
    const content = Uint8Array.of(...mark, ...new TextEncoder().encode("#!/bin/sh\n"));
    assertStringIncludes(choose("b", content), "500 b begins with a byte order mark");
    // An interpreter that is named otherwise may take it.
    assertEquals(choose("b.py", content), "/opt/bin/python3 -u b.py");
  }
});
