import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { LogFile, type LogOutput } from "./log_file.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** A destination that does what the test says. */
class FakeOutput implements LogOutput {
  text = "";
  closed = 0;
  /** What the next writes do: take so many bytes at most, fail, or hang until told. */
  readonly script: (number | Error | Promise<void>)[] = [];
  readonly calls: (() => void)[] = [];

  async write(chunk: Uint8Array): Promise<number> {
    this.calls.shift()?.();
    const next = this.script.shift();
    if (next instanceof Error) throw next;
    if (next instanceof Promise) await next;
    const taken = typeof next === "number" ? Math.min(next, chunk.length) : chunk.length;
    this.text += new TextDecoder().decode(chunk.subarray(0, taken));
    return taken;
  }

  close(): void {
    this.closed++;
  }

  /** Resolves at the next write. */
  called(): Promise<void> {
    return new Promise((resolve) => this.calls.push(resolve));
  }
}

async function openFake(
  options: { queueBytes?: number; retryMs?: number } = {},
): Promise<{ log: LogFile; outputs: FakeOutput[]; reports: string[] }> {
  const outputs: FakeOutput[] = [];
  const reports: string[] = [];
  const log = await LogFile.open({
    target: "/log",
    report: (message) => reports.push(message),
    open: () => {
      const output = new FakeOutput();
      outputs.push(output);
      return Promise.resolve(output);
    },
    ...options,
  });
  return { log, outputs, reports };
}

Deno.test("LogFile writes in order, also where the system takes little at a time", async () => {
  const { log, outputs: [output] } = await openFake();
  output.script.push(1, 2, 3);
  log.write(bytes("one\n"));
  log.write(bytes("two\n"));
  assert(await log.flush(10_000));
  assertEquals(output.text, "one\ntwo\n");
  assert(await log.close(10_000));
  assertEquals(output.closed, 1);
});

Deno.test("LogFile reports a full disk once, tries again, and loses nothing meanwhile", async () => {
  const { log, outputs: [output], reports } = await openFake({ retryMs: 1 });
  const full = () => new Error("No space left on device (os error 28)");
  output.script.push(2, full(), full(), full());
  log.write(bytes("one\n"));
  log.write(bytes("two\n"));
  while (!await log.flush(10_000));
  assertEquals(output.text, "one\ntwo\n");
  assertEquals(reports.length, 2);
  assertMatch(reports[0], /^log \/log: it cannot be written and will be tried again: No space left/);
  assertMatch(reports[1], /can be written again/);
  await log.close(10_000);
});

Deno.test("LogFile keeps a bounded queue for a reader that hangs, and counts what it drops", async () => {
  const { log, outputs: [output], reports } = await openFake({ queueBytes: 12 });
  const hang = Promise.withResolvers<void>();
  output.script.push(hang.promise);
  for (const line of ["aaa\n", "bbb\n", "ccc\n", "ddd\neee\n", "fff\n"]) log.write(bytes(line));
  assertEquals(await log.flush(0), false);
  assertEquals([reports.length, log.droppedLines], [1, 3]);
  const slow =
    "log /log: it takes lines too slowly or not at all, lines are dropped: see what its disk or reader does";
  assertEquals(reports[0], slow);
  hang.resolve();
  assert(await log.flush(10_000));
  assertEquals(output.text, "aaa\nbbb\nccc\n");
  assertEquals(reports[1], "log /log: 3 lines dropped");
  assertEquals(log.droppedLines, 0);
  await log.close(10_000);
});

Deno.test("LogFile.close() does not wait longer than told for a reader that hangs", async () => {
  const { log, outputs: [output] } = await openFake();
  const hang = Promise.withResolvers<void>();
  output.script.push(hang.promise);
  log.write(bytes("a\n"));
  assertEquals(await log.close(0), false);
  log.write(bytes("b\n"));
  assertEquals(output.closed, 0);
  const closing = Promise.withResolvers<void>();
  output.close = () => closing.resolve();
  hang.resolve();
  await closing.promise;
});

