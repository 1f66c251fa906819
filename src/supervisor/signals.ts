/**
 * The signals that steer the program.
 *
 * @module
 */

/** What each signal asks for. */
export interface SignalActions {
  /** SIGTERM, SIGINT: gracefully; the second time at once. */
  stop(): void;
  /** SIGHUP. */
  reload(): void;
  /** SIGUSR1. */
  reopen(): void;
}

/** Handlers that are installed. */
export interface Signals {
  /** Gives the signals their default meaning back. */
  close(): void;
}

/**
 * Keeps Deno's debugger shut. From 2.9.2 on `deno run` answers SIGUSR1, whatever handlers there are, by opening it on this
 * port, where any user of the machine could make the supervisor do anything (denoland/deno#35738). A port that is taken it
 * leaves alone. An executable has no such thing.
 *
 * @returns What holds the port; null where somebody else does, or nothing is to be held.
 */
export function holdInspectorPort(): { close(): void } | null {
  if (Deno.build.standalone || Deno.build.os === "windows") return null;
  try {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: INSPECTOR_PORT });
    refuseAll(listener);
    return listener;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return null;
    throw error;
  }
}

async function refuseAll(listener: Deno.TcpListener): Promise<void> {
  try {
    for await (const connection of listener) connection.close();
  } catch {
    // It was closed, or cannot accept for a while: either way nobody is waited for here.
  }
}

const INSPECTOR_PORT = 9229;

/** Installs the handlers; on Windows only SIGINT exists. */
export function listenForSignals(actions: SignalActions): Signals {
  const handlers: [Deno.Signal, () => void][] = Deno.build.os === "windows" ? [["SIGINT", actions.stop]] : [
    ["SIGINT", actions.stop],
    ["SIGTERM", actions.stop],
    ["SIGHUP", actions.reload],
    ["SIGUSR1", actions.reopen],
  ];
  for (const [signal, handler] of handlers) Deno.addSignalListener(signal, handler);
  return {
    close() {
      for (const [signal, handler] of handlers) Deno.removeSignalListener(signal, handler);
    },
  };
}
