/**
 * What a script's failure most likely comes from: a line of its file and what to do there.
 *
 * A guess, made from what is known once it has failed: the beginnings of its file and of its output, its standard error, its
 * end. `end.ts` says what happened; this says where to look. No I/O: whoever asks brings the bytes.
 *
 * @module
 */

import { decodeOctets } from "../http/octets.ts";
import type { ScriptFault } from "./end.ts";
import { shown } from "./output.ts";
import type { ScriptExit } from "./run.ts";

/** How much of a script's file is looked at, in bytes. */
export const SOURCE_BYTES_MAX = 65_536;

/** What is known of a failure. */
export interface Evidence {
  /** The script's absolute path. */
  readonly file: string;
  /** The beginning of its file, at most {@linkcode SOURCE_BYTES_MAX}; null where it could not be read. */
  readonly source: Uint8Array | null;
  /** What went wrong. */
  readonly fault: ScriptFault;
  /** The last lines of its standard error. */
  readonly stderr: string;
  /** How it ended; null: it has not, or that is not known. */
  readonly exit: ScriptExit | null;
}

/** What a failure most likely comes from. */
export interface Diagnosis {
  /** The script's absolute path. */
  readonly file: string;
  /** The line of the script, counted from 1; null where none can be named. */
  readonly line: number | null;
  /** What is wrong there, and what would be right. One line. */
  readonly cause: string;
}

/** A quotation longer than this is shortened, in characters. */
const QUOTED_CHARS_MAX = 200;

/** The beginning of an output's line must be this long to be looked for in the source, in characters. */
const SOUGHT_CHARS_MIN = 4;

/** What a text file is that a script cannot be. */
const BYTE_ORDER_MARKS: readonly [mark: readonly number[], cause: string][] = [
  [[0xff, 0xfe], "it is saved as UTF-16: save it as UTF-8"],
  [[0xfe, 0xff], "it is saved as UTF-16: save it as UTF-8"],
];

/** The byte order mark of UTF-8, isomorphic. */
const UTF8_MARK = "\xef\xbb\xbf";

/** `file:line: cause`, as editors and compilers write it. */
export function formatDiagnosis({ file, line, cause }: Diagnosis): string {
  return `${file}:${line === null ? "" : `${line}:`} ${cause}`;
}

/** What a failure most likely comes from; null where nothing is seen beyond what the fault itself says. */
export function diagnose(evidence: Evidence): Diagnosis | null {
  const { fault, file, source } = evidence;
  switch (fault.kind) {
    case "badOutput": {
      const found = byFile(evidence) ?? byOutput(evidence, fault) ?? byErrors(evidence) ??
        bySignal(fault.exit) ?? byExit(fault.exit, fault.text);
      return found === null ? null : { file, ...found };
    }
    case "died": {
      const found = bySignal({ code: -1, signal: fault.signal });
      return found === null ? null : { file, ...found };
    }
    case "failed": {
      const found = byFile(evidence) ?? byErrors(evidence);
      return found === null ? null : { file, ...found };
    }
    case "timeout": {
      if (fault.hadHeader) return null;
      const cause =
        "it waits for something, or its output waits in a buffer: write the header first and flush it " +
        "(python3 -u, $| = 1)";
      return { file, line: null, cause };
    }
    case "short":
      return {
        file,
        line: lineOf(source, "Content-Length"),
        cause:
          "Content-Length wants the bytes of the whole content: leave it out, and the server counts them",
      };
    case "start":
    case "command":
    case "runLimit":
    case "noFile":
      return null;
  }
}

type Found = Omit<Diagnosis, "file">;
type BadOutputFault = Extract<ScriptFault, { readonly kind: "badOutput" }>;

/** What is wrong with the file as a whole. */
function byFile({ source, file, exit, stderr, fault }: Evidence): Found | null {
  if (source === null) return null;
  if (source.length === 0) return { line: null, cause: "the file is empty" };
  for (const [mark, cause] of BYTE_ORDER_MARKS) {
    if (mark.every((byte, i) => source[i] === byte)) return { line: 1, cause };
  }
  // Python, Perl, PHP and Ruby take such lines; a shell takes the CR for a part of its commands.
  const crLine = isForShell(source, file) ? lineEndedByCr(source) : null;
  const hasFailed = exit !== null && exit.code !== 0;
  const showsCr = stderr.includes("\r") || /\\r|\^M/.test(stderr) ||
    (fault.kind === "badOutput" && fault.text.includes("\r"));
  if (crLine !== null && (hasFailed || showsCr)) {
    return { line: crLine, cause: "its lines end in CR LF, as on Windows: save it with LF alone" };
  }
  return null;
}

