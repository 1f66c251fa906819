/**
 * What the system says of a failure, as a part of a sentence of ours.
 *
 * @module
 */

/** What the system said in an error, without its number, and without the call that failed. */
export function systemReason(error: Error): string {
  return error.message
    .replace(/ \(os error \d+\).*$/s, "")
    .replace(/^[A-Z]/, (letter) => letter.toLowerCase());
}
