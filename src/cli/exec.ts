/**
 * `pollux exec`: runs the script behind a URL by the server's own code, without a network. Status and headers go to
 * standard error, the body to standard output.
 *
 * @module
 */

import { Changes } from "../cache/changes.ts";
import { startProcess } from "../cgi/process.ts";
import { resolvePrograms } from "../cgi/programs.ts";
import { environmentOf, type ScriptRun, type ScriptSpec } from "../cgi/run.ts";
import { TAIL_BYTES } from "../cgi/stderr.ts";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { resolveFrom } from "../paths.ts";
import type { Exchange, ExchangeNotes, Handler, Outcome, Reply, RequestBody } from "../handlers/handler.ts";
import { HttpError } from "../http/error.ts";
import type { Field } from "../http/fields.ts";
import { HeadReader, type RequestHead } from "../http/head.ts";
import { reasonPhrase } from "../http/status.ts";
import { parseTarget } from "../http/target.ts";
import { handlerMaker } from "../loop/handlers.ts";
import type { Logger } from "../observe/logger.ts";
import { Metrics } from "../observe/metrics.ts";
import { type HandlerMaker, Router } from "../route/router.ts";
import { readDescriptors } from "../supervisor/descriptors.ts";
import { Trees } from "../supervisor/trees.ts";
import { LoopClock } from "../time/clock.ts";
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from "./command.ts";
import { flagValue, type ParsedFlags } from "./flags.ts";
import { systemReason } from "../system_reason.ts";
import { sayFaults, sayUsage, type Terminal } from "./terminal.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Redirects within the server (RFC 3875, 6.2.2); more are a circle. */
const HOPS_MAX = 10;

/** How long a script that has given its answer is waited for, so that its last words on standard error are seen. */
const END_WAIT_MS = 1000;

/** Runs the script behind a URL; 0 for a status below 400. */
export async function exec(parsed: ParsedFlags, terminal: Terminal): Promise<number> {
  const [url] = parsed.positionals;
  if (!/^(?:\/|https?:\/\/)/.test(url)) {
    sayUsage(terminal, `${JSON.stringify(url)} is no URL path: write /${url}`, "exec");
    return EXIT_USAGE;
  }
  const fields = parsed.flags.get("header") ?? [];
  const wrong = fields.find((field) => !/^[^\s:]+:/.test(field));
  if (wrong !== undefined) {
    sayUsage(terminal, `-H: ${JSON.stringify(wrong)} is no header field: write 'Name: value'`, "exec");
    return EXIT_USAGE;
  }
  const data = await readData(flagValue(parsed, "data"), terminal);
  if (typeof data === "string") {
    terminal.err(`pollux: ${data}`);
    return EXIT_USAGE;
  }
  const loaded = await loadConfig({
    file: flagValue(parsed, "config"),
    env: terminal.env,
    cwd: terminal.cwd,
  });
  if ("faults" in loaded) {
    sayFaults(terminal, loaded.faults);
    return EXIT_USAGE;
  }
  const request: ExecRequest = {
    url,
    method: flagValue(parsed, "method") ?? (data === null ? "GET" : "POST"),
    fields,
    data,
    showsVariables: parsed.flags.has("env"),
  };
  const { inherited } = await readDescriptors();
  const execution = new Execution(loaded.config, inherited, terminal);
  try {
    return await execution.run(request);
  } catch (error) {
    if (error instanceof VariablesOnly) return EXIT_OK;
    if (!(error instanceof HttpError)) throw error;
    const status = `${error.status} ${reasonPhrase(error.status)}`;
    terminal.err(`pollux: ${status}${execution.hasTold(error) ? "" : `: ${error.message}`}`);
    return EXIT_FAILURE;
  } finally {
    await execution.finish();
  }
}

/** What a person asks for. */
interface ExecRequest {
  readonly url: string;
  readonly method: string;
  /** `Name: value`, each. */
  readonly fields: readonly string[];
  readonly data: Bytes | null;
  readonly showsVariables: boolean;
}

/** Thrown in place of a start where only the variables are wanted, and have been written. */
class VariablesOnly extends Error {}

class Execution {
  readonly #config: Config;
  readonly #terminal: Terminal;
  readonly #clock = new LoopClock();
  readonly #router: Router;
  readonly #runs: ScriptRun[] = [];
  readonly #notes: ExchangeNotes = { script: null, scriptMs: null, exit: null, error: null };
  #showsVariables = false;

