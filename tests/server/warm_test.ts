/**
 * Scripts that an interpreter runs which is kept ready: as plain ones, as far as they and their clients can tell.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertNotEquals, assertNotMatch } from "@std/assert";
import { join } from "@std/path";
import { delay } from "../../src/time/timer.ts";
import { eventually } from "../support/deadline.ts";
import { descriptorCount, outputOf, stillRunning } from "../support/processes.ts";
import { ask, get, post, textOf } from "../support/raw.ts";
import { type FileSpec, runPollux, TestServer } from "../support/server.ts";

/** Every script under two paths: as it is and warm. */
function start(files: Record<string, FileSpec>, keys = "", top = ""): Promise<TestServer> {
  const yaml = `listen: 127.0.0.1:0
${top}routes:
  - path: /plain/
    cgi: ./scripts
${keys}  - path: /warm/
    cgi: ./scripts
    warm: python
${keys}  - path: /perl/
    cgi: ./scripts
    warm: perl
`;
  return TestServer.start({ yaml, files });
}

function py(...lines: string[]): string {
  return ["#!/usr/bin/python3", ...lines, ""].join("\n");
}

/** A script that writes a header and then does more. */
function page(...lines: string[]): string {
  return py("import sys", "print('Content-Type: text/plain\\n', flush=True)", ...lines);
}

async function text(server: TestServer, path: string, ...lines: string[]): Promise<string> {
  const response = await ask(server, get(path, ...lines));
  assertEquals(response.status, 200);
  return textOf(response);
}

/** The interpreter that is kept ready, as a script tells it; on a busy machine the first scripts may be run without it. */
async function interpreter(server: TestServer): Promise<string> {
  let parent = "";
  await eventually("an interpreter", async () => {
    parent = await text(server, "/warm/parent.py");
    return parent.trim() !== String(server.pid);
  });
  return parent;
}

const PARENT = page("import os; print(os.getppid())");

const FACTS = page(
  "import json, os, stat",
  "facts = dict(argv=sys.argv, file=__file__, path=sys.path, names=sorted(globals()), flags=str(sys.flags),",
  "  orig=getattr(sys, 'orig_argv', None), cwd=os.getcwd(), env=dict(os.environ), stdin=sys.stdin.read(),",
  "  fds=sorted(set(os.listdir('/proc/self/fd')) - {'3'}), spec=str(__spec__), loader=type(__loader__).__name__,",
  "  executable=sys.executable, encodings=[s.encoding + str(s.line_buffering) + s.errors for s in (sys.stdin, sys.stdout, sys.stderr)],",
  "  signals=open('/proc/self/status').read().split('SigBlk')[1].split('Cap')[0], main=sys.modules['__main__'].__file__,",
  "  path0=sys.path[0], name=__name__, package=__package__, doc=__doc__, builtins=type(__builtins__).__name__)",
  "facts['env'].pop('REMOTE_PORT')",
  "print(json.dumps(facts, indent=1, sort_keys=True).replace('/warm/', '/plain/'))",
);

Deno.test("a warm script finds what a plain one does", async () => {
  await using server = await start({
    "scripts/facts.py": FACTS,
    "scripts/ids.py": page("import os; print(os.getpid(), os.getppid(), os.getsid(0))"),
    "scripts/parent.py": PARENT,
  });
  await interpreter(server);
  assertEquals(await text(server, "/warm/facts.py"), await text(server, "/plain/facts.py"));
  assertEquals(await text(server, "/warm/facts.py/more?a+b"), await text(server, "/plain/facts.py/more?a+b"));
  const ids = [];
  for (let i = 0; i < 3; i++) ids.push((await text(server, "/warm/ids.py")).trim().split(" "));
  assertEquals(new Set(ids.map(([pid]) => pid)).size, 3);
  assertEquals(new Set(ids.map(([, parent]) => parent)).size, 1);
  assert(ids.every(([pid, , session]) => pid === session));
  assertNotEquals(ids[0][1], String(server.pid));
});

Deno.test("where no locale is set, a warm script has the one that Python gives a plain one", async () => {
  await using server = await start({
    "scripts/facts.py": FACTS,
    "scripts/parent.py": PARENT,
  }, "    pass_env: [PATH]\n");
  await interpreter(server);
  const plain = await text(server, "/plain/facts.py");
  assertEquals(await text(server, "/warm/facts.py"), plain);
  assertMatch(plain, /"LC_CTYPE"/);
});

