/**
 * Tries, in a Worker with the permissions of a loop, what a loop that was taken over would try. Each attempt is answered with
 * `done`, or with the name of the error.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { postToSupervisor, receiveFromSupervisor } from "../loop/worker.ts";

/** What can be tried. */
export type AttemptKind =
  | "read"
  | "readByNode"
  | "list"
  | "write"
  | "remove"
  | "link"
  | "listen"
  | "connect"
  | "fetch"
  | "resolve"
  | "environment"
  | "run"
  | "runByNode"
  | "kill"
  | "import"
  | "system"
  | "library";

/** What is tried, and with what. */
export interface Attempt {
  /** Which one. */
  readonly kind: AttemptKind;
  /** A path, an address or a name. */
  readonly value: string;
}

const ATTEMPTS: Readonly<Record<AttemptKind, (value: string) => unknown>> = {
  read: (path: string) => void Deno.readFileSync(path),
  readByNode: (path: string) => void readFileSync(path),
  list: (path: string) => void [...Deno.readDirSync(path)],
  write: (path: string) => Deno.writeTextFileSync(path, "x"),
  remove: (path: string) => Deno.removeSync(path),
  link: (path: string) => Deno.symlinkSync("/etc/passwd", path),
  listen: (address: string) => Deno.listen(tcp(address)).close(),
  connect: async (address: string) => (await Deno.connect(tcp(address))).close(),
  fetch: async (url: string) => void await (await fetch(url)).text(),
  resolve: async (name: string) => void await Deno.resolveDns(name, "A"),
  environment: (name: string) => void Deno.env.get(name),
  run: async (program: string) => void await new Deno.Command(program, { stdin: "null" }).output(),
  runByNode: (program: string) => void execFileSync(program),
  kill: (pid: string) => Deno.kill(Number(pid), "SIGCONT"),
  import: async (url: string) => void await import(url),
  system: () => void Deno.hostname(),
  library: (path: string) => void Deno.dlopen(path, {}),
};

function tcp(address: string): { hostname: string; port: number } {
  const [hostname, port] = address.split(":");
  return { hostname, port: Number(port) };
}

receiveFromSupervisor(async (attempts: readonly Attempt[]) => {
  const results: string[] = [];
  for (const { kind, value } of attempts) {
    try {
      await ATTEMPTS[kind](value);
      results.push("done");
    } catch (error) {
      results.push(error instanceof Error ? error.name : String(error));
    }
  }
  postToSupervisor(results);
});
