/**
 * The handler of status routes: the state of the whole server as a page, as events for it, as JSON, and for Prometheus.
 *
 * It answers in the network loop from what the supervisor tells, so that it works as long as the server takes connections at
 * all, however busy its scripts are.
 *
 * @module
 */

import type { Route } from "../config/config.ts";
import type { Exchange, Handler, Reply, ReplyBody } from "../handlers/handler.ts";
import { preferredType } from "../http/accept.ts";
import { HttpError } from "../http/error.ts";
import type { Field } from "../http/fields.ts";
import { HISTORY_STEPS } from "../observe/history.ts";
import { formatPrometheus, PROMETHEUS_TYPE } from "../observe/prometheus.ts";
import { statusAsJson } from "../observe/status.ts";
import type { StatusFeed, StatusSource } from "./feed.ts";
import { foreignness } from "./locality.ts";
import { renderPage } from "./page.ts";

/** What status routes are served with. */
export interface StatusServices {
  /** Who knows how the server is. */
  readonly status: StatusSource;
  /** Tells those who keep looking. */
  readonly feed: StatusFeed;
}

/** What the status can be had as, by the value of `format`. */
type Format = "html" | "json" | "prometheus" | "events";

const BY_TYPE = {
  "text/html": "html",
  "application/json": "json",
  "text/event-stream": "events",
  "text/plain": "prometheus",
} as const satisfies Record<string, Format>;

const TYPES = Object.keys(BY_TYPE) as readonly (keyof typeof BY_TYPE)[];

const SCRAPER = /\btext\/plain\s*;\s*version=/i;

/** Never stored, read by no other site, and of what browsers may guess nothing. */
const GUARDS: readonly Field[] = [
  ["Cache-Control", "no-store"],
  ["Cross-Origin-Resource-Policy", "same-origin"],
  ["Referrer-Policy", "no-referrer"],
  ["X-Content-Type-Options", "nosniff"],
];

const TEXT = new TextEncoder();

/** The handler of one status route. */
export function statusHandler(route: Route, { status, feed }: StatusServices): Handler {
  return async (exchange) => {
    // As after any other handler: what is below the route is not there.
    if (exchange.rest !== "" && exchange.rest !== "/") {
      throw new HttpError(404, "nothing is below a status route");
    }
    const foreign = isGuarded(route, exchange.method) ? null : foreignness(exchange);
    if (foreign !== null) {
      throw new HttpError(403, `${foreign}: without allow or auth the status is for this machine alone`);
    }
    switch (formatOf(exchange)) {
      case "html": {
        const nonce = crypto.randomUUID();
        return reply("text/html; charset=utf-8", TEXT.encode(renderPage(nonce)), [policy(nonce)]);
      }
      case "json": {
        const text = JSON.stringify(statusAsJson(await status.ask(HISTORY_STEPS))) + "\n";
        return reply("application/json", TEXT.encode(text));
      }
      case "prometheus":
        return reply(PROMETHEUS_TYPE, TEXT.encode(formatPrometheus(await status.ask(0))));
      case "events":
        return reply("text/event-stream", feed.watch());
    }
  };
}

/** Whether the route's own rules, which have let the request through, say who may see it. */
function isGuarded({ allow, auth }: Route, method: string): boolean {
  return allow !== null || (auth !== null && (auth.methods?.includes(method) ?? true));
}

/** `?format=` decides, or else Accept. */
function formatOf({ target, head }: Exchange): Format {
  const named = new URLSearchParams(target.query ?? "").get("format");
  if (named === null) {
    const accept = head.fields.combined("accept");
    // Only who gathers figures asks for a version of a text.
    if (accept !== null && SCRAPER.test(accept)) return "prometheus";
    return BY_TYPE[preferredType(accept, TYPES) ?? "text/html"];
  }
  const format = Object.values(BY_TYPE).find((format) => format === named);
  if (format === undefined) {
    throw new HttpError(
      400,
      `format is one of ${Object.values(BY_TYPE).join(", ")}, not ${JSON.stringify(named)}`,
    );
  }
  return format;
}

/** The page is what it is and asks this server alone, by its own script; it stands in no frame. */
function policy(nonce: string): Field {
  return [
    "Content-Security-Policy",
    `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; ` +
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  ];
}

function reply(type: string, body: ReplyBody, fields: readonly Field[] = []): Reply {
  return {
    kind: "reply",
    status: 200,
    fields: [["Content-Type", type], ["Vary", "Accept"], ...GUARDS, ...fields],
    body,
  };
}
