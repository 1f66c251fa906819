/**
 * Files and folders below one folder, found and opened so that nothing else is: no link that leads out of it, no secret,
 * no special file, and what was checked is what is opened.
 *
 * The system offers no way here to open a path relative to an open folder, so somebody who may write below the folder could
 * exchange a part of a path for a link between the check and the opening, and back before another check. That is ruled out
 * by the time of change of the folders on the way, which every exchange moves and nobody can set back: where they are real
 * folders after the opening, and none has changed since before the check, the path was the same all the time. Where one was
 * changed within the last second, which is as fine as that time is known, the path is asked the same question many times
 * in a random order instead; see `#withstands`.
 *
 * The first step is asynchronous, since a cold disk may make it wait. The others look at what it has just brought into
 * memory and are synchronous: they take 5 microseconds where asynchronous ones take 25.
 *
 * @module
 */

import type { FollowSymlinks } from "../config/config.ts";
import { type FileVersion, isSettled } from "../http/etag.ts";
import type { Secrets } from "./secrets.ts";

/** What a path leads to. */
export type Located = LocatedFile | LocatedFolder | Absent;

/** A regular file that may be served. */
export interface LocatedFile {
  /** Says which it is. */
  readonly kind: "file";
  /** The path to open it by: below the folder as it was configured, the rest free of links (unless all are followed). */
  readonly path: string;
  /** The path with all links resolved, those of the folder itself too. */
  readonly realPath: string;
  /** What the system said of it when it was located. */
  readonly info: Deno.FileInfo;
}

/** A folder. */
export interface LocatedFolder {
  /** Says which it is. */
  readonly kind: "folder";
  /** As for a file. */
  readonly path: string;
  /** As for a file. */
  readonly realPath: string;
  /** What the system said of it when it was located. */
  readonly info: Deno.FileInfo;
}

/** Nothing that may be served. */
export interface Absent {
  /** Says which it is. */
  readonly kind: "absent";
  /** 404, or 403 where the system refuses to say. */
  readonly status: 403 | 404;
  /** Why, for the log. */
  readonly reason: string;
}

/** How often it is tried again when a file is replaced between the check and the opening, as every deployment does. */
const ATTEMPTS = 4;

/** How many random questions a path must answer rightly: to guess them all succeeds once in four thousand million times. */
const QUESTIONS = 32;

/** On these systems a path may be spelled in other case than the name on disk, which another route might be for. */
const IGNORES_CASE = Deno.build.os === "darwin" || Deno.build.os === "windows";

const SEPARATOR = Deno.build.os === "windows" ? "\\" : "/";

/** A folder of which files are served. */
export class ServedFolder {
  readonly #dir: string;
  readonly #follow: FollowSymlinks;
  readonly #secrets: Secrets;
  readonly #wallMs: () => number;

  /**
   * A folder; nothing is looked at yet.
   *
   * @param dir The folder's absolute path; it may be a symbolic link itself, which is always followed.
   * @param follow Which symbolic links below it are followed.
   * @param secrets What is never served.
   * @param wallMs The time of day, in milliseconds since 1970.
   */
  constructor(dir: string, follow: FollowSymlinks, secrets: Secrets, wallMs: () => number = Date.now) {
    this.#dir = dir.replace(/[/\\]+$/, "");
    this.#follow = follow;
    this.#secrets = secrets;
    this.#wallMs = wallMs;
  }

  /** The absolute path of what lies below; nothing is looked at. */
  pathOf(below: string): string {
    return `${this.#dir}${below}` || SEPARATOR;
  }

  /**
   * Finds out what a path leads to.
   *
   * @param below The path below the folder: empty for itself, or beginning with a slash and not ending with one.
   */
  async locate(below: string): Promise<Located> {
    const path = this.pathOf(below);
    try {
      return this.#check(path, await Deno.realPath(path));
    } catch (error) {
      return absentFor(error, path);
    }
  }

  /** As `locate`, for a path that was looked at a moment ago: everything needed is in memory, so nothing waits. */
  locateAgain(below: string): Located {
    const path = this.pathOf(below);
    try {
      return this.#check(path, Deno.realPathSync(path));
    } catch (error) {
      return absentFor(error, path);
    }
  }

  #check(path: string, realPath: string): Located {
    const checked = this.#checkedPath(path, realPath);
    if (checked === null) return absent(`${path} leads to ${realPath}, which follow_symlinks does not allow`);
    const info = checked === this.pathOf("") ? Deno.statSync(checked) : this.#look(checked);
    if (info.isDirectory) return { kind: "folder", path: checked, realPath, info };
    if (!info.isFile) return absent(`${path} is a special file`);
    if (this.#secrets.has(realPath, info)) return absent(`${path} is a secret`);
    return { kind: "file", path: checked, realPath, info };
  }

