/**
 * `pollux explain`: each decision on the way from a URL to what answers it, in the order in which the server takes them,
 * by the server's own code. No request is made, and no script is started.
 *
 * @module
 */

import { Interpreters } from "../cgi/interpreter.ts";
import { type Programs, resolvePrograms } from "../cgi/programs.ts";
import { fileVersion, findScript } from "../cgi/script.ts";
import { WarmServers } from "../cgi/warm.ts";
import type {
  CgiHandlerConfig,
  Config,
  FilesHandlerConfig,
  Place,
  Route,
  ScriptHandling,
} from "../config/config.ts";
import { DEFAULT_FILE, loadConfig } from "../config/load.ts";
import { formatDuration, formatSize } from "../config/units.ts";
import { mayNameFile } from "../handlers/file_path.ts";
import { absentFor, ServedFolder } from "../handlers/open_file.ts";
import { Secrets } from "../handlers/secrets.ts";
import { HttpError } from "../http/error.ts";
import { splitAuthority } from "../http/host.ts";
import { parseTarget, type Target } from "../http/target.ts";
import { buildTable, findSite, matchRoute } from "../route/table.ts";
import { LoopClock } from "../time/clock.ts";
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from "./command.ts";
import { describePermissions } from "./explain_permissions.ts";
import { flagValue, type ParsedFlags } from "./flags.ts";
import { sayFaults, sayUsage, type Terminal } from "./terminal.ts";

/** Explains a URL or a URL path, 1 when it would be refused or not found; or what the loops may do. */
export async function explain(parsed: ParsedFlags, terminal: Terminal): Promise<number> {
  const [url] = parsed.positionals;
  const isOfPermissions = parsed.flags.has("permissions");
  if ((url === undefined) !== isOfPermissions) {
    const wish = isOfPermissions ? "--permissions wants no URL path" : "give a URL path, or --permissions";
    sayUsage(terminal, wish, "explain");
    return EXIT_USAGE;
  }
  if (url !== undefined && !/^(?:\/|https?:\/\/)/.test(url)) {
    sayUsage(terminal, `${JSON.stringify(url)} is no URL path: write /${url}`, "explain");
    return EXIT_USAGE;
  }
  const file = flagValue(parsed, "config");
  const loaded = await loadConfig({ file, env: terminal.env, cwd: terminal.cwd, places: true });
  if ("faults" in loaded) {
    sayFaults(terminal, loaded.faults);
    return EXIT_USAGE;
  }
  const { config } = loaded;
  const fileName = file ?? DEFAULT_FILE;
  const programs = resolvePrograms(config, terminal.env.get("PATH") ?? "");
  if (url === undefined) {
    for (const line of describePermissions(config, programs, fileName)) terminal.out(line);
    return EXIT_OK;
  }
  const explanation = new Explanation(config, fileName, programs);
  let status = EXIT_OK;
  try {
    await explanation.run(url);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    explanation.note("answer", `${error.status}: ${error.message}`);
    status = EXIT_FAILURE;
  }
  for (const line of explanation.lines()) terminal.out(line);
  return status;
}

class Explanation {
  readonly #config: Config;
  readonly #fileName: string;
  readonly #programs: Programs;
  readonly #secrets: Secrets;
  readonly #notes: [string, string][] = [];

  constructor(config: Config, fileName: string, programs: Programs) {
    this.#config = config;
    this.#secrets = new Secrets(config.secrets, new LoopClock());
    this.#fileName = fileName;
    this.#programs = programs;
  }

  note(name: string, value: string): void {
    this.#notes.push([name, value]);
  }

