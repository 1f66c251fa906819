/**
 * Meta-variables: every one, in every shape of request; and what must never become one.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { HttpError } from "../http/error.ts";
import { anExchange, type ExchangeOptions, THE_SITE } from "./exchange_fixture.ts";
import {
  assertFits,
  type RequestFacts,
  requestVariables,
  type ScriptFacts,
  scriptVariables,
  searchArguments,
  staticVariables,
} from "./variables.ts";

const SHARED = staticVariables({}, {}, "/home/www", false);

interface Options
  extends
    ExchangeOptions,
    Partial<Pick<RequestFacts, "pathInfo" | "contentLength">>,
    Partial<Pick<ScriptFacts, "name">> {
  shared?: ReturnType<typeof staticVariables>;
}

function variables(options: Options = {}): Record<string, string> {
  const exchange = anExchange(options);
  const shared = options.shared ?? SHARED;
  const { head, method, target, site, peer, user } = exchange;
  const { name = "/cgi-bin/a.py", pathInfo = "", contentLength = null } = options;
  const pairs = [
    ...scriptVariables(shared, { site, file: "/srv/cgi-bin/a.py", name }),
    ...requestVariables(
      { head, method, target, site, peer, user, pathInfo, contentLength },
      shared.passAuthorization,
    ),
  ];
  const names = pairs.filter((_, i) => i % 2 === 0);
  assertEquals(new Set(names).size, names.length, "each name once");
  return Object.fromEntries(names.map((name, i) => [name, pairs[2 * i + 1]]));
}

/** Only HTTP_*. */
function fieldVariables(fields: [string, string][], passAuthorization = false): Record<string, string> {
  const shared = staticVariables({}, {}, "/", passAuthorization);
  return Object.fromEntries(
    Object.entries(variables({ fields, shared })).filter(([name]) => name.startsWith("HTTP_")),
  );
}

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

test("requestVariables() gives exactly the meta-variables of a plain request", () => {
  assertEquals(variables({ target: "/cgi-bin/a.py?x=1&y=%20", fields: [["Host", "Example.org:8080"]] }), {
    GATEWAY_INTERFACE: "CGI/1.1",
    SERVER_SOFTWARE: "Pollux/0.1",
    SERVER_PROTOCOL: "HTTP/1.1",
    SERVER_NAME: "example.org",
    SERVER_ADDR: "127.0.0.1",
    SERVER_PORT: "8080",
    REQUEST_METHOD: "GET",
    REQUEST_SCHEME: "http",
    REQUEST_URI: "/cgi-bin/a.py?x=1&y=%20",
    QUERY_STRING: "x=1&y=%20",
    DOCUMENT_ROOT: THE_SITE.root,
    SCRIPT_NAME: "/cgi-bin/a.py",
    SCRIPT_FILENAME: "/srv/cgi-bin/a.py",
    PATH_INFO: "",
    REMOTE_ADDR: "192.0.2.7",
    REMOTE_HOST: "192.0.2.7",
    REMOTE_PORT: "40000",
    REDIRECT_STATUS: "200",
    HTTP_HOST: "Example.org:8080",
    HOME: "/home/www",
  });
});

test("requestVariables() sets QUERY_STRING without a query too", () => {
  assertEquals(variables({ target: "/a" }).QUERY_STRING, "");
  assertEquals(variables({ target: "/a?" }).QUERY_STRING, "");
});

test("requestVariables() sets PATH_TRANSLATED only with a PATH_INFO", () => {
  assertEquals(variables().PATH_TRANSLATED, undefined);
  assertEquals(variables({ pathInfo: "/é/b%2Fc" }).PATH_TRANSLATED, "/srv/static/é/b%2Fc");
  assertEquals(variables({ pathInfo: "/a", site: { ...THE_SITE, root: "/" } }).PATH_TRANSLATED, "/a");
});

test("requestVariables() takes CONTENT_LENGTH as given, a zero too", () => {
  assertEquals(variables({ contentLength: 0 }).CONTENT_LENGTH, "0");
  assertEquals(variables({ contentLength: 12 }).CONTENT_LENGTH, "12");
  assertEquals(variables().CONTENT_LENGTH, undefined);
});

