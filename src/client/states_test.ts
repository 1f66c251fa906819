import { assertEquals, assertThrows } from "@std/assert";
import { type Event, type State, StateError, STATES, step, TRANSITIONS } from "./states.ts";

const EVENTS: readonly Event[] = [
  "head",
  "refuse",
  "respond",
  "delegate",
  "reroute",
  "send",
  "sent",
  "close",
  "next",
];

Deno.test({
  name: "step() follows the table for every pair of state and event and throws for all others",
  permissions: "none",
  fn() {
    const table: Record<State, Partial<Record<Event, State>>> = TRANSITIONS;
    let taken = 0;
    for (const state of STATES) {
      for (const event of EVENTS) {
        const expected = table[state][event];
        if (expected === undefined) assertThrows(() => step(state, event), StateError, state);
        else {
          assertEquals(step(state, event), expected);
          taken++;
        }
      }
    }
    assertEquals(taken, 16);
  },
});

Deno.test({
  name: "every state can be reached from READ_REQ and every state but FINISHED can be closed",
  permissions: "none",
  fn() {
    const reached = new Set<State>(["READ_REQ"]);
    for (const state of reached) {
      for (const next of Object.values(TRANSITIONS[state]) as State[]) reached.add(next);
    }
    assertEquals([...reached].sort(), [...STATES].sort());
    for (const state of STATES) {
      if (state !== "FINISHED") assertEquals(step(state, "close"), "FINISHED");
    }
  },
});

Deno.test({
  name: "step() never leads out of FINISHED but to the next request",
  permissions: "none",
  fn: () => assertEquals(Object.keys(TRANSITIONS.FINISHED), ["next"]),
});
