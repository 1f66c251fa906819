/**
 * Which file a request means, and what of its path is PATH_INFO (RFC 3875, 4.1.5 and 4.1.13).
 *
 * Looks at names only (no file is opened here), synchronously: a folder of scripts is small and in the cache, and one such look
 * costs microseconds where a promise costs tenfold.
 *
 * @module
 */

import type { CgiHandlerConfig, FollowSymlinks, Route } from "../config/config.ts";
import { HttpError } from "../http/error.ts";
import type { Target } from "../http/target.ts";

/** A file that a request means. */
export interface FoundScript {
  /** Its absolute path: SCRIPT_FILENAME. */
  readonly file: string;
  /** Its decoded URL path: SCRIPT_NAME. */
  readonly name: string;
  /** The rest of the decoded path: empty, or beginning with a slash. */
  readonly pathInfo: string;
  /** What tells this state of the file from any other. */
  readonly version: FileVersion;
}

/** A file at a moment: when it is written or replaced, one of these changes. */
export interface FileVersion {
  /** Device. */
  readonly dev: number;
  /** Inode. */
  readonly ino: number;
  /** Bytes. */
  readonly size: number;
  /** Modified, in milliseconds since 1970. */
  readonly mtimeMs: number;
  /** Its state changed (mode, owner), likewise. */
  readonly ctimeMs: number;
  /** Permission bits and kind. */
  readonly mode: number;
}

/** Files that are neither served nor run, by absolute path and by what the file system says of them. */
export interface SecretFiles {
  /** Whether a file is one of them; `path` has its links resolved. */
  has(path: string, info: Deno.FileInfo): boolean;
}

/** What a search came to: a script, or a folder that wants its slash. */
export type ScriptSearch = { readonly kind: "script"; readonly script: FoundScript } | {
  readonly kind: "slash";
};

/**
 * Finds the script of a cgi route: the first segment below the route that names a file.
 *
 * @param rest The decoded path below the route: empty, or beginning with a slash.
 * @param secrets Files that are never run.
 * @throws {HttpError} 400: the path is no UTF-8. 404: there is no such script, or it may not be seen.
 */
export function findScript(
  config: CgiHandlerConfig,
  route: Route,
  target: Target,
  rest: string,
  secrets: SecretFiles,
): ScriptSearch {
  if (!target.isUtf8) throw new HttpError(400, "the path is no UTF-8 and cannot be given to a script");
  const prefix = route.path.endsWith("/") ? route.path.slice(0, -1) : route.path;
  const search = new Search(config.target, config.followSymlinks, secrets);
  if (!config.isFolder) {
    const version = search.file(config.target, true);
    if (version === null) throw new HttpError(404, `the program ${config.target} does not exist`);
    return { kind: "script", script: { file: config.target, name: prefix, pathInfo: rest, version } };
  }
  return search.below(config.index, prefix, rest, target.hasEncodedSlash);
}

/** The version of a file that another handler has found, links followed; null unless it is a regular file. */
export function fileVersion(file: string): FileVersion | null {
  const stats = lookOrNull(Deno.statSync, file);
  return stats?.isFile === true ? versionOf(stats) : null;
}

class Search {
  readonly #root: string;
  readonly #followSymlinks: FollowSymlinks;
  readonly #secrets: SecretFiles;
  /** Why what is there is not to be seen, for the log; null where nothing is there. */
  #hidden: string | null = null;

  constructor(root: string, followSymlinks: FollowSymlinks, secrets: SecretFiles) {
    this.#root = root;
    this.#followSymlinks = followSymlinks;
    this.#secrets = secrets;
  }

