/**
 * Scripts as real processes: streams, ends, and that nothing is left behind (the sanitizers of the test runner see to that).
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { startProcess, treeMarks } from "./process.ts";
import { type ScriptPlan, type ScriptRequest, type ScriptRun, StartError } from "./run.ts";

/** Kills the process alone: what it started is the business of the supervisor's tests. */
class LeaderKiller {
  readonly ended: number[] = [];
  readonly reaped: number[] = [];

  endTree(pid: number): Promise<void> {
    this.ended.push(pid);
    Deno.kill(pid, "SIGKILL");
    return Promise.resolve();
  }

  rootEnded(pid: number): void {
    this.reaped.push(pid);
  }
}

interface Started {
  readonly run: ScriptRun;
  readonly errors: string[];
  readonly trees: LeaderKiller;
}

function start(
  script: string,
  spec: Partial<ScriptPlan> & Partial<Pick<ScriptRequest, "hasInput">> = {},
  hooks: { stderrTailBytes?: number } = {},
  variables: readonly string[] = [],
): Started {
  const errors: string[] = [];
  const trees = new LeaderKiller();
  const { hasInput = false, ...plan } = spec;
  const run = startProcess({
    plan: {
      routeId: 0,
      script: "/srv/a.sh",
      program: "/bin/sh",
      args: ["-c", script],
      env: { PATH: "/usr/bin:/bin" },
      cwd: "/",
      killGraceMs: 0,
      warm: null,
      ...plan,
    },
    request: { url: "/a.sh", requestId: "r", args: [], env: variables, hasInput, client: "192.0.2.1" },
  }, { trees, onStderr: (line) => errors.push(line), now: () => performance.now(), ...hooks });
  return { run, errors, trees };
}

async function readAll(run: ScriptRun): Promise<string> {
  let text = "";
  for (;;) {
    const bytes = await run.read();
    if (bytes === null) return text;
    text += new TextDecoder().decode(bytes);
  }
}

async function failure(run: ScriptRun): Promise<StartError["failure"]> {
  const error = await assertRejects(() => run.started, StartError);
  assertEquals(await run.ended, { code: -1, signal: null });
  assertEquals(await run.read(), null);
  assertEquals(await run.write(new Uint8Array(1)), false);
  run.closeInput();
  run.end("timeout");
  return error.failure;
}

Deno.test("startProcess() gives output, standard error by lines, and the exit status", async () => {
  const { run, errors } = start("echo out; echo one >&2; printf 'two\\r\\nthree' >&2; exit 3");
  assert(await run.started > 1);
  assertEquals(await readAll(run), "out\n");
  assertEquals(await run.ended, { code: 3, signal: null });
  assertEquals(errors, ["one", "two", "three"]);
  assertEquals(await run.read(), null);
});

Deno.test("startProcess() gives a script its environment, arguments and folder, and no more", async () => {
  const env = Object.fromEntries([["A", "1 é"], ["__proto__", "x"], ["B", ""]]);
  // As it comes from another thread.
  const { run } = start("", { program: "/usr/bin/env", args: [], env: structuredClone(env) }, {}, ["C", "2"]);
  assertEquals((await readAll(run)).split("\n").filter((line) => line !== "").sort(), [
    "A=1 é",
    "B=",
    "C=2",
    "__proto__=x",
  ]);
  await run.ended;
  const words = start("", { args: ["-c", 'printf "%s|" "$@"; pwd', "x", "a b", "", "$(id)"], cwd: "/usr" });
  assertEquals(await readAll(words.run), "a b||$(id)|/usr\n");
  await words.run.ended;
});

Deno.test("a script without input reads end-of-file at once", async () => {
  const { run } = start("cat; echo done");
  assertEquals(await run.write(new Uint8Array(1)), false);
  assertEquals(await readAll(run), "done\n");
  await run.ended;
});

Deno.test("a script gets its input and its end", async () => {
  const { run } = start("cat", { hasInput: true });
  const output = readAll(run);
  for (const part of ["one ", "two ", "three"]) assert(await run.write(new TextEncoder().encode(part)));
  run.closeInput();
  assertEquals(await output, "one two three");
  assertEquals((await run.ended).code, 0);
});

