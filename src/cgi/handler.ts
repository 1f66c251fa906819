/**
 * The handler of cgi routes, and of scripts among files: finds the script, says what it is told, starts it.
 *
 * @module
 */

import type { CgiHandlerConfig, Route, ScriptHandling, Site } from "../config/config.ts";
import type { Exchange, Handler, Outcome, RequestBody } from "../handlers/handler.ts";
import { FailedScript } from "../handlers/dev_page.ts";
import type { Sendfile } from "../handlers/sendfile.ts";
import { HttpError } from "../http/error.ts";
import { lastSegment, parentFolder } from "../paths.ts";
import { type AnswerServices, ScriptAnswer } from "./answer.ts";
import { describeFault, faultError, type ScriptFault } from "./end.ts";
import { readSource } from "./source.ts";
import { type Command, Interpreters, isSameVersion } from "./interpreter.ts";
import { type Launcher, makeLauncher } from "./launch.ts";
import type { Programs } from "./programs.ts";
import { environmentOf, type ScriptPlan, type Scripts, type WarmStart } from "./run.ts";
import { type FileVersion, fileVersion, findScript, type FoundScript, type SecretFiles } from "./script.ts";
import { type Content, spool } from "./spool.ts";
import { WarmServers, type Warmth } from "./warm.ts";
import {
  assertFits,
  requestVariables,
  scriptVariables,
  searchArguments,
  type StaticVariables,
  staticVariables,
} from "./variables.ts";

/** What scripts are run with. */
export interface CgiServices extends AnswerServices {
  /** Starts them. */
  readonly scripts: Scripts;
  /** Where their interpreters are. */
  readonly programs: Programs;
  /** Files that are never run. */
  readonly secrets: SecretFiles;
  /** The folder for bodies that are kept whole. */
  readonly temp: string;
  /** Makes what sends the files that scripts name, from these folders. */
  readonly sendfile: (folders: readonly string[]) => Sendfile;
  /** The server's own environment, from which HOME and `pass_env` are taken. */
  readonly environment: Readonly<Record<string, string>>;
  /** `--dev`: failures are told in full to the client. */
  readonly dev: boolean;
}

/** The handler of one cgi route. */
export function cgiHandler(config: CgiHandlerConfig, route: Route, services: CgiServices): Handler {
  const runner = new ScriptRunner(route, config.run, services);
  return (exchange) => {
    const search = findScript(config, route, exchange.target, exchange.rest, services.secrets);
    return search.kind === "script" ? runner.run(exchange, search.script) : withSlash(exchange);
  };
}

/**
 * Runs scripts that lie among the files of files routes.
 *
 * @returns Runs `file`, which the files handler has found, with its PATH_INFO; rejects with HttpError.
 */
export function scriptsAmongFiles(
  services: CgiServices,
): (exchange: Exchange, file: string, pathInfo: string) => Promise<Outcome> {
  const runners = new WeakMap<Route, ScriptRunner>();
  return async (exchange, file, pathInfo) => {
    const { route, target } = exchange;
    if (route.handler.kind !== "files") {
      throw new TypeError("scripts lie among the files of files routes only");
    }
    if (!target.isUtf8) throw new HttpError(400, "the path is no UTF-8 and cannot be given to a script");
    const version = fileVersion(file);
    if (version === null) throw new HttpError(404, `${file} is gone`);
    let runner = runners.get(route);
    if (runner === undefined) {
      runner = new ScriptRunner(route, route.handler.run, services);
      runners.set(route, runner);
    }
    const path = target.path.slice(0, target.path.length - pathInfo.length);
    const name = path.endsWith("/") ? path + lastSegment(file) : path; // a folder's index
    return await runner.run(exchange, { file, name, pathInfo, version });
  };
}

