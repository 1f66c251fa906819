/**
 * Paths for the Location field: percent-encoded, and never one that a browser takes for another host.
 *
 * @module
 */

import type { Target } from "../http/target.ts";

/** A decoded path, percent-encoded for a URL (RFC 3986, 3.3). */
export function encodePath(path: string): string {
  return encodeURI(path).replace(/[?#]/g, encodeURIComponent);
}

/** The path or query of a target as it was sent, with whatever has no place in a URL percent-encoded. */
export function encodeSent(text: string): string {
  return text.replace(
    /%(?![0-9A-Fa-f]{2})|[^\x21\x24-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e%]/g,
    percentEncode,
  );
}

function percentEncode(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

/**
 * A target's path for Location. It begins with exactly one slash: `//host` would be a reference to another host.
 */
export function locationPath(target: Target): string {
  // Where the decoded path is ambiguous (an encoded slash, bytes that are no UTF-8) the path goes back as it came.
  const isExact = target.isUtf8 && !target.hasEncodedSlash;
  return (isExact ? encodePath(target.path) : encodeSent(target.rawPath)).replace(/^\/+/, "/");
}
