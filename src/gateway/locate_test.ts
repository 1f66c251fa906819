/**
 * Which part of a path is the script.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { aRoute } from "../../tests/support/exchange.ts";
import type { GatewayHandlerConfig } from "../config/config.ts";
import { HttpError } from "../http/error.ts";
import { locate, type Look } from "./locate.ts";

const CONFIG: GatewayHandlerConfig = {
  kind: "fastcgi",
  addresses: [],
  root: "/srv/app",
  index: ["index.php", "index.py"],
  env: {},
  timeoutMs: 30_000,
  connections: 32,
  queue: 256,
  queueTimeoutMs: 10_000,
  clientGoneMs: 1000,
  passAuthorization: false,
  headBytes: 65_536,
};

const TREE: Readonly<Record<string, ReturnType<Look>>> = {
  "/srv/app": "folder",
  "/srv/app/index.php": "file",
  "/srv/app/a.php": "file",
  "/srv/app/a.py": "file",
  "/srv/app/picture.jpg": "file",
  "/srv/app/.env": "file",
  "/srv/app/pollux.yaml": "secret",
  "/srv/app/sub": "folder",
  "/srv/app/sub/index.py": "file",
  "/srv/app/sub/b.php": "file",
  "/srv/app/bare": "folder",
  "/srv/app/folder.php": "folder",
  "/srv/app/folder.php/c.php": "file",
  "/srv/app/.well-known": "folder",
  "/srv/app/.well-known/x.php": "file",
};
const look: Look = (path) => TREE[path] ?? "nothing";

function split(rest: string, routePath = "/app/"): string {
  const located = locate(CONFIG, aRoute(routePath), rest, look);
  return located.kind === "slash" ? "slash" : `${located.file} ${located.name} ${located.pathInfo}`;
}

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

test("locate() takes the first segment that names a file, and the rest for PATH_INFO", () => {
  assertEquals(split("/a.py"), "/srv/app/a.py /app/a.py ");
  assertEquals(split("/a.py/x/y"), "/srv/app/a.py /app/a.py /x/y");
  assertEquals(split("/a.php/"), "/srv/app/a.php /app/a.php /");
  assertEquals(split("/sub/b.php/x.php"), "/srv/app/sub/b.php /app/sub/b.php /x.php");
  assertEquals(split("/folder.php/c.php/i"), "/srv/app/folder.php/c.php /app/folder.php/c.php /i");
});

test("locate() takes a segment in .php for a script that only the application can see", () => {
  assertEquals(split("/none.php/x"), "/srv/app/none.php /app/none.php /x");
  assertEquals(split("/no/folder/none.php"), "/srv/app/no/folder/none.php /app/no/folder/none.php ");
  assertEquals(split("/none.PHP/x"), "/srv/app/none.PHP /app/none.PHP /x");
  assertEquals(split("/none.phps/x"), "/srv/app /app /none.phps/x");
});

test("locate() finds a folder's index, and wants the folder's slash", () => {
  assertEquals(split("/"), "/srv/app/index.php /app/index.php ");
  assertEquals(split("", "/app"), "/srv/app/index.php /app/index.php ");
  assertEquals(split("/sub/"), "/srv/app/sub/index.py /app/sub/index.py ");
  assertEquals(split("/sub"), "slash");
  assertEquals(split("/bare/"), "/srv/app /app /bare/");
  assertEquals(split("/bare"), "/srv/app /app /bare");
});

test("locate() takes the application itself for the script where there is no file", () => {
  assertEquals(split("/users/1"), "/srv/app /app /users/1");
  assertEquals(split("/users/1", "/"), "/srv/app  /users/1");
});

test("locate() takes a route that is a script for the script", () => {
  assertEquals(split("", "/blog/index.php"), "/srv/app/index.php /blog/index.php ");
  assertEquals(split("/a/b", "/blog/index.php"), "/srv/app/index.php /blog/index.php /a/b");
});

test("locate() refuses a script behind a file that is none, which PHP would run instead", () => {
  for (const rest of ["/picture.jpg/x.php", "/picture.jpg/a/x.php/b", "/picture.jpg/.php"]) {
    const error = assertThrows(() => split(rest), HttpError, " is a file, and no script is below it");
    assertEquals(error.status, 404, rest);
  }
  assertEquals(split("/picture.jpg/x"), "/srv/app/picture.jpg /app/picture.jpg /x");
});

test("locate() names nothing hidden or secret", () => {
  assertEquals(split("/.env"), "/srv/app /app /.env");
  assertEquals(split("/.hidden/x.php"), "/srv/app /app /.hidden/x.php");
  assertEquals(split("//a.php"), "/srv/app /app //a.php");
  assertEquals(assertThrows(() => split("/pollux.yaml"), HttpError, " is not to be seen").status, 404);
  assertEquals(split("/.well-known/x.php", "/"), "/srv/app/.well-known/x.php /.well-known/x.php ");
  assertEquals(split("/.well-known/x.php"), "/srv/app /app /.well-known/x.php");
});
