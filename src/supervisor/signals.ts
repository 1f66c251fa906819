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
