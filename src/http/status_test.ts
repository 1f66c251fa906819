import { assertEquals } from "@std/assert";
import { isBodiless, reasonPhrase } from "./status.ts";

Deno.test({
  name: "reasonPhrase() gives the registered phrase, or nothing",
  permissions: "none",
  fn() {
    assertEquals(
      [200, 203, 207, 304, 407, 413, 416, 431, 503, 505].map(reasonPhrase),
      [
        "OK",
        "Non-Authoritative Information",
        "Multi-Status",
        "Not Modified",
        "Proxy Authentication Required",
        "Content Too Large",
        "Range Not Satisfiable",
        "Request Header Fields Too Large",
        "Service Unavailable",
        "HTTP Version Not Supported",
      ],
    );
    assertEquals([reasonPhrase(299), reasonPhrase(999)], ["", ""]);
  },
});

Deno.test({
  name: "isBodiless() names 1xx, 204 and 304",
  permissions: "none",
  fn() {
    assertEquals([100, 101, 103, 199, 204, 304].map(isBodiless), [true, true, true, true, true, true]);
    assertEquals([200, 205, 206, 303, 305, 404].map(isBodiless), [false, false, false, false, false, false]);
  },
});
