/**
 * The manual pages pollux(1) and pollux.yaml(5), from the tables of commands and flags and from the schema.
 *
 * @module
 */

import { COMMANDS } from "../../../src/cli/commands.ts";
import type { Command } from "../../../src/cli/command.ts";
import { COMMON_FLAGS, type Flag } from "../../../src/cli/flags.ts";
import { sections } from "../reference.ts";

/** pollux(1). */
export function commandPage(version: string): string {
  return page("POLLUX", 1, version, [
    ".SH NAME",
    "pollux \\- a web server for scripts and files",
    ".SH SYNOPSIS",
    ...COMMANDS.flatMap((command) => [`.B ${escape(usage(command))}`, ".br"]),
    ".SH DESCRIPTION",
    "Pollux turns a folder of scripts and files into a web server: HTTP/1.1 in front, CGI/1.1 behind.",
    "Without a configuration it serves",
    ".I static",
    "and the scripts in",
    ".IR cgi-bin ,",
    "or the folder or script ROOT. With a",
    ".I pollux.yaml",
    "in the working directory, or",
    ".BR \\-\\-config ,",
    "it serves what that says.",
    ".SH COMMANDS",
    ...COMMANDS.flatMap(describe),
    ".SH EXIT STATUS",
    ...item("0", "a clean stop, a valid configuration, a request that would be answered"),
    ...item("1", "a failure at run time, or the answer no"),
    ...item("2", "a fault in the configuration or on the command line"),
    ".SH SIGNALS",
    ...item("SIGTERM, SIGINT", "stop: requests in flight finish; a second one stops at once"),
    ...item("SIGHUP", "read the configuration again; one with faults is reported and the old one stays"),
    ...item("SIGUSR1", "open the log files again"),
    ".SH ENVIRONMENT",
    ...item("NO_COLOR", "if not empty: no colours, also on a terminal"),
    ...item("POLLUX_TRACE", "if set: a fault of Pollux itself is told with its stack"),
    ".SH SEE ALSO",
    ".BR pollux.yaml (5)",
  ]);
}

/** pollux.yaml(5). */
export function configurationPage(version: string): string {
  return page("POLLUX.YAML", 5, version, [
    ".SH NAME",
    "pollux.yaml \\- configuration of pollux",
    ".SH DESCRIPTION",
    "YAML 1.2. Relative paths count from the folder of the file. A duration is 500ms, 30s, 5m or 1h; a size is 512,",
    "64KiB, 1MiB or 2GiB; off and false mean the same. An unknown key is a fault:",
    ".B pollux check",
    "names every one with its place.",
    ".SH EXAMPLE",
    ".nf",
    "listen: 127.0.0.1:8080",
    "root: ./static",
    "routes:",
    "  \\- path: /cgi-bin/",
    "    cgi: ./cgi-bin",
    ".fi",
    ...sections().flatMap(({ title, text, entries }) => [
      `.SH ${escape(title.toUpperCase())}`,
      escape(text),
      ...entries.flatMap(({ name, takes, fallback, isRequired, text }) => [
        ".TP",
        `.BR ${escape(name)} " (${
          escape([takes, isRequired ? "required" : fallback ?? ""].filter((part) => part !== "").join("; "))
        })"`,
        escape(text),
      ]),
    ]),
    ".SH SEE ALSO",
    ".BR pollux (1)",
  ]);
}

function page(name: string, section: number, version: string, lines: readonly string[]): string {
  return [`.TH ${name} ${section} "" "pollux ${escape(version)}"`, ...lines, ""].join("\n");
}

function describe(command: Command): string[] {
  const flags: readonly Flag[] = [...command.flags, ...COMMON_FLAGS];
  return [
    `.SS ${escape(usage(command))}`,
    `${escape(command.summary[0].toUpperCase() + command.summary.slice(1))}.`,
    ...flags.flatMap((flag) => {
      const long = `--${flag.name}${flag.value === null ? "" : ` ${flag.value}`}`;
      return item(flag.short === undefined ? long : `-${flag.short}, ${long}`, flag.text);
    }),
    ...(command.examples.length === 0 ? [] : [".PP", "Examples:"]),
    ...command.examples.flatMap(([example, what]) => item(example, what)),
  ];
}

function usage({ name, synopsis }: Command): string {
  return synopsis === "" ? `pollux ${name}` : `pollux ${name} ${synopsis}`;
}

function item(head: string, text: string): string[] {
  return [".TP", `.B ${escape(head)}`, escape(text)];
}

/** Nothing in a text is a request or an escape of roff; hyphens are those that one types. */
function escape(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll('"', "\\(dq").replaceAll("`", "\\(ga")
    .replace(/^([.'])/, "\\&$1");
}
