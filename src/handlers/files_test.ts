import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import {
  bytesOf,
  exchange,
  type ExchangeFacts,
  fieldOf,
  replyOf,
  textOf,
} from "../../tests/support/exchange.ts";
import { aHandling } from "../cgi/config_fixture.ts";
import type { FilesHandlerConfig } from "../config/config.ts";
import { HttpError } from "../http/error.ts";
import { ManualClock } from "../time/clock.ts";
import { FileServer, filesServices } from "./files.ts";
import type { Outcome, Reply } from "./handler.ts";

/** A folder with a route over it. */
class Site {
  readonly top = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "pollux-files-" }));
  readonly dir = `${this.top}/www`;
  readonly clock = new ManualClock();
  /** How far the wall clock is ahead: files that the test has just written are old then. */
  aheadMs = 60_000;
  stoppedAtMs: number | null = null;
  readonly pauses: number[] = [];
  readonly scripts: string[] = [];
  readonly server: FileServer;
  readonly #config: FilesHandlerConfig;
  readonly #compress: boolean;
  readonly services: ReturnType<typeof filesServices>;

  constructor(
    config: Partial<FilesHandlerConfig> = {},
    secrets: (top: string) => string[] = () => [],
    compress = false,
  ) {
    Deno.mkdirSync(this.dir);
    this.#compress = compress;
    this.#config = {
      kind: "files",
      dir: this.dir,
      index: ["index.html"],
      list: false,
      fallback: null,
      cacheControl: null,
      precompressed: true,
      hidden: false,
      followSymlinks: "inside",
      scripts: [],
      run: aHandling(),
      ...config,
    };
    this.services = {
      ...filesServices(this.clock, secrets(this.top), (_, file, pathInfo) => {
        this.scripts.push(`${file.replace(this.dir, "")} ${pathInfo}`);
        return Promise.resolve({ kind: "reply", status: 200, fields: [], body: null });
      }),
      wallMs: () => (this.stoppedAtMs ?? Date.now()) + this.aheadMs,
      pause: (ms) => {
        this.pauses.push(ms);
        this.aheadMs += ms;
        return Promise.resolve();
      },
    };
    this.server = new FileServer(this.#config, this.services);
  }

  write(name: string, content: string | Uint8Array<ArrayBuffer>): string {
    const path = `${this.dir}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.writeFileSync(path, content);
    return path;
  }

  outcome(path: string, facts: ExchangeFacts = {}): Outcome | Promise<Outcome> {
    return this.server.handle(exchange({ path, compress: this.#compress, ...facts }));
  }

  async get(path: string, fields: Record<string, string> = {}, facts: ExchangeFacts = {}): Promise<Reply> {
    return replyOf(await this.outcome(path, { fields, ...facts }));
  }

  /** The status of a refusal. */
  async refusal(path: string, facts: ExchangeFacts = {}): Promise<HttpError> {
    return await assertRejects(async () => {
      const outcome = await this.outcome(path, facts);
      if (outcome.kind === "refusal") throw outcome.error;
      if (outcome.kind === "reply" && outcome.body !== null && "close" in outcome.body) {
        outcome.body.close(null);
      }
    }, HttpError);
  }

  /** Nobody holds a buffer, and the folder goes. */
  [Symbol.dispose](): void {
    assertEquals(this.services.buffers.inUse, 0);
    Deno.removeSync(this.top, { recursive: true });
  }
}

function status(error: HttpError): number {
  return error.status;
}

/** More than is kept in memory. */
function largeContent(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: 700_001 }, (_, i) => (i * 31 + (i >> 8)) & 255);
}

Deno.test("files: a small file has its content, type, length and validators", async () => {
  using site = new Site({ cacheControl: "max-age=60" });
  site.write("a.html", "<p>hello");
  const reply = await site.get("/a.html");
  assertEquals(reply.status, 200);
  assertEquals(await textOf(reply), "<p>hello");
  assertEquals(fieldOf(reply, "Content-Type"), "text/html; charset=utf-8");
  assertEquals(fieldOf(reply, "Accept-Ranges"), "bytes");
  assertEquals(fieldOf(reply, "Cache-Control"), "max-age=60");
  assertEquals(fieldOf(reply, "Vary"), null);
  assertMatch(fieldOf(reply, "ETag") ?? "", /^"[^"]+"$/);
  assertMatch(fieldOf(reply, "Last-Modified") ?? "", / GMT$/);
});

Deno.test("files: an empty file is an empty answer, and its ranges are unsatisfiable", async () => {
  using site = new Site();
  site.write("empty.txt", "");
  assertEquals(await textOf(await site.get("/empty.txt")), "");
  const refused = await site.refusal("/empty.txt", { fields: { Range: "bytes=0-" } });
  assertEquals(status(refused), 416);
  assertEquals(refused.fields[0], ["Content-Range", "bytes */0"]);
});

Deno.test("files: a remembered file is answered at once, with the same reply", async () => {
  using site = new Site();
  site.write("a.txt", "a");
  const first = await site.get("/a.txt");
  assertStrictEquals(site.outcome("/a.txt"), first);
  site.clock.turn(500); // long enough to look at the file again, which takes no waiting either
  assertStrictEquals(site.outcome("/a.txt"), first);
  site.clock.turn(2000);
  assertStrictEquals(await site.outcome("/a.txt"), first);
});

Deno.test("files: a small file has another strong tag as soon as its content is another, and only then", async () => {
  using site = new Site();
  const path = site.write("a.txt", "one");
  const { atime, mtime } = Deno.statSync(path);
  site.aheadMs = 0; // in the same second, of which the file system tells no more
  const etag = async () => {
    site.clock.turn(10);
    return fieldOf(await site.get("/a.txt"), "ETag") ?? "";
  };
  const first = await etag();
  assertMatch(first, /^"/);
  Deno.writeTextFileSync(path, "two");
  Deno.utimeSync(path, atime ?? 0, mtime ?? 0); // same length, same modification time
  const second = await etag();
  assertNotEquals(second, first);
  assertEquals(await textOf(await site.get("/a.txt")), "two");
  Deno.writeTextFileSync(path, "one");
  assertEquals(await etag(), first);
  assertEquals(site.pauses, []);
});

Deno.test("files: a change shows without waiting a second, at the next look within the same second", async () => {
  using site = new Site();
  site.write("a.txt", "one");
  await site.get("/a.txt");
  site.write("a.txt", "three");
  site.clock.turn(10);
  assertEquals(await textOf(await site.get("/a.txt")), "three");
  Deno.removeSync(`${site.dir}/a.txt`);
  site.clock.turn(10);
  assertEquals(status(await site.refusal("/a.txt")), 404);
  site.write("a.txt", "four");
  site.clock.turn(10);
  assertEquals(await textOf(await site.get("/a.txt")), "four");
});

Deno.test("files: a large file that has just been written is waited for, so that its tag can be strong", async () => {
  using site = new Site();
  const path = site.write("large.bin", largeContent());
  const modifiedMs = Deno.statSync(path).mtime?.getTime() ?? 0;
  site.aheadMs = 3;
  site.stoppedAtMs = modifiedMs;
  const etag = fieldOf(await site.get("/large.bin", {}, { method: "HEAD" }), "ETag") ?? "";
  // One time in a thousand the time falls on a whole second, as all do where the clock is coarse: a weak tag, no wait.
  const looksCoarse = modifiedMs % 1000 === 0;
  assertEquals([site.pauses.length > 0, etag.startsWith("W/")], [!looksCoarse, looksCoarse]);
});

Deno.test("files: a large file whose times cannot be trusted has a weak tag, by which no range is cut", async () => {
  using site = new Site();
  const path = site.write("large.bin", largeContent());
  Deno.utimeSync(path, 1000, 1000); // set back, so that only the time of change tells, to the second
  site.aheadMs = 0;
  site.stoppedAtMs = Date.now();
  const weak = fieldOf(await site.get("/large.bin", {}, { method: "HEAD" }), "ETag") ?? "";
  assertMatch(weak, /^W\/"/);
  const whole = await site.get("/large.bin", { Range: "bytes=0-0", "If-Range": weak });
  assertEquals([whole.status, (await bytesOf(whole.body)).length], [200, 700_001]);
  site.aheadMs = 60_000;
  site.clock.turn(1000);
  const strong = fieldOf(await site.get("/large.bin", {}, { method: "HEAD" }), "ETag") ?? "";
  assertMatch(strong, /^"/);
  const part = await site.get("/large.bin", { Range: "bytes=0-0", "If-Range": strong });
  assertEquals([part.status, (await bytesOf(part.body)).length], [206, 1]);
});

Deno.test("files: after a write of our own nothing is believed without a look at the disk", async () => {
  using site = new Site();
  site.write("a.txt", "a");
  await site.get("/a.txt");
  await site.refusal("/new.txt");
  site.write("a.txt", "changed");
  site.write("new.txt", "new");
  site.services.cache.doubtAll();
  assertEquals(await textOf(await site.get("/a.txt")), "changed");
  assertEquals(await textOf(await site.get("/new.txt")), "new");
});

Deno.test("files: validatorsOf() tells what is on disk now, for whoever is about to change it", async () => {
  using site = new Site();
  site.write("a.txt", "a");
  const etag = fieldOf(await site.get("/a.txt"), "ETag");
  assertEquals((await site.server.validatorsOf(exchange({ path: "/a.txt" })))?.etag, etag);
  site.write("a.txt", "b");
  assertNotEquals((await site.server.validatorsOf(exchange({ path: "/a.txt" })))?.etag, etag);
  assertEquals(await site.server.validatorsOf(exchange({ path: "/missing" })), null);
});

/** A gzip stream's content as text. */
async function gunzip(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

Deno.test("files: text is compressed where the route says so, once for a small file", async () => {
  using site = new Site({}, () => [], true);
  const text = "hello world. ".repeat(1000);
  site.write("a.txt", text);
  site.write("short.txt", "short");
  site.write("a.png", text);
  const gzip = { "Accept-Encoding": "gzip" };
  const reply = await site.get("/a.txt", gzip);
  assert(reply.body instanceof Uint8Array);
  assertEquals(await gunzip(reply.body), text);
  assertEquals([fieldOf(reply, "Content-Encoding"), fieldOf(reply, "Vary")], ["gzip", "Accept-Encoding"]);
  assertStrictEquals(await site.get("/a.txt", gzip), reply);
  const plain = await site.get("/a.txt");
  assertEquals([await textOf(plain), fieldOf(plain, "Vary")], [text, "Accept-Encoding"]);
  const [plainTag, gzipTag] = [fieldOf(plain, "ETag") ?? "", fieldOf(reply, "ETag") ?? ""];
  assertEquals(gzipTag, `W/${plainTag.slice(0, -1)}.gzip"`);
  assertEquals((await site.get("/a.txt", { ...gzip, "If-None-Match": gzipTag })).status, 304);
  assertEquals((await site.get("/a.txt", { ...gzip, "If-None-Match": plainTag })).status, 200);
  const part = await site.get("/a.txt", { ...gzip, Range: "bytes=0-4" });
  assertEquals([part.status, await textOf(part)], [206, "hello"]);
  for (const path of ["/short.txt", "/a.png"]) {
    const uncoded = await site.get(path, gzip);
    assertEquals([fieldOf(uncoded, "Content-Encoding"), fieldOf(uncoded, "Vary")], [null, null]);
  }
  assertEquals(
    fieldOf(await site.get("/a.txt", { "Accept-Encoding": "gzip, br" }), "Content-Encoding"),
    "br",
  );
  site.write("a.txt", text.toUpperCase());
  site.clock.turn(10);
  const changed = await site.get("/a.txt", gzip);
  assertEquals(await gunzip(await bytesOf(changed.body)), text.toUpperCase());
});

