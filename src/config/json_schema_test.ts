import { assert } from "@std/assert";
import { parse } from "@std/yaml/parse";
import { Ajv } from "ajv";
import { loadConfig } from "./load.ts";
import { jsonSchema } from "./json_schema.ts";
import { samples } from "../cli/samples.ts";

const REPOSITORY = new URL("../../", import.meta.url);

// Draft 7 takes a type with several names; Ajv calls it unusual.
const validate = new Ajv({ allowUnionTypes: true, allErrors: true }).compile(jsonSchema());

/** Whether an editor would take this file. */
function isTaken(yaml: string): boolean {
  return validate(parse(yaml, { schema: "core" }) ?? null);
}

/** The YAML of a document: of its whole blocks, which have a key at their beginning. */
function blocksOf(path: string): string[] {
  const text = Deno.readTextFileSync(new URL(path, REPOSITORY));
  return [...text.matchAll(/^```yaml[^\n]*\n([\s\S]*?)^```$/gm)]
    // A list is one of routes.
    .map(([, block]) => block.startsWith("- ") ? `routes:\n${block}` : block);
}

Deno.test("the JSON Schema takes every example of the documentation, and what init writes", () => {
  const files = [...Deno.readDirSync(new URL("docs/examples/", REPOSITORY))].flatMap(({ name }) => {
    const folder = new URL(`docs/examples/${name}/`, REPOSITORY);
    return [...Deno.readDirSync(folder)].filter(({ name }) => name === "pollux.yaml")
      .map(({ name }) => Deno.readTextFileSync(new URL(name, folder)));
  });
  const documents = [...Deno.readDirSync(new URL("docs/", REPOSITORY))]
    .filter(({ name }) => name.endsWith(".md")).map(({ name }) => `docs/${name}`);
  const texts = [...files, ...["README.md", ...documents].flatMap(blocksOf), samples()[0].text];
  assert(texts.length > 9, `${texts.length} examples`);
  for (const text of texts) assert(isTaken(text), `${JSON.stringify(validate.errors)}\n${text}`);
});

Deno.test("the JSON Schema takes what means the same in several spellings", () => {
  for (
    const yaml of [
      "",
      "listen: 8080",
      'listen: ":8080"',
      'listen: [8080, { address: ":443", tls: { cert: a, key: b } }]',
      'listen: { address: "unix:/run/x", mode: "0660" }',
      "limits: { body: off, connections: 10, header_bytes: 4KiB, min_rate: 100 }",
      "limits: { body: false }",
      "limits:",
      "timeouts: { keep_alive: off, header: 500ms }",
      "error_pages: { 404: /404.html }",
      "cgi: { env: { A: 1, B: yes }, interpreters: { .py: [python3, -I], .rb: off } }",
      "host: example.org",
      "routes: { path: /, redirect: /new, status: 301 }",
      "routes: [{ path: /, files: ., list: off, scripts: .php, timeout: 5s }]",
      "routes: [{ path: /s, status: true }]",
      "sites: [{ host: a, root: . }, { host: [b, c], cgi: { timeout: 1s } }]",
    ]
  ) {
    assert(isTaken(yaml), `${yaml}: ${JSON.stringify(validate.errors)}`);
  }
});

Deno.test("the JSON Schema refuses faults, and so does the program", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pollux-test-" });
  try {
    for (
      const yaml of [
        "lisen: 8080",
        "limits: { bodi: 1MiB }",
        "limits: { body: 1MB }",
        "limits: { header_count: 0 }",
        "timeouts: { header: 10 }",
        "timeouts: { header: off }".replace("off", "1 s"),
        "cgi: { nice: 20 }",
        "log: { format: apache }",
        "listen: { mode: '0660' }",
        "listen: { address: ':1', tls: { cert: a } }",
        "routes: [{ files: . }]",
        "routes: [{ path: / }]",
        "routes: [{ path: /, files: ., cgi: . }]",
        "routes: [{ path: /, files: ., timeout: 5s }]",
        "routes: [{ path: /, redirect: /a, status: 200 }]",
        "routes: [{ path: /, files: ., list: yes }]",
        "routes: [{ path: /, files: ., rate: { per: 1s } }]",
        "routes: [{ path: /, files: ., cache: { size: 1MiB } }]",
        "routes: [{ path: /, files: ., auth: { realm: x } }]",
        "routes: [/]",
        "sites: [{ workers: 2 }]",
        "[]",
      ]
    ) {
      assert(!isTaken(yaml), yaml);
      await Deno.writeTextFile(`${folder}/pollux.yaml`, yaml);
      const loaded = await loadConfig({ file: null, cwd: folder, env: { get: () => undefined } });
      assert("faults" in loaded && loaded.faults.length > 0, yaml);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
