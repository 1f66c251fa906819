/**
 * The beginning of a script's file, for the diagnosis of its failure.
 *
 * @module
 */

import { SOURCE_BYTES_MAX } from "./diagnosis.ts";

/** The beginning of a file, at most {@linkcode SOURCE_BYTES_MAX}; null where it is gone or may not be read. */
export function readSource(file: string): Uint8Array | null {
  const bytes = new Uint8Array(SOURCE_BYTES_MAX);
  let length = 0;
  try {
    using handle = Deno.openSync(file);
    for (let count: number | null = 0; count !== null && length < bytes.length; length += count ?? 0) {
      count = handle.readSync(bytes.subarray(length));
    }
  } catch {
    return null; // A guess is not worth an error of its own.
  }
  return bytes.subarray(0, length);
}