Deno.test("files: large text is compressed while it is sent, and a precompressed copy is preferred", async () => {
  using site = new Site({}, () => [], true);
  const text = "hello world. ".repeat(30_000);
  site.write("large.txt", text);
  const gzip = { "Accept-Encoding": "gzip" };
  const reply = await site.get("/large.txt", gzip);
  assert(reply.body !== null && "read" in reply.body);
  assertEquals([reply.body.length, fieldOf(reply, "Content-Encoding")], [null, "gzip"]);
  assertEquals(await gunzip(await bytesOf(reply.body)), text);
  const head = await site.get("/large.txt", gzip, { method: "HEAD" });
  assertEquals(head.fields, reply.fields);
  site.write("large.txt.gz", "copy");
  site.clock.turn(1000);
  assertEquals(await textOf(await site.get("/large.txt", gzip)), "copy");
});

Deno.test("files: no answer is older than what it says of its content", async () => {
  using site = new Site();
  site.write("a.txt", "a");
  const future = new Date(Date.now() + 3_600_000);
  Deno.utimeSync(`${site.dir}/a.txt`, future, future);
  const said = fieldOf(await site.get("/a.txt"), "Last-Modified") ?? "";
  assert(Date.parse(said) <= Date.now() + site.aheadMs, said);
  // By a date that will come there is no telling one content from the next.
  const ranged = await site.get("/a.txt", { Range: "bytes=0-0", "If-Range": said });
  assertEquals(ranged.status, 200);
  assertEquals((await site.get("/a.txt", { "If-Modified-Since": said })).status, 304);
});