Deno.test("warm scripts get their own content, and are answered as they write", async (t) => {
  await using server = await start({
    "scripts/echo.py": page("sys.stdout.write(sys.stdin.read())"),
    "scripts/lines.py": page("for line in sys.stdin: print('got', line.strip(), flush=True)"),
    "scripts/deaf.py": page("sys.stdin.close(); print('done')"),
    "scripts/early.py": page(
      "import os, time",
      "print('all', flush=True); os.close(1)",
      "while True: time.sleep(1)",
    ),
  });
  await t.step("bodies at once do not mix", async () => {
    const bodies = Array.from({ length: 12 }, (_, i) => `${i}-`.repeat(20_000));
    const answers = await Promise.all(bodies.map((body) => ask(server, post("/warm/echo.py", body))));
    assertEquals(answers.map(textOf), bodies);
  });
  await t.step("each line is answered before the next is sent", async () => {
    using client = await server.connect();
    await client.send(post("/warm/lines.py", "", "Content-Length: 8").replace("Content-Length: 0\r\n", ""));
    await client.send("one\n");
    await client.readUntil("got one");
    await client.send("two\n");
    await client.readUntil("got two");
  });
  await t.step("a script that closes its input early is no error", async () => {
    assertEquals(textOf(await ask(server, post("/warm/deaf.py", "x".repeat(1_000_000)))), "done\n");
  });
  await t.step("the end of standard output is the end of the answer", async () => {
    assertEquals(textOf(await ask(server, post("/warm/early.py", "some"))), "all\n");
  });
});

Deno.test("a warm script ends as Python ends", async (t) => {
  await using server = await start({
    "scripts/exit.py": page("sys.exit(3)"),
    "scripts/words.py": page("sys.exit('these words')"),
    "scripts/raise.py": page("def inner():", "  raise ValueError('here')", "inner()"),
    "scripts/syntax.py": py("print('a'", "x = = 1"),
    "scripts/killed.py": page("import os, signal", "os.kill(os.getpid(), signal.SIGSEGV)"),
    "scripts/late.py": page(
      "import atexit, threading, time",
      "atexit.register(lambda: print('atexit'))",
      "class Last:",
      "  def __del__(self): print('del')",
      "last = Last(); last.self = last",
      "file = open('../late.txt', 'w'); file.write('unflushed')",
      "def work():",
      "  time.sleep(0.1); print('thread')",
      "threading.Thread(target=work).start()",
      "print('main')",
    ),
    "scripts/child.py": page(
      "import subprocess",
      "print(subprocess.run(['sh', '-c', 'echo from a child; exit 7'], capture_output=True))",
    ),
  });
  await t.step("with the status that it was given", async () => {
    await text(server, "/warm/exit.py");
    await server.stderrMatch(/exit\.py.* ended with status 3/);
    await text(server, "/warm/words.py");
    await server.stderrMatch(/words\.py\[\d+\]: these words/);
  });
  await t.step("by an exception, which is told without the frames of anybody else", async () => {
    await text(server, "/warm/raise.py");
    await server.stderrMatch(/raise\.py\[\d+\]: ValueError: here/);
    assertMatch(
      server.stderr,
      /Traceback \(most recent call last\):\n.*File ".*raise\.py", line 6, in <module>\n.*inner\(\)\n.*line 5, in inner/,
    );
    assertNotMatch(server.stderr, /<pollux>/);
  });
  await t.step("by an error of its syntax", async () => {
    assertEquals((await ask(server, get("/warm/syntax.py"))).status, 502);
    await server.stderrMatch(/syntax\.py\[\d+\]: SyntaxError/);
  });
  await t.step("by a signal", async () => {
    await ask(server, get("/warm/killed.py")).catch(() => {});
    await server.stderrMatch(/killed\.py.* died by SIGSEGV/);
  });
  await t.step("after its threads, its functions for the end, and its objects", async () => {
    assertEquals(await text(server, "/warm/late.py"), "main\nthread\natexit\ndel\n");
    assertEquals(await Deno.readTextFile(join(server.dir, "late.txt")), "unflushed");
  });
  await t.step("children of its own are waited for as usual", async () => {
    assertMatch(await text(server, "/warm/child.py"), /returncode=7, stdout=b'from a child\\n'/);
  });
});

