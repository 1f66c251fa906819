/**
 * Every document that shows what one types and what comes then: it comes. `POLLUX_UPDATE_DOCS=1 deno task test
 * tests/docs/transcript_test.ts` writes into the documents what came instead.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { outputOf } from "../support/processes.ts";
import { TestServer } from "../support/server.ts";
import { isRunnable, runDocument } from "./transcript.ts";

const DOCS = new URL("../../docs/", import.meta.url);

for (const { name } of [...Deno.readDirSync(DOCS)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  if (!name.endsWith(".md") || !isRunnable(Deno.readTextFileSync(new URL(name, DOCS)))) continue;
  Deno.test(`docs/${name}: what it tells to type does what it shows`, () => runDocument(name));
}

Deno.test("README.md: one's own script is behind a URL, as it says", async () => {
  const readme = Deno.readTextFileSync(new URL("../README.md", DOCS));
  const [, block] = /^```sh\n(cat > cgi-bin[^]*?)^```$/m.exec(readme) ?? [];
  assertStringIncludes(block, "http://127.0.0.1:8080");
  await using server = await TestServer.start({ flags: ["--listen", "127.0.0.1:0"] });
  const shown = await outputOf("sh", ["-c", block.replace("http://127.0.0.1:8080", server.url)], {
    cwd: server.dir,
  });
  assertEquals(shown, "Hello, 127.0.0.1: name=Leda\n");
});
