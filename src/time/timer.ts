/**
 * Waiting for a while. The runtime's `setTimeout` loads its Node layer when it is first called, which costs each thread 12 ms
 * (Deno 2.9.6); an AbortSignal's timeout does without, but makes an exception and an event each time, 40 us. A wait for memory
 * that nobody changes costs half of that, and keeps no thread alive: that is enough for Workers. All waits of a thread share
 * one of these, for whichever of them is due first, and a wait that is given up costs next to nothing.
 *
 * @module
 */

/** A wait; without a callback it was given up. */
interface Wait {
  readonly dueMs: number;
  callback: (() => void) | null;
}

/** By the time they are due. */
const waits: Wait[] = [];
/**
 * When the runtime's timers go off that are set, the next one first. One that finds nothing to do costs as much as any other
 * (170 us, most of it the exception that comes with it), so none is set where another one does.
 */
const armed: number[] = [];
/** How late a wait may end for the sake of a timer that is set already, in milliseconds: no more than rounding makes it. */
const SLACK_MS = 1;

/**
 * Calls back once, later.
 *
 * @param ms When, in milliseconds; up to 2^53-1.
 * @returns Prevents it, if it has not happened yet.
 */
export function after(ms: number, callback: () => void): () => void {
  const wait: Wait = { dueMs: performance.now() + ms, callback };
  waits.splice(placeOf(wait.dueMs), 0, wait);
  arm(wait.dueMs);
  return () => {
    wait.callback = null;
  };
}

/** Resolves after `ms` milliseconds. */
export function delay(ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  after(ms, resolve);
  return promise;
}

/** What `promise` gives; null where that takes longer than `ms` milliseconds. Rejects as it does. */
export async function within<Value>(promise: Promise<Value>, ms: number): Promise<Value | null> {
  const { promise: over, resolve } = Promise.withResolvers<null>();
  const giveUp = after(ms, () => resolve(null));
  try {
    return await Promise.race([promise, over]);
  } finally {
    giveUp();
  }
}

/** Whether `promise` resolves within `ms` milliseconds; Infinity waits for it. Rejects as it does. */
export async function isDoneWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const done = promise.then(() => true);
  return ms === Infinity ? await done : await within(done, ms) ?? false;
}

/** Behind all that are due by then. */
function placeOf(dueMs: number): number {
  let low = 0;
  let high = waits.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (waits[middle].dueMs <= dueMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Sees to it that a timer goes off by then. One that was set for later stays set. */
function arm(dueMs: number): void {
  if (armed.length > 0 && armed[0] <= dueMs + SLACK_MS) return;
  armed.unshift(dueMs);
  goOff(Math.max(0, Math.ceil(dueMs - performance.now())), () => {
    armed.splice(armed.indexOf(dueMs), 1);
    fire();
  });
}

function fire(): void {
  const due = waits.splice(0, placeOf(performance.now()));
  let next = 0;
  while (next < waits.length && waits[next].callback === null) next++;
  waits.splice(0, next);
  if (waits.length > 0) arm(waits[0].dueMs);
  for (const { callback } of due) callback?.();
}

/** Workers live until they are ended, whatever they wait for. */
const IS_WORKER = "WorkerGlobalScope" in globalThis;

/** Stays as it is. */
const cell = new Int32Array(new SharedArrayBuffer(4));

/** Calls back by a timer of the runtime's, in a later turn of the loop. */
function goOff(ms: number, callback: () => void): void {
  // For 0 ms such a wait would be over before it began, and the turn not.
  const wait = IS_WORKER && ms > 0 ? Atomics.waitAsync(cell, 0, 0, ms) : null;
  if (wait?.async) wait.value.then(callback);
  else AbortSignal.timeout(ms).addEventListener("abort", callback, { once: true });
}
