import { assert, assertEquals, assertFalse } from "@std/assert";
import { extensionOf, isCompressible, mediaType } from "./media_type.ts";

Deno.test({
  name: "mediaType() goes by extension, with charset for text",
  permissions: "none",
  fn() {
    const table: Record<string, string> = {
      "a.html": "text/html; charset=utf-8",
      "a.HTML": "text/html; charset=utf-8",
      "a.css": "text/css; charset=utf-8",
      "a.js": "text/javascript; charset=utf-8",
      "a.mjs": "text/javascript; charset=utf-8",
      "a.cjs": "text/javascript; charset=utf-8",
      "a.json": "application/json; charset=utf-8",
      "a.txt": "text/plain; charset=utf-8",
      "a.py": "text/plain; charset=utf-8",
      "a.svg": "image/svg+xml",
      "a.avif": "image/avif",
      "a.wasm": "application/wasm",
      "a.webmanifest": "application/manifest+json",
      "a.woff2": "font/woff2",
      "a.pdf": "application/pdf",
      "a.tar.gz": "application/gzip",
      "/x.y/a": "application/octet-stream",
      "a.": "application/octet-stream",
      "a.unknown": "application/octet-stream",
      ".html": "application/octet-stream",
      "a.constructor": "application/octet-stream",
    };
    for (const [name, type] of Object.entries(table)) assertEquals(mediaType(name), type, name);
  },
});

Deno.test({
  name: "extensionOf() knows names that are all extension",
  permissions: "none",
  fn() {
    assertEquals(["a.PHP", "a", ".php", "x.d/a", "a.b.c", "a."].map(extensionOf), [
      ".php",
      "",
      "",
      "",
      ".c",
      ".",
    ]);
  },
});

Deno.test({
  name: "isCompressible() tells text from what is compressed already, and from event streams",
  permissions: "none",
  fn() {
    for (
      const type of [
        "text/html; charset=utf-8",
        "application/json",
        "image/svg+xml",
        "application/atom+xml",
        "font/ttf",
      ]
    ) {
      assert(isCompressible(type), type);
    }
    for (
      const type of [
        "image/png",
        "font/woff2",
        "application/zip",
        "text/event-stream",
        "application/octet-stream",
      ]
    ) {
      assertFalse(isCompressible(type), type);
    }
  },
});
