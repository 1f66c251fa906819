/**
 * Tests of a fork server whose clock is turned by hand.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { ScriptSpec, WarmServer } from "../cgi/run.ts";
import { ManualClock } from "../time/clock.ts";
import { delay } from "../time/timer.ts";
import type { WarmChild } from "./child.ts";
import { ForkServer } from "./fork_server.ts";
import { Inputs } from "./inputs.ts";
import { encodeJob } from "./job.ts";

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
  /** Of its socket. */
  readonly path: string;
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
  const path = `${folder}/0`;
  const spec = { ...SPEC, ...more(folder) };
  const server = new ForkServer(spec, {
    socket: path,
    inputSocket: `${folder}/input`,
    inputs,
    log: { log() {} },
    clock,
    retired: resolve,
  });
  const script = (text: string): ScriptSpec => {
    Deno.writeTextFileSync(`${folder}/script`, text);
    return {
      plan: {
        routeId: 0,
        script: `${folder}/script`,
        program: spec.program,
        args: [`${folder}/script`],
        env: {},
        cwd: folder,
        killGraceMs: 0,
        warm: null,
      },
      request: { url: "/script", requestId: "1", args: [], env: [], hasInput: false, client: "" },
    };
  };
  try {
    await test({ path, clock, failure, server, script });
  } finally {
    await server.end();
    inputs.close();
    await Deno.remove(folder, { recursive: true });
  }
}

function warm(server: ForkServer, spec: ScriptSpec) {
  return server.begin(spec, { server: SPEC, args: [] });
}

/** A server that is ready, and leaves its socket to the test. */
function withFake(test: (bed: Bed, child: Deno.Conn, order: Promise<WarmChild | null>) => Promise<void>) {
  const more = (folder: string) => {
    const program = `${folder}/fake`;
    Deno.writeTextFileSync(program, "#!/bin/sh\necho R 0 0\nexec cat >/dev/null\n", { mode: 0o700 });
    return { program };
  };
  return withServer(more, async (bed) => {
    using listener = Deno.listen({ transport: "unix", path: bed.path });
    const { child: order } = warm(bed.server, bed.script(""));
    using child = await listener.accept();
    await child.read(new Uint8Array(4096));
    await test(bed, child, order);
  });
}

async function textOf(connection: Deno.Conn): Promise<string> {
  const text = new TextDecoder();
  const buffer = new Uint8Array(4096);
  let all = "";
  for (let count; (count = await connection.read(buffer)) !== null;) {
    all += text.decode(buffer.subarray(0, count), { stream: true });
  }
  return all;
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

Deno.test("ForkServer takes a child that began in the moment in which nobody would wait for it any more", async () => {
  await withFake(async ({ clock }, connection, order) => {
    clock.turn(2_000); // it is taken back, but the child has looked before
    await connection.write(new TextEncoder().encode("00000000123\n"));
    clock.turn(3_000); // and this loop has not read that yet
    const child = await order;
    assertEquals(child?.pid, 123);
    await child?.output.cancel();
    assertEquals(clock.size, 0);
  });
});

Deno.test("ForkServer leaves a child that does not let go of a request so that it cannot begin any more", async () => {
  await withFake(async ({ clock, failure }, connection, order) => {
    for (const ms of [2_000, 3_000, 100]) clock.turn(ms);
    assertEquals(await order, null);
    await assertRejects(
      () => connection.write(new TextEncoder().encode("00000000123\n")),
      Deno.errors.BrokenPipe,
    );
    assertEquals(await failure, "no child of it has answered for 3 s, it is ended");
    assertEquals(clock.size, 0);
  });
});

for (const kind of ["python", "perl"] as const) {
  const program = `/usr/bin/${kind === "python" ? "python3" : "perl"}`;
  Deno.test(`ForkServer sends home no child that has a request: ${kind}`, async () => {
    await withServer(() => ({ kind, program }), async ({ path, server, script }) => {
      const spec = script("print(1);");
      const run = async () => {
        const child = await warm(server, spec).child;
        assert(child !== null);
        await child.output.cancel();
        await child.status;
      };
      await run();
      using connection = await Deno.connect({ transport: "unix", path });
      await run(); // who came first is a child's now
      server.retire();
      while (await Deno.lstat(path).then(() => true, () => false)) await delay(5);
      await connection.write(encodeJob(spec, program, [], ""));
      assertMatch(await textOf(connection), /^\d{11}\n1\n?$/);
    });
  });
}