  constructor(config: Config, inherited: readonly number[], terminal: Terminal) {
    this.#config = config;
    this.#terminal = terminal;
    this.#router = new Router(config, this.#handlerMaker(inherited), null);
  }

  async run(request: ExecRequest): Promise<number> {
    this.#showsVariables = request.showsVariables;
    const head = this.#head(request);
    let target = parseTarget(head.target, head.method);
    const listener = this.#config.listen.findIndex((one) => one.transport === "tcp");
    const listen = this.#config.listen[Math.max(0, listener)];
    const peer = {
      address: "127.0.0.1",
      port: 0,
      localAddress: "127.0.0.1",
      localPort: listen.transport === "tcp" ? listen.port : 0,
      scheme: /^https:/i.test(head.target) ? "https" : "http",
      host: null,
    } as const;
    const site = this.#router.findSite(Math.max(0, listener), head, target, peer);
    let method = head.method;
    let body = bodyOf(request.data);
    for (let hop = 0; hop <= HOPS_MAX; hop++) {
      const routed = await this.#router.route(site, { head, method, target, peer });
      if (routed.kind === "reply") return await this.#show(routed, method);
      const exchange: Exchange = {
        id: "exec",
        head,
        method,
        target,
        site: routed.site,
        route: routed.route,
        rest: routed.rest,
        body,
        peer,
        user: routed.user,
        signal: new AbortController().signal,
        delegate: () => {},
        begun: () => {},
        notes: this.#notes,
      };
      const outcome: Outcome = await routed.handler(exchange);
      if (outcome.kind === "reply") return await this.#show(outcome, method);
      if (outcome.kind === "refusal") throw outcome.error;
      target = parseTarget(outcome.target, "GET");
      if (outcome.as === "local") {
        method = "GET";
        body = bodyOf(null);
      }
    }
    throw new HttpError(502, `more than ${HOPS_MAX} local redirects`);
  }

  /** Whether the reason of an error was said already. */
  hasTold(error: HttpError): boolean {
    return this.#notes.error === error.message;
  }

