/**
 * The states of a client, as a table: pure, complete, and the only place that says what may follow what.
 *
 * A request's body may still arrive in any state after `REQ_RDY`; its progress is kept beside the state (`body.ts`),
 * and `next` is taken only with the body complete and the connection persistent.
 *
 * @module
 */

/** What a client is waiting for or doing. */
export type State = "READ_REQ" | "REQ_RDY" | "WAIT_CGI" | "RES_RDY" | "RES_SENDING" | "FINISHED";

/** What moves a client on. */
export type Event =
  /** A request's head is complete. */
  | "head"
  /** The request, or what arrived of it, is answered with an error. */
  | "refuse"
  /** A handler has decided the head of the response. */
  | "respond"
  /** A script or gateway is wanted. */
  | "delegate"
  /** Another path answers instead (RFC 3875, 6.2.2). */
  | "reroute"
  /** The first byte goes out. */
  | "send"
  /** The last byte is out. */
  | "sent"
  /** The connection ends: by the client, a deadline, or the server's stop. */
  | "close"
  /** On to the next request of the connection. */
  | "next";

/** All transitions; a pair that is missing is a bug. */
export const TRANSITIONS = {
  READ_REQ: { head: "REQ_RDY", refuse: "RES_RDY", close: "FINISHED" },
  REQ_RDY: { respond: "RES_RDY", refuse: "RES_RDY", delegate: "WAIT_CGI", close: "FINISHED" },
  WAIT_CGI: { respond: "RES_RDY", refuse: "RES_RDY", reroute: "REQ_RDY", close: "FINISHED" },
  RES_RDY: { send: "RES_SENDING", close: "FINISHED" },
  RES_SENDING: { sent: "FINISHED", close: "FINISHED" },
  FINISHED: { next: "READ_REQ" },
} as const satisfies Record<State, Partial<Record<Event, State>>>;

/** The same table without its literal types, for look-ups by any pair. */
const TABLE: Readonly<Record<State, Readonly<Partial<Record<Event, State>>>>> = TRANSITIONS;

/** All states, in the order of a request's way. */
export const STATES = Object.keys(TRANSITIONS) as readonly State[];

/** A transition that the table does not have: a bug of ours, never a client's doing. */
export class StateError extends Error {
  /**
   * Names the pair that the table lacks.
   *
   * @param state Where the client was.
   * @param event What was to happen.
   */
  constructor(state: State, event: Event) {
    super(`no transition from ${state} by ${event}`);
    this.name = "StateError";
  }
}

/**
 * The state that follows.
 *
 * @throws {StateError} The table has no such transition.
 */
export function step(state: State, event: Event): State {
  const next = TABLE[state][event];
  if (next === undefined) throw new StateError(state, event);
  return next;
}
