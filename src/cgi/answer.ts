/**
 * From one script's run to one reply: its input pumped, its header read, its content held for a moment or streamed, every wait
 * under a deadline, and nothing that broke off made to look whole.
 *
 * @module
 */

import type { LentBytes } from "../buffers.ts";
import type { CgiSettings, ScriptHandling } from "../config/config.ts";
import {
  type Exchange,
  ExchangeAborted,
  type Outcome,
  type Reply,
  type Source,
} from "../handlers/handler.ts";
import { FailedScript } from "../handlers/dev_page.ts";
import type { Sendfile } from "../handlers/sendfile.ts";
import { HttpError } from "../http/error.ts";
import type { Field } from "../http/fields.ts";
import type { Logger } from "../observe/logger.ts";
import type { Clock, Deadline } from "../time/clock.ts";
import { after, within } from "../time/timer.ts";
import { diagnose, type Diagnosis, formatDiagnosis } from "./diagnosis.ts";
import { describeFault, faultError, type ScriptFault } from "./end.ts";
import { type BadOutput, OutputParser, type ScriptHead } from "./output.ts";
import { type EndReason, HOLD_MS, type ScriptExit, type ScriptRun, StartError } from "./run.ts";
import type { Content } from "./spool.ts";

/**
 * How long a script may take to be started, beyond its wait in the queue, in milliseconds. Only a loop that starts scripts and
 * is wedged itself takes so long.
 */
const START_MS = 10_000;

/** How much content is held at most, in bytes. */
const HOLD_BYTES = 65536;

/** Likewise for `output: plain`, where an early failure can still become a 500. */
const PLAIN_HOLD_MS = 100;
const PLAIN_HOLD_BYTES = 4096;

/**
 * How long an exit status is waited for once standard output is closed, in milliseconds. It comes at once, unless the script
 * lives on; without it a crash could not be told from an end.
 */
const EXIT_WAIT_MS = 100;

/** How long a script may go on after a bad header, in milliseconds: what it says on standard error tells why. */
const LAST_WORDS_MS = 1000;

/**
 * How long, with `--dev`, a failed script's end is waited for, in milliseconds: the page tells of it. More than it may take
 * for its last words, since the clock is coarse.
 */
const END_WAIT_MS = LAST_WORDS_MS + 500;

/** What an answer is made with. */
export interface AnswerServices {
  /** The loop's clock. */
  readonly clock: Clock;
  /** The error log. */
  readonly log: Logger;
}

/** What of a route's `cgi` settings shapes an answer. */
export interface AnswerHandling extends Pick<ScriptHandling, "output" | "contentType"> {
  /** Bounds in time and size. */
  readonly settings: Pick<CgiSettings, "timeoutMs" | "runLimitMs" | "headBytes" | "queueTimeoutMs">;
}

/** What all answers of a route have in common. */
export interface AnswerRoute {
  /** How its scripts run. */
  readonly handling: AnswerHandling;
  /** What the log calls them; `script` where it is left out. */
  readonly noun?: string;
  /** Clock and log. */
  readonly services: AnswerServices;
  /** Sends files that scripts name; null: none may be named. */
  readonly sendfile: Sendfile | null;
  /** The beginning of a script's file, for the diagnosis of its failure; left out where the file may be another machine's. */
  readonly readSource?: (file: string) => Uint8Array | null;
}

/** What the page of `--dev` tells of a run beside what its answer knows. */
export interface RunAccount {
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** The environment, name and value in turn. */
  readonly env: readonly string[];
}

type Bytes = Uint8Array<ArrayBuffer>;

/** A fault that was written down. */
interface Told {
  /** What answers it. */
  readonly error: HttpError;
  /** What the log says of it, without its likely cause. */
  readonly line: string;
  /** The fault itself. */
  readonly fault: ScriptFault;
}

