/**
 * A folder's listing, where `list` asks for one: a page for people and a JSON array for programs, by Accept.
 *
 * @module
 */

import { escape } from "@std/html";
import { preferredType } from "../http/accept.ts";
import type { Field } from "../http/fields.ts";
import { isTemporaryName } from "./file_path.ts";
import type { Reply } from "./handler.ts";
import { encodePath } from "./location.ts";
import type { ServedFolder } from "./open_file.ts";
import { colours } from "./palette.ts";

/** A file or folder in a listing. */
export interface ListingEntry {
  /** Its name, decoded. */
  readonly name: string;
  /** Whether it is a folder. */
  readonly isFolder: boolean;
  /** Bytes; 0 for a folder. */
  readonly size: number;
  /** When it was last modified, in milliseconds since 1970; null where the system does not say. */
  readonly modifiedMs: number | null;
}

/** So many entries are looked at together: a large folder must not fill all threads that read the disk. */
const TOGETHER = 32;

/**
 * What a folder holds that its route would serve. Left out are hidden names unless they are served, names that are no
 * UTF-8 (no URL leads to them), links that are not followed, special files and secrets.
 *
 * @param folder The folder of the route.
 * @param below The path of the folder to list below it, which `folder.locate` found; without a slash at its end.
 * @param hidden Whether names that begin with a dot are served.
 */
export async function readListing(
  folder: ServedFolder,
  below: string,
  hidden: boolean,
): Promise<ListingEntry[]> {
  const names: string[] = [];
  const located = await folder.locate(below);
  if (located.kind !== "folder") return [];
  for await (const { name } of Deno.readDir(located.path)) {
    if (!name.startsWith(".") || (hidden && !isTemporaryName(name))) names.push(name);
  }
  const entries: ListingEntry[] = [];
  for (let at = 0; at < names.length; at += TOGETHER) {
    const batch = names.slice(at, at + TOGETHER).map((name) => readEntry(folder, below, name));
    for (const entry of await Promise.all(batch)) {
      if (entry !== null) entries.push(entry);
    }
  }
  return entries;
}

/** A name that is no UTF-8 was read with replacement characters: such a file is not found, so it is left out here. */
async function readEntry(folder: ServedFolder, below: string, name: string): Promise<ListingEntry | null> {
  const located = await folder.locate(`${below}/${name}`);
  if (located.kind === "absent") return null;
  const isFolder = located.kind === "folder";
  return {
    name,
    isFolder,
    size: isFolder ? 0 : located.info.size,
    modifiedMs: located.info.mtime?.getTime() ?? null,
  };
}

/** By what a listing is sorted. */
export type SortKey = "name" | "size" | "time";

/** How a listing is sorted. */
export interface Sorting {
  /** By what. */
  readonly key: SortKey;
  /** Largest, latest or last first. */
  readonly isDescending: boolean;
}

/** Reads `?sort=name|size|time&order=asc|desc`; what is missing or unknown: by name, ascending. */
export function readSorting(query: string | null): Sorting {
  const parameters = new URLSearchParams(query ?? "");
  const key = parameters.get("sort");
  return {
    key: key === "size" || key === "time" ? key : "name",
    isDescending: parameters.get("order") === "desc",
  };
}

let collator: Intl.Collator | null = null;

/** Makes the collator with the first listing: it costs a loop 17 ms, which start-up does without. */
function compareNames(a: string, b: string): number {
  return (collator ??= new Intl.Collator("en", { numeric: true })).compare(a, b);
}

/** Sorts entries: folders before files in any order, equal ones by name. */
export function sortEntries(entries: readonly ListingEntry[], sorting: Sorting): ListingEntry[] {
  const direction = sorting.isDescending ? -1 : 1;
  return entries.toSorted((a, b) => {
    if (a.isFolder !== b.isFolder) return a.isFolder ? -1 : 1;
    const order = compareBy(sorting.key, a, b);
    if (order !== 0) return direction * order;
    const byName = compareNames(a.name, b.name) || (a.name < b.name ? -1 : 1);
    return sorting.key === "name" ? direction * byName : byName;
  });
}

