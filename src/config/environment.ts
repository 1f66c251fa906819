/**
 * Names of environment variables that a configuration may give to scripts.
 *
 * @module
 */

import { quote, Refusal } from "./refusal.ts";

/** The variables that a request decides (RFC 3875, 4.1, and what Apache adds to them), beside all of `HTTP_*`. */
export const META_VARIABLES: ReadonlySet<string> = new Set([
  "AUTH_TYPE",
  "CONTENT_LENGTH",
  "CONTENT_TYPE",
  "DOCUMENT_ROOT",
  "GATEWAY_INTERFACE",
  "HTTPS",
  "PATH_INFO",
  "PATH_TRANSLATED",
  "QUERY_STRING",
  "REDIRECT_STATUS",
  "REMOTE_ADDR",
  "REMOTE_HOST",
  "REMOTE_IDENT",
  "REMOTE_PORT",
  "REMOTE_USER",
  "REQUEST_METHOD",
  "REQUEST_SCHEME",
  "REQUEST_URI",
  "SCRIPT_FILENAME",
  "SCRIPT_NAME",
  "SERVER_ADDR",
  "SERVER_NAME",
  "SERVER_PORT",
  "SERVER_PROTOCOL",
  "SERVER_SOFTWARE",
]);

/** The name, or why a configuration cannot set it. */
export function checkEnvName(name: string): string | Refusal {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    return new Refusal(`${quote(name)} is not a variable's name: letters, digits and _, no digit in front`);
  }
  const upper = name.toUpperCase();
  if (META_VARIABLES.has(upper) || upper.startsWith("HTTP_")) {
    return new Refusal(`${quote(name)} is a meta-variable: the request decides it, no configuration`);
  }
  return name;
}
