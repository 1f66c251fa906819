/**
 * Files that are never served, by whatever name they are reached: the configuration, password files, TLS keys.
 *
 * @module
 */

import type { Clock } from "../time/clock.ts";

/** For how long it is remembered which files the paths stand for. */
const KNOWN_MS = 1000;

/**
 * The paths of `Config.secrets`, and the files behind them: a secret is also refused through a symbolic link, a hard
 * link, or a folder that is mounted twice.
 */
export class Secrets {
  readonly #paths: readonly string[];
  readonly #clock: Clock;
  #known: ReadonlySet<string> = new Set();
  #knownUntilMs = -Infinity;

  /**
   * The secrets behind these paths, looked for when they are first asked about.
   *
   * @param paths Absolute paths.
   * @param clock The loop's clock.
   */
  constructor(paths: readonly string[], clock: Clock) {
    this.#paths = paths;
    this.#clock = clock;
  }

  /**
   * Whether a file is a secret.
   *
   * @param path Its absolute path, symbolic links resolved.
   * @param info What the file system says of it.
   */
  has(path: string, info: Deno.FileInfo): boolean {
    if (this.#paths.length === 0) return false;
    const number = fileNumber(info);
    return this.isNamed(path) || (number !== null && this.#known.has(number));
  }

  /**
   * Whether a path is that of a secret, which need not be there: nobody may put a password file where one is expected.
   *
   * @param path Absolute, symbolic links of its folder resolved.
   */
  isNamed(path: string): boolean {
    if (this.#paths.length === 0) return false;
    const nowMs = this.#clock.now();
    if (nowMs >= this.#knownUntilMs) {
      this.#known = new Set(this.#paths.flatMap(namesOf));
      this.#knownUntilMs = nowMs + KNOWN_MS;
    }
    return this.#known.has(path);
  }
}

/** All that a path's file is known by: the path as given and resolved, and the file's number. */
function namesOf(path: string): string[] {
  const slash = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  return [
    path,
    ...namesIfKnown(() => [Deno.realPathSync(path.slice(0, slash) || "/") + path.slice(slash)]),
    ...namesIfKnown(() => [Deno.realPathSync(path)]),
    ...namesIfKnown(() => [fileNumber(Deno.statSync(path))].filter((number) => number !== null)),
  ];
}

/** A secret that is not there, or that this loop may not even look at, is known by its path alone. */
function namesIfKnown(look: () => string[]): string[] {
  try {
    return look();
  } catch (error) {
    const isExpected = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.PermissionDenied ||
      error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.NotADirectory;
    if (!isExpected) throw error;
    return [];
  }
}

/** A file's own number; null where the system gives none. */
function fileNumber(info: Deno.FileInfo): string | null {
  return info.ino === null ? null : `${info.dev}:${info.ino}`;
}
