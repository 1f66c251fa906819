/**
 * The table of requirements says what is: every file and every test that it names is there.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";

const REPOSITORY = new URL("../../", import.meta.url);
const DOCUMENT = Deno.readTextFileSync(new URL("docs/conformance.md", REPOSITORY));

interface Row {
  readonly standard: string;
  readonly cells: readonly string[];
}

/** The rows of the tables that say where and by what: those of four columns. */
function rows(): Row[] {
  const found: Row[] = [];
  let standard = "";
  for (const line of DOCUMENT.split("\n")) {
    if (line.startsWith("## ")) standard = line.slice(3);
    if (!line.startsWith("| ")) continue;
    const cells = line.slice(1, -1).split("|").map((cell) => cell.trim());
    if (cells.length === 4 && cells[0] !== "section" && !/^-+$/.test(cells[0])) {
      found.push({ standard, cells });
    }
  }
  return found;
}

function quoted(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]);
}

const texts = new Map<string, string | null>();

/** A file's text; null where there is none. */
function textOf(path: string): string | null {
  let text = texts.get(path);
  if (text === undefined) {
    try {
      text = Deno.readTextFileSync(new URL(path, REPOSITORY));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      text = null;
    }
    texts.set(path, text);
  }
  return text;
}

/** Whether a file has a test, a step or a case of that name: the whole of a string in it. */
function hasTest(path: string, name: string): boolean {
  const text = textOf(path);
  if (text === null) return false;
  if (path.endsWith(".json")) return text.includes(`"name": ${JSON.stringify(name)}`);
  // A name may go on with why the test is skipped.
  return [`"${name}"`, `\`${name}\``, `\`${name}\${`].some((string) => text.includes(string));
}

Deno.test("docs/conformance.md: each row has a section, a requirement, a file and a test", () => {
  const all = rows();
  assert(all.length > 100, `${all.length} rows`);
  const bad = all.filter(({ cells: [section, requirement, files, tests] }) =>
    !/^\d+(\.\d+)*(, \d+(\.\d+)*)*$/.test(section) || requirement === "" || quoted(files).length === 0 ||
    quoted(tests).length === 0
  );
  assertEquals(bad, []);
});

Deno.test("docs/conformance.md: each file that it names is there", () => {
  const files = rows().flatMap(({ cells }) => quoted(cells[2]));
  assertEquals([...new Set(files)].filter((path) => textOf(path) === null), []);
});

Deno.test("docs/conformance.md: each test that it names is there", () => {
  const tests = rows().flatMap(({ cells }) => quoted(cells[3]));
  const missing = tests.filter((test) => {
    const [, path, name] = /^(\S+): (.+)$/.exec(test) ?? [];
    return path === undefined || !hasTest(path, name);
  });
  assertEquals([...new Set(missing)], []);
});
