import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { fieldOf, textOf } from "../../tests/support/exchange.ts";
import { HttpError } from "../http/error.ts";
import { errorReply } from "./error_page.ts";
import { PreparedReply } from "./prepared.ts";

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
  name: "errorReply() renders a page for many requests, each with its own id, whatever its length",
  permissions: "none",
  async fn() {
    const error = new HttpError(404, "no");
    for (const accept of [null, "application/json", "text/plain"]) {
      const ids = ["a-1", "a-2", "b-10", "a-3", "long-0123456789"];
      const replies = ids.map((id) => errorReply(error, { accept, id }));
      for (const [i, reply] of replies.entries()) {
        const response = PreparedReply.responseOf(reply);
        assert(response !== null);
        const whole = new TextDecoder().decode(response.dated("Sun, 06 Nov 1994 08:49:37 GMT", "all"));
        assertStringIncludes(whole, `\r\nX-Request-Id: ${ids[i]}\r\n`);
        const page = await textOf(reply);
        assert(whole.endsWith(`\r\nContent-Length: ${page.length}\r\n\r\n${page}`));
        assertEquals(page.split(ids[i]).length, 2);
        assertEquals(reply.moreFields, [["X-Request-Id", ids[i]]]);
        // Another id, which would have to be escaped, is rendered into a page of its own.
        const other = errorReply(error, { accept, id: "x.1" });
        assertEquals(PreparedReply.responseOf(other), null);
        assertEquals((await textOf(other)).replace("x.1", ids[i]), page);
      }
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

Deno.test({
  name: "errorReply() says what each status means, in words for everybody",
  permissions: "none",
  async fn() {
    const said: readonly (readonly [status: number, text: string])[] = [
      [400, "The server could not understand the request."],
      [401, "You need to log in to see this."],
      [403, "You may not see this."],
      [404, "There is nothing at this address."],
      [405, "This address does not take that kind of request."],
      [406, "This is not available in a form that your program accepts."],
      [408, "The request took too long to arrive."],
      [409, "The request does not fit what is there now."],
      [410, "What was at this address is gone."],
      [411, "The request does not say how long its content is."],
      [412, "What is there now is not what the request expects."],
      [413, "The request is larger than the server allows."],
      [414, "The address is longer than the server allows."],
      [415, "The server does not take this kind of content."],
      [416, "The part that was asked for does not exist."],
      [417, "The server cannot do what the request expects of it."],
      [421, "The request went to the wrong server."],
      [429, "There were too many requests. Please wait a moment."],
      [431, "The request's header is larger than the server allows."],
      [500, "Something went wrong on the server."],
      [501, "The server does not know this kind of request."],
      [502, "The program behind this address gave no valid answer."],
      [503, "The server is busy. Please try again in a moment."],
      [504, "The program behind this address took too long to answer."],
      [505, "The server does not speak this version of HTTP."],
      [507, "There is no room left on the server."],
    ];
    for (const [status, text] of said) {
      const reply = errorReply({ status, fields: [] }, { accept: "text/plain", id: "1" });
      assertEquals((await textOf(reply)).split("\n")[1], text);
    }
  },
});
