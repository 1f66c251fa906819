import { assertEquals } from "@std/assert";
import { eventually } from "../../tests/support/deadline.ts";
import { holdInspectorPort, holdSignals } from "./signals.ts";

Deno.test({
  name: "holdSignals() keeps what comes before anybody acts on it, and passes on what comes then",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const asked: string[] = [];
    const second = Promise.withResolvers<void>();
    const come = Promise.withResolvers<void>();
    const seen = () => come.resolve();
    // Waiting for a signal alone does not keep the program going.
    const alive = setInterval(() => {}, 1_000);
    const held = holdSignals();
    Deno.addSignalListener("SIGHUP", seen);
    Deno.kill(Deno.pid, "SIGHUP");
    await come.promise;
    Deno.removeSignalListener("SIGHUP", seen);
    const signals = held.give({
      stop: () => asked.push("stop"),
      reload: () => {
        asked.push("reload");
        if (asked.length === 2) second.resolve();
      },
      reopen: () => asked.push("reopen"),
    });
    assertEquals(asked, ["reload"]);
    Deno.kill(Deno.pid, "SIGHUP");
    await second.promise;
    signals.close();
    clearInterval(alive);
    assertEquals(asked, ["reload", "reload"]);
  },
});

Deno.test({
  name: "holdInspectorPort() takes the port once nobody else has it",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = other.addr;
    const held = holdInspectorPort(port, 5);
    other.close();
    await eventually("the port is held", async () => {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => null);
      connection?.close();
      return connection !== null;
    });
    held?.close();
  },
});
