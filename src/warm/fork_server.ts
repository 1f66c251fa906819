/**
 * One fork server, from its start to its end: an interpreter whose children become scripts.
 *
 * It is handed its own program over standard input, so that nothing is written to disk. A request goes to a child by a
 * connection to the server's socket, which becomes the child's standard output; the child's first line there says that it has
 * begun. Until then it can be taken back, and be run otherwise: a request is never run twice, and none is lost with a server.
 *
 * @module
 */

import type { ScriptSpec, WarmServer, WarmStart } from "../cgi/run.ts";
import type { Logger } from "../observe/logger.ts";
import type { Clock, Deadline } from "../time/clock.ts";
import { within } from "../time/timer.ts";
import { WarmChild } from "./child.ts";
import { type ControlMessage, ControlReader } from "./control.ts";
import type { Inputs } from "./inputs.ts";
import { encodeFields, encodeJob, serverFields } from "./job.ts";
import { PROGRAMS } from "./programs.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** How long a request waits for a child to begin, before it is run otherwise, in milliseconds. */
const BEGIN_MS = 2_000;

/** How long a request that was taken back waits for a child to let go of it, in milliseconds. */
const LET_GO_MS = 3_000;

/**
 * Then it is looked once more, so much later, in milliseconds: where this loop stood still itself, what a child has said in
 * the meantime is not read yet.
 */
const LAST_LOOK_MS = 100;

/** How long a server may take until it takes requests, in milliseconds: its modules are imported within. */
const START_MS = 30_000;

/** How long a server may take to end once it was asked to and has no child left, in milliseconds. */
const END_MS = 1_000;

/** With this line a child says that it has begun: its number, padded. */
const BEGUN_BYTES = 12;

/** Room in a server's environment, in bytes, where its children write by what their request is known. */
const ROOM_NAME = "POLLUX_WARM";
const ROOM_BYTES = 12_288;

/** How much of what it says is read at once, in bytes. */
const CONTROL_BYTES = 65_536;

/** Of so many children is kept what was said before their first line was read: more than ever begin at once. */
const EARLY_MAX = 1024;

/** Of so many scripts it is remembered that it was said why they do not run warm. */
const TOLD_MAX = 1024;

/** What a fork server needs of its surroundings. */
export interface ForkServerHost {
  /** The path of its socket. */
  readonly socket: string;
  /** The path of the socket for input. */
  readonly inputSocket: string;
  /** Where its children come for their input. */
  readonly inputs: Inputs;
  /** The error log. */
  readonly log: Logger;
  /** The loop's clock. */
  readonly clock: Clock;
  /** It takes no more requests, and why; `null`: it was asked to. */
  retired(failure: string | null): void;
}

/** A request that no child has begun. */
export interface Attempt {
  /** The child that has begun it; null: none has, nor ever will. Never rejects. */
  readonly child: Promise<WarmChild | null>;
  /** Nobody wants it any more: unless a child has begun it, none will. */
  giveUp(): void;
}

/** A running fork server. */
export class ForkServer {
  /** Resolves when it and its last child are gone. */
  readonly ended: Promise<void>;
  readonly #spec: WarmServer;
  readonly #host: ForkServerHost;
  readonly #process: Deno.ChildProcess;
  readonly #lifeLine: WritableStreamDefaultWriter<Bytes>;
  readonly #children = new Map<number, WarmChild>();
  /** Requests that no child has begun yet. */
  #orders = 0;
  /** When a child last took a request, or let go of one, in milliseconds of the clock. */
  #answeredMs = 0;
  /** What was said of children before their first line was read. */
  readonly #early = new Map<number, ControlMessage[]>();
  /** Scripts of running children, by pid, for the log. */
  readonly #scripts = new Map<number, string>();
  readonly #told = new Set<string>();
  /** Whether it takes requests. */
  readonly #ready = Promise.withResolvers<boolean>();
  readonly #start: Deadline;
  /** Until then requests wait for it to be ready, in milliseconds of the clock; afterwards they do without. */
  readonly #awaitedUntilMs: number;
  #isReady = false;
  #isRetired = false;
  /** Whether it has ended. */
  #isOver = false;

