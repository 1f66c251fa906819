/**
 * Every message of docs/messages.md is seen by a test: its longest fixed part stands in one, or in a document that runs.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { allMessages, ungrouped } from "../../.ci/tasks/messages.ts";

const REPOSITORY = new URL("../../", import.meta.url);

function texts(folder: string, pattern: RegExp): string[] {
  return [...Deno.readDirSync(new URL(folder, REPOSITORY))].flatMap(({ name, isDirectory }) =>
    isDirectory
      ? texts(`${folder}${name}/`, pattern)
      : pattern.test(name)
      ? [Deno.readTextFileSync(new URL(folder + name, REPOSITORY))]
      : []
  );
}

/** What no test brings about, and why. */
const BEYOND_TESTS: ReadonlySet<string> = new Set([
  // Faults of Pollux itself.
  "a bug of Pollux",
  "a bug of Pollux cost a client its connection",
  "internal error",
  "network loop … cannot be replaced: …; the server ends",
  "loops died … times within … s; the server ends, the last died of: …",
  // A file or folder that changes within the moment between two looks.
  "warm: … cannot be removed: …",
  "… has gone meanwhile",
  "… became a folder",
  "… did not stay the same file",
  "… did not stay the same folder",
  "… changes all the time",
  "… leads to a script",
  // A system that has run out of something, or refuses what it has just allowed.
  "cannot look for the descendants of script pid …, only it was killed: …; see ps for what it left",
  "of script pid …, these were killed but do not end: …; see in ps what they wait for (state D: a disk)",
  "changed files are no longer noticed: …; start anew",
  "pages are not loaded again when files change: …; raise fs.inotify.max_user_watches if it is short",
  "[…] …: …; answered with 503: raise what ulimit -n and -u allow, or the memory",
  "the system lacks something",
  "the system has no room for … now: …; lower cgi.max_processes",
  "no room in … for a body of … bytes or more: make room, or name another folder under temp",
  "clients hold too much memory: … connections without a request are closed; lower limits.connections",
  // Told to the client's own body alone, whose answer is out.
  "the rest of the body came too slowly",
  // Programs that this machine does not have, or that would have to be broken first.
  "for Perl, this needs Linux",
  "warm …: …; scripts are started anew for … s",
  "warm …: … cannot be started: …; name another under cgi.interpreters",
  "warm …: something else wrote to the server (…), it is ended",
  "no script is run warm: …",
  "the path … is too long for sockets, name a shorter one under temp",
  // Nobody is told: the site's error page gives way to the built-in one.
  "the error page … leads on and on",
  // The compiler asks for it; each file that comes there has a first line.
  "has no first line to run by: begin it with #! and a program's path",
]);

Deno.test("each message that a person can get is seen by a test", () => {
  const tests = [
    ...texts("src/", /_test\.ts$/),
    ...texts("tests/", /_test\.ts$/),
    ...texts("docs/", /^(?!messages)\w.*\.md$/),
  ].join("\n")
    // A long text is written in two pieces, and quotes and patterns escape.
    .replace(/" \+\s*"|" \+\s*`|` \+\s*"|` \+\s*`/g, "").replaceAll("\\", "");
  const unseen = allMessages().filter(({ parts }) => {
    if (BEYOND_TESTS.has(parts.join("…"))) return false;
    const [longest] = parts.toSorted((a, b) => b.trim().length - a.trim().length);
    return !tests.includes(longest.trim().replaceAll("\\", ""));
  });
  assertEquals(unseen.map(({ file, parts }) => `${file}: ${parts.join("…")}`), []);
});

Deno.test("each source file with messages is in a group of the page", () => {
  assertEquals(ungrouped().map(({ file, parts }) => `${file}: ${parts.join("…")}`), []);
});
