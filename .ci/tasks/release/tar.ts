/**
 * Archives: tar (POSIX ustar), ar (as Debian packages use it) and gzip, the same bytes for the same input.
 *
 * @module
 */

/** What an archive holds, in the order of the archive. Folders end in a slash and come before what is in them. */
export interface Entry {
  /** Below the root, without a slash in front. */
  readonly path: string;
  /** Permissions. */
  readonly mode: number;
  /** The content; null for a folder. */
  readonly content: Uint8Array | string | null;
  /** Where a symbolic link leads; instead of content. */
  readonly link?: string;
  /** Owner and group, by number; root without. */
  readonly owner?: number;
}

const BLOCK = 512;
const utf8 = new TextEncoder();

/** Bytes one after another. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * Makes a tar archive.
 *
 * @param time Modification time of every entry, in seconds.
 */
export function tar(entries: readonly Entry[], time: number): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    const content = contentOf(entry);
    parts.push(header(entry, content.length, time), content, new Uint8Array(-content.length & (BLOCK - 1)));
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return concat(parts);
}

/** Adds the folders above each entry, once, in front of the first that needs them. */
export function withFolders(entries: readonly Entry[]): Entry[] {
  const known = new Set(entries.map(({ path }) => path));
  return entries.flatMap((entry) => {
    const steps = entry.path.split("/").slice(0, entry.path.endsWith("/") ? -2 : -1);
    const above = steps.map((_, index) => `${steps.slice(0, index + 1).join("/")}/`);
    const missing = above.filter((path) => !known.has(path));
    for (const path of missing) known.add(path);
    return [...missing.map((path): Entry => ({ path, mode: 0o755, content: null })), entry];
  });
}

/**
 * Makes an ar archive.
 *
 * @param time Modification time of every member, in seconds.
 */
export function ar(
  members: readonly (readonly [name: string, content: Uint8Array])[],
  time: number,
): Uint8Array {
  const parts: Uint8Array[] = [utf8.encode("!<arch>\n")];
  for (const [name, content] of members) {
    const fields = [
      name.padEnd(16),
      String(time).padEnd(12),
      "0".padEnd(6),
      "0".padEnd(6),
      "100644".padEnd(8),
    ];
    parts.push(utf8.encode(`${fields.join("")}${String(content.length).padEnd(10)}\`\n`), content);
    if (content.length % 2 === 1) parts.push(utf8.encode("\n"));
  }
  return concat(parts);
}

/** Compresses. */
export async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** SHA-256 in hexadecimal digits. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

function contentOf({ content }: Entry): Uint8Array {
  return content === null ? new Uint8Array() : typeof content === "string" ? utf8.encode(content) : content;
}

function header(entry: Entry, size: number, time: number): Uint8Array {
  const { path, mode, content, link, owner = 0 } = entry;
  const bytes = new Uint8Array(BLOCK);
  const put = (at: number, length: number, text: string) => {
    const field = utf8.encode(text);
    if (field.length > length) throw new RangeError(`${path}: ${text} is too long for a tar header`);
    bytes.set(field, at);
  };
  const octal = (value: number, length: number) => value.toString(8).padStart(length - 1, "0");
  put(0, 100, path);
  put(100, 8, octal(mode, 8));
  put(108, 8, octal(owner, 8));
  put(116, 8, octal(owner, 8));
  put(124, 12, octal(size, 12));
  put(136, 12, octal(time, 12));
  put(148, 8, " ".repeat(8));
  put(156, 1, link !== undefined ? "2" : content === null ? "5" : "0");
  put(157, 100, link ?? "");
  put(257, 8, "ustar\x0000");
  put(148, 8, `${octal(bytes.reduce((sum, byte) => sum + byte, 0), 7)}\0 `);
  return bytes;
}
