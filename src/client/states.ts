/**
 * The states of a client, as a table: pure, complete, and the only place that says what may follow what.
 *
 * A request's body may still arrive in any state after `REQ_RDY`; its progress is kept beside the state (`body.ts`),
 * and `next` is taken only with the body complete and the connection persistent.
 *
 * @module
 */

/** What a client is waiting for or doing, in the order of a request's way. */
export const STATES = ["READ_REQ", "REQ_RDY", "WAIT_CGI", "RES_RDY", "RES_SENDING", "FINISHED"] as const;

/** What moves a client on. */
export const EVENTS = [
  /** A request's head is complete. */
  "head",
  /** The request, or what arrived of it, is answered with an error. */
  "refuse",
  /** A handler has decided the head of the response. */
  "respond",
  /** A script or gateway is wanted. */
  "delegate",
  /** Another path answers instead (RFC 3875, 6.2.2). */
  "reroute",
  /** The first byte goes out. */
  "send",
  /** The last byte is out. */
  "sent",
  /** The connection ends: by the client, a deadline, or the server's stop. */
  "close",
  /** On to the next request of the connection. */
  "next",
] as const;

/** A state as people read it. */
export type StateName = typeof STATES[number];
/** An event as people read it. */
export type EventName = typeof EVENTS[number];

/** All transitions, by name; a pair that is missing is a bug. */
export const TRANSITIONS = {
  READ_REQ: { head: "REQ_RDY", refuse: "RES_RDY", close: "FINISHED" },
  REQ_RDY: { respond: "RES_RDY", refuse: "RES_RDY", delegate: "WAIT_CGI", close: "FINISHED" },
  WAIT_CGI: { respond: "RES_RDY", refuse: "RES_RDY", reroute: "REQ_RDY", close: "FINISHED" },
  RES_RDY: { send: "RES_SENDING", close: "FINISHED" },
  RES_SENDING: { sent: "FINISHED", close: "FINISHED" },
  FINISHED: { next: "READ_REQ" },
} as const satisfies Record<StateName, Partial<Record<EventName, StateName>>>;

/**
 * The number of each state. A client takes five steps with each request, and a look-up by two names would cost it more than
 * reading the request line does.
 */
export const State: Readonly<Record<StateName, number>> = numbered(STATES);
/** The number of each event. */
export const Event: Readonly<Record<EventName, number>> = numbered(EVENTS);

const NOWHERE = 255;
const NEXT = new Uint8Array(STATES.length * EVENTS.length).fill(NOWHERE);
for (const from of STATES) {
  const row: Partial<Record<EventName, StateName>> = TRANSITIONS[from];
  for (const event of EVENTS) {
    const to = row[event];
    if (to !== undefined) NEXT[State[from] * EVENTS.length + Event[event]] = State[to];
  }
}

/** A transition that the table does not have: a bug of ours, never a client's doing. */
export class StateError extends Error {
  /**
   * Names the pair that the table lacks.
   *
   * @param state Where the client was.
   * @param event What was to happen.
   */
  constructor(state: StateName, event: EventName) {
    super(`no transition from ${state} by ${event}`);
    this.name = "StateError";
  }
}

/**
 * The number of the state that follows.
 *
 * @param state The number of the present one.
 * @param event The number of what happens.
 * @throws {StateError} The table has no such transition.
 */
export function step(state: number, event: number): number {
  const next = NEXT[state * EVENTS.length + event];
  if (next === NOWHERE) throw new StateError(STATES[state], EVENTS[event]);
  return next;
}

function numbered<Name extends string>(names: readonly Name[]): Readonly<Record<Name, number>> {
  return Object.freeze(
    Object.fromEntries(names.map((name, number) => [name, number])) as Record<Name, number>,
  );
}
