/**
 * The handler of fastcgi and scgi routes: says what the application is told, and makes its answer by the rules for scripts.
 *
 * @module
 */

import { type AnswerHandling, type AnswerRoute, type AnswerServices, ScriptAnswer } from "../cgi/answer.ts";
import { announcedLength, withSlash } from "../cgi/handler.ts";
import type { SecretFiles } from "../cgi/script.ts";
import { type Content, spool } from "../cgi/spool.ts";
import { requestVariables, scriptVariables, type StaticVariables } from "../cgi/variables.ts";
import type { GatewayHandlerConfig, Route } from "../config/config.ts";
import type { Exchange, Handler, Outcome, RequestBody } from "../handlers/handler.ts";
import { HttpError } from "../http/error.ts";
import type { Transport } from "./connection.ts";
import { FASTCGI } from "./fastcgi.ts";
import { locate, type Look } from "./locate.ts";
import { describeAddress, type GatewayAddress, Pool } from "./pool.ts";
import type { Protocol } from "./protocol.ts";
import { GatewayRun } from "./run.ts";
import { SCGI } from "./scgi.ts";

/** What gateways work with. */
export interface GatewayServices extends AnswerServices {
  /** Files that the application must not be asked for. */
  readonly secrets: SecretFiles;
  /** The folder for bodies that are kept whole. */
  readonly temp: string;
  /** How many loops share the connections that a route may have. */
  readonly loops: number;
}

/** How long connecting to one address may take, in milliseconds. */
const CONNECT_MS = 5_000;
/** Connections that are kept open without a request, of one route. */
const IDLE_MAX = 16;

/** The handler of one fastcgi or scgi route. */
export function gatewayHandler(
  config: GatewayHandlerConfig,
  route: Route,
  services: GatewayServices,
): Handler {
  const gateway = new Gateway(config, route, services);
  return (exchange) => gateway.answer(exchange);
}

class Gateway {
  readonly #config: GatewayHandlerConfig;
  readonly #route: Route;
  readonly #services: GatewayServices;
  readonly #protocol: Protocol;
  readonly #pool: Pool;
  readonly #shared: StaticVariables;
  readonly #answerRoute: AnswerRoute;
  readonly #where: string;
  readonly #look: Look;

  constructor(config: GatewayHandlerConfig, route: Route, services: GatewayServices) {
    const { kind, addresses, timeoutMs, headBytes, connections, env, passAuthorization } = config;
    this.#config = config;
    this.#route = route;
    this.#services = services;
    this.#protocol = kind === "fastcgi" ? FASTCGI : SCGI;
    this.#where = addresses.map(describeAddress).join(", ");
    this.#shared = { pairs: Object.entries(env).flat(), passAuthorization };
    const handling: AnswerHandling = {
      output: "cgi",
      contentType: null,
      // The pool has deadlines of its own for what comes before a request is on its way.
      settings: { timeoutMs, headBytes, runLimitMs: Infinity, queueTimeoutMs: Infinity },
    };
    this.#answerRoute = { handling, noun: `${kind} ${this.#where}`, services, sendfile: null };
    // One loop's idle connection may hold the very process that another loop's request waits for.
    const keeps = kind === "fastcgi" && services.loops === 1;
    this.#pool = new Pool(addresses, {
      connections: Math.max(1, Math.floor(connections / services.loops)),
      queue: Math.ceil(config.queue / services.loops),
      queueTimeoutMs: config.queueTimeoutMs,
      connectMs: Math.min(CONNECT_MS, timeoutMs),
      idle: keeps ? IDLE_MAX : 0,
    }, { clock: services.clock, log: services.log, connect });
    this.#look = (path) => lookAt(path, services.secrets);
  }

  async answer(exchange: Exchange): Promise<Outcome> {
    const { target, site, method } = exchange;
    if (!target.isUtf8) {
      throw new HttpError(400, "the path is no UTF-8 and cannot be given to an application");
    }
    const located = locate(this.#config, this.#route, exchange.rest, this.#look);
    if (located.kind === "slash") return withSlash(exchange);
    const { file, name, pathInfo } = located;
    exchange.notes.script = file;
    const announced = announcedLength(exchange);
    // An application may live on a disk of its own, where the site's root means nothing.
    const itsSite = { ...site, root: this.#config.root };
    const facts = {
      head: exchange.head,
      method,
      target,
      site: itsSite,
      peer: exchange.peer,
      user: exchange.user,
      pathInfo,
      contentLength: announced,
    };
    const variables = [
      ...scriptVariables(this.#shared, { site: itsSite, file, name }),
      ...requestVariables(facts, this.#shared.passAuthorization),
    ];
    exchange.delegate();
    const content = exchange.body.length === 0 ? null : await this.#content(exchange.body);
    if (exchange.signal.aborted) {
      content?.close();
      throw exchange.signal.reason;
    }
    if (announced === null && content !== null) variables.push("CONTENT_LENGTH", String(content.length));
    const run = new GatewayRun({
      variables,
      hasContent: content !== null,
      isSafe: method === "GET" || method === "HEAD",
    }, {
      pool: this.#pool,
      protocol: this.#protocol,
      clock: this.#services.clock,
      onErrorLine: (line) =>
        this.#services.log.log(
          "error",
          `[${exchange.id}] ${this.#config.kind} ${this.#where} ${file}: ${line}`,
        ),
    });
    const answer = new ScriptAnswer(exchange, file, this.#answerRoute, run);
    if (content !== null) answer.feed(content);
    return await answer.outcome(false);
  }

  /** The content, kept whole first where nobody knows its length: an application reads as much as it is told. */
  async #content(body: RequestBody): Promise<Content> {
    if (body.length === null) return await spool(body, this.#services.temp);
    return { length: body.length, read: () => body.read(), close() {} };
  }
}

async function connect(address: GatewayAddress): Promise<Transport> {
  if (address.transport === "unix") return await Deno.connect(address);
  const connection = await Deno.connect(address);
  // Records are written whole: waiting for more would only delay them.
  connection.setNoDelay();
  return connection;
}

function lookAt(path: string, secrets: SecretFiles): ReturnType<Look> {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch {
    // Whatever the system says, nothing there can be used.
    return "nothing";
  }
  if (info.isDirectory) return "folder";
  if (!info.isFile) return "nothing";
  return secrets.has(path, info) ? "secret" : "file";
}
