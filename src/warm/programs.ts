/**
 * The fork servers' own programs, as text, and how each interpreter takes its program from standard input.
 *
 * @module
 */

import pythonServer from "./server.py" with { type: "text" };

/** A fork server's program. */
export interface ServerProgram {
  /** Its text. */
  readonly server: string;
  /** The interpreter's arguments that have it read so many bytes of program from standard input. */
  readonly boot: (bytes: number) => readonly string[];
}

/** The program for each language. */
export const PROGRAMS: Readonly<Record<"python" | "perl", ServerProgram>> = {
  python: {
    server: pythonServer,
    boot: (bytes) => [
      "-c",
      `import os
s = b""
while len(s) < ${bytes}: s += os.read(0, ${bytes} - len(s))
exec(compile(s, "<pollux>", "exec"), {"__name__": "pollux"})`,
    ],
  },
  perl: { server: "", boot: () => ["/dev/stdin"] },
};
