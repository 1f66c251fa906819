/**
 * Pollux beside nginx, over the same folder: the same requests, and the same answers where both are right. Where they differ,
 * the row says why. Debian's nginx-light is enough; without nginx the test is skipped.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Nginx, nginxProgram } from "../support/nginx.ts";
import { field, get, RawClient, type Response, textOf, UnexpectedEnd } from "../support/raw.ts";
import { BASIC_YAML, type FileSpec, TestServer } from "../support/server.ts";

const FILES: Record<string, FileSpec> = {
  "static/a.txt": "0123456789",
  "static/page.html": "<h1>page</h1>",
  "static/style.css": "a{}",
  "static/data.json": "{}",
  "static/picture.png": new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0, 255]),
  "static/empty.txt": "",
  "static/a b.txt": "blank",
  "static/größe.txt": "umlaut",
  "static/50%.txt": "percent",
  "static/a+b.txt": "plus",
  "static/packed.txt": "packed",
  "static/packed.txt.gz": "not really gzip",
  "static/.hidden": "hidden",
  "static/dir/index.html": "index",
  "static/none/a.txt": "inside",
  "static/long.txt": "x".repeat(100_000),
};

/** An answer, and whether another request on the connection is answered too. */
interface Told {
  readonly response: Response;
  readonly goesOn: boolean;
}

interface Side {
  connect(): Promise<RawClient>;
}

async function ask(side: Side, request: string): Promise<Told> {
  using client = await side.connect();
  const method = request.trimStart().split(" ", 1)[0];
  await client.send(request);
  const response = await client.readResponse({ method });
  if (field(response, "connection")?.toLowerCase() === "close") return { response, goesOn: false };
  try {
    await client.send(get("/a.txt"));
    return { response, goesOn: (await client.readResponse()).status === 200 };
  } catch (error) {
    if (error instanceof UnexpectedEnd || error instanceof Deno.errors.BrokenPipe) {
      return { response, goesOn: false };
    }
    throw error;
  }
}

/** Fields in which two right answers are alike. Entity tags are each server's own; Allow and Vary are compared by tests of ours. */
const COMPARED = [
  "content-type",
  "content-length",
  "content-encoding",
  "content-range",
  "last-modified",
  "accept-ranges",
  "location",
];

/** What of an answer is compared: all of a success; of a refusal the status, since its page is each server's own. */
function compared({ response, goesOn }: Told, without: readonly string[]): unknown {
  const { status } = response;
  if (status >= 300 && status !== 304) return [status, status < 400 ? field(response, "location") : null];
  const [, boundary = "\0"] = /boundary=(\w+)/.exec(field(response, "content-type") ?? "") ?? [];
  const plain = (text: string) => text.replaceAll(boundary, "BOUNDARY");
  // A boundary's length is in the length of what it divides.
  const names = COMPARED.filter((name) =>
    !without.includes(name) && !(name === "content-length" && boundary !== "\0")
  );
  const fields = names.map((name) => [name, plain(field(response, name) ?? "-")]);
  return [status, goesOn, fields, plain(textOf(response)).replace(/^\r\n/, "")];
}

/** Where the two differ: the status of each, or fields that are not compared; and why ours is as it is. */
type Difference =
  | { readonly nginx: number | "closed"; readonly pollux: number; readonly because: string }
  | { readonly without: readonly string[]; readonly because: string };

