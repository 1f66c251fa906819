import { assertEquals } from "@std/assert";
import { exchange } from "../../tests/support/exchange.ts";
import { encodePath, encodeSent, locationPath } from "./location.ts";

Deno.test({
  name: "encodePath() encodes what would end the path, and what is no URL",
  permissions: "none",
  fn() {
    assertEquals(encodePath("/a b/é?#%[x]"), "/a%20b/%C3%A9%3F%23%25%5Bx%5D");
    assertEquals(encodePath("/a-b_c.d~e!$&'()*+,;=:@/"), "/a-b_c.d~e!$&'()*+,;=:@/");
    assertEquals(encodePath("/\\evil.example\r\nX: y"), "/%5Cevil.example%0D%0AX:%20y");
  },
});

Deno.test({
  name: "encodeSent() keeps escapes and encodes what has no place in a URL",
  permissions: "none",
  fn() {
    assertEquals(encodeSent("a=%41&b=%zz&c=%"), "a=%41&b=%25zz&c=%25");
    assertEquals(encodeSent('"<>\\^`{|} #\xe9\r\n'), "%22%3C%3E%5C%5E%60%7B%7C%7D%20%23%E9%0D%0A");
    assertEquals(encodeSent("a=1;b[]=2/x?y"), "a=1;b[]=2/x?y");
  },
});

Deno.test({
  name: "locationPath() begins with one slash, and goes back as it came where decoding is ambiguous",
  permissions: "none",
  fn() {
    const of = (path: string, facts = {}) => locationPath(exchange({ path, ...facts }).target);
    assertEquals(of("/a%20b"), "/a%20b");
    assertEquals(of("//evil.example/x"), "/evil.example/x");
    assertEquals(of("///evil.example"), "/evil.example");
    assertEquals(of("/%5Cevil.example"), "/%5Cevil.example");
    assertEquals(of("//a%2Fb", { hasEncodedSlash: true }), "/a%2Fb");
  },
});
