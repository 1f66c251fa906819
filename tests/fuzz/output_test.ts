import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { OutputParser, type OutputStep } from "../../src/cgi/output.ts";
import { isomorphic, octets } from "../support/raw.ts";
import { holds } from "./seeds.ts";

const line = fc.constantFrom(
  "Content-Type: text/plain",
  "Status: 200 OK",
  "Status: 404",
  "Status: 100",
  "Status: 99",
  "Status:",
  "Location: /a",
  "Location: //b",
  "Location: http://c/",
  "Content-Length: 3",
  "Content-Length: x",
  "X-A: b",
  "X-A:c\xe9",
  "X A: b",
  " X: y",
  ":",
  "HTTP/1.1 200 OK",
  "Transfer-Encoding: chunked",
  "Connection: close",
  "Set-Cookie: a=b",
  "Date: x",
  "X-Nul: \0",
  "X-Cr: a\rb",
  "",
);
const output = fc.tuple(
  fc.array(fc.tuple(line, fc.constantFrom("\n", "\n", "\r\n", "\r")).map((parts) => parts.join("")), {
    maxLength: 6,
  }),
  fc.constantFrom("", "\n", "\r\n", "\nbody\n\n"),
  fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 2 }),
)
  .map(([lines, end, edits]) =>
    edits.reduce(
      (text, [at, byte]) => text.slice(0, at) + String.fromCharCode(byte) + text.slice(at + 1),
      lines.join("") + end,
    )
  );

/** What a parser makes of pieces: its last word, and the content behind a head. */
function read(
  text: string,
  cuts: readonly number[],
  limitBytes: number,
): { step: OutputStep; content: string } {
  const parser = new OutputParser(limitBytes);
  const places = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
  let at = 0;
  for (const place of [...places, text.length]) {
    if (place === at) continue;
    const step = parser.push(octets(text.slice(at, place)));
    at = place;
    if (step.kind === "head") {
      const content = isomorphic(step.rest) + text.slice(at);
      return { step: { ...step, rest: new Uint8Array(0) }, content };
    }
    if (step.kind === "bad") return { step, content: "" };
  }
  return { step: parser.end(), content: "" };
}

holds(
  "a script's header is the same however it is written, and has nothing in it that could split an answer",
  fc.property(
    output,
    fc.array(fc.nat(200), { maxLength: 4 }),
    fc.constantFrom(30, 1000),
    (text, cuts, limit) => {
      const whole = read(text, [], limit);
      const cut = read(text, cuts, limit);
      if (whole.step.kind !== "head") return assertEquals(cut.step.kind, whole.step.kind);
      assertEquals(cut, whole);
      const { status, fields, contentLength, localTarget } = whole.step.head;
      assert(status >= 200 && status <= 599, String(status));
      assert(contentLength === null || Number.isSafeInteger(contentLength));
      assert(localTarget === null || /^\/(?!\/)[\x21-\x7e]*$/.test(localTarget), String(localTarget));
      for (const [name, value] of fields) {
        assert(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name), name);
        // deno-lint-ignore no-control-regex
        assert(!/[\x00-\x08\x0a-\x1f\x7f]/.test(value), value);
        assert(!/^(connection|transfer-encoding|content-length|status|date)$/i.test(name), name);
      }
    },
  ),
  3000,
);