  lines(): string[] {
    const width = Math.max(...this.#notes.map(([name]) => name.length));
    return this.#notes.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  }

  /** Notes every step; throws HttpError where the server would refuse. */
  async run(url: string): Promise<void> {
    // As a browser would send what a person types.
    // deno-lint-ignore no-control-regex
    const target = parseTarget(url.replace(/[^\u0000-\u007f]+| /gu, encodeURIComponent), "GET");
    const host = target.authority === null ? "" : splitAuthority(target.authority).host.toLowerCase();
    const table = buildTable(this.#config);
    const site = findSite(table, this.#listenerFor(url), host);
    const name = site.site.hosts.length === 0 ? "the default" : site.site.hosts.join(", ");
    this.note("path", target.path);
    this.note("site", this.#at(name, site.site.place));
    const match = matchRoute(site, target.path);
    if (match === null) throw new HttpError(404, "no route takes this path");
    const { route } = match;
    this.note("route", this.#at(route.path, route.place));
    if (match.lacksSlash) {
      this.note("answer", `308 to ${target.rawPath}/`);
      return;
    }
    this.#noteModifiers(route);
    await this.#handler(route, target, match.rest);
  }

  async #handler(route: Route, target: Target, rest: string): Promise<void> {
    const { handler } = route;
    switch (handler.kind) {
      case "files":
        this.note("handler", `files in ${handler.dir}`);
        await this.#files(handler, route, target, rest);
        return;
      case "cgi":
        this.note("handler", `cgi, ${handler.isFolder ? "scripts in" : "the program"} ${handler.target}`);
        this.#cgi(handler, route, target, rest);
        return;
      case "fastcgi":
      case "scgi": {
        const addresses = handler.addresses.map((one) =>
          one.transport === "unix" ? `unix:${one.path}` : `${one.hostname}:${one.port}`
        );
        this.note("handler", `${handler.kind} at ${addresses.join(", ")}`);
        return;
      }
      case "redirect":
        this.note("handler", `redirect ${handler.status} to ${handler.target}`);
        return;
      case "respond":
        this.note("handler", `respond ${handler.status} with ${handler.text.length} characters`);
        return;
      case "status":
        this.note("handler", "the status page");
        return;
      default:
        handler satisfies never;
    }
  }

  async #files(handler: FilesHandlerConfig, route: Route, target: Target, rest: string): Promise<void> {
    const rules = {
      hidden: handler.hidden,
      isWellKnown: route.path === "/",
      isWindows: Deno.build.os === "windows",
    };
    if (!mayNameFile(rest, rules)) throw new HttpError(404, "the path names no file that is served");
    if (target.hasEncodedSlash) throw new HttpError(404, "an encoded slash is in no file's name");
    const folder = new ServedFolder(
      handler.dir,
      handler.followSymlinks,
      this.#secrets,
    );
    const below = rest.endsWith("/") ? rest.slice(0, -1) : rest;
    const script = await this.#scriptAmongFiles(handler, folder, rest);
    if (script) return;
    const found = await folder.locate(below);
    if (found.kind === "file" && !rest.endsWith("/")) {
      this.#file(found.realPath);
      return;
    }
    if (found.kind === "folder") {
      if (!rest.endsWith("/") && rest !== "") {
        this.note("answer", `308 to ${target.rawPath}/`);
        return;
      }
      if (await this.#index(handler, folder, below)) return;
      if (handler.list) {
        this.note("listing", found.realPath);
        return;
      }
    }
    if (handler.fallback !== null) {
      this.note("fallback", `${handler.fallback} answers instead`);
      return;
    }
    if (found.kind === "folder") throw new HttpError(404, `${found.path} has no index, and list is off`);
    const path = folder.pathOf(below);
    if (found.kind === "file") throw new HttpError(404, `${path} is a file, not a folder`);
    throw new HttpError(found.status, found.reason);
  }

  #file(path: string): void {
    this.note("file", path);
    try {
      Deno.openSync(path).close();
    } catch (error) {
      const { status, reason } = absentFor(error, path);
      throw new HttpError(status, reason);
    }
  }

  async #index(handler: FilesHandlerConfig, folder: ServedFolder, below: string): Promise<boolean> {
    for (const name of handler.index) {
      const found = await folder.locate(`${below}/${name}`);
      if (found.kind !== "file") continue;
      if (isScriptName(name, handler)) this.#script(found.path, "", handler.run);
      else this.#file(found.realPath);
      return true;
    }
    return false;
  }

  /** A script may stand anywhere on the path; what follows it is PATH_INFO. */
  async #scriptAmongFiles(handler: FilesHandlerConfig, folder: ServedFolder, rest: string): Promise<boolean> {
    if (handler.scripts.length === 0) return false;
    for (let slash = rest.indexOf("/", 1); rest.length > 1; slash = rest.indexOf("/", slash + 1)) {
      const end = slash === -1 ? rest.length : slash;
      const below = rest.slice(0, end);
      if (isScriptName(below, handler)) {
        const found = await folder.locate(below);
        if (found.kind === "file") {
          this.#script(found.path, rest.slice(end), handler.run);
          return true;
        }
      }
      if (slash === -1) return false;
    }
    return false;
  }

  #cgi(handler: CgiHandlerConfig, route: Route, target: Target, rest: string): void {
    const search = findScript(handler, route, target, rest, this.#secrets);
    if (search.kind === "slash") {
      this.note("answer", `308 to ${target.rawPath}/`);
      return;
    }
    const { file, name, pathInfo } = search.script;
    this.note("SCRIPT_NAME", name);
    this.#script(file, pathInfo, handler.run);
  }

  #script(file: string, pathInfo: string, run: ScriptHandling): void {
    this.note("script", file);
    this.note("PATH_INFO", pathInfo === "" ? "(empty)" : pathInfo);
    this.#interpreter(file, run);
    const { timeoutMs, runLimitMs, maxProcesses } = run.settings;
    this.note("timeout", `${formatDuration(timeoutMs)}, whole run ${formatDuration(runLimitMs)}`);
    this.note("places", maxProcesses === Infinity ? "off" : String(maxProcesses));
    this.#noteProcess(run);
  }

  /** What the script's process is given and held to. */
  #noteProcess(run: ScriptHandling): void {
    const { user, group, umask, limits, settings } = run;
    const groupOf = user !== null && group === null ? "its own groups" : `group ${group}`;
    if (user !== null) this.note("runs as", `${user}, ${groupOf}`);
    else if (group !== null) this.note("runs as", `the server's user, ${groupOf}`);
    if (run.cwd !== null) this.note("cwd", run.cwd);
    if (umask !== null) this.note("umask", umask.toString(8).padStart(4, "0"));
    if (settings.nice > 0) this.note("nice", String(settings.nice));
    const held = [
      ["cpu", limits.cpuSeconds === null ? null : `${limits.cpuSeconds}s`],
      ["memory", limits.memoryBytes === null ? null : formatSize(limits.memoryBytes)],
      ["files", limits.files],
      ["processes", limits.processes],
    ].filter(([, value]) => value !== null);
    if (held.length > 0) this.note("limits", held.map(([name, value]) => `${name} ${value}`).join(", "));
    if (run.output === "plain") this.note("output", "plain: no header is expected");
    if (run.sendfile.length > 0) this.note("sendfile", run.sendfile.join(", "));
  }

