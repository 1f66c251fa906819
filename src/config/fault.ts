/**
 * What is wrong with a configuration: values, collected, so that one run names every fault.
 *
 * @module
 */

import type { Place } from "./config.ts";

/** One fault or warning, with its place and remedy. */
export interface Fault {
  /** An error keeps the configuration from being used; a warning does not. */
  readonly severity: "error" | "warning";
  /** The file, or `flag` when a flag is at fault, or null. */
  readonly file: string | null;
  /** Where in the file; null: unknown, or no file. */
  readonly place: Place | null;
  /** The key's path, `sites[0].routes[1].cgi`; empty for the file as a whole. */
  readonly key: string;
  /** What is wrong and what would be right. */
  readonly message: string;
}

/** `FILE:LINE:COLUMN: key.path: what is wrong, and what would be right`, without what is unknown. */
export function formatFault(fault: Fault): string {
  const where = fault.file === null
    ? ""
    : fault.place === null
    ? `${fault.file}: `
    : `${fault.file}:${fault.place.line}:${fault.place.column}: `;
  const key = fault.key === "" ? "" : `${fault.key}: `;
  return `${where}${fault.severity === "warning" ? "warning: " : ""}${key}${fault.message}`;
}
