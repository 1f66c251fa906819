import { assertEquals } from "@std/assert";
import type { Limits } from "../config/config.ts";
import { ConnectionCount } from "./connection_count.ts";

const LIMITS: Limits = {
  requestLineBytes: 0,
  headerBytes: 0,
  headerCount: 0,
  bodyBytes: 0,
  connections: 1000,
  connectionsPerIp: 2,
  minRate: 0,
  requestsPerConnection: Infinity,
};

function pure(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

pure("ConnectionCount holds all loops together to the limit on connections", () => {
  const memory = ConnectionCount.memory();
  const [one, other] = [
    new ConnectionCount(memory, ConnectionCount.ownMemory()),
    new ConnectionCount(memory, ConnectionCount.ownMemory()),
  ];
  const limits = { ...LIMITS, connections: 3, connectionsPerIp: Infinity };
  const entered = [one, other, one, other].map((loop) => loop.enter("192.0.2.1", limits));
  assertEquals(entered, [true, true, true, false]);
  other.leave("192.0.2.1");
  assertEquals([one.enter("192.0.2.2", limits), other.enter("192.0.2.1", limits)], [true, false]);
});

pure("ConnectionCount holds each address to its limit, over all loops, and makes room again", () => {
  const memory = ConnectionCount.memory();
  const [one, other] = [
    new ConnectionCount(memory, ConnectionCount.ownMemory()),
    new ConnectionCount(memory, ConnectionCount.ownMemory()),
  ];
  assertEquals([one, other, one].map((loop) => loop.enter("192.0.2.1", LIMITS)), [true, true, false]);
  assertEquals([one.enter("192.0.2.2", LIMITS), other.enterAddress("192.0.2.1", LIMITS)], [true, false]);
  one.leave("192.0.2.1");
  assertEquals([other.enter("192.0.2.1", LIMITS), one.enter("192.0.2.1", LIMITS)], [true, false]);
});

pure("ConnectionCount counts nothing for an address that is not known", () => {
  const count = new ConnectionCount(ConnectionCount.memory(), ConnectionCount.ownMemory());
  assertEquals(Array.from({ length: 5 }, () => count.enter("", LIMITS)), [true, true, true, true, true]);
  for (let i = 0; i < 5; i++) count.leave("");
});

pure("ConnectionCount keeps thousands of addresses apart", () => {
  const count = new ConnectionCount(ConnectionCount.memory(), ConnectionCount.ownMemory());
  const limits = { ...LIMITS, connections: Infinity, connectionsPerIp: 4 };
  const addresses = Array.from({ length: 3000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
  const refused = [0, 1].flatMap(() => addresses.filter((address) => !count.enter(address, limits)));
  assertEquals(refused, []);
});

pure("ConnectionCount.forget() takes off what a loop that died had counted, and no more", () => {
  const memory = ConnectionCount.memory();
  const part = ConnectionCount.ownMemory();
  const dead = new ConnectionCount(memory, part);
  const alive = new ConnectionCount(memory, ConnectionCount.ownMemory());
  const limits = { ...LIMITS, connections: 3 };
  assertEquals(
    [dead, dead, alive].map((loop) => loop.enter("192.0.2.1", { ...limits, connectionsPerIp: 3 })),
    [
      true,
      true,
      true,
    ],
  );
  dead.leave("192.0.2.1");
  ConnectionCount.forget(memory, part);
  ConnectionCount.forget(memory, part);
  // One is left: of this address one more, of all two more.
  const entered = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"].map((address) =>
    alive.enter(address, limits)
  );
  assertEquals(entered, [true, false, true, false]);
});