  /** Waits for scripts to end, and says how they did. */
  async finish(): Promise<void> {
    if (this.#runs.length === 0) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<void>((resolve) => timer = setTimeout(resolve, END_WAIT_MS));
    await Promise.race([Promise.all(this.#runs.map((run) => run.ended)), patience]);
    clearTimeout(timer);
    for (const run of this.#runs) run.end("shutdown");
    await Promise.all(this.#runs.map((run) => run.ended));
    const { exit } = this.#notes;
    if (typeof exit === "string") this.#terminal.err(`pollux: the script was ended by ${exit}`);
    else if (exit !== null && exit > 0) {
      this.#terminal.err(`pollux: the script ended with exit status ${exit}`);
    }
  }

  #handlerMaker(inherited: readonly number[]): HandlerMaker {
    const environment = Deno.env.toObject();
    const log: Logger = {
      log: (level, message) => {
        if (level !== "warn" && level !== "error") return;
        // For a person who has asked for one script a line of the log is two.
        const said = message.replace(/^\[exec\] /, "").split(/; (?=likely cause: )/);
        for (const line of said) this.#terminal.err(`pollux: ${line}`);
      },
    };
    const trees = new Trees(log);
    const start = (spec: ScriptSpec): ScriptRun => {
      if (this.#showsVariables) {
        const env = environmentOf(spec);
        for (let at = 0; at < env.length; at += 2) this.#terminal.out(`${env[at]}=${env[at + 1]}`);
        throw new VariablesOnly();
      }
      const run = startProcess(spec, {
        trees,
        onStderr: (line) => this.#terminal.err(line),
        stderrTailBytes: TAIL_BYTES,
        now: () => this.#clock.now(),
      });
      this.#runs.push(run);
      return run;
    };
    const setup = {
      config: this.#config,
      programs: resolvePrograms(this.#config, environment["PATH"] ?? "", inherited),
      temp: this.#config.temp,
      changes: Changes.memory(),
    };
    const metrics = new Metrics();
    const make = handlerMaker(setup, {
      clock: this.#clock,
      log,
      metrics,
      scripts: { start },
      status: null,
      reload: null,
      environment,
    });
    return (route, site): Handler => {
      const { kind } = route.handler;
      if (kind !== "fastcgi" && kind !== "scgi" && kind !== "status") return make(route, site);
      return () => {
        throw new HttpError(501, `exec runs scripts, and ${route.path} is a ${kind} route`);
      };
    };
  }

  /** The request as a client would have sent it, read by the server's own parser. */
  #head({ url, method, fields, data }: ExecRequest): RequestHead {
    const absolute = URL.parse(url);
    // As a browser would send what a person types.
    // deno-lint-ignore no-control-regex
    const target = url.replace(/[^\u0000-\u007f]+| /gu, encodeURIComponent);
    const names = new Set(fields.map((field) => field.split(":", 1)[0].toLowerCase()));
    const lines = [`${method} ${target} HTTP/1.1`];
    if (!names.has("host")) lines.push(`Host: ${absolute === null ? "localhost" : absolute.host}`);
    if (data !== null && !names.has("content-type")) {
      lines.push("Content-Type: application/x-www-form-urlencoded");
    }
    if (data !== null && !names.has("content-length")) lines.push(`Content-Length: ${data.length}`);
    lines.push(...fields);
    const bytes = new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
    const head = new HeadReader(this.#config.limits).read(bytes, 0, bytes.length);
    if (head === null || head.bytes !== bytes.length) {
      throw new HttpError(400, "a field of -H holds a line break");
    }
    return head;
  }

  /** What a client takes, but a person should know. */
  #advise({ status, fields, body }: Reply): void {
    const isScript = this.#notes.script !== null && body !== null;
    if (!isScript || status < 200 || status > 299) return;
    if (fields.some(([name]) => name.toLowerCase() === "content-type")) return;
    const near = fields.find(([name]) => /^content.?type$/i.test(name))?.[0];
    const remedy = near === undefined
      ? 'write "Content-Type: text/html; charset=utf-8", or what it is'
      : `${near} is no such field, Content-Type is`;
    this.#terminal.err(`pollux: the header has no Content-Type, so that a browser has to guess: ${remedy}`);
  }

  async #show(reply: Reply, method: string): Promise<number> {
    const terminal = this.#terminal;
    const { body } = reply;
    const isRaw = body !== null && !(body instanceof Uint8Array) && body.raw === true;
    if (!isRaw) {
      terminal.err(`${reply.status} ${reply.reason ?? reasonPhrase(reply.status)}`);
      for (const [name, value] of reply.fields) terminal.err(fieldLine([name, value]));
      this.#advise(reply);
      terminal.err("");
    }
    if (body === null) return statusOf(reply);
    if (body instanceof Uint8Array) {
      if (method !== "HEAD") terminal.write(body);
      return statusOf(reply);
    }
    try {
      if (method !== "HEAD") {
        for (let bytes = await body.read(); bytes !== null; bytes = await body.read()) terminal.write(bytes);
      }
      body.close(null);
    } catch (error) {
      body.close(error);
      if (!(error instanceof Error)) throw error;
      terminal.err(`pollux: the answer broke off: ${error.message}`);
      return EXIT_FAILURE;
    }
    return statusOf(reply);
  }
}

function statusOf(reply: Reply): number {
  return reply.status < 400 ? EXIT_OK : EXIT_FAILURE;
}

function fieldLine([name, value]: Field): string {
  return `${name}: ${value}`;
}

function bodyOf(data: Bytes | null): RequestBody {
  let rest = data !== null && data.length > 0 ? data : null;
  return {
    length: data?.length ?? 0,
    read() {
      const bytes = rest;
      rest = null;
      return Promise.resolve(bytes);
    },
  };
}

/** `DATA`, `@FILE` or `@-`; a text: why it cannot be read. */
async function readData(data: string | null, terminal: Terminal): Promise<Bytes | null | string> {
  if (data === null) return null;
  if (!data.startsWith("@")) return new TextEncoder().encode(data);
  const name = data.slice(1);
  try {
    if (name === "-") return new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer());
    return await Deno.readFile(resolveFrom(terminal.cwd, name));
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable || !(error instanceof Error)) throw error;
    return `-d: ${name} cannot be read: ${systemReason(error)}`;
  }
}
