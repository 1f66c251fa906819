import { assertEquals, assertStrictEquals } from "@std/assert";
import { exchange, fieldOf, replyOf, textOf } from "../../tests/support/exchange.ts";
import { respondHandler } from "./respond.ts";

Deno.test({
  name: "respond: text, status and headers, the same reply each time",
  permissions: "none",
  async fn() {
    const handler = respondHandler({ kind: "respond", text: "hé", status: 404, headers: [["X-A", "b"]] });
    const reply = replyOf(await handler(exchange()));
    assertEquals([reply.status, await textOf(reply), fieldOf(reply, "X-A")], [404, "hé", "b"]);
    assertEquals(fieldOf(reply, "Content-Type"), "text/plain; charset=utf-8");
    assertStrictEquals(handler(exchange({ path: "/other" })), reply);
  },
});

Deno.test({
  name: "respond: a Content-Type of its own stays, and a 204 has none and no content",
  permissions: "none",
  async fn() {
    const json = respondHandler({
      kind: "respond",
      text: "{}",
      status: 200,
      headers: [["content-type", "application/json"]],
    });
    assertEquals(replyOf(await json(exchange())).fields, [["content-type", "application/json"]]);
    const empty = replyOf(
      await respondHandler({ kind: "respond", text: "", status: 204, headers: [] })(exchange()),
    );
    assertEquals([empty.fields, empty.body], [[], null]);
  },
});
