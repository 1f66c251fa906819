/**
 * What was measured, as a table, as JSON and as a picture.
 *
 * @module
 */

import type { Result, Spread, Verdict } from "./row.ts";

/** What a run of the bench has found out. */
export interface Report {
  /** When, in ISO 8601. */
  readonly date: string;
  /** On what. */
  readonly machine: string;
  /** How many rounds, and how long a sample took, in seconds. */
  readonly rounds: number;
  readonly seconds: number;
  /** What was measured. */
  readonly results: readonly Result[];
  /** What could not be measured, and why. */
  readonly skipped: readonly string[];
}

/** A figure with as many digits as mean something. */
function figure(value: number): string {
  if (value >= 100) return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function spreadText({ min, median, max }: Spread): string {
  return `${figure(min)} – **${figure(median)}** – ${figure(max)}`;
}

function goalText({ bound, value, of }: Verdict): string {
  const sign = bound === "atLeast" ? "≥" : "≤";
  return of === null ? `${sign} ${value}` : `${sign} ${value} × ${of}`;
}

/** One line for each goal, for a terminal. */
export function verdictLine(verdict: Verdict): string {
  const { metric, own, other, of, reached, isMet } = verdict;
  const reachedText = of === null ? "" : ` = ${reached.toFixed(2)} × ${of}`;
  const plain = (spread: Spread) => spreadText(spread).replaceAll("**", "");
  return `  ${isMet ? "met    " : "NOT MET"} ${metric}: ${plain(own)}${
    other === null ? "" : ` against ${plain(other)}`
  }${reachedText} (goal ${goalText(verdict)})`;
}

/** What each contender's requests cost, for a terminal. */
export function costLine({ figures }: Result): string | null {
  const costs = Object.entries(figures).flatMap(([name, { "CPU µs": cpu }]) =>
    cpu === undefined ? [] : [`${name} ${figure(cpu.median)}`]
  );
  return costs.length === 0 ? null : `  CPU µs a request: ${costs.join(", ")}`;
}

/** The goals in Markdown, and what all contenders reached beside one another. */
export function toMarkdown(report: Report): string {
  const rows = report.results.flatMap(({ verdicts }) => verdicts);
  const met = rows.filter(({ isMet }) => isMet).length;
  const lines = [
    `${
      report.date.slice(0, 10)
    }, ${report.machine}; ${report.rounds} rounds of ${report.seconds} s, smallest – **median** – greatest.`,
    `${met} of ${rows.length} goals are met.`,
    "",
    "| work | figure | Pollux | yardstick | reached | goal | met |",
    "| --- | --- | --- | --- | --- | --- | --- |",
  ];
  for (const verdict of rows) {
    const { title, metric, own, other, of, reached, isMet } = verdict;
    lines.push(
      `| ${title} | ${metric} | ${spreadText(own)} | ${
        other === null || of === null ? "" : `${of}: ${spreadText(other)}`
      } | ${of === null ? figure(reached) : `${reached.toFixed(2)} ×`} | ${goalText(verdict)} | ${
        isMet ? "yes" : "**no**"
      } |`,
    );
  }
  if (report.skipped.length > 0) lines.push("", `Not measured: ${report.skipped.join("; ")}.`);
  lines.push("", "All that took part, in requests a second (medians):", "", ...crowdTable(report.results));
  return lines.join("\n");
}

/** A line for each row that compares several servers. */
function crowdTable(results: readonly Result[]): string[] {
  const rows = results.flatMap(({ title, figures }) => {
    const rates = Object.entries(figures).flatMap(([name, { "req/s": rate }]) =>
      rate === undefined ? [] : [[name, figure(rate.median)] as const]
    );
    return rates.length < 3 ? [] : [{ title, rates: new Map(rates) }];
  });
  const names = [...new Set(rows.flatMap(({ rates }) => [...rates.keys()]))];
  return [
    `| work | ${names.join(" | ")} |`,
    `| --- |${" --: |".repeat(names.length)}`,
    ...rows.map(({ title, rates }) =>
      `| ${title} | ${names.map((name) => rates.get(name) ?? "").join(" | ")} |`
    ),
  ];
}

/** How far each goal is reached: a bar to the line of 1 or beyond. */
export function toSvg(report: Report): string {
  const rows = report.results.flatMap(({ verdicts }) => verdicts);
  const height = 20;
  const left = 430;
  const unit = 160;
  const scoreMax = 2.2;
  const bottom = 40 + rows.length * height;
  const width = left + unit * scoreMax + 70;
  const bars = rows.map((verdict, index) => {
    const { title, metric, of, bound, value, reached, isMet } = verdict;
    const score = bound === "atLeast" ? reached / value : value / Math.max(reached, 1e-9);
    const y = 30 + index * height;
    const length = Math.round(unit * Math.min(Math.max(score, 0), scoreMax));
    const label = escape(`${title}: ${metric}${of === null ? "" : ` against ${of}`}`);
    return `<text x="${left - 8}" y="${y + 13}" text-anchor="end">${label}</text>
<rect x="${left}" y="${y + 3}" width="${length}" height="${height - 6}" fill="${
      isMet ? "#2a9d5c" : "#d9822b"
    }"/>
<text x="${left + length + 6}" y="${y + 13}">${score.toFixed(2)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${bottom}" font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="#fff"/>
<text x="${left}" y="18" font-weight="bold">figure / goal: from 1 on it is met</text>
${bars.join("\n")}
<line x1="${left + unit}" y1="24" x2="${left + unit}" y2="${
    bottom - 6
  }" stroke="#333" stroke-dasharray="4 3"/>
</svg>
`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
