/**
 * From a run's output and end to a reply, with runs and clock in the test's hand.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import type { ScriptHandling } from "../config/config.ts";
import {
  ExchangeAborted,
  type Outcome,
  type Reply,
  type RequestBody,
  type Source,
} from "../handlers/handler.ts";
import { FailedScript } from "../handlers/dev_page.ts";
import { HttpError } from "../http/error.ts";
import { ManualClock } from "../time/clock.ts";
import { type RunAccount, ScriptAnswer } from "./answer.ts";
import { aHandling, someSettings } from "./config_fixture.ts";
import { aBody, anExchange, type ExchangeOptions, type TestExchange } from "./exchange_fixture.ts";
import { HOLD_MS } from "./run.ts";
import { FakeLog, FakeRun } from "./scripts_fixture.ts";

interface Options extends ExchangeOptions {
  readonly handling?: Partial<ScriptHandling>;
  readonly isNph?: boolean;
  readonly account?: RunAccount;
}

interface World {
  readonly clock: ManualClock;
  readonly log: FakeLog;
  readonly run: FakeRun;
  readonly exchange: TestExchange;
  readonly abort: AbortController;
  readonly answer: ScriptAnswer;
  readonly outcome: Promise<Outcome>;
}

function world(options: Options = {}): World {
  const clock = new ManualClock();
  const log = new FakeLog();
  const abort = new AbortController();
  const exchange = anExchange({ signal: abort.signal, ...options });
  const run = new FakeRun({
    plan: {
      routeId: 0,
      script: "/srv/a.py",
      program: "/bin/sh",
      args: [],
      env: {},
      cwd: "/",
      killGraceMs: 0,
      warm: null,
    },
    request: { url: "/a.py", requestId: "r1", args: [], env: [], hasInput: false, client: "192.0.2.7" },
  });
  const route = { handling: aHandling(options.handling), services: { clock, log }, sendfile: null };
  const answer = new ScriptAnswer(exchange, "/srv/a.py", route, run, options.account);
  const outcome = answer.outcome(options.isNph ?? false);
  outcome.catch(() => {}); // Each test looks at it in its own time.
  return { clock, log, run, exchange, abort, answer, outcome };
}

/** Lets all promises that can settle do so. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

async function reply(outcome: Promise<Outcome>): Promise<Reply> {
  const settled = await outcome;
  assert(settled.kind === "reply");
  return settled;
}

function text(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function whole({ body }: Reply): string {
  assertInstanceOf(body, Uint8Array);
  return text(body);
}

function source({ body }: Reply): Source {
  assert(body !== null && !(body instanceof Uint8Array));
  return body;
}

/** What a source gives up to its end, and how it ends. */
async function drain(from: Source): Promise<{ content: string; error: unknown }> {
  let content = "";
  try {
    for (let bytes = await from.read(); bytes !== null; bytes = await from.read()) content += text(bytes);
    from.close(null);
    return { content, error: null };
  } catch (error) {
    from.close(error);
    return { content, error };
  }
}

async function refusal(outcome: Promise<Outcome>): Promise<HttpError> {
  return await assertRejects(() => outcome, HttpError);
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, permissions: "none", fn });
}

test("a short answer is given whole", async () => {
  const { run, outcome, exchange, clock, log } = world();
  run.start().says("Status: 201 Made\nX: y\nContent-Type: a/b\n\n", "con", "tent").exit();
  const answer = await reply(outcome);
  assertEquals([answer.status, answer.reason, answer.fields], [201, "Made", [["X", "y"], [
    "Content-Type",
    "a/b",
  ]]]);
  assertEquals(whole(answer), "content");
  assertEquals([exchange.notes.exit, exchange.notes.scriptMs, exchange.notes.error], [0, 0, null]);
  assertEquals([run.endedFor, clock.size, log.lines], [[], 0, []]);
});

test("an answer that goes on is streamed after a moment", async () => {
  const { run, outcome } = world();
  run.start().says("A: b\n\none ");
  const from = source(await reply(outcome));
  assertEquals(from.length, null);
  run.says("two ");
  assertEquals(text(await from.read() ?? new Uint8Array()), "one ");
  assertEquals(text(await from.read() ?? new Uint8Array()), "two ");
  const reading = from.read();
  run.says("three").exit();
  assertEquals(text(await reading ?? new Uint8Array()), "three");
  assertEquals(await from.read(), null);
});

test("what was held where it came from is not held again", async () => {
  const { run, outcome } = world();
  run.heldMs = HOLD_MS;
  run.start().says("A: b\n\none ", "two").exit();
  const from = source(await reply(outcome));
  assertEquals(from.length, null);
  assertEquals(await drain(from), { content: "one two", error: null });
});