Deno.test("input and output larger than a pipe pass through at once", async () => {
  const { run } = start("cat", { hasInput: true });
  const sent = 4 << 20;
  const feeding = (async () => {
    for (let done = 0; done < sent; done += 65536) {
      assert(await run.write(new Uint8Array(65536).fill(done >> 16)));
    }
    run.closeInput();
  })();
  let received = 0;
  let sum = 0;
  for (let bytes = await run.read(); bytes !== null; bytes = await run.read()) {
    received += bytes.length;
    for (const byte of bytes) sum += byte;
  }
  await feeding;
  assertEquals([received, sum], [sent, 65536 * (63 * 64) / 2]);
  await run.ended;
});

Deno.test("a script that closes its input early is no error", async () => {
  const { run } = start("exec <&-; echo ready; read -r nothing <&2; echo done", { hasInput: true });
  const first = await run.read();
  assertEquals(new TextDecoder().decode(first ?? undefined).slice(0, 5), "ready");
  assertEquals(await run.write(new Uint8Array(10)), false);
  assertEquals(await run.write(new Uint8Array(10)), false);
  run.closeInput();
  await readAll(run);
  await run.ended;
});

Deno.test("a script that ends without reading its input lets a waiting write go", async () => {
  const { run } = start("echo done", { hasInput: true });
  assertEquals(await run.write(new Uint8Array(1 << 20)), false);
  assertEquals(await readAll(run), "done\n");
  assertEquals((await run.ended).code, 0);
});

Deno.test("an input that nobody closes is closed with the script's end", async () => {
  const { run } = start("echo done", { hasInput: true });
  assertEquals(await readAll(run), "done\n");
  await run.ended;
});

Deno.test("a signal's name is told", async () => {
  const { run } = start("kill -SEGV $$");
  assertEquals(await readAll(run), "");
  assertEquals(await run.ended, { code: 139, signal: "SIGSEGV" });
});

Deno.test("a child that holds standard output open does not hold up the end", async () => {
  const { run } = start("sleep 60 & echo $!; echo out");
  const [pid, out] = (await readAll(run)).trim().split("\n");
  assertEquals(out, "out");
  assertEquals(await run.ended, { code: 0, signal: null });
  Deno.kill(Number(pid), "SIGKILL"); // It throws if the child were gone.
});

Deno.test("a child that goes on writing does not hold up the end", async () => {
  const { run } = start("(while :; do echo y || exit; done) & echo out");
  assertStringIncludes(await readAll(run), "out");
  assertEquals((await run.ended).code, 0);
});

Deno.test("a child that writes a little now and then does not hold up the end", async () => {
  const { run } = start("(while sleep 0.005; do echo y || exit; done) & echo out");
  assertStringIncludes(await readAll(run), "out");
  assertEquals((await run.ended).code, 0);
});

Deno.test("what is in the pipe when the script ends is all read", async () => {
  const { run } = start("sleep 60 2>&- & echo $!; head -c 60000 /dev/zero");
  await run.started;
  let bytes = await run.read();
  const pid = parseInt(new TextDecoder().decode(bytes ?? undefined));
  let total = 0;
  for (; bytes !== null; bytes = await run.read()) total += bytes.length;
  assertEquals(total, 60000 + String(pid).length + 1);
  await run.ended;
  Deno.kill(pid, "SIGKILL");
});

Deno.test("closing standard output ends the output while the script runs on", async () => {
  const { run, trees } = start("echo out; exec >&-; exec sleep 60");
  assertEquals(await readAll(run), "out\n");
  run.end("runLimit");
  assertEquals((await run.ended).signal, "SIGKILL");
  assertEquals(trees.ended, [await run.started]);
  assertEquals(trees.reaped, trees.ended);
});

Deno.test("end() ends a waiting read and a waiting write, once", async () => {
  const { run, trees } = start("sleep 60", { hasInput: true });
  const reading = run.read();
  const writing = run.write(new Uint8Array(1 << 20));
  run.end("timeout");
  run.end("shutdown");
  assertEquals(await reading, null);
  assertEquals(await writing, false);
  assertEquals(await run.write(new Uint8Array(1)), false);
  assertEquals((await run.ended).signal, "SIGKILL");
  assertEquals(trees.ended.length, 1);
});

