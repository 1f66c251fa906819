/**
 * Tests of where children come for their input: only those that say whose they are are kept.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Inputs } from "./inputs.ts";

Deno.test("Inputs leaves a connection without a token, and serves those behind many of them", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pollux-test-" });
  const path = `${folder}/input`;
  const inputs = new Inputs(path);
  try {
    // More than it listens to at once: whoever comes behind them waits until they are left.
    const silent = await Promise.all(
      Array.from({ length: 80 }, () => Deno.connect({ transport: "unix", path })),
    );
    const { token, connection } = inputs.expect();
    using child = await Deno.connect({ transport: "unix", path });
    await child.write(new TextEncoder().encode(token));
    using input = await connection;
    await input.write(new TextEncoder().encode("text"));
    const buffer = new Uint8Array(16);
    assertEquals(await child.read(buffer), 4);
    assertEquals(await Promise.all(silent.map((one) => one.read(new Uint8Array(1)))), silent.map(() => null));
    for (const one of silent) one.close();
  } finally {
    inputs.close();
    await Deno.remove(folder, { recursive: true });
  }
});
