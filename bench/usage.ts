/**
 * What processes have used: all their threads together, as /proc tells it. Read by `cat`, since Deno lets nobody read /proc
 * who has not all permissions.
 *
 * @module
 */

/** What a few processes have used so far, together. */
export interface Usage {
  /** Of the processor, in microseconds. In steps of 10 ms. */
  readonly cpuMicros: number;
  /** The same of their children that have ended. */
  readonly childCpuMicros: number;
  /** Resident memory, in KiB. */
  readonly residentKiB: number;
  /** The most it ever was, in KiB. */
  readonly peakKiB: number;
}

const TICK_MICROS = 10_000;

/** Runs a command and gives what it printed. Throws where it fails. */
export async function output(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, stdin: "null" }).output();
  const text = new TextDecoder();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${text.decode(stderr)}`);
  return text.decode(stdout);
}

/** Whether there is a program of that name; for root's own folders too, where servers are. */
export async function find(program: string): Promise<string | null> {
  try {
    const script = 'PATH="$PATH:/usr/sbin:/sbin" command -v "$1"';
    return (await output("sh", "-c", script, "sh", program)).trim();
  } catch {
    return null;
  }
}

/** What these processes have used so far. */
export async function usageOf(pids: readonly number[]): Promise<Usage> {
  const files = pids.flatMap((pid) => [`/proc/${pid}/stat`, `/proc/${pid}/status`]);
  const text = await output("cat", ...files);
  let cpuMicros = 0;
  let childCpuMicros = 0;
  // Behind the program's name, which may hold anything but ends in the last parenthesis: state, ppid, ...
  for (const [, rest] of text.matchAll(/^\d+ \(.*\) (\S .*)$/gm)) {
    const fields = rest.split(" ").map(Number);
    cpuMicros += (fields[11] + fields[12]) * TICK_MICROS;
    childCpuMicros += (fields[13] + fields[14]) * TICK_MICROS;
  }
  return { cpuMicros, childCpuMicros, residentKiB: sum(text, "VmRSS"), peakKiB: sum(text, "VmHWM") };
}

/** What a process has used of the processor, in microseconds, exactly. */
export async function exactCpuMicros(pid: number): Promise<number> {
  const text = await output("sh", "-c", `cat /proc/${pid}/task/*/schedstat`);
  return text.trim().split("\n").reduce((total, line) => total + Number(line.split(" ")[0]) / 1000, 0);
}

/** The processes that a process has started and that live. */
export async function childrenOf(pid: number): Promise<number[]> {
  return (await output("sh", "-c", `ps -o pid= --ppid ${pid} || true`)).trim().split(/\s+/).filter(Boolean)
    .map(Number);
}

function sum(text: string, name: string): number {
  let total = 0;
  for (const [, value] of text.matchAll(new RegExp(`^${name}:\\s*(\\d+) kB$`, "gm"))) total += Number(value);
  return total;
}