Deno.test("a changed script or module of its folder works at the next request", async () => {
  await using server = await start({
    "scripts/a.py": page("import part", "print(part.TEXT, 1)"),
    "scripts/part.py": "TEXT = 'old'\n",
  });
  for (let i = 0; i < 6; i++) assertEquals(await text(server, "/warm/a.py"), "old 1\n");
  await Deno.writeTextFile(join(server.dir, "scripts/a.py"), page("import part", "print(part.TEXT, 2)"));
  assertEquals(await text(server, "/warm/a.py"), "old 2\n");
  await Deno.writeTextFile(join(server.dir, "scripts/part.py"), "TEXT = 'newer'\n");
  assertEquals(await text(server, "/warm/a.py"), "newer 2\n");
});

Deno.test("while children are replaced because scripts change, each request is run once", async () => {
  await using server = await start({
    "scripts/count.py": page(
      "import os",
      "with open('../ran', 'a') as ran: print(os.environ['QUERY_STRING'], file=ran)",
      "print(os.environ['QUERY_STRING'])",
    ),
  });
  const numbers = Array.from({ length: 160 }, (_, i) => `n=${1000 + i}`);
  const left = [...numbers];
  const client = async () => {
    for (let query; (query = left.pop()) !== undefined;) {
      assertEquals(await text(server, `/warm/count.py?${query}`), `${query}\n`);
    }
  };
  const changer = async () => {
    for (let i = 0; left.length > 0; i++) {
      await Deno.writeTextFile(join(server.dir, `scripts/${i}.py`), page("print('new')"));
      assertEquals(await text(server, `/warm/${i}.py`), "new\n");
    }
  };
  await Promise.all([...Array.from({ length: 6 }, client), changer()]);
  const ran = await Deno.readTextFile(join(server.dir, "ran"));
  assertEquals(ran.trim().split("\n").sort(), numbers);
});

Deno.test("what scripts import is there beforehand, unless their own folder has it", async (t) => {
  const before = "before = set(sys.modules)";
  await using server = await start({
    "scripts/a.py": py(
      "import sys",
      before,
      "import sqlite3, json, random",
      "print('Content-Type: text/plain\\n')",
      "print('sqlite3' in before, random.random())",
    ),
    "scripts/listed.py": page("print('decimal' in sys.modules, 'fractions' in sys.modules)"),
    "scripts/own.py": page("import sqlite3", "print(sqlite3.__file__)"),
  }, "    preload: [decimal]\n");
  const warm = async () => (await text(server, "/warm/a.py")).trim().split(" ");
  await t.step("once they have run", async () => {
    await eventually("the module to be there", async () => (await warm())[0] === "True");
  });
  await t.step("and random numbers are none the less their own", async () => {
    const numbers = await Promise.all([warm(), warm(), warm(), warm()]);
    assertEquals(new Set(numbers.map(([, number]) => number)).size, numbers.length);
  });
  await t.step("with those that preload names", async () => {
    assertEquals(await text(server, "/warm/listed.py"), "True False\n");
    assertEquals(await text(server, "/plain/listed.py"), "False False\n");
  });
  await t.step("a module in the script's folder goes first, as it does when it is started anew", async () => {
    await Deno.writeTextFile(join(server.dir, "scripts/sqlite3.py"), "");
    const own = `${join(await Deno.realPath(server.dir), "scripts/sqlite3.py")}\n`;
    assertEquals([await text(server, "/warm/own.py"), await text(server, "/plain/own.py")], [own, own]);
    await server.stderrMatch(/own\.py is not run warm: .*sqlite3\.py goes before a module/);
  });
});

Deno.test("a script that cannot be run warm is run plainly, and the log says so once", async () => {
  await using server = await start({
    "scripts/shell.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nshell'\n",
    "scripts/flag.py": "#!/usr/bin/python3 -X utf8\nprint('Content-Type: text/plain\\n\\nflag')\n",
    "scripts/latin.py":
      "#!/usr/bin/python3 -Sb\nimport sys\nprint('Content-Type: text/plain\\n')\nprint(sys.flags.no_site, sys.flags.bytes_warning, sys.orig_argv[1:-1])\n",
  });
  for (let i = 0; i < 2; i++) {
    assertEquals(await text(server, "/warm/shell.sh"), "shell");
    assertEquals(await text(server, "/warm/flag.py"), "flag\n");
  }
  await server.stderrMatch(/shell\.sh is not run warm: it is run by .*sh, and warm is python/);
  await server.stderrMatch(/flag\.py is not run warm: .* is given -X utf8/);
  assertEquals(await text(server, "/warm/latin.py"), "1 1 ['-Sb']\n");
  await server.stop();
  assertEquals(server.stderr.match(/is not run warm/g)?.length, 2);
  const told = async (path: string) =>
    (await runPollux({ flags: ["explain", "--config", join(server.dir, "pollux.yaml"), path] })).stdout;
  assertMatch(await told("/warm/flag.py"), /^warm +no: .* is given -X utf8$/m);
  assertMatch(await told("/warm/latin.py"), /^warm +a fork of .*python3$/m);
  assertNotMatch(await told("/plain/latin.py"), /^warm/m);
});

