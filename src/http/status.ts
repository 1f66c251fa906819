/**
 * Status codes and their reason phrases (RFC 9110, 15; IANA's HTTP Status Code Registry).
 *
 * @module
 */

import { STATUS_TEXT } from "@std/http/status";

/** Where the library's phrase is not the registered one. */
const REGISTERED: Readonly<Record<number, string>> = {
  203: "Non-Authoritative Information",
  207: "Multi-Status",
  407: "Proxy Authentication Required",
};

/** The registered reason phrase of a status; empty for a status without one. */
export function reasonPhrase(status: number): string {
  return REGISTERED[status] ?? STATUS_TEXT[status] ?? "";
}

/** Whether an answer of this status never has content: 1xx, 204, 304 (RFC 9110, 6.4.1). */
export function isBodiless(status: number): boolean {
  return status < 200 || status === 204 || status === 304;
}
