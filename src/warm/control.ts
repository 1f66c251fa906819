/**
 * What a fork server says on its standard output; no I/O. The writing side is `server.py` and `server.pl`.
 *
 * Each message is a line `KIND PID LENGTH`, and so many bytes.
 *
 * @module
 */

import type { ScriptExit } from "../cgi/run.ts";

/** A message of a fork server. */
export type ControlMessage =
  /** It takes requests. */
  | { readonly kind: "ready" }
  /** It takes no more requests. */
  | { readonly kind: "retired" }
  /** A child has written to standard error. */
  | { readonly kind: "errors"; readonly pid: number; readonly bytes: Uint8Array<ArrayBuffer> }
  /** A child has ended. */
  | { readonly kind: "exit"; readonly pid: number; readonly exit: ScriptExit }
  /** A child has had the interpreter started anew, and why. */
  | { readonly kind: "plain"; readonly pid: number; readonly reason: string }
  /** Something that a person should know. */
  | { readonly kind: "note"; readonly text: string };

/** The longest head of a message that is well-formed. */
const HEAD_BYTES_MAX = 64;

const LF = 0x0a;

/** Names of signals by number, from 1 on. */
const SIGNALS: Readonly<Record<"linux" | "darwin", string>> = {
  linux: "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP " +
    "TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS",
  darwin: "HUP INT QUIT ILL TRAP ABRT EMT FPE KILL BUS SEGV SYS PIPE ALRM TERM URG STOP TSTP CONT CHLD " +
    "TTIN TTOU IO XCPU XFSZ VTALRM PROF WINCH INFO USR1 USR2",
};

/** Reads messages from bytes as they come. */
export class ControlReader {
  #bytes = new Uint8Array(0);

  /**
   * Takes the next bytes.
   *
   * @returns The messages that are whole now.
   * @throws {SyntaxError} These are no messages.
   */
  push(bytes: Uint8Array): ControlMessage[] {
    const all = this.#bytes.length === 0 ? bytes : joined(this.#bytes, bytes);
    const messages: ControlMessage[] = [];
    let at = 0;
    for (;;) {
      const lf = all.indexOf(LF, at);
      if (lf === -1) {
        if (all.length - at > HEAD_BYTES_MAX) throw new SyntaxError("a head without end");
        break;
      }
      const head = textOf(all.subarray(at, lf));
      const match = /^([A-Z]) ([0-9]+) ([0-9]+)$/.exec(head);
      if (match === null) throw new SyntaxError(`no head of a message: ${JSON.stringify(head)}`);
      const end = lf + 1 + Number(match[3]);
      if (end > all.length) break;
      messages.push(message(match[1], Number(match[2]), all.slice(lf + 1, end)));
      at = end;
    }
    this.#bytes = all.slice(at);
    return messages;
  }
}

function message(kind: string, pid: number, bytes: Uint8Array<ArrayBuffer>): ControlMessage {
  switch (kind) {
    case "R":
      return { kind: "ready" };
    case "Q":
      return { kind: "retired" };
    case "E":
      return { kind: "errors", pid, bytes };
    case "X":
      return { kind: "exit", pid, exit: exitOf(Number(textOf(bytes))) };
    case "F":
      return { kind: "plain", pid, reason: textOf(bytes) };
    case "L":
      return { kind: "note", text: textOf(bytes) };
    default:
      throw new SyntaxError(`no kind of a message: ${kind}`);
  }
}

/** The end of a process as wait(2) tells it. */
function exitOf(status: number): ScriptExit {
  const signal = status & 0x7f;
  if (signal === 0) return { code: (status >> 8) & 0xff, signal: null };
  const names = SIGNALS[Deno.build.os === "darwin" ? "darwin" : "linux"].split(" ");
  return { code: 128 + signal, signal: `SIG${names.at(signal - 1) ?? signal}` };
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

const decoder = new TextDecoder();

function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
