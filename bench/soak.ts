/**
 * Mixed load for as long as one likes, every byte of every answer checked, and nothing left behind: files, ranges, scripts, uploads
 * that are read back, clients that leave in the middle, slow readers, pipelines, and reloads all the while.
 *
 * `deno task soak [--for 60s] [--seed N] [--clients N]` starts Pollux from source, or the executable that POLLUX names, and fails
 * on a wrong byte, a bug in the log, or growth of memory, descriptors or processes.
 *
 * The seed decides what is asked for; in which order it reaches the server, the machine decides.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { eventually } from "../tests/support/deadline.ts";
import { descriptorCount, residentBytes } from "../tests/support/processes.ts";
import { ask, field, get, isReset } from "../tests/support/raw.ts";
import { runtimeVersion, TestServer } from "../tests/support/server.ts";
import { siteFiles, siteYaml } from "./soak/site.ts";
import { pickVisit, Visitor } from "./soak/visits.ts";

/** How a soak is made. */
export interface SoakOptions {
  /** How long, in milliseconds. */
  readonly ms: number;
  /** What is asked for. */
  readonly seed: number;
  /** Clients at once. */
  readonly clients: number;
  /** How many descriptors each start of new loops may cost: none, but for what the runtime itself keeps of a Worker that has ended. */
  readonly descriptorsPerReload: number;
  /** Takes how far it has come, once a second. */
  readonly report: (line: string) => void;
}

/** What a server holds while nobody asks for anything. */
interface Holdings {
  readonly residentBytes: number;
  readonly descriptors: number;
}

/** What came of it. */
export interface SoakResult {
  /** What is wrong; none: it has passed. */
  readonly faults: readonly string[];
  /** Visits by kind. */
  readonly visits: ReadonlyMap<string, number>;
  readonly reloads: number;
  /** Connections that the system reset while loops changed, and that came too late to one that was kept: both were made anew. */
  readonly resets: number;
  readonly retries: number;
  /** After each round, beginning with the one that warms up. */
  readonly holdings: readonly Holdings[];
}

/** How long what lingers may take to go. */
const SETTLE_MS_MAX = 30_000;
/**
 * Memory is given back late, and when the collector likes: what is held at rest goes up and down by 30 MiB. So much it may rise by
 * the line through all of it, which is 900 bytes a visit in four minutes; in a few rounds, twice as much.
 */
const MEMORY_MORE_MAX = 48 * 1024 * 1024;
const FEW_ROUNDS = 8;
/** Of the rounds so many are left for the caches and the compiler to warm up, the first at least. */
const WARM_UP_SHARE = 1 / 4;
const FAULTS_MAX = 10;
const RELOAD_MS_MAX = 3000;
/**
 * Where new loops take over, the system resets what is in the accept queue of the old ones in the moment in which they close: a
 * connection or two that nobody has read from, under a stream of new ones (Linux does without if net.ipv4.tcp_migrate_req is 1).
 */
const CHANGE_MS = 5000;
const RESETS_MAX = 0.5;
const ROUND_MS_MAX = 10_000;
/** The first round warms up; three more make a comparison. */
const ROUNDS_MIN = 4;

/** Runs the load and returns what came of it. */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  await using server = await TestServer.start({ yaml: siteYaml(0), files: siteFiles() });
  const result = await new Soak(options, server).run();
  const said = server.stderr.split("\n").filter((line) =>
    /\bbug\b|panic| error /.test(line) && !isExpected(line)
  );
  return { ...result, faults: [...result.faults, ...said.slice(0, FAULTS_MAX)] };
}

/** What the error log must say of scripts that die. */
function isExpected(line: string): boolean {
  return line.includes("die.sh");
}

class Soak {
  readonly #options: SoakOptions;
  readonly #server: TestServer;
  readonly #visits = new Map<string, number>();
  readonly #faults: string[] = [];
  readonly #holdings: Holdings[] = [];
  readonly #startMs = performance.now();
  #reloads = 0;
  /** Until when loops may be taking over from others. */
  #changingUntilMs = 0;
  /** Connections that the system reset meanwhile. */
  #resets = 0;