  /** Checked paths hold no links but where all are followed. */
  #look(checked: string): Deno.FileInfo {
    return this.#follow === "always" ? Deno.statSync(checked) : Deno.lstatSync(checked);
  }

  /**
   * The path to open something by, below the folder as configured (all that the loop's read permission covers); null where
   * the links on the way to it are not to be followed.
   */
  #checkedPath(path: string, realPath: string): string | null {
    if (this.#follow === "always") return path;
    const realDir = Deno.realPathSync(this.#dir || SEPARATOR);
    const prefix = realDir.endsWith(SEPARATOR) ? realDir.slice(0, -1) : realDir;
    if (realPath !== realDir && !realPath.startsWith(prefix + SEPARATOR)) return null;
    const checked = `${this.#dir}${realPath.slice(prefix.length)}` || SEPARATOR;
    const asked = SEPARATOR === "/" ? path : path.replaceAll("/", SEPARATOR);
    if (checked === asked || realPath === realDir) return checked;
    if (this.#follow === "never") return null;
    if (IGNORES_CASE && checked.toLowerCase() === asked.toLowerCase()) return null;
    return checked;
  }

  /**
   * Opens a file that was located.
   *
   * @returns The open file and what the system says of it now; what the path leads to instead, if that changed.
   */
  async open(located: LocatedFile, below: string): Promise<OpenFile | Absent | LocatedFolder> {
    let current: Located = located;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (current.kind !== "file") return current;
      const opened = await this.#openChecked(current);
      if (opened.kind !== "moved") return opened;
      current = await this.locate(below);
    }
    return absent(`${located.path} did not stay the same file`);
  }

  async #openChecked(located: LocatedFile): Promise<OpenFile | Absent | { readonly kind: "moved" }> {
    const sinceMs = this.#wallMs();
    let file: Deno.FsFile;
    try {
      // Once more, right before: opening what became a pipe would wait for ever.
      const info = this.#look(located.path);
      if (!info.isFile || !isSameFile(info, located.info)) return { kind: "moved" };
      file = await Deno.open(located.path, { read: true });
    } catch (error) {
      return error instanceof Deno.errors.NotFound ? { kind: "moved" } : absentFor(error, located.path);
    }
    try {
      const info = this.#lookAtOpen(file, located);
      if (info.isFile && isSameFile(info, located.info) && this.#isSure(located, sinceMs)) {
        return { kind: "open", file, info, look: () => this.#lookAtOpen(file, located) };
      }
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
    return { kind: "moved" };
  }

  /**
   * What the system says of an open file. Deno lets a loop ask only below folders that it may read by their real names,
   * which it may not where a link leads out of them, and no longer where the folder itself is a link that was turned: there
   * the path is asked, once more and right after opening.
   */
  #lookAtOpen(file: Deno.FsFile, located: LocatedFile): Deno.FileInfo {
    try {
      return file.statSync();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotCapable)) throw error;
      return this.#look(located.path);
    }
  }

  /** Whether a file that was opened by a path is the one that the path, as it was checked, leads to. */
  #isSure(located: LocatedFile, sinceMs: number): boolean {
    if (this.#follow === "always") return true;
    try {
      return this.#isSteady(located.path, sinceMs) || this.#withstands(located);
    } catch (error) {
      if (absentFor(error, located.path).status === 404) return false;
      throw error;
    }
  }

  /** Whether all folders on the way to a file are real ones and were not changed since a time of day. */
  #isSteady(path: string, sinceMs: number): boolean {
    const dir = this.pathOf("");
    for (
      let end = path.lastIndexOf(SEPARATOR);
      end > dir.length;
      end = path.lastIndexOf(SEPARATOR, end - 1)
    ) {
      const info = Deno.lstatSync(path.slice(0, end));
      if (!info.isDirectory || !isSettled(versionOf(info), sinceMs)) return false;
    }
    return isSettled(versionOf(Deno.statSync(dir)), sinceMs);
  }

  /**
   * Asks a path many times, in a random order, whether it leads inside and whether it leads to the file. Where it is being
   * exchanged for a link to a file outside, one of the two is wrong at any moment, and whoever exchanges it would have to
   * guess each question.
   */
  #withstands(located: LocatedFile): boolean {
    return crypto.getRandomValues(new Uint8Array(QUESTIONS)).every((random) =>
      random % 2 === 0
        ? Deno.realPathSync(located.path) === located.realPath
        : isSameFile(this.#look(located.path), located.info)
    );
  }
}

/** An open file that was checked; whoever gets it closes it. */
export interface OpenFile {
  /** Says which it is. */
  readonly kind: "open";
  /** Open for reading, at its beginning. */
  readonly file: Deno.FsFile;
  /** What the system said of the open file. */
  readonly info: Deno.FileInfo;
  /** What the system says of it later, while it is open. */
  readonly look: () => Deno.FileInfo;
}

/** What a file's entity tag is made of, and by which a change is noticed. */
export function versionOf(info: Deno.FileInfo): FileVersion {
  const modifiedMs = info.mtime?.getTime() ?? 0;
  return {
    inode: info.ino ?? 0,
    size: info.size,
    modifiedMs,
    changedMs: info.ctime?.getTime() ?? modifiedMs,
  };
}

function isSameFile(a: Deno.FileInfo, b: Deno.FileInfo): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

function absent(reason: string, status: 403 | 404 = 404): Absent {
  return { kind: "absent", status, reason };
}

/** System errors that mean that a path names nothing; by code, since Deno has no class for some of them. */
const NOTHING_THERE = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EINVAL", "ENXIO", "ENODEV"]);

/** What an error of the file system means for whoever asked for the path; others are thrown on. */
export function absentFor(error: unknown, path: string): Absent {
  if (!(error instanceof Error)) throw error;
  // A link to where the loop's own permissions end: as if there were nothing.
  if (error instanceof Deno.errors.NotCapable) {
    return absent(`${path} leads out of what is served, which follow_symlinks does not allow`);
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return absent(`${path} may not be read by this user: change its mode or owner`, 403);
  }
  const isNothing = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory ||
    error instanceof Deno.errors.FilesystemLoop ||
    ("code" in error && typeof error.code === "string" && NOTHING_THERE.has(error.code));
  if (!isNothing) throw error;
  return absent(`there is no file ${path}`);
}
