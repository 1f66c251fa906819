/**
 * The tables of known faults and of promises say what is: every test that they name is there.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { missingTests, quoted, rowsOf } from "./named_tests.ts";

const DOCUMENT = Deno.readTextFileSync(new URL("../../SECURITY.md", import.meta.url));
const ROWS = rowsOf(DOCUMENT.slice(DOCUMENT.indexOf("## The known classes")), 3, "class");

Deno.test("SECURITY.md: each class has a reason and a test", () => {
  assert(ROWS.length > 40, `${ROWS.length} rows`);
  assertEquals(ROWS.filter(([, reason, tests]) => reason === "" || !tests.startsWith("`")), []);
});

Deno.test("SECURITY.md: each test that it names is there", () => {
  assertEquals(missingTests(ROWS.map(([, , tests]) => tests)), []);
});

Deno.test("docs/reliability.md: each test that it names is there", () => {
  const document = Deno.readTextFileSync(new URL("../../docs/reliability.md", import.meta.url));
  const cells = [...rowsOf(document, 3, "promise"), ...rowsOf(document, 2, "deadline")].map(([, tests]) =>
    tests
  );
  // Commands and keys stand in back quotes too.
  const tests = cells.flatMap(quoted).filter((name) => /^(?:src|tests)\//.test(name));
  assert(tests.length > 20, `${tests.length} tests`);
  assertEquals(missingTests(tests.map((name) => `\`${name}\``)), []);
});
