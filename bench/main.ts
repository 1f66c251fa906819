/**
 * `deno task bench`: Pollux and the peers that are installed, on the same files and scripts, in rounds that take turns.
 *
 * ```text
 * deno task bench [--only static,cgi] [--rounds 3] [--seconds 1] [--for docs]
 * ```
 *
 * `--for docs` writes the table into docs/performance.md and its picture and figures beside it; otherwise they go to dist/.
 * The executable is measured where `deno task compile` has made it.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { costLine, type Report, toMarkdown, toSvg, verdictLine } from "./report.ts";
import { measure, type Result } from "./row.ts";
import { makeSite } from "./site.ts";
import { type Bench, type Field, startField, SUITES } from "./suites.ts";
import { find, output } from "./usage.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const FLAGS = ["only", "rounds", "seconds", "for"];
const BEGIN = "<!-- figures: written by `deno task bench --for docs` -->";
const END = "<!-- end of figures -->";
const PICTURE = "![How far each goal is reached](performance.svg)";

async function main(args: string[]): Promise<void> {
  const flags = parseArgs(args, { string: FLAGS });
  const strange = [...Object.keys(flags), ...flags._.map(String)].filter((name) =>
    name !== "_" && !FLAGS.includes(name)
  );
  if (strange.length > 0) throw new Error(`${strange.join(", ")}: there are ${FLAGS.join(", ")}`);
  const only = flags.only === undefined ? Object.keys(SUITES) : String(flags.only).split(",");
  const unknown = only.filter((name) => !(name in SUITES));
  if (unknown.length > 0) {
    throw new Error(`no suite ${unknown.join(", ")}: ${Object.keys(SUITES).join(", ")}`);
  }
  if (await find("wrk") === null) throw new Error("wrk is not installed");
  const rounds = Number(flags.rounds ?? 3);
  const seconds = Number(flags.seconds ?? 1);
  const results: Result[] = [];
  const skipped: string[] = [];
  const site = await makeSite();
  try {
    const field = await startField(site);
    try {
      const executable = await fileOr(`${ROOT}dist/pollux`, null);
      for (const suite of only) {
        console.log(`\n${suite}`);
        const bench: Bench = {
          site,
          field,
          seconds,
          executable,
          async row(row) {
            console.log(` ${row.title}`);
            let result: Result;
            try {
              result = await measure(suite, row, rounds);
            } catch (error) {
              // One server that cannot do one thing is no reason to measure nothing.
              return bench.skip(row.title, String(error));
            }
            results.push(result);
            for (const verdict of result.verdicts) console.log(verdictLine(verdict));
            const costs = costLine(result);
            if (costs !== null) console.log(costs);
          },
          skip(title, why) {
            console.log(` ${title}: not measured, ${why}`);
            skipped.push(title);
          },
        };
        await SUITES[suite](bench);
      }
    } finally {
      await stopAll(field);
    }
  } finally {
    await Deno.remove(site.dir, { recursive: true });
  }
  const date = new Date().toISOString();
  const report: Report = { date, machine: await machine(), rounds, seconds, results, skipped };
  await write(report, flags.for === "docs");
}

async function stopAll(field: Field): Promise<void> {
  for (const server of Object.values(field)) await server?.[Symbol.asyncDispose]();
}

async function fileOr<Other>(path: string, other: Other): Promise<string | Other> {
  try {
    return (await Deno.stat(path)).isFile ? path : other;
  } catch {
    return other;
  }
}

async function machine(): Promise<string> {
  const model = await output("sh", "-c", "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2");
  return `${navigator.hardwareConcurrency} cores (${model.trim()}), Deno ${Deno.version.deno}`;
}

async function write(report: Report, isForDocs: boolean): Promise<void> {
  const folder = isForDocs ? `${ROOT}docs` : `${ROOT}dist`;
  await Deno.mkdir(folder, { recursive: true });
  const json = `${folder}/performance.json`;
  await Deno.writeTextFile(json, JSON.stringify(report, null, 2) + "\n");
  const picture = `${folder}/performance.svg`;
  await Deno.writeTextFile(picture, toSvg(report));
  const table = toMarkdown(report);
  if (!isForDocs) return console.log(`\n${table}`);
  const page = `${folder}/performance.md`;
  const text = await Deno.readTextFile(page);
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  if (after === undefined) throw new Error(`${page} has no place for the figures`);
  await Deno.writeTextFile(page, `${before}${BEGIN}\n\n${PICTURE}\n\n${table}\n\n${END}${after}`);
  await output(Deno.execPath(), "fmt", "--quiet", page, json, picture);
  console.log(`\n${page} is written`);
}

await main(Deno.args);
