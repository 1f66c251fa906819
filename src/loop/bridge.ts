/**
 * The bridge as a network loop sees it: scripts that run in another Worker, with bytes passed as transferred buffers, and
 * from the fifth on through a ring of shared memory: most scripts need none.
 *
 * Each direction of a run has a window of credit, or its ring: a sender with a full one waits, so that neither a slow client
 * nor a slow script costs memory. The other end is `script.ts`.
 *
 * @module
 */

import { giveBuffer, isInBuffer, isShared, type LentBytes, spareBuffer, takeBuffer } from "../buffers.ts";
import {
  type EndReason,
  type ScriptExit,
  type ScriptPlan,
  type ScriptRun,
  type Scripts,
  type ScriptSpec,
  StartError,
} from "../cgi/run.ts";
import type { FromBridge, ToBridge } from "../supervisor/messages.ts";
import { Slots } from "../slots.ts";
import { ringMemory, RingReader, RingWriter } from "./ring.ts";

/** Bytes of one direction of one run that may be under way and not yet consumed. */
export const WINDOW_BYTES = 256 * 1024;
/** What a message costs beside its bytes: without it a window would hold a quarter million messages of one byte. */
const MESSAGE_BYTES = 512;
/** Consumption is reported in steps of this size, not read by read. */
const REPORT_BYTES = 64 * 1024;
/** So many pieces of one direction go by messages before a ring is made for it. */
export const MESSAGES_MAX = 4;
/** So many plans are kept by a script loop for each network loop. */
export const PLANS_MAX = 256;
/** What a run that never started, or was lost, ended with. */
const NO_EXIT: ScriptExit = { code: -1, signal: null };

/** How much of a window so many bytes in one message take. */
export function windowCost(bytes: number): number {
  return bytes + MESSAGE_BYTES;
}

/** Starts scripts through a port to a script loop. */
export class BridgedScripts implements Scripts {
  readonly #now: () => number;
  readonly #wanted: () => void;
  readonly #runs = new Slots<BridgedRun>();
  #way = new Way();
  #isWanted = false;

  /**
   * Makes one end of a bridge; what is sent before `connect` waits.
   *
   * @param now Milliseconds of the loop's clock.
   * @param wanted Called when the first script is wanted.
   */
  constructor(now: () => number, wanted: () => void) {
    this.#now = now;
    this.#wanted = wanted;
  }

