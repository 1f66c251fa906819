/**
 * Pollux whose loops can be made to die: SIGUSR2 kills the script loop, SIGWINCH the first network loop, each by an error that
 * nobody catches. Nothing that a client sends is known to do that.
 *
 * @module
 */

import { main } from "../../src/cli/main.ts";

const latest = new Map<string, Worker>();
const RealWorker = globalThis.Worker;
globalThis.Worker = class extends RealWorker {
  constructor(url: string | URL, options?: WorkerOptions) {
    super(url, options);
    latest.set(options?.name ?? "", this);
  }
};

/** It is set up a second time, which it cannot be. */
const crash = (name: string) => latest.get(name)?.postMessage({ kind: "setup" });
Deno.addSignalListener("SIGUSR2", () => crash("script"));
Deno.addSignalListener("SIGWINCH", () => crash("network"));

Deno.exit(await main(Deno.args));