  /**
   * Starts it.
   *
   * @throws What `Deno.Command` throws.
   */
  constructor(spec: WarmServer, host: ForkServerHost) {
    this.#spec = spec;
    this.#host = host;
    const program = PROGRAMS[spec.kind];
    const text = new TextEncoder().encode(program.text);
    const settings = serverFields(spec, host.socket, host.inputSocket);
    const env: Record<string, string> = { [ROOM_NAME]: "=".repeat(ROOM_BYTES) };
    for (let i = 0; i < spec.env.length; i += 2) env[spec.env[i]] = spec.env[i + 1];
    this.#process = new Deno.Command(spec.program, {
      args: [...spec.flags, ...program.args(text.length, settings)],
      clearEnv: true,
      env,
      cwd: "/",
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#lifeLine = this.#process.stdin.getWriter();
    this.#lifeLine.closed.catch(() => {}); // Its end is told by its status.
    // One that ends before it has read it all is told by its status, too.
    this.#lifeLine.write(text).catch(() => {});
    if (program.readsSettings) this.#lifeLine.write(encodeFields(settings)).catch(() => {});
    this.#start = { deadlineMs: host.clock.now() + START_MS, expire: () => this.#notStarted() };
    this.#awaitedUntilMs = host.clock.now() + BEGIN_MS;
    host.clock.add(this.#start);
    this.ended = this.#live();
  }

  /** Whether there is any use in offering it a request now: not while its modules take longer than a request waits. */
  get isAwaited(): boolean {
    return this.#isReady || this.#host.clock.now() < this.#awaitedUntilMs;
  }

  /** Offers it a request. */
  begin(spec: ScriptSpec, { args }: WarmStart): Attempt {
    const order = new Order(this.#host, (pid, output, first, input) => {
      const child = new WarmChild(pid, output, first, input);
      this.#children.set(pid, child);
      this.#scripts.set(pid, spec.plan.script);
      const early = this.#early.get(pid) ?? [];
      this.#early.delete(pid);
      for (const message of early) this.#take(message);
      if (this.#isOver) child.lose();
      return child;
    });
    const child = order.run(
      this.#ready.promise,
      (token) => encodeJob(spec, this.#spec.program, [...args, ...spec.request.args], token),
      spec.request.hasInput,
    );
    this.#orders++;
    child.then(() => this.#settled(order), () => this.#settled(order));
    return { child, giveUp: () => order.giveUp() };
  }

  /** Lets it take no more requests, and end with its last child. Harmless when repeated. */
  retire(): void {
    this.#retired(null);
    this.#lifeLine.close().catch(() => {});
  }

  /** Ends it now that no child runs any more. */
  async end(): Promise<void> {
    this.retire();
    if (await within(this.ended.then(() => true), END_MS)) return;
    this.#kill();
    await this.ended;
  }

  /** Ends it at once. */
  #kill(): void {
    try {
      this.#process.kill("SIGKILL");
    } catch (error) {
      // It has ended already.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  /** It imports something to no end. */
  #notStarted(): void {
    this.#retired(
      `what preload names was not imported within ${
        START_MS / 1000
      } s, it is ended: take out of preload what does not come back`,
    );
    this.#kill();
  }

  /** A request is a child's now, or nobody's. */
  #settled(order: Order): void {
    this.#orders--;
    // Nobody waits for those of whom was spoken.
    if (this.#orders === 0) this.#early.clear();
    if (!order.isAbandoned) {
      this.#answeredMs = this.#host.clock.now();
      return;
    }
    if (this.#isOver || this.#answeredMs >= order.unwantedMs) return;
    this.#retired(`no child of it has answered for ${LET_GO_MS / 1000} s, it is ended`);
    this.#kill();
  }

  async #live(): Promise<void> {
    const read = Promise.all([this.#readControl(), this.#readErrors()]);
    const status = await this.#process.status;
    // Something that it has started may hold its pipes for longer.
    await within(read, END_MS);
    this.#isOver = true;
    this.#retired(`it ended with ${status.signal ?? `status ${status.code}`}`);
    for (const child of this.#children.values()) child.lose();
    this.#lifeLine.abort().catch(() => {});
  }

  #retired(failure: string | null): void {
    this.#ready.resolve(false);
    this.#host.clock.remove(this.#start);
    if (this.#isRetired) return;
    this.#isRetired = true;
    this.#host.retired(failure);
  }

  async #readControl(): Promise<void> {
    const messages = new ControlReader();
    // With a buffer of its own: otherwise each of these small messages comes in a new one of 64 KiB.
    const reader = this.#process.stdout.getReader({ mode: "byob" });
    let buffer = new Uint8Array(CONTROL_BYTES);
    try {
      for (;;) {
        const { value } = await reader.read(buffer);
        if (value === undefined || value.length === 0) return;
        for (const message of messages.push(value)) this.#take(message);
        buffer = new Uint8Array(value.buffer);
      }
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.#host.log.log(
        "error",
        `warm ${this.#spec.kind}: something else wrote to the server (${error.message}), it is ended`,
      );
      reader.cancel().catch(() => {}); // It fails where it has ended already.
      this.#kill();
    }
  }

  /** What the interpreter itself says, or a module when it is imported. */
  async #readErrors(): Promise<void> {
    const text = this.#process.stderr.pipeThrough(new TextDecoderStream());
    for await (const part of text) {
      for (const line of part.split("\n")) {
        if (line !== "") this.#host.log.log("warn", `warm ${this.#spec.kind}: ${line.slice(0, 1000)}`);
      }
    }
  }

  #take(message: ControlMessage): void {
    switch (message.kind) {
      case "ready":
        this.#isReady = true;
        this.#host.clock.remove(this.#start);
        this.#ready.resolve(true);
        return;
      case "retired":
        this.#retired(null);
        return;
      case "note":
        this.#host.log.log("warn", `warm ${this.#spec.kind}: ${message.text}`);
        return;
      case "errors":
      case "exit":
      case "plain":
        this.#takeOf(message);
        return;
      default:
        message satisfies never;
    }
  }

  #takeOf(message: Extract<ControlMessage, { readonly pid: number }>): void {
    const { pid } = message;
    const child = this.#children.get(pid);
    if (child === undefined) {
      this.#keep(message);
      return;
    }
    switch (message.kind) {
      case "errors":
        child.errors.push(message.bytes);
        break;
      case "exit":
        child.ended(message.exit);
        this.#children.delete(pid);
        this.#scripts.delete(pid);
        break;
      case "plain":
        this.#tellPlain(this.#scripts.get(pid) ?? "a script", message.reason);
        break;
      default:
        message satisfies never;
    }
  }

