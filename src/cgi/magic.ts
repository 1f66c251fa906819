/**
 * What a file is, by its first bytes.
 *
 * @module
 */

/** Whether a file begins with `#!`. */
export function isShebang(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === 0x23 && bytes[1] === 0x21;
}

/** Mach-O in both byte orders and sizes, and universal binaries. */
const MACH_O: ReadonlySet<number> = new Set([0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe, 0xcafebabe]);

/** Whether a file is a program that the system runs by itself: ELF, Mach-O or PE. */
export function isNative(bytes: Uint8Array): boolean {
  if (bytes.length >= 2 && bytes[0] === 0x4d && bytes[1] === 0x5a) return true;
  if (bytes.length < 4) return false;
  const magic = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  return magic === 0x7f454c46 || MACH_O.has(magic);
}

/** Whether a file begins with the byte order mark of UTF-8 or UTF-16. */
export function hasMark(bytes: Uint8Array): boolean {
  if (bytes.length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return true;
  return bytes.length >= 2 && (bytes[0] << 8 | bytes[1]) === 0xfeff || (bytes[0] << 8 | bytes[1]) === 0xfffe;
}
