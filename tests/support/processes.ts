/**
 * What the system says of processes: descendants, zombies, memory, descriptors. By `ps` and `ls`, since a program in
 * Deno's sandbox may not read /proc.
 *
 * @module
 */

/** A line of `ps`. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  /** `R`, `S`, `Z` and so on, with flags after it. */
  readonly state: string;
  readonly residentKiB: number;
  readonly command: string;
}

/** All processes of the machine. */
export async function listProcesses(): Promise<ProcessInfo[]> {
  const text = await outputOf("ps", ["-A", "-o", "pid=,ppid=,stat=,rss=,args="]);
  return text.split("\n").filter((line) => line.trim() !== "").map((line) => {
    const [pid, parent, state, rss, ...command] = line.trim().split(/\s+/);
    return {
      pid: Number(pid),
      parent: Number(parent),
      state,
      residentKiB: Number(rss),
      command: command.join(" "),
    };
  });
}

/** All descendants of a process, zombies included. */
export async function descendantsOf(pid: number): Promise<ProcessInfo[]> {
  const all = await listProcesses();
  const found: ProcessInfo[] = [];
  const parents = new Set([pid]);
  for (let before = -1; before !== found.length;) {
    before = found.length;
    for (const process of all) {
      if (parents.has(process.pid) || !parents.has(process.parent)) continue;
      parents.add(process.pid);
      found.push(process);
    }
  }
  return found;
}

/** Those of `pids` that still run; a zombie does not. */
export async function stillRunning(pids: Iterable<number>): Promise<ProcessInfo[]> {
  const wanted = new Set(pids);
  return (await listProcesses()).filter((process) =>
    wanted.has(process.pid) && !process.state.startsWith("Z")
  );
}

/** Processes in whose command line `text` occurs; `ps` and zombies left out. */
export async function runningWith(text: string): Promise<ProcessInfo[]> {
  return (await listProcesses()).filter((process) =>
    process.command.includes(text) && !process.state.startsWith("Z") && !process.command.startsWith("ps ")
  );
}

/** Resident memory of a process, in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const text = await outputOf("ps", ["-o", "rss=", "-p", String(pid)]);
  return Number(text.trim()) * 1024;
}

/**
 * How many descriptors a process has open, but for its hold on the debugger's port (9229, in hexadecimal there), which servers run
 * from source take over from each other at any time. Linux only.
 */
export async function descriptorCount(pid: number): Promise<number> {
  const text = await outputOf("sh", [
    "-c",
    `inode=$(awk '$2 ~ /:240D$/ && $4 == "0A" { print $10 }' /proc/net/tcp)\n` +
    `ls -l /proc/${pid}/fd | tail -n +2 | grep -cv "socket:.$inode]$"`,
  ]);
  return Number(text.trim());
}

/** Standard output of a program that must succeed. */
export async function outputOf(
  program: string,
  args: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    ...options,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** Whether this machine has IPv6; what needs it is skipped elsewhere. */
export const HAS_IPV6: boolean = hasIpv6();

function hasIpv6(): boolean {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    return false;
  }
}

/** Whether a program is on PATH and runs. */
export async function hasProgram(program: string, ...args: string[]): Promise<boolean> {
  try {
    await outputOf(program, args);
    return true;
  } catch {
    return false;
  }
}
