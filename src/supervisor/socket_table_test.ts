import { assertEquals } from "@std/assert";
import { parseHeldBytes, SocketTable } from "./socket_table.ts";

const TABLE =
  `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 0100007F:9C41 01 0027D6A1:00000000 01:00000014 00000000     0        0 4242 2 0000000000000000 20 4 30 10 -1
  11: 00000000000000000000000001000000:0050 00000000000000000000000001000000:0001 01 00000010:00000005 00:00000000 00000000
`;

Deno.test("parseHeldBytes() reads the send queue of each connection, and no headline", () => {
  assertEquals([...parseHeldBytes(TABLE)], [
    ["0100007F:1F90 0100007F:9C41", 0x27d6a1],
    ["00000000000000000000000001000000:0050 00000000000000000000000001000000:0001", 16],
  ]);
});

Deno.test("heldBytes() looks once for all who ask together, and anew for who asks later", async () => {
  const looks: PromiseWithResolvers<ReadonlyMap<string, number>>[] = [];
  const table = new SocketTable(() => {
    const look = Promise.withResolvers<ReadonlyMap<string, number>>();
    looks.push(look);
    return look.promise;
  });
  const together = [table.heldBytes(["a"]), table.heldBytes(["b", "a"]), table.heldBytes(["c"])];
  while (looks.length === 0) await Promise.resolve().then(() => new Promise((done) => setTimeout(done)));
  const later = table.heldBytes(["a"]);
  looks[0].resolve(new Map([["a", 5]]));
  assertEquals(await Promise.all(together), [5, 5, 0]);
  while (looks.length === 1) await new Promise((done) => setTimeout(done, 20));
  looks[1].resolve(new Map([["a", 3]]));
  assertEquals(await later, 3);
});

Deno.test("heldBytes() is null where the system cannot be asked", async () => {
  const table = new SocketTable(() => Promise.reject(new Deno.errors.NotFound("/bin/sh")));
  assertEquals(await table.heldBytes(["a"]), null);
});

Deno.test({
  name: "heldBytes() sees what a client of this machine has not read",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    using connection = await listener.accept();
    const write = connection.write(new Uint8Array(64 * 1024 * 1024));
    const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, "0");
    const name = `0100007F:${hex(listener.addr.port)} 0100007F:${hex(client.localAddr.port)}`;
    await write.then(() => {}, () => {});
    const held = await new SocketTable().heldBytes([name]);
    assertEquals(held !== null && held > 0, true, `${held} bytes are held`);
  },
});
