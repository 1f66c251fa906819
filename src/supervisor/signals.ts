/**
 * The signals that steer the program.
 *
 * @module
 */

import { isShortage } from "../shortage.ts";
import { after } from "../time/timer.ts";

/** What each signal asks for. */
export interface SignalActions {
  /** SIGTERM, SIGINT: gracefully; the second time at once. */
  stop(): void;
  /** SIGHUP. */
  reload(): void;
  /** SIGUSR1. */
  reopen(): void;
}

/** Signals that are held until somebody can act on them. */
export interface HeldSignals {
  /** Acts on what has come, and on what comes. */
  give(actions: SignalActions): Signals;
}

/** Handlers that are installed. */
export interface Signals {
  /** Gives the signals their default meaning back. */
  close(): void;
}

/**
 * Keeps Deno's debugger shut. From 2.9.2 on `deno run` answers SIGUSR1, whatever handlers there are, by opening it on this
 * port, where any user of the machine could make the supervisor do anything (denoland/deno#35738). A port that is taken it
 * leaves alone: while another program has it, it is tried again and again. An executable has no such thing.
 *
 * @returns What holds the port, or waits for it; null where nothing is to be held.
 */
export function holdInspectorPort(
  port: number = INSPECTOR_PORT,
  againMs: number = INSPECTOR_AGAIN_MS,
): { close(): void } | null {
  if (Deno.build.standalone || Deno.build.os === "windows") return null;
  let listener: Deno.TcpListener | null = null;
  let giveUp = () => {};
  const take = () => {
    try {
      listener = Deno.listen({ hostname: "127.0.0.1", port });
      refuseAll(listener);
    } catch (error) {
      // Where there is no such address the debugger cannot be opened either.
      if (error instanceof Deno.errors.AddrNotAvailable) return;
      if (!(error instanceof Deno.errors.AddrInUse) && !isShortage(error)) throw error;
      giveUp = after(againMs, take);
    }
  };
  take();
  return {
    close() {
      giveUp();
      listener?.close();
    },
  };
}

async function refuseAll(listener: Deno.TcpListener): Promise<void> {
  try {
    for await (const connection of listener) connection.close();
  } catch {
    // It was closed, or cannot accept for a while: either way nobody is waited for here.
  }
}

const INSPECTOR_PORT = 9229;
const INSPECTOR_AGAIN_MS = 1_000;

const ACTIONS = { SIGINT: "stop", SIGTERM: "stop", SIGHUP: "reload", SIGUSR1: "reopen" } as const;

/**
 * Installs the handlers, before anything else is loaded: until then each of these signals kills the program. What comes before
 * there is somebody to act on it waits; a second signal to stop ends the program. On Windows only SIGINT exists.
 */
export function holdSignals(): HeldSignals {
  const early: (keyof SignalActions)[] = [];
  let actions: SignalActions | null = null;
  const signals: Deno.Signal[] = [];
  const handlers: (() => void)[] = [];
  for (const [signal, name] of Object.entries(ACTIONS) as [keyof typeof ACTIONS, keyof SignalActions][]) {
    if (Deno.build.os === "windows" && signal !== "SIGINT") continue;
    const handler = () => {
      if (actions !== null) actions[name]();
      else if (name === "stop" && early.includes("stop")) Deno.exit(0);
      else early.push(name);
    };
    Deno.addSignalListener(signal, handler);
    signals.push(signal);
    handlers.push(handler);
  }
  return {
    give(given) {
      actions = given;
      for (const name of early.splice(0)) given[name]();
      return { close: () => signals.forEach((signal, i) => Deno.removeSignalListener(signal, handlers[i])) };
    },
  };
}
