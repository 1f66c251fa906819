import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { HttpError } from "../../src/http/error.ts";
import { encodePath, parseTarget, type Target } from "../../src/http/target.ts";
import { holds } from "./seeds.ts";

const piece = fc.constantFrom(
  "/",
  "/",
  "/",
  ".",
  "..",
  "%2e",
  "%2E",
  "%2f",
  "%5c",
  "\\",
  "a",
  "%61",
  "%25",
  "%252e",
  "%00",
  "%0a",
  "%0d",
  "%c3%a9",
  "%c0%ae",
  "%ff",
  "%",
  "%4",
  "%zz",
  ";",
  "?",
  "~",
  "%20",
  "...",
  " ",
  "#",
  "\x80",
);
const target = fc.array(piece, { maxLength: 12 }).map((pieces) => "/" + pieces.join(""));

function parse(text: string): Target | null {
  try {
    return parseTarget(text, "GET");
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    assertEquals([error.status, error.close], [400, true]);
    return null;
  }
}

holds(
  "a path that is decoded has no dot segment, no NUL, and stays the same when it is written and read again",
  fc.property(target, (text) => {
    const parsed = parse(text);
    if (parsed === null) return;
    const { path, isUtf8, hasEncodedSlash, query } = parsed;
    assert(path.startsWith("/"));
    // deno-lint-ignore no-control-regex
    assert(!/[\x00\x0a\x0d]/.test(path), "a control byte");
    const segments = path.split("/");
    assert(!segments.includes(".") && !segments.includes(".."), `a dot segment in ${path}`);
    assertEquals(query, text.includes("?") ? text.slice(text.indexOf("?") + 1) : null);
    // One that is ambiguous once decoded goes back as it came.
    if (!isUtf8 || hasEncodedSlash) return;
    const again = parse(encodePath(path));
    assertEquals(again?.path, "/" + path.replace(/^\/+/, ""));
  }),
  3000,
);

holds(
  "a path never leads above the root, however its dots are written",
  fc.property(
    fc.array(fc.constantFrom("..", ".", "a", "", "%2e%2e", ".%2E", "%2e"), { minLength: 1, maxLength: 10 }),
    (segments) => {
      // By hand: how deep each segment leads; an empty one is a segment too.
      let depth = 0;
      let leaves = false;
      segments.forEach((segment) => {
        const plain = segment.replaceAll(/%2e/gi, ".");
        if (plain === "..") leaves ||= --depth < 0;
        else if (plain !== ".") depth++;
      });
      assertEquals(parse("/" + segments.join("/")) === null, leaves);
    },
  ),
  2000,
);
