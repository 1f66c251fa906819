/**
 * How many sockets a loop asks the system for at a time.
 *
 * @module
 */

/**
 * The runtime reads it when a Worker starts. Its own default, 1024, is more than most loops have connections: then those that
 * became ready first are served first each time, and the others wait, some for a tenth of a second at 256 busy clients. Asked for
 * few at a time, the system goes round (epoll_wait(2)).
 */
const EVENTS_AT_ONCE = { name: "DENO_TOKIO_MAX_IO_EVENTS_PER_TICK", value: "64" };

/** Makes the loops that start from now on fair to their clients; what the environment says already stands. */
export function makeLoopsFair(): void {
  const { name, value } = EVENTS_AT_ONCE;
  if (Deno.env.get(name) === undefined) Deno.env.set(name, value);
}
