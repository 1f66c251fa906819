/**
 * `pollux serve`: reads the configuration and hands it to the supervisor.
 *
 * @module
 */

import { type ConfigFlags, loadConfig, type LoadResult } from "../config/load.ts";
import { EXIT_USAGE } from "./command.ts";
import { flagValue, type ParsedFlags } from "./flags.ts";
import { sayFaults, sayUsage, type Terminal } from "./terminal.ts";

/** Serves until a signal stops it. */
export async function serve(parsed: ParsedFlags, terminal: Terminal): Promise<number> {
  const [positional] = parsed.positionals;
  if (positional !== undefined && parsed.flags.has("root")) {
    sayUsage(terminal, `--root and ${JSON.stringify(positional)} name the same thing: give one`, "serve");
    return EXIT_USAGE;
  }
  const flags: ConfigFlags = {
    listen: parsed.flags.get("listen") ?? [],
    root: positional ?? flagValue(parsed, "root"),
    cgiBin: flagValue(parsed, "cgi-bin"),
    workers: flagValue(parsed, "workers"),
    logFormat: flagValue(parsed, "log-format"),
    dev: parsed.flags.has("dev"),
  };
  const file = flagValue(parsed, "config");
  const load = (): Promise<LoadResult> => loadConfig({ file, flags, env: terminal.env, cwd: terminal.cwd });
  const loaded = await load();
  if ("faults" in loaded) {
    sayFaults(terminal, loaded.faults);
    return EXIT_USAGE;
  }
  sayFaults(terminal, loaded.warnings);
  const quiet = parsed.flags.has("quiet");
  const { runSupervisor } = await import("../supervisor/supervisor.ts");
  return await runSupervisor(loaded.config, { quiet, reload: load });
}
