/**
 * A site's own error pages: what a GET of a path within the server answers, with the status of the error.
 *
 * The page is asked for as any client would ask for it: its route's rules hold, and a script may make it. What goes wrong
 * with the page itself gives the built-in one, so that no error leads to another.
 *
 * @module
 */

import type { Route, Site } from "../config/config.ts";
import { devReply, FailedScript } from "../handlers/dev_page.ts";
import { errorReply, type ErrorRequest } from "../handlers/error_page.ts";
import {
  type Exchange,
  ExchangeAborted,
  type ExchangeNotes,
  type Outcome,
  type Peer,
  type Reply,
  type RequestBody,
} from "../handlers/handler.ts";
import { HttpError } from "../http/error.ts";
import type { Field, FieldSection } from "../http/fields.ts";
import type { RequestHead } from "../http/head.ts";
import { parseTarget, type Target } from "../http/target.ts";
import type { Routed, Router } from "../route/router.ts";
import type { SiteRoutes } from "../route/table.ts";
import type { ClientExchange } from "./exchange.ts";

/** A page may lead to another by a fallback or a local redirect; so often at most. */
const HOPS_MAX = 10;

/** Fields of the page that are not true of an error: by what to cache it, and what of it there is. */
const PAGE_ONLY = new Set([
  "accept-ranges",
  "age",
  "cache-control",
  "content-range",
  "etag",
  "expires",
  "last-modified",
]);

/** Makes the replies to what is refused. */
export class ErrorPages {
  readonly #router: Router;
  readonly #tellsReasons: boolean;

  /**
   * Makes the pages of all sites.
   *
   * @param router Knows the routes of the pages.
   * @param options With `tellsReasons` (`--dev`) the built-in page of a refusal says why.
   */
  constructor(router: Router, { tellsReasons }: { readonly tellsReasons: boolean }) {
    this.#router = router;
    this.#tellsReasons = tellsReasons;
  }

  /** The reply to an error, by the site's page for its status where there is one and nothing is to be told in full. */
  reply(exchange: ClientExchange, error: HttpError): Reply | Promise<Reply> {
    if (error instanceof FailedScript) return devReply(error, requestOf(exchange));
    const path = exchange.siteFound?.errorPages[error.status];
    return path === undefined ? this.#builtIn(exchange, error) : this.#customReply(exchange, error, path);
  }

  async #customReply(exchange: ClientExchange, error: HttpError, path: string): Promise<Reply> {
    // By the target as it came: what the exchange is about now may have been named by a script.
    const asked = parseTarget(exchange.head.target, exchange.head.method);
    const site = this.#router.findSite(exchange.listenIndex, exchange.head, asked, exchange.peer);
    let page: Reply;
    try {
      page = await this.#ask(new PageExchange(exchange, site.site), site, path);
    } catch (failure) {
      if (failure instanceof HttpError) return this.#builtIn(exchange, error);
      throw failure;
    }
    const { body } = page;
    const isPage = body !== null && (body instanceof Uint8Array || body.raw !== true) &&
      (page.status === 200 || page.status === error.status);
    if (isPage) return withStatusOf(error, page, exchange.id);
    if (body !== null && !(body instanceof Uint8Array)) body.close(new ExchangeAborted("clientGone"));
    return this.#builtIn(exchange, error);
  }

  #builtIn(exchange: ClientExchange, error: HttpError): Reply {
    const request = requestOf(exchange);
    return this.#tellsReasons ? devReply(error, request) : errorReply(error, request);
  }

  async #ask(exchange: PageExchange, site: SiteRoutes, path: string): Promise<Reply> {
    let target = path;
    for (let hop = 0; hop <= HOPS_MAX; hop++) {
      exchange.target = parseTarget(target, "GET");
      const routed = await this.#router.route(site, exchange);
      if (routed.kind === "reply") return routed;
      exchange.enterRoute(routed);
      const outcome: Outcome = await routed.handler(exchange);
      if (outcome.kind === "reply") return outcome;
      if (outcome.kind === "refusal") throw outcome.error;
      target = outcome.target;
    }
    throw new HttpError(502, `the error page ${path} leads on and on`);
  }
}

