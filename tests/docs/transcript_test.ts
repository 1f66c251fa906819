/**
 * Every document that shows what one types and what comes then: it comes. `POLLUX_UPDATE_DOCS=1 deno task test
 * tests/docs/transcript_test.ts` writes into the documents what came instead.
 *
 * @module
 */

import { isRunnable, runDocument } from "./transcript.ts";

const DOCS = new URL("../../docs/", import.meta.url);

for (const { name } of [...Deno.readDirSync(DOCS)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  if (!name.endsWith(".md") || !isRunnable(Deno.readTextFileSync(new URL(name, DOCS)))) continue;
  Deno.test(`docs/${name}: what it tells to type does what it shows`, () => runDocument(name));
}