Deno.test("files: preconditions are answered from memory and from disk alike", async () => {
  using site = new Site();
  site.write("small.txt", "small");
  site.write("large.bin", largeContent());
  for (const path of ["/small.txt", "/large.bin"]) {
    const head = await site.get(path, {}, { method: "HEAD" });
    const etag = fieldOf(head, "ETag") ?? "";
    const modified = fieldOf(head, "Last-Modified") ?? "";
    for (
      const [name, value] of [["If-None-Match", etag], ["If-None-Match", "*"], [
        "If-Modified-Since",
        modified,
      ]]
    ) {
      const reply = await site.get(path, { [name]: value });
      assertEquals([reply.status, reply.body], [304, null]);
      assertEquals(fieldOf(reply, "ETag"), etag);
      assertEquals(fieldOf(reply, "Content-Type"), null);
    }
    const fields = { "If-Match": '"other"' };
    assertEquals(status(await site.refusal(path, { fields })), 412);
    const proceeds = await site.get(path, { "If-Match": etag, "If-None-Match": '"other"' });
    assertEquals((await bytesOf(proceeds.body)).length, Deno.statSync(site.dir + path).size);
  }
});

Deno.test("files: HEAD announces the length without opening a large file", async () => {
  using site = new Site();
  site.write("large.bin", largeContent());
  const reply = await site.get("/large.bin", {}, { method: "HEAD" });
  assert(reply.body !== null && "read" in reply.body);
  assertEquals(reply.body.length, 700_001);
  assertEquals(fieldOf(reply, "Content-Type"), "application/octet-stream");
});

