/**
 * How much memory process trees have, for the status page. On Linux from /proc by way of `grep`, since a runtime with less than
 * all permissions may not read /proc itself; elsewhere from `ps`.
 *
 * @module
 */

import { descendants, output, type ProcessRow } from "./process_table.ts";

const KIB = 1024;

/**
 * Looks at all processes.
 *
 * @param roots Processes whose trees are asked for.
 * @returns Resident bytes of each root with its descendants; one that is gone is left out.
 */
export async function readTreeMemory(roots: readonly number[]): Promise<Map<number, number>> {
  const isLinux = Deno.build.os === "linux";
  const text = isLinux
    ? await output("/bin/sh", ["-c", "exec grep -sE '^(PPid|VmRSS):' /proc/[0-9]*/status"])
    : await output("/bin/ps", ["-A", "-o", "pid=,ppid=,rss="]);
  return treeMemory(isLinux ? parseStatus(text) : parseResident(text), roots);
}

/** A process and its resident memory. */
export interface MemoryRow extends ProcessRow {
  /** Of memory that is resident. */
  readonly bytes: number;
}

/** Adds up what belongs to each root. */
export function treeMemory(
  rows: ReadonlyMap<number, MemoryRow>,
  roots: readonly number[],
): Map<number, number> {
  const sums = new Map<number, number>();
  for (const root of roots) {
    const row = rows.get(root);
    if (row === undefined) continue;
    let bytes = row.bytes;
    for (const pid of descendants(rows, [root])) bytes += rows.get(pid)?.bytes ?? 0;
    sums.set(root, bytes);
  }
  return sums;
}

/** Reads lines `/proc/1/status:VmRSS:    1234 kB` (proc_pid_status(5)). A kernel thread, and a zombie, has no VmRSS. */
export function parseStatus(text: string): Map<number, MemoryRow> {
  const rows = new Map<number, MemoryRow>();
  for (const [, number, name, value] of text.matchAll(/^\/proc\/(\d+)\/status:(PPid|VmRSS):\s*(\d+)/gm)) {
    const pid = Number(number);
    const row = rows.get(pid) ?? rowOf(pid, 0, 0);
    rows.set(
      pid,
      name === "PPid" ? { ...row, parent: Number(value) } : { ...row, bytes: Number(value) * KIB },
    );
  }
  return rows;
}

/** Reads the lines of `ps -A -o pid=,ppid=,rss=`. */
export function parseResident(text: string): Map<number, MemoryRow> {
  const rows = new Map<number, MemoryRow>();
  for (const [, pid, parent, kib] of text.matchAll(/^\s*(\d+)\s+(\d+)\s+(\d+)/gm)) {
    rows.set(Number(pid), rowOf(Number(pid), Number(parent), Number(kib) * KIB));
  }
  return rows;
}

function rowOf(pid: number, parent: number, bytes: number): MemoryRow {
  return { pid, parent, session: 0, bytes, start: 0, isZombie: false };
}