function compareBy(key: SortKey, a: ListingEntry, b: ListingEntry): number {
  switch (key) {
    case "name":
      return compareNames(a.name, b.name);
    case "size":
      return a.size - b.size;
    case "time":
      return (a.modifiedMs ?? 0) - (b.modifiedMs ?? 0);
  }
}

/** What a listing's form depends on. */
export interface ListingRequest {
  /** The folder's decoded path, with a slash at its end. */
  readonly path: string;
  /** The query as sent, for {@linkcode readSorting}; null without. */
  readonly query: string | null;
  /** The value of Accept, all its lines joined; null without. */
  readonly accept: string | null;
  /** The route's `cache_control`; null: listings are asked for anew each time. */
  readonly cacheControl: string | null;
}

const TEXT = new TextEncoder();

/** The reply with a listing. */
export function listingReply(entries: readonly ListingEntry[], request: ListingRequest): Reply {
  const sorting = readSorting(request.query);
  const sorted = sortEntries(entries, sorting);
  const isJson = preferredType(request.accept, ["text/html", "application/json"]) === "application/json";
  const fields: Field[] = [
    ["Content-Type", isJson ? "application/json" : "text/html; charset=utf-8"],
    ["Vary", "Accept"],
    ["Cache-Control", request.cacheControl ?? "no-cache"],
  ];
  const text = isJson ? renderJson(sorted) : renderHtml(sorted, request.path, sorting);
  return { kind: "reply", status: 200, fields, body: TEXT.encode(text) };
}

/** The names that nginx uses for the same. */
function renderJson(entries: readonly ListingEntry[]): string {
  return JSON.stringify(
    entries.map(({ name, isFolder, size, modifiedMs }) => ({
      name,
      type: isFolder ? "directory" : "file",
      ...(modifiedMs === null ? {} : { mtime: new Date(modifiedMs).toISOString() }),
      ...(isFolder ? {} : { size }),
    })),
    null,
    1,
  ) + "\n";
}

const COLUMNS: readonly { readonly key: SortKey; readonly title: string }[] = [
  { key: "name", title: "Name" },
  { key: "size", title: "Size" },
  { key: "time", title: "Modified" },
];

