/**
 * Every message of docs/messages.md is seen by a test: its longest fixed part stands in one, or in a document that runs.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { allMessages } from "../../tasks/messages.ts";

const REPOSITORY = new URL("../../", import.meta.url);

function texts(folder: string, pattern: RegExp): string[] {
  return [...Deno.readDirSync(new URL(folder, REPOSITORY))].flatMap(({ name, isDirectory }) =>
    isDirectory
      ? texts(`${folder}${name}/`, pattern)
      : pattern.test(name)
      ? [Deno.readTextFileSync(new URL(folder + name, REPOSITORY))]
      : []
  );
}

/** What no test can bring about: faults of Pollux itself, and a file that goes within a moment. */
const BEYOND_TESTS: ReadonlySet<string> = new Set([
  "a bug of Pollux: …",
  "the type … has no shape",
  "… has gone meanwhile",
]);

Deno.test("each message that a person can get from command line, configuration and start is seen by a test", () => {
  const tests = [
    ...texts("src/", /_test\.ts$/),
    ...texts("tests/", /_test\.ts$/),
    ...texts("docs/", /^(?!messages)\w.*\.md$/),
  ].join("\n")
    // A long text is written in two pieces, and quotes and patterns escape.
    .replace(/" \+\s*"|" \+\s*`|` \+\s*"|` \+\s*`/g, "").replaceAll("\\", "");
  const unseen = allMessages().filter(({ parts }) => {
    if (BEYOND_TESTS.has(parts.join("…"))) return false;
    const [longest] = parts.toSorted((a, b) => b.trim().length - a.trim().length);
    return !tests.includes(longest.trim().replaceAll("\\", ""));
  });
  assertEquals(unseen.map(({ file, parts }) => `${file}: ${parts.join("…")}`), []);
});
