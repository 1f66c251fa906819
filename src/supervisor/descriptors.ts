/**
 * Shares out the descriptors that the system lets the program have, so that it does not run out of them: a Worker that starts
 * without any ends the whole process (Deno panics), and a script tree cannot be ended without reading the process table.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import { isShortage } from "../shortage.ts";
import { needsPasswordLoop, needsScriptLoop } from "./permissions.ts";

/** What the system says of this process. */
export interface Descriptors {
  /** How many it may have open; Infinity where there is no bound or none is known. */
  readonly limit: number;
  /** How many it has open. */
  readonly open: number;
  /** Those of one digit that it was started with, beside its three streams: each child of it finds them open. */
  readonly inherited: readonly number[];
}

/** How many descriptors there are room for. */
export type Room = Pick<Descriptors, "limit" | "open">;

const UNKNOWN: Descriptors = { limit: Infinity, open: 0, inherited: [] };

/** The limit is too low for the server to start. */
export class DescriptorError extends Error {}

/** What a Worker of Deno 2.9.6 has open: poll, wake-up and signal descriptors, and copies of the standard streams. */
const WORKER = 6;
/** A script: three pipes and the process itself. */
const SCRIPT = 4;
/** The supervisor's hold on the debugger's port, and a look at the process table. */
const SUPERVISOR = 3;
/** What a program in Deno has open before it starts a Worker, where the system does not tell. */
const OPEN_USUALLY = 25;
/** With less than this the server is of no use. */
const CONNECTIONS_MIN = 4;

/**
 * What the shell is asked: the limit, what is in a folder of this process's descriptors, and what it has inherited itself. A
 * pattern's own descriptor is closed again when what it matched is tested for.
 */
const QUESTION = "ulimit -n; set -- /proc/$PPID/fd/*; echo $#; " +
  'for d in /dev/fd/[3-9]; do [ -e "$d" ] && echo "${d#/dev/fd/}"; done';

/**
 * Asks a shell, which inherits the limit: the runtime itself may read neither it nor /proc.
 *
 * @param shell Its path; where there is none, as in a container of one program, no limit is known.
 */
export async function readDescriptors(shell = "/bin/sh"): Promise<Descriptors> {
  if (Deno.build.os === "windows") return UNKNOWN;
  const child = new Deno.Command(shell, {
    args: ["-c", QUESTION],
    clearEnv: true,
    stdin: "null",
    stderr: "null",
  });
  let stdout: Uint8Array;
  try {
    ({ stdout } = await child.output());
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return UNKNOWN;
    throw error;
  }
  const [limit, open, ...inherited] = new TextDecoder().decode(stdout).trimEnd().split("\n").map(Number);
  // Where there is no /proc, the pattern is its own only match.
  // One is the pipe from the shell itself.
  return { limit: limit > 0 ? limit : Infinity, open: open > 1 ? open - 1 : OPEN_USUALLY, inherited };
}

/**
 * Holds connections and scripts to what there are descriptors for; a reserve, and a quarter for files and gateways, are left
 * aside.
 *
 * @returns The configuration with `limits.connections` and `cgi.max_processes` lowered where needed, and then a warning.
 * @throws {DescriptorError} Not even the loops can be started.
 */
export function fitDescriptors(
  config: Config,
  { limit, open }: Room,
): { config: Config; warning: string | null } {
  const wanted = { connections: config.limits.connections, scripts: config.cgi.maxProcesses };
  const spare = limit - open - loopsNeed(config) - reserveOf(config) - SUPERVISOR;
  const scripts = Math.max(1, Math.min(wanted.scripts, Math.floor(spare / 4 / SCRIPT)));
  const connections = Math.min(wanted.connections, Math.floor((spare - scripts * SCRIPT) * 3 / 4));
  if (connections < Math.min(CONNECTIONS_MIN, wanted.connections)) {
    const least = limit + (CONNECTIONS_MIN + SCRIPT + 2 - spare);
    throw new DescriptorError(
      `the system lets this program open ${limit} files, and it needs ${least} at least: ${REMEDY}`,
    );
  }
  if (connections === wanted.connections && scripts === wanted.scripts) return { config, warning: null };
  const fitted = {
    ...config,
    limits: { ...config.limits, connections },
    cgi: { ...config.cgi, maxProcesses: scripts },
  };
  const warning = `the system lets this program open ${limit} files, which is enough for ` +
    `${connections} connections (limits.connections: ${wanted.connections}) and ` +
    `${scripts} scripts at once (cgi.max_processes: ${wanted.scripts}): ${REMEDY}`;
  return { config: fitted, warning };
}

const REMEDY = "raise that limit (ulimit -n; LimitNOFILE= in systemd)";

/**
 * Looks whether another set of loops can be started beside the one that is there.
 *
 * @param known What the system said before: at worst it lacks the descriptors to be asked again.
 * @param read Asks the system.
 * @throws {DescriptorError} There are too few left.
 */
export async function requireRoom(
  config: Config,
  known: Room,
  read: () => Promise<Room> = readDescriptors,
): Promise<void> {
  const { limit, open } = await read().catch((error) => {
    if (!isShortage(error)) throw error;
    return { limit: known.limit, open: known.limit };
  });
  const needed = loopsNeed(config) + SUPERVISOR;
  const left = Math.max(0, limit - open);
  if (left >= needed) return;
  throw new DescriptorError(
    `what has changed needs new loops beside the old ones, and those ${needed} open files; the system lets this program open ` +
      `${limit}, and ${left} are left: ${REMEDY}, or reload when fewer clients are connected`,
  );
}

/** All Workers with their sockets, and the log files. */
function loopsNeed(config: Config): number {
  const { workers, listen, log } = config;
  const files = new Set([log.access, log.error].filter((target) => target.includes("/"))).size;
  const others = Number(needsScriptLoop(config)) + Number(needsPasswordLoop(config));
  return (workers + others) * WORKER + workers * listen.length + files;
}

/** What one more Worker takes. */
function reserveOf({ listen }: Config): number {
  return WORKER + listen.length;
}

/** Descriptors that are kept open for nothing but to be closed when a Worker has to be replaced and there are no others. */
export class Reserve {
  readonly #held: Deno.FsFile[] = [];

  /** Takes as many as a Worker may want, or as there are. */
  take(config: Config): void {
    if (Deno.build.os === "windows") return;
    try {
      while (this.#held.length < reserveOf(config)) this.#held.push(Deno.openSync("/dev/null"));
    } catch (error) {
      if (!isShortage(error)) throw error;
    }
  }

  /** Lets them go. */
  release(): void {
    for (const file of this.#held.splice(0)) file.close();
  }
}
