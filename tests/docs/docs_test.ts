/**
 * The documents say what is: links lead somewhere, named files exist, the drawing of the states is the table.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { TRANSITIONS } from "../../src/client/states.ts";
import { generated } from "../../.ci/tasks/generate.ts";

const REPOSITORY = new URL("../../", import.meta.url);
const DOCUMENTS = [
  "README.md",
  ...[...Deno.readDirSync(new URL("docs/", REPOSITORY))].filter(({ name }) => name.endsWith(".md"))
    .map(({ name }) => `docs/${name}`).sort(),
];

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, REPOSITORY));
}

function exists(url: URL): boolean {
  try {
    Deno.statSync(fromFileUrl(url));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function foldersOf(path: string): string[] {
  return [...Deno.readDirSync(new URL(path, REPOSITORY))].filter((entry) => entry.isDirectory).map((entry) =>
    entry.name
  );
}

/** The TypeScript files directly in a folder. */
function filesBelow(path: string): string[] {
  return [...Deno.readDirSync(new URL(path, REPOSITORY))].filter((entry) => entry.name.endsWith(".ts")).map((
    entry,
  ) => entry.name);
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[1]);
}

for (const document of DOCUMENTS) {
  Deno.test(`${document}: each relative link leads to a file`, () => {
    const links = matches(read(document), /\]\((?![a-z]+:|#)([^)#]+)/g);
    const broken = links.filter((link) => !exists(new URL(link, new URL(document, REPOSITORY))));
    assertEquals(broken, []);
  });

  Deno.test(`${document}: each folder and file of the source that it names is there`, () => {
    const names = matches(
      read(document),
      /`((?:src|tests|cgi-bin|static|bench|docs|\.ci)\/?[\w./-]*)`/g,
    );
    // A newcomer's own script is the one that is not there.
    const missing = names.filter((name) => name !== "cgi-bin/mine.sh" && !exists(new URL(name, REPOSITORY)));
    assertEquals(missing, []);
  });
}

Deno.test("each picture that a document shows is there, and each that is there is shown", () => {
  const shown = new Set(
    DOCUMENTS.flatMap((document) =>
      matches(read(document), /(?:src|srcset)="([^"]+)"/g).map((path) =>
        new URL(path, new URL(document, REPOSITORY)).href
      )
    ),
  );
  const there = [...Deno.readDirSync(new URL("docs/screenshots/", REPOSITORY))].map(({ name }) =>
    new URL(`docs/screenshots/${name}`, REPOSITORY).href
  );
  assertEquals([...shown].sort(), there.sort());
});

Deno.test("docs/architecture.md: the drawing of the states is the table of src/client/states.ts", () => {
  const drawn = matches(read("docs/architecture.md"), /^ {2}([A-Z_]+ --> [A-Z_]+: \w+)$/gm);
  const table = Object.entries(TRANSITIONS).flatMap(([from, events]) =>
    Object.entries(events).map(([event, to]) => `${from} --> ${to}: ${event}`)
  );
  assertEquals(drawn.sort(), table.sort());
});

Deno.test("docs/architecture.md: each file of a folder's part of the tour is in that folder", () => {
  const text = read("docs/architecture.md");
  const tour = text.slice(text.indexOf("## Reading order"), text.indexOf("## The states of a client"));
  const missing: string[] = [];
  let folder = "";
  for (const [, part, file] of tour.matchAll(/\*\*.*?`(src\/\w+)`.*?\*\*|`(\w+\.ts)`/g)) {
    if (part !== undefined) folder = part;
    else if (!exists(new URL(`${folder}/${file}`, REPOSITORY))) missing.push(`${folder}/${file}`);
  }
  assertEquals(missing, []);
});

Deno.test("README.md: each folder of the source has its line", () => {
  const folders = foldersOf("src/").filter((name) => filesBelow(`src/${name}/`).length > 0);
  const named = matches(read("README.md"), /^\| `src\/(\w+)`/gm);
  assertEquals(named.sort(), folders.sort());
});

for (const [name, text] of Object.entries(generated())) {
  Deno.test(`${name} is what \`deno task generate\` writes`, () => {
    assert(read(name) === text, "it is not current: deno task generate");
  });
}

Deno.test("docs/systemd.md shows the unit of the package", () => {
  assertStringIncludes(read("docs/systemd.md"), `\`\`\`ini\n${read(".ci/packaging/pollux.service")}\`\`\`\n`);
});
