/**
 * `--dev`: notices that files of the served folders, or scripts, have changed.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import type { Logger } from "../observe/logger.ts";
import { after } from "../time/timer.ts";

/** An editor that saves writes more than once: what comes within this time is one change, in milliseconds. */
const SETTLE_MS = 100;

/** What changes a file; that one was read does not. */
const CHANGES: ReadonlySet<Deno.FsEvent["kind"]> = new Set(["create", "modify", "remove", "rename"]);

/** Watches until it is closed. */
export class Watcher {
  readonly #changed: () => void;
  readonly #events: Deno.FsWatcher | null;
  #isPending = false;
  #isClosed = false;

  /**
   * Begins to watch all folders that a configuration serves or runs.
   *
   * @param changed Called after something has changed and nothing more happened for a moment.
   * @param log Told where it cannot watch.
   */
  constructor(config: Config, changed: () => void, log: Logger) {
    this.#changed = changed;
    this.#events = watch(watchedPaths(config), log);
    if (this.#events !== null) this.#follow(this.#events, log);
  }

  /** Ends it. */
  close(): void {
    this.#isClosed = true;
    this.#events?.close();
  }

  async #follow(events: Deno.FsWatcher, log: Logger): Promise<void> {
    try {
      for await (const { kind, paths } of events) {
        if (CHANGES.has(kind) && (paths.length === 0 || paths.some(isSource))) this.#note();
      }
    } catch (error) {
      if (this.#isClosed) return;
      log.log("warn", `changed files are no longer noticed: ${messageOf(error)}; start anew`);
    }
  }

  #note(): void {
    if (this.#isPending) return;
    this.#isPending = true;
    after(SETTLE_MS, () => {
      this.#isPending = false;
      if (!this.#isClosed) this.#changed();
    });
  }
}

function watch(paths: readonly string[], log: Logger): Deno.FsWatcher | null {
  if (paths.length === 0) return null;
  try {
    return Deno.watchFs([...paths], { recursive: true });
  } catch (error) {
    log.log(
      "warn",
      `pages are not loaded again when files change: ${
        messageOf(error)
      }; raise fs.inotify.max_user_watches if it is short`,
    );
    return null;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The folders and programs of all routes; what lies below another of them is watched with it. */
export function watchedPaths(config: Config): string[] {
  const paths = new Set<string>();
  for (const { routes } of config.sites) {
    for (const { handler } of routes) {
      if (handler.kind === "files") paths.add(handler.dir);
      else if (handler.kind === "cgi") paths.add(handler.target);
    }
  }
  const all = [...paths];
  return all.filter((path) =>
    !all.some((other) => path.startsWith(other.endsWith("/") ? other : `${other}/`))
  );
}

/**
 * Whether a path is one that people write, rather than what editors, interpreters and scripts leave beside it: hidden files,
 * copies, caches, logs, databases.
 */
export function isSource(path: string): boolean {
  const segments = path.split(/[\\/]/);
  if (segments.includes("__pycache__") || segments.includes("node_modules")) return false;
  const name = segments.at(-1) ?? "";
  if (name.startsWith(".") || name.startsWith("#") || name.endsWith("~") || /^[0-9]+$/.test(name)) {
    return false;
  }
  return !/\.(?:bak|db|db-\w+|journal|lock|log|orig|part|pid|pyc|sock|sqlite3?|sqlite3?-\w+|sw[a-z]|tmp)$/i
    .test(name);
}
