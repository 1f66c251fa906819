/**
 * Puts the state of the server together for the status page: figures, scripts with their memory, what failed last, and the
 * last minutes.
 *
 * @module
 */

import settings from "../../deno.json" with { type: "json" };
import type { Config } from "../config/config.ts";
import { History, HISTORY_STEP_MS } from "../observe/history.ts";
import { isStatusShown, type RecentError, type ScriptsStatus, type ServerStatus } from "../observe/status.ts";
import { after } from "../time/timer.ts";
import type { Figures } from "./figures.ts";
import { readTreeMemory } from "./memory.ts";

/** What the state is put together from. */
export interface StatusSources {
  /** All loops' figures. */
  readonly figures: Figures;
  /** Network loops at work. */
  loops(): number;
  /** What runs, without memory. */
  scripts(): Promise<ScriptsStatus>;
}

/** What failed last is kept in this number. */
const ERRORS_MAX = 50;
/** Several loops and readers who ask at once get the same look at the processes. */
const SCRIPTS_FRESH_MS = 250;

/** Knows how the server is. */
export class StatusDesk {
  readonly #sources: StatusSources;
  readonly #startedAtMs = Date.now();
  readonly #startedMs = performance.now();
  readonly #errors: RecentError[] = [];
  #reloads = { taken: 0, refused: 0 };
  /** null as long as no route shows it. */
  #history: History | null = null;
  #scripts: { readonly atMs: number; readonly look: Promise<ScriptsStatus> } | null = null;

  /** Nothing is kept before `watch`. */
  constructor(sources: StatusSources) {
    this.#sources = sources;
  }

  /** From now on the past is kept if a route of the configuration can show it. */
  watch(config: Config): void {
    const isShown = isStatusShown(config);
    if (isShown === (this.#history !== null)) return;
    this.#history = isShown ? new History(this.#sources.figures.total(), performance.now()) : null;
    if (this.#history !== null) this.#keepOn(this.#history);
  }

  #keepOn(history: History): void {
    after(HISTORY_STEP_MS, () => {
      if (this.#history !== history) return;
      history.add(this.#sources.figures.total(), performance.now(), Date.now());
      this.#keepOn(history);
    });
  }

  /** A configuration was read anew. */
  reloaded(result: "taken" | "refused"): void {
    this.#reloads = { ...this.#reloads, [result]: this.#reloads[result] + 1 };
  }

  /** A request has failed. */
  failed(error: RecentError): void {
    this.#errors.unshift(error);
    if (this.#errors.length > ERRORS_MAX) this.#errors.pop();
  }

  /**
   * How the server is now.
   *
   * @param historySteps How much of the past is wanted with it.
   */
  async status(historySteps: number): Promise<ServerStatus> {
    const scripts = await this.#look();
    return {
      version: settings.version,
      runtime: `deno ${Deno.version.deno}`,
      pid: Deno.pid,
      startedAtMs: this.#startedAtMs,
      timeMs: Date.now(),
      uptimeMs: performance.now() - this.#startedMs,
      loops: this.#sources.loops(),
      memoryBytes: Deno.memoryUsage().rss,
      reloads: this.#reloads,
      figures: this.#sources.figures.total().memory,
      scripts,
      errors: this.#errors,
      history: this.#history?.columns(historySteps) ?? null,
    };
  }

  #look(): Promise<ScriptsStatus> {
    const nowMs = performance.now();
    if (this.#scripts === null || nowMs - this.#scripts.atMs > SCRIPTS_FRESH_MS) {
      this.#scripts = { atMs: nowMs, look: this.#scriptsWithMemory() };
    }
    return this.#scripts.look;
  }

  async #scriptsWithMemory(): Promise<ScriptsStatus> {
    const scripts = await this.#sources.scripts();
    if (scripts.running.length === 0) return scripts;
    let memory: ReadonlyMap<number, number>;
    try {
      memory = await readTreeMemory(scripts.running.map(({ pid }) => pid));
    } catch {
      // Where no process can be started there is more to worry about than what the others take.
      return scripts;
    }
    const running = scripts.running.map((script) => (
      { ...script, memoryBytes: memory.get(script.pid) ?? null }
    ));
    return { ...scripts, running };
  }
}
