import { assertEquals } from "@std/assert";
import { socketNames } from "./socket_name.ts";

Deno.test("socketNames() names an IPv4 connection as sockets of IPv4 and of IPv6 do", () => {
  const ends = { address: "10.1.2.3", port: 40001, localAddress: "127.0.0.1", localPort: 8080 };
  assertEquals(socketNames(ends), [
    "0100007F:1F90 0302010A:9C41",
    "0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000302010A:9C41",
  ]);
});

Deno.test("socketNames() names an IPv6 connection a word at a time", () => {
  const ends = { address: "2001:db8::1", port: 1, localAddress: "::1", localPort: 65535 };
  assertEquals(socketNames(ends), [
    "00000000000000000000000001000000:FFFF B80D0120000000000000000001000000:0001",
  ]);
});

Deno.test("socketNames() has none for an address with a zone", () => {
  assertEquals(socketNames({ address: "fe80::1%eth0", port: 1, localAddress: "fe80::2", localPort: 1 }), []);
});
