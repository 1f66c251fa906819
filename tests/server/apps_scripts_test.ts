import { assertEquals, assertMatch, assertNotMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { startExample } from "../support/example.ts";
import { hasProgram, outputOf } from "../support/processes.ts";
import { ask, field, get, isomorphic, octets, post, textOf } from "../support/raw.ts";

/** A POST of one file by multipart/form-data. */
function upload(
  path: string,
  name: string,
  file: string,
  content: Uint8Array,
  ...lines: string[]
): Uint8Array<ArrayBuffer> {
  const boundary = "geese-and-swans";
  const before = `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${file}"\r\n` +
    "Content-Type: application/octet-stream\r\n\r\n";
  const after = `\r\n--${boundary}--\r\n`;
  const head = [
    `POST ${path} HTTP/1.1`,
    "Host: localhost",
    `Content-Type: multipart/form-data; boundary=${boundary}`,
    `Content-Length: ${before.length + content.length + after.length}`,
    ...lines,
    "",
    "",
  ].join("\r\n");
  return octets(head + before + isomorphic(content) + after);
}

Deno.test({
  name: "Perl with CGI.pm: upload, list, download, cookies (docs/examples/perl)",
  ignore: !await hasProgram("perl", "-MCGI", "-e", "1"),
  async fn(t) {
    await using server = await startExample("perl", { files: { "cgi-bin/uploads/.keep": "" } });
    const path = "/cgi-bin/files.pl";
    const content = new Uint8Array(300_000);
    for (let at = 0; at < content.length; at += 50_000) {
      crypto.getRandomValues(content.subarray(at, at + 50_000));
    }
    await t.step("upload", async () => {
      const response = await ask(server, upload(path, "file", "geese.bin", content));
      assertEquals([response.status, textOf(response)], [201, "geese.bin 300000\n"]);
      assertMatch(field(response, "set-cookie") ?? "", /^uploads=1;.*HttpOnly/i);
      const again = await ask(server, upload(path, "file", "a b.txt", octets("x"), "Cookie: uploads=1"));
      assertMatch(field(again, "set-cookie") ?? "", /^uploads=2;/);
    });
    await t.step("list and download", async () => {
      assertEquals(textOf(await ask(server, get(path))), "a b.txt\ngeese.bin\n");
      const response = await ask(server, get(`${path}?name=geese.bin`));
      assertEquals(response.content, content);
      assertEquals(field(response, "content-length"), "300000");
      assertMatch(field(response, "content-disposition") ?? "", /attachment; filename="geese\.bin"/);
      assertEquals(textOf(await ask(server, get(`${path}?name=a+b.txt`))), "x");
    });
    await t.step("what is refused", async () => {
      assertEquals((await ask(server, get(`${path}?name=../files.pl`))).status, 404);
      assertEquals(
        (await ask(server, post(path, "a=b", "Content-Type: application/x-www-form-urlencoded"))).status,
        400,
      );
    });
    await server.childless();
  },
});

Deno.test({
  name: "Python, with and without the cgi module (docs/examples/python)",
  ignore: !await hasProgram("python3", "--version"),
  async fn(t) {
    await using server = await startExample("python");
    await t.step("without: query, form, cookie", async () => {
      const response = await ask(server, get("/cgi-bin/form.py?name=Leda&name=%3CZeus%3E&empty="));
      assertEquals(textOf(response), "<p>empty: </p>\n<p>name: Leda, &lt;Zeus&gt;</p>\n");
      assertMatch(field(response, "set-cookie") ?? "", /^seen=1;/);
      const posted = await ask(
        server,
        post("/cgi-bin/form.py", "b=%C3%BC&a=1+2", "Content-Type: application/x-www-form-urlencoded"),
      );
      assertEquals(textOf(posted), "<p>a: 1 2</p>\n<p>b: ü</p>\n");
    });
    await t.step({
      name: "with",
      ignore: !await hasProgram("python3", "-W", "ignore", "-c", "import cgi"),
      async fn() {
        assertEquals(textOf(await ask(server, get("/cgi-bin/old.py?name=Leda"))), "name Leda\n");
        const response = await ask(server, upload("/cgi-bin/old.py", "file", "a.bin", new Uint8Array(5000)));
        assertEquals(textOf(response), "name \nfile a.bin 5000\n");
      },
    });
    await server.childless();
  },
});

Deno.test("awk, shell, C, and a command that knows nothing of CGI (docs/examples/small)", async (t) => {
  await using server = await startExample("small");
  await t.step({
    name: "awk",
    ignore: !await hasProgram("awk", "BEGIN { exit 0 }"),
    async fn() {
      const response = await ask(server, get("/cgi-bin/table.awk?a=1&swans=2"));
      assertEquals(textOf(response), "a        1\nswans    2\n");
    },
  });
  await t.step("a guest book in shell", async () => {
    const path = "/cgi-bin/guestbook.sh";
    assertEquals(textOf(await ask(server, get(path))), "");
    for (let i = 0; i < 3; i++) {
      const response = await ask(server, post(path, `line ${i}`));
      assertEquals([response.status, field(response, "location")], [303, path]);
    }
    await Promise.all(Array.from({ length: 10 }, (_, i) => ask(server, post(path, `more ${i}`))));
    const text = textOf(await ask(server, get(path)));
    assertMatch(text, /^line 0\nline 1\nline 2\n/);
    assertEquals(text.match(/more \d/g)?.length, 10);
    const put = await ask(server, `PUT ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n`);
    assertEquals([put.status, field(put, "allow")], [405, "GET, HEAD, POST"]);
  });
  await t.step({
    name: "a program in C",
    ignore: !await hasProgram("cc", "--version"),
    async fn() {
      await outputOf("cc", ["-O2", "-Wall", "-Werror", "-o", "cgi-bin/hello", "hello.c"], {
        cwd: server.dir,
      });
      assertEquals(textOf(await ask(server, get("/cgi-bin/hello"))), "hello from C, by GET\n");
      assertEquals(textOf(await ask(server, post("/cgi-bin/hello", "abc"))), "hello from C, by POST\nABC");
    },
  });
  await t.step("a command", async () => {
    const response = await ask(server, get("/files"));
    assertEquals([response.status, field(response, "content-type")], [200, "text/plain; charset=utf-8"]);
    assertStringIncludes(textOf(response), "guestbook.sh");
  });
  await server.childless();
});

Deno.test({
  name: "man2html: pages by their search strings (docs/examples/man2html)",
  ignore: !await Deno.stat("/usr/lib/cgi-bin/man/man2html").then((info) => info.isFile, () => false),
  async fn() {
    await using server = await startExample("man2html");
    const page = async (path: string) => {
      const response = await ask(server, get(path));
      assertEquals(response.status, 200, textOf(response));
      return textOf(response);
    };
    assertMatch(await page("/cgi-bin/man/man2html"), /<html>/i);
    // A query without "=" is the program's command line: section and name, or a file.
    const pages = await manualPages();
    for (const { name, path } of pages.slice(0, 3)) {
      assertMatch(await page(`/cgi-bin/man/man2html?1+${encodeURIComponent(name)}`), /<H1>.*<\/H1>/);
      assertMatch(await page(`/cgi-bin/man/man2html?${encodeURIComponent(path)}`), /<H1>.*<\/H1>/);
    }
    const refused = await ask(server, get("/cgi-bin/man/man2html?/etc/passwd"));
    assertNotMatch(textOf(refused), /root:/);
    assertEquals((await ask(server, get("/cgi-bin/man/man2html?-M/tmp+swan"))).status, 200);
    await server.childless();
  },
});

/** Some pages of section 1 that this machine has; small images have none. */
async function manualPages(): Promise<{ name: string; path: string }[]> {
  const folder = "/usr/share/man/man1";
  try {
    const files = (await Array.fromAsync(Deno.readDir(folder))).filter(({ isFile }) => isFile);
    const names = files.flatMap(({ name }) => /^([a-z]+)\.1\.gz$/.exec(name)?.[1] ?? []);
    return names.sort().map((name) => ({ name, path: join(folder, `${name}.1.gz`) }));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
