/**
 * `pollux check`: every fault and warning of a configuration, each on its own line.
 *
 * @module
 */

import { resolvePrograms } from "../cgi/programs.ts";
import type { Fault } from "../config/fault.ts";
import { DEFAULT_FILE, loadConfig } from "../config/load.ts";
import { findWarnings } from "../config/warnings.ts";
import { EXIT_OK, EXIT_USAGE } from "./command.ts";
import { certificateFaults, passwordFileWarnings } from "./credentials.ts";
import { flagValue, type ParsedFlags } from "./flags.ts";
import { sayFaults, sayUsage, type Terminal } from "./terminal.ts";

/** Validates a configuration; 0: valid, 2: not. */
export async function check(parsed: ParsedFlags, terminal: Terminal): Promise<number> {
  const [positional] = parsed.positionals;
  const named = flagValue(parsed, "config");
  if (positional !== undefined && named !== null) {
    sayUsage(terminal, `--config and ${JSON.stringify(positional)} name the same thing: give one`, "check");
    return EXIT_USAGE;
  }
  const file = positional ?? named;
  const loaded = await loadConfig({ file, env: terminal.env, cwd: terminal.cwd, places: true });
  if ("faults" in loaded) {
    sayFaults(terminal, loaded.faults);
    return EXIT_USAGE;
  }
  const { config, routeKeys } = loaded;
  const fileName = file ?? (config.file === null ? null : DEFAULT_FILE);
  const faults = await certificateFaults(config, fileName);
  if (faults.length > 0) {
    sayFaults(terminal, faults);
    return EXIT_USAGE;
  }
  const programs = resolvePrograms(config, terminal.env.get("PATH") ?? "");
  const warnings = findWarnings(config, {
    fileName,
    routeKeys,
    isInstalled: (name) => programs.paths[name]?.length > 0,
    uid: currentUser(config.temp),
  });
  const ofPrograms = programs.warnings.map((message): Fault => ({
    severity: "warning",
    file: fileName,
    place: null,
    key: "",
    message,
  }));
  sayFaults(terminal, [...loaded.warnings, ...warnings, ...passwordFileWarnings(config), ...ofPrograms]);
  terminal.out(`${fileName ?? `no ${DEFAULT_FILE} here; the defaults`}: valid`);
  return EXIT_OK;
}

/**
 * The user that this process runs as, by the owner of a file that it makes: to ask the system outright takes a permission
 * (sys) that Pollux never has. Null where there are no users, or no file can be made.
 */
function currentUser(temp: string): number | null {
  let file: string;
  try {
    file = Deno.makeTempFileSync({ dir: temp, prefix: "pollux-" });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable || !(error instanceof Error)) throw error;
    return null;
  }
  try {
    return Deno.statSync(file).uid;
  } finally {
    Deno.removeSync(file);
  }
}
