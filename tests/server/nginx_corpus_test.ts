/**
 * The corpus of messages over the wire, to Pollux and to nginx: the same bytes, then a request that can be told from all others.
 * Whoever takes another number of requests out of them than its neighbour can be smuggled past; where the two differ, Pollux is
 * the one that refuses, and a row says why. Without nginx the test is skipped.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import chunked from "../corpus/http/chunked.json" with { type: "json" };
import framings from "../corpus/http/framings.json" with { type: "json" };
import heads from "../corpus/http/heads.json" with { type: "json" };
import targets from "../corpus/http/targets.json" with { type: "json" };
import { Nginx, nginxProgram } from "../support/nginx.ts";
import { isomorphic, isReset, octets, type RawClient } from "../support/raw.ts";
import { BASIC_YAML, TestServer } from "../support/server.ts";
import { inputOctets } from "../support/splits.ts";

/** What is sent, by the name of its case. */
const WIRES: readonly (readonly [name: string, wire: string])[] = [
  ...heads.map(({ name, input }) => [`head: ${name}`, isomorphic(inputOctets(input))] as const),
  ...framings.map(({ name, minor, fields }) => {
    const lines = [`POST /a.txt HTTP/1.${minor}`, "Host: a", ...fields, "", "0\r\n\r\n"];
    return [`framing: ${name}`, lines.join("\r\n")] as const;
  }),
  ...chunked.map(({ name, input }) => {
    const head = "POST /a.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    return [`chunked: ${name}`, head + input] as const;
  }),
  // A target of other chars than bytes is one of the corpus's function alone.
  ...targets.filter(({ target }) => /^[\0-\xff]*$/.test(target)).map(({ method, target }) => {
    return [`target: ${method} ${target}`, `${method} ${target} HTTP/1.1\r\nHost: a\r\n\r\n`] as const;
  }),
];

const PROBE = "GET /probe.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const AT_ONCE = 16;
/** Statuses that say: this was no request, or none that can be read on from. */
const REFUSALS = [400, 408, 411, 413, 414, 417, 431, 501, 505];

/** Which of the two does not go on to the probe, in which cases, and why. */
const DIFFERENCES: readonly (readonly [stricter: "pollux" | "nginx", cases: RegExp, because: string])[] = [
  ["pollux", /^chunked: refuses /, "what is no chunk can be read in two ways (RFC 9112, 7.1)"],
  ["pollux", /^head: refuses (CR CR LF|a bare (CR|LF)) /, "a bare CR or LF ends no line"],
  ["pollux", /^head: refuses .* in a value$/, "a value has no control byte (RFC 9110, 5.5)"],
  [
    "pollux",
    /^head: refuses (.* in a name|a line without colon)$/,
    "a line that is no field is not passed over",
  ],
  [
    "pollux",
    /^head: refuses .* in the target's (path|query)$/,
    "bytes that a target does not have (RFC 3986)",
  ],
  ["pollux", /^target: GET .*[<>#"\\^`{|}[\]\x80-\xff]/, "likewise"],
  ["pollux", /^target: GET \/.*%0[ad]/i, "no line's end reaches a script by a path"],
  ["pollux", /^target: GET [a-z]+:/, "another scheme, or no port"],
  ["pollux", /^head: refuses a .*(method|registered)/, "501 for what is no method ends the connection"],
  ["pollux", /^head: refuses the Host /, "what is no host and port is no Host (RFC 9112, 3.2)"],
  ["pollux", /^head: refuses the 101st field$/, "limits.header_count"],
  ["pollux", /^head: refuses (two spaces|white space|the version) ?/, "a request line is read to the byte"],
  // Four bytes are left of what the case sends: two empty lines.
  [
    "pollux",
    /^(head: refuses two empty lines .*|framing: takes Content-Length: 1)$/,
    "one is let pass (RFC 9112, 2.2)",
  ],
  ["nginx", /^framing: takes .* white space around it$/, "a tab is white space too (RFC 9110, 5.6.3)"],
  ["nginx", /^head: takes 32 KiB of fields$/, "each has limits of its own"],
  [
    "nginx",
    /^(head: takes|target:) (CONNECT .+|OPTIONS (\*|with an asterisk))$/,
    "forms that these methods have (RFC 9112, 3.2)",
  ],
  [
    "nginx",
    /^head: takes (an empty Host|a Host of white space as empty)$/,
    "a Host may be empty (RFC 9112, 3.2)",
  ],
  ["nginx", /^head: takes the registered method TRACE$/, "405 is no reason to end the connection"],
  ["nginx", /^target: GET \/(\.\.%2F|\/\.\.\/)/, "404: %2F separates nothing, and an empty segment is one"],
];

/** How a server reads a wire: requests that it answers, refusals not counted, and whether the last of them is the probe. */
interface Reading {
  readonly taken: number;
  readonly isProbeSeen: boolean;
}

async function readBy(side: { connect(): Promise<RawClient> }, wire: string): Promise<Reading> {
  using client = await side.connect();
  try {
    await client.send(octets(wire + PROBE));
    await client.endSending();
  } catch (error) {
    if (!isReset(error)) throw error;
  }
  const said = isomorphic((await client.readToEnd()).bytes);
  const statuses = [...said.matchAll(/HTTP\/1\.1 ([2-5]\d\d) /g)].map(([, status]) => Number(status));
  return {
    taken: statuses.filter((status) => !REFUSALS.includes(status)).length,
    isProbeSeen: said.includes("this is the probe"),
  };
}

const skip = nginxProgram === null ? " (skipped: it needs nginx, Debian's nginx-light)" : "";

Deno.test({
  name:
    `beside nginx each message of the corpus is the same number of requests, or is refused for a reason${skip}`,
  ignore: nginxProgram === null,
  async fn() {
    assert(nginxProgram !== null);
    await using pollux = await TestServer.start({
      yaml: BASIC_YAML,
      files: { "static/a.txt": "a", "static/probe.txt": "this is the probe" },
    });
    await using nginx = await Nginx.start(nginxProgram, pollux.dir);
    const isUnused = new Set(DIFFERENCES);
    const unexplained: unknown[] = [];
    const left = [...WIRES];
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const [name, wire] = next;
        const [ours, theirs] = await Promise.all([readBy(pollux, wire), readBy(nginx, wire)]);
        if (ours.isProbeSeen === theirs.isProbeSeen) {
          // Where neither goes on, a refusal may come before or after another answer.
          if (ours.isProbeSeen && ours.taken !== theirs.taken) unexplained.push([name, ours, theirs]);
          continue;
        }
        const stricter = ours.isProbeSeen ? "nginx" : "pollux";
        const why = DIFFERENCES.find(([side, cases]) => side === stricter && cases.test(name));
        if (why === undefined) unexplained.push([name, ours, theirs]);
        else isUnused.delete(why);
      }
    }));
    assertEquals(unexplained, []);
    assertEquals([...isUnused].map(([, cases]) => cases.source), [], "they agree: what is explained here");
  },
});
