import { assertEquals, assertThrows } from "@std/assert";
import corpus from "../../tests/corpus/http/framings.json" with { type: "json" };
import { octets } from "../../tests/support/splits.ts";
import { HttpError } from "./error.ts";
import { type Expectation, type Framing, isPersistent, readExpectation, readFraming } from "./framing.ts";
import { HeadReader, type ParsedHead } from "./head.ts";

/** One case of the corpus: `expect` is a status where it is refused. */
interface FramingCase {
  name: string;
  minor: 0 | 1;
  fields: string[];
  expect: number | Framing;
}

const cases = corpus as FramingCase[];

function headWith(fields: readonly string[], minor: 0 | 1): ParsedHead {
  const bytes = octets(
    `POST / HTTP/1.${minor}\r\n${["Host: a", ...fields].map((line) => line + "\r\n").join("")}\r\n`,
  );
  const reader = new HeadReader({ requestLineBytes: 100, headerBytes: 1000, headerCount: 10 });
  const head = reader.read(bytes, 0, bytes.length);
  if (head === null) throw new Error("The head is complete");
  return head;
}

for (const { name, minor, fields, expect } of cases) {
  Deno.test({
    name: `readFraming() ${name}`,
    permissions: "none",
    fn() {
      const head = headWith(fields, minor);
      if (typeof expect === "number") {
        const error = assertThrows(() => readFraming(head), HttpError);
        assertEquals([error.status, error.close], [expect, true]);
      } else {
        assertEquals(readFraming(head), expect);
      }
    },
  });
}

const PERSISTENCE: [minor: 0 | 1, fields: string[], expected: boolean][] = [
  [1, [], true],
  [1, ["Connection: close"], false],
  [1, ["Connection: CLOSE"], false],
  [1, ["connection:\tclose "], false],
  [1, ["Connection: keep-alive"], true],
  [1, ["Connection: keep-alive, close"], false],
  [1, ["Connection: close, keep-alive"], false],
  [1, ["Connection: ,, close ,"], false],
  [1, ["Connection: upgrade", "Connection: close"], false],
  [1, ["Connection: x , close , y"], false],
  [1, ["Connection: closed"], true],
  [1, ["Connection: x-close"], true],
  [1, ["Connection:"], true],
  [0, [], false],
  [0, ["Connection: keep-alive"], true],
  [0, ["Connection: Keep-Alive"], true],
  [0, ["Connection: Upgrade, Keep-Alive"], true],
  [0, ["Connection: keep-alive, close"], false],
  [0, ["Connection: close"], false],
  [0, ["Connection: keep-alives"], false],
  [0, ["Proxy-Connection: keep-alive"], false],
];

for (const [minor, fields, expected] of PERSISTENCE) {
  Deno.test({
    name: `isPersistent() is ${expected} for HTTP/1.${minor} with ${JSON.stringify(fields)}`,
    permissions: "none",
    fn: () => assertEquals(isPersistent(headWith(fields, minor)), expected),
  });
}

const EXPECTATIONS: [minor: 0 | 1, fields: string[], expected: Expectation][] = [
  [1, [], "none"],
  [1, ["Expect: 100-continue"], "continue"],
  [1, ["Expect: 100-Continue"], "continue"],
  [1, ["expect:\t100-CONTINUE "], "continue"],
  [1, ["Expect: 100-continue, 100-continue"], "continue"],
  [1, ["Expect: 100-continue", "Expect: 100-continue"], "continue"],
  [1, ["Expect:"], "none"],
  [1, ["Expect: 200-ok"], "unknown"],
  [1, ["Expect: 100-continue, other"], "unknown"],
  [1, ["Expect: 100-continue", "Expect: other"], "unknown"],
  [1, ["Expect: 100-continued"], "unknown"],
  [1, ["Expect: 100-continue; a=b"], "unknown"],
  [0, ["Expect: 100-continue"], "none"],
  [0, ["Expect: other"], "none"],
];

for (const [minor, fields, expected] of EXPECTATIONS) {
  Deno.test({
    name: `readExpectation() is ${expected} for HTTP/1.${minor} with ${JSON.stringify(fields)}`,
    permissions: "none",
    fn: () => assertEquals(readExpectation(headWith(fields, minor)), expected),
  });
}
