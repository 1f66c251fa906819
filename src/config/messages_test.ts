import { assertStringIncludes } from "@std/assert";
import { formatFault } from "./fault.ts";
import { loadConfig } from "./load.ts";

/** What is seldom got wrong: a configuration, and what is said of it. */
const CASES: readonly (readonly [yaml: string, said: string])[] = [
  ["root: @x", "; quote a text that holds : # [ ] { } & * ! | > @ % or a backquote"],
  ['log: { access: "" }', "1:16: log.access: is empty: write stdout, stderr, off, or a file"],
  ['log: { error: "" }', "1:15: log.error: is empty: write stderr, or a file"],
  ['cgi: { env: { A: "\\0" } }', "cgi.env.A: a variable's value has no NUL"],
  [
    "routes: [{ path: /, redirect: /ä }]",
    '"/ä": a URL has neither spaces nor letters beyond ASCII; percent-encode them',
  ],
  ['root: ""', "root: is empty: write a path"],
  ["index: [a/b]", '"a/b" is not a file name: no slash, and not empty'],
  ["routes: [{ path: /, files: ., scripts: [a.b] }]", '"a.b" is not an extension: write .py'],
  ['cgi: { interpreters: { .py: "" } }', "is empty: write a program, such as python3"],
  ["workers: { a: 1 }", "workers: is a block of keys: write a number or auto"],
  ['routes: [{ path: "/\\x01", files: . }]', ": a path has no control characters"],
  [
    "listen: '!'",
    '"!" is not an address: write 127.0.0.1:8080, :8080, "[::1]:8080" or unix:/run/pollux.sock',
  ],
  ["sites: [{ root: ., listen: [] }]", "is empty: name an address, or take the key out"],
  ["temp: file", "bodies are kept in a folder"],
  ["root: .\nlog: { access: a.log }", "a.log lies in the folder that is served: everybody can read it"],
  ["listen: { address: ':1', tls: { key: file } }", "has no cert: add the certificate's file"],
  [
    "listen: { address: ':1', tls: { cert: file, key: file }, proxy_protocol: true }",
    "cannot stand beside tls: the handshake begins with the first byte; let the proxy in front end TLS",
  ],
  [
    "listen: { address: 'unix:a', tls: { cert: file, key: file } }",
    "tls: is for network addresses: take it out",
  ],
  ["routes: [{ path: /, cgi: fifo }]", "fifo is neither a folder nor a program"],
  ["routes: [{ path: /, cgi: ., sendfile: file }]", "files are sent from a folder"],
  ["routes: [{ path: /, cgi: ., cache: { size: 1MiB } }]", "has no max_age: write { max_age: 5s }"],
];

Deno.test("each fault is told with what would be right", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "pollux-test-" }));
  try {
    await Deno.writeTextFile(`${folder}/file`, "");
    await new Deno.Command("mkfifo", { args: [`${folder}/fifo`] }).output();
    for (const [yaml, said] of CASES) {
      await Deno.writeTextFile(`${folder}/pollux.yaml`, `${yaml}\n`);
      const loaded = await loadConfig({ file: null, cwd: folder, env: { get: () => undefined } });
      const faults = "faults" in loaded ? loaded.faults : loaded.warnings;
      assertStringIncludes(faults.map(formatFault).join("\n"), said, yaml);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a ROOT that is neither a folder nor a file is told", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "pollux-test-" }));
  try {
    await new Deno.Command("mkfifo", { args: [`${folder}/fifo`] }).output();
    const { NO_FLAGS } = await import("./load.ts");
    const flags = { ...NO_FLAGS, root: "fifo" };
    const loaded = await loadConfig({ file: null, flags, cwd: folder, env: { get: () => undefined } });
    const faults = "faults" in loaded ? loaded.faults.map(formatFault) : [];
    assertStringIncludes(faults.join("\n"), "name a folder, or one script");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
