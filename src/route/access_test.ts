import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { HttpError } from "../http/error.ts";
import { formatIpAddress } from "../http/ip_address.ts";
import { AccessRule, AddressSet } from "./access.ts";

function pure(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

pure("AddressSet has what lies in a block, and not its neighbours", () => {
  const cases: [block: string, inside: string[], outside: string[]][] = [
    ["10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"], [
      "9.255.255.255",
      "11.0.0.0",
      "::a00:1",
    ]],
    ["192.0.2.7", ["192.0.2.7"], ["192.0.2.6", "192.0.2.8"]],
    ["192.0.2.130/25", ["192.0.2.128", "192.0.2.255"], ["192.0.2.127", "192.0.3.0"]],
    ["0.0.0.0/0", ["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"], ["::1"]],
    ["255.255.255.255/32", ["255.255.255.255"], ["255.255.255.254"]],
    ["2001:db8::/32", ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"], [
      "2001:db7::1",
      "2001:db9::",
    ]],
    ["::1", ["::1"], ["::", "::2", "0.0.0.1"]],
    ["::/0", ["::", "ffff::1"], ["1.2.3.4", "::ffff:1.2.3.4"]],
    ["::ffff:10.0.0.0/104", ["10.1.2.3"], ["11.0.0.0", "::1"]],
    ["::ffff:0:0/95", ["::fffe:1.2.3.4"], ["1.2.3.4"]],
  ];
  for (const [block, inside, outside] of cases) {
    const set = new AddressSet([block]);
    for (const address of inside) assert(set.has(address), `${address} in ${block}`);
    for (const address of outside) assert(!set.has(address), `${address} not in ${block}`);
  }
});

pure("AddressSet has nothing that is no address", () => {
  const set = new AddressSet(["0.0.0.0/0", "::/0"]);
  for (const text of ["", "unix", "1.2.3", "[::1]"]) assertEquals(set.has(text), false, text);
  assertEquals([new AddressSet([]).isEmpty, new AddressSet([]).has("1.2.3.4")], [true, false]);
});

pure("AddressSet with many overlapping blocks is the union of the blocks", () => {
  const block = fc.tuple(fc.nat(0xffff), fc.integer({ min: 16, max: 32 })).map(([low, prefix]) =>
    [0x0a000000 + low, prefix] as const
  );
  fc.assert(fc.property(fc.array(block, { maxLength: 30 }), fc.array(fc.nat(0x1ffff)), (blocks, places) => {
    const text = (value: number) => formatIpAddress({ family: 4, value });
    const set = new AddressSet(blocks.map(([value, prefix]) => `${text(value)}/${prefix}`));
    for (const place of places) {
      const value = 0x0a000000 + place;
      const expected = blocks.some(([base, prefix]) => base >>> (32 - prefix) === value >>> (32 - prefix));
      assertEquals(set.has(text(value)), expected, text(value));
    }
  }));
});

pure("AccessRule lets deny beat allow, and with allow nobody else in", () => {
  const rule = new AccessRule(["10.0.0.0/8", "::1"], ["10.9.0.0/16"]);
  const admitted = {
    "10.1.1.1": true,
    "::1": true,
    "10.9.1.1": false,
    "::ffff:10.9.1.1": false,
    "11.0.0.1": false,
  };
  for (const [address, expected] of Object.entries(admitted)) {
    assertEquals(rule.admits(address), expected, address);
  }
  const open = new AccessRule(null, ["10.0.0.0/8"]);
  assertEquals([open.admits("10.0.0.1"), open.admits("11.0.0.1"), open.admits("::1")], [false, true, true]);
  assertEquals(assertThrows(() => open.check("10.0.0.1"), HttpError).status, 403);
});

pure("AccessRule lets a client without an address in only where nobody must be", () => {
  assertEquals(new AccessRule(["0.0.0.0/0", "::/0"], []).admits(""), false);
  assertEquals(new AccessRule(null, ["0.0.0.0/0"]).admits(""), true);
  assertEquals(new AccessRule([], []).admits("1.2.3.4"), false);
});
