/**
 * Every key of pollux.yaml, as a list of blocks from the one schema: what the reference and the manual are written from.
 *
 * @module
 */

import {
  AUTH,
  CACHE,
  CGI,
  CGI_ROUTE,
  FASTCGI,
  FILES,
  LIMITS,
  LISTEN,
  LOG,
  MODIFIERS,
  RATE,
  REDIRECT,
  RESPOND,
  SCGI,
  SCRIPT,
  SCRIPT_LIMITS,
  SITE,
  STATUS,
  TIMEOUTS,
  TLS,
  TOP,
} from "../../src/config/schema.ts";
import { type Keys, shapeOf, type Type } from "../../src/config/types.ts";
import * as v from "valibot";

/** A key, told. */
export interface Entry {
  readonly name: string;
  /** What it takes: `a duration or off`. */
  readonly takes: string;
  /** As one would write it; null: none. */
  readonly fallback: string | null;
  readonly isRequired: boolean;
  readonly text: string;
}

/** A block of keys, told. */
export interface Section {
  readonly title: string;
  /** What the block is, in a sentence or two. */
  readonly text: string;
  readonly entries: readonly Entry[];
}

const SITE_KEYS = Object.keys(SITE);

const BLOCKS: readonly (readonly [title: string, text: string, keys: Keys])[] = [
  [
    "top level",
    "What holds for the whole server. With a single site its keys stand here too.",
    without(TOP, SITE_KEYS.filter((name) => name !== "listen" && name !== "cgi")),
  ],
  [
    "listen",
    "An address is a text, or a block with these keys. Wherever a list is wanted, one value may stand alone.",
    LISTEN,
  ],
  ["listen: tls", "The certificate of an address.", TLS],
  ["log", "Logs are opened again on SIGUSR1.", LOG],
  ["limits", "Over all loops together.", LIMITS],
  ["timeouts", "A wait without an end is none: every one has its bound.", TIMEOUTS],
  ["cgi", "Defaults of every route that runs scripts; a site and a route may set each of them again.", CGI],
  ["sites", "A list of these, or the keys of a single one at the top level.", SITE],
  [
    "routes",
    "A route has a path, exactly one of the handlers `files`, `cgi`, `fastcgi`, `scgi`, `redirect`, `respond` and " +
    "`status`, that handler's keys, and any of these.",
    MODIFIERS,
  ],
  ["routes: files", "A folder of files. With `scripts` it has the keys of `cgi` and of a script too.", FILES],
  ["routes: cgi", "A folder of scripts or a program, with the keys of `cgi` and of a script.", CGI_ROUTE],
  ["routes: scripts", "What a route that runs scripts may have beside the keys of `cgi`.", SCRIPT],
  ["routes: scripts: limits", "What one script may use up; `prlimit` sets it.", SCRIPT_LIMITS],
  ["routes: fastcgi", "A FastCGI application.", FASTCGI],
  ["routes: scgi", "An SCGI application.", SCGI],
  ["routes: redirect", "An answer that leads elsewhere.", REDIRECT],
  ["routes: respond", "An answer that stands in the configuration.", RESPOND],
  ["routes: status", "The status page.", STATUS],
  ["routes: auth", "Basic authentication.", AUTH],
  ["routes: rate", "A bound on requests, for each client address.", RATE],
  ["routes: cache", "Answers of scripts that are kept.", CACHE],
];

/** Every block, in the order in which a person reads them. */
export function sections(): Section[] {
  return BLOCKS.map(([title, text, keys]) => ({
    title,
    text,
    entries: Object.entries(keys).map(([name, { type, fallback, text, isRequired }]) => ({
      name,
      takes: takes(type),
      fallback: fallback === undefined || shapeOf(type).kind === "block" ? null : written(fallback),
      isRequired: isRequired === true,
      text,
    })),
  }));
}

/** docs/reference.md. */
export function referencePage(): string {
  const lines = [
    "# Reference of pollux.yaml",
    "",
    "<!-- Written by `deno task generate` from src/config/schema.ts. -->",
    "",
    "YAML 1.2. Relative paths count from the file's own folder. A duration is `500ms`, `30s`, `5m` or `1h`; a size",
    "is `512`, `64KiB`, `1MiB` or `2GiB`; `off` and `false` mean the same. An unknown key is a fault. The same as a",
    "JSON Schema, for editors: [pollux.schema.json](pollux.schema.json), or `pollux schema`.",
  ];
  for (const { title, text, entries } of sections()) {
    lines.push("", `## ${title}`, "", text, "", "| key | takes | default | |", "| --- | --- | --- | --- |");
    for (const entry of entries) {
      const fallback = entry.isRequired ? "required" : entry.fallback === null ? "" : `\`${entry.fallback}\``;
      lines.push(`| \`${entry.name}\` | ${cell(entry.takes)} | ${fallback} | ${cell(entry.text)} |`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function without(keys: Keys, names: readonly string[]): Keys {
  return Object.fromEntries(Object.entries(keys).filter(([name]) => !names.includes(name)));
}

/** What a key takes; a block by what it is, for its keys have a section of their own. */
function takes(type: Type<unknown>): string {
  const shape = shapeOf(type);
  return shape.kind === "block" ? "a block" : v.getTitle(type) ?? "a value";
}

function written(fallback: string | readonly string[] | Readonly<Record<string, string>>): string {
  if (typeof fallback === "string") return fallback;
  if (Array.isArray(fallback)) return `[${fallback.join(", ")}]`;
  const entries = Object.entries(fallback).map(([name, value]) => `${name}: ${value}`);
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("*", "\\*").replaceAll("<", "&lt;");
}