/** A folder without its slash: relative links in what it answers would lead elsewhere. */
export function withSlash({ target }: Exchange): Outcome {
  // Two slashes in front would name another host.
  const path = target.rawPath.replace(/^\/+/, "/") + "/";
  const location = target.query === null ? path : `${path}?${target.query}`;
  return { kind: "reply", status: 308, fields: [["Location", location]], body: null };
}

/** What there is to tell of a script that could not even be tried. */
const NOT_BEGUN = { exit: null, ranMs: null, stderr: "", command: [], env: [], diagnosis: null } as const;

/** Of so many scripts it is remembered that it was said why they are not run warm. */
const TOLD_MAX = 1024;

/** So many scripts of a route are remembered. */
const PLANS_MAX = 256;

/** How a script is started, as long as its file and its site stay as they are. */
interface Known {
  readonly version: FileVersion;
  readonly site: Site;
  readonly plan: ScriptPlan;
  /** How much of the system's room for environment and arguments the plan takes. */
  readonly bytes: number;
}

/** Runs the scripts of one route. */
class ScriptRunner {
  readonly #route: Route;
  readonly #handling: ScriptHandling;
  readonly #services: CgiServices;
  readonly #interpreters: Interpreters;
  readonly #launcher: Launcher;
  readonly #warm: WarmServers;
  /** Scripts of which it was said why they are not run warm. */
  readonly #told = new Set<string>();
  /** Scripts by their SCRIPT_NAME, the oldest first. */
  readonly #known = new Map<string, Known>();
  readonly #shared: StaticVariables;
  /** null: the route has no such folders. */
  readonly #sendfile: Sendfile | null;

  constructor(route: Route, handling: ScriptHandling, services: CgiServices) {
    const { settings, user } = handling;
    const { programs, environment } = services;
    this.#route = route;
    this.#handling = handling;
    this.#services = services;
    this.#interpreters = new Interpreters(settings, programs);
    this.#launcher = makeLauncher(handling, programs);
    this.#sendfile = handling.sendfile.length > 0 ? services.sendfile(handling.sendfile) : null;
    const passed = Object.fromEntries(
      settings.passEnv.filter((name) => Object.hasOwn(environment, name)).map((
        name,
      ) => [name, environment[name]]),
    );
    const home = user !== null && Object.hasOwn(programs.users, user)
      ? programs.users[user].home
      : environment["HOME"];
    this.#shared = staticVariables(settings.env, passed, home ?? "/", settings.passAuthorization);
    this.#warm = new WarmServers(handling, this.#shared.pairs);
  }

