/**
 * Every message that a person gets, from the command line to the error pages, out of the source itself: each
 * text of these files that has words in it.
 *
 * @module
 */

const SOURCE = new URL("../../src/", import.meta.url);

/** A group of messages: what it is about, where they are read, and the files that say them. */
type Group = readonly [title: string, text: string, files: readonly string[]];

/** What is told before the server serves; a text counts as a message by its words alone. */
const BEFORE: readonly Group[] = [
  [
    "The command line",
    "On standard error, after `pollux:`; exit status 2, or 1 where the machine refuses.",
    [
      "cli/main.ts",
      "cli/flags.ts",
      "cli/help.ts",
      "cli/serve.ts",
      "cli/check.ts",
      "cli/explain.ts",
      "cli/exec.ts",
      "cli/init.ts",
      "cli/credentials.ts",
    ],
  ],
  [
    "The configuration",
    "`FILE:LINE:COLUMN: key: message`, each fault on its own line, all of them in one run; exit status 2. With " +
    "`warning:` in front they keep nothing from starting.",
    [
      "config/load.ts",
      "config/read.ts",
      "config/schema.ts",
      "config/types.ts",
      "config/units.ts",
      "config/address.ts",
      "config/cidr.ts",
      "config/environment.ts",
      "config/build.ts",
      "config/build_listen.ts",
      "config/build_route.ts",
      "config/warnings.ts",
    ],
  ],
  [
    "The start and the end",
    "Exit status 1; certificates 2. What goes wrong at a reload stands in the error log behind `not reloaded:`.",
    ["supervisor/supervisor.ts", "supervisor/certificates.ts", "supervisor/descriptors.ts"],
  ],
];

/** What is told while it serves. */
const WHILE: readonly Group[] = [
  [
    "The error log: the server itself",
    "Without a request's number, but for what its request met.",
    [
      "supervisor/loops.ts",
      "supervisor/network_loop.ts",
      "supervisor/script_loop.ts",
      "supervisor/loop_worker.ts",
      "supervisor/trees.ts",
      "supervisor/watcher.ts",
      "loop/listener.ts",
      "loop/network.ts",
      "loop/script.ts",
      "observe/bug.ts",
      "observe/log_file.ts",
      "client/client.ts",
      "client/refusals.ts",
      "handlers/file_source.ts",
    ],
  ],
  [
    "The error log: scripts",
    "`[NUMBER] script FILE pid PID: message`; where more is known, the likely cause behind it. Before there is a process: " +
    "`[NUMBER] script: message`. What a script writes on its standard error: `FILE[PID]: line`.",
    [
      "cgi/handler.ts",
      "cgi/interpreter.ts",
      "cgi/launch.ts",
      "cgi/programs.ts",
      "cgi/process.ts",
      "cgi/end.ts",
      "cgi/answer.ts",
      "cgi/output.ts",
      "cgi/diagnosis.ts",
      "cgi/stderr.ts",
      "cgi/variables.ts",
    ],
  ],
  [
    "The error log: interpreters kept ready",
    "`warm python: message`; scripts are run all the same, each in a process started anew.",
    ["cgi/warm.ts", "warm/warm_scripts.ts", "warm/fork_server.ts", "warm/control.ts"],
  ],
  [
    "The error log: applications behind FastCGI and SCGI",
    "`[NUMBER] fastcgi ADDRESS FILE: message`, and as for scripts.",
    ["gateway/gateway.ts", "gateway/pool.ts", "gateway/run.ts", "gateway/fastcgi.ts"],
  ],
  [
    "The error log: passwords",
    "",
    ["route/auth.ts", "route/htpasswd.ts"],
  ],
  [
    "The error log: requests that are refused",
    "`[NUMBER] METHOD TARGET: refused with STATUS: message`, or the client's address where no head could be read. The " +
    "client is at fault, so that they are written with `level: debug` alone; those with a status of 500 or more always.",
    [
      "http/head.ts",
      "http/target.ts",
      "http/fields.ts",
      "http/framing.ts",
      "http/chunked.ts",
      "http/multipart.ts",
      "http/proxy_protocol.ts",
      "client/answerer.ts",
      "client/body.ts",
      "client/error_pages.ts",
      "route/router.ts",
      "route/access.ts",
      "route/rate.ts",
      "loop/remote_verifier.ts",
      "handlers/files.ts",
      "handlers/load_file.ts",
      "handlers/open_file.ts",
      "handlers/representation.ts",
      "handlers/sendfile.ts",
      "handlers/temporary_file.ts",
      "handlers/upload.ts",
      "cgi/script.ts",
      "cgi/spool.ts",
      "gateway/locate.ts",
      "cache/cache.ts",
      "status/handler.ts",
      "status/locality.ts",
    ],
  ],
  [
    "Error pages",
    "What a client is shown under its status and with the request's number; the reason stands in the error log.",
    ["handlers/error_page.ts", "loop/refusal.ts"],
  ],
];

