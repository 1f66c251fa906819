/**
 * The table of requirements says what is: every file and every test that it names is there.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { missingTests, quoted, textOf } from "./named_tests.ts";

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
  assertEquals(missingTests(rows().map(({ cells }) => cells[3])), []);
});
