import { assertEquals } from "@std/assert";
import { formatKeyPath } from "./key_path.ts";
import { locate } from "./places.ts";

Deno.test("locate() finds keys and values, also through aliases, and the nearest block for what is missing", () => {
  const places = locate(
    "listen: 80 # x\nroutes:\n  - &r { path: /, files: a }\n  - path: /b\n    env: {A: b}\n  - *r\ncgi:\n",
  );
  const text = ({ line, column }: { line: number; column: number }) => `${line}:${column}`;
  assertEquals(text(places.valueAt(["listen"])), "1:9");
  assertEquals(text(places.keyAt(["listen"])), "1:1");
  assertEquals(text(places.valueAt(["routes", 1])), "4:5");
  assertEquals(text(places.valueAt(["routes", 1, "env", "A"])), "5:14");
  assertEquals(text(places.keyAt(["routes", 1, "env", "A"])), "5:11");
  assertEquals(text(places.valueAt(["routes", 2, "files"])), "3:26");
  assertEquals(text(places.valueAt(["cgi"])), "7:1");
  assertEquals(text(places.valueAt(["routes", 1, "cgi"])), "4:5");
  assertEquals(text(places.valueAt([])), "1:1");
});

Deno.test({
  name: "formatKeyPath() writes plain keys with dots and others in quotes",
  permissions: "none",
  fn() {
    assertEquals(formatKeyPath(["sites", 0, "routes", 1, "cgi"]), "sites[0].routes[1].cgi");
    assertEquals(formatKeyPath(["cgi", "interpreters", ".py"]), 'cgi.interpreters[".py"]');
    assertEquals(formatKeyPath(["error_pages", "404"]), "error_pages.404");
    assertEquals(formatKeyPath([]), "");
  },
});
