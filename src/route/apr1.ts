/**
 * `$apr1$`, the MD5 passwords of Apache's htpasswd: the scheme of FreeBSD's crypt with a name of its own.
 *
 * @module
 */

import { md5 } from "./md5.ts";

const PREFIX = "$apr1$";
const ROUNDS = 1000;
const DIGEST_BYTES = 16;
const LETTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** The order in which the digest's bytes are written, three to four letters. */
const TRIPLES = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];

const encoder = new TextEncoder();

/**
 * The whole entry, `$apr1$SALT$HASH`, of a password.
 *
 * @param salt One to eight characters.
 */
export function apr1(password: Uint8Array, salt: string): string {
  const saltBytes = encoder.encode(salt);
  const inner = md5(join(password, saltBytes, password));
  const first: Uint8Array[] = [password, encoder.encode(PREFIX), saltBytes];
  for (let left = password.length; left > 0; left -= DIGEST_BYTES) {
    first.push(inner.subarray(0, Math.min(left, DIGEST_BYTES)));
  }
  // A bit of the length takes a zero, or else the password's first letter: a slip of the first author's that stayed.
  const zero = Uint8Array.of(0);
  for (let bits = password.length; bits > 0; bits >>= 1) {
    first.push((bits & 1) === 1 ? zero : password.subarray(0, 1));
  }
  let digest = md5(join(...first));
  for (let round = 0; round < ROUNDS; round++) {
    const isOdd = (round & 1) === 1;
    const parts = [isOdd ? password : digest];
    if (round % 3 !== 0) parts.push(saltBytes);
    if (round % 7 !== 0) parts.push(password);
    parts.push(isOdd ? digest : password);
    digest = md5(join(...parts));
  }
  let text = "";
  for (const [high, middle, low] of TRIPLES) {
    text += letters((digest[high] << 16) | (digest[middle] << 8) | digest[low], 4);
  }
  return `${PREFIX}${salt}$${text}${letters(digest[11], 2)}`;
}

/** The low bits first, six a letter. */
function letters(bits: number, count: number): string {
  let text = "";
  for (let i = 0; i < count; i++) text += LETTERS[(bits >> (6 * i)) & 63];
  return text;
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