  /** Keeps what is said of a child until its first line is read; one that ended just before that line never has one. */
  #keep(message: Extract<ControlMessage, { readonly pid: number }>): void {
    if (this.#orders === 0) return;
    const early = this.#early.get(message.pid);
    if (early !== undefined) {
      early.push(message);
      return;
    }
    for (const [oldest] of this.#early) {
      if (this.#early.size < EARLY_MAX) break;
      this.#early.delete(oldest);
    }
    this.#early.set(message.pid, [message]);
  }

  #tellPlain(script: string, reason: string): void {
    if (this.#told.has(script) || this.#told.size >= TOLD_MAX) return;
    this.#told.add(script);
    this.#host.log.log("warn", `${script} is not run warm: ${reason}`);
  }
}

/** Takes a child that has begun: its pid, standard output and what has come of it, standard input. */
type Begun = (pid: number, output: Deno.Conn, first: Bytes, input: Deno.Conn | null) => WarmChild;

/** A request on its way to a child. */
class Order implements Deadline {
  deadlineMs: number;
  /** When it was taken back, in milliseconds of the clock. */
  unwantedMs = Infinity;
  /** Nobody has let go of it, and nobody waits for that any more. */
  isAbandoned = false;
  readonly #host: ForkServerHost;
  readonly #begun: Begun;
  #connection: Deno.Conn | null = null;
  #isUnwanted = false;
  #isOverdue = false;
  #stopWaiting: (() => void) | null = null;

