/**
 * The files that `pollux init` writes. They are texts of the program, so that one executable has all it needs.
 *
 * @module
 */

import { jsonSchema } from "../config/json_schema.ts";

/** A file to write. */
export interface Sample {
  /** Below the new site's folder. */
  readonly path: string;
  /** File mode. */
  readonly mode: number;
  /** The whole content. */
  readonly text: string;
}

/** The configuration, with the keys that people look for first. */
const CONFIGURATION = `# yaml-language-server: $schema=./pollux.schema.json
# Pollux. After a change: pollux check, then kill -HUP or a new start.
# Relative paths count from this file's folder.

listen: 127.0.0.1:8080 # :8080 for the whole network; "[::1]:8080"; unix:/run/pollux.sock; or a list

root: ./static # the folder of files, at /

routes:
  - path: /cgi-bin/
    cgi: ./cgi-bin # a folder of scripts, or one program
    # methods: [GET, HEAD, POST]
    # timeout: 5s # instead of the 30s below
    # env: { GREETING: hello }
  - path: /status
    status: true # what the server does, live; for this machine alone, unless allow or auth say otherwise

# cgi: # for every cgi route
#   timeout: 30s # without a sign of life; then the script is ended
#   max_processes: 32 # at once; the others wait
#   interpreters: { .py: python3, .lua: lua }
#   pass_env: [PATH, LANG]

# limits:
#   body: 64MiB # the longest upload
#   connections: 10000

# log:
#   access: access.log # stdout, stderr, off, or a file
#   format: combined # or common, json
#   level: info

# workers: auto # one event loop a core
`;

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>It works</title>
<style>
:root { color-scheme: light dark; font: 1.1rem/1.6 system-ui, sans-serif; }
body { max-width: 34rem; margin: 15vh auto; padding: 0 1rem; }
code { font-size: .95em; }
</style>
</head>
<body>
<h1>It works</h1>
<p>This page is <code>static/index.html</code>. A script answers at
<a href="/cgi-bin/hello.py?name=Leda"><code>/cgi-bin/hello.py</code></a>: put your own beside it.</p>
<p>What the server does is at <a href="/status"><code>/status</code></a>, for this machine alone.</p>
</body>
</html>
`;

const SCRIPT = `#!/usr/bin/env python3
"""A script: a header, an empty line, a page. Try /cgi-bin/hello.py?name=Leda."""

import html
import os
from urllib.parse import parse_qs

query = parse_qs(os.environ.get("QUERY_STRING", ""))
name = query.get("name", ["world"])[0]

print("Content-Type: text/html; charset=utf-8")
print()
# What a client sent is escaped before it stands in a page.
print(f"<!doctype html><title>Hello</title><h1>Hello, {html.escape(name)}!</h1>")
print(f"<p>You asked with {html.escape(os.environ['REQUEST_METHOD'])} from {os.environ['REMOTE_ADDR']}.</p>")
`;

/** Every file, in the order in which they are written. */
export function samples(): readonly Sample[] {
  return [
    { path: "pollux.yaml", mode: 0o644, text: CONFIGURATION },
    // Beside it and not on some host: editors find it without a network, and it is of this version.
    { path: "pollux.schema.json", mode: 0o644, text: `${JSON.stringify(jsonSchema(), null, 2)}\n` },
    { path: "static/index.html", mode: 0o644, text: PAGE },
    { path: "cgi-bin/hello.py", mode: 0o755, text: SCRIPT },
  ];
}
