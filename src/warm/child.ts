/**
 * A script's process that a fork server has forked, with its streams, as `cgi/process.ts` watches any.
 *
 * @module
 */

import type { LentBytes } from "../buffers.ts";
import type { PipeEnd } from "../cgi/pipe.ts";
import type { ScriptInput, ScriptProcess } from "../cgi/process.ts";
import type { ScriptExit } from "../cgi/run.ts";

/** What is read and written. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** What a child's end is where nobody can tell. */
const UNKNOWN_EXIT: ScriptExit = { code: -1, signal: null };

/** A child of a fork server. */
export class WarmChild implements ScriptProcess {
  readonly pid: number;
  readonly input: ScriptInput | null;
  readonly output: PipeEnd;
  readonly errors: ErrorsEnd;
  readonly status: Promise<ScriptExit>;
  readonly #ending = Promise.withResolvers<ScriptExit>();
  #isOutputOver = false;
  #isLost = false;

  /**
   * Takes the connections over.
   *
   * @param output Standard output, read up to the script's own.
   * @param first What came of the script's output already.
   * @param input Standard input; null without.
   */
  constructor(pid: number, output: Deno.Conn, first: Bytes, input: Deno.Conn | null) {
    this.pid = pid;
    this.input = input === null ? null : new SocketInput(input);
    this.output = new SocketOutput(output, first, () => {
      this.#isOutputOver = true;
      if (this.#isLost) this.#ending.resolve(UNKNOWN_EXIT);
    });
    this.errors = new ErrorsEnd();
    this.status = this.#ending.promise;
  }

  /** It has ended. */
  ended(exit: ScriptExit): void {
    this.errors.end();
    this.#ending.resolve(exit);
  }

  /** Its fork server is gone: it ends with its output. */
  lose(): void {
    this.#isLost = true;
    this.errors.end();
    if (this.#isOutputOver) this.#ending.resolve(UNKNOWN_EXIT);
  }
}

/** The reading end of a socket that is a script's standard output. */
class SocketOutput implements PipeEnd {
  readonly #connection: Deno.Conn;
  readonly #over: () => void;
  #first: Bytes | null;
  #isOver = false;

  constructor(connection: Deno.Conn, first: Bytes, over: () => void) {
    this.#connection = connection;
    this.#first = first.length > 0 ? first : null;
    this.#over = over;
  }

  async read(buffer: Bytes): Promise<{ value?: Bytes }> {
    const first = this.#first;
    if (first !== null) {
      const part = first.subarray(0, buffer.length);
      buffer.set(part);
      this.#first = part.length < first.length ? first.subarray(part.length) : null;
      return { value: buffer.subarray(0, part.length) };
    }
    // A reset is an end like any other: there is nothing more to be had.
    const count = await this.#connection.read(buffer).catch(() => null);
    if (count === null) this.#end();
    return { value: buffer.subarray(0, count ?? 0) };
  }

  cancel(): Promise<void> {
    this.#end();
    return Promise.resolve();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#connection.close();
    this.#over();
  }
}

/** The writing end of a socket that is a script's standard input. */
class SocketInput implements ScriptInput {
  readonly #connection: Deno.Conn;

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  async write(bytes: LentBytes): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
  }

  close(): Promise<void> {
    return this.abort();
  }

  abort(): Promise<void> {
    this.#connection.close();
    return Promise.resolve();
  }
}

/** What comes of a child's standard error, in the fork server's messages. */
export class ErrorsEnd implements PipeEnd {
  #waiting: Bytes[] = [];
  #isOver = false;
  #wake: (() => void) | null = null;

  /** Takes the next of it. */
  push(bytes: Bytes): void {
    if (this.#isOver) return;
    this.#waiting.push(bytes);
    this.#wake?.();
  }

  /** There is no more. */
  end(): void {
    this.#isOver = true;
    this.#wake?.();
  }

  /** The next of it. */
  async read(buffer: Bytes): Promise<{ value?: Bytes }> {
    while (this.#waiting.length === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = null;
    }
    const next = this.#waiting.shift();
    if (next === undefined) return { value: buffer.subarray(0, 0) };
    const part = next.subarray(0, buffer.length);
    if (part.length < next.length) this.#waiting.unshift(next.subarray(part.length));
    buffer.set(part);
    return { value: buffer.subarray(0, part.length) };
  }

  /** Nobody wants the rest. */
  cancel(): Promise<void> {
    this.#waiting = [];
    this.end();
    return Promise.resolve();
  }
}
