import { assertEquals, assertInstanceOf } from "@std/assert";
import { parseCidr } from "./cidr.ts";
import { Refusal } from "./refusal.ts";

Deno.test({
  name: "parseCidr() takes blocks and single addresses of both families",
  permissions: "none",
  fn() {
    const cases: [string, unknown][] = [
      ["10.0.0.0/8", { family: "ipv4", address: "10.0.0.0", prefix: 8 }],
      ["127.0.0.1", { family: "ipv4", address: "127.0.0.1", prefix: 32 }],
      ["0.0.0.0/0", { family: "ipv4", address: "0.0.0.0", prefix: 0 }],
      ["2001:DB8::/32", { family: "ipv6", address: "2001:db8::", prefix: 32 }],
      ["::1", { family: "ipv6", address: "::1", prefix: 128 }],
      ["::/0", { family: "ipv6", address: "::", prefix: 0 }],
    ];
    for (const [text, cidr] of cases) assertEquals(parseCidr(text), cidr as never, text);
  },
});

Deno.test({
  name: "parseCidr() refuses what is no block and says what would be right",
  permissions: "none",
  fn() {
    const forms = "is not a block of addresses: write 10.0.0.0/8, 2001:db8::/32 or one address";
    const cases: [string, string][] = [
      ["", `"" ${forms}`],
      ["10.0.0/8", `"10.0.0/8" ${forms}`],
      ["10.0.0.256", `"10.0.0.256" ${forms}`],
      ["010.0.0.1", `"010.0.0.1" ${forms}`],
      ["example.org", `"example.org" ${forms}`],
      ["[::1]", `"[::1]" ${forms}`],
      [":::", `":::" ${forms}`],
      ["10.0.0.0/33", `"10.0.0.0/33": what follows the slash is a number of bits from 0 to 32`],
      ["10.0.0.0/", `"10.0.0.0/": what follows the slash is a number of bits from 0 to 32`],
      ["10.0.0.0/08", `"10.0.0.0/08": what follows the slash is a number of bits from 0 to 32`],
      ["::/129", `"::/129": what follows the slash is a number of bits from 0 to 128`],
    ];
    for (const [text, message] of cases) {
      const refusal = parseCidr(text);
      assertInstanceOf(refusal, Refusal, text);
      assertEquals(refusal.message, message);
    }
  },
});
