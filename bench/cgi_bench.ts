/**
 * What the CGI code alone costs: a script's header parsed.
 *
 * `deno task bench:parts bench/cgi_bench.ts`
 *
 * @module
 */

import { OutputParser } from "../src/cgi/output.ts";

const encoder = new TextEncoder();
const SHORT = encoder.encode("Content-Type: text/plain\n\nhello\n");
const LONG = encoder.encode(
  "Status: 201 Created\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n" +
    "Set-Cookie: session=0123456789abcdef; HttpOnly\r\nSet-Cookie: theme=dark\r\nX-Powered-By: a script\r\n" +
    "Location: https://example.org/somewhere/else\r\n\r\n<!doctype html>",
);

/** Runs so often inside one measurement that its clock does not matter; results are per 1,000. */
function thousandParsed(bytes: Uint8Array<ArrayBuffer>): () => void {
  return () => {
    for (let i = 0; i < 1000; i++) {
      if (new OutputParser(65536).push(bytes).kind !== "head") throw new Error("The header is complete");
    }
  };
}

Deno.bench({
  name: "1,000 script headers of one field",
  group: "script header",
  baseline: true,
  fn: thousandParsed(SHORT),
});
Deno.bench({
  name: "1,000 script headers of seven fields",
  group: "script header",
  fn: thousandParsed(LONG),
});