test("requestVariables() sets CONTENT_TYPE from the field, but not after a local redirect", () => {
  const fields: [string, string][] = [["content-type", "text/plain; a=\xc3\xa9"]];
  assertEquals(variables({ method: "POST", fields }).CONTENT_TYPE, "text/plain; a=é");
  assertEquals(variables({ method: "POST", redirected: true, fields }).CONTENT_TYPE, undefined);
  assertEquals(variables({ method: "POST", redirected: true, fields }).REQUEST_METHOD, "GET");
});

test("requestVariables() gives SERVER_NAME without port, in any spelling of Host", () => {
  for (
    const [host, name] of [
      ["a.b", "a.b"],
      ["A.b:1", "a.b"],
      ["a.b:", "a.b"],
      ["[::1]", "[::1]"],
      ["[::1]:8080", "[::1]"],
      ["127.0.0.1:80", "127.0.0.1"],
    ]
  ) assertEquals(variables({ fields: [["Host", host]] }).SERVER_NAME, name);
});

test("requestVariables() gives SERVER_NAME without Host from the socket or the site", () => {
  assertEquals(variables({ minor: 0, fields: [] }).SERVER_NAME, "127.0.0.1");
  assertEquals(variables({ fields: [], peer: { localAddress: "::1" } }).SERVER_NAME, "[::1]");
  const site = { ...THE_SITE, hosts: ["*.x.org", "x.org"] };
  assertEquals(variables({ fields: [], site, peer: { localAddress: "" } }).SERVER_NAME, "x.org");
  assertEquals(variables({ fields: [], peer: { localAddress: "", localPort: 0 } }).SERVER_PORT, "80");
});

test("requestVariables() prefers a trusted proxy's host, then the absolute-form's", () => {
  const fields: [string, string][] = [["Host", "host"]];
  assertEquals(variables({ fields, target: "http://auth:1/a?b" }).SERVER_NAME, "auth");
  assertEquals(
    variables({ fields, peer: { host: "front:443" }, target: "http://auth/" }).SERVER_NAME,
    "front",
  );
});

test("requestVariables() gives REQUEST_URI in origin-form", () => {
  assertEquals(variables({ target: "http://h:1/a%20b?c" }).REQUEST_URI, "/a%20b?c");
  assertEquals(variables({ target: "http://h" }).REQUEST_URI, "/");
  assertEquals(variables({ target: "http://h?x" }).REQUEST_URI, "/?x");
});

test("requestVariables() says HTTPS and AUTH_TYPE only where they are so", () => {
  const plain = variables();
  assertEquals([plain.HTTPS, plain.AUTH_TYPE, plain.REMOTE_USER], [undefined, undefined, undefined]);
  const secure = variables({ peer: { scheme: "https" }, user: "ann" });
  assertEquals([secure.HTTPS, secure.REQUEST_SCHEME, secure.AUTH_TYPE, secure.REMOTE_USER], [
    "on",
    "https",
    "Basic",
    "ann",
  ]);
});

test("requestVariables() leaves REMOTE_PORT out where it is unknown", () => {
  assertEquals(variables({ peer: { address: "", port: 0 } }).REMOTE_PORT, undefined);
  assertEquals(variables({ peer: { address: "", port: 0 } }).REMOTE_ADDR, "");
});

test("requestVariables() joins the lines of one name, Cookie with a semicolon", () => {
  assertEquals(
    fieldVariables([["X-A", "1"], ["Cookie", "a=1"], ["x-a", "2"], ["COOKIE", "b=2"], ["X-A", ""]]),
    {
      HTTP_X_A: "1, 2, ",
      HTTP_COOKIE: "a=1; b=2",
    },
  );
});

