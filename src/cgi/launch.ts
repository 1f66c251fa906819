/**
 * What is really started: the command itself, or programs in front of it that set priority, limits, user and umask and then become
 * it (each an exec, so the process stays one). Only routes that ask pay for them.
 *
 * @module
 */

import type { ScriptHandling } from "../config/config.ts";
import type { Command } from "./interpreter.ts";
import { type Programs, runnable, type Tool } from "./programs.ts";

/** Starts commands as one route wants them started. */
export interface Launcher {
  /** What to start for a command, or what is missing for it. */
  launch(command: Command): Launch;
}

/** A program with its arguments, or the reason why there is none. */
export type Launch =
  | { readonly kind: "launch"; readonly program: string; readonly args: readonly string[] }
  | { readonly kind: "missing"; readonly message: string };

/** Makes the launcher of a route. */
export function makeLauncher(handling: ScriptHandling, programs: Programs): Launcher {
  const may = new Set(runnable(programs));
  const prefix: string[] = [];
  let missing: string | null = null;
  const use = (tool: Tool, ...args: string[]) => {
    const path = programs.tools[tool];
    if (path === null) {
      missing ??=
        `the program ${tool} is not installed, which this route's settings need: install it, or take them out`;
    } else prefix.push(path, ...args);
  };
  const limits = limitArguments(handling);
  if (limits.length > 0) use("prlimit", ...limits);
  const user = userArguments(handling, programs);
  if (user.length > 0) use("setpriv", ...user);
  if (handling.settings.nice > 0) use("nice", "-n", String(handling.settings.nice));
  const steps = shellSteps(handling, programs);
  // A shell adds variables of its own, which are none of the script's.
  if (steps.length > 0) use("sh", "-c", [...steps, "unset PWD OLDPWD SHLVL _", 'exec "$@"'].join("; "), "sh");
  const bare = trampoline(programs);
  return {
    launch({ program, args }) {
      if (missing !== null) return { kind: "missing", message: missing };
      // A program that came after the loop's permissions were drawn up is not on its list.
      const before = prefix.length > 0 || may.has(program) ? prefix : bare;
      const [first, ...rest] = [...before, program, ...args];
      return { kind: "launch", program: first, args: rest };
    },
  };
}

/** What only a shell can do: set the umask, and close descriptors that somebody left open when the server was started. */
function shellSteps({ umask }: ScriptHandling, { inherited }: Programs): string[] {
  const steps = umask === null ? [] : [`umask ${umask.toString(8)}`];
  if (inherited.length > 0) steps.push(`exec ${inherited.map((number) => `${number}<&-`).join(" ")}`);
  return steps;
}

/** Becomes another program and changes nothing: `nice` by nothing, since a shell would add variables. */
function trampoline({ tools }: Programs): string[] {
  if (tools.nice !== null) return [tools.nice, "-n", "0"];
  return tools.sh === null ? [] : [tools.sh, "-c", 'exec "$@"', "sh"];
}

function limitArguments({ limits }: ScriptHandling): string[] {
  const args: string[] = [];
  if (limits.cpuSeconds !== null) args.push(`--cpu=${Math.ceil(limits.cpuSeconds)}`);
  if (limits.memoryBytes !== null) args.push(`--as=${limits.memoryBytes}`);
  if (limits.files !== null) args.push(`--nofile=${limits.files}`);
  if (limits.processes !== null) args.push(`--nproc=${limits.processes}`);
  return args;
}

/** Another user with the groups that are the user's own, never those of the server. */
function userArguments({ user, group }: ScriptHandling, { users }: Programs): string[] {
  if (user === null) return group === null ? [] : ["--regid", group, "--clear-groups"];
  const known = Object.hasOwn(users, user) ? users[user] : null;
  const gid = group ?? (known === null ? user : String(known.gid));
  return ["--reuid", user, "--regid", gid, known === null ? "--clear-groups" : "--init-groups"];
}
