/**
 * Files made ready to be sent: located, small ones read into memory, with their precompressed copies.
 *
 * @module
 */

import {
  contentEtag,
  equalVersions,
  type FileVersion,
  isSettled,
  unsureForMs,
  versionEtag,
} from "../http/etag.ts";
import { isWorthCompressing } from "./compress.ts";
import { mediaType } from "./media_type.ts";
import type { Absent, LocatedFile, LocatedFolder, ServedFolder } from "./open_file.ts";
import { versionOf } from "./open_file.ts";
import { type Coding, Representation } from "./representation.ts";

/** Files up to this length are kept in memory: pages, scripts, styles and most pictures. */
export const KEPT_FILE_BYTES = 256 * 1024;

/** A large file that was changed just now is waited for up to this long, so that its entity tag can be strong. */
const PAUSE_MAX_MS = 20;

/** How often a file is read again that changes while it is read. */
const ATTEMPTS = 3;

/** Content codings of precompressed copies, the smallest result first. */
const PRECOMPRESSED = [{ coding: "br", extension: ".br" }, { coding: "gzip", extension: ".gz" }] as const;

/** A copy and its file are put in place together, in any order; their times then differ by this much at most. */
const COPY_AGE_MS = 2000;

/** Time, as loading needs it. */
export interface LoadClock {
  /** The time of day, in milliseconds since 1970. */
  readonly wallMs: () => number;
  /** Waits for a few milliseconds. */
  readonly pause: (ms: number) => Promise<void>;
}

/** What is wanted of a file. */
export interface LoadOptions {
  /** Its path below the folder. */
  readonly below: string;
  /** What `folder.locate` said of it. */
  readonly located: LocatedFile;
  /** Whether `FILE.br` and `FILE.gz` are looked for. */
  readonly precompressed: boolean;
  /** Whether copies may be left to make on the way, where that is worth it: the answer then depends on Accept-Encoding too. */
  readonly compress: boolean;
  /** Whether a copy must not be sent, though it is there. */
  readonly isRefused: (copy: LocatedFile) => boolean;
  /** The value of Cache-Control; null: without. */
  readonly cacheControl: string | null;
  /** What was loaded before, of which what has not changed is not read again. */
  readonly known: LoadedFile | null;
}

/** A file in all its forms. */
export interface LoadedFile {
  /** Says which it is. */
  readonly kind: "file";
  /** As it is. */
  readonly plain: Representation;
  /** Coded, the smallest first. */
  readonly coded: readonly Representation[];
}

/** Makes a file ready that was located. */
export async function loadFile(
  folder: ServedFolder,
  options: LoadOptions,
  clock: LoadClock,
): Promise<LoadedFile | Absent> {
  const { below, located, known, cacheControl } = options;
  const copies = await locateCopies(folder, options);
  const type = mediaType(below);
  const isNegotiated = copies.length > 0 || (options.compress && isWorthCompressing(type, located.info.size));
  const common = { type, cacheControl, isNegotiated };
  const plain = await represent(folder, { ...common, coding: null, below, located }, known?.plain, clock);
  if (!(plain instanceof Representation)) return plain;
  const coded: Representation[] = [];
  for (const copy of copies) {
    const before = known?.coded.find((form) => form.facts.coding === copy.coding);
    const form = await represent(folder, { ...common, ...copy }, before, clock);
    if (form instanceof Representation) coded.push(form);
  }
  return { kind: "file", plain, coded };
}

/** A precompressed copy of a file. */
interface Copy {
  readonly coding: Coding;
  readonly below: string;
  readonly located: LocatedFile;
}

/** A copy that is older than its file was forgotten by whoever changed the file: it is not served. */
async function locateCopies(folder: ServedFolder, options: LoadOptions): Promise<Copy[]> {
  const copies: Copy[] = [];
  if (!options.precompressed || options.located.info.size === 0) return copies;
  const oldestMs = versionOf(options.located.info).modifiedMs - COPY_AGE_MS;
  for (const { coding, extension } of PRECOMPRESSED) {
    const below = options.below + extension;
    const located = await folder.locate(below);
    if (located.kind !== "file" || options.isRefused(located)) continue;
    if (versionOf(located.info).modifiedMs >= oldestMs) copies.push({ coding, below, located });
  }
  return copies;
}