  /** Walks down from the root, a segment at a time. */
  below(index: readonly string[], prefix: string, rest: string, hasEncodedSlash: boolean): ScriptSearch {
    const notFound = () =>
      new HttpError(404, this.#hidden ?? `no script for ${prefix}${rest} in ${this.#root}`);
    let folder = this.#root;
    let start = 0;
    for (;;) {
      // `start` is at a slash, or at the end of a folder's name.
      if (start === rest.length) {
        if (this.#index(index, folder, prefix + rest, "") === null) throw notFound();
        return { kind: "slash" };
      }
      if (start + 1 === rest.length) {
        const script = this.#index(index, folder, prefix + rest.slice(0, start), "");
        if (script === null) throw notFound();
        return { kind: "script", script };
      }
      const slash = rest.indexOf("/", start + 1);
      const end = slash === -1 ? rest.length : slash;
      const segment = rest.slice(start + 1, end);
      if (!isName(segment, hasEncodedSlash)) throw notFound();
      const path = folder === "/" ? `/${segment}` : `${folder}/${segment}`;
      const stats = this.#look(path, false);
      if (stats?.isFile === true) {
        const script = {
          file: path,
          name: prefix + rest.slice(0, end),
          pathInfo: rest.slice(end),
          version: versionOf(stats),
        };
        return { kind: "script", script };
      }
      if (stats?.isDirectory !== true) throw notFound();
      folder = path;
      start = end;
    }
  }

  /** The version of a regular file that may be reached; null without. */
  file(path: string, isRoot: boolean): FileVersion | null {
    const stats = this.#look(path, isRoot);
    return stats?.isFile === true ? versionOf(stats) : null;
  }

  #index(names: readonly string[], folder: string, urlFolder: string, pathInfo: string): FoundScript | null {
    for (const name of names) {
      const file = `${folder}/${name}`;
      const version = this.file(file, false);
      if (version !== null) return { file, name: `${urlFolder}/${name}`, pathInfo, version };
    }
    return null;
  }

  /** A path's state, through a link only where links are followed; null for secrets. The root is the configuration's word. */
  #look(path: string, isRoot: boolean): Deno.FileInfo | null {
    const own = lookOrNull(Deno.lstatSync, path);
    if (own === null) return null;
    if (!own.isSymlink) return this.#unlessSecret(path, path, own);
    // Where it leads may be out of what this loop may even look at.
    const realPath = isRoot || this.#followSymlinks !== "never" ? lookOrNull(Deno.realPathSync, path) : null;
    if (realPath === null || !(isRoot || this.#followSymlinks === "always" || this.#isInside(realPath))) {
      this.#hidden = realPath === null
        ? `${path} is a link that leads nowhere, or out of what follow_symlinks allows`
        : `${path} leads to ${realPath}, which follow_symlinks does not allow`;
      return null;
    }
    const target = lookOrNull(Deno.statSync, path);
    return target === null ? null : this.#unlessSecret(path, realPath, target);
  }

  #unlessSecret(path: string, realPath: string, info: Deno.FileInfo): Deno.FileInfo | null {
    if (!this.#secrets.has(realPath, info)) return info;
    this.#hidden = `${path} is a secret`;
    return null;
  }

  #isInside(realPath: string): boolean {
    const root = lookOrNull(Deno.realPathSync, this.#root);
    return root !== null && realPath.startsWith(root.endsWith("/") ? root : root + "/");
  }
}

/** Whether a segment can be the name of a file that is served: an encoded slash is in no name, dot files are hidden. */
function isName(segment: string, hasEncodedSlash: boolean): boolean {
  if (segment === "" || segment.startsWith(".") || segment.includes("\0")) return false;
  return !hasEncodedSlash || !segment.toUpperCase().includes("%2F");
}

function lookOrNull<T>(look: (path: string) => T, path: string): T | null {
  try {
    return look(path);
  } catch (error) {
    if (isNotThere(error)) return null;
    throw error;
  }
}

/** What a client's path can run into: each is a 404, so that nobody learns what is there but closed. */
const NOT_THERE: ReadonlySet<unknown> = new Set([
  "ENOENT",
  "ENOTDIR",
  "EACCES",
  "ELOOP",
  "ENAMETOOLONG",
  "EPERM",
]);

function isNotThere(error: unknown): boolean {
  // Outside of what this loop may read (a link led there), Deno says NotCapable.
  if (error instanceof Deno.errors.NotCapable) return true;
  return error instanceof Error && "code" in error && NOT_THERE.has(error.code);
}

function versionOf({ dev, ino, size, mtime, ctime, mode }: Deno.FileInfo): FileVersion {
  return {
    dev,
    ino: ino ?? 0,
    size,
    mtimeMs: mtime?.getTime() ?? 0,
    ctimeMs: ctime?.getTime() ?? 0,
    mode: mode ?? 0,
  };
}