Deno.test("LogFile gives up a standard stream whose reader is gone, and says so once", async () => {
  const { log, outputs: [output], reports } = await openFake();
  output.script.push(new Deno.errors.BrokenPipe("Broken pipe"));
  log.write(bytes("a\n"));
  assert(await log.flush(10_000));
  log.write(bytes("b\n"));
  assertEquals([log.droppedLines, output.text], [2, ""]);
  assertEquals(reports, ["log /log: its reader is gone, lines are dropped until the server is started anew"]);
  await log.close(10_000);
});

Deno.test("LogFile waits quietly where a stream says later", async () => {
  const { log, outputs: [output], reports } = await openFake();
  output.script.push(new Deno.errors.WouldBlock("later"));
  log.write(bytes("a\n"));
  while (!await log.flush(10_000));
  assertEquals([output.text, reports], ["a\n", []]);
  await log.close(10_000);
});

Deno.test("LogFile.reopen() waits for the write under way and goes on in the new file", async () => {
  const { log, outputs } = await openFake();
  const hang = Promise.withResolvers<void>();
  outputs[0].script.push(hang.promise);
  const called = outputs[0].called();
  log.write(bytes("one\n"));
  await called;
  const reopened = log.reopen();
  log.write(bytes("two\n"));
  hang.resolve();
  await reopened;
  await log.flush(10_000);
  assertEquals(outputs.map((output) => [output.text, output.closed]), [["one\n", 1], ["two\n", 0]]);
  await log.close(10_000);
});

Deno.test("LogFile.reopen() ends the wait after a failure", async () => {
  const { log, outputs } = await openFake({ retryMs: 3_600_000 });
  outputs[0].script.push(new Error("read-only"));
  const called = outputs[0].called();
  log.write(bytes("one\n"));
  await called;
  await log.reopen();
  assert(await log.flush(10_000));
  assertEquals(outputs[1].text, "one\n");
  await log.close(10_000);
});

Deno.test("LogFile keeps the old file where the new one cannot be opened", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const reports: string[] = [];
    const path = `${dir}/logs/a.log`;
    await Deno.mkdir(`${dir}/logs`);
    const log = await LogFile.open({ target: path, report: (message) => reports.push(message) });
    await Deno.rename(`${dir}/logs`, `${dir}/old`);
    await log.reopen();
    log.write(bytes("kept\n"));
    assert(await log.close(10_000));
    assertEquals(await Deno.readTextFile(`${dir}/old/a.log`), "kept\n");
    assertEquals(reports.length, 1);
    assertMatch(
      reports[0],
      /: it cannot be reopened, the old file stays: .*; mend it and send SIGUSR1 again$/,
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("LogFile appends to a file, survives its truncation, and follows its renaming", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const path = `${dir}/a.log`;
    await Deno.writeTextFile(path, "old\n");
    const log = await LogFile.open({ target: path });
    log.write(bytes("one\n"));
    await log.flush(10_000);
    assertEquals(await Deno.readTextFile(path), "old\none\n");
    await Deno.truncate(path);
    log.write(bytes("two\n"));
    await log.flush(10_000);
    assertEquals(await Deno.readTextFile(path), "two\n");
    await Deno.rename(path, `${path}.1`);
    log.write(bytes("three\n"));
    await log.reopen();
    log.write(bytes("four\n"));
    assert(await log.close(10_000));
    const both = await Deno.readTextFile(`${path}.1`) + await Deno.readTextFile(path);
    assertEquals(both, "two\nthree\nfour\n");
    assertMatch(await Deno.readTextFile(path), /four\n$/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test({
  name: "LogFile makes a file that others cannot read",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const dir = await Deno.makeTempDir();
    try {
      const log = await LogFile.open({ target: `${dir}/a.log` });
      await log.close(10_000);
      assertEquals(((await Deno.stat(`${dir}/a.log`)).mode ?? 0) & 0o027, 0);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

Deno.test("LogFile.open() rejects where a file cannot be opened", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await assertRejects(() => LogFile.open({ target: `${dir}/none/a.log` }), Deno.errors.NotFound);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