/** One form that is to be made ready. */
interface Wanted extends Omit<Copy, "coding"> {
  readonly coding: Coding | null;
  readonly type: string;
  readonly cacheControl: string | null;
  readonly isNegotiated: boolean;
}

async function represent(
  folder: ServedFolder,
  wanted: Wanted,
  known: Representation | undefined,
  clock: LoadClock,
): Promise<Representation | Absent> {
  const { below, coding, type, cacheControl, isNegotiated } = wanted;
  let { located } = wanted;
  for (let attempt = 1;; attempt++) {
    const version = versionOf(located.info);
    const { realPath } = located;
    if (known !== undefined && isUnchanged(known, located) && known.facts.isNegotiated === isNegotiated) {
      return known;
    }
    const nowMs = clock.wallMs();
    const common = {
      coding,
      below,
      realPath,
      version,
      type,
      cacheControl,
      isNegotiated,
      wallMs: clock.wallMs,
    };
    if (version.size > KEPT_FILE_BYTES) {
      const unsureMs = unsureForMs(version, nowMs);
      if (unsureMs === 0 || unsureMs > PAUSE_MAX_MS || attempt > 1) {
        const etag = versionEtag(version, unsureMs > 0);
        const settled = isSettled(version, nowMs);
        return new Representation({ ...common, isSettled: settled, length: version.size, bytes: null, etag });
      }
      await clock.pause(unsureMs);
    } else {
      const read = await readWhole(folder, located, below);
      if (read.kind === "absent") return read;
      const isWhole = read.bytes.length === version.size && equalVersions(read.version, version);
      // What changes faster than it can be read is sent as it was read: once, and no more than there was at first.
      if (isWhole || (attempt >= ATTEMPTS && read.openedSize <= KEPT_FILE_BYTES)) {
        const bytes = read.bytes.subarray(0, Math.min(read.bytes.length, read.openedSize));
        const etag = contentEtag(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
        const settled = isWhole && isSettled(version, nowMs);
        return new Representation({ ...common, isSettled: settled, length: bytes.length, bytes, etag });
      }
    }
    const again = await folder.locate(below);
    if (again.kind !== "file") return again.kind === "absent" ? again : becameFolder(again);
    located = again;
  }
}

/** Whether a form is certainly what its file holds now. */
export function isUnchanged(form: Representation, located: LocatedFile): boolean {
  const { isSettled, realPath, version } = form.facts;
  return isSettled && realPath === located.realPath && equalVersions(version, versionOf(located.info));
}

/** A small file's bytes, its length when it was opened, and its version after they were read. */
interface ReadWhole {
  readonly kind: "read";
  readonly openedSize: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly version: FileVersion;
}

async function readWhole(
  folder: ServedFolder,
  located: LocatedFile,
  below: string,
): Promise<ReadWhole | Absent> {
  const opened = await folder.open(located, below);
  if (opened.kind !== "open") return opened.kind === "absent" ? opened : becameFolder(opened);
  const { file, info } = opened;
  try {
    // One byte more than there should be, to notice that it grew; but no more than is kept of any.
    const buffer = new Uint8Array(Math.min(info.size, KEPT_FILE_BYTES) + 1);
    let length = 0;
    while (length < buffer.length) {
      const count = await file.read(buffer.subarray(length));
      if (count === null) break;
      length += count;
    }
    return {
      kind: "read",
      openedSize: info.size,
      bytes: buffer.subarray(0, length),
      version: versionOf(opened.look()),
    };
  } finally {
    file.close();
  }
}

/** What a file that became a folder is to whoever wanted the file. */
export function becameFolder(folder: LocatedFolder): Absent {
  return { kind: "absent", status: 404, reason: `${folder.path} became a folder` };
}
