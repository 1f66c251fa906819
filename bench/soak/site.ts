/**
 * What the soak visits: a site whose every byte is known beforehand.
 *
 * @module
 */

import { Random } from "../../tests/fuzz/seeds.ts";
import type { FileSpec } from "../../tests/support/server.ts";

/** Random bytes, of which all contents are parts: the same in every run. */
export const POOL: Uint8Array<ArrayBuffer> = pool(5 * 1024 * 1024);

/** Sizes around the borders of buffers, windows and of what is kept in memory. */
const SIZES = [0, 1, 10, 1000, 16_383, 65_536, 65_537, 300_000, 1_048_577, 4_194_304];

/** Files by name: each a part of the pool. */
export const FILES: ReadonlyMap<string, Uint8Array<ArrayBuffer>> = new Map(
  SIZES.map((size, index) => [`${size}.bin`, POOL.subarray(index * 7, index * 7 + size)]),
);

/** A text that is compressed on its way, below what is compressed at once and beyond it. */
export const TEXTS: ReadonlyMap<string, string> = new Map([
  ["short.txt", "All work and no play makes a dull server.\n".repeat(100)],
  ["long.txt", "All work and no play makes a dull server.\n".repeat(40_000)],
]);

const SCRIPTS: Readonly<Record<string, string>> = {
  // As it comes.
  "echo.sh": "#!/bin/sh\nprintf 'Content-Type: application/octet-stream\\n\\n'\nexec cat\n",
  // What arrived, with a checksum of it by somebody else.
  "sum.pl": `#!/usr/bin/perl
use Digest::SHA qw(sha256_hex);
binmode STDIN; binmode STDOUT;
local $/; my $body = <STDIN> // "";
print "Content-Type: application/octet-stream\\nX-Checksum: ", sha256_hex($body), "\\n\\n", $body;
`,
  "query.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s' \"$QUERY_STRING\"\n",
  "download.sh":
    "#!/bin/sh\nprintf 'Content-Type: application/octet-stream\\n\\n'\nexec cat \"../static/$QUERY_STRING\"\n",
  "die.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhalf of it'\nsleep 0.05\nkill -9 $$\n",
  "hang.sh": "#!/bin/sh\nsleep 1000 &\nsleep 1000\n",
  "redirect.sh": "#!/bin/sh\nprintf 'Location: /1000.bin\\n\\n'\n",
};

/** All files of the site but its configuration, by path. */
export function siteFiles(): Record<string, FileSpec> {
  const files: Record<string, FileSpec> = { "up/.keep": "", "more/there.txt": "there" };
  for (const [name, bytes] of FILES) files[`static/${name}`] = bytes;
  for (const [name, text] of TEXTS) files[`static/${name}`] = text;
  for (const [name, text] of Object.entries(SCRIPTS)) files[`cgi-bin/${name}`] = text;
  return files;
}

/**
 * The configuration. Two in four have a folder more: where that changes new loops
 * start, or else the old ones take it over.
 *
 * @param generation Told in each answer's X-Generation, so that a reload can be seen.
 */
export function siteYaml(generation: number): string {
  return `listen: 127.0.0.1:0
log: { access: access.log, format: json, level: warn }
cgi: { max_processes: 8, queue_timeout: 60s, timeout: 60s }
headers: { X-Generation: "${generation}" }
routes:
  - { path: /, files: ./static }
  - { path: /cgi-bin/, cgi: ./cgi-bin }
  - { path: /up/, files: ./up, methods: [GET, HEAD, PUT, DELETE] }
${generation % 4 < 2 ? "" : "  - { path: /more/, files: ./more }\n"}`;
}

function pool(bytes: number): Uint8Array<ArrayBuffer> {
  const random = new Random(1);
  const words = Uint32Array.from({ length: bytes / 4 }, () => random.below(2 ** 32));
  return new Uint8Array(words.buffer);
}
