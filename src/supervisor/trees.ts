/**
 * Ends a script with all its descendants. Needs unrestricted run permission, so it lives in the supervisor (and in `exec`).
 *
 * A tree that is watched can grow, and a killed parent leaves its children to pid 1, where nobody knows whose they were. So all
 * that is known is stopped first, then what it had started meanwhile is looked for and stopped, until there is nothing new; then
 * all is killed. Orphans from before are known by their environment: no other request has the same client's address and port,
 * and the same target, at the same time.
 *
 * @module
 */

import type { TreeKiller } from "../cgi/process.ts";
import type { Logger } from "../observe/logger.ts";
import {
  descendants,
  findMarked,
  type ProcessRow,
  type ProcessTable,
  readProcessTable,
} from "./process_table.ts";

/** After so many looks that each found something new, what is known is killed, and the looking goes on. */
const STOP_ROUNDS_MAX = 20;

/** How often it is looked whether the killed are gone, in turn with `LOOK_AGAIN_MS`. */
const KILL_ROUNDS_MAX = 100;

/** Between two looks at what takes its time to die, in milliseconds. */
const LOOK_AGAIN_MS = 20;

/** Between two looks at what was asked to end, in milliseconds. */
const GRACE_LOOK_MS = 100;

/** A tree that is being ended. */
interface Tree {
  readonly root: number;
  readonly marks: readonly string[];
  /** Processes and when they began; null for the root before the first look. */
  readonly known: Map<number, number | null>;
  readonly stopped: Set<number>;
  /** Processes that are none of this tree's orphans. */
  readonly strangers: Set<number>;
  /** When the root began; null before the first look. */
  rootStart: number | null;
}

/** Ends trees of processes; requests that arrive together share their looks at the process table. */
export class Trees implements TreeKiller {
  readonly #log: Logger;
  readonly #trees = new Map<number, { tree: Tree; done: Promise<void> }>();
  #look: Promise<unknown> = Promise.resolve();
  #nextLook: Promise<ProcessTable> | null = null;

  /** Begins with no tree.
   *
   * @param log Where it says what it could not end. */
  constructor(log: Logger) {
    this.#log = log;
  }

  /**
   * Ends `pid`, a child of this program, with all its descendants; resolves once they are gone (or said to be left in the log).
   * Never rejects. A tree that is already being ended is not ended twice.
   *
   * @param graceMs How long they have after SIGTERM; 0: SIGKILL at once.
   * @param marks Lines of the script's environment by which its orphans are known; empty: orphans are left alone.
   */
  endTree(pid: number, graceMs: number, marks: readonly string[] = []): Promise<void> {
    const running = this.#trees.get(pid);
    if (running !== undefined) return running.done;
    const tree: Tree = {
      root: pid,
      marks,
      known: new Map([[pid, null]]),
      stopped: new Set(),
      strangers: new Set(),
      rootStart: null,
    };
    const done = this.#end(tree, graceMs)
      .catch((error) => {
        // Without a process table: what is known is better than nothing.
        for (const known of tree.known.keys()) send(known, "SIGKILL");
        this.#log.log(
          "error",
          `cannot look for the descendants of script pid ${pid}, only it was killed: ${error}; see ps for what it left`,
        );
      })
      .finally(() => this.#trees.delete(pid));
    this.#trees.set(pid, { tree, done });
    return done;
  }

  /** Says that `pid` was reaped: it is left alone from now on, only its known descendants are ended. */
  rootEnded(pid: number): void {
    this.#trees.get(pid)?.tree.known.delete(pid);
  }

