/**
 * Writes what is made from the source: pages in docs/, the table of media types, the lists of modules that threads start with;
 * tests compare them with what they should be.
 *
 * @module
 */

import { jsonSchema } from "../../src/config/json_schema.ts";
import { mediaTypesText } from "./media_types.ts";
import { moduleLists } from "./module_lists.ts";
import { messagesPage } from "./messages.ts";
import { referencePage } from "./reference.ts";

const ROOT = new URL("../../", import.meta.url);

/** What is generated, by its path in the repository. */
export function generated(): Readonly<Record<string, string>> {
  return {
    "docs/pollux.schema.json": `${JSON.stringify(jsonSchema(), null, 2)}\n`,
    "docs/reference.md": referencePage(),
    "docs/messages.md": messagesPage(),
    "src/handlers/media_types.txt": mediaTypesText(),
    ...moduleLists(),
  };
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(generated())) {
    Deno.writeTextFileSync(new URL(name, ROOT), text);
    console.error(`generate: ${name}`);
  }
}
