import { assertEquals } from "@std/assert";
import { ask, field, get, post, textOf } from "../support/raw.ts";
import { BASIC_YAML, TestServer } from "../support/server.ts";

const ECHO = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\ncat\n";
const HOST = "Host: h\r\n";

/** A request, and whether the connection must close after its refusal: after most nobody knows where the next begins. */
type Case = readonly [what: string, request: string, status: number];

/** POST to the echoing script, with what frames its body. */
function framed(lines: string, body: string, version = "1.1"): string {
  return `POST /cgi-bin/echo.sh HTTP/${version}\r\n${HOST}${lines}\r\n${body}`;
}

const CHUNKED = "Transfer-Encoding: chunked\r\n";

const CLOSED: readonly Case[] = [
  ["no request line", "\0\x01\x02\r\n\r\n", 400],
  ["a request line of one word", `GET\r\n${HOST}\r\n`, 400],
  ["a request line of two words", `GET /\r\n${HOST}\r\n`, 400],
  ["a request line of four words", `GET / x HTTP/1.1\r\n${HOST}\r\n`, 400],
  ["two blanks in the request line", `GET  / HTTP/1.1\r\n${HOST}\r\n`, 400],
  ["a tab in the request line", `GET\t/ HTTP/1.1\r\n${HOST}\r\n`, 400],
  ["a blank before the method", ` GET / HTTP/1.1\r\n${HOST}\r\n`, 400],
  ["a blank after the version", `GET / HTTP/1.1 \r\n${HOST}\r\n`, 400],
  ["a method that is no token", `G(T / HTTP/1.1\r\n${HOST}\r\n`, 400],
  ["a version in lower case", `GET / http/1.1\r\n${HOST}\r\n`, 400],
  ["a version with two digits", `GET / HTTP/1.10\r\n${HOST}\r\n`, 400],
  ["bare LF after the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n", 400],
  ["bare LF after a field", "GET / HTTP/1.1\r\nHost: h\n\r\n", 400],
  ["bare LF at the end of the head", "GET / HTTP/1.1\r\nHost: h\r\n\n", 400],
  ["bare CR in a field", `GET / HTTP/1.1\r\n${HOST}A: b\rc\r\n\r\n`, 400],
  ["NUL in a field", `GET / HTTP/1.1\r\n${HOST}A: b\0c\r\n\r\n`, 400],
  ["a blank before the colon", `GET / HTTP/1.1\r\n${HOST}A : b\r\n\r\n`, 400],
  ["a field without a colon", `GET / HTTP/1.1\r\n${HOST}A\r\n\r\n`, 400],
  ["a field without a name", `GET / HTTP/1.1\r\n${HOST}: b\r\n\r\n`, 400],
  ["a name with a parenthesis", `GET / HTTP/1.1\r\n${HOST}A(b: c\r\n\r\n`, 400],
  ["a name with a byte over 127", `GET / HTTP/1.1\r\n${HOST}\xe9: c\r\n\r\n`, 400],
  ["obs-fold", `GET / HTTP/1.1\r\n${HOST}A: b\r\n c\r\n\r\n`, 400],
  ["a blank before the first field", `GET / HTTP/1.1\r\n A: b\r\n${HOST}\r\n`, 400],
  ["no Host", "GET / HTTP/1.1\r\n\r\n", 400],
  ["two Hosts", `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`, 400],
  ["a Host with a blank", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400],
  ["a Host with a slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400],
  ["a Host with a user", "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", 400],
  ["a Host with a bad port", "GET / HTTP/1.1\r\nHost: h:x\r\n\r\n", 400],
  ["a Host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400],
  ["a target with a control byte", `GET /\x01 HTTP/1.1\r\n${HOST}\r\n`, 400],
  ["a target with DEL", `GET /\x7f HTTP/1.1\r\n${HOST}\r\n`, 400],
  ["a target with a fragment", `GET /#x HTTP/1.1\r\n${HOST}\r\n`, 400],
  ["a target with a byte over 127", `GET /\xc3\xa9 HTTP/1.1\r\n${HOST}\r\n`, 400],
  ["a target without a slash", `GET a HTTP/1.1\r\n${HOST}\r\n`, 400],
  ["Transfer-Encoding with Content-Length", framed(`${CHUNKED}Content-Length: 3\r\n`, "0\r\n\r\n"), 400],
  ["Content-Length with Transfer-Encoding", framed(`Content-Length: 3\r\n${CHUNKED}`, "0\r\n\r\n"), 400],
  ["Content-Length twice, equal", framed("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), 400],
  ["Content-Length twice", framed("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd"), 400],
  ["Content-Length as a list", framed("Content-Length: 3, 3\r\n", "abc"), 400],
  ["Content-Length with a sign", framed("Content-Length: +3\r\n", "abc"), 400],
  ["a negative Content-Length", framed("Content-Length: -1\r\n", ""), 400],
  ["a hexadecimal Content-Length", framed("Content-Length: 0x3\r\n", "abc"), 400],
  ["an empty Content-Length", framed("Content-Length: \r\n", ""), 400],
  ["an endless Content-Length", framed(`Content-Length: ${"9".repeat(40)}\r\n`, ""), 400],
  ["chunked twice", framed("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), 400],
  ["two fields of chunked", framed(CHUNKED + CHUNKED, "0\r\n\r\n"), 400],
  ["chunked not last", framed("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"), 400],
  ["no chunked at all", framed("Transfer-Encoding: identity\r\n", ""), 400],
  ["a coding that looks like chunked", framed("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 400],
  ["an empty Transfer-Encoding", framed("Transfer-Encoding: \r\n", ""), 400],
  ["chunked in HTTP/1.0", framed(CHUNKED, "0\r\n\r\n", "1.0"), 400],
  ["another coding before chunked", framed("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501],
  ["a chunk without a size", framed(CHUNKED, "\r\n\r\n"), 400],
  ["a chunk size with 0x", framed(CHUNKED, "0x3\r\nabc\r\n0\r\n\r\n"), 400],
  ["a chunk size with a blank before", framed(CHUNKED, " 3\r\nabc\r\n0\r\n\r\n"), 400],
  ["a chunk size that is no number", framed(CHUNKED, "g\r\n\r\n"), 400],
  ["a chunk size of many digits", framed(CHUNKED, "1ffffffffffffffffff\r\nabc"), 400],
  ["a chunk line that ends in LF", framed(CHUNKED, "3\nabc\r\n0\r\n\r\n"), 400],
  ["a chunk that is longer than it says", framed(CHUNKED, "3\r\nabcd\r\n0\r\n\r\n"), 400],
  ["a chunk that ends in LF", framed(CHUNKED, "3\r\nabc\n0\r\n\r\n"), 400],
  ["a trailer with a bare LF", framed(CHUNKED, "0\r\nA: b\n\r\n"), 400],
  ["HTTP/2.0", `GET / HTTP/2.0\r\n${HOST}\r\n`, 505],
  ["HTTP/3.0", `GET / HTTP/3.0\r\n${HOST}\r\n`, 505],
  ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505],
  ["a request line that is too long", `GET /${"a".repeat(9000)} HTTP/1.1\r\n${HOST}\r\n`, 414],
  ["a head that is too large", `GET / HTTP/1.1\r\n${HOST}A: ${"a".repeat(33_000)}\r\n\r\n`, 431],
  ["a request line that never ends", "GET /" + "a".repeat(20_000), 414],
  ["a field that never ends", `GET / HTTP/1.1\r\nA: ${"a".repeat(50_000)}`, 431],
  ["too many fields", `GET / HTTP/1.1\r\n${HOST}${"A: b\r\n".repeat(101)}\r\n`, 431],
  ["too many trailers", framed(CHUNKED, `0\r\n${`A: ${"b".repeat(1000)}\r\n`.repeat(40)}\r\n`), 431],
];

/** Refused; what follows is nobody's business. */
const REFUSED: readonly Case[] = [
  ["a path with an encoded NUL", get("/a%00.txt"), 400],
  ["an encoded control byte in a script's path", get("/cgi-bin/echo.sh/a%0d%0ab"), 400],
  ["a malformed escape in a path", get("/%zz"), 400],
  ["an escape that is cut off", get("/a%2"), 400],
  ["a path that leaves the root", get("/../a.txt"), 400],
  ["a path that leaves the root, encoded", get("/%2e%2e/a.txt"), 400],
  ["a method nobody registered", get("/").replace("GET", "FOO"), 501],
  ["a method in lower case", get("/").replace("GET", "get"), 501],
];

/** Refused, but the next request is answered. */
const OPEN: readonly Case[] = [
  ["an expectation nobody knows", get("/a.txt", "Expect: x"), 417],
  ["a method that the route does not take", get("/a.txt").replace("GET", "DELETE"), 405],
];

const UNREAD: readonly Case[] = [
  ["a GET of a file", "GET /a.txt", 200],
  ["a GET of what is not there", "GET /nothing", 404],
  ["a method that the route does not take", "DELETE /a.txt", 405],
  ["OPTIONS", "OPTIONS /a.txt", 204],
];

const ACCEPTED: readonly (readonly [what: string, request: string, content: string])[] = [
  ["an empty line before the request", "\r\n" + get("/a.txt"), "file"],
  ["a Host with a port", `GET /a.txt HTTP/1.1\r\nHost: h:80\r\n\r\n`, "file"],
  ["an IPv6 Host", `GET /a.txt HTTP/1.1\r\nHost: [::1]:80\r\n\r\n`, "file"],
  ["an empty Host", `GET /a.txt HTTP/1.1\r\nHost:\r\n\r\n`, "file"],
  [
    "no blank after the colon, tabs around a value",
    `GET /a.txt HTTP/1.1\r\nHost:h\r\nA:\t b \t\r\n\r\n`,
    "file",
  ],
  ["an empty value", `GET /a.txt HTTP/1.1\r\n${HOST}A:\r\n\r\n`, "file"],
  ["bytes over 127 in a value", `GET /a.txt HTTP/1.1\r\n${HOST}A: \xe9\xff\r\n\r\n`, "file"],
  ["browsers' characters in a query", get('/a.txt?a|b{c}d^e[f]g\\h"i`j&%zz'), "file"],
  ["a minor version above 1", `GET /a.txt HTTP/1.2\r\n${HOST}\r\n`, "file"],
  ["a Host of an absolute-form that differs", `GET http://x/a.txt HTTP/1.1\r\n${HOST}\r\n`, "file"],
  ["leading zeros in a length", framed("Content-Length: 0003\r\n", "abc"), "abc"],
  ["chunked in capitals", framed("Transfer-Encoding: CHUNKED\r\n", "3\r\nabc\r\n0\r\n\r\n"), "abc"],
  ["a chunk with an extension", framed(CHUNKED, '3;a=b;c="d e"\r\nabc\r\n0\r\n\r\n'), "abc"],
  [
    "chunk sizes with zeros and capitals",
    framed(CHUNKED, "003\r\nabc\r\nA\r\n0123456789\r\n000\r\n\r\n"),
    "abc0123456789",
  ],
  ["trailers", framed(CHUNKED, "3\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\n"), "abc"],
  ["a hundred fields", `GET /a.txt HTTP/1.1\r\n${HOST}${"A: b\r\n".repeat(99)}\r\n`, "file"],
  ["a request line of almost 8 KiB", get(`/a.txt?${"a".repeat(8000)}`), "file"],
];

Deno.test("what RFC 9110 and 9112 leave open is refused or taken as the contract says", async (t) => {
  await using server = await TestServer.start({
    yaml: BASIC_YAML,
    files: { "static/a.txt": "file", "static/index.html": "index", "cgi-bin/echo.sh": ECHO },
  });
  for (const [what, request, status] of CLOSED) {
    await t.step(`${what}: ${status}, closed`, async () => {
      using client = await server.connect();
      await client.send(request);
      const response = await client.readResponse();
      assertEquals([response.status, field(response, "connection")], [status, "close"]);
      assertEquals(await client.readToEnd(), { bytes: new Uint8Array(0), reset: false });
    });
  }
  for (const [what, request, status] of REFUSED) {
    await t.step(`${what}: ${status}`, async () => {
      assertEquals((await ask(server, request)).status, status);
    });
  }
  for (const [what, request, status] of OPEN) {
    await t.step(`${what}: ${status}`, async () => {
      using client = await server.connect();
      await client.send(request + get("/a.txt"));
      assertEquals((await client.readResponse()).status, status);
      assertEquals(textOf(await client.readResponse()), "file");
    });
  }
  for (const [what, head, status] of UNREAD) {
    await t.step(
      `${what}, with content that nobody reads: ${status}, and 400 where it is malformed`,
      async () => {
        using client = await server.connect();
        const request = `${head} HTTP/1.1\r\n${HOST}${CHUNKED}\r\n`;
        await client.send(`${request}3\r\nabc\r\n0\r\n\r\n`);
        assertEquals((await client.readResponse()).status, status);
        await client.send(`${request}3\r\nabcd\r\n0\r\n\r\n` + get("/a.txt"));
        const response = await client.readResponse();
        assertEquals([response.status, field(response, "connection")], [400, "close"]);
        assertEquals((await client.readToEnd()).bytes.length, 0);
      },
    );
  }
  for (const [what, request, content] of ACCEPTED) {
    await t.step(`${what}: taken`, async () => {
      const response = await ask(server, request);
      assertEquals([response.status, textOf(response)], [200, content]);
    });
  }
  await t.step("a connection that was refused once takes nothing more", async () => {
    using client = await server.connect();
    await client.send(framed(`${CHUNKED}Content-Length: 3\r\n`, "0\r\n\r\n") + get("/a.txt"));
    assertEquals((await client.readResponse()).status, 400);
    assertEquals((await client.readToEnd()).bytes.length, 0);
  });
  await t.step("after all of that the server is well", async () => {
    using client = await server.connect();
    await client.send(get("/a.txt") + post("/cgi-bin/echo.sh", "x"));
    assertEquals(textOf(await client.readResponse()), "file");
    assertEquals(textOf(await client.readResponse()), "x");
  });
});