  /**
   * Runs a script for an exchange.
   *
   * @throws {HttpError} It cannot be run, or gives no answer.
   */
  async run(exchange: Exchange, script: FoundScript): Promise<Outcome> {
    exchange.notes.script = script.file;
    const { plan, bytes } = this.#plan(exchange, script);
    const args = searchArguments(exchange.method, exchange.target.query);
    const contentLength = announcedLength(exchange);
    const env = requestVariables({
      head: exchange.head,
      method: exchange.method,
      target: exchange.target,
      site: exchange.site,
      peer: exchange.peer,
      user: exchange.user,
      pathInfo: script.pathInfo,
      contentLength,
    }, this.#shared.passAuthorization);
    assertFits(env, args, bytes);
    exchange.delegate();
    const content = exchange.body.length === 0 ? null : await this.#content(exchange.body);
    if (exchange.signal.aborted) {
      content?.close();
      throw exchange.signal.reason;
    }
    if (contentLength === null && content !== null && content.length !== null) {
      env.push("CONTENT_LENGTH", String(content.length));
    }
    const request = {
      url: exchange.head.target,
      requestId: exchange.id,
      args,
      env,
      hasInput: content !== null,
      client: exchange.peer.address,
    };
    const spec = { plan, request };
    const run = this.#services.scripts.start(spec);
    const answer = new ScriptAnswer(
      exchange,
      script.file,
      {
        handling: this.#handling,
        services: this.#services,
        sendfile: this.#sendfile,
        readSource,
      },
      run,
      this.#services.dev
        ? { command: [plan.program, ...plan.args, ...args], env: environmentOf(spec) }
        : null,
    );
    if (content !== null) answer.feed(content);
    return await answer.outcome(lastSegment(script.file).startsWith("nph-"));
  }

  /** How a script is started; made anew when its file has changed. */
  #plan(exchange: Exchange, script: FoundScript): Known {
    const { site } = exchange;
    const { file, name, version } = script;
    const known = this.#known.get(name);
    if (known?.plan.script === file && known.site === site && isSameVersion(known.version, version)) {
      return known;
    }
    const plan = this.#makePlan(exchange, script);
    const bytes = assertFits(Object.entries(plan.env).flat(), [plan.program, ...plan.args]);
    this.#known.delete(name);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size < PLANS_MAX) break;
      this.#known.delete(oldest);
    }
    const made = { version, site, plan, bytes };
    this.#known.set(name, made);
    return made;
  }

  #makePlan(exchange: Exchange, script: FoundScript): ScriptPlan {
    const command = this.#interpreters.choose(script.file, script.version);
    if (command.kind === "none") throw this.#refuse(exchange, { ...command, kind: "command" });
    const launch = this.#launcher.launch(command);
    if (launch.kind === "missing") {
      throw this.#refuse(exchange, { kind: "command", status: 500, message: launch.message });
    }
    const { args, cwd, settings } = this.#handling;
    const { file, name } = script;
    const variables = scriptVariables(this.#shared, { site: exchange.site, file, name });
    return {
      routeId: this.#route.id,
      script: file,
      program: launch.program,
      args: [...launch.args, ...args],
      env: fromPairs(variables),
      cwd: cwd ?? parentFolder(file),
      killGraceMs: settings.killGraceMs,
      warm: this.#warmStart(exchange, command, file),
    };
  }

  #warmStart(exchange: Exchange, command: Command, file: string): WarmStart | null {
    const warmth: Warmth | null = this.#warm.find(command);
    if (warmth === null) return null;
    if (warmth.kind === "warm") return { server: warmth.server, args: this.#handling.args };
    if (!this.#told.has(file) && this.#told.size < TOLD_MAX) {
      this.#told.add(file);
      this.#services.log.log("warn", `[${exchange.id}] ${file} is not run warm: ${warmth.reason}`);
    }
    return null;
  }

  #refuse(exchange: Exchange, fault: ScriptFault): HttpError {
    const line = `[${exchange.id}] script: ${describeFault(fault)}`;
    exchange.notes.error = describeFault(fault);
    const error = faultError(fault);
    // Anybody can ask for what is no script: such a line is worth no flush of its own.
    this.#services.log.log(error.status < 500 ? "warn" : "error", line);
    return this.#services.dev ? new FailedScript(error, { ...NOT_BEGUN, reason: line }) : error;
  }

  /** The script's input, kept whole first where it has to be. */
  async #content(body: RequestBody): Promise<Content> {
    const mode = this.#handling.body;
    if (mode === "buffer" || (mode === "auto" && body.length === null)) {
      return await spool(body, this.#services.temp);
    }
    return {
      length: body.length,
      read: () => body.read(),
      readInto: (room) => body.readInto?.(room) ?? body.read(),
      close() {},
    };
  }
}

/** Names and values in turn as an object. */
function fromPairs(pairs: readonly string[]): Record<string, string> {
  const entries: [string, string][] = [];
  for (let i = 0; i < pairs.length; i += 2) entries.push([pairs[i], pairs[i + 1]]);
  return Object.fromEntries(entries);
}

/** CONTENT_LENGTH as far as the head tells: also 0 where the client says so; null without content, or where it is chunked. */
export function announcedLength({ body, head, method }: Exchange): number | null {
  if (body.length !== 0) return body.length;
  return method === head.method && head.fields.get("content-length") !== null ? 0 : null;
}
