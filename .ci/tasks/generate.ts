/**
 * Writes what is made from the source into docs/; tests compare it with what it should be.
 *
 * @module
 */

import { jsonSchema } from "../../src/config/json_schema.ts";
import { messagesPage } from "./messages.ts";
import { referencePage } from "./reference.ts";

const DOCS = new URL("../../docs/", import.meta.url);

/** The generated documents, by their name in docs/. */
export function generated(): Readonly<Record<string, string>> {
  return {
    "pollux.schema.json": `${JSON.stringify(jsonSchema(), null, 2)}\n`,
    "reference.md": referencePage(),
    "messages.md": messagesPage(),
  };
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(generated())) {
    Deno.writeTextFileSync(new URL(name, DOCS), text);
    console.error(`generate: docs/${name}`);
  }
}
