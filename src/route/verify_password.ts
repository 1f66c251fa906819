/**
 * Whether a password is the one behind a hash. It may take a tenth of a second of a core, so it happens in a Worker of its
 * own: `loop/passwords.ts`.
 *
 * @module
 */

import bcrypt from "bcryptjs";
import { apr1 } from "./apr1.ts";

/**
 * Computes the hash of `password` and compares.
 *
 * @param hash As `htpasswd.ts` lets it through.
 */
export async function verifyPassword(password: string, hash: string): Promise<boolean> {
  if (hash.startsWith("$2")) return bcrypt.compareSync(password, hash);
  const bytes = new TextEncoder().encode(password);
  if (hash.startsWith("$apr1$")) return isEqual(apr1(bytes, hash.split("$")[2]), hash);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", bytes));
  return isEqual(`{SHA}${btoa(String.fromCharCode(...digest))}`, hash);
}

/** Compares in a time that does not tell where the difference is. */
function isEqual(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}