/** Files with texts that look like messages and are none: pages, programs for a shell, help, faults of our own code. */
const WITHOUT_MESSAGES: readonly string[] = [
  "cli/commands.ts",
  "cli/completions.ts",
  "cli/explain_permissions.ts",
  "cli/terminal.ts",
  "client/states.ts",
  "handlers/dev_page.ts",
  "handlers/listing.ts",
  "handlers/palette.ts",
  "http/response.ts",
  "observe/prometheus.ts",
  "supervisor/memory.ts",
  "supervisor/permissions.ts",
  "supervisor/process_table.ts",
  "supervisor/socket_table.ts",
];

/** A message of the source; `…` stands for what differs. */
export interface Message {
  /** The file below src/. */
  readonly file: string;
  /** Its fixed parts, in order. */
  readonly parts: readonly string[];
}

/** All messages of a group's files, each once. */
function messagesOf(files: readonly string[], isMessage: (literal: Literal) => boolean): Message[] {
  const seen = new Set<string>();
  return files.flatMap((file) =>
    literals(Deno.readTextFileSync(new URL(file, SOURCE))).flatMap((literal): Message[] => {
      const { parts } = literal;
      const text = parts.join("…");
      if (!isMessage(literal) || seen.has(text)) return [];
      seen.add(text);
      return [{ file, parts }];
    })
  );
}

/** The groups in the page's order, each with its messages. */
function groups(): (readonly [title: string, text: string, messages: readonly Message[]])[] {
  return [
    ...BEFORE.map(([title, text, files]) => [title, text, messagesOf(files, isToldBefore)] as const),
    ...WHILE.map(([title, text, files]) => [title, text, messagesOf(files, isToldWhile)] as const),
  ];
}

/** Messages of files below src/ that are in no group: there should be none. */
export function ungrouped(): Message[] {
  const known = new Set([...BEFORE, ...WHILE].flatMap(([, , files]) => files).concat(WITHOUT_MESSAGES));
  return messagesOf(sourceFiles("").filter((file) => !known.has(file)), isToldWhile);
}

function sourceFiles(folder: string): string[] {
  return [...Deno.readDirSync(new URL(folder, SOURCE))].flatMap(({ name, isDirectory }) =>
    isDirectory
      ? sourceFiles(`${folder}${name}/`)
      : /(?<!_test|_fixture|\.d)\.ts$/.test(name)
      ? [folder + name]
      : []
  );
}

/** docs/messages.md. */
export function messagesPage(): string {
  const lines = [
    "# Messages",
    "",
    "<!-- Written by `deno task generate` from the source. -->",
    "",
    "What Pollux says when something is not as it should be: what it is, where, and what would be right. `…` stands",
    "for what differs, such as a path; a message that is told in pieces is listed in pieces. A stack trace is written",
    "only where `POLLUX_TRACE` is set, for a command, or `log.level` is `debug`, for the server. The error log has the",
    "number of the request, which the client's error page shows too. Scripts that fail, with what to do, are in",
    "[first-minutes.md](first-minutes.md).",
  ];
  for (const [title, text, messages] of groups()) {
    lines.push("", `## ${title}`, "", ...(text === "" ? [] : [text, ""]));
    for (const { parts } of messages) lines.push(`- ${code(parts.join("…").trim())}`);
  }
  return `${lines.join("\n")}\n`;
}

/** All that the page lists. */
export function allMessages(): Message[] {
  return groups().flatMap(([, , messages]) => messages);
}

