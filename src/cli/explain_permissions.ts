/**
 * `pollux explain --permissions`: what each kind of loop holds, and which line of the configuration asked for it. The loops are
 * given just this, by the same code.
 *
 * @module
 */

import { type Programs, runnable } from "../cgi/programs.ts";
import type { Config } from "../config/config.ts";
import {
  type Grant,
  needsPasswordLoop,
  needsScriptLoop,
  networkGrants,
  programGrants,
  scriptGrants,
} from "../supervisor/permissions.ts";

const KINDS = ["net", "read", "write", "run"] as const;

/**
 * The lines that are printed.
 *
 * @param fileName The configuration as the user named it.
 */
export function describePermissions(config: Config, programs: Programs, fileName: string): string[] {
  const network = networkGrants(config, new Map(), `${config.temp}/pollux-*`, realPath);
  const lines = [
    `network loop, ${config.workers} of it: serves clients`,
    ...describe(network, fileName),
  ];
  if (needsScriptLoop(config)) {
    const script = [
      ...scriptGrants(config, `${config.temp}/pollux-*/warm*`),
      ...programGrants(config, programs),
    ];
    lines.push("", "script loop: starts scripts", ...describe(script, fileName));
    if (runnable(programs).length === 0) lines.push("  no program that is named is installed");
  }
  if (needsPasswordLoop(config)) {
    lines.push("", "password loop: looks at passwords", ...describe([], fileName));
  }
  lines.push(
    "",
    "supervisor: reads no byte of a client",
    "  net read write run env: what the program was started with",
  );
  return lines;
}

/** A line for each value, with all that ask for it; a kind without any is refused by the runtime. */
function describe(grants: readonly Grant[], fileName: string): string[] {
  const lines: string[] = [];
  for (const kind of KINDS) {
    const reasons = new Map<string, Set<string>>();
    for (const one of grants) {
      if (one.kind !== kind) continue;
      const said = one.place === null ? one.why : `${one.why} (${fileName}:${one.place.line})`;
      reasons.set(one.value, (reasons.get(one.value) ?? new Set()).add(said));
    }
    if (reasons.size === 0) lines.push(`  ${kind.padEnd(5)}  nothing`);
    for (const [value, why] of reasons) lines.push(`  ${kind.padEnd(5)}  ${value}  ${[...why].join("; ")}`);
  }
  return [...lines, "  env    nothing"];
}

/** Where a path leads; itself where it leads nowhere (yet). */
function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}
