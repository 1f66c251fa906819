/**
 * From an exchange to its reply: routing, the handler, the paths it hands on to, and the reply to what is refused.
 *
 * @module
 */

import type { Outcome, Peer, Refusal, Reply } from "../handlers/handler.ts";
import { errorReply } from "../handlers/error_page.ts";
import { HttpError } from "../http/error.ts";
import { type ParsedHead, protocolOf } from "../http/head.ts";
import { parseTarget } from "../http/target.ts";
import type { AccessRecord } from "../observe/record.ts";
import type { Routed, Router } from "../route/router.ts";
import type { SiteRoutes } from "../route/table.ts";
import { ErrorPages } from "./error_pages.ts";
import type { ClientExchange } from "./exchange.ts";

/** A script that redirects to itself would do so for ever. */
const HOPS_MAX = 10;

/** Answers some paths itself, before any site does. */
export interface Reserved {
  /** The reply; null: the path is not one of them. */
  answer(request: { readonly path: string; readonly method: string }): Reply | null;
}

/** How a request is answered, or why it is not. */
export type Answer = Reply | Refusal;

/** Turns exchanges into replies. */
export class Answerer {
  readonly #router: Router;
  readonly #pages: ErrorPages;
  readonly #reserved: Reserved | null;

  /**
   * Makes an answerer for one configuration.
   *
   * @param router Knows every route and its handler.
   * @param reserved Answers before it.
   */
  constructor(router: Router, reserved: Reserved | null = null) {
    this.#reserved = reserved;
    this.#router = router;
    // With --dev alone is there something of the server's own to load pages again by.
    this.#pages = new ErrorPages(router, { tellsReasons: reserved !== null });
  }

  /**
   * Routes the exchange and lets its handler answer.
   *
   * @throws {HttpError} It is refused, where that was not at hand; rejects likewise.
   */
  answer(exchange: ClientExchange): Answer | Promise<Answer> {
    const site = this.#router.findSite(exchange.listenIndex, exchange.head, exchange.target, exchange.peer);
    const reserved = this.#reserved?.answer({ path: exchange.target.path, method: exchange.method }) ?? null;
    if (reserved !== null) return reserved;
    exchange.enterSite(site.site);
    if (exchange.expectation === "unknown") {
      throw new HttpError(417, "an expectation other than 100-continue");
    }
    return this.#follow(this.#handle(exchange, site), exchange, site, 0);
  }

  #handle(exchange: ClientExchange, site: SiteRoutes): Outcome | Promise<Outcome> {
    const routed = this.#router.route(site, exchange);
    return routed instanceof Promise
      ? routed.then((routed) => enter(exchange, routed))
      : enter(exchange, routed);
  }

  #follow(
    outcome: Outcome | Promise<Outcome>,
    exchange: ClientExchange,
    site: SiteRoutes,
    hops: number,
  ): Answer | Promise<Answer> {
    if (outcome instanceof Promise) {
      return outcome.then((settled) => this.#follow(settled, exchange, site, hops));
    }
    if (outcome.kind !== "reroute") return outcome;
    if (hops === HOPS_MAX) {
      throw new HttpError(502, `more than ${HOPS_MAX} local redirects, the last to ${outcome.target}`);
    }
    exchange.reroute(parseTarget(outcome.target, "GET"), outcome.as);
    return this.#follow(this.#handle(exchange, site), exchange, site, hops + 1);
  }

  /** The reply to a request that is refused: at once, unless the site has a page of its own for it. */
  refuse(exchange: ClientExchange, error: HttpError): Reply | Promise<Reply> {
    return this.#pages.reply(exchange, error);
  }

  /**
   * The reply to a request that has no exchange, and what the access log says of it.
   *
   * @param head null when not even that could be read.
   */
  refuseUnread(
    peer: Peer,
    error: HttpError,
    head: ParsedHead | null,
    requestId: string,
  ): { reply: Reply; record: AccessRecord } {
    const reply = errorReply(error, { accept: head?.fields.combined("accept") ?? null, id: requestId });
    const record: AccessRecord = {
      time: Date.now(),
      remote: peer.address,
      user: null,
      method: head?.method ?? "",
      target: head?.target ?? "",
      protocol: head === null ? "" : protocolOf(head),
      status: error.status,
      bytes: 0,
      durationMs: 0,
      fields: head?.fields ?? null,
      requestId,
      script: null,
      scriptMs: null,
      exit: null,
    };
    return { reply, record };
  }
}

function enter(exchange: ClientExchange, routed: Routed | Reply): Outcome | Promise<Outcome> {
  if (routed.kind === "reply") return routed;
  exchange.enterRoute(routed);
  return routed.handler(exchange);
}