/** What is no message though it reads like one: what a YAML parser says, by which its faults are told from one another. */
const FOREIGN: ReadonlySet<string> = new Set([
  "duplicated key",
  "more than 1 document",
  "unidentified alias",
  "bad indentation",
  "unexpected end of the stream within a flow collection",
  "end of the stream within a",
  // What another program, or a script, is to be told.
  "Status: 404 Not Found",
  "Content-Type: text/html",
  'Basic realm="…", charset="UTF-8"',
  "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Content-Type: text/plain; charset=utf-8",
  "Connection: close",
  "Content-Type: application/x-www-form-urlencoded",
  // Faults of our own code, which cannot come about.
  "A chunk's head has no state …",
  "a source was read after its end",
]);

/** Words with a space between them: no key, no path, no title of a kind of value, no line of help. */
function isToldBefore({ parts }: Literal): boolean {
  const text = parts.join("…");
  if (FOREIGN.has(text)) return false;
  if (/^\s*(?:a|an|the) [\w ]+(?: or [\w ]+)?$/.test(text) || /^[A-Z]/.test(text)) return false;
  return parts.some((part) => part.trim().length >= 12 && /[a-z]{2,} [a-z]{2,}/.test(part));
}

/** Words; no page, no program, no beginning of a message of HTTP, no description of a fault in our own use of a function. */
function isToldWhile({ parts, before }: Literal): boolean {
  const text = parts.join("…").trim();
  if (FOREIGN.has(text) || /\bnew (?:Type|Range|State)Error\(\s*$/.test(before)) return false;
  if (/[\r\n]|^<|^HTTP\//.test(text)) return false;
  if (
    /^(?:a local client|a script|an? unix socket|script loop|password loop|network loop …|status …)$/.test(
      text,
    )
  ) return false;
  return /HttpError\(\s*\d+,\s*$/.test(before) ||
    parts.some((part) => /[A-Za-z]{2,}:? (?:[a-z]{2,}|a\b)/.test(part));
}

/** A text of the source, and what stands right before it. */
interface Literal {
  readonly parts: readonly string[];
  readonly before: string;
}

/** The texts of a source file, without comments: of a template its fixed parts. */
function literals(source: string): Literal[] {
  const found: Literal[] = [];
  let at = 0;
  const template = (): void => {
    const parts: string[] = [""];
    const before = source.slice(Math.max(0, at - BEFORE_CHARS), at);
    for (at++; source[at] !== "`"; at++) {
      if (source[at] === "\\") parts[parts.length - 1] += unescape(source[++at]);
      else if (source.startsWith("${", at)) {
        at += 2;
        code("}");
        parts.push("");
      } else parts[parts.length - 1] += source[at];
    }
    found.push({ parts, before });
  };
  const code = (end: string): void => {
    for (let depth = 0; at < source.length; at++) {
      const char = source[at];
      if (char === end && depth === 0) return;
      if (char === "{") depth++;
      else if (char === "}") depth--;
      else if (source.startsWith("//", at) && source[at - 1] !== "\\") at = source.indexOf("\n", at);
      else if (source.startsWith("/*", at) && /[\s(]/.test(source[at - 1] ?? " ")) {
        at = source.indexOf("*/", at) + 1;
      } else if (char === '"' || char === "'") {
        const [text] = /^(["'])(?:(?!\1)[^\\\n]|\\.)*\1/.exec(source.slice(at)) ?? [char];
        const before = source.slice(Math.max(0, at - BEFORE_CHARS), at);
        // A flag's text is a line of help.
        const isHelp = /\btext: $/.test(before);
        const parts = [text.slice(1, -1).replace(/\\(.)/g, (_, char) => unescape(char))];
        if (text !== char && !isHelp) found.push({ parts, before });
        at += text.length - 1;
      } else if (char === "`") template();
      else if (
        char === "/" && /(?:[(,=:&|!?{;\n>]|\breturn)\s*$/.test(source.slice(Math.max(0, at - 40), at))
      ) {
        const [pattern] = /^\/(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\//.exec(source.slice(at)) ?? [char];
        at += pattern.length - 1;
      }
    }
  };
  code("");
  return found;
}

const BEFORE_CHARS = 40;

function unescape(char: string): string {
  return char === "n" ? "\n" : char === "r" ? "\r" : char;
}

function code(text: string): string {
  return text.includes("`") ? `\`\` ${text} \`\`` : `\`${text}\``;
}
