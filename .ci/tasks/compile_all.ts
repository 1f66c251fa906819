/**
 * Builds the executable for every platform.
 *
 * @module
 */

import { buildExecutables, TARGETS } from "./release/executables.ts";

const failed = await buildExecutables(Object.keys(TARGETS));
if (failed.length > 0) {
  console.error(`compile:all: not built: ${failed.join(", ")}`);
  Deno.exit(1);
}
