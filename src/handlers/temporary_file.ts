/**
 * A file on its way into a folder: written under a hidden name beside its place, then put there in one step, so that
 * nobody ever sees half of it.
 *
 * A step by which a file appears or is replaced is synchronous: a call or two of the system with nothing in between.
 *
 * @module
 */

import { HttpError } from "../http/error.ts";
import { isTemporaryName, TEMPORARY_PREFIX } from "./file_path.ts";
import type { LocatedFolder } from "./open_file.ts";

/** Nobody writes for so long without a pause, so an older one was left by a server that was killed. */
const STALE_MS = 24 * 60 * 60 * 1000;

/** Readable by all and executable by nobody; the process's umask takes more away. */
const NEW_FILE_MODE = 0o644;

/** A file that has no place yet. Whoever made it calls `discard` in the end, whatever happened. */
export class TemporaryFile {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  #isOpen = true;
  #isThere = true;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Makes one.
   *
   * @param folder Where it is to have its place.
   * @param mode Its permissions, of which those to execute are taken out; null: those of any new file.
   * @throws {HttpError} 403 or 507: the folder takes none.
   */
  static async create(folder: LocatedFolder, mode: number | null): Promise<TemporaryFile> {
    const name = TEMPORARY_PREFIX + crypto.randomUUID();
    const path = pathIn(folder.path, name);
    let temporary: TemporaryFile | null = null;
    try {
      const options = { write: true, createNew: true, mode: (mode ?? NEW_FILE_MODE) & 0o666 };
      temporary = new TemporaryFile(path, await Deno.open(path, options));
      // The folder may have been exchanged for a link since it was located.
      if (Deno.realPathSync(path) === pathIn(folder.realPath, name)) return temporary;
      throw new HttpError(409, `${folder.path} did not stay the same folder`);
    } catch (error) {
      temporary?.discard();
      throw storageError(error);
    }
  }

  /**
   * Writes all of the bytes behind those before.
   *
   * @throws {HttpError} 507: there is no room.
   */
  async write(bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.length;) at += await this.#file.write(bytes.subarray(at));
    } catch (error) {
      throw storageError(error);
    }
  }

  /**
   * It is complete: nothing more is written.
   *
   * @returns Its number in the file system; 0 where there is none.
   */
  finish(): number {
    this.#file.close();
    this.#isOpen = false;
    try {
      return Deno.lstatSync(this.#path).ino ?? 0;
    } catch (error) {
      throw storageError(error);
    }
  }

  /**
   * Takes a place, whatever file has it.
   *
   * @throws {HttpError} 403, 409: the system does not let it.
   */
  replace(path: string): void {
    try {
      Deno.renameSync(this.#path, path);
      this.#isThere = false;
    } catch (error) {
      throw storageError(error);
    }
  }

  /**
   * Takes a place that nobody has. Of all who try it at once, in this process or another, one succeeds.
   *
   * @returns Whether it has it.
   */
  place(path: string): boolean {
    try {
      if (!linkOrClaim(this.#path, path)) this.#isThere = false;
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
      throw storageError(error);
    }
  }

  /** Closes it and removes it, unless it has its place. Harmless the second time. */
  discard(): void {
    if (this.#isOpen) this.#file.close();
    this.#isOpen = false;
    if (!this.#isThere) return;
    this.#isThere = false;
    removeIfThere(this.#path);
  }
}

/** Removes what servers that were killed have left in a folder. */
export async function removeStale(folder: LocatedFolder, nowMs: number): Promise<void> {
  try {
    for await (const { name } of Deno.readDir(folder.path)) {
      if (!isTemporaryName(name)) continue;
      const path = pathIn(folder.path, name);
      const info = Deno.lstatSync(path);
      if (info.isFile && nowMs - (info.mtime?.getTime() ?? nowMs) > STALE_MS) removeIfThere(path);
    }
  } catch (error) {
    // A folder may be one to write to and not to list, and another server may clean up as well.
    storageError(error);
  }
}

const SEPARATOR = Deno.build.os === "windows" ? "\\" : "/";

/** The path of a name in the folder of that path. */
export function pathIn(folder: string, name: string): string {
  return folder.endsWith(SEPARATOR) ? folder + name : folder + SEPARATOR + name;
}

/** File systems without hard links. */
const NO_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"]);

/**
 * Links a file to a name that must be free; where that cannot be done, claims the name by an empty file and renames it.
 *
 * @returns Whether the old name is still there.
 */
function linkOrClaim(path: string, free: string): boolean {
  try {
    Deno.linkSync(path, free);
    return true;
  } catch (error) {
    if (!NO_LINKS.has(codeOf(error))) throw error;
  }
  Deno.openSync(free, { write: true, createNew: true }).close();
  Deno.renameSync(path, free);
  return false;
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** What the system's codes mean for whoever wants to store or remove a file. */
const STATUSES: Readonly<Record<string, number>> = {
  ENOSPC: 507,
  EDQUOT: 507,
  EFBIG: 507,
  EROFS: 403,
  EACCES: 403,
  EPERM: 403,
  ETXTBSY: 409,
  EBUSY: 409,
  EISDIR: 409,
  ENOTDIR: 409,
  ENOENT: 409,
  ELOOP: 409,
  EXDEV: 409,
  ENAMETOOLONG: 400,
  EINVAL: 400,
  EILSEQ: 400,
  EMFILE: 503,
  ENFILE: 503,
};

/**
 * The refusal that an error of the file system comes to.
 *
 * @throws What is none.
 */
export function storageError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  const status = error instanceof Deno.errors.NotCapable ? 403 : STATUSES[codeOf(error)];
  if (status === undefined || !(error instanceof Error)) throw error;
  return new HttpError(status, error.message, { cause: error });
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
