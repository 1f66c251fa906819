/**
 * What a client sees of an error: a small page in HTML, `application/problem+json` (RFC 9457) or plain text, by Accept.
 * It names the status and the request's id, and nothing of the server: the reason stands in the log under that id.
 *
 * @module
 */

import { escape } from "@std/html";
import { preferredType } from "../http/accept.ts";
import type { Field } from "../http/fields.ts";
import { PreparedResponse } from "../http/prepared_response.ts";
import { prepareFields } from "../http/response.ts";
import { reasonPhrase } from "../http/status.ts";
import { Slab } from "../slab.ts";
import type { Reply } from "./handler.ts";
import { colours } from "./palette.ts";
import { PreparedReply } from "./prepared.ts";

/** What of an error goes to the client; an HttpError is one. */
export interface RefusedWith {
  /** 400 to 599. */
  readonly status: number;
  /** Fields that the reply must carry. */
  readonly fields: readonly Field[];
  /** Whether the connection closes after it. */
  readonly close?: boolean;
}

/** What of a request an error page depends on. */
export interface ErrorRequest {
  /** The value of Accept, all its lines joined; null without, and where the head could not be read. */
  readonly accept: string | null;
  /** The request's id, as in the log. */
  readonly id: string;
}

/** What a page is asked for as. */
export type PageType = "text/html" | "application/problem+json" | "application/json" | "text/plain";

const TYPES: readonly PageType[] = [
  "text/html",
  "application/problem+json",
  "application/json",
  "text/plain",
];

const EXPLANATIONS: Readonly<Record<number, string>> = {
  400: "The server could not understand the request.",
  401: "You need to log in to see this.",
  403: "You may not see this.",
  404: "There is nothing at this address.",
  405: "This address does not take that kind of request.",
  406: "This is not available in a form that your program accepts.",
  408: "The request took too long to arrive.",
  409: "The request does not fit what is there now.",
  410: "What was at this address is gone.",
  411: "The request does not say how long its content is.",
  412: "What is there now is not what the request expects.",
  413: "The request is larger than the server allows.",
  414: "The address is longer than the server allows.",
  415: "The server does not take this kind of content.",
  416: "The part that was asked for does not exist.",
  417: "The server cannot do what the request expects of it.",
  421: "The request went to the wrong server.",
  429: "There were too many requests. Please wait a moment.",
  431: "The request's header is larger than the server allows.",
  500: "Something went wrong on the server.",
  501: "The server does not know this kind of request.",
  502: "The program behind this address gave no valid answer.",
  503: "The server is busy. Please try again in a moment.",
  504: "The program behind this address took too long to answer.",
  505: "The server does not speak this version of HTTP.",
  507: "There is no room left on the server.",
};

const TEXT = new TextEncoder();
const ID_FIELD = "X-Request-Id";
/** An id that stands in any page as it is: those that the server makes do. */
const IS_PLAIN = /^[\w-]+$/;

/** The reply to a request that is refused or failed. */
export function errorReply(error: RefusedWith, request: ErrorRequest): Reply {
  const { status, close } = error;
  const { id } = request;
  const type = pageType(request.accept);
  if (error.fields.length === 0 && close !== true && IS_PLAIN.test(id)) return preparedPage(status, type, id);
  const fields = error.fields.length === 0 ? PLAIN_FIELDS[type] : withFields(error.fields, type);
  const moreFields: Field[] = [[ID_FIELD, id]];
  const body = TEXT.encode(RENDER[type](status, id));
  const reply: Reply = { kind: "reply", status, fields, moreFields, body };
  return close === true ? { ...reply, close } : reply;
}

/** The fields of a page for an error with fields of its own. */
export function withFields(required: readonly Field[], type: PageType): readonly Field[] {
  const fields: Field[] = [];
  let vary = "Accept";
  let hasCacheControl = false;
  for (const field of required) {
    const name = field[0].toLowerCase();
    if (name === "vary") {
      vary = `${field[1]}, ${vary}`;
      continue;
    }
    hasCacheControl ||= name === "cache-control";
    fields.push(field);
  }
  fields.push(["Content-Type", CONTENT_TYPES[type]], ["Vary", vary]);
  // A page with a request's id is that request's alone; and an error that is mended should be seen to be.
  if (!hasCacheControl) fields.push(["Cache-Control", "no-store"]);
  return fields;
}

/** Clients send few different Accept fields, and an error must not cost more than an answer. */
const chosenTypes = new Map<string, PageType>();
const CHOSEN_TYPES_MAX = 64;