/** The answer that one run gives. */
export class ScriptAnswer implements Deadline {
  readonly #exchange: Exchange;
  readonly #script: string;
  readonly #handling: AnswerHandling;
  readonly #noun: string;
  readonly #services: AnswerServices;
  readonly #sendfile: Sendfile | null;
  readonly #readSource: ((file: string) => Uint8Array | null) | null;
  readonly #run: ScriptRun;
  readonly #account: RunAccount | null;
  /** The error of the last fault that was written down, and that line. */
  #told: Told | null = null;
  #pid = 0;
  #startedMs = Infinity;
  /** When it is given up, if nobody has said by then whether it is started. */
  readonly #startByMs: number;
  #endedMs = Infinity;
  /** The last sign of life. */
  #signMs = Infinity;
  #hasHeader = false;
  /** Its input waits for the client: a script that has not got all that it was promised owes no sign of life. */
  #isStarved = false;
  /** A read waits for the script: while the client makes it wait, it owes no sign of life. */
  #isReading = false;
  /** Nobody wants its output any more; what it is ended for, and when, if it goes on. */
  #discarding: { readonly untilMs: number; readonly reason: EndReason } | null = null;
  #isOutputEnded = false;
  #exit: ScriptExit | null = null;
  /** Why there is no more to be had; the first one counts. */
  #failure: Error | null = null;
  #reject: ((error: Error) => void) | null = null;
  /** A read that was begun while content was held. */
  #pending: Promise<Bytes | null> | null = null;

