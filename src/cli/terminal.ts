/**
 * What a command sees of the world around it: two streams, the working directory and the environment. Tests bring their
 * own.
 *
 * @module
 */

import type { Fault } from "../config/fault.ts";
import { formatFault } from "../config/fault.ts";

/** Where a command runs. */
export interface Terminal {
  /** Writes a line to standard output. */
  out(line: string): void;
  /** Writes a line to standard error. */
  err(line: string): void;
  /** Writes bytes to standard output. */
  write(bytes: Uint8Array): void;
  /** Whether standard error shows colours. */
  readonly hasColours: boolean;
  /** What one of its streams is: a terminal, with colours or without them; null: something else. */
  screen(stream: "stdout" | "stderr"): "coloured" | "readable" | null;
  /** The working directory, absolute. */
  readonly cwd: string;
  /** The environment. */
  readonly env: { get(name: string): string | undefined };
}

/** The terminal of this process. */
export function systemTerminal(): Terminal {
  // https://no-color.org: present and not empty, whatever its value.
  const wantsColours = (Deno.env.get("NO_COLOR") ?? "") === "" && Deno.env.get("TERM") !== "dumb";
  return {
    out: (line) => console.log("%s", line),
    err: (line) => console.error("%s", line),
    write: (bytes) => {
      for (let rest = bytes; rest.length > 0;) rest = rest.subarray(Deno.stdout.writeSync(rest));
    },
    hasColours: Deno.stderr.isTerminal() && wantsColours,
    screen: (stream) => Deno[stream].isTerminal() ? wantsColours ? "coloured" : "readable" : null,
    cwd: Deno.cwd(),
    env: Deno.env,
  };
}

/** Says that a command was called wrongly. */
export function sayUsage(terminal: Terminal, message: string, command: string | null): void {
  terminal.err(`pollux: ${message}`);
  terminal.err(`Try: pollux help${command === null ? "" : ` ${command}`}`);
}

/** Says faults and warnings, each on its own line. */
export function sayFaults(terminal: Terminal, faults: readonly Fault[]): void {
  for (const fault of faults) {
    const line = formatFault(fault);
    const said = fault.file === null ? `pollux: ${line}` : line;
    terminal.err(terminal.hasColours ? `\x1b[${fault.severity === "error" ? 31 : 33}m${said}\x1b[0m` : said);
  }
}
