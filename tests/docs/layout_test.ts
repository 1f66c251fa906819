/**
 * The source keeps its layers, and the executable has what no import names.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { ENTRIES } from "../../.ci/tasks/bundle.ts";

const SOURCE = new URL("../../src/", import.meta.url);

/** Which folders a folder's files may import from, beside itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  http: [],
  time: [],
  config: ["http"],
  observe: ["http", "config", "time"],
  handlers: ["http", "config", "observe", "time"],
  route: ["handlers", "http", "config", "observe", "time"],
  cgi: ["handlers", "http", "config", "observe", "time"],
  gateway: ["cgi", "handlers", "http", "config", "observe", "time"],
  cache: ["handlers", "http", "config", "time"],
  warm: ["cgi", "config", "observe", "time"],
  client: ["route", "handlers", "http", "config", "observe", "time"],
  status: ["handlers", "http", "config", "observe"],
  loop: [
    "status",
    "cache",
    "client",
    "route",
    "warm",
    "cgi",
    "gateway",
    "handlers",
    "http",
    "config",
    "observe",
    "time",
  ],
  supervisor: ["cgi", "config", "observe", "time"],
  cli: ["supervisor", "route", "cgi", "gateway", "handlers", "http", "config", "observe", "time"],
};

/**
 * What supervisor and loops share: their messages, memory that both look at, and names that both must know; and the makers of
 * handlers, by which `exec` answers as a loop does.
 */
const SHARED = [
  "../supervisor/messages.ts",
  "../loop/handlers.ts",
  "../loop/pid_table.ts",
  "../loop/connection_count.ts",
  "../loop/running_scripts.ts",
  "../loop/unix_socket.ts",
  "../warm/sockets.ts",
  "../route/rate.ts",
  "../cache/changes.ts",
];

function sources(folder: string): string[] {
  return [...Deno.readDirSync(new URL(`${folder}/`, SOURCE))]
    .map((entry) => entry.name)
    // Tests and what they share may look at anything.
    .filter((name) => name.endsWith(".ts") && !/_(test|fixture)\.ts$/.test(name));
}

Deno.test("imports point down only", () => {
  const wrong: string[] = [];
  for (const { name: folder, isDirectory } of Deno.readDirSync(SOURCE)) {
    if (!isDirectory) continue;
    assert(folder in MAY_IMPORT, `src/${folder} has no place among the layers`);
    for (const file of sources(folder)) {
      const text = Deno.readTextFileSync(new URL(`${folder}/${file}`, SOURCE));
      for (const [, path, target] of text.matchAll(/(?:from|import\() ?"(\.\.\/(\w+)\/[\w/.]+)"/g)) {
        if (!MAY_IMPORT[folder].includes(target) && !SHARED.includes(path)) {
          wrong.push(`src/${folder}/${file} imports ${path}`);
        }
      }
    }
  }
  assertEquals(wrong, []);
});

Deno.test("src/http knows no Deno", () => {
  const wrong = sources("http").filter((file) =>
    /\bDeno\.|"node:/.test(Deno.readTextFileSync(new URL(`http/${file}`, SOURCE)))
  );
  assertEquals(wrong, []);
});

Deno.test("deno task compile includes the entry of every Worker", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("../deno.json", SOURCE)));
  const included = [...tasks.compile.command.matchAll(/--include (\S+)/g)].map((match) => match[1]);
  const supervisor = Deno.readTextFileSync(new URL("supervisor/loop_worker.ts", SOURCE));
  const kinds = /type LoopKind = (.*);/.exec(supervisor)?.[1].match(/\w+/g) ?? [];
  assertEquals(included.sort(), kinds.map((kind) => `dist/bundle/src/loop/${kind}.js`).sort());
  const bundled = ENTRIES.filter((entry) => entry !== "main.ts").map((entry) =>
    entry.replace(/\.ts$/, ".js")
  );
  assertEquals(included.sort(), bundled.map((file) => `dist/bundle/${file}`).sort());
});