  /**
   * Takes a run over: nobody else reads it, writes to it or ends it.
   *
   * @param script The script's path, for the log.
   * @param account With `--dev` only: its failure is told in full to the client.
   */
  constructor(
    exchange: Exchange,
    script: string,
    route: AnswerRoute,
    run: ScriptRun,
    account: RunAccount | null = null,
  ) {
    this.#exchange = exchange;
    this.#script = script;
    this.#handling = route.handling;
    this.#noun = route.noun ?? "script";
    this.#services = route.services;
    this.#sendfile = route.sendfile;
    this.#readSource = route.readSource ?? null;
    this.#run = run;
    this.#account = account;
    this.#startByMs = this.#services.clock.now() + this.#handling.settings.queueTimeoutMs + START_MS;
    this.#services.clock.add(this);
    exchange.signal.addEventListener("abort", this.#aborted);
    run.started.then((pid) => this.#began(pid), () => {}); // A failed start shows when its output is read.
    run.ended.then((exit) => this.#ended(exit));
  }

  /** When the clock has to call: the run limit, or the end of patience with a silent script. */
  get deadlineMs(): number {
    if (this.#startedMs === Infinity) return this.#startByMs;
    const { timeoutMs, runLimitMs } = this.#handling.settings;
    const runUntilMs = this.#startedMs + runLimitMs;
    if (this.#discarding !== null) return Math.min(runUntilMs, this.#discarding.untilMs);
    const isAwaited = (!this.#hasHeader || this.#isReading) && !this.#isStarved;
    return isAwaited ? Math.min(runUntilMs, this.#signMs + timeoutMs) : runUntilMs;
  }

  /** A deadline has passed. */
  expire(nowMs: number): void {
    const { timeoutMs, runLimitMs } = this.#handling.settings;
    if (this.#startedMs === Infinity) {
      this.#fault({ kind: "start", failure: { kind: "loopSilent", retryAfterSeconds: 1 } }, "abandoned");
    } else if (this.#discarding !== null && nowMs >= this.#discarding.untilMs) {
      // Its answer is decided; that it goes on is no failure, but has an end.
      this.#run.end(this.#discarding.reason);
    } else if (nowMs >= this.#startedMs + runLimitMs) {
      this.#fault({ kind: "runLimit", runLimitMs }, "runLimit");
    } else {
      this.#fault({ kind: "timeout", timeoutMs, hadHeader: this.#hasHeader }, "timeout");
    }
    this.#services.clock.remove(this);
  }

  /** Gives the script its input, and then its end. Never rejects: what goes wrong with it is the reply's business. */
  async feed(content: Content): Promise<void> {
    try {
      await this.#run.started;
      for (let bytes = await this.#next(content); bytes !== null; bytes = await this.#next(content)) {
        if (!await this.#run.write(bytes)) return;
        this.#sign();
      }
      this.#run.closeInput();
    } catch (error) {
      if (error instanceof StartError) return; // It shows when the output is read.
      if (this.#exit !== null) return; // It has said all it had to say without the rest.
      this.#fail(asError(error), error instanceof ExchangeAborted ? endReason(error) : "badRequest");
    } finally {
      content.close();
    }
  }

  /** The next of its input. How long the client may take for it is bounded elsewhere, and the client's fault. */
  async #next(content: Content): Promise<LentBytes | null> {
    this.#isStarved = true;
    try {
      const room = this.#run.room?.() ?? null;
      return await (room === null ? content.read() : content.readInto?.(room) ?? content.read());
    } finally {
      this.#isStarved = false;
      this.#sign();
    }
  }

  /**
   * The reply, as soon as it is decided.
   *
   * @throws {HttpError} The script gave none; or whatever broke off the request. Either way the script is ended.
   */
  async outcome(isNph: boolean): Promise<Outcome> {
    try {
      if (isNph) return await this.#raw();
      if (this.#handling.output === "plain") return await this.#plain();
      return await this.#parsed();
    } catch (error) {
      const failure = await this.#startFault(error);
      if (this.#discarding === null) this.#run.end("abandoned");
      const told = this.#told;
      const isTold = this.#account !== null && told !== null && told.error === failure;
      const whole = isTold ? await this.#tellAll(this.#account, told) : failure;
      this.#detach();
      throw whole;
    }
  }

  /** The error with all that is known of the script, once that has had a moment to end. */
  async #tellAll(
    account: RunAccount,
    { error, line, fault }: Told,
  ): Promise<FailedScript> {
    await within(this.#run.ended, END_WAIT_MS);
    const ranMs = (this.#exit === null ? this.#services.clock.now() : this.#endedMs) - this.#startedMs;
    return new FailedScript(error, {
      reason: line,
      exit: this.#exit === null ? null : exitNote(this.#exit),
      ranMs: this.#startedMs === Infinity ? null : ranMs,
      stderr: this.#run.stderr?.() ?? "",
      diagnosis: this.#diagnose(fault),
      ...account,
    });
  }

  /** A script that could not be started has no output either: its StartError is the reason. */
  async #startFault(error: unknown): Promise<unknown> {
    if (this.#failure !== null) return this.#failure;
    try {
      await this.#run.started;
      return error;
    } catch (startError) {
      if (!(startError instanceof StartError)) throw startError;
      return this.#tell({ kind: "start", failure: startError.failure });
    }
  }

  async #parsed(): Promise<Outcome> {
    const parser = new OutputParser(this.#handling.settings.headBytes);
    for (;;) {
      const bytes = await this.#read();
      const step = bytes === null ? parser.end() : parser.push(bytes);
      if (step.kind === "more") continue;
      if (step.kind === "head") {
        this.#hasHeader = true;
        return await this.#reply(step.head, step.rest);
      }
      await this.#run.started; // Without a start the output is empty: that is the fault, not the missing header.
      throw await this.#badOutput(step, bytes === null);
    }
  }

  async #badOutput({ reason, text }: Omit<BadOutput, "kind">, hasEnded: boolean): Promise<HttpError> {
    const exit = hasEnded ? await this.#exitSoon() : null;
    if (!hasEnded) this.#discard(LAST_WORDS_MS, "badOutput");
    return this.#tell({ kind: "badOutput", reason, text, exit });
  }

  async #reply(head: ScriptHead, rest: Bytes): Promise<Outcome> {
    if (head.localTarget !== null) {
      this.#discard();
      return { kind: "reroute", target: head.localTarget, as: "local" };
    }
    const named = this.#sendfile?.nameIn(head.fields) ?? null;
    if (this.#sendfile !== null && named !== null) return await this.#sendFile(this.#sendfile, named, head);
    const reply: Omit<Reply, "body"> = {
      kind: "reply",
      status: head.status,
      ...(head.reason === null ? {} : { reason: head.reason }),
      fields: head.fields,
    };
    if (head.status === 204 || head.status === 304) {
      this.#discard();
      return { ...reply, body: null };
    }
    const held = await this.#hold(rest, HOLD_MS, HOLD_BYTES);
    return { ...reply, body: await this.#body(held, head.contentLength) };
  }

  /** The script has named a file: whatever else it writes is of no account. */
  async #sendFile(sendfile: Sendfile, name: string, head: ScriptHead): Promise<Reply> {
    this.#discard();
    try {
      return await sendfile.reply(this.#exchange, name, {
        status: head.status,
        ...(head.reason === null ? {} : { reason: head.reason }),
        fields: head.fields,
      });
    } catch (error) {
      if (error instanceof HttpError && error.status === 404) throw this.#tell({ kind: "noFile", name });
      throw error;
    }
  }

  /** Content that is complete goes as it is; all else is a source. */
  async #body(held: Bytes[], contentLength: number | null): Promise<Bytes | Source> {
    const heldBytes = held.reduce((sum, { length }) => sum + length, 0);
    const isHead = this.#exchange.method === "HEAD";
    const isWhole = this.#isOutputEnded && (contentLength === null || contentLength === heldBytes) &&
      // A script may leave the content of a HEAD out: then its length is not known.
      !(isHead && heldBytes === 0);
    if (isWhole && !isDeath(await this.#exitSoon())) {
      this.#detach();
      return held.length === 1 ? held[0] : join(held, heldBytes);
    }
    return this.#source(held, contentLength, false);
  }

  async #raw(): Promise<Outcome> {
    const first = await this.#read();
    this.#hasHeader = true;
    if (first === null) {
      await this.#run.started;
      throw await this.#badOutput({ reason: "it wrote nothing", text: "" }, true);
    }
    const status = /^HTTP\/1\.[01] ([2-5][0-9]{2})/.exec(new TextDecoder().decode(first.subarray(0, 16)));
    return {
      kind: "reply",
      status: status === null ? 200 : Number(status[1]),
      fields: [],
      body: this.#source([first], null, true),
      close: true,
    };
  }

  /** `output: plain`: all output is content. */
  async #plain(): Promise<Outcome> {
    // As long as it has written nothing, it may still fail: the moment begins with its first output.
    const first = await this.#read();
    const held = first === null ? [] : await this.#hold(first, PLAIN_HOLD_MS, PLAIN_HOLD_BYTES);
    if (this.#isOutputEnded) {
      await this.#run.started;
      const exit = await this.#exitSoon();
      if (isDeath(exit)) throw this.#tell({ kind: "died", signal: exit.signal });
      if (exit !== null && exit.code !== 0) throw this.#tell({ kind: "failed", code: exit.code });
    }
    this.#hasHeader = true;
    const { contentType } = this.#handling;
    const fields: Field[] = contentType === null ? [] : [["Content-Type", contentType]];
    return { kind: "reply", status: 200, fields, body: await this.#body(held, null) };
  }

  /** Gathers content until there is enough, or for a moment, or to its end. */
  async #hold(rest: Bytes, holdMs: number, holdBytes: number): Promise<Bytes[]> {
    const held = rest.length > 0 ? [rest] : [];
    // A short answer is there as a whole, and waits for nothing.
    if (this.#run.isAtEnd) {
      await this.#read();
      return held;
    }
    const restMs = holdMs - (this.#run.heldMs ?? 0);
    if (restMs <= 0) return held; // It was held where it came from.
    let heldBytes = rest.length;
    const { promise: over, resolve } = Promise.withResolvers<"over">();
    const stopWaiting = after(restMs, () => resolve("over"));
    while (heldBytes < holdBytes) {
      this.#pending = this.#read();
      // Whoever reads on is told of its failure.
      this.#pending.catch(() => {});
      const bytes = await Promise.race([this.#pending, over]);
      if (bytes === "over") break;
      this.#pending = null;
      if (bytes === null) break;
      held.push(bytes);
      heldBytes += bytes.length;
    }
    stopWaiting();
    return held;
  }

  #source(held: Bytes[], length: number | null, raw: boolean): Source {
    let sentBytes = 0;
    let isClipped = false;
    /** What was given last: valid until the next is asked for. */
    let lent: LentBytes | null = null;
    const clip = (bytes: LentBytes): LentBytes | null => {
      if (length === null) return bytes;
      const room = length - sentBytes;
      if (bytes.length > room && !isClipped) {
        isClipped = true;
        this.#log("warn", `announced ${length} bytes (Content-Length) and writes more: the rest is dropped`);
      }
      return room === 0 ? null : bytes.length > room ? bytes.subarray(0, room) : bytes;
    };
    const sent = (bytes: LentBytes | null): LentBytes | null => {
      sentBytes += bytes?.length ?? 0;
      lent = bytes;
      return bytes;
    };
    return {
      length,
      ...(raw ? { raw } : {}),
      read: () => {
        if (lent !== null) this.#run.release?.(lent);
        lent = null;
        const bytes = held.shift();
        if (bytes !== undefined) return sent(clip(bytes));
        if (sentBytes === length) return null;
        return this.#readOn().then(async (bytes) => {
          if (bytes === null) await this.#assertComplete(sentBytes, length);
          return bytes === null ? null : sent(clip(bytes));
        });
      },
      close: (reason) => this.#close(reason),
    };
  }

  /** The output has ended: whether the content has, too. */
  async #assertComplete(writtenBytes: number, announcedBytes: number | null): Promise<void> {
    const exit = await this.#exitSoon();
    if (isDeath(exit)) throw this.#tell({ kind: "died", signal: exit.signal });
    if (announcedBytes !== null && writtenBytes < announcedBytes) {
      throw this.#tell({ kind: "short", writtenBytes, announcedBytes });
    }
  }

  #close(reason: unknown): void {
    if (reason === null || this.#isOutputEnded) {
      // HEAD, or more than was announced: the script may finish what it does.
      if (this.#isOutputEnded) this.#detach();
      else this.#discard();
    } else {
      this.#run.end(reason instanceof ExchangeAborted ? endReason(reason) : "abandoned");
      this.#detach();
    }
  }

  /** Reads what nobody wants, for as long as the script may be silent: it would hang on a full pipe. */
  #discard(forMs = this.#handling.settings.timeoutMs, reason: EndReason = "abandoned"): void {
    this.#detach();
    this.#discarding = { untilMs: this.#services.clock.now() + forMs, reason };
    const drain = async () => {
      for (let bytes = await this.#readOn(); bytes !== null; bytes = await this.#readOn()) {
        this.#run.release?.(bytes);
      }
    };
    // A failure now is in the log already, and no client's concern.
    drain().catch(() => {});
  }

  /** The read that was begun while content was held, or the next. */
  #readOn(): Promise<LentBytes | null> {
    const pending = this.#pending ?? this.#await(() => this.#run.lend?.() ?? this.#run.read());
    this.#pending = null;
    return pending;
  }

  /** The next output, as `#await` gives it. */
  #read(): Promise<Bytes | null> {
    return this.#await(() => this.#run.read());
  }

  /** What comes of a read; rejects with what broke the run off. */
  #await<Piece extends LentBytes>(read: () => Promise<Piece | null>): Promise<Piece | null> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#isOutputEnded) return Promise.resolve(null);
    this.#isReading = true;
    if (this.#hasHeader) this.#sign();
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      read().then(
        (bytes) => {
          this.#isReading = false;
          if (bytes === null) this.#isOutputEnded = true;
          else if (this.#hasHeader) this.#sign();
          if (this.#failure === null) resolve(bytes);
          else reject(this.#failure);
        },
        (error) =>
          reject(error instanceof StartError ? this.#tell({ kind: "start", failure: error.failure }) : error),
      );
    });
  }

  #sign(): void {
    this.#signMs = this.#services.clock.now();
  }

  /** How it ended; null where it lives on without its standard output. */
  async #exitSoon(): Promise<ScriptExit | null> {
    if (this.#exit !== null) return this.#exit;
    return await within(this.#run.ended, EXIT_WAIT_MS);
  }

  #began(pid: number): void {
    this.#pid = pid;
    this.#exchange.begun();
    this.#startedMs = this.#run.startedMs ?? this.#services.clock.now();
    this.#signMs = this.#services.clock.now();
  }

  #ended(exit: ScriptExit): void {
    this.#exit = exit;
    this.#services.clock.remove(this);
    if (this.#startedMs === Infinity) return;
    const { notes } = this.#exchange;
    this.#endedMs = this.#services.clock.now();
    notes.exit = exitNote(exit);
    notes.scriptMs = this.#endedMs - this.#startedMs;
    if (exit.code > 0 && exit.signal === null) this.#log("info", `ended with status ${exit.code}`);
  }

  readonly #aborted = (): void => {
    const reason: unknown = this.#exchange.signal.reason;
    this.#fail(asError(reason), endReason(reason));
  };

  #fault(fault: ScriptFault, reason: EndReason): void {
    this.#fail(this.#tell(fault), reason);
  }

  #fail(error: Error, reason: EndReason): void {
    this.#failure ??= error;
    this.#run.end(reason);
    // Only its end is awaited now.
    this.#services.clock.remove(this);
    this.#services.clock.remove(this);
    this.#reject?.(this.#failure);
  }

  /** Writes a fault down, and makes its error. */
  #tell(fault: ScriptFault): HttpError {
    const description = describeFault(fault);
    this.#exchange.notes.error = description;
    const isBusy = fault.kind === "start" && "retryAfterSeconds" in fault.failure;
    const diagnosis = this.#diagnose(fault);
    const cause = diagnosis === null ? "" : `; likely cause: ${formatDiagnosis(diagnosis)}`;
    this.#log(isBusy ? "warn" : "error", description + cause);
    const error = faultError(fault);
    this.#told = { error, line: this.#line(description), fault };
    return error;
  }

