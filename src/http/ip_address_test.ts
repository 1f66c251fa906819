import { assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { customerKey, formatIpAddress, parseIpAddress } from "./ip_address.ts";

function pure(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

function said(text: string): string | null {
  const address = parseIpAddress(text);
  return address === null ? null : formatIpAddress(address);
}

pure("parseIpAddress() reads both families, and writes them as the system does", () => {
  const cases: Record<string, string> = {
    "0.0.0.0": "0.0.0.0",
    "255.255.255.255": "255.255.255.255",
    "127.0.0.1": "127.0.0.1",
    "::": "::",
    "::1": "::1",
    "1::": "1::",
    "2001:DB8:0:0:0:0:0:1": "2001:db8::1",
    "2001:db8:0:1:1:1:1:1": "2001:db8:0:1:1:1:1:1",
    "2001:0:0:1:0:0:0:1": "2001:0:0:1::1",
    "2001:db8:0:0:1:0:0:1": "2001:db8::1:0:0:1",
    "1:2:3:4:5:6:7::": "1:2:3:4:5:6:7:0",
    "64:ff9b::192.0.2.33": "64:ff9b::c000:221",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
  };
  for (const [text, written] of Object.entries(cases)) assertEquals(said(text), written, text);
});

pure("parseIpAddress() takes an IPv4-mapped address for that IPv4 address", () => {
  for (const text of ["::ffff:192.0.2.1", "::FFFF:c000:201", "0:0:0:0:0:ffff:192.0.2.1"]) {
    assertEquals(parseIpAddress(text), { family: 4, value: 0xc0000201 }, text);
  }
  assertEquals(said("::fffe:192.0.2.1"), "::fffe:c000:201");
  assertEquals(said("::192.0.2.1"), "::c000:201");
});

pure("parseIpAddress() refuses what is no address", () => {
  const refused = [
    ...[
      "",
      "1",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.256",
      "01.2.3.4",
      "1.2.3.",
      " 1.2.3.4",
      "1.2.3.4 ",
      "0x1.2.3.4",
    ],
    ...[":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", "[::1]", "::1%eth0"],
    ...["1:2:3:4:5:6:7:8::", "::1.2.3.256", "1.2.3.4::", "::1.2.3.4:5", ":1:2:3:4:5:6:7", "1.2.3.4:80"],
  ];
  for (const text of refused) assertEquals(parseIpAddress(text), null, text);
});

pure("customerKey() is the same for all addresses of an IPv6 /64, and for no two of IPv4", () => {
  assertEquals(customerKey("2001:db8:0:1::1"), customerKey("2001:DB8:0:1:ffff::2"));
  assertNotEquals(customerKey("2001:db8:0:1::1"), customerKey("2001:db8:0:2::1"));
  assertNotEquals(customerKey("192.0.2.1"), customerKey("192.0.2.2"));
  assertEquals(customerKey("fe80::1%eth0"), "fe80::1%eth0");
  assertEquals(customerKey(""), "");
});

pure("formatIpAddress() writes every address so that it is read back, as URLs write it", () => {
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), (value) => {
    const text = formatIpAddress({ family: 6, value });
    assertEquals(URL.parse(`http://[${text}]/`)?.hostname, `[${text}]`);
    if (value >> 32n !== 0xffffn) assertEquals(parseIpAddress(text), { family: 6, value });
  }));
  fc.assert(fc.property(fc.ipV4(), (text) => assertEquals(said(text), text)));
});
