import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import corpus from "../../tests/corpus/http/heads.json" with { type: "json" };
import { type Input, inputOctets, octets, type Outcome, runSplit } from "../../tests/support/splits.ts";
import { HttpError } from "./error.ts";
import { type HeadLimits, HeadReader, type ParsedHead } from "./head.ts";
import { METHODS } from "./method.ts";

const LIMITS: HeadLimits = { requestLineBytes: 8192, headerBytes: 32768, headerCount: 100 };

/** A head in a form that can be compared. */
interface PlainHead {
  method: string;
  target: string;
  minor: 0 | 1;
  fields: string[][];
}

/** One case of the corpus: `expect` is a status where it is refused, and null where more bytes are needed. */
interface HeadCase {
  name: string;
  input: Input;
  limits?: Partial<HeadLimits>;
  expect: number | null | Partial<PlainHead>;
}

const cases: HeadCase[] = corpus as HeadCase[];

function plain(head: ParsedHead): PlainHead {
  const fields = Array.from(
    { length: head.fields.count },
    (_, i) => [head.fields.nameAt(i), head.fields.valueAt(i)],
  );
  return { method: head.method, target: head.target, minor: head.minor, fields };
}

function runHead(input: Uint8Array, limits: HeadLimits): Outcome<PlainHead> {
  return runSplit(input, () => {
    const reader = new HeadReader(limits);
    return (buffer, start, end) => {
      const head = reader.read(buffer, start, end);
      return head === null ? null : { value: plain(head), bytes: head.bytes };
    };
  });
}

function readWhole(text: string): ParsedHead {
  const bytes = octets(text);
  const head = new HeadReader(LIMITS).read(bytes, 0, bytes.length);
  if (head === null) throw new Error(`Incomplete: ${text}`);
  return head;
}

for (const { name, input, limits, expect } of cases) {
  Deno.test({
    name: `HeadReader: ${name}`,
    permissions: "none",
    fn() {
      const bytes = inputOctets(input);
      const outcome = runHead(bytes, { ...LIMITS, ...limits });
      if (typeof expect === "number") {
        assertEquals(outcome.kind === "refused" ? [outcome.status, outcome.close] : outcome, [expect, true]);
      } else if (expect === null) {
        assertEquals(outcome, { kind: "incomplete" });
      } else {
        if (outcome.kind !== "complete") throw new Error(`Not complete: ${JSON.stringify(outcome)}`);
        assertEquals({ ...outcome.value, ...expect }, outcome.value);
        assertEquals(outcome.bytes, bytes.length);
      }
    },
  });
}

Deno.test({
  name: "HeadReader.read() reads pipelined heads one after the other from the same bytes",
  permissions: "none",
  fn() {
    const first = "GET /a HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n";
    const second = "\r\nHEAD /b HTTP/1.0\r\n\r\n";
    const bytes = octets(first + second);
    const reader = new HeadReader(LIMITS);
    const a = reader.read(bytes, 0, bytes.length);
    const b = reader.read(bytes, first.length, bytes.length);
    assertEquals(a && plain(a), {
      method: "GET",
      target: "/a",
      minor: 1,
      fields: [["Host", "a"], ["X", "1"]],
    });
    assertEquals(b && plain(b), { method: "HEAD", target: "/b", minor: 0, fields: [] });
    assertEquals([a?.bytes, b?.bytes], [first.length, second.length]);
  },
});

Deno.test({
  name: "HeadReader.reset() forgets a head that was begun",
  permissions: "none",
  fn() {
    const reader = new HeadReader(LIMITS);
    const begun = octets("POST /begun HTTP/1.1\r\nHost: a\r\nContent-Le");
    assertEquals(reader.read(begun, 0, begun.length), null);
    reader.reset();
    const bytes = octets("GET / HTTP/1.1\r\nHost: b\r\n\r\n");
    const head = reader.read(bytes, 0, bytes.length);
    assertEquals(head && plain(head), { method: "GET", target: "/", minor: 1, fields: [["Host", "b"]] });
  },
});

Deno.test({
  name: "HeadReader.read() looks at each byte once, also where it already was",
  permissions: "none",
  fn() {
    const bytes = octets("GET /path HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\n");
    const reader = new HeadReader(LIMITS);
    // Of what it has passed it keeps places only; the head itself is made of the last buffer.
    for (let end = 1; end < bytes.length; end++) {
      const arrived = new Uint8Array(bytes.length);
      // Up to the request line's LF the line is there, for method and target are taken from it then.
      if (end <= 20) arrived.set(bytes.subarray(0, end));
      else arrived[end - 1] = bytes[end - 1];
      assertEquals(reader.read(arrived, 0, end), null);
    }
    const head = reader.read(bytes, 0, bytes.length);
    assertEquals(head && plain(head).fields, [["Host", "a"], ["X-Y", "z"]]);
  },
});

