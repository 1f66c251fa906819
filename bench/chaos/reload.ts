/**
 * Reloads that start new loops, under a stream of new connections: how many of these the system resets where an old loop's socket
 * closes, and how long one takes to be taken over.
 *
 *     deno run --no-prompt --allow-net --allow-read --allow-write --allow-run --allow-env bench/chaos/reload.ts [RELOADS [CLIENTS]]
 *
 * Each client makes a connection for each request. With `sysctl -w net.ipv4.tcp_migrate_req=1` Linux hands what waits at a socket
 * that closes to another one of the same address, and none is reset.
 *
 * @module
 */

import { eventually } from "../../tests/support/deadline.ts";
import { ask, get, isReset, textOf, UnexpectedEnd } from "../../tests/support/raw.ts";
import { TestServer } from "../../tests/support/server.ts";

const reloads = Number(Deno.args[0] ?? 40);
const clients = Number(Deno.args[1] ?? 8);
const yaml = (root: string) =>
  `listen: 127.0.0.1:0\nworkers: 2\nlog: { access: off }\nroutes:\n  - { path: /, files: ./${root} }\n`;

await using server = await TestServer.start({
  yaml: yaml("static0"),
  files: { "static0/a.txt": "0", "static1/a.txt": "1" },
});
let isOver = false;
let asked = 0;
let resets = 0;
let dropped = 0;
const load = async () => {
  for (; !isOver; asked++) {
    try {
      await ask(server, get("/a.txt"));
    } catch (error) {
      if (isReset(error)) resets++;
      else if (error instanceof UnexpectedEnd) dropped++;
      else throw error;
    }
  }
};
const loads = Promise.all(Array.from({ length: clients }, load));
let tookMs = 0;
for (let i = 1; i <= reloads; i++) {
  await Deno.writeTextFile(`${server.dir}/pollux.yaml`, yaml(`static${i % 2}`));
  const began = performance.now();
  server.kill("SIGHUP");
  const isNew = async () => {
    try {
      return textOf(await ask(server, get("/a.txt"))) === String(i % 2);
    } catch (error) {
      if (isReset(error)) resets++;
      else if (error instanceof UnexpectedEnd) dropped++;
      else throw error;
      return false;
    }
  };
  let inARow = 0;
  await eventually(`reload ${i}`, async () => (inARow = await isNew() ? inARow + 1 : 0) > 8);
  tookMs += performance.now() - began;
}
isOver = true;
await loads;
console.log(
  `${reloads} reloads, ${clients} clients, ${asked} connections: ${resets} were reset, ${dropped} closed without an answer; ` +
    `${(tookMs / reloads).toFixed(0)} ms until new loops answered alone`,
);
