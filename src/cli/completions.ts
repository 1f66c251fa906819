/**
 * `pollux completions SHELL`: what a shell needs to complete command lines of Pollux, from the tables of commands and
 * flags.
 *
 * @module
 */

import { type Command, EXIT_OK, EXIT_USAGE } from "./command.ts";
import { COMMANDS, SHELLS } from "./commands.ts";
import { COMMON_FLAGS, type Flag, type ParsedFlags } from "./flags.ts";
import { nearest } from "./suggest.ts";
import { sayUsage, type Terminal } from "./terminal.ts";

/** Writes the completion of a shell to standard output. */
export function completions(parsed: ParsedFlags, terminal: Terminal): Promise<number> {
  const [name] = parsed.positionals;
  const shell = SHELLS.find((shell) => shell === name);
  if (shell === undefined) {
    sayUsage(
      terminal,
      `there is no completion for ${name}; did you mean ${nearest(name, SHELLS)}?`,
      "completions",
    );
    return Promise.resolve(EXIT_USAGE);
  }
  terminal.write(new TextEncoder().encode(completionScript(shell)));
  return Promise.resolve(EXIT_OK);
}

/** What a shell reads, whole. */
export function completionScript(shell: typeof SHELLS[number]): string {
  return `${{ bash, zsh, fish }[shell]().join("\n")}\n`;
}

/** The command that runs where none is named. */
const [SERVE] = COMMANDS;

function flagsOf(command: Command): readonly Flag[] {
  return [...command.flags, ...COMMON_FLAGS];
}

/** Every flag once: one of the same name is of the same kind in every command. */
function allFlags(): Flag[] {
  return [...new Map(COMMANDS.flatMap(flagsOf).map((flag) => [flag.name, flag])).values()];
}

function spellings({ name, short }: Flag): string[] {
  return short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`];
}

function bash(): string[] {
  const values = allFlags().filter((flag) => flag.value !== null).map((flag) =>
    `    ${spellings(flag).join("|")}) ${bashOffer(offerOf(flag))} ;;`
  );
  const flags = COMMANDS.map((command) =>
    `    ${command.name}) flags=$'${flagsOf(command).flatMap(spellings).join("\\n")}' ;;`
  );
  const words = COMMANDS.map((command) => `    ${command.name}) ${bashOffer(command.offers)} ;;`);
  const names = COMMANDS.map((command) => command.name);
  return [
    "# Completion of pollux for bash. In ~/.bashrc: source <(pollux completions bash)",
    "_pollux_offer() {",
    "  # $1: what compgen is asked for. Names may have spaces in them.",
    "  local IFS=$'\\n'",
    '  COMPREPLY+=($(compgen "$@" -- "$cur"))',
    "}",
    "_pollux() {",
    "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=serve flags",
    "  COMPREPLY=()",
    "  case $prev in",
    ...values,
    "  esac",
    `  if ((COMP_CWORD > 1)); then case \${COMP_WORDS[1]} in ${
      names.join("|")
    }) command=\${COMP_WORDS[1]} ;; esac; fi`,
    "  case $command in",
    ...flags,
    "  esac",
    `  if [[ $cur == -* ]]; then _pollux_offer -W "$flags"; return; fi`,
    `  if ((COMP_CWORD == 1)); then _pollux_offer -W $'${names.join("\\n")}'; fi`,
    "  case $command in",
    ...words,
    "  esac",
    "}",
    "complete -F _pollux pollux",
  ];
}

/** What is offered for a flag's value. */
function offerOf({ value, words }: Flag): Command["offers"] {
  if (words !== undefined) return words;
  return value === "FILE" ? "files" : value === "DIR" ? "folders" : [];
}

/** The words to offer; an offer of files or folders is none of words. */
function wordsOf(offer: Exclude<Command["offers"], "files" | "folders">): readonly string[] {
  return offer === "commands" ? COMMANDS.map(({ name }) => name) : offer;
}

function bashOffer(offer: Command["offers"]): string {
  if (offer === "files") return "compopt -o filenames 2>/dev/null; _pollux_offer -f; return";
  if (offer === "folders") return "compopt -o filenames 2>/dev/null; _pollux_offer -d; return";
  const words = wordsOf(offer);
  return words.length === 0 ? "return" : `_pollux_offer -W $'${words.join("\\n")}'; return`;
}

function zsh(): string[] {
  const argumentsOf = (command: Command) => [
    ...flagsOf(command).flatMap((flag) => spellings(flag).map((name) => zshFlag(name, flag))),
    ...(command.positionals[1] === 0 ? [] : [quote(`1:${command.synopsis}:${zshOffer(command.offers)}`)]),
  ];
  return [
    "#compdef pollux",
    "# Completion of pollux for zsh, in a folder of $fpath as _pollux: pollux completions zsh",
    "_pollux() {",
    "  local -a commands",
    "  commands=(",
    ...COMMANDS.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}`),
    "  )",
    "  if ((CURRENT > 2)) && [[ ${words[2]} == (" + COMMANDS.map(({ name }) => name).join("|") + ") ]]; then",
    "    local command=${words[2]}",
    "    shift words",
    "    ((CURRENT--))",
    "    case $command in",
    ...COMMANDS.map((command) => `      ${command.name}) _arguments ${argumentsOf(command).join(" ")} ;;`),
    "    esac",
    "    return",
    "  fi",
    "  ((CURRENT > 2)) || [[ ${words[2]} == -* ]] || _describe -t commands command commands",
    `  _arguments ${argumentsOf(SERVE).join(" ")}`,
    "}",
    // Run as a function of $fpath, or sourced.
    'if [[ ${funcstack[1]} == _pollux ]]; then _pollux "$@"; else compdef _pollux pollux; fi',
  ];
}