Deno.test("end() after the script's own end kills nobody", async () => {
  const { run, trees } = start("echo out");
  await run.ended;
  run.end("abandoned");
  assertEquals(await run.read(), null);
  assertEquals([trees.ended, trees.reaped], [[], []]);
});

Deno.test("a start that fails says why", async () => {
  const missing = await failure(start("", { program: "/nonexistent/x" }).run);
  assert(missing.kind === "notStarted");
  assertStringIncludes(
    missing.message,
    "/nonexistent/x does not exist, or the interpreter that its first line names does not",
  );
  const folder = await failure(start("", { cwd: "/nonexistent" }).run);
  assert(folder.kind === "notStarted");
  assertStringIncludes(
    folder.message,
    "its working folder /nonexistent does not exist: make it, or correct cwd",
  );
  const plain = await failure(start("", { program: "/etc/passwd" }).run);
  assert(plain.kind === "notStarted");
  assertStringIncludes(plain.message, "the system does not let this user run /etc/passwd");
  assertStringIncludes(plain.message, ": change the mode or owner of one of them");
  const large = await failure(start("", { args: ["x".repeat(200_000)] }).run);
  assert(large.kind === "tooLarge");
  assertEquals(
    large.message,
    "environment and arguments are more than the system takes: shorten cgi.env and pass_env",
  );
  assertEquals((await failure(start("", { args: ["a\0"] }).run)).kind, "notStarted");
});

Deno.test("StartError carries what happened", async () => {
  const { run } = start("", { program: "/nonexistent/x" });
  assertInstanceOf(await run.started.catch((error) => error), StartError);
});

Deno.test({
  name: "treeMarks() wants all four variables",
  permissions: "none",
  fn() {
    const env = ["REMOTE_ADDR", "1", "REMOTE_PORT", "2", "X", "y", "SERVER_PORT", "3", "REQUEST_URI", "/"];
    assertEquals(treeMarks(env), ["REMOTE_ADDR=1", "REMOTE_PORT=2", "SERVER_PORT=3", "REQUEST_URI=/"]);
    assertEquals(treeMarks(env.slice(0, -2)), []);
  },
});

Deno.test("startProcess() takes standard error no faster than it has to", async () => {
  const beganMs = performance.now();
  const { run, errors } = start("head -c 8388608 /dev/zero >&2; echo >&2; echo done >&2; echo answer");
  // The answer does not wait for it.
  assertEquals(await readAll(run), "answer\n");
  assertEquals(await run.ended, { code: 0, signal: null });
  assertEquals(errors.at(-1), "done");
  // 8 MiB at 1 MiB in 50 ms; a slow machine only takes longer.
  assert(performance.now() - beganMs > 300);
});

Deno.test("stderr() is the end of standard error where it is kept, and nothing where it is not", async () => {
  const script = "echo one >&2; printf 'two\\tthree' >&2";
  const kept = start(script, {}, { stderrTailBytes: 4096 });
  assertEquals(await readAll(kept.run), "");
  await kept.run.ended;
  assertEquals(kept.run.stderr?.(), "one\ntwo\tthree");
  const other = start(script);
  assertEquals(await readAll(other.run), "");
  await other.run.ended;
  assertEquals([other.errors.length, other.run.stderr?.()], [2, ""]);
});

Deno.test("end() never looks like the end of the input", async () => {
  const { run, trees } = start("cat > /dev/null; echo whole >&2", { hasInput: true });
  let kill = () => {};
  // The kill takes its time: it is the supervisor's to do.
  const asked = Promise.withResolvers<void>();
  trees.endTree = (pid) => {
    asked.resolve();
    return new Promise((resolve) => {
      kill = () => {
        Deno.kill(pid, "SIGKILL");
        resolve();
      };
    });
  };
  await run.started;
  assert(await run.write(new TextEncoder().encode("half")));
  run.end("clientGone");
  await asked.promise;
  run.closeInput();
  assertEquals(await run.write(new TextEncoder().encode("more")), false);
  const ended = run.ended.then(() => "ended");
  const later = new Promise<string>((resolve) => setTimeout(() => resolve("still reading"), 50));
  assertEquals(await Promise.race([ended, later]), "still reading");
  kill();
  assertEquals((await run.ended).signal, "SIGKILL");
});
