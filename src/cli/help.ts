/**
 * `pollux help`: from the tables of commands and flags.
 *
 * @module
 */

import { type Command, EXIT_OK, EXIT_USAGE } from "./command.ts";
import { COMMANDS, findCommand } from "./commands.ts";
import { COMMON_FLAGS, describeFlags, type ParsedFlags, SERVE_FLAGS } from "./flags.ts";
import { nearest } from "./suggest.ts";
import { sayUsage, type Terminal } from "./terminal.ts";

/** Writes the page of the program, or of a command. */
export function help(parsed: ParsedFlags, terminal: Terminal): Promise<number> {
  const [name] = parsed.positionals;
  if (name === undefined) {
    for (const line of overview()) terminal.out(line);
    return Promise.resolve(EXIT_OK);
  }
  const command = findCommand(name);
  if (command === undefined) {
    const names = COMMANDS.map((command) => command.name);
    sayUsage(terminal, `${name} is no command; did you mean ${nearest(name, names)}?`, null);
    return Promise.resolve(EXIT_USAGE);
  }
  for (const line of page(command)) terminal.out(line);
  return Promise.resolve(EXIT_OK);
}

/** The page of the program: it fits 80 columns and 24 lines, with a line left for the next prompt. */
function overview(): string[] {
  const serve = COMMANDS[0];
  // `init` writes what `schema` does.
  const rest = COMMANDS.slice(1).filter((command) => command.name !== "schema");
  const width = Math.max(...rest.map((command) => usage(command).length));
  return [
    "Pollux serves a folder of scripts and files: HTTP/1.1 in front, CGI behind.",
    "",
    `  pollux [serve] ${serve.synopsis}`,
    ...rest.map((command) => `  ${usage(command).padEnd(width)}  ${command.summary}`),
    "",
    ...describeFlags(SERVE_FLAGS),
    "",
    ...describeExamples(serve),
  ];
}

function page(command: Command): string[] {
  const flags = [...command.flags, ...COMMON_FLAGS];
  return [
    `${usage(command)}: ${command.summary}`,
    "",
    ...describeFlags(flags),
    ...(command.examples.length === 0 ? [] : ["", ...describeExamples(command)]),
  ];
}

function usage({ name, synopsis }: Command): string {
  return synopsis === "" ? `pollux ${name}` : `pollux ${name} ${synopsis}`;
}

function describeExamples({ examples }: Command): string[] {
  const width = Math.max(...examples.map(([example]) => example.length));
  return examples.map(([example, what]) => `  ${example.padEnd(width)}  # ${what}`);
}