test("requestVariables() drops Proxy, hop-by-hop fields and those with variables of their own", () => {
  assertEquals(
    fieldVariables([
      ["Proxy", "http://evil"],
      ["pRoXy", "x"],
      ["Proxy-Authorization", "x"],
      ["Proxy-Connection", "x"],
      ["Connection", "close, X-Hop , Host"],
      ["X-Hop", "x"],
      ["Host", "h"],
      ["Keep-Alive", "x"],
      ["TE", "trailers"],
      ["Trailer", "x"],
      ["Transfer-Encoding", "chunked"],
      ["Upgrade", "x"],
      ["Content-Length", "1"],
      ["Content-Type", "a/b"],
      ["Proxied", "kept"],
      ["Ten", "kept"],
    ]),
    { HTTP_HOST: "h", HTTP_PROXIED: "kept", HTTP_TEN: "kept" },
  );
});

test("requestVariables() drops names that are ambiguous as variables", () => {
  assertEquals(
    fieldVariables([["X_A", "bad"], ["X.B", "bad"], ["X!", "bad"], ["X-Forwarded_For", "bad"], [
      "X-Forwarded-For",
      "good",
    ], ["X9", "good"]]),
    { HTTP_X_FORWARDED_FOR: "good", HTTP_X9: "good" },
  );
});

test("requestVariables() gives HTTP_AUTHORIZATION only where the route passes it", () => {
  assertEquals(fieldVariables([["Authorization", "Basic x"]]), {});
  assertEquals(fieldVariables([["Authorization", "Basic x"]], true), { HTTP_AUTHORIZATION: "Basic x" });
});

test("requestVariables() decodes UTF-8 values and refuses other bytes", () => {
  assertEquals(fieldVariables([["X", "\xc3\xa9\xf0\x9f\x98\x80"]]), { HTTP_X: "é😀" });
  assertEquals(fieldVariables([["X", "\xef\xbb\xbfa"]]), { HTTP_X: "\ufeffa" });
  for (const value of ["\xe9", "\xc3", "\xed\xa0\x80", "a\xff"]) {
    assertEquals(assertThrows(() => fieldVariables([["X", value]]), HttpError).status, 400);
  }
});

test("staticVariables() lets env beat what is passed on, and that beat HOME", () => {
  assertEquals(staticVariables({ A: "env" }, { A: "passed", HOME: "/p", TZ: "UTC" }, "/h", false).pairs, [
    "HOME",
    "/p",
    "A",
    "env",
    "TZ",
    "UTC",
  ]);
});

test("searchArguments() takes words of a query without an equals sign", () => {
  assertEquals(searchArguments("GET", "a+b%20c+%3D"), ["a", "b c", "="]);
  assertEquals(searchArguments("HEAD", "caf%C3%A9"), ["café"]);
  assertEquals(searchArguments("GET", "a%2Bb"), ["a+b"]);
});

test("searchArguments() gives none where any word is doubtful", () => {
  for (
    const query of [
      null,
      "",
      "a=b",
      "a+b=",
      "-d",
      "a+-d",
      "%2Dd",
      "%2dd+x",
      "a++b",
      "+",
      "%00",
      "%ff",
      "%C3",
      "%zz",
      "%",
    ]
  ) {
    assertEquals(searchArguments("GET", query), [], String(query));
  }
});

test("searchArguments() gives none for other methods", () => {
  for (const method of ["POST", "PUT", "OPTIONS"]) assertEquals(searchArguments(method, "a+b"), []);
});

test("assertFits() refuses one string that is too long, and takes the longest", () => {
  assertFits(["A", "x".repeat(131_069)], ["y".repeat(131_071)]);
  assertEquals(assertThrows(() => assertFits(["A", "x".repeat(131_070)], []), HttpError).status, 431);
  assertEquals(assertThrows(() => assertFits([], ["é".repeat(65_536)]), HttpError).status, 431);
});

test("assertFits() refuses too much in all", () => {
  const env = Array.from({ length: 2 * 8 }, () => "x".repeat(60_000));
  assertEquals(assertThrows(() => assertFits([...env, ...env], []), HttpError).status, 431);
  assertFits(env.slice(0, 14), []);
});