Deno.test("files: a large file is sent whole and in parts, byte for byte", async () => {
  using site = new Site();
  const content = largeContent();
  site.write("large.bin", content);
  assertEquals(await bytesOf((await site.get("/large.bin")).body), content);
  const rows: [string, number, number][] = [
    ["bytes=0-0", 0, 1],
    ["bytes=1000-299999", 1000, 300_000],
    ["bytes=700000-", 700_000, 700_001],
    ["bytes=-5", 699_996, 700_001],
  ];
  for (const [range, start, end] of rows) {
    const reply = await site.get("/large.bin", { Range: range });
    assertEquals(reply.status, 206);
    assertEquals(fieldOf(reply, "Content-Range"), `bytes ${start}-${end - 1}/700001`);
    assertEquals(await bytesOf(reply.body), content.slice(start, end));
  }
});

Deno.test("files: several ranges become a multipart body, from memory and from disk", async () => {
  using site = new Site();
  const content = largeContent();
  site.write("large.bin", content);
  site.write("small.bin", content.slice(0, 2000));
  for (const [path, length] of [["/large.bin", 700_001], ["/small.bin", 2000]] as const) {
    const reply = await site.get(path, { Range: "bytes=0-9,100-199,-10" });
    assertEquals(reply.status, 206);
    const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(fieldOf(reply, "Content-Type") ?? "")
      ?.[1];
    assertEquals(fieldOf(reply, "Content-Range"), null);
    const latin1 = (bytes: Uint8Array) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    const part = (start: number, end: number) =>
      `--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${start}-${
        end - 1
      }/${length}\r\n\r\n` +
      `${latin1(content.slice(start, end))}\r\n`;
    assertEquals(
      latin1(await bytesOf(reply.body)),
      `${part(0, 10)}${part(100, 200)}${part(length - 10, length)}--${boundary}--\r\n`,
    );
  }
});

Deno.test("files: ranges that cannot be, and those not worth it", async () => {
  using site = new Site();
  site.write("a.txt", "0123456789");
  assertEquals(status(await site.refusal("/a.txt", { fields: { Range: "bytes=10-" } })), 416);
  for (const range of ["bytes=5-4", "items=0-1", "bytes=0-,0-,0-"]) {
    assertEquals((await site.get("/a.txt", { Range: range })).status, 200);
  }
  assertEquals((await site.get("/a.txt", { Range: "bytes=0-1", "If-Range": '"other"' })).status, 200);
  const reply = await site.get("/a.txt", {
    Range: "bytes=0-1",
    "If-Range": fieldOf(await site.get("/a.txt"), "ETag") ?? "",
  });
  assertEquals([reply.status, await textOf(reply)], [206, "01"]);
});

Deno.test("files: a folder's index, its slash, and nothing where there is no index", async () => {
  using site = new Site();
  site.write("index.html", "top");
  site.write("sub/index.html", "sub");
  site.write("bare/x.txt", "x");
  assertEquals(await textOf(await site.get("/")), "top");
  assertEquals(await textOf(await site.get("/sub/")), "sub");
  const redirect = await site.get("/sub", {}, { query: "a=b&c" });
  assertEquals([redirect.status, fieldOf(redirect, "Location")], [308, "/sub/?a=b&c"]);
  assertEquals(status(await site.refusal("/bare/")), 404);
  assertEquals((await site.get("/bare")).status, 308);
});

Deno.test("files: the redirect to a folder stays on this host and is percent-encoded", async () => {
  using site = new Site();
  site.write("a b?é/index.html", "x");
  assertEquals(fieldOf(await site.get("/a%20b%3F%C3%A9"), "Location"), "/a%20b%3F%C3%A9/");
  // The path below the route names the folder; the whole path may begin with several slashes.
  const reply = await site.get("//evil.example/a%20b%3F%C3%A9", {}, { rest: "/a b?é" });
  assertEquals(fieldOf(reply, "Location"), "/evil.example/a%20b%3F%C3%A9/");
});

