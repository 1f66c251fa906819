/**
 * Paths of the file system, made absolute. The parts of @std/path are imported one by one: its whole takes a third of
 * the time that the program has to start.
 *
 * @module
 */

import { dirname as dirnamePosix } from "@std/path/posix/dirname";
import { extname as extnamePosix } from "@std/path/posix/extname";
import { resolve as resolvePosix } from "@std/path/posix/resolve";
import { dirname as dirnameWindows } from "@std/path/windows/dirname";
import { resolve as resolveWindows } from "@std/path/windows/resolve";

const isWindows = Deno.build.os === "windows";

/** The absolute path of `path` seen from the absolute folder `base`, without `.` and `..`. */
export function resolveFrom(base: string, path: string): string {
  return isWindows ? resolveWindows(base, path) : resolvePosix(base, path);
}

/** Whether the absolute path `inner` is `outer` or lies below it. */
export function isWithin(outer: string, inner: string): boolean {
  if (inner === outer) return true;
  const separator = isWindows ? "\\" : "/";
  return inner.startsWith(outer.endsWith(separator) ? outer : outer + separator);
}

/** The last segment of an absolute path. */
export function lastSegment(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), isWindows ? path.lastIndexOf("\\") : -1) + 1);
}

/** The folder that an absolute path lies in. */
export function parentFolder(path: string): string {
  return isWindows ? dirnameWindows(path) : dirnamePosix(path);
}

/** The extension of a path's last segment, with its dot; empty without, and for a dot file. */
export function extensionOf(path: string): string {
  return extnamePosix(lastSegment(path));
}

/** What is at `path`, links followed; null when there is nothing, or nothing that may be looked at. */
export function statOrNull(path: string): Deno.FileInfo | null {
  try {
    return Deno.statSync(path);
  } catch (error) {
    // Deno keeps what the kernel invents from every program without all permissions: for this one it is not there.
    if (error instanceof Deno.errors.NotCapable && !isOfTheKernel(path)) throw error;
    // NotFound, ENOTDIR, a loop of links, too long a name: whatever the system says, nothing there can be used.
    return null;
  }
}

/** Whether a path lies in a file system of the kernel, which Deno opens for no program without all permissions. */
export function isOfTheKernel(path: string): boolean {
  return /^\/(?:dev|proc|sys)(?:\/|$)/.test(path);
}
