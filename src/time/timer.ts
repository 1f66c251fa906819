/**
 * Waiting for a while. The runtime's `setTimeout` loads its Node layer when it is first called, which costs each thread 12 ms
 * (Deno 2.9.6); an AbortSignal's timeout does without. Where many waits have deadlines, one clock keeps them (`clock.ts`).
 *
 * @module
 */

/**
 * Calls back once, later.
 *
 * @param ms When, in milliseconds; up to 2^53-1.
 * @returns Prevents it, if it has not happened yet. The timer itself runs on, so `ms` should be short where many are made.
 */
export function after(ms: number, callback: () => void): () => void {
  let isWanted = true;
  AbortSignal.timeout(ms).addEventListener("abort", () => {
    if (isWanted) callback();
  }, { once: true });
  return () => {
    isWanted = false;
  };
}

/** Resolves after `ms` milliseconds. */
export function delay(ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  after(ms, resolve);
  return promise;
}
