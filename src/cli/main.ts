/**
 * The command line: which command, its flags, and the exit status.
 *
 * @module
 */

import { resolveFrom, statOrNull } from "../paths.ts";
import { type Command, EXIT_FAILURE, EXIT_USAGE } from "./command.ts";
import { COMMANDS, findCommand } from "./commands.ts";
import { COMMON_FLAGS, type ParsedFlags, parseFlags } from "./flags.ts";
import { nearest } from "./suggest.ts";
import { sayUsage, systemTerminal, type Terminal } from "./terminal.ts";

/**
 * Runs the command that `args` name.
 *
 * @param args The arguments, without the program.
 * @param terminal Where it runs; the process's own without.
 * @returns The exit status: 0, 1 for a failure, 2 for a wrong call or a configuration with faults.
 */
export async function main(args: readonly string[], terminal?: Terminal): Promise<number> {
  const missing = terminal === undefined ? missingPermissions() : [];
  if (missing.length > 0) {
    const flags = PERMISSIONS.map((name) => `--allow-${name}`).join(" ");
    const wanted = missing.map((name) => `--allow-${name}`).join(", ");
    console.error(`pollux: started without ${wanted}, which it needs for everything and divides by itself`);
    console.error(`Try: deno task start, or deno run ${flags} main.ts`);
    return EXIT_USAGE;
  }
  const there = terminal ?? systemTerminal();
  try {
    return await runCommand(args, there);
  } catch (error) {
    if (there.env.get("POLLUX_TRACE") !== undefined) throw error;
    there.err(`pollux: ${error instanceof Error ? error.message : String(error)}`);
    there.err("This is a fault of Pollux itself; POLLUX_TRACE=1 shows where.");
    return EXIT_FAILURE;
  }
}

/** What the program is started with; it divides that among its threads. */
const PERMISSIONS = ["net", "read", "write", "run", "env"] as const;

/** Those that were not given, or only in part. */
function missingPermissions(): string[] {
  return PERMISSIONS.filter((name) => Deno.permissions.querySync({ name }).state !== "granted");
}

async function runCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const [first, ...others] = args;
  if (first === "--version") return await runCommand(["version", ...others], terminal);
  if (first === "--help" || first === "-h") return await runCommand(["help", ...others], terminal);
  const named = first === undefined ? undefined : findCommand(first);
  if (named === undefined && first !== undefined && !first.startsWith("-")) {
    if (statOrNull(resolveFrom(terminal.cwd, first)) === null) {
      sayUsage(terminal, `${first} is neither a command nor a folder or script; ${suggestion(first)}`, null);
      return EXIT_USAGE;
    }
  }
  const command = named ?? COMMANDS[0];
  const parsed = parseFlags(named === undefined ? args : others, [...command.flags, ...COMMON_FLAGS]);
  if ("fault" in parsed) {
    sayUsage(terminal, parsed.fault, command.name);
    return EXIT_USAGE;
  }
  if (parsed.flags.has("help")) {
    return await runCommand(named === undefined ? ["help"] : ["help", named.name], terminal);
  }
  const fault = positionalFault(command, parsed);
  if (fault !== null) {
    sayUsage(terminal, fault, command.name);
    return EXIT_USAGE;
  }
  const run = await command.load();
  return await run(parsed, terminal);
}

function suggestion(word: string): string {
  if (/[/.]/.test(word)) return "there is no such path";
  return `did you mean ${nearest(word, COMMANDS.map((command) => command.name))}?`;
}

function positionalFault(command: Command, { positionals }: ParsedFlags): string | null {
  const [min, max] = command.positionals;
  if (positionals.length < min) {
    return `${command.name} wants an argument: pollux ${command.name} ${command.synopsis}`;
  }
  if (positionals.length > max) {
    const extra = JSON.stringify(positionals[max]);
    return max === 0
      ? `${command.name} takes no argument: leave out ${extra}`
      : `${extra} is one argument too many`;
  }
  return null;
}
