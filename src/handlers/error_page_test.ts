import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { fieldOf, textOf } from "../../tests/support/exchange.ts";
import { HttpError } from "../http/error.ts";
import { errorReply } from "./error_page.ts";

const ID = "<id&1>";

Deno.test({
  name: "errorReply() is HTML, JSON or text, by Accept",
  permissions: "none",
  async fn() {
    const error = new HttpError(404, "/srv/www/secret is missing");
    const rows: [string | null, string][] = [
      [null, "text/html; charset=utf-8"],
      ["*/*", "text/html; charset=utf-8"],
      ["text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"],
      ["application/json", "application/problem+json"],
      ["application/problem+json", "application/problem+json"],
      ["text/plain", "text/plain; charset=utf-8"],
      ["image/avif,image/webp", "text/plain; charset=utf-8"],
    ];
    for (const [accept, type] of rows) {
      const reply = errorReply(error, { accept, id: ID });
      assertEquals([reply.status, fieldOf(reply, "Content-Type")], [404, type], accept ?? "none");
      assertEquals(fieldOf(reply, "Vary"), "Accept");
      assertEquals(fieldOf(reply, "Cache-Control"), "no-store");
      const text = await textOf(reply);
      assertFalse(text.includes("/srv"), "the reason is for the log");
      assertStringIncludes(text, "Not Found");
      assertStringIncludes(text, type.startsWith("text/html") ? "&lt;id&amp;1&gt;" : ID);
    }
  },
});

Deno.test({
  name: "errorReply() as JSON is a problem by RFC 9457",
  permissions: "none",
  async fn() {
    const reply = errorReply(new HttpError(503, "full"), { accept: "application/json", id: ID });
    assertEquals(JSON.parse(await textOf(reply)), {
      type: "about:blank",
      title: "Service Unavailable",
      status: 503,
      detail: "The server is busy. Please try again in a moment.",
      requestId: ID,
    });
  },
});

Deno.test({
  name: "errorReply() carries the error's fields and its wish to close",
  permissions: "none",
  fn() {
    const fields: [string, string][] = [["Allow", "GET"], ["Vary", "Origin"], ["Cache-Control", "max-age=5"]];
    const reply = errorReply(new HttpError(405, "no", { fields, close: true }), { accept: null, id: ID });
    assertEquals(reply.close, true);
    assertEquals(fieldOf(reply, "Allow"), "GET");
    assertEquals(fieldOf(reply, "Vary"), "Origin, Accept");
    assertEquals(fieldOf(reply, "Cache-Control"), "max-age=5");
    assert(!("close" in errorReply(new HttpError(404, "no"), { accept: null, id: ID })));
  },
});

Deno.test({
  name: "errorReply() has words for a status that it does not know",
  permissions: "none",
  async fn() {
    const reply = errorReply({ status: 599, fields: [] }, { accept: "text/plain", id: "1" });
    assertEquals(await textOf(reply), "599 Error\nSomething went wrong on the server.\nRequest 1\n");
  },
});
