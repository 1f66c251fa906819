/**
 * Entity tags (RFC 9110, 8.8.3): comparing them, reading lists of them, and making one for a file.
 *
 * @module
 */

/** Whether two entity tags are equal and both strong (RFC 9110, 8.8.3.2): the content is the same byte for byte. */
export function equalStrong(a: string, b: string): boolean {
  return a === b && !a.startsWith("W/");
}

/** Whether two entity tags have the same opaque part (RFC 9110, 8.8.3.2): the content may stand for the other. */
export function equalWeak(a: string, b: string): boolean {
  return opaque(a) === opaque(b);
}

function opaque(tag: string): string {
  return tag.startsWith("W/") ? tag.slice(2) : tag;
}

/** One entity tag: `[ "W/" ] DQUOTE *etagc DQUOTE`, with obs-text. A tag may hold commas, so a list is not split at them. */
const ENTITY_TAG = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/y;

/** White space and commas between the elements of a list, which may be empty (RFC 9110, 5.6.1.2). */
const SEPARATORS = /[ \t,]*/y;

/**
 * Whether a list of entity tags, as in If-Match and If-None-Match, names a given one.
 *
 * What is malformed matches nothing, nor does what follows it: where one element ends, is then unknown.
 *
 * @param list The field's value, all its lines joined; not `*`.
 * @param tag The current entity tag.
 * @param equal How they are compared: {@linkcode equalStrong} or {@linkcode equalWeak}.
 */
export function listHasTag(list: string, tag: string, equal: (a: string, b: string) => boolean): boolean {
  let at = 0;
  for (;;) {
    SEPARATORS.lastIndex = at;
    SEPARATORS.test(list);
    ENTITY_TAG.lastIndex = SEPARATORS.lastIndex;
    const match = ENTITY_TAG.exec(list);
    if (match === null) return false;
    at = ENTITY_TAG.lastIndex;
    const next = list.charAt(at);
    if (next !== "" && next !== "," && next !== " " && next !== "\t") return false;
    if (equal(match[0], tag)) return true;
  }
}

/** Whether a text is one well-formed entity tag. */
export function isEntityTag(text: string): boolean {
  ENTITY_TAG.lastIndex = 0;
  return ENTITY_TAG.test(text) && ENTITY_TAG.lastIndex === text.length;
}

/** What a file's entity tag is made of. */
export interface FileVersion {
  /** The file's number in its file system; 0 where there is none. */
  readonly inode: number;
  /** Its length in bytes. */
  readonly size: number;
  /** When its content was last said to be modified, in milliseconds since 1970: what `touch` sets. */
  readonly modifiedMs: number;
  /** When it was last changed in any way, in milliseconds since 1970: what nobody can set; `modifiedMs` where unknown. */
  readonly changedMs: number;
}

/** Whether two versions are the same content, as far as the file system can tell. */
export function equalVersions(a: FileVersion, b: FileVersion): boolean {
  return a.inode === b.inode && a.size === b.size && a.modifiedMs === b.modifiedMs &&
    a.changedMs === b.changedMs;
}

/** A file's time is read from a clock that may be this coarse (Linux with 100 ticks a second), with a margin. */
const GRAIN_MS = 15;

/** Times without a fraction of a second suggest a file system that keeps none: FAT counts in steps of two seconds. */
const COARSE_GRAIN_MS = 2000;

/**
 * For how long the file's times cannot tell a further change from the last one: two changes within one tick of the
 * file system's clock leave the same time.
 *
 * @param version The file.
 * @param nowMs The time of day when `version` was read, in milliseconds since 1970.
 * @returns Milliseconds to wait until the version can be trusted; 0: it can now.
 */
export function freshForMs(version: FileVersion, nowMs: number): number {
  const grainMs = version.changedMs % 1000 === 0 ? COARSE_GRAIN_MS : GRAIN_MS;
  const ageMs = nowMs - version.changedMs;
  return ageMs < 0 ? grainMs : Math.max(0, grainMs - ageMs);
}

/**
 * A file's entity tag: it changes when the content does, and is strong as long as that is certain.
 *
 * It counts on the time of the last change, which every write moves and no program can set back, rather than on the
 * modification time alone, which `cp -p`, `touch -r` and `rsync -t` restore. Milliseconds are enough: a version that is
 * trusted is older than the clock's own grain, so that any later change has another time. While the last change is too
 * fresh for that, the tag is weak and differs from the one that follows, so that nobody keeps a wrong content by it.
 *
 * @param version The file.
 * @param isFresh Whether {@linkcode freshForMs} says that the version cannot be trusted yet.
 */
export function fileEtag(version: FileVersion, isFresh: boolean): string {
  const { inode, size, modifiedMs, changedMs } = version;
  const parts = [inode.toString(36), size.toString(36), changedMs.toString(36)];
  if (modifiedMs !== changedMs) parts.push((changedMs - modifiedMs).toString(36));
  return isFresh ? `W/"${parts.join("-")}-f"` : `"${parts.join("-")}"`;
}

/** The weak entity tag of a form made from another by a content coding on the way: `"a-b"` and `gzip` give `W/"a-b.gzip"`. */
export function codedEtag(etag: string, coding: string): string {
  const inner = opaque(etag);
  return `W/${inner.slice(0, -1)}.${coding}"`;
}
