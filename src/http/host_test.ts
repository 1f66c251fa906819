import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { octets } from "../../tests/support/splits.ts";
import { isAuthority, splitAuthority } from "./host.ts";

// What a Host may be is in tests/corpus/http/heads.json.

Deno.test({
  name: "isAuthority() looks at nothing but the bytes it was asked about",
  permissions: "none",
  fn() {
    const bytes = octets("@[::1]:80@");
    assertEquals(isAuthority(bytes, 1, 9), true);
    assertEquals(isAuthority(bytes, 1, 6), true);
    assertEquals(isAuthority(bytes, 1, 5), false);
    assertEquals(isAuthority(bytes, 0, 9), false);
    assertEquals(isAuthority(bytes, 1, 10), false);
    assertEquals(isAuthority(bytes, 1, 1), false);
    const escaped = octets("a%41:");
    assertEquals([4, 3, 2].map((end) => isAuthority(escaped, 0, end)), [true, false, false]);
  },
});

Deno.test({
  name: "splitAuthority() tells host and port apart",
  permissions: "none",
  fn() {
    assertEquals(splitAuthority("example.org"), { host: "example.org", port: null });
    assertEquals(splitAuthority("example.org:8080"), { host: "example.org", port: 8080 });
    assertEquals(splitAuthority("example.org:"), { host: "example.org", port: null });
    assertEquals(splitAuthority("[::1]"), { host: "[::1]", port: null });
    assertEquals(splitAuthority("[::1]:443"), { host: "[::1]", port: 443 });
    assertEquals(splitAuthority("[::1]:"), { host: "[::1]", port: null });
  },
});

Deno.test({
  name: "isAuthority() takes every IPv6 address, and none with a group too many",
  permissions: "none",
  fn() {
    const holds = (text: string) => isAuthority(octets(text), 0, text.length);
    fc.assert(fc.property(fc.ipV6(), (address) => {
      assertEquals(holds(`[${address}]`), true, address);
      assertEquals(holds(`[${address}]:80`), true, address);
      assertEquals(holds(`[1:2:3:4:5:6:7:${address}]`), false, address);
    }));
  },
});
