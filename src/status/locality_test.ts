import { assertEquals, assertStringIncludes } from "@std/assert";
import { exchange } from "../../tests/support/exchange.ts";
import { foreignness } from "./locality.ts";

interface Case {
  readonly address?: string;
  readonly host?: string;
  readonly forwardedHost?: string;
  readonly fields?: Record<string, string>;
  readonly minor?: 0 | 1;
}

function isForeign(one: Case): boolean {
  return reasonOf(one) !== null;
}

function reasonOf(
  { address = "127.0.0.1", host = "localhost", forwardedHost, fields, minor = 1 }: Case,
): string | null {
  const one = exchange({ fields: { host, ...fields } });
  const peer = { ...one.peer, address, host: forwardedHost ?? null };
  return foreignness({ ...one, peer, head: { ...one.head, minor } });
}

Deno.test({
  name: "foreignness(): loopback addresses with a loopback Host are this machine's own",
  permissions: "none",
  fn() {
    const own: Case[] = [
      {},
      { host: "LocalHost:8080" },
      { host: "127.0.0.1:8080" },
      { address: "127.9.9.9", host: "127.1.2.3" },
      { address: "::1", host: "[::1]:8080" },
      { address: "::ffff:127.0.0.1" },
    ];
    assertEquals(own.filter(isForeign), []);
  },
});

Deno.test({
  name: "foreignness(): others, other Hosts, and what shows a proxy are not",
  permissions: "none",
  fn() {
    const foreign: Case[] = [
      { address: "192.0.2.1" },
      { address: "::2" },
      { address: "128.0.0.1" },
      { address: "" }, // a unix socket
      { host: "" },
      { host: "example.org" },
      { host: "localhost.example.org" },
      { host: "127.0.0.1.example.org" },
      { host: "[::2]" },
      { forwardedHost: "example.org" },
      { fields: { "x-forwarded-for": "127.0.0.1" } },
      { fields: { forwarded: "for=127.0.0.1" } },
      { fields: { via: "1.1 x" } },
      { minor: 0 },
    ];
    assertEquals(foreign.filter((one) => !isForeign(one)), []);
    assertStringIncludes(reasonOf({ address: "192.0.2.1" }) ?? "", "192.0.2.1 is no loopback address");
  },
});
