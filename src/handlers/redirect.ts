/**
 * `redirect: TARGET`.
 *
 * @module
 */

import type { RedirectHandlerConfig } from "../config/config.ts";
import { reasonPhrase } from "../http/status.ts";
import type { Handler, Reply } from "./handler.ts";
import { encodeSent, locationPath } from "./location.ts";

const TEXT = new TextEncoder();

/** A handler that sends the client elsewhere, with `{path}` and `{query}` of the request put into the target. */
export function redirectHandler(config: RedirectHandlerConfig): Handler {
  return (exchange) => {
    const query = exchange.target.query;
    const location = expand(
      config.target,
      () => locationPath(exchange.target),
      () => query === null ? "" : encodeSent(query),
    );
    return redirectReply(config.status, location);
  };
}

/** A reply that sends the client to `location`, which must be a valid URI reference. */
export function redirectReply(status: number, location: string): Reply {
  return {
    kind: "reply",
    status,
    fields: [["Location", location], ["Content-Type", "text/plain; charset=utf-8"]],
    body: TEXT.encode(`${status} ${reasonPhrase(status)}: ${location}\n`),
  };
}

/** Puts path and query into a target; `?` and `&` before an empty query go with it. */
function expand(target: string, path: () => string, query: () => string): string {
  const expanded = target.replace(
    /\{path\}|([?&]?)\{query\}/g,
    (match: string, before: string | undefined) => {
      if (match === "{path}") return path();
      const text = query();
      return text === "" ? "" : `${before ?? ""}${text}`;
    },
  );
  // `/{path}` would become `//...`, another host; a target that names a host of its own keeps it.
  return target.startsWith("//") ? expanded : expanded.replace(/^\/+/, "/");
}
