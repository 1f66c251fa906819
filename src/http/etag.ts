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

/** What the file system says of a file's content, by which a change is noticed. */
export interface FileVersion {
  /** The file's number in its file system; 0 where there is none. */
  readonly inode: number;
  /** Its length in bytes. */
  readonly size: number;
  /** When its content was last said to be modified, in milliseconds since 1970: what `touch`, `cp -p` and `rsync` set. */
  readonly modifiedMs: number;
  /**
   * When it was last changed in any way, in milliseconds since 1970, which nobody can set; it may be known to the second
   * only. `modifiedMs` where the system has no such time.
   */
  readonly changedMs: number;
}

/** Whether two versions are the same content, as far as the file system can tell. */
export function equalVersions(a: FileVersion, b: FileVersion): boolean {
  return a.inode === b.inode && a.size === b.size && a.modifiedMs === b.modifiedMs &&
    a.changedMs === b.changedMs;
}

/** Files are stamped by a clock that may be this coarse (Linux with 100 ticks a second), with a margin. */
const GRAIN_MS = 15;

/** How far apart the times of two changes may be and still look the same. FAT counts in steps of two seconds. */
function grainMs(version: FileVersion): number {
  if (version.changedMs % 1000 !== 0) return GRAIN_MS;
  return version.modifiedMs % 1000 !== 0 ? 1000 + GRAIN_MS : 2000 + GRAIN_MS;
}

/**
 * Whether every change from now on gives another version: the time of the last one is over. Until then a file can change
 * unseen, by two writes within one tick of its clock, or within one second if the modification time is put back.
 *
 * @param version The file.
 * @param nowMs The time of day when `version` was read, in milliseconds since 1970.
 */
export function isSettled(version: FileVersion, nowMs: number): boolean {
  return nowMs >= version.changedMs + grainMs(version);
}

/**
 * How long to wait before {@linkcode versionEtag} may be strong. A modification time that is finer than the time of change,
 * and within it, is that of a plain write: it is enough that its own tick is over.
 *
 * @param version The file.
 * @param nowMs The time of day when `version` was read, in milliseconds since 1970.
 * @returns Milliseconds; 0: it may be strong now.
 */
export function unsureForMs(version: FileVersion, nowMs: number): number {
  const { modifiedMs, changedMs } = version;
  const isPlainWrite = modifiedMs % 1000 !== 0 &&
    Math.floor(modifiedMs / 1000) === Math.floor(changedMs / 1000);
  return Math.max(0, (isPlainWrite ? modifiedMs + GRAIN_MS : changedMs + grainMs(version)) - nowMs);
}

/**
 * The entity tag of a file too large to be read for it: it changes with the version. While that is unsure the tag is weak,
 * and another than the one that follows, so that nobody keeps a wrong content by it for long.
 *
 * @param version The file.
 * @param isUnsure Whether {@linkcode unsureForMs} says to wait.
 */
export function versionEtag(version: FileVersion, isUnsure: boolean): string {
  const { inode, size, modifiedMs, changedMs } = version;
  const text = [inode, size, modifiedMs, changedMs].map((number) => number.toString(36)).join("-");
  return isUnsure ? `W/"${text}-u"` : `"${text}"`;
}

/** Bytes of a digest that go into a tag: 96 bits never meet by accident. */
const DIGEST_BYTES = 12;

/**
 * The entity tag of content that is at hand: always strong, and another as soon as one byte is.
 *
 * @param digest A cryptographic digest of the content, of 12 bytes or more.
 */
export function contentEtag(digest: Uint8Array): string {
  const text = btoa(String.fromCharCode(...digest.subarray(0, DIGEST_BYTES)));
  return `"${text.replaceAll("+", "-").replaceAll("/", "_")}"`;
}

/** The weak entity tag of a form made from another by a content coding on the way: `"a-b"` and `gzip` give `W/"a-b.gzip"`. */
export function codedEtag(etag: string, coding: string): string {
  const inner = opaque(etag);
  return `W/${inner.slice(0, -1)}.${coding}"`;
}