  constructor(host: ForkServerHost, begun: Begun) {
    this.#host = host;
    this.#begun = begun;
    this.deadlineMs = host.clock.now() + BEGIN_MS;
  }

  expire(): void {
    if (!this.#isUnwanted) {
      this.giveUp();
      return;
    }
    if (!this.#isOverdue) {
      this.#isOverdue = true;
      this.deadlineMs = this.#host.clock.now() + LAST_LOOK_MS;
      return;
    }
    // A child that has not looked yet finds that nobody wants it, and one that has cannot say any more that it begins.
    this.isAbandoned = true;
    this.#host.clock.remove(this);
    this.#connection?.close();
  }

  /** Takes it back: by closing its own side, which a child looks at before it begins. */
  giveUp(): void {
    if (this.#isUnwanted) return;
    this.#isUnwanted = true;
    this.unwantedMs = this.#host.clock.now();
    this.deadlineMs = this.unwantedMs + LET_GO_MS;
    this.#stopWaiting?.();
    // It fails where the other side has closed it already.
    this.#connection?.closeWrite().catch(() => {});
  }

  async run(
    ready: Promise<boolean>,
    encode: (token: string) => Bytes,
    hasInput: boolean,
  ): Promise<WarmChild | null> {
    const { inputs, clock, socket } = this.#host;
    clock.add(this);
    const expected = hasInput ? inputs.expect() : null;
    try {
      const stop = new Promise<boolean>((resolve) => this.#stopWaiting = () => resolve(false));
      if (!await Promise.race([ready, stop]) || this.#isUnwanted) return null;
      const connection = await Deno.connect({ transport: "unix", path: socket });
      this.#connection = connection;
      if (this.#isUnwanted) {
        connection.close();
        return null;
      }
      const child = await this.#offer(
        connection,
        encode(expected?.token ?? ""),
        expected?.connection ?? null,
      );
      if (child === null) {
        if (!this.isAbandoned) connection.close();
        // One that has come for its input before it saw that nobody wants it has left that here.
        expected?.connection.then((input) => input.close());
      }
      return child;
    } catch (error) {
      // It is gone, or its queue is full: somebody else has to run it.
      if (!(error instanceof Deno.errors.NotCapable) && error instanceof Error) return null;
      throw error;
    } finally {
      expected?.forget();
      clock.remove(this);
    }
  }

  async #offer(
    connection: Deno.Conn,
    job: Bytes,
    input: Promise<Deno.Conn> | null,
  ): Promise<WarmChild | null> {
    try {
      for (let at = 0; at < job.length;) at += await connection.write(job.subarray(at));
      const buffer = new Uint8Array(4096);
      let length = 0;
      while (length < BEGUN_BYTES) {
        const count = await connection.read(buffer.subarray(length));
        if (count === null) return null;
        length += count;
      }
      const pid = Number(new TextDecoder().decode(buffer.subarray(0, BEGUN_BYTES)));
      // It has come for its input before it said that it begins.
      return this.#begun(
        pid,
        connection,
        buffer.subarray(BEGUN_BYTES, length),
        input === null ? null : await input,
      );
    } catch (error) {
      // The connection broke before it began.
      if (error instanceof Error) return null;
      throw error;
    }
  }
}