function renderHtml(entries: readonly ListingEntry[], path: string, sorting: Sorting): string {
  const heads = COLUMNS.map(({ key, title }) => {
    const isSorted = key === sorting.key;
    const order = isSorted && !sorting.isDescending ? "desc" : "asc";
    const sort = isSorted ? ` aria-sort="${sorting.isDescending ? "descending" : "ascending"}"` : "";
    return `<th role="columnheader" scope="col"${sort}><a href="?sort=${key}&amp;order=${order}">${title}</a></th>`;
  }).join("");
  const parent = path === "/"
    ? ""
    : `<tr role="row"><td role="cell" colspan="3"><a href="../">../</a></td></tr>\n`;
  const title = escape(`Index of ${path}`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>
${colours("paper", "surface", "ink", "muted", "line", "accent", "accent-soft")}
* { box-sizing: border-box }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; color: var(--ink);
  padding: clamp(1.25rem, 4vw, 2.5rem) clamp(1rem, 4vw, 2rem); background: var(--paper) }
h1 { font-size: 1.25rem; margin: 0 0 1rem; overflow-wrap: anywhere }
h1 span { color: var(--muted); font-weight: 450 }
h1 a { text-decoration: underline; text-decoration-thickness: 1px; text-underline-offset: .2em }
table { border-collapse: separate; border-spacing: 0; width: 100%; border: 1px solid var(--line);
  border-radius: .75rem; background: var(--surface) }
caption { caption-side: bottom; padding: .6rem 1rem; text-align: left; color: var(--muted); font-size: .9rem }
th, td { text-align: left; padding: .45rem 1rem }
td { border-top: 1px solid var(--line) }
td:first-child { overflow-wrap: anywhere }
th { font-weight: 500; font-size: .9rem }
th:nth-child(2), td:nth-child(2) { text-align: right; white-space: nowrap }
th:nth-child(3), td:nth-child(3) { white-space: nowrap }
td + td { color: var(--muted); font-size: .9rem; font-variant-numeric: tabular-nums }
a { color: var(--accent); text-decoration: none }
a:hover { text-decoration: underline }
a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: .2rem }
th a { color: var(--muted) }
th[aria-sort] a { color: var(--ink); font-weight: 600 }
th[aria-sort=ascending] a::after { content: " ↑" / "" }
th[aria-sort=descending] a::after { content: " ↓" / "" }
tbody tr:hover td { background: var(--accent-soft) }
tr:last-child td { border-radius: 0 0 .75rem .75rem }
tr:last-child td:not(:only-child) { border-radius: 0 }
@media (max-width: 36rem) {
  table, thead, tbody, caption { display: block }
  tr { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; padding: .45rem 1rem }
  tbody tr { border-top: 1px solid var(--line) }
  th, td { padding: 0; border: 0 }
  td:first-child { flex: 1 0 100% }
  tbody tr:hover td { background: none }
}
</style>
</head>
<body>
<main>
<h1><span>Index of</span> ${renderCrumbs(path)}</h1>
<table role="table">
<caption>${summary(entries)}</caption>
<thead role="rowgroup"><tr role="row">${heads}</tr></thead>
<tbody role="rowgroup">
${parent}${entries.map(renderRow).join("")}</tbody>
</table>
</main>
</body>
</html>
`;
}

/** The path, each folder above a link to it, as a way up from here: no link leads anywhere but to a folder of this server. */
function renderCrumbs(path: string): string {
  const names = path.split("/").slice(1, -1);
  const above = ["", ...names.slice(0, -1)].map((name, index) =>
    `<a href="${"../".repeat(names.length - index)}"><bdi>${escape(name)}</bdi>/</a>`
  );
  return names.length === 0 ? "/" : `${above.join("")}<bdi>${escape(names[names.length - 1])}</bdi>/`;
}

function summary(entries: readonly ListingEntry[]): string {
  const folders = entries.filter(({ isFolder }) => isFolder).length;
  const files = entries.length - folders;
  const bytes = entries.reduce((sum, { size }) => sum + size, 0);
  if (entries.length === 0) return "Nothing is here.";
  const counted = (count: number, noun: string) =>
    count === 0 ? [] : [`${count} ${noun}${count === 1 ? "" : "s"}`];
  const size = files === 0 ? [] : [formatSize(bytes)];
  return [...counted(folders, "folder"), ...counted(files, "file"), ...size].join(", ");
}

/** `./` in front: a name like `javascript:x` or `//host` must stay a path. */
function renderRow({ name, isFolder, size, modifiedMs }: ListingEntry): string {
  const slash = isFolder ? "/" : "";
  const href = escape(`./${encodePath(name)}${slash}`);
  const sizeCell = isFolder ? "" : `<span title="${size} bytes">${formatSize(size)}</span>`;
  return `<tr role="row"><td role="cell"><a href="${href}"><bdi>${escape(name)}</bdi>${slash}</a></td>` +
    `<td role="cell">${sizeCell}</td><td role="cell">${formatTime(modifiedMs)}</td></tr>\n`;
}

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB"];

/** A length for people: `17 B`, `1.4 KiB`, `230 MiB`. */
export function formatSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes / 1024;
  let unit = 0;
  // What would be rounded to 1024 is one of the next unit.
  while (value >= 1023.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

function formatTime(modifiedMs: number | null): string {
  if (modifiedMs === null) return "";
  const iso = new Date(modifiedMs).toISOString();
  return `<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC</time>`;
}
