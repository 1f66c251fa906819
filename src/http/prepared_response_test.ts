import { assertEquals, assertStrictEquals } from "@std/assert";
import { PreparedResponse } from "./prepared_response.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const DATE = "Sun, 06 Nov 1994 08:49:37 GMT";
const CONTENT = new TextEncoder().encode("hello ~~~");

Deno.test({
  name: "PreparedResponse is a whole response for HTTP/1.1, with the date of each sending",
  permissions: "none",
  fn() {
    const response = PreparedResponse.of(200, [["ETag", '"a"']], CONTENT);
    const head = (date: string) =>
      `HTTP/1.1 200 OK\r\nDate: ${date}\r\nETag: "a"\r\nContent-Length: 9\r\n\r\n`;
    const later = DATE.replace("37", "38");
    for (const date of [DATE, later, later, DATE]) {
      assertEquals(text(response.dated(date, "all")), `${head(date)}hello ~~~`);
      assertEquals(text(response.dated(date, "head")), head(date));
    }
    assertStrictEquals(response.dated(DATE, "head"), response.dated(later, "head"));
    assertEquals(response.headBytes, head(DATE).length);
    assertEquals(text(response.content), "hello ~~~");
  },
});

Deno.test({
  name: "PreparedResponse says so where it is the last of its connection",
  permissions: "none",
  fn() {
    const response = PreparedResponse.of(200, [["ETag", '"a"']], CONTENT);
    const head =
      `HTTP/1.1 200 OK\r\nDate: ${DATE}\r\nETag: "a"\r\nContent-Length: 9\r\nConnection: close\r\n\r\n`;
    for (const [part, expected] of [["all", `${head}hello ~~~`], ["head", head]] as const) {
      assertEquals(response.closingBytes(part), expected.length);
      const bytes = new Uint8Array(expected.length + 2).fill(0x2e);
      response.writeClosing(DATE, part, bytes, 1);
      assertEquals(text(bytes), `.${expected}.`);
    }
    assertEquals(text(response.dated(DATE, "all")), `${head.replace("Connection: close\r\n", "")}hello ~~~`);
  },
});

Deno.test({
  name: "PreparedResponse is copied with another text in places of its own, and stays as it was",
  permissions: "none",
  fn() {
    const response = PreparedResponse.of(404, [["X-Request-Id", "~~~"]], CONTENT);
    const whole = text(response.dated(DATE, "all"));
    const places = response.placesOf("~~~");
    assertEquals(places, [whole.indexOf("~~~"), whole.lastIndexOf("~~~")]);
    const copy = response.copyTo(new Uint8Array(response.length), "abc", places);
    assertEquals(text(copy.dated(DATE, "all")), whole.replaceAll("~~~", "abc"));
    assertEquals(text(response.dated(DATE, "all")), whole);
  },
});

Deno.test({
  name: "PreparedResponse without content has neither length nor content",
  permissions: "none",
  fn() {
    const response = PreparedResponse.of(304, [], null);
    assertEquals(text(response.dated(DATE, "all")), `HTTP/1.1 304 Not Modified\r\nDate: ${DATE}\r\n\r\n`);
    assertEquals(response.content.length, 0);
  },
});