Deno.test("files: what leads to nothing, or to a folder, is known at once, and seen within 10 ms when that changes", async () => {
  using site = new Site({ scripts: [] });
  site.write("bare/x.txt", "x");
  const paths = ["/missing", "/missing/deep/down", "/bare/", "/bare", "/a.txt\0"];
  for (const path of paths) await site.outcome(path);
  for (const path of paths) {
    site.clock.turn(10);
    const known = site.outcome(path);
    assertFalse(known instanceof Promise, path);
    if (!(known instanceof Promise)) assertEquals(known.kind, path === "/bare" ? "reply" : "refusal");
  }
  site.write("missing/deep/down", "there");
  site.write("bare/index.html", "index");
  site.clock.turn(10);
  assertEquals((await site.get("/missing")).status, 308);
  assertEquals(await textOf(await site.get("/missing/deep/down")), "there");
  assertEquals(await textOf(await site.get("/bare/")), "index");
  Deno.removeSync(`${site.dir}/missing`, { recursive: true });
  site.clock.turn(10);
  assertEquals(status(await site.refusal("/missing")), 404);
  assertEquals(status(await site.refusal("/missing/deep/down")), 404);
});

Deno.test("files: a script that appears above a path that led to nothing is found", async () => {
  using site = new Site({ scripts: [".php"] });
  assertEquals(status(await site.refusal("/app.php/x")), 404);
  site.write("app.php", "<?php");
  site.clock.turn(10);
  await site.get("/app.php/x");
  assertEquals(site.scripts, ["/app.php /x"]);
});

Deno.test("files: an index that appears before another one in order is found within a second", async () => {
  using site = new Site({ index: ["index.html", "index.txt"] });
  site.write("index.txt", "text");
  assertEquals(await textOf(await site.get("/")), "text");
  site.write("index.html", "html");
  site.clock.turn(1000);
  assertEquals(await textOf(await site.get("/")), "html");
});

Deno.test("files: names that cannot be, or must not be, are not found", async () => {
  using site = new Site();
  site.write("a.txt", "a");
  site.write("sub/b.txt", "b");
  site.write(".secret", "s");
  site.write(".git/config", "s");
  site.write("a%2Fb", "literal");
  Deno.writeTextFileSync(`${site.top}/outside.txt`, "o");
  for (
    const rest of [
      "/missing",
      "/a.txt/",
      "/a.txt/b",
      "//a.txt",
      "/sub//b.txt",
      "/.secret",
      "/.git/config",
      "/.git/",
      "/../outside.txt",
      "/sub/../../outside.txt",
      "/./a.txt",
      "/..",
      "/a.txt\0",
      "/a.txt\0.html",
      `/${"x".repeat(300)}`,
      `/${"x/".repeat(4000)}`,
    ]
  ) assertEquals(status(await site.refusal("/", { rest })), 404, rest);
  assertEquals(
    status(await site.refusal("/sub%2Fb.txt", { rest: "/sub%2Fb.txt", hasEncodedSlash: true })),
    404,
  );
  assertEquals(status(await site.refusal("/a", { rest: "/a%2Fb", hasEncodedSlash: true })), 404);
  assertEquals(status(await site.refusal("/a", { rest: "/a.txt", isUtf8: false })), 404);
  assertEquals(await textOf(await site.get("/a", {}, { rest: "/a%2Fb" })), "literal");
});

Deno.test("files: hidden names are served where the route says so, and .well-known always", async () => {
  using site = new Site();
  using open = new Site({ hidden: true });
  open.write(".secret", "s");
  assertEquals(await textOf(await open.get("/.secret")), "s");
  site.write(".well-known/security.txt", "w");
  site.write(".well-known/.x", "x");
  site.write("sub/.well-known/x", "x");
  assertEquals(await textOf(await site.get("/.well-known/security.txt")), "w");
  assertEquals(status(await site.refusal("/.well-known/.x")), 404);
  assertEquals(status(await site.refusal("/sub/.well-known/x")), 404);
  // Below another route a folder of that name is nothing special.
  using images = new Site();
  images.write(".well-known/x", "x");
  assertEquals(status(await images.refusal("/img/.well-known/x", { rest: "/.well-known/x" })), 404);
});

/** Links of all kinds, under each rule: which of them lead to their file. */
async function followed(rule: FilesHandlerConfig["followSymlinks"]): Promise<string[]> {
  using site = new Site({ followSymlinks: rule });
  site.write("real/a.txt", "a");
  Deno.mkdirSync(`${site.top}/www-old`);
  Deno.writeTextFileSync(`${site.top}/www-old/a.txt`, "a");
  Deno.symlinkSync("real/a.txt", `${site.dir}/file-inside`);
  Deno.symlinkSync("real", `${site.dir}/folder-inside`);
  Deno.symlinkSync(`${site.top}/www-old/a.txt`, `${site.dir}/file-outside`);
  Deno.symlinkSync("../www-old", `${site.dir}/folder-outside`);
  Deno.symlinkSync("file-outside", `${site.dir}/by-way-of-another`);
  Deno.symlinkSync("real/../../www-old/a.txt", `${site.dir}/with-dots`);
  Deno.symlinkSync("nowhere", `${site.dir}/dangling`);
  Deno.symlinkSync("loop", `${site.dir}/loop`);
  Deno.mkdirSync(`${site.dir}/index`);
  Deno.symlinkSync("../../www-old/a.txt", `${site.dir}/index/index.html`);
  const found: string[] = [];
  for (
    const path of [
      "/real/a.txt",
      "/file-inside",
      "/folder-inside/a.txt",
      "/file-outside",
      "/folder-outside/a.txt",
      "/by-way-of-another",
      "/with-dots",
      "/dangling",
      "/loop",
      "/index/",
    ]
  ) {
    try {
      if (await textOf(await site.get(path)) === "a") found.push(path);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      assertEquals(error.status, 404, path);
    }
  }
  return found;
}

