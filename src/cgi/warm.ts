/**
 * Whether a script can be run by an interpreter that is kept ready (`warm`), and by which one.
 *
 * @module
 */

import type { ScriptHandling } from "../config/config.ts";
import { lastSegment } from "../paths.ts";
import type { Command } from "./interpreter.ts";
import type { WarmServer } from "./run.ts";

/** A fork server, or the reason why there is none for a script. */
export type Warmth =
  | { readonly kind: "warm"; readonly server: WarmServer }
  | { readonly kind: "plain"; readonly reason: string };

/** What interpreters are called, with or without a version. */
const NAMES = { python: /^python[0-9.]*$/, perl: /^perl[0-9.]*$/ } as const;

/**
 * Arguments of an interpreter that it may have when it is kept ready: one letter each, none that says what to run or wants
 * another word. Perl takes switches from a script's first line as well, when it reads it.
 */
const FLAGS = { python: /^-[bBdEIOPqRsSuv]+$/, perl: /^-[wWX]+$/ } as const;

/** Finds the fork server for the scripts of one route. */
export class WarmServers {
  readonly #handling: ScriptHandling;
  readonly #env: readonly string[];
  readonly #known = new Map<string, Warmth>();

  /**
   * Begins with none.
   *
   * @param handling How the route's scripts run.
   * @param env What their environments share, name and value in turn.
   */
  constructor(handling: ScriptHandling, env: readonly string[]) {
    this.#handling = handling;
    this.#env = env;
  }

  /** Who could run the script that this command is for; null: the route does not ask for it. */
  find(command: Command): Warmth | null {
    const { warm } = this.#handling;
    if (warm === null) return null;
    const flags = command.args.slice(0, -1);
    const id = JSON.stringify([command.program, command.args.length, ...flags]);
    let known = this.#known.get(id);
    if (known === undefined) {
      known = this.#judge(warm, command, flags);
      this.#known.set(id, known);
    }
    return known;
  }

  #judge(kind: "python" | "perl", { program, args }: Command, flags: readonly string[]): Warmth {
    const { user, group, settings, umask, limits, preload } = this.#handling;
    const plain = (reason: string): Warmth => ({ kind: "plain", reason });
    if (args.length === 0 || !NAMES[kind].test(lastSegment(program))) {
      return plain(`it is run by ${args.length === 0 ? "itself" : program}, and warm is ${kind}`);
    }
    const strange = flags.find((flag) => !FLAGS[kind].test(flag));
    if (strange !== undefined) return plain(`${program} is given ${strange}`);
    if (user !== null || group !== null) return plain("it runs as another user or group");
    if (kind === "perl" && Deno.build.os !== "linux") return plain("for Perl, this needs Linux");
    if (kind === "perl" && Object.values(limits).some((limit) => limit !== null)) {
      return plain("Perl cannot set limits");
    }
    const server = {
      kind,
      program,
      flags,
      env: this.#env,
      preload,
      nice: settings.nice,
      umask,
      limits,
    };
    return { kind: "warm", server: { ...server, key: JSON.stringify(server) } };
  }
}
