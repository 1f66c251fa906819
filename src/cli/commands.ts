/**
 * The commands.
 *
 * @module
 */

// A package that only a command's own modules name, which are loaded when it is run, is compiled anew each time: the runtime
// finds its compiled code just where an import that is no call leads there. That is 6 ms of a start from source.
import "valibot";
import { holdSignals } from "../supervisor/signals.ts";
import type { Command } from "./command.ts";
import { CONFIG_FLAG, EXEC_FLAGS, EXPLAIN_FLAGS, SERVE_FLAGS } from "./flags.ts";

/** The shells that `completions` knows. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** All commands, in the order of help; the first is what runs without a name. */
export const COMMANDS: readonly Command[] = [
  {
    name: "serve",
    synopsis: "[ROOT] [flags]",
    summary: "serve a folder, a script, or what pollux.yaml says",
    flags: SERVE_FLAGS,
    positionals: [0, 1],
    offers: "files",
    examples: [
      ["pollux", "pollux.yaml, or else static/ and cgi-bin/"],
      ["pollux ./site --listen :8000", "a folder, to the whole network"],
      ["pollux ./script.py --dev", "one script, its failures in the browser"],
    ],
    load: async () => {
      const signals = holdSignals();
      const { serve } = await import("./serve_start.ts");
      return (parsed, terminal) => serve(parsed, terminal, signals);
    },
  },
  {
    name: "check",
    synopsis: "[--config FILE]",
    summary: "name every fault of a configuration",
    flags: [CONFIG_FLAG],
    positionals: [0, 1],
    offers: "files",
    examples: [["pollux check --config /etc/pollux.yaml", "exit status 0: valid; 2: not"]],
    load: async () => (await import("./check.ts")).check,
  },
  {
    name: "explain",
    synopsis: "URL-PATH",
    summary: "how a request would be handled",
    flags: EXPLAIN_FLAGS,
    positionals: [0, 1],
    offers: [],
    examples: [
      ["pollux explain /cgi-bin/hello.py/a", "site, route, script, PATH_INFO"],
      ["pollux explain http://example.org/", "the same for one of several sites"],
      ["pollux explain --permissions", "what each loop may do, and why"],
    ],
    load: async () => (await import("./explain.ts")).explain,
  },
  {
    name: "exec",
    synopsis: "URL[?QUERY]",
    summary: "run the script behind a URL, without a network",
    flags: EXEC_FLAGS,
    positionals: [1, 1],
    offers: [],
    examples: [
      ["pollux exec '/cgi-bin/hello.py?name=Leda'", "headers on stderr, body on stdout"],
      ["pollux exec /cgi-bin/echo.py -d a=1", "a POST; -d @FILE, -d @- too"],
      ["pollux exec /cgi-bin/hello.py --env", "the variables it would get"],
    ],
    load: async () => (await import("./exec.ts")).exec,
  },
  {
    name: "init",
    synopsis: "[DIR]",
    summary: "write a pollux.yaml, a page and a script",
    flags: [],
    positionals: [0, 1],
    offers: "folders",
    examples: [["pollux init site && cd site && pollux", "a site of your own"]],
    load: async () => (await import("./init.ts")).init,
  },
  {
    name: "completions",
    synopsis: "SHELL",
    summary: "completion for bash, zsh or fish",
    flags: [],
    positionals: [1, 1],
    offers: SHELLS,
    examples: [
      ["source <(pollux completions bash)", "in ~/.bashrc"],
      ['pollux completions zsh >"${fpath[1]}/_pollux"', "zsh"],
      ["pollux completions fish | source", "in config.fish"],
    ],
    load: async () => (await import("./completions.ts")).completions,
  },
  {
    name: "schema",
    synopsis: "",
    summary: "the JSON Schema of pollux.yaml, for editors",
    flags: [],
    positionals: [0, 0],
    offers: [],
    examples: [["pollux schema >pollux.schema.json", "what init writes, of this version"]],
    load: async () => (await import("./schema.ts")).schema,
  },
  {
    name: "version",
    synopsis: "",
    summary: "the version of Pollux",
    flags: [],
    positionals: [0, 0],
    offers: [],
    examples: [],
    load: async () => (await import("./version.ts")).version,
  },
  {
    name: "help",
    synopsis: "[COMMAND]",
    summary: "this page, or a command's own",
    flags: [],
    positionals: [0, 1],
    offers: "commands",
    examples: [],
    load: async () => (await import("./help.ts")).help,
  },
];

/** The command of this name; undefined when there is none. */
export function findCommand(name: string): Command | undefined {
  return COMMANDS.find((command) => command.name === name);
}