  #interpreter(file: string, run: ScriptHandling): void {
    const version = fileVersion(file);
    if (version === null) throw new HttpError(404, `${file} has gone meanwhile`);
    const command = new Interpreters(run.settings, this.#programs).choose(file, version);
    if (command.kind === "none") throw new HttpError(command.status, command.message);
    this.note("runs", [command.program, ...command.args, ...run.args].join(" "));
    const warmth = new WarmServers(run, []).find(command);
    if (warmth === null) return;
    this.note("warm", warmth.kind === "warm" ? `a fork of ${warmth.server.program}` : `no: ${warmth.reason}`);
  }

  #noteModifiers(route: Route): void {
    if (route.methods !== null) this.note("methods", route.methods.join(", "));
    if (route.auth !== null) this.note("auth", `Basic, ${route.auth.file}`);
    if (route.allow !== null) this.note("allow", route.allow.join(", "));
    if (route.deny.length > 0) this.note("deny", route.deny.join(", "));
  }

  /** The listener that the URL's port and scheme name; the first where none is named. */
  #listenerFor(url: string): number {
    const parsed = URL.parse(url);
    if (parsed === null) return 0;
    const port = parsed.port === "" ? (parsed.protocol === "https:" ? 443 : 80) : Number(parsed.port);
    const index = this.#config.listen.findIndex((one) => one.transport === "tcp" && one.port === port);
    return Math.max(0, index);
  }

  #at(text: string, place: Place | null): string {
    return place === null ? text : `${text} (${this.#fileName}:${place.line})`;
  }
}

function isScriptName(name: string, handler: FilesHandlerConfig): boolean {
  return handler.scripts.some((extension) => name.toLowerCase().endsWith(extension.toLowerCase()));
}
