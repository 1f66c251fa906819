/**
 * The process table: what its sources write, and who descends from whom.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { descendants, findMarked, parsePs, parseStats, readProcessTable } from "./process_table.ts";

function stat(pid: number, name: string, state: string, parent: number, start: number): string {
  return `${pid} (${name}) ${state} ${parent} 1 1 0 -1 4194560 1 0 0 0 1 4 0 0 20 0 1 0 ${start} 1425408 264`;
}

Deno.test({
  name: "parseStats() reads names with blanks and parentheses, and skips what is no process",
  permissions: "none",
  fn() {
    const text = [
      stat(1, "init", "S", 0, 5),
      stat(20, "a) R 1 (b) ", "Z", 1, 77),
      "cat: gone",
      "",
      "x (y) S 1",
    ].join("\n");
    assertEquals([...parseStats(text).values()], [
      { pid: 1, parent: 0, session: 1, start: 5, isZombie: false },
      { pid: 20, parent: 1, session: 1, start: 77, isZombie: true },
    ]);
  },
});

Deno.test({
  name: "parsePs() reads columns of any width",
  permissions: "none",
  fn() {
    assertEquals([...parsePs("    1     0 Ss\n12345 1 Z+\n\nps: no\n").values()], [
      { pid: 1, parent: 0, session: 0, start: 0, isZombie: false },
      { pid: 12345, parent: 1, session: 0, start: 0, isZombie: true },
    ]);
  },
});

Deno.test({
  name: "descendants() finds all generations, in any order of the table, without the roots",
  permissions: "none",
  fn() {
    const table = parsePs("9 5 S\n5 2 S\n2 1 S\n3 1 S\n4 3 S\n1 0 S\n");
    assertEquals(descendants(table, [2]), [5, 9]);
    assertEquals(descendants(table, [2, 3]).sort(), [4, 5, 9]);
    assertEquals(descendants(table, [2, 5]), [9]);
    assertEquals(descendants(table, [77]), []);
  },
});

Deno.test("readProcessTable() finds this process and its child", async () => {
  const child = new Deno.Command("/bin/sleep", { args: ["60"] }).spawn();
  const table = await readProcessTable();
  assert(table.has(Deno.pid));
  assertEquals(table.get(child.pid)?.parent, Deno.pid);
  child.kill("SIGKILL");
  await child.status;
});

Deno.test({
  name: "findMarked() wants every mark, and each as a whole line",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const child = new Deno.Command("/bin/sleep", { args: ["60"], clearEnv: true, env: { A: "1", B: "x.y*" } })
      .spawn();
    // The environment is there once the program is: its table row may be a moment earlier.
    while ((await findMarked([child.pid], ["A=1"])).length === 0);
    assertEquals(await findMarked([Deno.pid, child.pid], ["A=1", "B=x.y*"]), [child.pid]);
    for (const marks of [["A=1", "B=x.y"], ["A=1", "B=xzy*"], ["A="], ["1"], []]) {
      assertEquals(await findMarked([child.pid], marks), []);
    }
    assertEquals(await findMarked([], ["A=1"]), []);
    child.kill("SIGKILL");
    await child.status;
  },
});
