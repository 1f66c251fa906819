/**
 * What a client sees of a script's failure, or of any other error, with `--dev`: all that the error log knows of it and what
 * the script said itself, in the forms of `error_page.ts`. Only who develops on this very machine is shown this; everybody else gets the plain page.
 *
 * @module
 */

import { escape } from "@std/html";
import { HttpError } from "../http/error.ts";
import type { Field } from "../http/fields.ts";
import { escapeControls } from "../observe/loop_logger.ts";
import {
  type ErrorRequest,
  explanationOf,
  type PageType,
  pageType,
  titleOf,
  withFields,
} from "./error_page.ts";
import type { Reply } from "./handler.ts";
import { colours } from "./palette.ts";

/** What is told of a script that failed. */
export interface FailureAccount {
  /** The line of the error log: script, pid, what happened, what to do. */
  readonly reason: string;
  /** Exit status or the signal's name; null: it did not start, or has not ended. */
  readonly exit: number | string | null;
  /** How long it ran, in milliseconds; null: it did not start. */
  readonly ranMs: number | null;
  /** What it most likely comes from; null where nothing is seen beyond the reason. */
  readonly diagnosis: LikelyCause | null;
  /** The last lines of its standard error. */
  readonly stderr: string;
  /** The program and its arguments; empty where it was not even tried. */
  readonly command: readonly string[];
  /** The environment, name and value in turn; empty likewise. */
  readonly env: readonly string[];
}

/** The place and the cause of a failure, as far as they can be told. */
export interface LikelyCause {
  /** The script's absolute path. */
  readonly file: string;
  /** The line of the script, counted from 1; null where none can be named. */
  readonly line: number | null;
  /** What is wrong there, and what would be right. */
  readonly cause: string;
}

/** The error of a script whose failure is told in full. It is made with `--dev` only. */
export class FailedScript extends HttpError {
  /** What is told. */
  readonly account: FailureAccount;

  /**
   * Adds to an error what is to be told.
   *
   * @param error As it would be without `--dev`.
   * @param account What is told.
   */
  constructor(error: HttpError, account: FailureAccount) {
    super(error.status, error.message, { fields: error.fields, close: error.close, cause: error });
    this.name = "FailedScript";
    this.account = account;
  }
}

/** The script that loads a page again when a file or script changes; served with `--dev` only. */
export const RELOAD_SCRIPT = "/.pollux/reload.js";

/** What is told where no script was come to: the reason alone. */
const NO_SCRIPT = { exit: null, ranMs: null, diagnosis: null, stderr: "", command: [], env: [] };

const TEXT = new TextEncoder();

/** What scripts and clients wrote stands on the page: nothing of it is to run or to be taken for another type. */
const GUARDS: readonly Field[] = [
  [
    "Content-Security-Policy",
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  ],
  ["X-Content-Type-Options", "nosniff"],
];

/** The reply to a request whose script has failed, or that is refused. It is never stored. */
export function devReply(error: HttpError, request: ErrorRequest): Reply {
  const account = error instanceof FailedScript ? error.account : { ...NO_SCRIPT, reason: error.message };
  const type = pageType(request.accept);
  const fields = withFields([...error.fields, ["Cache-Control", "no-store"], ...GUARDS], type);
  const body = TEXT.encode(RENDER[type](error.status, account, request.id));
  const reply: Reply = {
    kind: "reply",
    status: error.status,
    fields: [...fields, ["X-Request-Id", request.id]],
    body,
  };
  return error.close ? { ...reply, close: true } : reply;
}

const RENDER: Readonly<Record<PageType, (status: number, account: FailureAccount, id: string) => string>> = {
  "text/html": renderHtml,
  "application/problem+json": renderProblem,
  "application/json": renderProblem,
  "text/plain": renderText,
};

function renderProblem(status: number, account: FailureAccount, id: string): string {
  const { reason, diagnosis, exit, ranMs, stderr, command, env } = account;
  const problem = {
    type: "about:blank",
    title: titleOf(status),
    status,
    detail: explanationOf(status),
    requestId: id,
    reason,
    likelyCause: diagnosis,
    exit,
    ranMs,
    stderr,
    command,
    variables: Object.fromEntries(pairs(env)),
  };
  return JSON.stringify(problem, null, 2) + "\n";
}

