/**
 * Makes the handler of each route from what the loop has to offer.
 *
 * @module
 */

import type { Route, Site } from "../config/config.ts";
import { filesHandler, filesServices } from "../handlers/files.ts";
import type { Handler } from "../handlers/handler.ts";
import { redirectHandler } from "../handlers/redirect.ts";
import { respondHandler } from "../handlers/respond.ts";
import type { Scripts } from "../cgi/run.ts";
import type { Logger } from "../observe/logger.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { HandlerMaker } from "../route/router.ts";
import type { LoopSetup } from "../supervisor/messages.ts";
import type { Clock } from "../time/clock.ts";

/** What a loop offers its handlers. */
export interface LoopServices {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly scripts: Scripts;
  /** The server's own environment, of which `pass_env` takes some. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A maker of handlers for one configuration. */
export function handlerMaker(setup: LoopSetup, services: LoopServices): HandlerMaker {
  const { config } = setup;
  const files = filesServices(services.clock, config.secrets, () => {
    throw new Error("x");
  });
  return (route: Route, site: Site): Handler => {
    const { handler } = route;
    switch (handler.kind) {
      case "files":
        return filesHandler(handler, files);
      case "redirect":
        return redirectHandler(handler);
      case "respond":
        return respondHandler(handler);
      default:
        return () => {
          throw new Error("not yet " + site.root);
        };
    }
  };
}
