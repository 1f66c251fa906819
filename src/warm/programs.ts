/**
 * The fork servers' own programs, as text, and how each interpreter takes its program from standard input.
 *
 * @module
 */

import perlServer from "./server.pl" with { type: "text" };
import pythonServer from "./server.py" with { type: "text" };

/** A fork server's program. */
export interface ServerProgram {
  /** Its text. */
  readonly text: string;
  /** The interpreter's arguments that have it read so many bytes of program from standard input. */
  readonly args: (bytes: number, settings: readonly string[]) => readonly string[];
  /** Whether it reads its settings after its program; otherwise they are its arguments. */
  readonly readsSettings: boolean;
}

/** Linux's numbers of dup3, setsid, exit_group and clock_gettime, for which Perl alone has no words. */
const SYSTEM_CALLS: Readonly<Record<typeof Deno.build.arch, readonly number[]>> = {
  x86_64: [292, 112, 231, 228],
  aarch64: [24, 157, 94, 113],
};

/** The program for each language. */
export const PROGRAMS: Readonly<Record<"python" | "perl", ServerProgram>> = {
  python: {
    text: pythonServer,
    args: (bytes) => [
      "-c",
      `import os
s = b""
while len(s) < ${bytes}: s += os.read(0, ${bytes} - len(s))
exec(compile(s, "<pollux>", "exec"), {"__name__": "pollux"})`,
    ],
    readsSettings: true,
  },
  perl: {
    text: perlServer,
    args: (_bytes, settings) => ["/dev/stdin", ...SYSTEM_CALLS[Deno.build.arch].map(String), ...settings],
    readsSettings: false,
  },
};