Deno.test("files: follow_symlinks inside, always and never", async () => {
  const inside = ["/real/a.txt", "/file-inside", "/folder-inside/a.txt"];
  assertEquals(await followed("never"), ["/real/a.txt"]);
  assertEquals(await followed("inside"), inside);
  assertEquals(await followed("always"), [
    ...inside,
    "/file-outside",
    "/folder-outside/a.txt",
    "/by-way-of-another",
    "/with-dots",
    "/index/",
  ]);
});

Deno.test("files: a link that is turned outside is no longer followed", async () => {
  using site = new Site();
  site.write("inside.txt", "in");
  Deno.writeTextFileSync(`${site.top}/outside.txt`, "out");
  Deno.symlinkSync("inside.txt", `${site.dir}/link`);
  assertEquals(await textOf(await site.get("/link")), "in");
  Deno.removeSync(`${site.dir}/link`);
  Deno.symlinkSync("../outside.txt", `${site.dir}/link`);
  site.clock.turn(10);
  assertEquals(status(await site.refusal("/link")), 404);
});

Deno.test("files: the folder itself may be a link, and may be turned to another release", async () => {
  using site = new Site();
  Deno.removeSync(site.dir);
  for (const release of ["one", "two"]) {
    Deno.mkdirSync(`${site.top}/${release}`);
    Deno.writeTextFileSync(`${site.top}/${release}/a.txt`, release);
  }
  Deno.symlinkSync("one", site.dir);
  assertEquals(await textOf(await site.get("/a.txt")), "one");
  Deno.removeSync(site.dir);
  Deno.symlinkSync("two", site.dir);
  site.clock.turn(10);
  assertEquals(await textOf(await site.get("/a.txt")), "two");
});

Deno.test("files: special files are not found, and not opened", async () => {
  using site = new Site();
  const { success } = await new Deno.Command("mkfifo", { args: [`${site.dir}/fifo`] }).output();
  assert(success);
  Deno.symlinkSync("fifo", `${site.dir}/link`);
  // Opening a pipe that nobody writes to would never end.
  assertEquals(status(await site.refusal("/fifo")), 404);
  assertEquals(status(await site.refusal("/link")), 404);
});

Deno.test("files: secrets are not found by their name, by a link, or by a hard link", async () => {
  using site = new Site(
    { followSymlinks: "always", list: true },
    (top) => [`${top}/www/pollux.yaml`, `${top}/htpasswd`],
  );
  site.write("pollux.yaml", "secret");
  Deno.writeTextFileSync(`${site.top}/htpasswd`, "secret");
  site.write("other.txt", "other");
  Deno.symlinkSync("pollux.yaml", `${site.dir}/soft-inside`);
  Deno.symlinkSync("../htpasswd", `${site.dir}/soft-outside`);
  Deno.linkSync(`${site.top}/htpasswd`, `${site.dir}/hard`);
  for (const path of ["/pollux.yaml", "/soft-inside", "/soft-outside", "/hard"]) {
    assertEquals(status(await site.refusal(path)), 404, path);
  }
  assertEquals(await textOf(await site.get("/other.txt")), "other");
  const names = JSON.parse(await textOf(await site.get("/", { Accept: "application/json" })));
  assertEquals(names.map((entry: { name: string }) => entry.name), ["other.txt"]);
});

Deno.test("files: a secret that is put in place while the server runs is noticed", async () => {
  using site = new Site({}, (top) => [`${top}/htpasswd`]);
  site.write("a.txt", "a");
  assertEquals(await textOf(await site.get("/a.txt")), "a");
  Deno.linkSync(`${site.dir}/a.txt`, `${site.top}/htpasswd`);
  site.clock.turn(1000);
  assertEquals(status(await site.refusal("/a.txt")), 404);
});