Deno.test("warm scripts are ended with all that they have started", async () => {
  await using server = await start({
    "scripts/hang.py": page(
      "import os, subprocess, time",
      "shell = subprocess.Popen(['sh', '-c', 'sleep 1000 & echo up; sleep 1000'], stdout=subprocess.PIPE)",
      "shell.stdout.readline()",
      "if os.fork() == 0:",
      "  os.setsid()",
      "  if os.fork() == 0: time.sleep(1000)",
      "  os._exit(0)",
      "print('begun', flush=True)",
      "time.sleep(1000)",
    ),
    "scripts/ok.py": page("print('ok')"),
  }, "    timeout: 6s\n"); // for its beginning too, and to be seen
  assertEquals(await text(server, "/warm/ok.py"), "ok\n");
  using client = await server.connect();
  await client.send(get("/warm/hang.py"));
  await client.readUntil("begun");
  const before = await server.descendants();
  await client.readToEnd();
  const sleeping = before.filter(({ command }) => /sleep|hang/.test(command)).map(({ pid }) => pid);
  assert(sleeping.length >= 2);
  await eventually("the end of them all", async () => (await stillRunning(sleeping)).length === 0);
  assertEquals(await text(server, "/warm/ok.py"), "ok\n");
});

Deno.test("a fork server that dies loses no request, and another takes its place", async () => {
  await using server = await start({
    "scripts/parent.py": PARENT,
    "scripts/slow.py": page(
      "import os, signal",
      "os.kill(os.getppid(), signal.SIGKILL)",
      "print(sys.stdin.readline(), flush=True)",
    ),
  });
  const first = await interpreter(server);
  using client = await server.connect();
  await client.send(post("/warm/slow.py", "", "Content-Length: 5").replace("Content-Length: 0\r\n", ""));
  await server.stderrMatch(/warm python: it ended with SIGKILL/);
  const answers = await Promise.all(Array.from({ length: 8 }, () => text(server, "/warm/parent.py")));
  assert(answers.every((parent) => parent !== first));
  await client.send("word\n");
  await client.readUntil("word");
});

Deno.test("a reload makes new interpreters, and no script is interrupted", async () => {
  await using server = await start({
    "scripts/parent.py": PARENT,
    "scripts/line.py": page("print('begun', flush=True)", "print(sys.stdin.readline())"),
  });
  const first = await interpreter(server);
  using client = await server.connect();
  await client.send(post("/warm/line.py", "", "Content-Length: 5").replace("Content-Length: 0\r\n", ""));
  await client.readUntil("begun");
  server.kill("SIGHUP");
  await server.stderrMatch(/reloaded/);
  await eventually("another interpreter", async () => await text(server, "/warm/parent.py") !== first);
  await client.send("word\n");
  await client.readUntil("word");
});

Deno.test("priority, mask and limits of a route hold for warm scripts", async () => {
  await using server = await start({
    "scripts/held.py": page(
      "import os, resource",
      "mask = os.umask(0)",
      "print(os.nice(0), mask, *(resource.getrlimit(getattr(resource, 'RLIMIT_' + n)) for n in ('CPU', 'NOFILE', 'AS')))",
    ),
  }, "    nice: 5\n    umask: '0027'\n    limits: { cpu: 9s, files: 48, memory: 1GiB }\n");
  const held = await text(server, "/warm/held.py");
  assertEquals(held, `5 23 (9, 9) (48, 48) (${2 ** 30}, ${2 ** 30})\n`);
  assertEquals(await text(server, "/plain/held.py"), held);
});

