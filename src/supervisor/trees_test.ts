/**
 * Ending trees of real processes.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { readProcessTable } from "./process_table.ts";
import { Trees } from "./trees.ts";

interface Tree {
  readonly child: Deno.ChildProcess;
  /** The pids that the script printed. */
  readonly pids: readonly number[];
}

const messages: string[] = [];

function trees(): Trees {
  messages.length = 0;
  return new Trees({ log: (_, message) => messages.push(message) });
}

/** Starts a shell script that prints `count` pids, one a line. */
async function start(script: string, count: number, env: Record<string, string> = {}): Promise<Tree> {
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", script],
    clearEnv: true,
    env: { PATH: "/usr/bin:/bin", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (text.split("\n").length <= count) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
  }
  await reader.cancel();
  return { child, pids: text.trim().split("\n").map(Number) };
}

/** Those that live: whoever adopted a zombie may take its time to reap it. */
async function living(pids: readonly number[]): Promise<number[]> {
  const table = await readProcessTable();
  return pids.filter((pid) => table.get(pid)?.isZombie === false);
}

/** Ends the tree as a loop does: with word that the root was reaped. */
async function endTree(
  killer: Trees,
  { child }: Tree,
  graceMs = 0,
  marks: string[] = [],
): Promise<Deno.CommandStatus> {
  const [, status] = await Promise.all([
    killer.endTree(child.pid, graceMs, marks),
    child.status.then((status) => {
      killer.rootEnded(child.pid);
      return status;
    }),
  ]);
  return status;
}

Deno.test("endTree() ends children, grandchildren and those in sessions of their own", async () => {
  const tree = await start(
    "sleep 60 & echo $!; (sleep 60 & echo $!; wait) & setsid sh -c 'echo $$; exec sleep 60' & wait",
    3,
  );
  assertEquals((await living(tree.pids)).length, 3);
  assertEquals((await endTree(trees(), tree)).signal, "SIGKILL");
  assertEquals([await living(tree.pids), messages], [[], []]);
});

Deno.test("endTree() ends what ignores SIGTERM, after the grace", async () => {
  const tree = await start("trap '' TERM; sh -c 'echo $$; while :; do sleep 0.05; done'", 1);
  assertEquals((await endTree(trees(), tree, 150)).signal, "SIGKILL");
  assertEquals(await living(tree.pids), []);
});

Deno.test("endTree() lets a script end by itself within the grace", async () => {
  const tree = await start("trap 'exit 7' TERM; echo $$; while :; do sleep 0.02; done", 1);
  assertEquals((await endTree(trees(), tree, 60_000)).code, 7);
});

Deno.test("endTree() ends a tree that grows", async () => {
  const grow = "f() { while :; do sleep 60 & sleep 0.01; done; }; f & f & f & echo $$; wait";
  const port = `grows${Deno.pid}`;
  const tree = await start(grow, 1, { REMOTE_PORT: port });
  await endTree(trees(), tree, 0, [`REMOTE_PORT=${port}`]);
  const left = new Deno.Command("/bin/sh", {
    args: ["-c", `grep -lzx REMOTE_PORT=${port} /proc/[0-9]*/environ 2>/dev/null`],
    stdout: "piped",
  }).spawn();
  const [text] = await Promise.all([new Response(left.stdout).text(), left.status]);
  assertEquals([text, messages], ["", []]);
});

Deno.test({
  name: "endTree() ends orphans that carry the marks, and no others",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const orphan = "(setsid sleep 60 >&- & echo $!)";
    const mine = await start(`${orphan}; (env REMOTE_PORT=2 sleep 60 & echo $!); exec sleep 60`, 2, {
      REMOTE_ADDR: "a",
      REMOTE_PORT: "1",
    });
    const other = await start(`${orphan}; exec sleep 60`, 1, { REMOTE_ADDR: "b", REMOTE_PORT: "1" });
    const killer = trees();
    await endTree(killer, mine, 0, ["REMOTE_ADDR=a", "REMOTE_PORT=1"]);
    assertEquals(await living(mine.pids), [mine.pids[1]]);
    assertEquals(await living(other.pids), other.pids);
    await endTree(killer, other, 0, ["REMOTE_ADDR=b", "REMOTE_PORT=1"]);
    assertEquals(await living(other.pids), []);
    Deno.kill(mine.pids[1], "SIGKILL");
  },
});

Deno.test("endTree() ends many trees at once", async () => {
  const killer = trees();
  const all = await Promise.all(Array.from({ length: 12 }, () => start("sleep 60 & echo $!; wait", 1)));
  await Promise.all(all.map((tree) => endTree(killer, tree)));
  assertEquals(await living(all.flatMap(({ pids }) => pids)), []);
});

Deno.test("endTree() leaves alone what is not a child of this program, and what is gone", async () => {
  const tree = await start("sleep 60 & echo $!; wait", 1);
  const killer = trees();
  await killer.endTree(tree.pids[0], 0);
  assertEquals(await living(tree.pids), tree.pids);
  await endTree(killer, tree);
  await killer.endTree(tree.child.pid, 0);
  assertEquals(messages, []);
});

Deno.test("rootEnded() before the first look leaves the number alone", async () => {
  const tree = await start("echo $$; exec sleep 60", 1);
  const killer = trees();
  const ended = killer.endTree(tree.child.pid, 60_000);
  killer.rootEnded(tree.child.pid);
  await ended;
  assertEquals(await living([tree.child.pid]), [tree.child.pid]);
  await endTree(killer, tree);
});
