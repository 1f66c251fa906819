/**
 * Where log lines end: a file, standard output or standard error. Lives in the supervisor.
 *
 * Writing never throws into the caller and never blocks the thread. What cannot be written now waits in a bounded queue;
 * beyond it chunks are dropped, counted by lines, and the loss is reported. A full disk, a read-only file system or a
 * reader that hangs is reported once, and tried again until it works.
 *
 * @module
 */

/** The bytes a destination takes; an implementation may take fewer than it is given. */
export interface LogOutput {
  /** Writes some of `bytes` and resolves with how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Gives it back; absent where it is not ours to close. */
  close?(): void;
}

/** How a {@linkcode LogFile} is set up. */
export interface LogFileOptions {
  /** `stdout`, `stderr`, or an absolute path. */
  readonly target: string;
  /** Says what is wrong with the log, in one line; on standard error by default. Must not throw. */
  readonly report?: (message: string) => void;
  /** Told how many lines were lost, as they are. Must not throw. */
  readonly dropped?: (lines: number) => void;
  /** Bytes that wait at most. */
  readonly queueBytes?: number;
  /** How long to wait after a failure before it is tried again, in milliseconds. */
  readonly retryMs?: number;
  /** Opens the destination; the file system by default. */
  readonly open?: (target: string) => Promise<LogOutput>;
}

const LINE_END = 0x0a;
/** A standard stream that somebody made non-blocking says "later" instead of waiting. */
const AGAIN_MS = 20;

/** A log's destination. */
export class LogFile {
  readonly #target: string;
  readonly #report: (message: string) => void;
  readonly #dropped: (lines: number) => void;
  readonly #queueBytes: number;
  readonly #retryMs: number;
  readonly #open: (target: string) => Promise<LogOutput>;
  #output: LogOutput;
  readonly #queue: Uint8Array<ArrayBuffer>[] = [];
  #waitingBytes = 0;
  #droppedLines = 0;
  #isFailing = false;
  #isOverflowing = false;
  /** Nobody will ever read what is written here. */
  #isDead = false;
  #isClosed = false;
  #reopens: (() => void)[] = [];
  #pumping: Promise<void> | null = null;
  #wake: (() => void) | null = null;

  private constructor(
    options: LogFileOptions,
    open: (target: string) => Promise<LogOutput>,
    output: LogOutput,
  ) {
    this.#target = options.target;
    this.#report = options.report ?? reportOnStderr;
    this.#dropped = options.dropped ?? (() => {});
    this.#queueBytes = options.queueBytes ?? 8 * 1024 * 1024;
    this.#retryMs = options.retryMs ?? 1000;
    this.#open = open;
    this.#output = output;
  }

  /**
   * Opens a log; a file is made with mode 0640 where there is none, and appended to.
   *
   * @throws What the system says when it cannot be opened.
   */
  static async open(options: LogFileOptions): Promise<LogFile> {
    const open = options.open ?? openTarget;
    return new LogFile(options, open, await open(options.target));
  }

  /** Writes whole lines, each with its line end, as soon as it can. The buffer is the log's from now on. */
  write(lines: Uint8Array<ArrayBuffer>): void {
    if (lines.length === 0) return;
    if (this.#isDead || this.#isClosed || this.#waitingBytes + lines.length > this.#queueBytes) {
      this.#drop(lines);
      return;
    }
    this.#queue.push(lines);
    this.#waitingBytes += lines.length;
    this.#pump();
  }