test("an answer longer than what is held is streamed at once", async () => {
  const { run, outcome } = world();
  run.start().says("A: b\n\n" + "x".repeat(70_000));
  const from = source(await reply(outcome));
  run.says("y").exit();
  assertEquals((await drain(from)).content.length, 70_001);
});

test("the script's own Content-Length is kept where it is true", async () => {
  const { run, outcome } = world();
  run.start().says("Content-Length: 7\n\ncontent").exit();
  assertEquals(whole(await reply(outcome)), "content");
  const long = world();
  long.run.start().says("Content-Length: 7\n\ncon");
  const from = source(await reply(long.outcome));
  assertEquals(from.length, 7);
  long.run.says("tent").exit();
  assertEquals(await drain(from), { content: "content", error: null });
});

test("more than the announced length is cut off, and the script may finish", async () => {
  const { run, outcome } = world();
  run.start().says("Content-Length: 3\n\ncontent", "more");
  const from = source(await reply(outcome));
  assertEquals(await drain(from), { content: "con", error: null });
  run.says("and more").exit();
  await settle();
  assertEquals(run.endedFor, []);
});

test("less than the announced length breaks off", async () => {
  const { run, outcome, log } = world();
  run.start().says("Content-Length: 30\n\ncontent").exit();
  const { content, error } = await drain(source(await reply(outcome)));
  assertEquals(content, "content");
  assertInstanceOf(error, HttpError);
  assertStringIncludes(
    log.lines[0],
    "script /srv/a.py pid 77: announced 30 bytes (Content-Length) and wrote 7",
  );
});

test("death by a signal after the header sends what was written and breaks off", async () => {
  const { run, outcome, exchange, log } = world();
  run.start().says("A: b\n\nhalf").exit(139, "SIGSEGV");
  const { content, error } = await drain(source(await reply(outcome)));
  assertEquals(content, "half");
  assertInstanceOf(error, HttpError);
  assertEquals(exchange.notes.exit, "SIGSEGV");
  assertEquals(log.lines.length, 1);
  assertStringIncludes(log.lines[0], "died by SIGSEGV");
});

test("an exit status other than 0 after the header does not break off", async () => {
  const { run, outcome, exchange, log } = world();
  run.start().says("A: b\n\nall").exit(3);
  assertEquals(whole(await reply(outcome)), "all");
  assertEquals(exchange.notes.exit, 3);
  assertEquals(log.lines, ["info [r1] script /srv/a.py pid 77: ended with status 3"]);
});

test("closing standard output ends the answer while the script runs on", async () => {
  const { run, outcome, clock, log } = world({
    handling: { settings: someSettings({ runLimitMs: 60_000 }) },
  });
  run.start().says("A: b\n\nall").closes();
  assertEquals(whole(await reply(outcome)), "all");
  clock.turn(59_999);
  assertEquals(run.endedFor, []);
  clock.turn(1);
  assertEquals(run.endedFor, ["runLimit"]);
  await settle();
  assertEquals(clock.size, 0);
  assertStringIncludes(log.lines[0], "ran for 60 s");
});

test("output without a header is a 502 that says why", async () => {
  for (
    const [output, code, message] of [
      ["", 0, "it wrote nothing"],
      ["", 1, "it wrote nothing; it ended with status 1"],
      ["Traceback\n", 1, 'line 1 is no header field: "Traceback"'],
      ["A: b\n", 0, "without the empty line"],
    ] as const
  ) {
    const { run, outcome, log, exchange } = world();
    run.start();
    if (output !== "") run.says(output);
    run.exit(code);
    assertEquals((await refusal(outcome)).status, 502);
    assertStringIncludes(log.lines.join(), message);
    assertStringIncludes(exchange.notes.error ?? "", message);
  }
});

test("a script with a bad header may say why on standard error, and is ended", async () => {
  const { run, outcome, clock } = world();
  run.start().says("no header\n");
  assertEquals((await refusal(outcome)).status, 502);
  run.says("more");
  await settle();
  clock.turn(999);
  assertEquals(run.endedFor, []);
  clock.turn(1);
  assertEquals(run.endedFor, ["badOutput"]);
  await settle();
  assertEquals(clock.size, 0);
});

