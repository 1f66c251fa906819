/**
 * Tests of what fork servers and their children are told.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { ScriptSpec, WarmServer } from "../cgi/run.ts";
import { encodeFields, encodeJob, serverFields } from "./job.ts";

const ENV = ["REQUEST_METHOD", "GET", "QUERY_STRING", ""];

const SPEC: ScriptSpec = {
  plan: {
    routeId: 0,
    script: "/s/a.py",
    program: "/usr/bin/python3",
    args: ["/s/a.py"],
    env: { SCRIPT_NAME: "/a.py" },
    cwd: "/s",
    killGraceMs: 0,
    warm: null,
  },
  request: { url: "/a.py", requestId: "1", args: [], env: ENV, hasInput: false, client: "" },
};

/** What the reading side makes of it. */
function fieldsOf(bytes: Uint8Array): string[] {
  const length = Number.parseInt(new TextDecoder().decode(bytes.subarray(0, 8)), 16);
  assertEquals(length, bytes.length - 8);
  return new TextDecoder().decode(bytes.subarray(8)).split("\0");
}

Deno.test("encodeFields tells the length of what follows in bytes", () => {
  for (const fields of [["a", "", "é€", "😀"], [""], ["x".repeat(100_000), "y"]]) {
    assertEquals(fieldsOf(encodeFields(fields)), fields);
  }
});

Deno.test("encodeJob tells a request with its arguments, empty ones too, and its environment", () => {
  assertEquals(fieldsOf(encodeJob(SPEC, "/usr/bin/python3", ["a b", ""], "")), [
    ...["", "/usr/bin/python3", "/s/a.py", "/s", "0", "2", "a b", ""],
    ...["SCRIPT_NAME", "/a.py", ...ENV],
  ]);
});

Deno.test("encodeJob tells by what a request is known where that is enough to tell it from others", () => {
  const marks = ["REMOTE_ADDR=::1", "REMOTE_PORT=2", "SERVER_PORT=80", "REQUEST_URI=/a.py"];
  const env = [...marks.flatMap((line) => line.split("=")), ...ENV];
  const spec = { ...SPEC, request: { ...SPEC.request, env } };
  assertEquals(fieldsOf(encodeJob(spec, "/usr/bin/python3", [], "token")), [
    ...["token", "/usr/bin/python3", "/s/a.py", "/s", "4", ...marks, "0"],
    ...["SCRIPT_NAME", "/a.py", ...env],
  ]);
});

Deno.test("serverFields tells limits and mask that are not set as empty fields", () => {
  const limits = { cpuSeconds: 3, memoryBytes: null, files: null, processes: 4 };
  const server: WarmServer = {
    ...{ key: "", kind: "perl", program: "/usr/bin/perl", flags: ["-w"], env: [], preload: ["CGI"] },
    ...{ nice: 5, umask: null, limits },
  };
  assertEquals(
    serverFields(server, "/t/0", "/t/input"),
    ["/t/0", "/t/input", "5", "", "3", "", "", "4", "1", "-w", "CGI"],
  );
});
