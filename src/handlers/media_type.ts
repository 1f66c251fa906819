/**
 * A file's media type, by its name's extension; never by its content, which would let an upload choose its own.
 *
 * @module
 */

import registered from "./media_types.txt" with { type: "text" };

/** What the library lacks, or knows under a name that browsers do not act upon. */
const ADDITIONS: Readonly<Record<string, string>> = {
  ".bmp": "image/bmp",
  ".bz2": "application/x-bzip2",
  ".cjs": "text/javascript",
  ".cur": "image/vnd.microsoft.icon",
  ".diff": "text/plain",
  ".flac": "audio/flac",
  ".go": "text/plain",
  ".jsonl": "application/x-ndjson",
  ".jsx": "text/plain",
  ".ndjson": "application/x-ndjson",
  ".patch": "text/plain",
  ".py": "text/plain",
  ".rs": "text/plain",
  ".tgz": "application/gzip",
  ".tif": "image/tiff",
  ".tiff": "image/tiff",
  ".tsx": "text/plain",
  ".wasm": "application/wasm",
  ".wat": "text/plain",
  ".webmanifest": "application/manifest+json",
  ".xz": "application/x-xz",
  ".zst": "application/zstd",
};

/** Of a file whose extension says nothing: it is saved rather than shown. */
const UNKNOWN = "application/octet-stream";

/** The types of extensions that were asked for. Unknown ones are not kept: there is no end to them. */
const known = new Map<string, string>();

/**
 * The media type of a file, with `charset=utf-8` for text.
 *
 * @param name The file's name or path.
 */
export function mediaType(name: string): string {
  const extension = extensionOf(name);
  const kept = known.get(extension);
  if (kept !== undefined) return kept;
  const essence = ADDITIONS[extension] ?? registeredType(extension);
  if (essence === undefined) return UNKNOWN;
  const whole = essence.startsWith("text/") || essence === "application/json"
    ? `${essence}; charset=utf-8`
    : essence;
  known.set(extension, whole);
  return whole;
}

/** The type under whose line the extension stands. */
function registeredType(extension: string): string | undefined {
  if (!/^\.[0-9a-z_+-]+$/.test(extension)) return undefined; // nothing that could match more than a word
  const at = registered.indexOf(` ${extension.slice(1)} `);
  if (at === -1) return undefined;
  const line = registered.lastIndexOf("\n", at) + 1;
  return registered.slice(line, registered.indexOf(" ", line));
}

/** The extension of a name, in lower case, with its dot; empty without one, and for `.profile`, which is all name. */
export function extensionOf(name: string): string {
  const base = name.slice(Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\")) + 1);
  const dot = base.lastIndexOf(".");
  return dot <= 0 ? "" : base.slice(dot).toLowerCase();
}

/** Whether content of this type usually becomes much smaller by a content coding; event streams must not wait for one. */
export function isCompressible(type: string): boolean {
  return COMPRESSIBLE.test(type);
}

const COMPRESSIBLE =
  /^(?:text\/|image\/svg\+xml|font\/(?:ttf|otf)|application\/(?:json|javascript|xml|wasm|x-ndjson|vnd\.ms-fontobject|[^;]*\+(?:xml|json)))(?!event-stream)/;