  /**
   * Opens the file anew by its name, after it was renamed away; what is waiting goes to the new one. Resolves once that
   * is done. Where it cannot be opened, that is reported and the old one stays. Standard streams stay as they are.
   */
  reopen(): Promise<void> {
    if (this.#output.close === undefined || this.#isClosed) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#reopens.push(resolve);
    this.#wake?.();
    this.#pump();
    return promise;
  }

  /**
   * Waits until all is written.
   *
   * @param deadlineMs How long at most, in milliseconds.
   * @returns Whether nothing is left.
   */
  async flush(deadlineMs: number): Promise<boolean> {
    this.#wake?.();
    const pumping = this.#pumping;
    if (pumping === null) return this.#queue.length === 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, deadlineMs);
    await Promise.race([pumping, promise]);
    clearTimeout(timer);
    return this.#queue.length === 0;
  }

  /**
   * Writes what can be written within `deadlineMs` and closes the file. What comes later is dropped.
   * A write that hangs is left behind: it ends with the process.
   *
   * @returns Whether all was written.
   */
  async close(deadlineMs: number): Promise<boolean> {
    const isDone = await this.flush(deadlineMs);
    if (this.#isClosed) return isDone;
    this.#isClosed = true;
    this.#queue.length = 0;
    this.#waitingBytes = 0;
    this.#wake?.();
    if (this.#pumping === null) this.#output.close?.();
    return isDone;
  }

  /** Lines lost and not yet reported with their number. */
  get droppedLines(): number {
    return this.#droppedLines;
  }

  #drop(lines: Uint8Array): void {
    let count = 0;
    for (const byte of lines) if (byte === LINE_END) count++;
    this.#droppedLines += count;
    this.#dropped(count);
    if (this.#isOverflowing || this.#isDead || this.#isClosed) return;
    this.#isOverflowing = true;
    this.#report(
      `log ${this.#target}: it takes lines too slowly or not at all, lines are dropped: see what its disk or reader does`,
    );
  }

  #pump(): void {
    this.#pumping ??= this.#run().finally(() => {
      this.#pumping = null;
      if (this.#isClosed) this.#output.close?.();
      else if (this.#queue.length > 0 || this.#reopens.length > 0) this.#pump();
    });
  }

  async #run(): Promise<void> {
    while (this.#reopens.length > 0 || this.#queue.length > 0) {
      if (this.#reopens.length > 0) {
        await this.#replace();
        continue;
      }
      await this.#writeFirst();
      if (this.#isClosed) break;
    }
    for (const resolve of this.#reopens.splice(0)) resolve();
  }

  async #replace(): Promise<void> {
    const waiting = this.#reopens.splice(0);
    try {
      const output = await this.#open(this.#target);
      this.#output.close?.();
      this.#output = output;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#report(
        `log ${this.#target}: it cannot be reopened, the old file stays: ${error.message}; mend it and send SIGUSR1 again`,
      );
    }
    for (const resolve of waiting) resolve();
  }

  async #writeFirst(): Promise<void> {
    const bytes = this.#queue[0];
    try {
      const written = await this.#output.write(bytes);
      if (this.#isClosed) return;
      this.#waitingBytes -= written;
      if (written < bytes.length) {
        this.#queue[0] = bytes.subarray(written);
      } else {
        this.#queue.shift();
        // Its memory goes back now: a collection comes late where there is hardly anything to collect but this.
        bytes.buffer.transfer(0);
      }
      this.#recovered();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      await this.#failed(error);
    }
  }

  /** The lines of an outage are told once it is over, with their number. */
  #recovered(): void {
    if (this.#isFailing) this.#report(`log ${this.#target}: it can be written again`);
    this.#isFailing = false;
    if (this.#droppedLines > 0 && this.#waitingBytes <= this.#queueBytes / 2) {
      this.#report(`log ${this.#target}: ${this.#droppedLines} lines dropped`);
      this.#droppedLines = 0;
      this.#isOverflowing = false;
    }
  }

  async #failed(error: Error): Promise<void> {
    if (error instanceof Deno.errors.WouldBlock) {
      await this.#pause(AGAIN_MS);
      return;
    }
    if (error instanceof Deno.errors.BrokenPipe) {
      this.#isDead = true;
      this.#report(
        `log ${this.#target}: its reader is gone, lines are dropped until the server is started anew`,
      );
      for (const lines of this.#queue.splice(0)) this.#drop(lines);
      this.#waitingBytes = 0;
      return;
    }
    if (!this.#isFailing) {
      this.#isFailing = true;
      this.#report(`log ${this.#target}: it cannot be written and will be tried again: ${error.message}`);
    }
    await this.#pause(this.#retryMs);
  }

  /** Ends early when somebody wants the log flushed, reopened or closed. */
  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#wake = resolve;
    await promise;
    this.#wake = null;
    clearTimeout(timer);
  }
}

function openTarget(target: string): Promise<LogOutput> {
  switch (target) {
    case "stdout":
      return Promise.resolve({ write: (bytes) => Deno.stdout.write(bytes) });
    case "stderr":
      return Promise.resolve({ write: (bytes) => Deno.stderr.write(bytes) });
    default:
      // Appending, so that each write goes to the end that is: `copytruncate` may have moved it.
      return Deno.open(target, { append: true, create: true, mode: 0o640 });
  }
}

/** Not console.error(): that waits for the reader of standard error. */
function reportOnStderr(message: string): void {
  Deno.stderr.write(new TextEncoder().encode(`pollux: ${message}\n`)).catch(() => {
    // Standard error is gone as well: there is nobody left to tell.
  });
}