test("a header that takes too long is a 504", async () => {
  const { run, outcome, clock, log } = world();
  clock.turn(5000); // In the queue, no time counts.
  run.start();
  await settle();
  clock.turn(20_000);
  run.says("A: b\n"); // A part of the header is no reprieve.
  await settle();
  clock.turn(9_999);
  assertEquals(run.endedFor, []);
  clock.turn(1);
  assertEquals((await refusal(outcome)).status, 504);
  assertEquals(run.endedFor[0], "timeout");
  assertEquals(clock.size, 0);
  assertStringIncludes(log.lines[0], "had not finished its header after 30 s");
});

test("input that is taken is a sign of life before the header", async () => {
  const pieces = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
  const body: RequestBody = { length: 3, read: () => pieces.promise };
  const { run, outcome, clock, answer } = world({ body });
  answer.feed({ length: 3, read: () => body.read(), close() {} });
  run.takesInput = true;
  run.start();
  await settle();
  clock.turn(29_000);
  run.write = (bytes) => {
    run.takesInput = false;
    run.write = () => Promise.resolve(false);
    return Promise.resolve(bytes.length > 0);
  };
  pieces.resolve(new Uint8Array(3));
  await settle();
  clock.turn(29_000);
  assertEquals(run.endedFor, []);
  clock.turn(1000);
  assertEquals((await refusal(outcome)).status, 504);
});

test("silence after the header breaks off, but only while the client waits for it", async () => {
  const { run, outcome, clock } = world();
  run.start().says("A: b\n\n" + "x".repeat(70_000));
  const from = source(await reply(outcome));
  await from.read();
  clock.turn(1_000_000); // The client takes its time; the script cannot help it.
  assertEquals(run.endedFor, []);
  const reading = from.read();
  clock.turn(29_999);
  run.says("sign");
  await reading;
  const next = from.read();
  clock.turn(29_999);
  assertEquals(run.endedFor, []);
  clock.turn(1);
  assertEquals(run.endedFor, ["timeout"]);
  await assertRejects(() => Promise.resolve(next), HttpError, "gave no sign of life for 30 s");
  from.close(null);
});

test("the run limit ends a script that gives signs of life", async () => {
  const { run, outcome, clock } = world({ handling: { settings: someSettings({ runLimitMs: 40_000 }) } });
  run.start().says("A: b\n\n" + "x".repeat(70_000));
  const from = source(await reply(outcome));
  await from.read();
  for (let i = 0; i < 3; i++) {
    const reading = from.read();
    clock.turn(13_000);
    run.says("sign");
    await reading;
  }
  const last = from.read();
  clock.turn(1000);
  assertEquals(run.endedFor, ["runLimit"]);
  await assertRejects(() => Promise.resolve(last), HttpError, "ran for 40 s");
});

test("a script that cannot be started has a status for each reason", async () => {
  const cases = [
    [{ kind: "queueFull", retryAfterSeconds: 7 }, 503],
    [{ kind: "queueTimeout", retryAfterSeconds: 7 }, 503],
    [{ kind: "tooLarge", message: "m" }, 431],
    [{ kind: "notStarted", message: "m" }, 500],
    [{ kind: "loopLost" }, 502],
    [{ kind: "ended", reason: "shutdown" }, 503],
  ] as const;
  for (const [failure, status] of cases) {
    const { run, outcome, log, clock } = world();
    run.fail(failure);
    const error = await refusal(outcome);
    assertEquals(error.status, status);
    assertEquals(
      error.fields,
      status === 503 && "retryAfterSeconds" in failure ? [["Retry-After", "7"]] : [],
    );
    assertEquals([log.lines.length, clock.size], [1, 0]);
  }
});

test("a client that is gone ends the script, before and after the start of the answer", async () => {
  const gone = new ExchangeAborted("clientGone");
  const before = world();
  before.run.start();
  await settle();
  before.abort.abort(gone);
  assertEquals(await before.outcome.catch((error) => error), gone);
  assertEquals(before.run.endedFor[0], "clientGone");
  const queued = world();
  queued.abort.abort(new ExchangeAborted("shutdown"));
  assertInstanceOf(await queued.outcome.catch((error) => error), ExchangeAborted);
  assertEquals(queued.run.endedFor[0], "shutdown");
  const after = world();
  after.run.start().says("A: b\n\none");
  const from = source(await reply(after.outcome));
  await from.read();
  const reading = from.read();
  after.abort.abort(gone);
  assertEquals(await Promise.resolve(reading).catch((error) => error), gone);
  from.close(gone);
  await settle();
  assertEquals([after.run.endedFor[0], before.log.lines, after.log.lines, after.clock.size], [
    "clientGone",
    [],
    [],
    0,
  ]);
});

test("a source that is closed before its end ends the script", async () => {
  const { run, outcome } = world();
  run.start().says("A: b\n\none");
  source(await reply(outcome)).close(new Error("write failed"));
  assertEquals(run.endedFor, ["abandoned"]);
});

