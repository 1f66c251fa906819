/**
 * Tests of a fork server whose clock is turned by hand.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { ScriptSpec, WarmServer } from "../cgi/run.ts";
import { ManualClock } from "../time/clock.ts";
import { ForkServer } from "./fork_server.ts";
import { Inputs } from "./inputs.ts";

const SPEC: WarmServer = {
  key: "",
  kind: "python",
  program: "/usr/bin/python3",
  flags: [],
  env: [],
  preload: [],
  nice: 0,
  umask: null,
  limits: { cpuSeconds: null, memoryBytes: null, files: null, processes: null },
};

interface Bed {
  readonly clock: ManualClock;
  /** Why it takes no more requests, once it does not. */
  readonly failure: Promise<string | null>;
  readonly server: ForkServer;
  script(text: string): ScriptSpec;
}

async function withServer(more: (folder: string) => Partial<WarmServer>, test: (bed: Bed) => Promise<void>) {
  const folder = await Deno.makeTempDir({ prefix: "pollux-test-" });
  const clock = new ManualClock();
  const inputs = new Inputs(`${folder}/input`);
  const { promise: failure, resolve } = Promise.withResolvers<string | null>();
  const server = new ForkServer({ ...SPEC, ...more(folder) }, {
    socket: `${folder}/0`,
    inputSocket: `${folder}/input`,
    inputs,
    log: { log() {} },
    clock,
    retired: resolve,
  });
  const script = (text: string): ScriptSpec => {
    Deno.writeTextFileSync(`${folder}/script.py`, text);
    return {
      routeId: 0,
      script: `${folder}/script.py`,
      url: "/script.py",
      requestId: "1",
      program: SPEC.program,
      args: [`${folder}/script.py`],
      env: [],
      cwd: folder,
      hasInput: false,
      client: "",
      killGraceMs: 0,
      warm: null,
    };
  };
  try {
    await test({ clock, failure, server, script });
  } finally {
    await server.end();
    inputs.close();
    await Deno.remove(folder, { recursive: true });
  }
}

function warm(server: ForkServer, spec: ScriptSpec) {
  return server.begin(spec, { server: SPEC, args: [] });
}

Deno.test("ForkServer is ended where preload does not come back, and waited for no longer than a request waits", async () => {
  await withServer((folder) => {
    Deno.writeTextFileSync(`${folder}/stuck.py`, "import time\nwhile True: time.sleep(1)\n");
    return { env: ["PYTHONPATH", folder], preload: ["stuck"] };
  }, async ({ clock, failure, server, script }) => {
    const attempt = warm(server, script("print()"));
    assertEquals(server.isAwaited, true);
    clock.turn(2_000);
    assertEquals(await attempt.child, null);
    assertEquals(server.isAwaited, false);
    clock.turn(28_000);
    assertEquals(
      await failure,
      "what preload names was not imported within 30 s, it is ended: take out of preload what does not come back",
    );
    await server.ended;
    assertEquals(clock.size, 0);
  });
});

Deno.test("ForkServer offers a request to a child, which says who it is and answers", async () => {
  await withServer(() => ({}), async ({ clock, server, script }) => {
    const child = await warm(server, script("import os; print(os.getpid())")).child;
    assert(child !== null);
    const { value } = await child.output.read(new Uint8Array(100));
    assertEquals(new TextDecoder().decode(value), `${child.pid}\n`);
    await child.output.cancel();
    assertEquals(await child.status, { code: 0, signal: null });
    assertEquals(server.isAwaited, true);
    assertEquals(clock.size, 0);
  });
});
