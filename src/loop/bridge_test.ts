import { assert, assertEquals, assertRejects } from "@std/assert";
import { type ScriptSpec, StartError } from "../cgi/run.ts";
import type { FromBridge, ToBridge } from "../supervisor/messages.ts";
import { BridgedScripts, MESSAGES_MAX, PLANS_MAX, WINDOW_BYTES, windowCost } from "./bridge.ts";
import { RING_BYTES, ringMemory, RingReader, RingWriter } from "./ring.ts";

const SPEC: ScriptSpec = {
  plan: {
    routeId: 0,
    script: "/s",
    program: "/bin/true",
    args: [],
    env: {},
    cwd: "/",
    killGraceMs: 0,
    warm: null,
  },
  request: { url: "/s", requestId: "r", args: [], env: [], hasInput: true, client: "192.0.2.1" },
};

/** The script loop's end, played by a test. */
class FarEnd implements Disposable {
  readonly scripts: BridgedScripts;
  wanted = 0;
  #port: MessagePort;
  readonly #received: ToBridge[] = [];
  #wake: (() => void) | null = null;

  constructor() {
    this.scripts = new BridgedScripts(() => 42, () => this.wanted++);
    this.#port = this.#connect();
  }

  /** Another script loop takes over. */
  startAnew(): void {
    this.#port.close();
    this.#port = this.#connect();
  }