Deno.test({
  name: "FieldLines finds fields by name: the first, and all joined",
  permissions: "none",
  fn() {
    const { fields } = readWhole(
      "GET / HTTP/1.0\r\nA: 1\r\nCookie: a=b \r\nX-a:\t\r\nCOOKIE:c=d\r\nB: \xe9\r\n\r\n",
    );
    assertEquals(fields.count, 5);
    assertEquals(fields.get("cookie"), "a=b");
    assertEquals(fields.combined("cookie"), "a=b, c=d");
    const repeated = readWhole("GET / HTTP/1.0\r\nA: 1\r\nA: 2\r\nA: 3\r\nB: 4\r\n\r\n").fields;
    assertEquals([repeated.combined("a"), repeated.combined("b"), repeated.get("a")], ["1, 2, 3", "4", "1"]);
    assertEquals([repeated.indexOf("a", 1), repeated.indexOf("b", 1), repeated.indexOf("a", 3)], [1, 3, -1]);
    assertEquals(fields.get("x-a"), "");
    assertEquals(fields.get("b"), "\xe9");
    assertEquals([fields.get("c"), fields.combined("c"), fields.get("cook")], [null, null, null]);
    assertEquals([fields.nameAt(3), fields.valueAt(3)], ["COOKIE", "c=d"]);
    assertThrows(() => fields.nameAt(5), RangeError);
    assertThrows(() => fields.valueAt(-1), RangeError);
  },
});

const TCHARS = "!#$%&'*+-.^_`|~0123456789ABCXYZabcxyz";
const token = fc.string({ unit: fc.constantFrom(...TCHARS), minLength: 1, maxLength: 20 });
const fieldName = token.filter((name) => name.toLowerCase() !== "host");
const fieldValue = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)),
})
  // deno-lint-ignore no-control-regex
  .map((value) => value.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, "").replace(/^[\t ]+|[\t ]+$/g, ""));
const space = fc.constantFrom("", " ", "\t", " \t ");

Deno.test({
  name: "HeadReader.read() gives back any valid head as it was written, however it is cut",
  permissions: "none",
  fn() {
    const head = fc.record({
      method: fc.constantFrom(...METHODS),
      target: fc.string({ unit: fc.constantFrom(..."/ab%?&=.~-\"{}|\\^[]`'") }).map((rest) => "/" + rest),
      minor: fc.constantFrom(0 as const, 1 as const),
      fields: fc.array(fc.tuple(fieldName, space, fieldValue, space), { maxLength: 12 }),
    });
    fc.assert(
      fc.property(head, ({ method, target, minor, fields }) => {
        const lines = fields.map(([name, before, value, after]) => `${name}:${before}${value}${after}\r\n`);
        const text = `${method} ${target} HTTP/1.${minor}\r\nHost: h:1\r\n${lines.join("")}\r\n`;
        assertEquals(runHead(octets(text), LIMITS), {
          kind: "complete",
          bytes: text.length,
          value: {
            method,
            target,
            minor,
            fields: [["Host", "h:1"], ...fields.map(([name, , value]) => [name, value])],
          },
        });
      }),
      { numRuns: 40 },
    );
  },
});

Deno.test({
  name:
    "HeadReader.read() answers any bytes with a head, with null or with an HttpError, the same however they are cut",
  permissions: "none",
  fn() {
    const piece = fc.oneof(
      fc.constantFrom(
        "GET ",
        "/",
        " HTTP/1.1",
        "\r\n",
        "Host: a",
        ":",
        " ",
        "\r",
        "\n",
        "\0",
        "\t",
        "X: y\r\n",
        "\x7f",
      ),
      fc.uint8Array({ maxLength: 8 }).map((bytes) => String.fromCharCode(...bytes)),
    );
    const input = fc.tuple(
      fc.constantFrom("", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n"),
      fc.array(piece, { maxLength: 12 }),
    ).map(([first, rest]) => first + rest.join(""));
    fc.assert(
      fc.property(input, (text) => {
        const outcome = runHead(octets(text), { requestLineBytes: 40, headerBytes: 60, headerCount: 3 });
        if (outcome.kind === "refused") {
          assertEquals(outcome.close, true);
          assertEquals([400, 414, 431, 501, 505].includes(outcome.status), true);
        }
      }),
      { numRuns: 300 },
    );
  },
});

Deno.test({
  name: "HeadReader.read() refuses while it reads: a line without end is refused at the limit",
  permissions: "none",
  fn() {
    const reader = new HeadReader({ ...LIMITS, requestLineBytes: 20 });
    const bytes = octets("GET /234567890123456");
    assertEquals(reader.read(bytes, 0, 20), null);
    const more = octets("GET /2345678901234567");
    assertEquals(assertThrows(() => reader.read(more, 0, 21), HttpError).status, 414);
  },
});
