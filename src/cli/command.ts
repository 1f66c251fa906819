/**
 * What a command is.
 *
 * @module
 */

import type { Flag, ParsedFlags } from "./flags.ts";
import type { Terminal } from "./terminal.ts";

/** A command: its names and flags for parsing and help, and where its code is. */
export interface Command {
  /** As it is typed. */
  readonly name: string;
  /** What follows the name: `[ROOT] [flags]`. */
  readonly synopsis: string;
  /** One line. */
  readonly summary: string;
  /** Its flags, beside those that every command has. */
  readonly flags: readonly Flag[];
  /** How many positional arguments it takes. */
  readonly positionals: readonly [min: number, max: number];
  /** What a shell may offer for them: files, folders, commands, these words, or nothing. */
  readonly offers: "files" | "folders" | "commands" | readonly string[];
  /** Command lines, each with what it does. */
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** Loads the code that runs it: only the command that is wanted costs time. */
  readonly load: () => Promise<CommandRun>;
}

/** Runs a command; resolves to the exit status. */
export type CommandRun = (parsed: ParsedFlags, terminal: Terminal) => Promise<number>;

/** Exit statuses. */
export const EXIT_OK = 0;
/** A failure at run time, or the answer "no". */
export const EXIT_FAILURE = 1;
/** Called wrongly, or a configuration with faults. */
export const EXIT_USAGE = 2;