Deno.test("a limit that cannot be set is told for warm scripts as for plain ones", async () => {
  // Above what the system has for anybody (fs.nr_open).
  await using server = await start(
    { "scripts/ok.py": page("print('ok')") },
    "    limits: { files: 4000000000 }\n",
  );
  for (const route of ["plain", "warm"]) {
    assertEquals((await ask(server, get(`/${route}/ok.py`))).status, 502);
  }
  await server.stop();
  assertEquals(server.stderr.match(/ok\.py\[\d+\]: prlimit: failed to set/g)?.length, 2);
});

Deno.test("standard error of warm scripts is a pipe of their own", async () => {
  await using server = await start({
    "scripts/errors.py": page(
      "import os, subprocess",
      "print('to the log', file=sys.stderr)",
      "subprocess.run(['sh', '-c', 'echo by its path > /dev/stderr'])",
      "os.write(2, b'x' * 200_000 + b'\\n')",
      "print('written')",
    ),
  });
  const answers = await Promise.all(Array.from({ length: 4 }, () => text(server, "/warm/errors.py")));
  assertEquals(answers, Array(4).fill("written\n"));
  await eventually("all lines, each with its script", () => {
    const of = (words: RegExp) => [...server.stderr.matchAll(words)].map(([, pid]) => pid).sort();
    const first = of(/errors\.py\[(\d+)\]: to the log/g);
    const isSame = first.join() === of(/errors\.py\[(\d+)\]: by its path/g).join();
    return Promise.resolve(new Set(first).size === 4 && isSame);
  });
  await eventually(
    "long lines",
    () => Promise.resolve(server.stderr.match(/errors\.py\[\d+\]: x{8000}/g)?.length === 4),
  );
});

const PERL_FACTS = [
  "#!/usr/bin/perl -w",
  "use strict;",
  "BEGIN { print qq(Content-Type: text/plain\\n\\n) }",
  "opendir my $folder, '/proc/self/fd';",
  "my @fds = sort grep { /\\d/ } readdir $folder;",
  "my %env = %ENV; delete @env{qw(REMOTE_PORT REQUEST_URI SCRIPT_NAME)};",
  "print join '|', $0, __FILE__, __LINE__, @ARGV, $^W, $^X, (defined caller() ? 'called' : 'main'), @fds;",
  "print map { qq($_=$env{$_}\\n) } sort keys %env;",
  "print 'in: ', <STDIN>, 'data: ', <DATA>;",
  "__END__",
  "some data",
  "",
].join("\n");

Deno.test("a warm script in Perl is Perl's own main program", async (t) => {
  const page = (...lines: string[]) =>
    ["#!/usr/bin/perl", "$| = 1; print qq(Content-Type: text/plain\\n\\n);", ...lines, ""].join("\n");
  await using server = await start({
    "scripts/facts.pl": PERL_FACTS,
    "scripts/ids.pl": page("print join ' ', $$, getppid, rand"),
    "scripts/exit.pl": page("END { print 'end' } exit 3;"),
    "scripts/die.pl": page("sub inner { die 'here' }", "inner();"),
    "scripts/object.pl": page("package P; sub DESTROY { print 'gone' } our $p = bless {};"),
    "scripts/before.pl": page(
      "BEGIN { our $found = $INC{'Text/Wrap.pm'} ? 'there' : 'not' }",
      "use Text::Wrap;",
      "print our $found;",
    ),
    "scripts/own.pl": page("use lib '../lib';", "use Text::Wrap;", "print $INC{'Text/Wrap.pm'};"),
    "scripts/taint.pl": "#!/usr/bin/perl -T\nprint qq(Content-Type: text/plain\\n\\n${^TAINT});\n",
    "lib/Text/Wrap.pm": "package Text::Wrap; sub import {} 1;\n",
  });
  await t.step("and finds what a plain one does", async () => {
    assertEquals(await text(server, "/perl/facts.pl/a?b+c"), await text(server, "/plain/facts.pl/a?b+c"));
    const content = "x=1&".repeat(50_000);
    const [warm, plain] = await Promise.all(
      ["/perl/facts.pl", "/plain/facts.pl"].map((path) => ask(server, post(path, content))),
    );
    assertEquals(textOf(warm), textOf(plain));
    assert(textOf(warm).includes(content));
  });
  await t.step("in a process of its own, with random numbers of its own", async () => {
    const answers = [];
    for (let i = 0; i < 3; i++) answers.push((await text(server, "/perl/ids.pl")).split(" "));
    assertEquals(new Set(answers.map(([pid]) => pid)).size, 3);
    assertEquals(new Set(answers.map(([, parent]) => parent)).size, 1);
    assertEquals(new Set(answers.map(([, , random]) => random)).size, 3);
  });
  await t.step("which ends as usual", async () => {
    assertEquals(await text(server, "/perl/exit.pl"), "end");
    await server.stderrMatch(/exit\.pl.* ended with status 3/);
    await text(server, "/perl/die.pl");
    await server.stderrMatch(/die\.pl\[\d+\]: here at .*\/scripts\/die\.pl line 3\./);
    assertEquals(await text(server, "/perl/object.pl"), "gone");
  });
  await t.step("with the modules that it uses, unless folders of its own have them", async () => {
    await eventually("the module to be there", async () => await text(server, "/perl/before.pl") === "there");
    assertEquals(await text(server, "/perl/own.pl"), "../lib/Text/Wrap.pm");
    await server.stderrMatch(/own\.pl is not run warm: .*Wrap\.pm goes before a module/);
  });
  await t.step("and with switches that Perl takes only when it starts it is run plainly", async () => {
    assertEquals(await text(server, "/perl/taint.pl"), "1");
    await server.stderrMatch(/taint\.pl is not run warm/);
  });
});

