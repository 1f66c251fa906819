/**
 * `pollux version`.
 *
 * @module
 */

import settings from "../../deno.json" with { type: "json" };
import { EXIT_OK } from "./command.ts";
import type { ParsedFlags } from "./flags.ts";
import type { Terminal } from "./terminal.ts";

/** Writes the version of Pollux and of what it runs on. */
export function version(_parsed: ParsedFlags, terminal: Terminal): Promise<number> {
  terminal.out(`pollux ${settings.version} (deno ${Deno.version.deno}, ${Deno.build.target})`);
  return Promise.resolve(EXIT_OK);
}