function isForShell(source: Uint8Array, file: string): boolean {
  const lf = source.indexOf(0x0a);
  const first = octets(source.subarray(0, lf === -1 ? 256 : lf));
  return first.startsWith("#!") ? /\b(?:sh|bash|dash|ksh|zsh)\b/.test(first) : file.endsWith(".sh");
}

function lineEndedByCr(source: Uint8Array): number | null {
  const lines = octets(source).split("\n");
  const index = lines.findIndex((line, i) => i < lines.length - 1 && line.endsWith("\r"));
  return index === -1 ? null : index + 1;
}

/** What is wrong with what it wrote in place of a header. */
function byOutput({ source, file }: Evidence, { reason, text }: BadOutputFault): Found | null {
  if (text === "") return null;
  const first = text.split(/\r?\n/, 1)[0];
  const line = lineOf(source, first);
  if (text.startsWith(UTF8_MARK)) {
    const isOwn = source !== null && octets(source.subarray(0, 3)) === UTF8_MARK;
    return {
      line: isOwn ? 1 : line,
      cause: "a byte order mark comes before the header: save the file as UTF-8 without one",
    };
  }
  if (/^(?:Traceback \(|PHP |Fatal |Parse |Warning: |\S*Error\b|.*\bat \S+ line \d+)/.test(first)) {
    const where = placeIn(text, file);
    return {
      line: where,
      cause: `an error message comes before the header: ${shown(lastLine(text))}`,
    };
  }
  if (first === "") {
    // An empty line further down ends a header of fields that say nothing, as the reason tells.
    if (!reason.startsWith("line 1 ")) return null;
    const next = text.replace(/^[\r\n]+/, "").split(/\r?\n/, 1)[0];
    return {
      line: lineOf(source, next),
      cause:
        "an empty line comes before the header and ends it: write the header first, without a line break before it",
    };
  }
  const spaced = /^([A-Za-z][A-Za-z-]*)[ \t]+:/.exec(first);
  if (spaced !== null) {
    return { line, cause: `there is white space before the colon: write "${spaced[1]}: ..."` };
  }
  const unpunctuated = /^(content-?type|status|location)\b[ \t=]*(.*)$/i.exec(first);
  if (unpunctuated !== null && !first.slice(0, unpunctuated[1].length + 1).endsWith(":")) {
    const name = /^c/i.test(unpunctuated[1]) ? "Content-Type" : unpunctuated[1];
    const value = unpunctuated[2].replace(/^\W+/, "");
    return {
      line,
      cause: `a header field wants a colon after its name: write ${shown(`${name}: ${value}`)}`,
    };
  }
  if (/^status:/i.test(first)) {
    return { line, cause: 'Status wants a number of three digits first: write "Status: 404 Not Found"' };
  }
  if (/^content-length:/i.test(first)) {
    return {
      line,
      cause: "Content-Length wants the number of bytes: leave it out, and the server counts them",
    };
  }
  if (line === null) return null;
  const isField = /^[\w-]+:/.test(first);
  return {
    line,
    cause: isField
      ? `it writes ${shown(first)} there`
      : `it writes ${shown(first)} there, before the empty line that ends the header`,
  };
}

/** What its standard error says, and of which line. */
function byErrors({ stderr, file, exit }: Evidence): Found | null {
  if (stderr.trim() === "" || exit === null || (exit.code === 0 && exit.signal === null)) return null;
  const cause = causeIn(stderr, file);
  const line = placeIn(cause, file) ?? placeIn(stderr, file);
  if (line === null && exit.signal !== null) return null;
  return { line, cause: shorten(withoutPlace(cause, file)) };
}

/** What perl says last is that it gives up; why stands before. */
const GIVES_UP = /^(?:BEGIN failed--|Execution of \S+ aborted|\S+ had (?:too many|compilation) errors)/;

/** The line of standard error that says why: the last, but where that only says that it was the end. */
function causeIn(stderr: string, file: string): string {
  const last = lastLine(stderr);
  if (!GIVES_UP.test(last)) return last;
  const why = stderr.split(/\r?\n/).find((line) => placeIn(line, file) !== null && !GIVES_UP.test(line));
  return why === undefined ? last : why.trim().replace(/ \(@INC (?:contains|entries checked):[^)]*\)/, "");
}