/** Sends a signal to a process that may be gone. */
function signal(pid: number, name: Deno.Signal): void {
  try {
    Deno.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Stops the interpreter that is kept ready, so that it forks no more, and then all its children; their numbers. */
async function freeze(server: TestServer): Promise<number[]> {
  for (const { pid, parent } of await server.family(4)) if (parent === server.pid) signal(pid, "SIGSTOP");
  const family = (await server.descendants()).map(({ pid }) => pid);
  for (const pid of family) signal(pid, "SIGSTOP");
  return family;
}

Deno.test("an import that does not come back, tried beforehand, is ended with its server", async () => {
  const version = "import sys; print('python%d.%d' % sys.version_info[:2])";
  const python = (await outputOf("/usr/bin/python3", ["-c", version])).trim();
  await using server = await start({
    "scripts/imports.py": page("import stuck", "print('ran')"),
    // As a module of the user's it counts as installed; scripts have a request, and trials have none.
    [`user/lib/${python}/site-packages/stuck.py`]: [
      "import os, time",
      "if 'REQUEST_URI' not in os.environ:",
      "    open(os.environ['PYTHONUSERBASE'] + '/tried', 'w').write(str(os.getpid()))",
      "    while True: time.sleep(1)",
    ].join("\n"),
  }, '    env: { PYTHONUSERBASE: "{dir}/user" }\n');
  assertEquals(await text(server, "/warm/imports.py"), "ran\n");
  let pid = 0;
  await eventually("a trial of the import", async () => {
    pid = Number(await Deno.readTextFile(join(server.dir, "user/tried")).catch(() => ""));
    return pid > 0;
  });
  await server.stop();
  await eventually("the end of the trial", async () => (await stillRunning([pid])).length === 0);
});

Deno.test("a request that is given up while it waits to begin leaves no descriptor", async () => {
  await using server = await start({ "scripts/echo.py": page("sys.stdout.write(sys.stdin.read())") });
  const echo = async () => assertEquals(textOf(await ask(server, post("/warm/echo.py", "text"))), "text");
  await echo();
  const before = await descriptorCount(server.pid);
  const children = await freeze(server);
  const answers = Promise.all(Array.from({ length: 3 }, echo));
  await delay(2500); // it gives up after 2 s; then it is run otherwise
  // On a busy machine it may have ended them by now.
  for (const pid of children) signal(pid, "SIGCONT");
  await answers;
  await eventually("no descriptor more", async () => await descriptorCount(server.pid) <= before);
});

Deno.test("a fork server that takes nothing is ended, and its requests are run plainly", async () => {
  await using server = await start(
    { "scripts/parent.py": PARENT },
    "",
    "cgi: { max_processes: 1 }\n",
  );
  const ask = async () => Number(await text(server, "/warm/parent.py"));
  const fork = Number(await interpreter(server));
  const family = await freeze(server);
  assert(family.includes(fork));
  try {
    assertNotEquals(await ask(), fork);
    await server.stderrMatch(/warm python: no child of it has answered for 3 s, it is ended/);
    // The only place is free again.
    assertNotEquals(await ask(), fork);
    await eventually("the end of it", async () => (await stillRunning([fork])).length === 0);
  } finally {
    for (const { pid } of await stillRunning(family)) signal(pid, "SIGKILL");
  }
});
