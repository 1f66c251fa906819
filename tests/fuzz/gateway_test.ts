import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { FASTCGI } from "../../src/gateway/fastcgi.ts";
import { SCGI } from "../../src/gateway/scgi.ts";
import type { ReplyEvent } from "../../src/gateway/protocol.ts";
import { isomorphic } from "../support/raw.ts";
import { holds } from "./seeds.ts";

/** Feeds an answer in pieces and joins what is said of one kind. */
function read(
  bytes: Uint8Array<ArrayBuffer>,
  cuts: readonly number[],
): { output: string; errors: string; last: ReplyEvent } {
  const reader = FASTCGI.reader();
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const events: ReplyEvent[] = [];
  let at = 0;
  for (const place of [...places, bytes.length]) {
    if (place > at) events.push(...reader.push(bytes.slice(at, place)));
    at = place;
  }
  let output = "";
  let errors = "";
  let last: ReplyEvent | null = null;
  for (const event of events) {
    assert(last === null, "something behind the end");
    if (event.kind === "output") output += isomorphic(event.bytes);
    else if (event.kind === "errors") errors += isomorphic(event.bytes);
    else last = event;
  }
  return { output, errors, last: last ?? reader.close() };
}

/** A record by the letter of the specification, 3.3. */
function record(type: number, content: Uint8Array, padding: number): number[] {
  return [
    1,
    type,
    0,
    1,
    content.length >> 8,
    content.length & 255,
    padding,
    0,
    ...content,
    ...Array(padding).fill(88),
  ];
}

const END = record(3, new Uint8Array([0, 0, 0, 7, 0, 0, 0, 0]), 0);

holds(
  "FastCGI records say the same in any pieces, with any padding",
  fc.property(
    fc.array(fc.tuple(fc.constantFrom(6, 7), fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(255)), {
      maxLength: 8,
    }),
    fc.array(fc.nat(5000), { maxLength: 6 }),
    (records, cuts) => {
      const bytes = new Uint8Array([
        ...records.flatMap(([type, content, padding]) => record(type, content, padding)),
        ...END,
      ]);
      const { output, errors, last } = read(bytes, cuts);
      const joined = (wanted: number) =>
        records.filter(([type]) => type === wanted).map(([, content]) => isomorphic(content)).join("");
      assertEquals([output, errors], [joined(6), joined(7)]);
      assertEquals(last, { kind: "end", status: 7, isReusable: true });
    },
  ),
  300,
);

holds(
  "bytes that are no FastCGI end in a word about it, once, and never throw",
  fc.property(
    fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 20 }),
        fc.constant(new Uint8Array(END)),
        fc.constant(new Uint8Array(record(6, new Uint8Array(3), 1))),
      ),
      { maxLength: 6 },
    ),
    fc.array(fc.nat(200), { maxLength: 4 }),
    (parts, cuts) => {
      const bytes = new Uint8Array(parts.flatMap((part) => [...part]));
      const whole = read(bytes, []);
      const cut = read(bytes, cuts);
      assertEquals([cut.output, cut.errors, cut.last.kind], [whole.output, whole.errors, whole.last.kind]);
    },
  ),
  1000,
);

const variables = fc.array(
  fc.tuple(
    fc.stringMatching(/^[A-Z_]{1,140}$/),
    fc.string({ unit: "grapheme", maxLength: 300 }).map((text) => text.replaceAll("\0", "")),
  ),
  { maxLength: 12 },
)
  .map((pairs) => [...new Map(pairs)]);

holds(
  "what FastCGI and SCGI are told can be read back by the letter of their specifications",
  fc.property(variables, fc.uint8Array({ maxLength: 70_000 }), (pairs, content) => {
    const flat = pairs.flat();
    const wire = [
      ...FASTCGI.begin(flat, true, true),
      ...FASTCGI.content(new Uint8Array(content)),
      ...FASTCGI.contentEnd() ?? [],
    ];
    const streams = new Map<number, number[]>();
    for (let at = 0; at < wire.length;) {
      const [, type, , , high, low, padding] = wire.slice(at, at + 8);
      const length = high << 8 | low;
      const stream = streams.get(type) ?? [];
      for (let i = 0; i < length; i++) stream.push(wire[at + 8 + i]);
      streams.set(type, stream);
      at += 8 + length + padding;
      assert(at <= wire.length, "a record beyond the end");
    }
    assertEquals(pairsOf(streams.get(4) ?? []), pairs);
    assertEquals(streams.get(5) ?? [], [...content]);

    const request = new TextDecoder().decode(
      SCGI.begin(["CONTENT_LENGTH", String(content.length), ...flat], true, false),
    );
    const [, length, rest] = /^(\d+):([^]*)$/.exec(request) ?? [];
    const netstring = new TextEncoder().encode(rest);
    assertEquals([netstring.length, netstring.at(-1)], [Number(length) + 1, 0x2c]);
    const told = rest.slice(0, -1).split("\0");
    assertEquals(told.slice(0, 2), ["CONTENT_LENGTH", String(content.length)]);
    assertEquals(told.pop(), "");
    const map = new Map(Array.from({ length: told.length / 2 }, (_, i) => [told[2 * i], told[2 * i + 1]]));
    for (const [name, value] of pairs) if (name !== "SCGI") assertEquals(map.get(name), value);
  }),
  60,
);

function pairsOf(bytes: readonly number[]): [string, string][] {
  const found: [string, string][] = [];
  const decoder = new TextDecoder();
  for (let at = 0; at < bytes.length;) {
    const lengths = [0, 0].map(() => {
      const isLong = bytes[at] >= 0x80;
      const length = isLong
        ? (bytes[at] & 0x7f) << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3]
        : bytes[at];
      at += isLong ? 4 : 1;
      return length;
    });
    const [name, value] = lengths.map((length) =>
      decoder.decode(new Uint8Array(bytes.slice(at, at += length)))
    );
    found.push([name, value]);
  }
  return found;
}