test("a client's end after the answer is no business of the script's", async () => {
  const { run, outcome, abort } = world();
  run.start().says("A: b\n\nall").closes();
  await reply(outcome);
  abort.abort(new ExchangeAborted("clientGone"));
  assertEquals(run.endedFor, []);
  run.exit();
});

test("input is passed on and closed; a script that closes it early is no error", async () => {
  const { run, outcome, answer } = world();
  const body = aBody(["one ", "two"]);
  let closed = 0;
  answer.feed({ length: 7, read: () => body.read(), close: () => closed++ });
  run.start();
  await settle();
  assertEquals([run.input, run.isInputClosed, closed], ["one two", true, 1]);
  run.says("A: b\n\nall").exit();
  await outcome;
  const early = world();
  early.run.takesInput = false;
  early.answer.feed({ length: 1, read: () => aBody(["x"]).read(), close: () => closed++ });
  early.run.start().says("A: b\n\nall").exit();
  assertEquals(whole(await reply(early.outcome)), "all");
  assertEquals(closed, 2);
});

test("nothing of a body is read while its script waits for a place", async () => {
  const { run, answer, outcome } = world();
  let reads = 0;
  const feeding = answer.feed({
    length: 1,
    read: () => Promise.resolve(reads++ === 0 ? new Uint8Array(1) : null),
    close() {},
  });
  await settle();
  assertEquals(reads, 0);
  run.fail({ kind: "queueFull", retryAfterSeconds: 1 });
  await feeding;
  assertEquals((await refusal(outcome)).status, 503);
  assertEquals(reads, 0);
});

test("a body that breaks kills the script: its status before the answer, a cut after", async () => {
  const bad = new HttpError(413, "too large");
  const before = world();
  before.answer.feed({ length: null, read: () => Promise.reject(bad), close() {} });
  before.run.start();
  assertEquals(await refusal(before.outcome), bad);
  assertEquals(before.run.endedFor[0], "badRequest");
  const after = world();
  const breaking = Promise.withResolvers<null>();
  after.answer.feed({ length: null, read: () => breaking.promise, close() {} });
  after.run.start().says("A: b\n\none");
  const from = source(await reply(after.outcome));
  breaking.reject(bad);
  await settle();
  assertEquals((await drain(from)).error, bad);
});

test("a body that breaks after the script's end changes nothing", async () => {
  const breaking = Promise.withResolvers<null>();
  const { run, outcome, answer } = world();
  answer.feed({ length: null, read: () => breaking.promise, close() {} });
  run.start().says("A: b\n\n" + "x".repeat(70_000), "end").exit();
  const from = source(await reply(outcome));
  breaking.reject(new HttpError(408, "too slow"));
  await settle();
  assertEquals((await drain(from)).error, null);
});

test("204 and 304 have no content, and the script may finish within its time", async () => {
  for (const status of [204, 304]) {
    const { run, outcome, clock } = world();
    run.start().says(`Status: ${status}\nX: y\n\nnot wanted`);
    const answer = await reply(outcome);
    assertEquals([answer.status, answer.body, answer.fields], [status, null, [["X", "y"]]]);
    run.says("more");
    await settle();
    clock.turn(29_999);
    run.says("more");
    await settle();
    assertEquals(run.endedFor, []);
    clock.turn(1);
    assertEquals(run.endedFor, ["abandoned"]);
    await settle();
    assertEquals(clock.size, 0);
  }
});

test("a HEAD has the length that a GET would have, or none", async () => {
  const written = world({ method: "HEAD" });
  written.run.start().says("A: b\n\ncontent").exit();
  assertEquals(whole(await reply(written.outcome)), "content");
  const announced = world({ method: "HEAD" });
  announced.run.start().says("Content-Length: 7\n\n").exit();
  const from = source(await reply(announced.outcome));
  assertEquals(from.length, 7);
  from.close(null);
  const unknown = world({ method: "HEAD" });
  unknown.run.start().says("A: b\n\n").exit();
  assertEquals(source(await reply(unknown.outcome)).length, null);
  assertEquals([announced.log.lines, announced.run.endedFor], [[], []]);
});

test("a local redirect leads on, and its script may finish", async () => {
  const { run, outcome } = world();
  run.start().says("Location: /other?x=1\n\n");
  assertEquals(await outcome, { kind: "reroute", target: "/other?x=1", as: "local" });
  run.exit();
});

