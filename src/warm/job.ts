/**
 * What fork servers and their children are told; no I/O. The reading side is `server.py` and `server.pl`.
 *
 * Everything is fields that end where the next begins, with NUL between them, which no path, argument or variable holds; in
 * front stands the length of it all in eight hexadecimal digits.
 *
 * @module
 */

import { treeMarks } from "../cgi/process.ts";
import { environmentOf, type ScriptSpec, type WarmServer } from "../cgi/run.ts";

const encoder = new TextEncoder();

/** The whole of the digits, and what they can tell. */
const LENGTH_DIGITS = 8;

/**
 * What a fork server is told once, as fields.
 *
 * @param listen The path of its socket.
 * @param input The path of the socket at which its children come for their input.
 */
export function serverFields(server: WarmServer, listen: string, input: string): string[] {
  const { nice, umask, limits, flags, preload } = server;
  return [
    listen,
    input,
    String(nice),
    umask === null ? "" : String(umask),
    ...[limits.cpuSeconds, limits.memoryBytes, limits.files, limits.processes].map((limit) =>
      limit === null ? "" : String(limit)
    ),
    String(flags.length),
    ...flags,
    ...preload,
  ];
}

/**
 * What a child is told: one request.
 *
 * @param token With what it comes for its input; `""`: it has none.
 * @param program The interpreter, for a script that has to be started anew.
 */
export function encodeJob(
  spec: ScriptSpec,
  program: string,
  args: readonly string[],
  token: string,
): Uint8Array<ArrayBuffer> {
  // As the lines of an environment stand in memory, with NUL between them: other bytes in these fields there are none.
  const { plan, request } = spec;
  const marks = treeMarks(request.env);
  return encodeFields([
    token,
    program,
    plan.script,
    plan.cwd,
    String(marks.length),
    ...marks,
    String(args.length),
    ...args,
    ...environmentOf(spec),
  ]);
}

/** Fields as they are sent. */
export function encodeFields(fields: readonly string[]): Uint8Array<ArrayBuffer> {
  const text = fields.join("\0");
  const bytes = new Uint8Array(LENGTH_DIGITS + 3 * text.length);
  const { written } = encoder.encodeInto(text, bytes.subarray(LENGTH_DIGITS));
  encoder.encodeInto(written.toString(16).padStart(LENGTH_DIGITS, "0"), bytes);
  return bytes.subarray(0, LENGTH_DIGITS + written);
}