function requestOf(exchange: ClientExchange): ErrorRequest {
  return { accept: exchange.head.fields.combined("accept"), id: exchange.id };
}

/** A page as the reply to an error, with the fields that the error needs in place of the page's own. */
function withStatusOf(error: HttpError, page: Reply, id: string): Reply {
  const names = new Set(error.fields.map(([name]) => name.toLowerCase()));
  names.delete("vary"); // the page may vary by more than the error
  const fields = page.fields.filter(([name]) => {
    const lower = name.toLowerCase();
    return !PAGE_ONLY.has(lower) && !names.has(lower);
  });
  fields.push(...error.fields, ["X-Request-Id", id]);
  if (!names.has("cache-control")) fields.push(["Cache-Control", "no-store"]);
  const reply: Reply = { kind: "reply", status: error.status, fields, body: page.body };
  return error.close ? { ...reply, close: true } : reply;
}

const NO_BODY: RequestBody = { length: 0, read: () => Promise.resolve(null) };

/** The GET of a page: without a body, and without what the client said of the content that it wanted. */
class PageExchange implements Exchange {
  readonly head: RequestHead;
  readonly method: string;
  readonly site: Site;
  readonly body = NO_BODY;
  /** What went wrong first is in the exchange's own notes. */
  readonly notes: ExchangeNotes = { script: null, scriptMs: null, exit: null, error: null };
  readonly #exchange: ClientExchange;
  #target: Target | null = null;
  #routed: Routed | null = null;

  constructor(exchange: ClientExchange, site: Site) {
    const { head } = exchange;
    this.#exchange = exchange;
    this.site = site;
    this.method = head.method === "HEAD" ? "HEAD" : "GET";
    this.head = { ...headOf(head), method: this.method, fields: withoutContent(head.fields) };
  }

  get id(): string {
    return this.#exchange.id;
  }

  get target(): Target {
    if (this.#target === null) throw new TypeError("the page has no target yet");
    return this.#target;
  }

  set target(target: Target) {
    this.#target = target;
  }

  get route(): Route {
    return this.#expectRouted().route;
  }

  get rest(): string {
    return this.#expectRouted().rest;
  }

  get user(): string | null {
    return this.#expectRouted().user;
  }

  get peer(): Peer {
    return this.#exchange.peer;
  }

  get signal(): AbortSignal {
    return this.#exchange.signal;
  }

  enterRoute(routed: Routed): void {
    this.#routed = routed;
  }

  delegate(): void {
    this.#exchange.delegate();
  }

  begun(): void {
    this.#exchange.begun();
  }

  #expectRouted(): Routed {
    if (this.#routed === null) throw new TypeError("the page has no route yet");
    return this.#routed;
  }
}

function headOf({ target, minor, bytes }: RequestHead): Pick<RequestHead, "target" | "minor" | "bytes"> {
  return { target, minor, bytes };
}

/** Fields about the content of the request, or about the content that was asked for: neither is the page's. */
const ABOUT_CONTENT =
  /^(?:if-(?:match|none-match|modified-since|unmodified-since|range)|range|content-.*|transfer-encoding|te|trailer|expect)$/i;

function withoutContent(fields: FieldSection): FieldSection {
  const kept: Field[] = [];
  for (let i = 0; i < fields.count; i++) {
    const name = fields.nameAt(i);
    if (!ABOUT_CONTENT.test(name)) kept.push([name, fields.valueAt(i)]);
  }
  return {
    count: kept.length,
    nameAt: (index) => kept[index][0],
    valueAt: (index) => kept[index][1],
    get: (name) => ABOUT_CONTENT.test(name) ? null : fields.get(name),
    combined: (name) => ABOUT_CONTENT.test(name) ? null : fields.combined(name),
  };
}