const H = "Host: h\r\n";
const ROWS: readonly (readonly [request: string, difference?: Difference])[] = [
  // files
  [get("/a.txt")],
  [get("/page.html")],
  [get("/style.css")],
  [get("/data.json"), {
    without: ["content-type"],
    because: "a JSON text is UTF-8, and old clients are told",
  }],
  [get("/picture.png")],
  [get("/empty.txt")],
  [get("/long.txt")],
  [get("/a%20b.txt")],
  [get("/gr%C3%B6%C3%9Fe.txt")],
  [get("/50%25.txt")],
  [get("/a+b.txt")],
  [get("/%61.txt")],
  [get("/a.txt?query=1&x")],
  [get("/dir/")],
  [get("/dir?a=b"), { nginx: 301, pollux: 308, because: "a 301 lets clients turn a POST into a GET" }],
  [get("/nothing")],
  [get("/a.txt/")],
  [get("/none/"), {
    nginx: 403,
    pollux: 404,
    because: "a folder that is not listed says nothing of its being there",
  }],
  [get("/.hidden"), {
    nginx: 200,
    pollux: 404,
    because: "hidden files are not served unless the route says so",
  }],
  // dot segments, slashes, escapes
  [get("/dir/../a.txt")],
  [get("/./a.txt")],
  [get("/dir/%2e%2e/a.txt")],
  [get("/../a.txt")],
  [get("/%2e%2e/a.txt")],
  [get("//a.txt")],
  [get("/dir%2findex.html"), { nginx: 200, pollux: 404, because: "an encoded slash separates nothing" }],
  [get("/a%00.txt")],
  [get("/%zz")],
  [get("/a.txt?%zz")],
  // HEAD and other methods
  [get("/a.txt").replace("GET", "HEAD")],
  [get("/nothing").replace("GET", "HEAD")],
  [get("/a.txt").replace("GET", "DELETE")],
  [get("/a.txt").replace("GET", "TRACE")],
  [get("/a.txt").replace("GET", "OPTIONS"), {
    nginx: 405,
    pollux: 204,
    because: "OPTIONS says which methods there are (RFC 9110, 9.3.7)",
  }],
  [get("/a.txt").replace("GET", "FOO"), {
    nginx: 405,
    pollux: 501,
    because: "405 is for methods that the server knows (RFC 9110, 9.1)",
  }],
  [`POST /a.txt HTTP/1.1\r\n${H}Content-Length: 3\r\n\r\nabc`],
  // ranges
  [get("/a.txt", "Range: bytes=0-0"), { without: ["accept-ranges"], because: "the same fields as a 200" }],
  [get("/a.txt", "Range: bytes=-3"), { without: ["accept-ranges"], because: "the same fields as a 200" }],
  [get("/a.txt", "Range: bytes=5-100"), { without: ["accept-ranges"], because: "the same fields as a 200" }],
  [get("/a.txt", "Range: bytes=0-1,4-5"), {
    without: ["accept-ranges"],
    because: "the same fields as a 200",
  }],
  [get("/a.txt", "Range: bytes=10-")],
  [get("/a.txt", "Range: lines=0-1")],
  [get("/a.txt", "Range: bytes=a-b"), {
    nginx: 416,
    pollux: 200,
    because: "a malformed Range is ignored (RFC 9110, 14.2)",
  }],
  [get("/a.txt", "Range: bytes=0-0").replace("GET", "HEAD"), {
    nginx: 206,
    pollux: 200,
    because: "Range is defined for GET alone (RFC 9110, 14.2)",
  }],
  [get("/a.txt", "Range: bytes=0-0", "If-Range: {etag}"), {
    without: ["accept-ranges"],
    because: "the same fields as a 200",
  }],
  [get("/a.txt", "Range: bytes=0-0", 'If-Range: "x"')],
  [get("/a.txt", "Range: bytes=0-0", "If-Range: {modified}"), {
    without: ["accept-ranges"],
    because: "the same fields as a 200",
  }],
  // preconditions
  [get("/a.txt", "If-None-Match: {etag}"), {
    without: ["last-modified"],
    because: "the tag is enough (RFC 9110, 15.4.5)",
  }],
  [get("/a.txt", 'If-None-Match: "x", {etag}'), {
    without: ["last-modified"],
    because: "the tag is enough (RFC 9110, 15.4.5)",
  }],
  [get("/a.txt", "If-None-Match: *"), {
    without: ["last-modified"],
    because: "the tag is enough (RFC 9110, 15.4.5)",
  }],
  [get("/a.txt", 'If-None-Match: "x"', "If-Modified-Since: {modified}")],
  [get("/a.txt", "If-Modified-Since: {modified}"), {
    without: ["last-modified"],
    because: "the tag is enough (RFC 9110, 15.4.5)",
  }],
  [get("/a.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT")],
  [get("/a.txt", "If-Match: {etag}")],
  [get("/a.txt", 'If-Match: "x"')],
  [get("/a.txt", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT")],
  [get("/packed.txt", "Accept-Encoding: gzip"), {
    without: ["accept-ranges"],
    because: "a packed form has ranges too",
  }],
  [get("/packed.txt", "Accept-Encoding: gzip;q=0")],
  // connections and versions
  [get("/a.txt", "Connection: close")],
  ["GET /a.txt HTTP/1.0\r\n\r\n"],
  [`GET /a.txt HTTP/1.0\r\n${H}Connection: keep-alive\r\n\r\n`],
  [`\r\n${get("/a.txt")}`],
  [`GET http://h/a.txt HTTP/1.1\r\n${H}\r\n`],
  [`GET /a.txt HTTP/1.1\r\n${H}Content-Length: 3\r\n\r\nabc`],
  [get("/a.txt").replace("1.1", "1.9")],
  [get("/a.txt").replace("1.1", "2.0")],
  // bad requests
  ["GET /a.txt HTTP/1.1\r\n\r\n"],
  [`GET /a.txt HTTP/1.1\r\n${H}${H}\r\n`],
  [get("/a.txt", "A : b")],
  [get("/a.txt", "A: b\0c")],
  ["GET /a.txt HTTP/1.1\nHost: h\n\n", {
    nginx: 200,
    pollux: 400,
    because: "a bare LF ends no line: who is lenient here disagrees with who is not",
  }],
  [get("/a.txt", "Expect: x"), {
    nginx: 200,
    pollux: 417,
    because: "an expectation that is not met (RFC 9110, 10.1.1)",
  }],
  [`GET /a.txt HTTP/1.1\r\n${H}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`],
  [`GET /a.txt HTTP/1.1\r\n${H}Content-Length: +3\r\n\r\nabc`],
  [`GET /a.txt HTTP/1.1\r\n${H}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  [`GET /a.txt HTTP/1.0\r\n${H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  [`GET /a.txt HTTP/1.1\r\n${H}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  [get(`/${"a".repeat(9000)}`)],
  [get("/a.txt", `A: ${"a".repeat(40_000)}`), {
    nginx: 400,
    pollux: 431,
    because: "there is a status for it (RFC 6585, 5)",
  }],
];

/** With each server's own validators. */
function filled(request: string, whole: Response): string {
  return request
    .replaceAll("{etag}", field(whole, "etag") ?? "")
    .replaceAll("{modified}", field(whole, "last-modified") ?? "");
}

const skip = nginxProgram === null ? " (skipped: it needs nginx, Debian's nginx-light)" : "";

Deno.test({
  name: `beside nginx the same requests have the same answers, or a reason why not${skip}`,
  ignore: nginxProgram === null,
  async fn(t) {
    assert(nginxProgram !== null);
    await using pollux = await TestServer.start({ yaml: BASIC_YAML, files: FILES });
    // Both look at the same moment, and at one that is past for both.
    const past = new Date(Date.now() - 3_600_000);
    for (const path of Object.keys(FILES)) await Deno.utime(`${pollux.dir}/${path}`, past, past);
    await using nginx = await Nginx.start(nginxProgram, pollux.dir);
    const wholes = [(await ask(nginx, get("/a.txt"))).response, (await ask(pollux, get("/a.txt"))).response];

    for (const [request, difference] of ROWS) {
      const what = request.length > 300 ? `${request.slice(0, 40)}… (${request.length} bytes)` : request;
      await t.step(JSON.stringify(what).slice(1, -1).replaceAll("\\r\\n", " ").trim(), async () => {
        const theirs = await ask(nginx, filled(request, wholes[0]));
        const ours = await ask(pollux, filled(request, wholes[1]));
        if (difference !== undefined && "nginx" in difference) {
          const { nginx, pollux, because } = difference;
          assertEquals([theirs.response.status, ours.response.status], [nginx, pollux], because);
          return;
        }
        const without = difference?.without ?? [];
        assertEquals(compared(ours, without), compared(theirs, without), difference?.because);
        for (const name of without) {
          const differs = field(theirs.response, name) !== field(ours.response, name);
          assert(differs, `${name} is the same: it can be compared`);
        }
      });
    }

    await t.step("pipelined requests, some of them refused", async () => {
      const paths = ["/a.txt", "/nothing", "/dir/", "/a%20b.txt", "/nothing", "/style.css"];
      const told = async (side: Side) => {
        using client = await side.connect();
        await client.send(paths.map((path) => get(path)).join(""));
        const all: unknown[] = [];
        for (const _ of paths) {
          const response = await client.readResponse();
          all.push(response.status === 200 ? [200, textOf(response)] : response.status);
        }
        return all;
      };
      assertEquals(await told(pollux), await told(nginx));
    });
  },
});
