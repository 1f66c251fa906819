/**
 * The configuration's loader: whatever is written, it gives a configuration or faults with their places, and what it takes means the
 * same when it is written in another way.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { parse, stringify, YAMLParseError } from "yaml";
import { loadConfig, type LoadResult } from "../../src/config/load.ts";
import { FIXED_SEED, RUN_SEED } from "./seeds.ts";

const EXAMPLES = ["cgit", "git", "gitweb", "man2html", "perl", "php", "python", "small"].map((name) =>
  Deno.readTextFileSync(new URL(`../../docs/examples/${name}/pollux.yaml`, import.meta.url))
);
const FULL = `listen: [127.0.0.1:0, { address: ":8443", proxy_protocol: true }, "unix:/tmp/x.sock"]
workers: auto
trusted_proxies: [10.0.0.0/8, "::1"]
log: { access: off, format: json, level: warn }
limits: { request_line: 4KiB, body: 2MiB, connections_per_ip: 100, min_rate: off }
timeouts: { header: 500ms, keep_alive: off, shutdown: 1h }
cgi:
  timeout: 5s
  interpreters: { .py: python3, .x: [sh, -e], .cgi: shebang, .pl: off }
  env: { A: b }
sites:
  - host: [example.org, "*.example.org"]
    root: ./static
    index: [index.html]
    error_pages: { 404: /404.html }
    headers: { X-A: b }
    routes:
      - { path: /cgi-bin/, cgi: ./cgi-bin, methods: [GET, POST], max_processes: 3, body: stream }
      - { path: /api, fastcgi: [127.0.0.1:9000, "unix:/run/x.sock"], timeout: 3s }
      - { path: /old, redirect: "https://example.org{path}", status: 301 }
  - routes:
      - { path: /, respond: hello, status: 200, allow: [127.0.0.1], rate: { requests: 10, per: 1s, burst: 20 } }
      - { path: /up/, files: ./up, methods: [GET, PUT], body_limit: off, list: true }
`;

const token = fc.constantFrom(
  "off",
  "0",
  "-1",
  "1e9",
  "5s",
  "5m ",
  "1KiB",
  "99999999999999999999",
  "true",
  "null",
  "~",
  "[]",
  "{}",
  "[a, b]",
  "{ a: b }",
  '"',
  "'",
  "&a",
  "*a",
  "!!str x",
  "<<: *a",
  "|",
  ">",
  "# c",
  "- ",
  ": ",
  "\t",
  "  ",
  "\n",
  "\r\n",
  "---\n",
  "...\n",
  "%YAML 1.2\n",
  "\0",
  "\u00a0",
  "\ufeff",
  "é",
  "__proto__: 1",
  "constructor",
  "listen",
  "routes:",
  "cgi: .",
  "010",
  "0x10",
  "1_000",
  "/",
  "//",
  "::1",
  "[::1]:80",
  "{path}",
  "*",
  "?",
);
const edit = fc.oneof(
  fc.record({ kind: fc.constant("insert" as const), at: fc.nat(2000), token }),
  fc.record({ kind: fc.constant("value" as const), at: fc.nat(200), token }),
  fc.record({
    kind: fc.constantFrom("drop" as const, "double" as const, "indent" as const, "join" as const),
    at: fc.nat(200),
    token,
  }),
);
const text = fc.tuple(fc.constantFrom(FULL, FULL, FULL, ...EXAMPLES), fc.array(edit, { maxLength: 3 })).map((
  [base, edits],
) =>
  edits.reduce((text, { kind, at, token }) => {
    if (kind === "insert") return text.slice(0, at % text.length) + token + text.slice(at % text.length);
    const lines = text.split("\n");
    const place = at % lines.length;
    const line = lines[place];
    if (kind === "value") lines[place] = line.replace(/: .*$/, `: ${token}`);
    if (kind === "drop") lines.splice(place, 1);
    if (kind === "double") lines.splice(place, 0, line);
    if (kind === "indent") lines[place] = ` ${line}`;
    if (kind === "join") lines.splice(place, 2, line + (lines[place + 1] ?? ""));
    return lines.join("\n");
  }, base)
);

/** A configuration without what names this run or the places of keys. */
function meaning(result: LoadResult): unknown {
  if (!("config" in result)) return null;
  return JSON.parse(JSON.stringify(result.config, (_, value) => value === Infinity ? "Infinity" : value));
}

/**
 * The same by another reader and writer of YAML, every scalar quoted: what a text means must not hang on how it is written. null: that
 * reader refuses what ours lets pass, such as a second key behind a closing bracket.
 */
function rewritten(source: string): string | null {
  try {
    const value: unknown = parse(source, { schema: "failsafe", version: "1.2" });
    // That reader takes nothing for an empty text, ours for nothing: where both are written there is no telling.
    if (/""|''/.test(source)) return null;
    const bare: unknown = JSON.parse(JSON.stringify(value), (_, each) => each === "" ? null : each);
    return stringify(bare, { defaultStringType: "QUOTE_DOUBLE", nullStr: "" });
  } catch (error) {
    if (error instanceof YAMLParseError) return null;
    throw error;
  }
}

for (const seed of [FIXED_SEED, RUN_SEED]) {
  Deno.test(`loadConfig() gives faults with places or a configuration that means the same when it is written anew (${seed === FIXED_SEED ? "fixed" : "another"} seed)`, async () => {
    const cwd = await Deno.makeTempDir({ prefix: "pollux-fuzz-" });
    const load = async (source: string) => {
      await Deno.writeTextFile(`${cwd}/pollux.yaml`, source);
      return await loadConfig({ file: "pollux.yaml", env: { get: () => undefined }, cwd });
    };
    let taken = 0;
    try {
      await fc.assert(
        fc.asyncProperty(text, async (source) => {
          const result = await load(source);
          const said = "config" in result ? result.warnings : result.faults;
          for (const { place, message, file } of said) {
            assert(message.length > 0 && file === "pollux.yaml", message);
            const { line, column } = place ?? { line: 0, column: 0 };
            assert(line >= 1 && line <= source.split("\n").length + 1 && column >= 1, `no place: ${message}`);
          }
          if (!("config" in result)) return assert(said.length > 0, "refused without a word");
          const anew = rewritten(source);
          if (anew === null) return;
          taken++;
          assertEquals(meaning(await load(anew)), meaning(result));
        }),
        { seed, numRuns: 250 },
      );
      assert(taken > 10, `only ${taken} were taken`);
    } finally {
      await Deno.remove(cwd, { recursive: true });
    }
  });
}