  /** What it most likely comes from, as far as is known by now. */
  #diagnose(fault: ScriptFault): Diagnosis | null {
    if (this.#readSource === null) return null;
    const source = this.#readSource(this.#script);
    return diagnose({
      file: this.#script,
      source,
      fault,
      stderr: this.#run.stderr?.() ?? "",
      exit: this.#exit,
    });
  }

  #log(level: "info" | "warn" | "error", what: string): void {
    this.#services.log.log(level, this.#line(what));
  }

  #line(what: string): string {
    const pid = this.#pid === 0 ? "" : ` pid ${this.#pid}`;
    return `[${this.#exchange.id}] ${this.#noun} ${this.#script}${pid}: ${what}`;
  }

  /** From now on the client's end is no longer the script's. */
  #detach(): void {
    this.#exchange.signal.removeEventListener("abort", this.#aborted);
  }
}

/** Whether it was a signal that ended it: then what it wrote may be half of what it meant to. */
function isDeath(exit: ScriptExit | null): exit is ScriptExit & { readonly signal: string } {
  return exit !== null && exit.signal !== null;
}

/** As the access log has it: the status, or the signal's name; null where there is none. */
function exitNote({ code, signal }: ScriptExit): number | string | null {
  return signal ?? (code < 0 ? null : code);
}

/** Why a script is ended when its exchange is. */
function endReason(reason: unknown): EndReason {
  if (!(reason instanceof ExchangeAborted)) return "clientGone";
  return reason.why === "shutdown" ? "shutdown" : "clientGone";
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

function join(chunks: readonly Bytes[], length: number): Bytes {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
