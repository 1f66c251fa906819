/**
 * The nearest right name for a wrong one.
 *
 * @module
 */

import { closestString } from "@std/text/closest-string";

/** The name nearest to what was written. */
export function nearest(written: string, names: readonly string[]): string {
  return closestString(written, names);
}
