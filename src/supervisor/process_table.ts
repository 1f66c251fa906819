/**
 * The system's process table, as far as ending a tree wants it: who is whose child, since when, and which processes carry given
 * lines in their environment.
 *
 * On Linux it comes from /proc by way of `cat` (4 ms), since a runtime with less than all permissions may not read /proc itself;
 * elsewhere from `ps`.
 *
 * @module
 */

/** One process. */
export interface ProcessRow {
  /** Its number. */
  readonly pid: number;
  /** The number of its parent; 0 for none. */
  readonly parent: number;
  /** The leader of its session; 0 where that is not told. */
  readonly session: number;
  /** When it began, for telling two processes of one number apart; on Linux in clock ticks, else 0. */
  readonly start: number;
  /** Whether it is dead and only waits to be reaped. */
  readonly isZombie: boolean;
}

/** All processes, by number. */
export type ProcessTable = ReadonlyMap<number, ProcessRow>;

const ENVIRONMENT = { PATH: "/usr/bin:/bin", LC_ALL: "C" };
const SHELL = "/bin/sh";

/**
 * Looks at all processes.
 *
 * @throws {Deno.errors.NotFound} There is no `/bin/sh` (Linux) or no `/bin/ps`; other errors of Deno.Command where no process can be started.
 */
export async function readProcessTable(): Promise<ProcessTable> {
  if (Deno.build.os === "linux") {
    return parseStats(await output(SHELL, ["-c", "exec cat /proc/[0-9]*/stat"]));
  }
  return parsePs(await output("/bin/ps", ["-A", "-o", "pid=,ppid=,state="]));
}

/**
 * Of the given processes, those whose environment holds each of the lines. Only Linux tells; elsewhere, and for processes of
 * other users, the answer is none.
 *
 * @param marks Lines `NAME=value`.
 */
export async function findMarked(pids: readonly number[], marks: readonly string[]): Promise<number[]> {
  if (Deno.build.os !== "linux" || pids.length === 0 || marks.length === 0) return [];
  const patterns = marks.flatMap((mark) => ["-e", mark]);
  const files = pids.map((pid) => `/proc/${pid}/environ`);
  // -c: how many of its lines (-z: ended by NUL) are (-x: wholly, -F: literally) one of the marks.
  const counts = await output(SHELL, ["-c", 'exec grep -Hczx -F "$@"', "grep", ...patterns, ...files]);
  const marked: number[] = [];
  for (const line of counts.split("\n")) {
    const match = /^\/proc\/([0-9]+)\/environ:([0-9]+)$/.exec(line);
    if (match !== null && Number(match[2]) === marks.length) marked.push(Number(match[1]));
  }
  return marked;
}

/** Those descended from any of `roots`, without the roots. */
export function descendants(table: ProcessTable, roots: Iterable<number>): number[] {
  const children = new Map<number, number[]>();
  for (const { pid, parent } of table.values()) {
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [pid]);
    else siblings.push(pid);
  }
  const found = new Set<number>(roots);
  const rootCount = found.size;
  // The loop over a Set goes on to what is added while it runs.
  for (const pid of found) {
    for (const child of children.get(pid) ?? []) found.add(child);
  }
  return [...found].slice(rootCount);
}

/** Reads the lines of `/proc/PID/stat` (proc_pid_stat(5)): the name in parentheses may hold blanks and parentheses. */
export function parseStats(text: string): ProcessTable {
  const table = new Map<number, ProcessRow>();
  for (const line of text.split("\n")) {
    const nameEnd = line.lastIndexOf(") ");
    if (nameEnd === -1) continue;
    const pid = parseInt(line, 10);
    const parts = line.slice(nameEnd + 2).split(" ");
    const row = {
      pid,
      parent: Number(parts[1]),
      session: Number(parts[3]),
      start: Number(parts[19]),
      isZombie: parts[0] === "Z" || parts[0] === "X",
    };
    if (Number.isInteger(pid) && Number.isInteger(row.parent) && Number.isInteger(row.start)) {
      table.set(pid, row);
    }
  }
  return table;
}

/** Reads the lines of `ps -A -o pid=,ppid=,state=`. */
export function parsePs(text: string): ProcessTable {
  const table = new Map<number, ProcessRow>();
  for (const line of text.split("\n")) {
    const match = /^\s*([0-9]+)\s+([0-9]+)\s+(\S)/.exec(line);
    if (match === null) continue;
    const pid = Number(match[1]);
    table.set(pid, { pid, parent: Number(match[2]), session: 0, start: 0, isZombie: match[3] === "Z" });
  }
  return table;
}

/**
 * What a program writes, run without the server's environment.
 *
 * @throws {Deno.errors.NotFound} There is no such program; other errors of Deno.Command where no process can be started.
 */
export async function output(program: string, args: string[]): Promise<string> {
  const child = new Deno.Command(program, {
    args,
    clearEnv: true,
    env: ENVIRONMENT,
    cwd: "/",
    stdin: "null",
    stdout: "piped",
    stderr: "null", // A process that ended meanwhile is no news.
  }).spawn();
  const [text] = await Promise.all([new Response(child.stdout).text(), child.status]);
  return text;
}
