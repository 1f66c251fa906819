import { assertEquals } from "@std/assert";
import { preferredCoding, preferredType } from "./accept.ts";

const TYPES = ["text/html", "application/json", "text/plain"] as const;

Deno.test({
  name: "preferredType() gives the first offer to whoever has no preference",
  permissions: "none",
  fn() {
    for (const accept of [null, "", " ", "*/*", "text/html, */*", "*/*;q=0.1"]) {
      assertEquals(preferredType(accept, TYPES), "text/html", String(accept));
    }
  },
});

Deno.test({
  name: "preferredType() goes by weight, and by order where weights are equal",
  permissions: "none",
  fn() {
    assertEquals(preferredType("application/json", TYPES), "application/json");
    assertEquals(preferredType("text/html;q=0.5, application/json;q=0.9", TYPES), "application/json");
    assertEquals(preferredType("application/json, text/html", TYPES), "text/html");
    assertEquals(preferredType("TEXT/PLAIN ; Q=0.5", TYPES), "text/plain");
    assertEquals(
      preferredType("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", TYPES),
      "text/html",
    );
  },
});

Deno.test({
  name: "preferredType() lets the more specific range decide, wherever it stands",
  permissions: "none",
  fn() {
    assertEquals(preferredType("text/*;q=0.3, text/html;q=0.1, */*;q=0.2", TYPES), "text/plain");
    assertEquals(preferredType("*/*, text/html;q=0", TYPES), "application/json");
    assertEquals(preferredType("text/*;q=0, */*", TYPES), "application/json");
  },
});

Deno.test({
  name: "preferredType() finds nothing where all is refused or unknown",
  permissions: "none",
  fn() {
    assertEquals(preferredType("image/png", TYPES), null);
    assertEquals(preferredType("*/*;q=0", TYPES), null);
    assertEquals(preferredType("text/html;q=0.000", TYPES), null);
  },
});

Deno.test({
  name: "preferredType() reads parameters, quoted commas and malformed weights",
  permissions: "none",
  fn() {
    assertEquals(preferredType('text/html;v="a,b;q=0", text/plain', TYPES), "text/plain");
    assertEquals(preferredType("text/html;charset=utf-8", TYPES), "text/html");
    assertEquals(preferredType("text/html;level=1, text/plain;q=0.1", TYPES), "text/plain");
    for (const q of ["2", "-1", "1.1", "0.1234", "x", ""]) {
      assertEquals(preferredType(`text/html;q=${q}, text/plain;q=0.1`, TYPES), "text/plain", q);
    }
    assertEquals(preferredType("text/html;q=1.000, text/plain", TYPES), "text/html");
  },
});

const CODINGS = ["br", "gzip"] as const;

Deno.test({
  name: "preferredCoding() codes nothing for whoever does not ask",
  permissions: "none",
  fn() {
    for (const accept of [null, "", "identity", "deflate", "gzip;q=0", "*;q=0.0, identity", "gzip;q=2"]) {
      assertEquals(preferredCoding(accept, CODINGS), "identity", String(accept));
    }
    assertEquals(preferredCoding("gzip, br", []), "identity");
  },
});

Deno.test({
  name: "preferredCoding() goes by weight, and by order where weights are equal",
  permissions: "none",
  fn() {
    assertEquals(preferredCoding("gzip, deflate, br, zstd", CODINGS), "br");
    assertEquals(preferredCoding("gzip, br;q=0.9", CODINGS), "gzip");
    assertEquals(preferredCoding("GZIP", CODINGS), "gzip");
    assertEquals(preferredCoding("x-gzip", CODINGS), "gzip");
    assertEquals(preferredCoding("gzip;q=0.001", CODINGS), "gzip");
    assertEquals(preferredCoding("*", CODINGS), "br");
    assertEquals(preferredCoding("br;q=0, *", CODINGS), "gzip");
    assertEquals(preferredCoding("gzip;q=0.5, identity", CODINGS), "identity");
    assertEquals(preferredCoding("gzip;q=0.5, identity;q=0.5", CODINGS), "gzip");
    assertEquals(preferredCoding("gzip;q=0.5, *;q=0", CODINGS), "gzip");
  },
});

Deno.test({
  name: "preferredCoding() finds nothing where identity is refused and nothing else is there",
  permissions: "none",
  fn() {
    assertEquals(preferredCoding("identity;q=0", CODINGS), null);
    assertEquals(preferredCoding("*;q=0", CODINGS), null);
    assertEquals(preferredCoding("deflate, identity;q=0", CODINGS), null);
    assertEquals(preferredCoding("gzip, identity;q=0", []), null);
    assertEquals(preferredCoding("gzip, identity;q=0", CODINGS), "gzip");
    assertEquals(preferredCoding("*;q=0, identity;q=0.1", CODINGS), "identity");
    assertEquals(preferredCoding("identity;q=0, *", CODINGS), "br");
  },
});
