import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import corpus from "../../tests/corpus/http/targets.json" with { type: "json" };
import { HttpError } from "./error.ts";
import { encodePath, parseTarget, type Target } from "./target.ts";

/** One case of the corpus: `expect` is a status where it is refused, or parts of the parsed target. */
interface TargetCase {
  name: string;
  method: string;
  target: string;
  expect: number | Partial<Target>;
}

const cases = corpus as TargetCase[];

for (const { name, method, target, expect } of cases) {
  Deno.test({
    name: `parseTarget(): ${name} ${typeof expect === "number" ? "is refused" : "is read"}`,
    permissions: "none",
    fn() {
      if (typeof expect === "number") {
        const error = assertThrows(() => parseTarget(target, method), HttpError);
        assertEquals([error.status, error.close], [expect, true]);
      } else {
        const parsed = parseTarget(target, method);
        assertEquals({ ...parsed, ...expect }, parsed);
      }
    },
  });
}

Deno.test({
  name: "encodePath() encodes what a path may not hold as it is, and begins with one slash",
  permissions: "none",
  fn() {
    const cases: [string, string][] = [
      ["/", "/"],
      ["/a/b.html", "/a/b.html"],
      ["/a b", "/a%20b"],
      ["/100%", "/100%25"],
      ["/a?b#c", "/a%3Fb%23c"],
      ["/grüße", "/gr%C3%BC%C3%9Fe"],
      ["/🦕", "/%F0%9F%A6%95"],
      ['/"<>\\^`{|}[]', "/%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D"],
      ["/-._~!$&'()*+,;=:@", "/-._~!$&'()*+,;=:@"],
      ["/a\r\nb\0", "/a%0D%0Ab%00"],
      ["//example.org/", "/example.org/"],
      ["///a//b", "/a//b"],
      ["/\\example.org", "/%5Cexample.org"],
      ["", "/"],
      ["//", "/"],
    ];
    for (const [path, expected] of cases) assertEquals(encodePath(path), expected, path);
  },
});

Deno.test({
  name: "parseTarget() reads back what encodePath() wrote",
  permissions: "none",
  fn() {
    const segment = fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 })
      .filter((text) => !/[\0\r\n/]/.test(text) && text !== "." && text !== ".." && text.isWellFormed());
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 5 }), (segments) => {
        const path = "/" + segments.join("/");
        assertEquals(parseTarget(encodePath(path), "GET").path, path);
      }),
    );
  },
});

Deno.test({
  name: "parseTarget() gives a path inside the root or an HttpError for anything",
  permissions: "none",
  fn() {
    const piece = fc.oneof(
      fc.constantFrom(
        "/",
        "..",
        ".",
        "%2e",
        "%2E%2e",
        "%2F",
        "%",
        "%5C",
        "%C3%BC",
        "%FF",
        "%00",
        "a",
        "?",
        "http://a",
      ),
      fc.string({ maxLength: 3 }),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }),
        fc.constantFrom("GET", "OPTIONS", "CONNECT"),
        (pieces, method) => {
          let parsed: Target;
          try {
            parsed = parseTarget(pieces.join(""), method);
          } catch (error) {
            if (error instanceof HttpError && error.status === 400) return;
            throw error;
          }
          if (parsed.form === "asterisk") return;
          assertEquals(parsed.path.startsWith("/"), true);
          const segments = parsed.path.split("/");
          assertEquals(segments.includes("..") || segments.includes("."), false);
        },
      ),
      { numRuns: 1000 },
    );
  },
});
