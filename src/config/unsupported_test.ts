import { assertEquals } from "@std/assert";
import { formatKeyPath } from "./places.ts";
import { unsupportedKeys } from "./unsupported.ts";

const PATTERNS = new Set([
  "top.trusted_proxies",
  "site.listen",
  "listen.tls",
  "status.status",
  "files.methods=PUT",
  "route.auth",
  "route.output=plain",
]);

function found(file: unknown): string[] {
  return unsupportedKeys(file, PATTERNS).map(formatKeyPath);
}

Deno.test({
  name: "unsupportedKeys() finds keys and values wherever they stand, and not their neighbours",
  permissions: "none",
  fn() {
    assertEquals(found({ trusted_proxies: ["::1"], listen: [":1", { address: ":2", tls: {} }] }), [
      "trusted_proxies",
      "listen[1].tls",
    ]);
    assertEquals(found({ trusted_proxies: [], listen: ":1" }), []);
    assertEquals(found({ sites: [{ listen: ":1", routes: [{ path: "/", files: "a", auth: {} }] }] }), [
      "sites[0].listen",
      "sites[0].routes[0].auth",
    ]);
    assertEquals(
      found({
        routes: [
          { path: "/", files: "a", methods: ["GET", "PUT"] },
          { path: "/", cgi: "a", methods: ["PUT"], output: "plain" },
          { path: "/", cgi: "a", output: "cgi" },
          { path: "/", redirect: "/", status: "301" },
          { path: "/", status: "true" },
        ],
      }),
      ["routes[0].methods", "routes[1].output", "routes[4].status"],
    );
    assertEquals([found(null), found("text"), found([]), found({ routes: null })], [[], [], [], []]);
  },
});
