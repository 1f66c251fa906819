/**
 * The page on the status, and the examples for Prometheus and Grafana, name what the server really exports.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/yaml/parse";
import { formatPrometheus } from "../../src/observe/prometheus.ts";
import { statusAsJson } from "../../src/observe/status.ts";
import { aStatus } from "../../src/observe/status_fixture.ts";
import { parseExposition } from "../support/exposition.ts";

const DOCS = new URL("../../docs/", import.meta.url);
const FAMILIES = parseExposition(formatPrometheus(aStatus()));

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, DOCS));
}

/** All values under a key, however deep. */
function valuesOf(tree: unknown, key: string): unknown[] {
  if (typeof tree !== "object" || tree === null) return [];
  return Object.entries(tree).flatMap(([name, value]) => name === key ? [value] : valuesOf(value, key));
}

/** What of the names in queries no family has, as itself or as a part of a histogram. */
function unknownNames(queries: readonly unknown[]): string[] {
  const names = queries.flatMap((query) => String(query).match(/\bpollux_\w+/g) ?? []);
  assert(names.length > 0);
  const known = new Set([...FAMILIES.values()].flatMap(({ samples }) => samples.map(({ name }) => name)));
  return names.filter((name) => !known.has(name));
}

/** Labels that queries compare or gather by, which no sample has. */
function unknownLabels(queries: readonly unknown[]): string[] {
  const known = new Set([
    "instance",
    ...[...FAMILIES.values()].flatMap(({ samples }) => samples.flatMap(({ labels }) => Object.keys(labels))),
  ]);
  const used = queries.flatMap((query) => [
    ...[...String(query).matchAll(/[{,](\w+)[=!]/g)].map(([, label]) => label),
    ...[...String(query).matchAll(/\bby \((\w+)\)/g)].map(([, label]) => label),
  ]);
  return used.filter((label) => !known.has(label));
}

Deno.test("docs/examples/monitoring/grafana.json asks for what the server exports", () => {
  const dashboard = JSON.parse(read("examples/monitoring/grafana.json"));
  const queries = valuesOf(dashboard, "expr");
  assertEquals([
    unknownNames([
      ...queries,
      ...valuesOf(dashboard.templating, "query").map((query) => JSON.stringify(query)),
    ]),
    unknownLabels(queries),
  ], [[], []]);
  const ids = dashboard.panels.map(({ id }: { id: number }) => id);
  assertEquals(new Set(ids).size, ids.length);
});

Deno.test("docs/examples/monitoring/alerts.yml asks for what the server exports", () => {
  const queries = valuesOf(parse(read("examples/monitoring/alerts.yml")), "expr");
  assertEquals([queries.length, unknownNames(queries), unknownLabels(queries)], [4, [], []]);
});

Deno.test("docs/examples/monitoring/prometheus.yml gathers from the route of docs/status.md", () => {
  const { scrape_configs: [job], rule_files: rules } = parse(read("examples/monitoring/prometheus.yml")) as {
    scrape_configs: {
      metrics_path: string;
      params: { format: string[] };
      static_configs: { targets: string[] }[];
    }[];
    rule_files: string[];
  };
  assertEquals([job.params.format, rules], [["prometheus"], ["alerts.yml"]]);
  const text = read("status.md");
  assert(text.includes(`path: ${job.metrics_path}, status: true`));
  assert(text.includes(`listen: ${job.static_configs[0].targets[0]}`));
});

Deno.test("docs/status.md names each metric and each field, and no other", () => {
  const rows = read("status.md").split("\n").filter((line) => line.startsWith("| `"));
  const names = rows.flatMap((row) => [...row.split("|")[1].matchAll(/`(\w+)`/g)].map(([, name]) => name));
  const isMetric = (name: string) => name.startsWith("pollux_");
  assertEquals(names.filter(isMetric).sort(), [...FAMILIES.keys()].sort());
  assertEquals(names.filter((name) => !isMetric(name)).sort(), Object.keys(statusAsJson(aStatus())).sort());
});