/** What a client that sends this Accept gets. */
export function pageType(accept: string | null): PageType {
  if (accept === null || accept === "*/*") return TYPES[0];
  const kept = chosenTypes.get(accept);
  if (kept !== undefined) return kept;
  // Who takes none of them (an <img>, say) gets the smallest rather than a 406 in place of the true status.
  const chosen = preferredType(accept, TYPES) ?? "text/plain";
  if (chosenTypes.size >= CHOSEN_TYPES_MAX) chosenTypes.clear();
  chosenTypes.set(accept, chosen);
  return chosen;
}

const CONTENT_TYPES: Readonly<Record<PageType, string>> = {
  "text/html": "text/html; charset=utf-8",
  "application/problem+json": "application/problem+json",
  "application/json": "application/problem+json",
  "text/plain": "text/plain; charset=utf-8",
};

/** The fields of all other pages, ready to be sent. */
const PLAIN_FIELDS: Readonly<Record<PageType, readonly Field[]>> = {
  "text/html": prepareFields(withFields([], "text/html")),
  "application/problem+json": prepareFields(withFields([], "application/problem+json")),
  "application/json": prepareFields(withFields([], "application/json")),
  "text/plain": prepareFields(withFields([], "text/plain")),
};

const RENDER: Readonly<Record<PageType, (status: number, id: string) => string>> = {
  "text/html": renderHtml,
  "application/problem+json": renderProblem,
  "application/json": renderProblem,
  "text/plain": (status, id) => `${status} ${titleOf(status)}\n${explanationOf(status)}\nRequest ${id}\n`,
};

/** A whole answer but for the id of its request. */
interface Template {
  readonly response: PreparedResponse;
  /** For ids of this length, */
  readonly idChars: number;
  /** which stand here. */
  readonly idPlaces: readonly number[];
}

/** By type and status, of which there are few, as the lengths of ids are. */
const templates: Readonly<Record<PageType, (Template | undefined)[]>> = {
  "text/html": [],
  "application/problem+json": [],
  "application/json": [],
  "text/plain": [],
};
const slab = new Slab();
/** No page has it but in place of an id, nor has any head. */
const NOT_IN_PAGES = "~";

/** A page without fields but those of all pages, with its request's id, which needs no escaping. */
function preparedPage(status: number, type: PageType, id: string): PreparedReply {
  let template = templates[type][status];
  if (template?.idChars !== id.length) {
    templates[type][status] = template = makeTemplate(status, type, id.length);
  }
  const { response, idPlaces } = template;
  const copy = response.copyTo(slab.cut(response.length), id, idPlaces);
  return new PreparedReply(status, PLAIN_FIELDS[type], copy, true, [[ID_FIELD, id]]);
}

function makeTemplate(status: number, type: PageType, idChars: number): Template {
  const anyId = NOT_IN_PAGES.repeat(idChars);
  const fields: readonly Field[] = [...PLAIN_FIELDS[type], [ID_FIELD, anyId]];
  const response = PreparedResponse.of(status, fields, TEXT.encode(RENDER[type](status, anyId)));
  return { response, idChars, idPlaces: response.placesOf(anyId) };
}

/** The status in words. */
export function titleOf(status: number): string {
  return reasonPhrase(status) || "Error";
}

/** What the status means to a person who did nothing wrong. */
export function explanationOf(status: number): string {
  return EXPLANATIONS[status] ?? (status < 500 ? EXPLANATIONS[400] : EXPLANATIONS[500]);
}

function renderProblem(status: number, id: string): string {
  const title = titleOf(status);
  return JSON.stringify({
    type: "about:blank",
    title,
    status,
    detail: explanationOf(status),
    requestId: id,
  }) + "\n";
}

function renderHtml(status: number, id: string): string {
  const title = escape(titleOf(status));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${status} ${title}</title>
<style>
${colours("paper", "ink", "muted", "accent")}
body { font: 1rem/1.6 system-ui, sans-serif; max-width: 36rem; margin: 16vh auto 0; padding: 0 1.5rem;
  color: var(--ink); background: var(--paper) }
h1 { font-size: clamp(1.5rem, 6vw, 2rem); line-height: 1.2; letter-spacing: -.02em; margin: 0 0 .75rem }
h1 span { display: block; font-size: 1rem; letter-spacing: 0; color: var(--accent) }
p { margin: 0 0 1.5rem }
small { color: var(--muted) }
code { font-size: .95em; overflow-wrap: anywhere }
</style>
</head>
<body>
<main>
<h1><span>${status}</span> ${title}</h1>
<p>${escape(explanationOf(status))}</p>
<p><small>Request <code>${escape(id)}</code></small></p>
</main>
</body>
</html>
`;
}
