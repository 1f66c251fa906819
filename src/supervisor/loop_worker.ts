/**
 * A loop in a Worker of its own, as the supervisor holds it: started with just its permissions, asked now and then whether it
 * is there, and found dead once.
 *
 * @module
 */

import type { Question } from "./messages.ts";
import type { LoopPermissions } from "./permissions.ts";
import { ASK_MS, Watch } from "./watch.ts";

/** The loops, by the names of their modules in `src/loop`, which `deno compile` finds by `--include`. */
export type LoopKind = "network" | "script" | "passwords";

/** What becomes of a loop. */
export interface LoopEvents<From> {
  /** It says something. */
  message(message: From): void;
  /** It has thrown what nobody caught, or answers no more. Told once, and not after `end`; it is ended by then. */
  died(reason: string): void;
}

/** In an executable each loop is one module; from source it starts with a list of all that it needs. */
const ENTRIES: Readonly<Record<LoopKind, string>> = import.meta.url.endsWith(".js")
  ? { network: "network.js", script: "script.js", passwords: "passwords.js" }
  : { network: "network_start.ts", script: "script_start.ts", passwords: "passwords.ts" };

/** A loop that takes messages of one kind and gives those of another. */
export class LoopWorker<To, From> {
  readonly #worker: Worker;
  readonly #watch: Watch;
  readonly #events: LoopEvents<From>;
  #isOver = false;

  /**
   * Starts it.
   *
   * @param askMs How often it is asked whether it is there, in milliseconds.
   */
  constructor(
    kind: LoopKind,
    permissions: LoopPermissions,
    events: LoopEvents<From>,
    askMs: number = ASK_MS,
  ) {
    this.#events = events;
    this.#worker = startWorker(kind, permissions);
    this.#watch = new Watch(
      () => this.#worker.postMessage({ kind: "areYouThere" } satisfies Question),
      (silentMs) => this.#die(`it has not answered for ${silentMs / 1000} s`),
      askMs,
    );
    this.#worker.onmessage = (event: MessageEvent<From>) => {
      this.#watch.heard();
      events.message(event.data);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#die(event.message);
    };
  }

  /** Tells it something. */
  post(message: To, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  /** Ends it where it stands. */
  end(): void {
    this.#isOver = true;
    this.#watch.end();
    this.#worker.terminate();
  }

  #die(reason: string): void {
    if (this.#isOver) return;
    this.end();
    this.#events.died(reason);
  }
}

function startWorker(kind: LoopKind, permissions: LoopPermissions): Worker {
  const start = (permissions: LoopPermissions) =>
    new Worker(
      new URL(`../loop/${ENTRIES[kind]}`, import.meta.url),
      { type: "module", name: kind, deno: { permissions } } as WorkerOptions,
    );
  try {
    return start(permissions);
  } catch (error) {
    // Deno 2.7 knows no such permission: for a unix socket it asks for read and write alone.
    if (!(error instanceof URIError) || permissions.net === false) throw error;
    const net = permissions.net.filter((address) => !address.startsWith("unix:"));
    return start({ ...permissions, net: net.length > 0 ? net : false });
  }
}