Deno.test("files: precompressed forms go to those who take them, with a tag of their own", async () => {
  using site = new Site();
  site.write("a.css", "plain");
  site.write("a.css.gz", "gzipped");
  site.write("a.css.br", "brotli");
  const rows: [string | null, string, string | null][] = [
    [null, "plain", null],
    ["gzip", "gzipped", "gzip"],
    ["gzip, br", "brotli", "br"],
    ["gzip;q=1, br;q=0.5", "gzipped", "gzip"],
    ["br;q=0, gzip", "gzipped", "gzip"],
    ["deflate", "plain", null],
    ["identity;q=0, gzip", "gzipped", "gzip"],
  ];
  const tags = new Set<string | null>();
  for (const [accept, content, coding] of rows) {
    const reply = await site.get("/a.css", accept === null ? {} : { "Accept-Encoding": accept });
    assertEquals(await textOf(reply), content, accept ?? "none");
    assertEquals(fieldOf(reply, "Content-Encoding"), coding);
    assertEquals(fieldOf(reply, "Content-Type"), "text/css; charset=utf-8");
    assertEquals(fieldOf(reply, "Vary"), "Accept-Encoding");
    const etag = fieldOf(reply, "ETag") ?? "";
    tags.add(etag);
    const again = await site.get("/a.css", {
      "If-None-Match": etag,
      ...(accept === null ? {} : { "Accept-Encoding": accept }),
    });
    assertEquals([again.status, fieldOf(again, "Vary")], [304, "Accept-Encoding"]);
  }
  assertEquals(tags.size, 3);
  const part = await site.get("/a.css", { "Accept-Encoding": "gzip", Range: "bytes=0-1" });
  assertEquals([part.status, await textOf(part), fieldOf(part, "Content-Encoding")], [206, "pl", null]);
  assertEquals(status(await site.refusal("/a.css", { fields: { "Accept-Encoding": "identity;q=0" } })), 406);
});

Deno.test("files: a precompressed form that is older than the file is not served, nor one that leads outside", async () => {
  using site = new Site();
  site.write("a.css", "plain");
  const stale = site.write("a.css.gz", "stale");
  Deno.utimeSync(stale, 1000, 1000);
  Deno.writeTextFileSync(`${site.top}/outside`, "out");
  Deno.symlinkSync("../outside", `${site.dir}/a.css.br`);
  const reply = await site.get("/a.css", { "Accept-Encoding": "gzip, br" });
  assertEquals([await textOf(reply), fieldOf(reply, "Vary")], ["plain", null]);
  Deno.writeTextFileSync(stale, "fresh");
  site.clock.turn(1000);
  assertEquals(await textOf(await site.get("/a.css", { "Accept-Encoding": "gzip" })), "fresh");
  using without = new Site({ precompressed: false });
  without.write("a.css", "plain");
  without.write("a.css.gz", "gzipped");
  assertEquals(await textOf(await without.get("/a.css", { "Accept-Encoding": "gzip" })), "plain");
});

Deno.test("files: other methods than GET and HEAD are refused with Allow", async () => {
  using site = new Site();
  site.write("a.txt", "a");
  for (const method of ["POST", "PUT", "DELETE"]) {
    const refused = await site.refusal("/a.txt", { method });
    assertEquals([refused.status, refused.fields[0]], [405, ["Allow", "GET, HEAD"]]);
  }
});

Deno.test("files: the fallback answers where no file is found, once", async () => {
  using site = new Site({ fallback: "/app.html" });
  site.write("a.txt", "a");
  assertEquals(await textOf(await site.get("/a.txt")), "a");
  for (const path of ["/missing", "/.hidden"]) {
    assertEquals(await site.outcome(path), { kind: "reroute", target: "/app.html", as: "fallback" });
  }
  assertEquals(await site.outcome("/x%2Fy", { rest: "/x%2Fy", hasEncodedSlash: true, query: "q=1" }), {
    kind: "reroute",
    target: "/app.html?q=1",
    as: "fallback",
  });
  assertEquals(status(await site.refusal("/app.html")), 404);
});

Deno.test("files: scripts are run, with PATH_INFO, and never sent as text", async () => {
  using site = new Site({ scripts: [".php"], index: ["index.php"] });
  site.write("index.php", "<?php");
  site.write("sub/app.php", "<?php");
  site.write("UPPER.PHP", "<?php");
  site.write("dir.php/a.txt", "a");
  Deno.symlinkSync("sub/app.php", `${site.dir}/app.txt`);
  for (
    const path of [
      "/",
      "/index.php",
      "/sub/app.php",
      "/sub/app.php/",
      "/sub/app.php/x/y",
      "/UPPER.PHP",
      "/app.txt",
    ]
  ) {
    await site.get(path, {}, { method: "POST" });
  }
  await site.get("/sub/app.php/a%2Fb", {}, { rest: "/sub/app.php/a%2Fb", hasEncodedSlash: true });
  assertEquals(site.scripts, [
    "/index.php ",
    "/index.php ",
    "/sub/app.php ",
    "/sub/app.php /",
    "/sub/app.php /x/y",
    "/UPPER.PHP ",
    "/app.txt ",
    "/sub/app.php /a%2Fb",
  ]);
  assertEquals(await textOf(await site.get("/dir.php/a.txt")), "a");
  assertEquals(status(await site.refusal("/missing.php/x")), 404);
});

