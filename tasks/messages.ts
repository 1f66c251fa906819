/**
 * Every message that a person gets from the command line, the configuration and the start, out of the source itself: each
 * text of these files that has words in it.
 *
 * @module
 */

const SOURCE = new URL("../src/", import.meta.url);

/** Where messages are, and what a group of them is about. */
const GROUPS: readonly (readonly [title: string, text: string, files: readonly string[]])[] = [
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
  ["The start", "Exit status 1; certificates 2.", ["supervisor/supervisor.ts", "supervisor/certificates.ts"]],
];

/** A message of the source; `…` stands for what differs. */
export interface Message {
  /** The file below src/. */
  readonly file: string;
  /** Its fixed parts, in order. */
  readonly parts: readonly string[];
}

/** All messages of a group's files, each once. */
export function messagesOf(files: readonly string[]): Message[] {
  const seen = new Set<string>();
  return files.flatMap((file) =>
    literals(Deno.readTextFileSync(new URL(file, SOURCE))).flatMap((parts): Message[] => {
      const text = parts.join("…");
      if (!isMessage(parts) || seen.has(text)) return [];
      seen.add(text);
      return [{ file, parts }];
    })
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
    "for what differs, such as a path. A stack trace is written only where `POLLUX_TRACE` is set. What it says of",
    "scripts that fail is in [first-minutes.md](first-minutes.md), and in the error log with the number of the",
    "request, which the client's error page shows too.",
  ];
  for (const [title, text, files] of GROUPS) {
    lines.push("", `## ${title}`, "", text, "");
    for (const { parts } of messagesOf(files)) lines.push(`- ${code(parts.join("…").trim())}`);
  }
  return `${lines.join("\n")}\n`;
}

/** All that the page lists. */
export function allMessages(): Message[] {
  return messagesOf(GROUPS.flatMap(([, , files]) => files));
}

/** What is no message though it reads like one: what a YAML parser says, by which its faults are told from one another. */
const FOREIGN: ReadonlySet<string> = new Set([
  "duplicated key",
  "more than 1 document",
  "unidentified alias",
  "bad indentation",
  "unexpected end of the stream within a flow collection",
  "end of the stream within a",
]);

/** Words with a space between them: no key, no path, no title of a kind of value, no line of help. */
function isMessage(parts: readonly string[]): boolean {
  const text = parts.join("…");
  if (FOREIGN.has(text)) return false;
  if (/^\s*(?:a|an|the) [\w ]+(?: or [\w ]+)?$/.test(text) || /^[A-Z]/.test(text)) return false;
  return parts.some((part) => part.trim().length >= 12 && /[a-z]{2,} [a-z]{2,}/.test(part));
}

/** The texts of a source file, without comments: of a template its fixed parts. */
function literals(source: string): string[][] {
  const found: string[][] = [];
  let at = 0;
  const template = (): void => {
    const parts: string[] = [""];
    for (at++; source[at] !== "`"; at++) {
      if (source[at] === "\\") parts[parts.length - 1] += source[++at];
      else if (source.startsWith("${", at)) {
        at += 2;
        code("}");
        parts.push("");
      } else parts[parts.length - 1] += source[at];
    }
    found.push(parts);
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
      } else if (char === '"') {
        const [text] = /^"(?:[^"\\\n]|\\.)*"/.exec(source.slice(at)) ?? [char];
        // A flag's text is a line of help.
        const isHelp = /\btext: $/.test(source.slice(0, at));
        if (text !== char && !isHelp) found.push([text.slice(1, -1).replace(/\\(.)/g, "$1")]);
        at += text.length - 1;
      } else if (char === "`") template();
      else if (char === "/" && /[(,=:&|!?{;\n]\s*$/.test(source.slice(Math.max(0, at - 40), at))) {
        const [pattern] = /^\/(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\//.exec(source.slice(at)) ?? [char];
        at += pattern.length - 1;
      }
    }
  };
  code("");
  return found;
}

function code(text: string): string {
  return text.includes("`") ? `\`\` ${text} \`\`` : `\`${text}\``;
}
