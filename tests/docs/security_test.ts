/**
 * The table of known faults says what is: every test that it names is there.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { missingTests, rowsOf } from "./named_tests.ts";

const DOCUMENT = Deno.readTextFileSync(new URL("../../SECURITY.md", import.meta.url));
const ROWS = rowsOf(DOCUMENT.slice(DOCUMENT.indexOf("## The known classes")), 3, "class");

Deno.test("SECURITY.md: each class has a reason and a test", () => {
  assert(ROWS.length > 40, `${ROWS.length} rows`);
  assertEquals(ROWS.filter(([, reason, tests]) => reason === "" || !tests.startsWith("`")), []);
});

Deno.test("SECURITY.md: each test that it names is there", () => {
  assertEquals(missingTests(ROWS.map(([, , tests]) => tests)), []);
});