  async #end(tree: Tree, graceMs: number): Promise<void> {
    if (graceMs > 0) await this.#terminate(tree, graceMs);
    for (let round = 0; round < STOP_ROUNDS_MAX; round++) {
      for (const pid of tree.known.keys()) {
        if (!tree.stopped.has(pid) && send(pid, "SIGSTOP")) tree.stopped.add(pid);
      }
      if (!await this.#discover(tree)) break;
    }
    for (let round = 0; round < KILL_ROUNDS_MAX; round++) {
      for (const pid of tree.known.keys()) send(pid, "SIGKILL");
      await this.#discover(tree);
      if (tree.known.size === 0) return;
      await delay(LOOK_AGAIN_MS);
    }
    this.#log.log(
      "error",
      `of script pid ${tree.root}, these were killed but do not end: ${[
        ...tree.known.keys(),
      ]}; see in ps what they wait for (state D: a disk)`,
    );
  }

  /** Asks all of it to end, and waits until it has, or the time is over. */
  async #terminate(tree: Tree, graceMs: number): Promise<void> {
    const untilMs = performance.now() + graceMs;
    const asked = new Set<number>();
    for (;;) {
      await this.#discover(tree);
      if (tree.known.size === 0) return;
      for (const pid of tree.known.keys()) {
        if (!asked.has(pid)) send(pid, "SIGTERM");
        asked.add(pid);
      }
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) return;
      await delay(Math.min(leftMs, asked.size === 1 ? LOOK_AGAIN_MS : GRACE_LOOK_MS));
    }
  }

  /** Looks again: forgets the dead, adds the new. Whether there was anything new. */
  async #discover(tree: Tree): Promise<boolean> {
    const table = await this.#tableFromNow();
    await this.#forgetDead(tree, table);
    const fresh = new Set(descendants(table, tree.known.keys()));
    for (const pid of await this.#orphans(tree, table)) fresh.add(pid);
    let isNew = false;
    for (const pid of fresh) {
      const row = table.get(pid);
      if (row === undefined || row.isZombie || tree.known.has(pid)) continue;
      tree.known.set(pid, row.start);
      isNew = true;
    }
    return isNew;
  }

  async #forgetDead(tree: Tree, table: ProcessTable): Promise<void> {
    for (const [pid, start] of tree.known) {
      const row = table.get(pid);
      if (start === null && row !== undefined) {
        // The first look at the root. A number that was reaped may be another's by now.
        if (!await isOurs(row, table, tree.marks)) {
          if (tree.stopped.has(pid)) send(pid, "SIGCONT");
          tree.known.delete(pid);
          continue;
        }
        tree.rootStart = row.start;
        tree.known.set(pid, row.start);
      }
      if (row === undefined || row.isZombie || (start !== null && row.start !== start)) {
        tree.known.delete(pid);
      }
    }
  }

  /** Processes that began after the root, are nobody's that is known, and are of its session or carry the request's marks. */
  async #orphans(tree: Tree, table: ProcessTable): Promise<number[]> {
    if (tree.rootStart === null) return [];
    const ofSession: number[] = [];
    const candidates: number[] = [];
    for (const { pid, session, start, isZombie } of table.values()) {
      if (start < tree.rootStart || isZombie || pid === Deno.pid) continue;
      if (session === tree.root && !tree.known.has(pid)) {
        ofSession.push(pid);
        continue;
      }
      if (!tree.known.has(pid) && !tree.strangers.has(pid)) candidates.push(pid);
    }
    if (tree.marks.length === 0) return ofSession;
    const found = new Set(await findMarked(candidates, tree.marks));
    for (const pid of candidates) {
      if (!found.has(pid)) tree.strangers.add(pid);
    }
    return [...found, ...ofSession];
  }

  /** A table that was begun after this call: callers that wait for the same one share it. */
  #tableFromNow(): Promise<ProcessTable> {
    if (this.#nextLook !== null) return this.#nextLook;
    const look = this.#look.then(() => {
      this.#nextLook = null;
      return readProcessTable();
    });
    this.#nextLook = look;
    this.#look = look.catch(() => {}); // Those who wait for it are told.
    return look;
  }
}

/** Whether a process is a script of ours: a child, or one that leads a session, forked by a child or with the request's marks. */
async function isOurs(row: ProcessRow, table: ProcessTable, marks: readonly string[]): Promise<boolean> {
  if (row.parent === Deno.pid) return true;
  if (row.session !== row.pid) return false;
  return table.get(row.parent)?.parent === Deno.pid || (await findMarked([row.pid], marks)).length > 0;
}

/** Sends a signal; false when there is no such process any more, or it is not ours to signal. */
function send(pid: number, signal: Deno.Signal): boolean {
  try {
    Deno.kill(pid, signal);
    return true;
  } catch (error) {
    // ESRCH comes as NotFound; a zombie of another kind, or a process that changed its user, as PermissionDenied.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return false;
    if (error instanceof TypeError) return false;
    throw error;
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