function renderText(status: number, account: FailureAccount, id: string): string {
  const parts = [`${status} ${titleOf(status)}`, escapeControls(account.reason)];
  const { diagnosis } = account;
  if (diagnosis !== null) {
    parts.push(`Likely cause: ${escapeControls(place(diagnosis) + diagnosis.cause)}`);
  }
  for (const [name, value] of facts(account, id)) parts.push(`${name}: ${value}`);
  for (const [name, content] of listings(account)) parts.push("", `${name}:`, content);
  return parts.join("\n") + "\n";
}

function renderHtml(status: number, account: FailureAccount, id: string): string {
  const title = escape(titleOf(status));
  const rows = facts(account, id).map(([name, value]) => `<dt>${name}<dd><code>${escape(value)}</code>\n`);
  const blocks = listings(account).map(([name, content]) =>
    `<h2>${name}</h2>\n<pre tabindex="0">${escape(content)}</pre>\n`
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${status} ${title}</title>
<style>
${colours("paper", "code", "ink", "muted", "line", "accent", "accent-soft")}
body { font: 1rem/1.6 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; color: var(--ink);
  padding: clamp(1.5rem, 6vw, 4rem) clamp(1rem, 4vw, 2rem); background: var(--paper) }
h1 { font-size: clamp(1.5rem, 6vw, 2rem); line-height: 1.2; letter-spacing: -.02em; margin: 0 0 .75rem }
h1 span { display: block; font-size: 1rem; letter-spacing: 0; color: var(--accent) }
h2 { font-size: 1rem; margin: 1.75rem 0 .5rem }
p, dd { overflow-wrap: anywhere }
p { margin: 0 0 1.25rem }
.cause { padding: .75rem 1rem; border-left: .25rem solid var(--accent); border-radius: 0 .5rem .5rem 0;
  background: var(--accent-soft) }
.cause strong, .cause code { display: block }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; margin: 0 }
dt, small { color: var(--muted) }
dd { margin: 0 }
code, pre { font: .92em/1.6 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace }
pre { margin: 0 0 1.75rem; padding: .75rem 1rem; overflow: auto; max-height: 60vh; border: 1px solid var(--line);
  border-radius: .5rem; background: var(--code) }
</style>
<main>
<h1><span>${status}</span>${title}</h1>
<p>${escape(escapeControls(account.reason))}</p>
${renderCause(account.diagnosis)}<dl>
${rows.join("")}</dl>
${
    blocks.join("")
  }<p><small>Shown because the server runs with --dev. The page loads itself again when a file changes.</small></p>
</main>
<script src="${RELOAD_SCRIPT}"></script>
</html>
`;
}

function renderCause(diagnosis: LikelyCause | null): string {
  if (diagnosis === null) return "";
  const text = escape(escapeControls(diagnosis.cause));
  return `<p class="cause"><strong>Likely cause</strong> <code>${
    escape(escapeControls(place(diagnosis)))
  }</code>${text}</p>\n`;
}

/** `file:line: `, as editors take it. */
function place({ file, line }: LikelyCause): string {
  return line === null ? "" : `${file}:${line}: `;
}

type Row = readonly [name: string, value: string];

/** What fits a line. */
function facts({ exit, ranMs, command }: FailureAccount, id: string): Row[] {
  const rows: Row[] = [["Request", id]];
  if (ranMs !== null) rows.push(["Exit", describeExit(exit)], ["Ran for", duration(ranMs)]);
  if (command.length > 0) rows.push(["Command", escapeControls(command.map(quote).join(" "))]);
  return rows;
}

/** What needs many lines. */
function listings({ ranMs, stderr, env }: FailureAccount): Row[] {
  const rows: Row[] = [];
  if (ranMs !== null) rows.push(["Standard error", stderr === "" ? "(nothing)" : legible(stderr)]);
  if (env.length > 0) {
    rows.push([
      "Variables",
      pairs(env).map(([name, value]) => escapeControls(`${name}=${value}`)).join("\n"),
    ]);
  }
  return rows;
}

function describeExit(exit: number | string | null): string {
  if (exit === null) return "it has not ended yet";
  return typeof exit === "number" ? `status ${exit}` : exit;
}

function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** A word as a shell takes it. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Its lines and tabs as they are, without what would move a terminal's cursor. */
function legible(text: string): string {
  const lines = text.replace(/\r?\n$/, "").split(/\r?\n/);
  return lines.map((line) => line.split("\t").map(escapeControls).join("\t")).join("\n");
}

function pairs(list: readonly string[]): [name: string, value: string][] {
  return Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i], list[2 * i + 1]]);
}
