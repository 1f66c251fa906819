/**
 * Which changes count.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { isSource } from "./watcher.ts";

Deno.test({
  name: "isSource() takes what people write, and not what programs leave beside it",
  permissions: "none",
  fn() {
    const taken = [
      "index.html",
      "cgi-bin/a.py",
      "data.json",
      "README",
      "a.1",
      "x/.well-known/y",
      "C:\\site\\a.php",
    ];
    const left = [
      ".a.py.swp",
      "a.py~",
      "#a.py#",
      "4913",
      "cgi-bin/__pycache__/m.cpython-311.pyc",
      "node_modules/x/index.js",
      "guests.sqlite3",
      "guests.sqlite3-journal",
      "guests.db-wal",
      "access.log",
      "upload.part",
      ".git",
    ];
    for (const path of taken) assertEquals(isSource(`/srv/${path}`), true, path);
    for (const path of left) assertEquals(isSource(`/srv/${path}`), false, path);
  },
});
