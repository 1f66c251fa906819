/**
 * A script as a process: its start, its three streams, its end (RFC 3875, 4 and 6). Used in a script loop and by `pollux exec`.
 *
 * @module
 */

import type { ScriptRun, ScriptSpec } from "./run.ts";

/** Ends processes that this thread may not end itself: a loop asks the supervisor, `exec` has `Trees` at hand. */
export interface TreeKiller {
  /**
   * Ends `pid` and all its descendants; resolves once they are gone.
   *
   * @param marks Lines `NAME=value` of the script's environment that tell its orphans from all other processes; may be empty.
   */
  endTree(pid: number, graceMs: number, marks: readonly string[]): Promise<void>;
  /** Says that `pid` was reaped: the number may belong to another process from now on. Called only after `endTree`. */
  rootEnded(pid: number): void;
}

/** What a process needs of its surroundings. */
export interface ProcessHooks {
  readonly trees: TreeKiller;
  /** A line of its standard error, without its line end, decoded leniently; already bounded in length and rate. */
  onStderr(line: string, pid: number): void;
  /** Milliseconds of the loop's clock. */
  now(): number;
}

/** Starts a script at once. Never throws: a start that fails rejects `started` with a StartError and ends the output. */
export function startProcess(_spec: ScriptSpec, _hooks: ProcessHooks): ScriptRun {
  throw new Error("in work");
}
