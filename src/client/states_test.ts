import { assertEquals, assertThrows } from "@std/assert";
import { CLIENT_STATES } from "../observe/metrics.ts";
import {
  Event,
  type EventName,
  EVENTS,
  State,
  StateError,
  type StateName,
  STATES,
  step,
  TRANSITIONS,
} from "./states.ts";

function next(state: StateName, event: EventName): StateName {
  return STATES[step(State[state], Event[event])];
}

Deno.test({
  name: "step() follows the table for every pair of state and event and throws for all others",
  permissions: "none",
  fn() {
    const table: Record<StateName, Partial<Record<EventName, StateName>>> = TRANSITIONS;
    let taken = 0;
    for (const state of STATES) {
      for (const event of EVENTS) {
        const expected = table[state][event];
        if (expected === undefined) assertThrows(() => next(state, event), StateError, state);
        else {
          assertEquals(next(state, event), expected);
          taken++;
        }
      }
    }
    assertEquals(taken, 16);
  },
});

Deno.test({
  name: "the states are counted in the order of their numbers",
  permissions: "none",
  fn: () => assertEquals([...CLIENT_STATES], [...STATES]),
});

Deno.test({
  name: "every state can be reached from READ_REQ and every state but FINISHED can be closed",
  permissions: "none",
  fn() {
    const reached = new Set<StateName>(["READ_REQ"]);
    for (const state of reached) {
      for (const next of Object.values(TRANSITIONS[state]) as StateName[]) reached.add(next);
    }
    assertEquals([...reached].sort(), [...STATES].sort());
    for (const state of STATES) {
      if (state !== "FINISHED") assertEquals(next(state, "close"), "FINISHED");
    }
  },
});

Deno.test({
  name: "step() never leads out of FINISHED but to the next request",
  permissions: "none",
  fn: () => assertEquals(Object.keys(TRANSITIONS.FINISHED), ["next"]),
});
