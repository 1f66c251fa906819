import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { formatHttpDate, parseHttpDate } from "./date.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const RFC_EXAMPLE_MS = 784111777000;

Deno.test({
  name: "formatHttpDate() writes the example of RFC 9110",
  permissions: "none",
  fn() {
    assertEquals(formatHttpDate(RFC_EXAMPLE_MS), "Sun, 06 Nov 1994 08:49:37 GMT");
    assertEquals(formatHttpDate(RFC_EXAMPLE_MS + 999), "Sun, 06 Nov 1994 08:49:37 GMT");
    assertEquals(formatHttpDate(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  },
});

Deno.test({
  name: "formatHttpDate() moves what has no such date to the nearest that has one",
  permissions: "none",
  fn() {
    assertEquals(formatHttpDate(-1), "Thu, 01 Jan 1970 00:00:00 GMT");
    assertEquals(formatHttpDate(8.64e15), "Fri, 31 Dec 9999 23:59:59 GMT");
  },
});

const READ: [text: string, expected: number][] = [
  ["Sun, 06 Nov 1994 08:49:37 GMT", RFC_EXAMPLE_MS],
  ["Sunday, 06-Nov-94 08:49:37 GMT", RFC_EXAMPLE_MS],
  ["Sun Nov  6 08:49:37 1994", RFC_EXAMPLE_MS],
  ["Wed Nov 16 08:49:37 1994", RFC_EXAMPLE_MS + 10 * 86_400_000],
  ["Thu, 29 Feb 2024 00:00:00 GMT", Date.UTC(2024, 1, 29)],
  ["Tue, 29 Feb 2000 00:00:00 GMT", Date.UTC(2000, 1, 29)],
  ["Sat, 31 Dec 2016 23:59:60 GMT", Date.UTC(2017, 0, 1)],
  ["Mon, 06 Nov 1994 08:49:37 GMT", RFC_EXAMPLE_MS],
  ["Thursday, 01-Jan-70 00:00:00 GMT", Date.UTC(2070, 0, 1)],
];

for (const [text, expected] of READ) {
  Deno.test({
    name: `parseHttpDate() reads ${text}`,
    permissions: "none",
    fn: () => assertEquals(parseHttpDate(text, NOW_MS), expected),
  });
}

const REFUSED: string[] = [
  "",
  "0",
  "784111777",
  "Sun, 06 Nov 1994 08:49:37",
  "Sun, 06 Nov 1994 08:49:37 UTC",
  "Sun, 06 Nov 1994 08:49:37 +0000",
  "Sun, 06 Nov 1994 08:49:37 GMT ",
  " Sun, 06 Nov 1994 08:49:37 GMT",
  "Sun,06 Nov 1994 08:49:37 GMT",
  "Sun, 6 Nov 1994 08:49:37 GMT",
  "sun, 06 Nov 1994 08:49:37 GMT",
  "Sun, 06 nov 1994 08:49:37 GMT",
  "Sun, 06 Nov 1994 08:49:37 gmt",
  "Xyz, 06 Nov 1994 08:49:37 GMT",
  "Sun, 06 Xyz 1994 08:49:37 GMT",
  "Sun, 00 Nov 1994 08:49:37 GMT",
  "Sun, 31 Nov 1994 08:49:37 GMT",
  "Wed, 29 Feb 2023 00:00:00 GMT",
  "Thu, 29 Feb 1900 00:00:00 GMT",
  "Sun, 06 Nov 1994 24:00:00 GMT",
  "Sun, 06 Nov 1994 08:60:37 GMT",
  "Sun, 06 Nov 1994 08:49:61 GMT",
  "Sun, 06 Nov 1994 8:49:37 GMTX",
  "Sun, 06 Nov 1994 08-49-37 GMT",
  "Sun, 06 Nov 94 08:49:37 GMT",
  "Sun, -6 Nov 1994 08:49:37 GMT",
  "Sun, 06-Nov-94 08:49:37 GMT",
  "Sunday, 06 Nov 94 08:49:37 GMT",
  "Sunday, 06-Nov-1994 08:49:37 GMT",
  "Funday, 06-Nov-94 08:49:37 GMT",
  "Sunday, 06-Nov-94 08:49:37",
  "Sunday Nov  6 08:49:37 1994",
  "Sun Nov 6 08:49:37 1994",
  "Sun Nov 06 08:49:37 94",
  "Sun Nov  6 08:49:37 1994 GMT",
  "1994-11-06T08:49:37Z",
];

for (const text of REFUSED) {
  Deno.test({
    name: `parseHttpDate() does not read ${JSON.stringify(text)}`,
    permissions: "none",
    fn: () => assertEquals(parseHttpDate(text, NOW_MS), null),
  });
}

Deno.test({
  name: "parseHttpDate() wants each char of each form where it is",
  permissions: "none",
  fn() {
    for (
      const text of [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 16 08:49:37 1994",
      ]
    ) {
      for (let i = 0; i < text.length; i++) {
        // `:` and `/` are the chars beside the digits.
        for (const other of ["x", ":", "/", " ", "-", ","]) {
          if (other === text[i]) continue;
          const changed = text.slice(0, i) + other + text.slice(i + 1);
          // Only asctime has a day of one digit, behind a space.
          const expected = changed === "Sun Nov  6 08:49:37 1994" ? RFC_EXAMPLE_MS : null;
          assertEquals(parseHttpDate(changed, NOW_MS), expected, changed);
        }
      }
    }
  },
});

Deno.test({
  name: "parseHttpDate() puts a two-digit year at most 50 years after the present",
  permissions: "none",
  fn() {
    const read = (year: string, now: number) => {
      const epochMs = parseHttpDate(`Sunday, 06-Nov-${year} 08:49:37 GMT`, now);
      return epochMs === null ? null : new Date(epochMs).getUTCFullYear();
    };
    const spring2026 = Date.UTC(2026, 3, 1);
    assertEquals(read("26", spring2026), 2026);
    assertEquals(read("75", spring2026), 2075);
    // In November of 2076 more than 50 years will have passed.
    assertEquals(read("76", spring2026), 1976);
    assertEquals(read("99", spring2026), 1999);
    assertEquals(read("00", spring2026), 2000);
    const in2070 = Date.UTC(2070, 0, 1);
    assertEquals(read("10", in2070), 2110);
    assertEquals(read("19", in2070), 2119);
    assertEquals(read("20", in2070), 2020);
    assertEquals(read("70", in2070), 2070);
  },
});

Deno.test({
  name: "parseHttpDate() reads back what formatHttpDate() wrote, and anything without throwing",
  permissions: "none",
  fn() {
    fc.assert(fc.property(fc.integer({ min: 0, max: 253_402_300_799 }), (seconds) => {
      assertEquals(parseHttpDate(formatHttpDate(seconds * 1000), NOW_MS), seconds * 1000);
    }));
    fc.assert(fc.property(fc.string({ maxLength: 40 }), (text) => {
      const epochMs = parseHttpDate(text, NOW_MS);
      assertEquals(epochMs === null || Number.isInteger(epochMs), true);
    }));
  },
});