  constructor(options: SoakOptions, server: TestServer) {
    this.#options = options;
    this.#server = server;
  }

  async run(): Promise<SoakResult> {
    const { ms, clients, seed } = this.#options;
    const roundMs = Math.min(ROUND_MS_MAX, ms / ROUNDS_MIN);
    const visitors = Array.from({ length: clients }, (_, index) => new Visitor(this.#server, seed, index));
    const ticker = setInterval(() => this.#report(), 1000);
    try {
      for (let round = 1; round * roundMs <= ms && this.#faults.length === 0; round++) {
        const untilMs = this.#startMs + round * roundMs;
        await Promise.all([
          ...visitors.map((visitor) => this.#visit(visitor, untilMs)),
          this.#reload(untilMs),
        ]);
        for (const visitor of visitors) visitor.leave();
        await this.#settle();
      }
    } finally {
      clearInterval(ticker);
    }
    this.#report();
    if (this.#faults.length === 0) this.#compare(visitors);
    return {
      faults: this.#faults,
      visits: this.#visits,
      reloads: this.#reloads,
      resets: this.#resets,
      retries: visitors.reduce((sum, visitor) => sum + visitor.retries, 0),
      holdings: this.#holdings,
    };
  }

  async #visit(visitor: Visitor, untilMs: number): Promise<void> {
    while (performance.now() < untilMs && this.#faults.length < FAULTS_MAX) {
      const visit = pickVisit(visitor.random);
      try {
        await visit.make(visitor);
        this.#visits.set(visit.name, (this.#visits.get(visit.name) ?? 0) + 1);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        if (isReset(error) && performance.now() < this.#changingUntilMs) this.#resets++;
        else this.#faults.push(`${visit.name}: ${error.message}`);
        visitor.leave();
      }
    }
  }

  async #reload(untilMs: number): Promise<void> {
    const server = this.#server;
    const pauseMs = Math.min(RELOAD_MS_MAX, (untilMs - performance.now()) / 2);
    while (performance.now() + pauseMs < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      const generation = ++this.#reloads;
      await Deno.writeTextFile(`${server.dir}/pollux.yaml.new`, siteYaml(generation));
      await Deno.rename(`${server.dir}/pollux.yaml.new`, `${server.dir}/pollux.yaml`);
      if (
        siteYaml(generation) !== siteYaml(generation - 1).replace(`"${generation - 1}"`, `"${generation}"`)
      ) {
        this.#changingUntilMs = performance.now() + CHANGE_MS;
      }
      server.kill("SIGHUP");
      try {
        await eventually(
          `generation ${generation} after a reload`,
          () => this.#isGeneration(generation),
        );
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        this.#faults.push(error.message);
      }
    }
  }

  async #isGeneration(generation: number): Promise<boolean> {
    try {
      return field(await ask(this.#server, get("/10.bin")), "x-generation") === String(generation);
    } catch (error) {
      if (!isReset(error)) throw error;
      this.#resets++;
      return false;
    }
  }

  /** Waits until nothing is under way, and sees what the server holds. */
  async #settle(): Promise<void> {
    const server = this.#server;
    await server.childless();
    // Connections that linger, and loops that are relieved, are gone when they are: on a busy machine that takes a while.
    const before = this.#holdings[0]?.descriptors ?? Infinity;
    let descriptors = await descriptorCount(server.pid);
    const untilMs = performance.now() + SETTLE_MS_MAX;
    const kept = this.#reloads * this.#options.descriptorsPerReload;
    while (descriptors > before + kept && performance.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      descriptors = await descriptorCount(server.pid);
    }
    this.#holdings.push({ descriptors, residentBytes: await residentBytes(server.pid) });
  }

  #compare(visitors: readonly Visitor[]): void {
    if (this.#resets > this.#reloads * visitors.length * RESETS_MAX) {
      this.#faults.push(`${this.#resets} new connections were reset by reloads`);
    }
    // Each start of new loops may close each connection that is idle then, once.
    const retries = visitors.reduce((sum, visitor) => sum + visitor.retries, 0);
    if (retries > this.#reloads * visitors.length) {
      this.#faults.push(`${retries} requests on kept connections had no answer`);
    }
    const [first] = this.#holdings;
    const last = this.#holdings[this.#holdings.length - 1];
    const kept = this.#reloads * this.#options.descriptorsPerReload;
    if (last.descriptors > first.descriptors + kept) {
      this.#faults.push(`descriptors grew from ${first.descriptors} to ${last.descriptors}`);
    }
    const growth = growthOf(this.#holdings.map(({ residentBytes }) => residentBytes));
    const moreMax = MEMORY_MORE_MAX * (this.#holdings.length < FEW_ROUNDS ? 2 : 1);
    if (growth > moreMax) this.#faults.push(`memory grew by ${mebibytes(growth)} MiB`);
  }

  #report(): void {
    const total = [...this.#visits.values()].reduce((sum, count) => sum + count, 0);
    const seconds = Math.round((performance.now() - this.#startMs) / 1000);
    const last = this.#holdings.at(-1);
    const held = last === undefined
      ? ""
      : `, ${mebibytes(last.residentBytes)} MiB and ${last.descriptors} descriptors at rest`;
    this.#options.report(`${seconds} s: ${total} visits, ${this.#reloads} reloads${held}`);
  }
}

/** How far the straight line through the values (of least squares) rises, once those of the warm-up are left out. */
function growthOf(values: readonly number[]): number {
  const warm = values.slice(Math.max(1, Math.floor(values.length * WARM_UP_SHARE)));
  const middle = (warm.length - 1) / 2;
  let up = 0;
  let wide = 0;
  warm.forEach((value, index) => {
    up += (index - middle) * value;
    wide += (index - middle) ** 2;
  });
  return wide === 0 ? 0 : up / wide * (warm.length - 1);
}

/** Deno 2.7 keeps two descriptors of each Worker that has ended; 2.9 none. */
export async function descriptorsKept(): Promise<number> {
  return (await runtimeVersion()).startsWith("2.7.") ? 4 : 0;
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}

/** `60s`, `5m`, `1h`, or seconds. */
function parseFor(text: string): number {
  const match = /^(\d+)(ms|s|m|h)?$/.exec(text);
  if (match === null) throw new Error(`--for wants a duration such as 60s or 5m, not ${text}`);
  return Number(match[1]) *
    { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] as "ms" | "s" | "m" | "h" ?? "s"];
}

/** A line that is written over on a terminal; elsewhere one in ten. */
function makeReport(): (line: string) => void {
  let lines = 0;
  const encoder = new TextEncoder();
  if (!Deno.stdout.isTerminal()) return (line) => lines++ % 10 === 0 && console.log(line);
  return (line) => Deno.stdout.writeSync(encoder.encode(`\r\x1b[K${line}`));
}

/** What the command line may say. */
interface Flags {
  readonly for?: string;
  readonly seed?: string;
  readonly clients?: string;
}

async function main(): Promise<number> {
  const flags = parseArgs(Deno.args, { string: ["for", "seed", "clients"] }) as Flags;
  const seed = flags.seed === undefined ? Math.trunc(Math.random() * 1e6) : Number(flags.seed);
  console.log(`seed ${seed}`);
  const { faults, visits, holdings, reloads, resets, retries } = await soak({
    ms: parseFor(flags.for ?? "60s"),
    seed,
    clients: Number(flags.clients ?? "24"),
    descriptorsPerReload: await descriptorsKept(),
    report: makeReport(),
  });
  console.log("\n" + [...visits].map(([name, count]) => `${name} ${count}`).join(", "));
  console.log(`${reloads} reloads, ${resets} connections reset by them, ${retries} kept ones made anew`);
  for (const { residentBytes, descriptors } of holdings) {
    console.log(`at rest: ${mebibytes(residentBytes)} MiB, ${descriptors} descriptors`);
  }
  for (const fault of faults) console.log(`FAULT: ${fault}`);
  console.log(faults.length === 0 ? "passed" : `failed: --seed ${seed}`);
  return faults.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