  #connect(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.scripts.connect(port1);
    port2.onmessage = ({ data }: MessageEvent<ToBridge>) => {
      this.#received.push(data);
      this.#wake?.();
    };
    return port2;
  }

  send(message: FromBridge): void {
    this.#port.postMessage([message]);
  }

  /** Further output of the first run comes through this ring. */
  sendRing(): { ring: RingWriter; memory: SharedArrayBuffer } {
    const memory = ringMemory();
    this.send({ kind: "outputRing", id: 1, memory });
    return { ring: new RingWriter(memory), memory };
  }

  async next(): Promise<ToBridge> {
    while (true) {
      const message = this.#received.shift();
      if (message !== undefined) return message;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  [Symbol.dispose](): void {
    this.scripts.close();
    this.#port.close();
  }
}

const bytes = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(length).fill(97);

Deno.test("a bridged run gives what its script writes, in order, and then how it ended", async () => {
  using far = new FarEnd();
  const run = far.scripts.start(SPEC);
  assertEquals((await far.next()).kind, "start");
  far.send({ kind: "started", id: 1, pid: 7, agoMs: 0 });
  far.send({ kind: "output", id: 1, bytes: bytes(3), heldMs: 0 });
  far.send({ kind: "output", id: 1, bytes: bytes(5), heldMs: 0 });
  far.send({ kind: "outputEnd", id: 1 });
  far.send({ kind: "exit", id: 1, code: 3, signal: null });
  assertEquals(await run.started, 7);
  assertEquals((await run.read())?.length, 3);
  assertEquals((await run.read())?.length, 5);
  assertEquals(await run.read(), null);
  assertEquals(await run.ended, { code: 3, signal: null });
  assertEquals(run.lastSignMs, 42);
  assertEquals(far.wanted, 1);
});

Deno.test("a bridged run tells when it began, how long its output was kept back, and that no more follows", async () => {
  using far = new FarEnd();
  const run = far.scripts.start(SPEC);
  assertEquals([run.startedMs, run.heldMs, run.isAtEnd], [0, 0, false]);
  await far.next();
  far.send({ kind: "started", id: 1, pid: 7, agoMs: 30 });
  far.send({ kind: "output", id: 1, bytes: bytes(3), heldMs: 8 });
  far.send({ kind: "exit", id: 1, code: 0, signal: null });
  await run.ended;
  assertEquals([run.startedMs, run.heldMs, run.isAtEnd], [12, 8, false]);
  assertEquals((await run.read())?.length, 3);
  assert(run.isAtEnd);
  assertEquals(await run.read(), null);
});

Deno.test("a plan is sent once, and again when its place was given to another or another script loop is there", async () => {
  using far = new FarEnd();
  const other = (): ScriptSpec => ({ ...SPEC, plan: { ...SPEC.plan } });
  const started = async (spec: ScriptSpec): Promise<[number, boolean]> => {
    far.scripts.start(spec).end("abandoned");
    const start = await far.next();
    assert(start.kind === "start");
    assertEquals((await far.next()).kind, "end");
    return [start.at, start.plan !== null];
  };
  assertEquals(await started(SPEC), [0, true]);
  assertEquals(await started(SPEC), [0, false]);
  for (let at = 1; at < PLANS_MAX; at++) assertEquals(await started(other()), [at, true]);
  assertEquals(await started(SPEC), [0, false]);
  assertEquals(await started(other()), [0, true]);
  assertEquals(await started(SPEC), [1, true]);
  assertEquals(await started(SPEC), [1, false]);
  far.startAnew();
  assertEquals(await started(SPEC), [0, true]);
});

Deno.test("a run whose number is another's has nothing more to say", async () => {
  using far = new FarEnd();
  const first = far.scripts.start(SPEC);
  assertEquals((await far.next()).id, 1);
  far.send({ kind: "failed", id: 1, failure: { kind: "noRoom", message: "", retryAfterSeconds: 1 } });
  await first.ended;
  const second = far.scripts.start(SPEC);
  first.end("abandoned");
  second.closeInput();
  assertEquals((await far.next()).kind, "start");
  assertEquals(await far.next(), { kind: "inputEnd", id: 1 });
  second.end("abandoned");
});

Deno.test("a writer that fills the window waits until the script has taken something", async () => {
  using far = new FarEnd();
  const run = far.scripts.start(SPEC);
  assert(await run.write(bytes(WINDOW_BYTES - windowCost(1) - windowCost(0))));
  let isWritten = false;
  const writing = run.write(bytes(1)).then((isOpen) => {
    isWritten = true;
    return isOpen;
  });
  for (const kind of ["start", "input", "input"]) assertEquals((await far.next()).kind, kind);
  assert(!isWritten);
  far.send({ kind: "taken", id: 1, bytes: windowCost(1) });
  assert(await writing);
  run.end("abandoned");
});

Deno.test("a window holds few messages, however short they are", async () => {
  using far = new FarEnd();
  const run = far.scripts.start(SPEC);
  let written = 0;
  while (written < 1_000 && await Promise.race([run.write(bytes(1)), Promise.resolve(false)])) written++;
  assert(written < 600, String(written));
  run.end("abandoned");
});

Deno.test("consumption is reported in steps, so that the sender's window opens again", async () => {
  using far = new FarEnd();
  const run = far.scripts.start(SPEC);
  await far.next();
  for (let i = 0; i < 4; i++) far.send({ kind: "output", id: 1, bytes: bytes(40_000), heldMs: 0 });
  for (let i = 0; i < 4; i++) await run.read();
  assertEquals(await far.next(), { kind: "consumed", id: 1, bytes: 2 * windowCost(40_000) });
  assertEquals(await far.next(), { kind: "consumed", id: 1, bytes: 2 * windowCost(40_000) });
});

Deno.test("a script that closes its input ends the writer's wait, and what is written then goes nowhere", async () => {
  using far = new FarEnd();
  const run = far.scripts.start(SPEC);
  const writing = run.write(bytes(WINDOW_BYTES));
  far.send({ kind: "inputClosed", id: 1 });
  assertEquals(await writing, false);
  assertEquals(await run.write(bytes(1)), false);
});

Deno.test("what a script said on standard error is known before its end is", async () => {
  using far = new FarEnd();
  const run = far.scripts.start(SPEC);
  await far.next();
  assertEquals(run.stderr?.(), "");
  run.end("timeout");
  far.send({ kind: "stderr", id: 1, text: "one\n" });
  far.send({ kind: "stderr", id: 1, text: "one\ntwo\n" });
  far.send({ kind: "exit", id: 1, code: 137, signal: "SIGKILL" });
  await run.ended;
  assertEquals(run.stderr?.(), "one\ntwo\n");
});

Deno.test("a run that is ended gives no more output, and its end is passed on", async () => {
  using far = new FarEnd();
  const run = far.scripts.start(SPEC);
  await far.next();
  const reading = run.read();
  run.end("timeout");
  assertEquals(await reading, null);
  assertEquals(await far.next(), { kind: "end", id: 1, reason: "timeout" });
  far.send({ kind: "exit", id: 1, code: 137, signal: "SIGKILL" });
  assertEquals((await run.ended).signal, "SIGKILL");
});

Deno.test("a start that fails rejects with its reason", async () => {
  using far = new FarEnd();
  const run = far.scripts.start(SPEC);
  far.send({ kind: "failed", id: 1, failure: { kind: "queueFull", retryAfterSeconds: 2 } });
  const error = await assertRejects(() => run.started, StartError);
  assertEquals(error.failure, { kind: "queueFull", retryAfterSeconds: 2 });
  assertEquals(await run.read(), null);
});

Deno.test("what is sent before there is a script loop waits for it", async () => {
  const scripts = new BridgedScripts(() => 42, () => {});
  const run = scripts.start(SPEC);
  await run.write(bytes(2));
  const { port1, port2 } = new MessageChannel();
  const kinds: string[] = [];
  const both = Promise.withResolvers<void>();
  port2.onmessage = ({ data }: MessageEvent<ToBridge>) => {
    if (kinds.push(data.kind) === 2) both.resolve();
  };
  scripts.connect(port1);
  await both.promise;
  assertEquals(kinds, ["start", "input"]);
  scripts.close();
  port2.close();
});

Deno.test("when the script loop is lost, its runs fail and new ones go to the next", async () => {
  using far = new FarEnd();
  const run = far.scripts.start(SPEC);
  const reading = run.read();
  const { port1, port2 } = new MessageChannel();
  const started = Promise.withResolvers<string>();
  port2.onmessage = ({ data }: MessageEvent<ToBridge>) => started.resolve(data.kind);
  far.scripts.connect(port1);
  await assertRejects(() => reading, StartError, "loopLost");
  await assertRejects(() => run.started, StartError, "loopLost");
  assertEquals(await run.ended, { code: -1, signal: null });
  far.scripts.start(SPEC);
  assertEquals(await started.promise, "start");
  port2.close();
});

Deno.test("much output comes through a ring, behind what came before and before the end", async () => {
  using far = new FarEnd();
  const run = far.scripts.start(SPEC);
  await far.next();
  far.send({ kind: "output", id: 1, bytes: bytes(3), heldMs: 0 });
  const { ring } = far.sendRing();
  assertEquals((await run.read())?.length, 3);
  const reading = run.read();
  await ring.write(bytes(5));
  assertEquals(await reading, bytes(5));
  await ring.write(bytes(7));
  await ring.write(bytes(9));
  far.send({ kind: "outputEnd", id: 1 });
  assertEquals(await run.read(), bytes(7));
  assertEquals(await run.read(), bytes(9));
  assertEquals(await run.read(), null);
});

Deno.test("what is lent of a ring lies there until the next is asked for, and what is read is a copy", async () => {
  using far = new FarEnd();
  const run = far.scripts.start(SPEC);
  await far.next();
  far.send({ kind: "output", id: 1, bytes: bytes(3), heldMs: 0 });
  const { ring, memory } = far.sendRing();
  assertEquals(await run.lend?.(), bytes(3));
  await ring.write(bytes(RING_BYTES));
  const lent = await run.lend?.() ?? null;
  assertEquals(lent?.buffer, memory);
  const writing = ring.write(bytes(1));
  const read = await run.read();
  assert(read !== null && read.buffer instanceof ArrayBuffer);
  assertEquals(read.length, lent?.length);
  // Two pieces are free by now: half of the ring.
  assert(await writing);
  run.end("abandoned");
});

Deno.test("what is in the ring when the script ends is read", async () => {
  using far = new FarEnd();
  const run = far.scripts.start(SPEC);
  await far.next();
  const { ring } = far.sendRing();
  await ring.write(bytes(RING_BYTES));
  far.send({ kind: "outputEnd", id: 1 });
  far.send({ kind: "exit", id: 1, code: 0, signal: null });
  await run.ended;
  let length = 0;
  for (let piece = await run.read(); piece !== null; piece = await run.read()) length += piece.length;
  assertEquals(length, RING_BYTES);
});

Deno.test("a reader that waits at a ring is told of the end, and of a lost loop", async () => {
  using far = new FarEnd();
  for (const how of ["outputEnd", "exit", "lost"] as const) {
    const run = far.scripts.start(SPEC);
    const start = await far.next();
    const { id } = start;
    far.send({ kind: "outputRing", id, memory: ringMemory() });
    far.send({ kind: "output", id, bytes: bytes(1), heldMs: 0 });
    await run.read();
    const reading = run.read();
    if (how === "outputEnd") far.send({ kind: "outputEnd", id });
    if (how === "exit") far.send({ kind: "exit", id, code: 0, signal: null });
    if (how !== "lost") {
      assertEquals(await reading, null);
      continue;
    }
    const { port1, port2 } = new MessageChannel();
    far.scripts.connect(port1);
    await assertRejects(() => reading, StartError, "loopLost");
    port2.close();
  }
});

Deno.test("much input goes through a ring, behind what went before, and ends with it", async () => {
  using far = new FarEnd();
  const run = far.scripts.start(SPEC);
  await far.next();
  for (let i = 0; i < MESSAGES_MAX; i++) {
    assert(await run.write(bytes(1)));
    assertEquals((await far.next()).kind, "input");
  }
  assertEquals(run.room?.(), null);
  const writing = run.write(bytes(RING_BYTES));
  const message = await far.next();
  assert(message.kind === "inputRing");
  const ring = new RingReader(message.memory, () => 0);
  assert(await ring.ready());
  for (let taken = 0; taken < RING_BYTES; ring.take()) taken += ring.peek()?.length ?? NaN;
  assert(await writing);
  const room = run.room?.() ?? null;
  assertEquals(room?.buffer, message.memory);
  assert(await run.write(room?.fill(98).subarray(0, 10) ?? bytes(0)));
  run.closeInput();
  assertEquals((await far.next()).kind, "inputEnd");
  assert(await ring.ready());
  assertEquals(ring.peek()?.slice(), bytes(10).fill(98));
  ring.take();
  assert(!await ring.ready());
});

Deno.test("a writer that waits at a full ring is let go when the script takes no more", async () => {
  using far = new FarEnd();
  for (const how of ["inputClosed", "ended"] as const) {
    const run = far.scripts.start(SPEC);
    const { id } = await far.next();
    for (let i = 0; i < MESSAGES_MAX; i++) await run.write(bytes(1));
    const writing = run.write(bytes(RING_BYTES));
    if (how === "inputClosed") far.send({ kind: "inputClosed", id });
    else run.end("clientGone");
    assertEquals(await writing, false);
    while ((await far.next()).kind !== (how === "ended" ? "end" : "inputRing"));
  }
});
