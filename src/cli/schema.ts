/**
 * `pollux schema`: the JSON Schema of pollux.yaml, with which editors complete and check it.
 *
 * @module
 */

import { jsonSchema } from "../config/json_schema.ts";
import { EXIT_OK } from "./command.ts";
import type { ParsedFlags } from "./flags.ts";
import type { Terminal } from "./terminal.ts";

/** Writes the schema to standard output. */
export function schema(_parsed: ParsedFlags, terminal: Terminal): Promise<number> {
  terminal.out(JSON.stringify(jsonSchema(), null, 2));
  return Promise.resolve(EXIT_OK);
}
