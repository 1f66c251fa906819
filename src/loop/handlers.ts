/**
 * Makes the handler of each route from what the loop has to offer.
 *
 * @module
 */

import { cached, type CacheServices } from "../cache/cache.ts";
import { Changes } from "../cache/changes.ts";
import type { Route } from "../config/config.ts";
import { compressed, compressOutcome } from "../handlers/compress.ts";
import { filesHandler, filesServices, type RunScript } from "../handlers/files.ts";
import type { Handler } from "../handlers/handler.ts";
import { redirectHandler } from "../handlers/redirect.ts";
import { respondHandler } from "../handlers/respond.ts";
import { takesUploads, uploadHandler } from "../handlers/upload.ts";
import { Secrets } from "../handlers/secrets.ts";
import { Sendfile } from "../handlers/sendfile.ts";
import { cgiHandler, type CgiServices, scriptsAmongFiles } from "../cgi/handler.ts";
import type { Scripts } from "../cgi/run.ts";
import { gatewayHandler, type GatewayServices } from "../gateway/gateway.ts";
import type { Reload } from "./reload.ts";
import type { Logger } from "../observe/logger.ts";
import type { Metrics } from "../observe/metrics.ts";
import { statusHandler, type StatusServices } from "../status/handler.ts";
import type { HandlerMaker } from "../route/router.ts";
import type { LoopSetup } from "../supervisor/messages.ts";
import type { Clock } from "../time/clock.ts";

/** What a loop offers its handlers. */
export interface LoopServices {
  /** How the server is; null: there is none, and no status route is made. */
  readonly status: StatusServices | null;
  /** The loop's clock. */
  readonly clock: Clock;
  /** The error log. */
  readonly log: Logger;
  /** The loop's figures. */
  readonly metrics: Metrics;
  /** What starts scripts. */
  readonly scripts: Scripts;
  /** With `--dev` only, and never for `exec`: pages that load themselves again. */
  readonly reload: Reload | null;
  /** The server's own environment, of which `pass_env` takes some. */
  readonly environment: Readonly<Record<string, string>>;
}

/** What handlers are made for: a loop's setup has more than that. */
export type HandlerSetup = Pick<LoopSetup, "config" | "programs" | "temp" | "changes">;

/** A maker of handlers for one configuration. */
export function handlerMaker(setup: HandlerSetup, services: LoopServices): HandlerMaker {
  const { config, programs, temp, changes } = setup;
  const secrets = new Secrets(config.secrets, services.clock);
  const sendfile = (folders: readonly string[]): Sendfile => new Sendfile(folders, files);
  const gateway: GatewayServices = { ...services, secrets, temp, loops: config.workers };
  const cgi: CgiServices = { ...services, programs, secrets, temp, sendfile, dev: config.dev };
  const { reload } = services;
  const amongFiles = scriptsAmongFiles(cgi);
  const runScript = reload === null
    ? compressScripts(amongFiles)
    : reload.scriptsAmongFiles(amongFiles, compressScripts(amongFiles));
  const files = filesServices(services.clock, config.secrets, runScript);
  const cache: CacheServices = {
    clock: services.clock,
    wallMs: () => Date.now(),
    loops: config.workers,
    changes: new Changes(changes),
  };
  // What is kept is kept as it goes out: it is compressed once.
  const modified = (plain: Handler, route: Route): Handler => {
    const handler = reload === null ? plain : reload.scripts(plain);
    return cached(route.compress ? compressed(handler) : handler, route, cache);
  };
  return (route: Route): Handler => {
    const { handler } = route;
    switch (handler.kind) {
      case "files": {
        const made = takesUploads(route) ? uploadHandler(handler, files) : filesHandler(handler, files);
        return reload === null ? made : reload.files(made);
      }
      case "cgi":
        return modified(cgiHandler(handler, route, cgi), route);
      case "redirect":
        return redirectHandler(handler);
      case "respond":
        return respondHandler(handler);
      case "fastcgi":
      case "scgi":
        return modified(gatewayHandler(handler, route, gateway), route);
      case "status":
        if (services.status === null) throw new TypeError("there is no server whose status could be shown");
        return statusHandler(route, services.status);
      default:
        return handler satisfies never;
    }
  };
}

/** Scripts among files are compressed as the files are. */
function compressScripts(runScript: RunScript): RunScript {
  return async (exchange, file, pathInfo) => {
    const outcome = await runScript(exchange, file, pathInfo);
    return exchange.route.compress ? compressOutcome(outcome, exchange) : outcome;
  };
}
