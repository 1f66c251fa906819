import { assertEquals } from "@std/assert";
import { exchange, type ExchangeFacts, fieldOf, replyOf, textOf } from "../../tests/support/exchange.ts";
import { redirectHandler } from "./redirect.ts";

async function locate(target: string, facts: ExchangeFacts): Promise<string | null> {
  const reply = replyOf(await redirectHandler({ kind: "redirect", target, status: 302 })(exchange(facts)));
  return fieldOf(reply, "Location");
}

Deno.test({
  name: "redirect: the target as it is, with its status and a note for people",
  permissions: "none",
  async fn() {
    const reply = replyOf(
      await redirectHandler({ kind: "redirect", target: "/new", status: 308 })(exchange()),
    );
    assertEquals([reply.status, fieldOf(reply, "Location")], [308, "/new"]);
    assertEquals(await textOf(reply), "308 Permanent Redirect: /new\n");
  },
});

Deno.test({
  name: "redirect: {path} and {query} are put in percent-encoded",
  permissions: "none",
  async fn() {
    assertEquals(await locate("https://example.org{path}", { path: "/a%20b" }), "https://example.org/a%20b");
    assertEquals(
      await locate("/new{path}?{query}", { path: "/x", query: "a=1&b={2}" }),
      "/new/x?a=1&b=%7B2%7D",
    );
    assertEquals(await locate("/{path}/{path}", { path: "/x" }), "/x//x");
    // What is put in is not looked through again.
    assertEquals(await locate("/?{query}&p={path}", { path: "/y", query: "{path}" }), "/?%7Bpath%7D&p=/y");
  },
});

Deno.test({
  name: "redirect: an empty query takes its question mark with it",
  permissions: "none",
  async fn() {
    assertEquals(await locate("/new?{query}", {}), "/new");
    assertEquals(await locate("/new?{query}", { query: "" }), "/new");
    assertEquals(await locate("/new?a=1&{query}", {}), "/new?a=1");
    assertEquals(await locate("/new{query}", { query: "x" }), "/newx");
  },
});

Deno.test({
  name: "redirect: no path leads to another host",
  permissions: "none",
  async fn() {
    for (const target of ["{path}", "/{path}"]) {
      assertEquals(await locate(target, { path: "//evil.example/x" }), "/evil.example/x");
    }
    assertEquals(await locate("https://example.org{path}", { path: "//evil" }), "https://example.org/evil");
    assertEquals(await locate("//cdn.example{path}", { path: "/x" }), "//cdn.example/x");
  },
});
