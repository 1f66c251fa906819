/**
 * What the system lacks for a moment: descriptors, processes, memory. No fault of the request, nor of the server: it is to be
 * tried again.
 *
 * @module
 */

const CODES: readonly string[] = ["EMFILE", "ENFILE", "EAGAIN", "ENOMEM"];

/** Whether an error of the system says that it lacks something which it may have again in a moment. */
export function isShortage(error: unknown): boolean {
  return error instanceof Error && "code" in error && CODES.includes(String(error.code));
}
