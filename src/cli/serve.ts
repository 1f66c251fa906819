/**
 * `pollux serve`: reads the configuration and hands it to the supervisor.
 *
 * @module
 */

import { type Programs, resolvePrograms } from "../cgi/programs.ts";
import { closedFolders, missingInterpreters } from "../config/warnings.ts";
import type { Config } from "../config/config.ts";
import { type ConfigFlags, DEFAULT_FILE, loadConfig, type LoadResult } from "../config/load.ts";
import { readDescriptors } from "../supervisor/descriptors.ts";
import { runSupervisor } from "../supervisor/supervisor.ts";
import type { HeldSignals } from "../supervisor/signals.ts";
import { EXIT_USAGE } from "./command.ts";
import { flagValue, type ParsedFlags } from "./flags.ts";
import { sayFaults, sayUsage, type Terminal } from "./terminal.ts";

/** Serves until one of the signals stops it. */
export async function serve(
  parsed: ParsedFlags,
  terminal: Terminal,
  signals: HeldSignals,
): Promise<number> {
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
  const load = async (): Promise<LoadResult> => {
    const result = await loadConfig({ file, flags, env: terminal.env, cwd: terminal.cwd });
    if (!("config" in result)) return result;
    const config = parsed.flags.has("quiet") ? quieten(result.config) : result.config;
    return { ...result, config: forPeople(config, terminal) };
  };
  // A shell says what the system allows while the configuration is read. If it fails, whoever awaits it hears of that.
  const descriptors = readDescriptors();
  const [loaded] = await Promise.all([load(), descriptors.catch(() => null)]);
  if ("faults" in loaded) {
    sayFaults(terminal, loaded.faults);
    return EXIT_USAGE;
  }
  const { config, routeKeys, warnings } = loaded;
  const fileName = file ?? (config.file === null ? null : DEFAULT_FILE);
  sayFaults(terminal, [...warnings, ...closedFolders(config, { fileName, routeKeys })]);
  const programs = (inherited: readonly number[]): Programs => {
    const found = resolvePrograms(config, terminal.env.get("PATH") ?? "", inherited);
    const isInstalled = (name: string) => found.paths[name]?.length > 0;
    sayFaults(terminal, missingInterpreters(config, { fileName, routeKeys, isInstalled }));
    return found;
  };
  return await runSupervisor(config, { programs, descriptors, signals, reload: load });
}

/** With `--dev`, at a terminal and without another wish, the requests are told so that people can read them. */
function forPeople(config: Config, terminal: Terminal): Config {
  const { access, format } = config.log;
  if (!config.dev || format !== "combined" || (access !== "stdout" && access !== "stderr")) return config;
  const screen = terminal.screen(access);
  return screen === null ? config : { ...config, log: { ...config.log, format: screen } };
}

/** The same, but that standard output stays silent and only warnings and errors are said. */
function quieten(config: Config): Config {
  const { access, level } = config.log;
  const isShown = access === "stdout" || access === "stderr";
  return {
    ...config,
    log: { ...config.log, access: isShown ? "off" : access, level: level === "error" ? level : "warn" },
  };
}
