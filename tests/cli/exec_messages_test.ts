/**
 * What `pollux exec` says of a script that does not do as it should.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { runPollux } from "../support/server.ts";

const YAML = `routes:
  - { path: /, cgi: ./scripts }
  - { path: /status, status: true }
`;

const CASES: readonly (readonly [args: readonly string[], said: string])[] = [
  [["/killed.sh"], "pollux: the script was ended by SIGKILL"],
  [["/killed.sh"], "pollux: the answer broke off: "],
  [["/typeless.sh"], "pollux: the header has no Content-Type, so that a browser has to guess: "],
  [["/typeless.sh"], ': write "Content-Type: text/html; charset=utf-8", or what it is'],
  [["/status"], "exec runs scripts, and /status is a status route"],
  [["/typeless.sh", "-H", "A: a\r\n\r\nB: b"], "a field of -H holds a line break"],
];

Deno.test("exec says what is wrong with a script's end, its header, its route, and its own flags", async () => {
  const said = new Map<string, Promise<string>>();
  for (const [args] of CASES) {
    const key = args.join(" ");
    if (said.has(key)) continue;
    const ended = runPollux({
      yaml: YAML,
      flags: ["exec", ...args],
      files: {
        "scripts/killed.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhalf'\nkill -9 $$\n",
        "scripts/typeless.sh": "#!/bin/sh\nprintf 'Status: 200\\n\\ntext'\n",
      },
    });
    said.set(key, ended.then(({ stderr }) => stderr));
  }
  for (const [args, part] of CASES) assertStringIncludes(await said.get(args.join(" ")) ?? "", part);
  assertEquals(said.size, 4);
});
