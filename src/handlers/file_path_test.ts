import { assert, assertFalse } from "@std/assert";
import { mayNameFile } from "./file_path.ts";

const RULES = { hidden: false, isWellKnown: false, isWindows: false };

Deno.test({
  name: "mayNameFile() takes plain names, in any script and with any punctuation",
  permissions: "none",
  fn() {
    for (
      const rest of [
        "",
        "/",
        "/a",
        "/a/",
        "/a/b.txt",
        "/a b",
        "/é/日本",
        "/a\\b",
        "/a:b",
        "/a.",
        "/a..b",
        "/%2e%2e",
        "/CON",
      ]
    ) {
      assert(mayNameFile(rest, RULES), rest);
    }
  },
});

Deno.test({
  name: "mayNameFile() refuses dot segments, empty segments and NUL, even where hidden names are served",
  permissions: "none",
  fn() {
    assertFalse(mayNameFile("/a/.pollux-upload-1", { ...RULES, hidden: true }), "an upload under way");
    for (
      const rest of ["/.", "/..", "/../a", "/a/..", "/a/./b", "//a", "//", "/a//b", "/a//", "/a\0", "/\0"]
    ) {
      assertFalse(mayNameFile(rest, { ...RULES, hidden: true }), rest);
    }
  },
});

Deno.test({
  name: "mayNameFile() refuses hidden names, but for .well-known at the top of a site",
  permissions: "none",
  fn() {
    const wellKnown = { ...RULES, isWellKnown: true };
    for (const rest of ["/.a", "/a/.b", "/.a/b", "/.well-known/.a", "/a/.well-known", "/.well-known-too"]) {
      assertFalse(mayNameFile(rest, wellKnown), rest);
      assert(mayNameFile(rest, { ...RULES, hidden: true }), rest);
    }
    assert(mayNameFile("/.well-known/a", wellKnown));
    assertFalse(mayNameFile("/.well-known/a", RULES));
  },
});

Deno.test({
  name: "mayNameFile() refuses what Windows reads as something else",
  permissions: "none",
  fn() {
    const windows = { ...RULES, isWindows: true };
    for (
      const rest of [
        "/a\\b",
        "/..\\a",
        "/a.txt::$DATA",
        "/c:",
        "/a.txt.",
        "/a.txt ",
        "/SECRET~1.TXT",
        "/con",
        "/CON.txt",
        "/a/nul",
        "/lpt1",
        "/a*",
      ]
    ) assertFalse(mayNameFile(rest, windows), rest);
    for (const rest of ["/a.txt", "/cone", "/com", "/a~b", "/nul-and-void"]) {
      assert(mayNameFile(rest, windows), rest);
    }
  },
});
