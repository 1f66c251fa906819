import { assertEquals } from "@std/assert";
import type { Peer } from "../handlers/handler.ts";
import type { FieldSection } from "../http/fields.ts";
import { AddressSet } from "../route/access.ts";
import { peerBehind } from "./peer.ts";

const PROXY: Peer = {
  address: "10.0.0.1",
  port: 40000,
  localAddress: "10.0.0.2",
  localPort: 8080,
  scheme: "http",
  host: null,
};
const TRUSTED = new AddressSet(["10.0.0.0/8", "::1"]);

function fieldsOf(fields: Record<string, string>): FieldSection {
  const combined = (name: string) => fields[name] ?? null;
  return { count: 0, nameAt: () => "", valueAt: () => "", get: combined, combined };
}

function behind(fields: Record<string, string>, peer = PROXY, trusted = TRUSTED): string {
  const { address, port, scheme, host } = peerBehind(peer, fieldsOf(fields), trusted);
  return `${address} ${port} ${scheme} ${host ?? "-"}`;
}

function pure(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

pure("peerBehind() believes nothing of whom it does not trust", () => {
  const said = {
    "forwarded": "for=1.2.3.4;proto=https",
    "x-forwarded-for": "1.2.3.4",
    "x-forwarded-host": "a",
  };
  assertEquals(behind(said, { ...PROXY, address: "11.0.0.1" }), "11.0.0.1 40000 http -");
  assertEquals(behind(said, { ...PROXY, address: "" }), " 40000 http -");
  assertEquals(behind(said, PROXY, new AddressSet([])), "10.0.0.1 40000 http -");
});

pure("peerBehind() takes the right-most address that is no trusted proxy's", () => {
  const cases: [Record<string, string>, string][] = [
    [{ "x-forwarded-for": "1.2.3.4" }, "1.2.3.4 0 http -"],
    [{ "x-forwarded-for": "6.6.6.6, 1.2.3.4" }, "1.2.3.4 0 http -"],
    [{ "x-forwarded-for": "6.6.6.6, 1.2.3.4, 10.9.9.9, ::1" }, "1.2.3.4 0 http -"],
    [{ "x-forwarded-for": "10.7.7.7, 10.9.9.9" }, "10.7.7.7 0 http -"],
    [{ "x-forwarded-for": "1.2.3.4, unknown" }, "10.0.0.1 40000 http -"],
    [{ "x-forwarded-for": "1.2.3.4, nonsense, 10.9.9.9" }, "10.9.9.9 0 http -"],
    [{ "forwarded": "for=6.6.6.6, for=1.2.3.4" }, "1.2.3.4 0 http -"],
    [{ "forwarded": 'for="[2001:db8::1]:99"' }, "2001:db8::1 99 http -"],
    [{ "forwarded": "for=_secret" }, "10.0.0.1 40000 http -"],
    [{ "forwarded": "for=1.2.3.4;" + "for=1.2.3.4" }, "10.0.0.1 40000 http -"],
    [{ "forwarded": '"junk, for=1.2.3.4' }, "1.2.3.4 0 http -"],
    [{ "forwarded": "for=1.2.3.4", "x-forwarded-for": "5.6.7.8" }, "1.2.3.4 0 http -"],
  ];
  for (const [fields, expected] of cases) assertEquals(behind(fields), expected, JSON.stringify(fields));
});

pure("peerBehind() takes scheme and host from the proxy that the client talked to", () => {
  const cases: [Record<string, string>, string][] = [
    [{ "forwarded": "for=1.2.3.4;proto=https;host=a, for=10.9.9.9;proto=http;host=b" }, "1.2.3.4 0 https a"],
    [
      { "forwarded": "for=6.6.6.6;proto=http;host=evil, for=1.2.3.4;proto=https;host=a" },
      "1.2.3.4 0 https a",
    ],
    [{ "forwarded": "for=1.2.3.4, for=10.9.9.9;proto=https" }, "1.2.3.4 0 https -"],
    [{ "x-forwarded-proto": "https" }, "10.0.0.1 40000 https -"],
    [
      { "x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https", "x-forwarded-host": "a:81" },
      "1.2.3.4 0 https a:81",
    ],
    [
      { "x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "gopher", "x-forwarded-host": "a/b" },
      "1.2.3.4 0 http -",
    ],
  ];
  for (const [fields, expected] of cases) assertEquals(behind(fields), expected, JSON.stringify(fields));
});
