import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import corpus from "../../tests/corpus/http/chunked.json" with { type: "json" };
import { type Input, inputOctets, octets, type Outcome, runSplit } from "../../tests/support/splits.ts";
import { CHUNK_END, type ChunkedLimits, ChunkedReader, encodeChunkHead, LAST_CHUNK } from "./chunked.ts";
import { decodeOctets } from "./octets.ts";

const LIMITS: ChunkedLimits = { headerBytes: 1000, headerCount: 10 };

/** One case of the corpus: `expect` is the data, a status where it is refused, null where more bytes are needed. */
interface ChunkedCase {
  name: string;
  input: Input;
  limits?: Partial<ChunkedLimits>;
  expect: string | number | null;
}

const cases = corpus as ChunkedCase[];

function runChunked(input: Uint8Array, limits: ChunkedLimits): Outcome<string> {
  return runSplit(input, () => {
    const reader = new ChunkedReader(limits);
    let consumed = 0;
    let data = "";
    return (buffer, start, end) => {
      // What was consumed is gone: the reader gets only what is new.
      const rest = buffer.slice(start + consumed, end);
      let at = 0;
      while (at < rest.length && !reader.isDone) {
        const before = at;
        at = reader.read(rest, at, rest.length);
        assertEquals(at > before, true, "each read gets on");
        data += decodeOctets(rest, reader.dataStart, reader.dataEnd);
      }
      consumed += at;
      assertEquals(reader.decodedBytes, data.length);
      return reader.isDone ? { value: data, bytes: consumed } : null;
    };
  });
}

for (const { name, input, limits, expect } of cases) {
  Deno.test({
    name: `ChunkedReader ${name}`,
    permissions: "none",
    fn() {
      const bytes = inputOctets(input);
      const outcome = runChunked(bytes, { ...LIMITS, ...limits });
      if (typeof expect === "number") {
        assertEquals(outcome.kind === "refused" ? [outcome.status, outcome.close] : outcome, [expect, true]);
      } else if (expect === null) {
        assertEquals(outcome, { kind: "incomplete" });
      } else {
        assertEquals(outcome, { kind: "complete", value: expect, bytes: bytes.length });
      }
    },
  });
}

Deno.test({
  name: "ChunkedReader.read() hands out data where it lies and says how much is to come",
  permissions: "none",
  fn() {
    const reader = new ChunkedReader(LIMITS);
    const bytes = octets("XXa\r\n0123456789\r\n0\r\n\r\nGET");
    const middle = reader.read(bytes, 2, 9);
    assertEquals([middle, reader.dataStart, reader.dataEnd, reader.remainingBytes], [9, 5, 9, 6]);
    const behindData = reader.read(bytes, middle, bytes.length);
    assertEquals([behindData, reader.dataStart, reader.dataEnd, reader.remainingBytes], [15, 9, 15, 0]);
    const behindBody = reader.read(bytes, behindData, bytes.length);
    assertEquals([behindBody, reader.dataStart === reader.dataEnd, reader.isDone], [22, true, true]);
    assertEquals(reader.read(bytes, behindBody, bytes.length), behindBody);
  },
});

Deno.test({
  name: "ChunkedReader.read() gives back what was encoded, however it was divided and however it arrives",
  permissions: "none",
  fn() {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 });
    fc.assert(
      fc.property(chunks, (chunks) => {
        const parts = chunks.flatMap((chunk) => [encodeChunkHead(chunk.length), chunk, CHUNK_END]);
        const bytes = new Uint8Array([...parts, LAST_CHUNK].flatMap((part) => [...part]));
        const data = chunks.map((chunk) => decodeOctets(chunk, 0, chunk.length)).join("");
        assertEquals(runChunked(bytes, LIMITS), { kind: "complete", value: data, bytes: bytes.length });
      }),
      { numRuns: 40 },
    );
  },
});

Deno.test({
  name:
    "ChunkedReader.read() answers any bytes with data, with nothing or with an HttpError, the same however they are cut",
  permissions: "none",
  fn() {
    const piece = fc.oneof(
      fc.constantFrom(
        "1\r\n",
        "x\r\n",
        "0\r\n",
        "\r\n",
        ";a",
        "=",
        '"',
        "\\",
        "\r",
        "\n",
        " ",
        "X: y\r\n",
        "f",
      ),
      fc.uint8Array({ maxLength: 4 }).map((bytes) => String.fromCharCode(...bytes)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
        const outcome = runChunked(octets(pieces.join("")), { headerBytes: 12, headerCount: 2 });
        if (outcome.kind === "refused") {
          assertEquals([outcome.close, [400, 431].includes(outcome.status)], [true, true]);
        }
      }),
      { numRuns: 300 },
    );
  },
});

Deno.test({
  name: "encodeChunkHead() writes the size in hexadecimal, and refuses the size that would end the body",
  permissions: "none",
  fn() {
    const text = (length: number) => new TextDecoder().decode(encodeChunkHead(length));
    assertEquals([text(1), text(255), text(65536)], ["1\r\n", "ff\r\n", "10000\r\n"]);
    assertEquals(text(Number.MAX_SAFE_INTEGER), "1fffffffffffff\r\n");
    for (const length of [0, -1, 1.5, NaN, Infinity]) assertThrows(() => encodeChunkHead(length), RangeError);
  },
});