function zshFlag(name: string, flag: Flag): string {
  const text = flag.text.replace(/[[\]:]/g, "\\$&");
  const value = flag.value === null ? "" : `:${flag.value}:${zshOffer(offerOf(flag))}`;
  return quote(`${flag.isRepeatable === true ? "*" : ""}${name}[${text}]${value}`);
}

function zshOffer(offer: Command["offers"]): string {
  if (offer === "files") return "_files";
  if (offer === "folders") return "_files -/";
  const words = wordsOf(offer);
  return words.length === 0 ? " " : `(${words.join(" ")})`;
}

function fish(): string[] {
  const isServe = `not __fish_seen_subcommand_from ${
    COMMANDS.filter((command) => command !== SERVE).map(({ name }) => name).join(" ")
  }`;
  const lines = [
    "# Completion of pollux for fish. In config.fish: pollux completions fish | source",
    "complete -c pollux -f",
    ...COMMANDS.map(({ name, summary }) =>
      `complete -c pollux -n __fish_use_subcommand -a ${name} -d ${fishQuote(summary)}`
    ),
  ];
  for (const command of COMMANDS) {
    const when = command === SERVE ? isServe : `__fish_seen_subcommand_from ${command.name}`;
    const begin = `complete -c pollux -n ${fishQuote(when)}`;
    for (const flag of flagsOf(command)) {
      const short = flag.short === undefined ? "" : ` -s ${flag.short}`;
      const value = flag.value === null ? "" : ` -r ${fishOffer(offerOf(flag))}`;
      lines.push(`${begin}${short} -l ${flag.name}${value} -d ${fishQuote(flag.text)}`);
    }
    if (command.positionals[1] > 0 && command.offers.length > 0) {
      lines.push(`${begin} ${fishOffer(command.offers)}`);
    }
  }
  return lines;
}

function fishOffer(offer: Command["offers"]): string {
  if (offer === "files") return "-F";
  if (offer === "folders") return "-a '(__fish_complete_directories)'";
  const words = wordsOf(offer);
  return words.length === 0 ? "-f" : `-f -a '${words.join(" ")}'`;
}

/** For zsh: nothing is special between single quotes but they themselves. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** For fish, where a backslash and a quote are escaped by a backslash. */
function fishQuote(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}
