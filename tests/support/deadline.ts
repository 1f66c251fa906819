/**
 * How long a test waits for what must happen. Generous: it decides between "late" and "never", not between fast and slow.
 *
 * @module
 */

/** Milliseconds after which a test gives up. */
export const DEADLINE_MS = 120_000;

/** The promise's value, or an error that says what did not happen in time. */
export async function within<T>(what: string, promise: Promise<T>, deadlineMs = DEADLINE_MS): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`not within ${deadlineMs} ms: ${what}`)), deadlineMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again until the answer is yes: for what announces itself to nobody, such as a process that ends. */
export async function eventually(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  deadlineMs = DEADLINE_MS,
): Promise<void> {
  const lastMs = performance.now() + deadlineMs;
  while (!await isSo()) {
    if (performance.now() > lastMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
