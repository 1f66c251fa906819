/**
 * Ten seconds of `deno task soak`: mixed load with reloads, every byte checked, nothing left behind.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { descriptorsKept, soak } from "../../bench/soak.ts";

Deno.test("ten seconds of mixed load: no wrong byte, no growth, no bug", async () => {
  const lines: string[] = [];
  const descriptorsPerReload = await descriptorsKept();
  const options = { ms: 10_000, seed: 20261122, clients: 12, descriptorsPerReload };
  const { faults, visits, reloads } = await soak({ ...options, report: (line) => lines.push(line) });
  assertEquals(faults, [], lines.at(-1));
  assert(reloads > 0, "no reload was made");
  assert(visits.size > 3, `visits of ${visits.size} kinds alone`);
});