Deno.test("files: a file that shrinks while it is sent breaks the answer off", async () => {
  using site = new Site();
  const path = site.write("large.bin", largeContent());
  const { body } = await site.get("/large.bin");
  assert(body !== null && "read" in body);
  assert(await body.read() !== null);
  Deno.truncateSync(path, 300_000);
  await assertRejects(
    async () => {
      while (await body.read() !== null);
    },
    Error,
    "shorter",
  );
  body.close(null);
});

Deno.test("files: of a file that grows or is replaced while it is sent, what was announced is sent", async () => {
  using site = new Site();
  const content = largeContent();
  const path = site.write("large.bin", content);
  const { body } = await site.get("/large.bin");
  Deno.writeTextFileSync(path, "more", { append: true });
  assertEquals((await bytesOf(body)).length, content.length);

  site.write("large.bin", content);
  site.clock.turn(1000);
  const replaced = await site.get("/large.bin");
  Deno.writeTextFileSync(`${site.top}/new`, "new");
  Deno.renameSync(`${site.top}/new`, path);
  assertEquals(await bytesOf(replaced.body), content);
  site.clock.turn(10);
  assertEquals(await textOf(await site.get("/large.bin")), "new");
});

Deno.test("files: a large file that changed since it was looked at is answered as it is now", async () => {
  using site = new Site();
  site.write("large.bin", largeContent());
  const before = await site.get("/large.bin", {}, { method: "HEAD" });
  const changed = largeContent().fill(7, 0, 600_000).subarray(0, 650_000);
  site.write("large.bin", changed);
  // Still believed: only opening it shows the change.
  const after = await site.get("/large.bin");
  assertEquals(await bytesOf(after.body), changed);
  assertNotEquals(fieldOf(after, "ETag"), fieldOf(before, "ETag"));
});

Deno.test("files: a source may be closed while it reads, and more than once", async () => {
  using site = new Site();
  site.write("large.bin", largeContent());
  const { body } = await site.get("/large.bin");
  assert(body !== null && "read" in body);
  const reading = body.read();
  body.close(new Error("the client has gone"));
  body.close(null);
  assertEquals(site.services.buffers.inUse, 1);
  await reading;
  assertEquals(site.services.buffers.inUse, 0);
});

Deno.test("files: requests at once for one new file are answered by one reading", async () => {
  using site = new Site();
  site.write("a.txt", "a");
  const replies = await Promise.all(Array.from({ length: 20 }, () => site.get("/a.txt")));
  for (const reply of replies) assertStrictEquals(reply, replies[0]);
});

/** Exchanges a folder for a link, and back, as fast as a thread can, until the flag is set. */
const SWAPPER = `onmessage = ({ data: { dir, flag } }) => {
  const isDone = new Int32Array(flag);
  while (Atomics.load(isDone, 0) === 0) {
    Deno.renameSync(dir + "/real", dir + "/aside");
    Deno.renameSync(dir + "/link", dir + "/real");
    Deno.renameSync(dir + "/real", dir + "/link");
    Deno.renameSync(dir + "/aside", dir + "/real");
  }
  postMessage("done");
};`;

Deno.test("files: a folder that another thread exchanges for a link, over and over, never leads outside", async () => {
  using site = new Site();
  for (const [folder, text] of [[`${site.dir}/real`, "inside"], [`${site.top}/outside`, "outside"]]) {
    Deno.mkdirSync(folder);
    Deno.writeTextFileSync(`${folder}/small.txt`, text);
    Deno.writeTextFileSync(`${folder}/large.txt`, text.padEnd(300_000, "."));
  }
  Deno.symlinkSync("../outside", `${site.dir}/link`);
  const flag = new SharedArrayBuffer(4);
  const worker = new Worker(URL.createObjectURL(new Blob([SWAPPER], { type: "text/javascript" })), {
    type: "module",
  });
  const done = new Promise((resolve) => worker.onmessage = resolve);
  worker.postMessage({ dir: site.dir, flag });
  site.aheadMs = 0;
  const seen = new Set<string>();
  for (let i = 0; i < 2000; i++) {
    site.clock.turn(2000);
    for (const path of ["/real/small.txt", "/real/large.txt"]) {
      try {
        seen.add((await textOf(await site.get(path))).slice(0, 6));
      } catch (error) {
        if (!(error instanceof HttpError)) throw error;
        assertEquals(error.status, 404);
      }
    }
  }
  Atomics.store(new Int32Array(flag), 0, 1);
  await done;
  worker.terminate();
  seen.delete("inside");
  assertEquals([...seen], []);
});

Deno.test("files: what is remembered stays within its bound", async () => {
  using site = new Site();
  const services = { ...site.services };
  for (let i = 0; i < 50; i++) site.write(`${i}.txt`, "x".repeat(1000));
  for (let i = 0; i < 50; i++) await site.get(`/${i}.txt`);
  assertEquals(services.cache.size, 50);
  for (let i = 0; i < 50; i++) await site.refusal(`/missing-${i}`);
  assertEquals(services.cache.size, 100);
});