test("a client redirect is a 302 with its Location", async () => {
  const { run, outcome } = world();
  run.start().says("Location: http://h/\n\n").exit();
  const answer = await reply(outcome);
  assertEquals([answer.status, answer.fields, whole(answer)], [302, [["Location", "http://h/"]], ""]);
});

test("an nph script speaks for itself", async () => {
  const { run, outcome } = world({ isNph: true });
  run.start().says("HTTP/1.0 404 Gone\r\n\r\n", "rest").exit();
  const answer = await reply(outcome);
  const from = source(answer);
  assertEquals([answer.status, answer.close, from.raw, from.length], [404, true, true, null]);
  assertEquals((await drain(from)).content, "HTTP/1.0 404 Gone\r\n\r\nrest");
  const silent = world({ isNph: true });
  silent.run.start().exit();
  assertEquals((await refusal(silent.outcome)).status, 502);
});

test("plain output is all content, and a failure before it a 500", async () => {
  const handling = { output: "plain", contentType: "text/plain" } as const;
  const good = world({ handling });
  good.run.start().says("Status: 404\n\n").exit();
  const answer = await reply(good.outcome);
  assertEquals([answer.status, answer.fields, whole(answer)], [
    200,
    [["Content-Type", "text/plain"]],
    "Status: 404\n\n",
  ]);
  const failed = world({ handling });
  failed.run.start().says("half").exit(1);
  assertEquals((await refusal(failed.outcome)).status, 500);
  const late = world({ handling });
  late.run.start().says("x".repeat(5000)).exit(1);
  assertEquals((await drain(source(await reply(late.outcome)))).error, null);
});

test("plain output that keeps to itself for long may still fail", async () => {
  const { run, outcome } = world({ handling: { output: "plain" } });
  run.start();
  // Longer than its first output is held.
  await new Promise((resolve) => setTimeout(resolve, 150));
  run.exit(1);
  assertEquals((await refusal(outcome)).status, 500);
});

const ACCOUNT: RunAccount = { command: ["/bin/sh", "a"], env: ["A", "b"] };

test("with an account a failure tells how the script ended and what it said", async () => {
  const { run, outcome, clock, log } = world({ account: ACCOUNT });
  run.start();
  await settle();
  clock.turn(1500);
  run.errors = "Traceback\n";
  run.closes();
  await settle();
  clock.turn(500);
  run.exit(1);
  const error = await refusal(outcome);
  assertInstanceOf(error, FailedScript);
  const { reason, ...account } = error.account;
  assertEquals(account, { ...ACCOUNT, exit: 1, ranMs: 2000, stderr: "Traceback\n", diagnosis: null });
  assert(log.lines.includes(`error ${reason}`), reason);
  assertEquals(error.status, 502);
});

test("with an account a script that is ended, or never began, is told of, too", async () => {
  const late = world({ account: ACCOUNT, handling: { settings: someSettings({ timeoutMs: 1000 }) } });
  late.run.start();
  await settle();
  late.clock.turn(1000);
  const timeout = await refusal(late.outcome);
  assertInstanceOf(timeout, FailedScript);
  assertEquals([timeout.status, timeout.account.exit, timeout.account.ranMs], [504, "SIGKILL", 1000]);

  const queued = world({ account: ACCOUNT });
  queued.run.fail({ kind: "queueFull", retryAfterSeconds: 3 });
  const full = await refusal(queued.outcome);
  assertInstanceOf(full, FailedScript);
  assertEquals([full.status, full.account.exit, full.account.ranMs], [503, null, null]);
  assertEquals(full.fields, [["Retry-After", "3"]]);
});

test("without an account, and where the client is at fault, nothing more is told", async () => {
  const plain = world();
  plain.run.errors = "secret";
  plain.run.start().exit(1);
  assert(!(await refusal(plain.outcome) instanceof FailedScript));

  const fed = world({ account: ACCOUNT });
  fed.run.start();
  await fed.answer.feed({
    length: 1,
    read: () => Promise.reject(new HttpError(413, "too much")),
    close() {},
  });
  const error = await refusal(fed.outcome);
  assertEquals([error.status, error instanceof FailedScript], [413, false]);
});

test("a script of which nobody says that it was started gets 503, soon after its time in the queue", async () => {
  const { clock, run, outcome } = world({
    handling: { settings: someSettings({ queueTimeoutMs: 5_000 }) },
  });
  clock.turn(14_000);
  await settle();
  assertEquals(run.endedFor, []);
  clock.turn(2_000);
  const { status, fields } = await refusal(outcome);
  assertEquals([status, fields], [503, [["Retry-After", "1"]]]);
  assertEquals([run.endedFor[0], clock.size], ["abandoned", 0]);
});