/** What a signal means. */
function bySignal(exit: ScriptExit | null): Found | null {
  const cause = exit?.signal === null || exit === null ? undefined : SIGNALS[exit.signal];
  return cause === undefined ? null : { line: null, cause };
}

const SIGNALS: Readonly<Record<string, string>> = {
  SIGABRT: "it gave up by itself (SIGABRT): a failed assertion, or an exception that nothing caught",
  SIGBUS: "the program, its interpreter or a library of it has a fault (SIGBUS): run it in a debugger",
  SIGFPE: "it divided by zero or the like (SIGFPE): run it in a debugger",
  SIGILL: "the program was built for another processor, or has a fault (SIGILL)",
  SIGKILL: "something killed it (SIGKILL): the system where memory ran out (see dmesg), or another program",
  SIGPIPE: "it wrote to a pipe that nobody reads any more (SIGPIPE)",
  SIGSEGV: "the program, its interpreter or a library of it has a fault (SIGSEGV): run it in a debugger",
  SIGSYS: "it made a system call that is not allowed (SIGSYS)",
  SIGTERM: "something ended it (SIGTERM): not this server",
  SIGXCPU: "it used more processor time than limits.cpu allows (SIGXCPU)",
  SIGXFSZ: "it wrote a larger file than it may (SIGXFSZ)",
};

/** What an exit status means where the script says nothing. */
function byExit(exit: ScriptExit | null, text: string): Found | null {
  switch (exit?.code) {
    case 0:
      // A header without its end is told by the fault; without any output there is nothing else to go by.
      return text === ""
        ? {
          line: null,
          cause: 'it ends without writing anything: print "Content-Type: text/html" and an empty line first',
        }
        : null;
    case 126:
      return { line: null, cause: "a command in it is there but may not be executed (status 126)" };
    case 127:
      return {
        line: null,
        cause: "a command in it was not found (status 127): scripts get PATH as pass_env says",
      };
    default:
      return null;
  }
}

/**
 * The line of a file that an interpreter's message is about: of those that name the file the last.
 *
 * Python writes `File "F", line 3`; Perl `at F line 3.`; dash `F: 3: `; bash `F: line 3: `; PHP `in F on line 3` and `F:3`;
 * Ruby, node, Lua and gawk `F:3`; mawk `F: line 3`.
 */
function placeIn(text: string, file: string): number | null {
  let found: number | null = null;
  for (let at = text.indexOf(file); at !== -1; at = text.indexOf(file, at + file.length)) {
    const behind = text.slice(at + file.length, at + file.length + 32);
    const match = /^"?(?:,? (?:on )?line |: ?(?:line )?)(\d{1,7})\b/.exec(behind);
    if (match !== null) found = Number(match[1]);
  }
  return found;
}

/** The only line of the source that holds the text, or else as long a beginning of it as possible. */
function lineOf(source: Uint8Array | null, text: string): number | null {
  if (source === null || source.includes(0)) return null;
  const lines = octets(source).split("\n");
  let sought = text.trim();
  while (sought.length >= SOUGHT_CHARS_MIN) {
    const at = lines.flatMap((line, i) => line.includes(sought) ? [i + 1] : []);
    if (at.length === 1) return at[0];
    // In more than one place a shorter beginning is, too.
    if (at.length > 1) return null;
    // What a script puts in is seldom less than a word.
    sought = sought.slice(0, Math.max(0, sought.trimEnd().search(/[^\w]*\w*[^\w]*$/))).trimEnd();
  }
  return null;
}

/** A message without the place that a shell puts in front of it: the diagnosis names that itself. */
function withoutPlace(message: string, file: string): string {
  if (!message.startsWith(file)) return message;
  const rest = message.slice(file.length).replace(/^:(?: line)? ?\d+:(?:in [^:]*:)? */, "");
  return rest === "" ? message : rest;
}

function lastLine(text: string): string {
  return text.trimEnd().split(/\r?\n/).at(-1)?.trim() ?? "";
}

function shorten(text: string): string {
  return text.length > QUOTED_CHARS_MAX ? `${text.slice(0, QUOTED_CHARS_MAX)}...` : text;
}

/** One char a byte, as output is kept. */
function octets(bytes: Uint8Array): string {
  return decodeOctets(bytes, 0, bytes.length);
}