  /** Takes a place in the queue and starts the script as soon as there is one free. */
  start(spec: ScriptSpec): ScriptRun {
    if (!this.#isWanted) this.#wanted();
    this.#isWanted = true;
    const run = this.#runs.add((id) => new BridgedRun(id, this.#way, this.#now, () => this.#runs.remove(id)));
    this.#way.start(run.id, spec);
    return run;
  }

  /** A script loop is there. If it is not the first, it has taken over: what ran in the one before is lost. */
  connect(port: MessagePort): void {
    port.onmessage = (event: MessageEvent<readonly FromBridge[]>) => {
      for (const message of event.data) this.#runs.get(message.id)?.receive(message);
    };
    if (!this.#way.isConnected) {
      this.#way.connect(port);
      return;
    }
    this.#way.close();
    this.#way = new Way();
    this.#way.connect(port);
    for (const run of this.#runs.all()) run.lose();
  }

  /** Closes the bridge. */
  close(): void {
    this.#way.close();
  }
}

/** The way to one script loop. */
class Way {
  #port: MessagePort | null = null;
  #waiting: { message: ToBridge; transfer: Transferable[] }[] = [];
  /** Plans that are kept over there, each at its place. */
  readonly #plans: ScriptPlan[] = [];
  readonly #places = new WeakMap<ScriptPlan, number>();
  #nextPlace = 0;

  get isConnected(): boolean {
    return this.#port !== null;
  }

  connect(port: MessagePort): void {
    this.#port = port;
    for (const { message, transfer } of this.#waiting.splice(0)) port.postMessage(message, transfer);
  }

  /** Asks for a script. Its plan goes with the first request, and again after its place was given to another. */
  start(id: number, { plan, request }: ScriptSpec): void {
    const known = this.#places.get(plan);
    if (known !== undefined && this.#plans[known] === plan) {
      this.send({ kind: "start", id, at: known, plan: null, request });
      return;
    }
    const at = this.#nextPlace;
    this.#nextPlace = (at + 1) % PLANS_MAX;
    this.#plans[at] = plan;
    this.#places.set(plan, at);
    this.send({ kind: "start", id, at, plan, request });
  }

  send(message: ToBridge, transfer: Transferable[] = []): void {
    if (this.#port === null) this.#waiting.push({ message, transfer });
    else this.#port.postMessage(message, transfer);
  }

  close(): void {
    this.#port?.close();
  }
}

/** One run on the other side. */
class BridgedRun implements ScriptRun {
  lastSignMs = 0;
  startedMs = 0;
  heldMs = 0;
  readonly started: Promise<number>;
  readonly ended: Promise<ScriptExit>;

  readonly id: number;
  readonly #way: Way;
  readonly #now: () => number;
  readonly #forget: () => void;
  readonly #starting = Promise.withResolvers<number>();
  readonly #ending = Promise.withResolvers<ScriptExit>();
  #output: Uint8Array<ArrayBuffer>[] = [];
  #reader: PromiseWithResolvers<LentBytes | null> | null = null;
  #isOutputEnded = false;
  #isOutputDropped = false;
  #isLost = false;
  /** Its number may be another's. */
  #isOver = false;
  #consumedBytes = 0;
  /** Buffers that came with output and have not been replaced over there. */
  #owedBuffers = 0;
  #inFlightBytes = 0;
  #isInputClosed = false;
  #stderr = "";
  #writer: PromiseWithResolvers<boolean> | null = null;
  #inputMessages = 0;
  /** What input goes through; null: messages. */
  #inputRing: RingWriter | null = null;
  /** What output comes through behind that of `#output`; null: there is none yet. */
  #outputRing: RingReader | null = null;
  /** Whether a piece of it is lent to whoever read it. */
  #isLending = false;

  constructor(id: number, way: Way, now: () => number, forget: () => void) {
    this.id = id;
    this.#way = way;
    this.#now = now;
    this.#forget = forget;
    this.started = this.#starting.promise;
    this.ended = this.#ending.promise;
    this.started.catch(() => {}); // whoever waits for it sees the rejection; nobody has to
  }

  get isAtEnd(): boolean {
    return this.#isOutputEnded && !this.#isLost && this.#output.length === 0;
  }

  room(): LentBytes | null {
    return this.#isInputClosed ? null : this.#inputRing?.room() ?? null;
  }

  write(bytes: LentBytes): Promise<boolean> {
    if (this.#isInputClosed) return Promise.resolve(false);
    if (this.#inputMessages++ >= MESSAGES_MAX || isShared(bytes)) return this.#writeToRing(bytes);
    this.#inFlightBytes += windowCost(bytes.length);
    this.#send({ kind: "input", id: this.id, bytes }, [bytes.buffer]);
    if (this.#inFlightBytes < WINDOW_BYTES) return Promise.resolve(true);
    this.#writer ??= Promise.withResolvers();
    return this.#writer.promise;
  }

  closeInput(): void {
    if (this.#isInputClosed) return;
    this.#isInputClosed = true;
    this.#inputRing?.close();
    this.#send({ kind: "inputEnd", id: this.id });
  }

  async #writeToRing(bytes: LentBytes): Promise<boolean> {
    if (this.#inputRing === null) {
      const memory = ringMemory();
      this.#inputRing = new RingWriter(memory);
      this.#send({ kind: "inputRing", id: this.id, memory });
    }
    await this.#inputRing.write(bytes);
    giveBuffer(bytes);
    const hasRoom = await this.#inputRing.ready();
    this.lastSignMs = this.#now();
    return hasRoom;
  }

  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    const bytes = await this.lend();
    if (bytes === null || !isShared(bytes)) return bytes;
    const copy = takeBuffer().subarray(0, bytes.length);
    copy.set(bytes);
    this.#takeBack();
    return copy;
  }

  lend(): Promise<LentBytes | null> {
    this.#takeBack();
    const bytes = this.#output.shift();
    if (bytes !== undefined) {
      this.#consume(bytes);
      return Promise.resolve(bytes);
    }
    if (this.#isLost) return Promise.reject(new StartError({ kind: "loopLost" }));
    const more = this.#readRing();
    if (more !== null || this.#isOutputEnded) return Promise.resolve(more);
    this.#reader = Promise.withResolvers();
    this.#awaitRing();
    return this.#reader.promise;
  }

  /** What the ring has; null: nothing now. */
  #readRing(): LentBytes | null {
    const piece = this.#outputRing?.peek() ?? null;
    this.#isLending = piece !== null;
    return piece;
  }

  /** Gives whoever reads what comes through the ring. */
  async #awaitRing(): Promise<void> {
    if (this.#reader === null || this.#outputRing === null) return;
    // Where nothing more comes through it, whoever says so has a word for the reader.
    if (!await this.#outputRing.ready() || this.#reader === null) return;
    this.lastSignMs = this.#now();
    this.#reader.resolve(this.#readRing());
    this.#reader = null;
  }

  release(bytes: LentBytes): void {
    giveBuffer(bytes);
    this.#takeBack();
  }

  /** The piece of the ring that was lent, if one was, is free again. */
  #takeBack(): void {
    if (!this.#isLending) return;
    this.#isLending = false;
    this.#outputRing?.take();
  }

  stderr(): string {
    return this.#stderr;
  }

  end(reason: EndReason): void {
    this.#isOutputDropped = true;
    this.#output = [];
    this.#dropRing();
    this.#closeWriter();
    this.#finishOutput();
    this.#send({ kind: "end", id: this.id, reason });
  }

  /** Takes one message from the script loop. */
  receive(message: FromBridge): void {
    switch (message.kind) {
      case "started":
        this.lastSignMs = this.#now();
        this.startedMs = this.lastSignMs - message.agoMs;
        this.#starting.resolve(message.pid);
        break;
      case "failed":
        this.#starting.reject(new StartError(message.failure));
        this.#finish(NO_EXIT);
        break;
      case "output":
        this.lastSignMs = this.#now();
        if (this.#isOutputDropped) break;
        this.heldMs += message.heldMs;
        if (this.#reader === null) this.#output.push(message.bytes);
        else {
          this.#consume(message.bytes);
          this.#reader.resolve(message.bytes);
          this.#reader = null;
        }
        break;
      case "outputRing":
        if (this.#isOutputDropped) break;
        this.#outputRing = new RingReader(message.memory, this.#now);
        this.#awaitRing();
        break;
      case "outputEnd":
        this.#finishOutput();
        break;
      case "taken":
        if (message.spare !== undefined) giveBuffer(message.spare);
        this.lastSignMs = this.#now();
        this.#inFlightBytes -= message.bytes;
        if (this.#inFlightBytes < WINDOW_BYTES) this.#resumeWriter(true);
        break;
      case "inputClosed":
        this.#closeWriter();
        break;
      case "stderr":
        this.#stderr = message.text;
        break;
      case "exit":
        this.#finish({ code: message.code, signal: message.signal });
        break;
      default:
        message satisfies never;
    }
  }

  /** The script loop is gone, and the script with it. */
  lose(): void {
    this.#isLost = true;
    this.#dropRing();
    this.#starting.reject(new StartError({ kind: "loopLost" }));
    this.#reader?.reject(new StartError({ kind: "loopLost" }));
    this.#reader = null;
    this.#finish(NO_EXIT);
  }

  #finish(exit: ScriptExit): void {
    if (this.#isOver) return;
    this.#finishOutput();
    this.#closeWriter();
    this.#isOver = true;
    this.#forget();
    this.#ending.resolve(exit);
  }

  /** What the ring holds is still to be read. */
  #finishOutput(): void {
    this.#isOutputEnded = true;
    this.#outputRing?.stop();
    this.#reader?.resolve(this.#readRing());
    this.#reader = null;
  }

  #dropRing(): void {
    this.#outputRing?.stop();
    this.#outputRing = null;
  }

  #closeWriter(): void {
    this.#isInputClosed = true;
    this.#inputRing?.stop();
    this.#resumeWriter(false);
  }

  #resumeWriter(isOpen: boolean): void {
    this.#writer?.resolve(isOpen);
    this.#writer = null;
  }

  #consume(output: Uint8Array<ArrayBuffer>): void {
    this.#consumedBytes += windowCost(output.length);
    if (isInBuffer(output)) this.#owedBuffers++;
    if (this.#consumedBytes < REPORT_BYTES) return;
    const bytes = this.#consumedBytes;
    this.#consumedBytes = 0;
    const spares: Uint8Array<ArrayBuffer>[] = [];
    for (let spare; this.#owedBuffers > 0 && (spare = spareBuffer()) !== null; this.#owedBuffers--) {
      spares.push(spare);
    }
    if (spares.length === 0) this.#send({ kind: "consumed", id: this.id, bytes });
    else this.#send({ kind: "consumed", id: this.id, bytes, spares }, spares.map(({ buffer }) => buffer));
  }

  #send(message: ToBridge, transfer: Transferable[] = []): void {
    if (!this.#isOver) this.#way.send(message, transfer);
  }
}
