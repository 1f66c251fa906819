/**
 * `respond: TEXT`.
 *
 * @module
 */

import type { RespondHandlerConfig } from "../config/config.ts";
import { isBodiless } from "../http/status.ts";
import type { Handler, Reply } from "./handler.ts";

/** A handler that always gives the same reply, which is made once. */
export function respondHandler(config: RespondHandlerConfig): Handler {
  const hasType = config.headers.some(([name]) => name.toLowerCase() === "content-type");
  const hasBody = !isBodiless(config.status);
  const reply: Reply = Object.freeze({
    kind: "reply",
    status: config.status,
    fields: hasType || !hasBody
      ? config.headers
      : [...config.headers, ["Content-Type", "text/plain; charset=utf-8"] as const],
    body: hasBody ? new TextEncoder().encode(config.text) : null,
  });
  return () => reply;
}
