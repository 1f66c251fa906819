import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { preferredCoding, preferredType } from "../../src/http/accept.ts";
import { formatHttpDate, parseHttpDate } from "../../src/http/date.ts";
import { multipartRanges, RANGE_COUNT_MAX, selectRanges } from "../../src/http/range.ts";
import { holds } from "./seeds.ts";

const spec = fc.oneof(
  fc.tuple(fc.nat(25), fc.nat(25)).map(([first, last]) => `${first}-${last}`),
  fc.nat(25).map((first) => `${first}-`),
  fc.nat(25).map((count) => `-${count}`),
  fc.constantFrom(
    "",
    " ",
    "-",
    "x",
    "1",
    "1-2-3",
    "1 - 2",
    "99999999999999999999-",
    "0-99999999999999999999",
    "-99999999999999999999",
  ),
);

holds(
  "a range is what a look at each single byte says",
  fc.property(fc.array(spec, { maxLength: 5 }), fc.nat(20), (specs, length) => {
    const selection = selectRanges(`bytes=${specs.join(",")}`, length);
    const wanted = specs.map((text) => text.replaceAll(/^[ \t]+|[ \t]+$/g, "")).filter((text) => text !== "");
    const parts: number[][] = [];
    let isMalformed = wanted.length === 0;
    for (const text of wanted) {
      const [, first, last] = /^(\d*)-(\d*)$/.exec(text) ?? [null, "", ""];
      if (first === "" && last === "" || first !== "" && last !== "" && BigInt(last) < BigInt(first)) {
        isMalformed = true;
      }
      const bytes = Array.from({ length }, (_, at) => at).filter((at) =>
        first === ""
          ? length - at <= Number(last)
          : at >= Number(first) && (last === "" || at <= Number(last))
      );
      if (bytes.length > 0) parts.push(bytes);
    }
    const sum = parts.reduce((total, bytes) => total + bytes.length, 0);
    if (isMalformed || sum > 2 * length) return assertEquals(selection.kind, "whole");
    if (parts.length === 0) return assertEquals(selection.kind, "unsatisfiable");
    assertEquals(selection, {
      kind: "parts",
      parts: parts.map((bytes) => ({ first: bytes[0], last: bytes[bytes.length - 1] })),
    });
  }),
  3000,
);

holds(
  "several ranges are never more than a hundred, nor more than twice the whole, and their length is true",
  fc.property(fc.array(spec, { maxLength: 140 }), fc.integer({ min: 1, max: 3000 }), (specs, length) => {
    const selection = selectRanges(`bytes=${specs.join(",")}`, length);
    if (selection.kind !== "parts") return;
    const bytes = selection.parts.reduce((sum, { first, last }) => sum + last - first + 1, 0);
    assert(selection.parts.length <= RANGE_COUNT_MAX && bytes <= 2 * length);
    const { pieces, length: told } = multipartRanges(selection.parts, length, "a/b", "boundary");
    assertEquals(
      pieces.reduce(
        (sum, piece) => sum + (piece instanceof Uint8Array ? piece.length : piece.last - piece.first + 1),
        0,
      ),
      told,
    );
  }),
  500,
);

holds(
  "a date that is written is read back, and one that is read is written alike",
  fc.property(
    fc.integer({ min: 0, max: 253_402_300_799 }),
    fc.nat(28),
    fc.constantFrom("", " ", "0", "-", "G"),
    (seconds, at, edit) => {
      const text = formatHttpDate(seconds * 1000);
      assertEquals(parseHttpDate(text, 0), seconds * 1000);
      const other = text.slice(0, at) + edit + text.slice(at + 1);
      const read = parseHttpDate(other, 0);
      // Its weekday is not looked at, a leap second is the next one, and dates before 1970 are written as 1970.
      if (read !== null && read >= 0 && !other.includes(":60")) {
        assertEquals(formatHttpDate(read).slice(3), other.slice(3));
      }
    },
  ),
  1000,
);

holds(
  "any Accept and Accept-Encoding chooses one of the offers, or none",
  fc.property(
    fc.array(
      fc.constantFrom(
        "text/html",
        "*/*",
        "text/*",
        ";q=0.5",
        ";q=0",
        ";q=2",
        ",",
        ";",
        "=",
        '"',
        "\\",
        " ",
        "gzip",
        "br",
        "identity",
        "*",
        ";q=",
        "\t",
        "x",
      ),
      { maxLength: 14 },
    ),
    (pieces) => {
      const value = pieces.join("");
      const types = ["text/html", "application/json", "text/plain"] as const;
      const type = preferredType(value, types);
      assert(type === null || types.includes(type));
      const codings = ["br", "gzip"] as const;
      const coding = preferredCoding(value, codings);
      assert(coding === null || coding === "identity" || codings.includes(coding as "br"));
    },
  ),
  2000,
);
