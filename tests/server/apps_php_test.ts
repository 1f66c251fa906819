import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { join } from "@std/path";
import { startExample } from "../support/example.ts";
import { hasProgram } from "../support/processes.ts";
import { ask, field, get, octets, type Response, textOf } from "../support/raw.ts";

/** A POST of multipart/form-data, as a browser sends it. */
function form(
  path: string,
  parts: readonly { name: string; file?: string; content: Uint8Array }[],
  ...lines: string[]
) {
  const boundary = "----swan7MA4YWxkTrZu0gW";
  const chunks: Uint8Array[] = [];
  for (const { name, file, content } of parts) {
    const named = file === undefined ? "" : `; filename="${file}"\r\nContent-Type: application/octet-stream`;
    chunks.push(
      octets(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"${named}\r\n\r\n`),
      content,
      octets("\r\n"),
    );
  }
  chunks.push(octets(`--${boundary}--\r\n`));
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const head = [
    `POST ${path} HTTP/1.1`,
    "Host: localhost",
    `Content-Type: multipart/form-data; boundary=${boundary}`,
    `Content-Length: ${length}`,
    ...lines,
    "",
    "",
  ].join("\r\n");
  const request = new Uint8Array(head.length + length);
  request.set(octets(head));
  let at = head.length;
  for (const chunk of chunks) {
    request.set(chunk, at);
    at += chunk.length;
  }
  return request;
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function cookieOf(response: Response): string {
  return (field(response, "set-cookie") ?? "").split(";")[0];
}

Deno.test({
  name: "PHP: pages, sessions, uploads, a front controller (docs/examples/php)",
  ignore: !await hasProgram("php-cgi", "-v"),
  async fn(t) {
    await using server = await startExample("php", {
      files: {
        "public/info.php":
          "<?php header('Content-Type: text/plain'); echo php_sapi_name(), ' ', $_SERVER['SCRIPT_NAME'], ' ', $_SERVER['PATH_INFO'] ?? '-', ' ', $_SERVER['PHP_SELF'], ' ', realpath($_SERVER['SCRIPT_FILENAME']) === __FILE__ ? 'same' : 'other', ' ', ini_get('auto_prepend_file'), '.';",
        "public/fields.php":
          "<?php http_response_code(418); header('X-A: 1'); header('X-A: 2', false); header('Content-Type: text/x-own'); setcookie('a', 'b c'); setcookie('d', 'e'); echo file_get_contents('php://input');",
        "public/sub/index.php": "<?php echo 'sub ', $_GET['q'] ?? '';",
        "public/style.css": "body {}",
        "public/fatal.php": "<?php echo 'begun'; nowhere();",
        "public/slow.php":
          "<?php header('Content-Type: text/plain'); echo 'one'; flush(); while (!file_exists('go')) { clearstatcache(); usleep(20000); } echo 'two';",
        "public/.user.ini": "output_buffering=0\n",
        "evil.txt": "<?php echo 'EXECUTED';",
      },
    });
    const answer = (path: string, ...lines: string[]) => ask(server, get(path, ...lines));

    await t.step("a page knows where it is", async () => {
      assertEquals(textOf(await answer("/info.php")), "cgi-fcgi /info.php  /info.php same .");
      assertEquals(
        textOf(await answer("/info.php/more/a%20b")),
        "cgi-fcgi /info.php /more/a b /info.php/more/a b same .",
      );
    });
    await t.step("header(), cookies, a status, and raw content", async () => {
      const response = await ask(
        server,
        "POST /fields.php HTTP/1.1\r\nHost: h\r\nContent-Type: text/x\r\nContent-Length: 3\r\n\r\nabc",
      );
      assertEquals([response.status, textOf(response), field(response, "content-type")], [
        418,
        "abc",
        "text/x-own;charset=UTF-8",
      ]);
      assertEquals(response.fields.filter(([name]) => name === "x-a").map(([, value]) => value), ["1", "2"]);
      assertEquals(response.fields.filter(([name]) => name === "set-cookie").map(([, value]) => value), [
        "a=b%20c",
        "d=e",
      ]);
    });
    await t.step("index.php for a folder, files beside it", async () => {
      assertEquals(textOf(await answer("/sub/?q=1")), "sub 1");
      assertEquals((await answer("/sub?q=1")).status, 308);
      const style = await answer("/style.css");
      assertEquals([textOf(style), field(style, "content-type")], ["body {}", "text/css; charset=utf-8"]);
    });
    await t.step("a front controller for every other path, with a session", async () => {
      const first = await answer("/blog/2024/geese?page=2");
      assertEquals(first.status, 200);
      assertEquals(textOf(first), "path /blog/2024/geese\nquery page=2\nvisits 1\n");
      const again = await answer("/", `Cookie: ${cookieOf(first)}`);
      assertEquals(textOf(again), "path /\nquery \nvisits 2\n");
      const moved = await answer("/old");
      assertEquals([moved.status, field(moved, "location")], [301, "/new"]);
      assertEquals((await answer("/missing")).status, 404);
    });
    await t.step("uploads of any size", async () => {
      const noise = new Uint8Array(1_500_000);
      for (let at = 0; at < noise.length; at += 65536) crypto.getRandomValues(noise.subarray(at, at + 65536));
      const request = form("/upload.php", [
        { name: "note", content: octets("two files") },
        { name: "a", file: "noise.bin", content: noise },
        { name: "b", file: "empty.txt", content: octets("x") },
      ]);
      const lines = textOf(await ask(server, request)).split("\n");
      assertEquals(lines, [
        "note two files",
        `noise.bin 1500000 ${await sha256(noise)}`,
        `empty.txt 1 ${await sha256(octets("x"))}`,
        "",
      ]);
    });
    await t.step("the text of a script is never sent", async () => {
      for (
        const path of [
          "/index.php",
          "/INFO.PHP",
          "/info.php.",
          "/info.php%20",
          "/info.php::$DATA",
          "/info%2ephp",
        ]
      ) {
        assertNotMatch(textOf(await answer(path)), /<\?php/, path);
      }
    });
    await t.step("CVE-2012-1823: a query is no option", async () => {
      const evil = join(server.dir, "evil.txt");
      const cases = [
        "?-s",
        "?-d+allow_url_include%3d1+-d+auto_prepend_file%3dphp://input",
        `?-d+auto_prepend_file%3d${encodeURIComponent(evil)}`,
        `?-d+auto_prepend_file=${evil}`,
        "?%2d%73",
        "?+-s",
        "?--",
        "?-h",
      ];
      for (const query of cases) {
        const content = "<?php echo 'EXECUTED'; ?>";
        const response = await ask(
          server,
          `POST /info.php${query} HTTP/1.1\r\nHost: h\r\nContent-Length: ${content.length}\r\n\r\n${content}`,
        );
        assertNotMatch(textOf(response), /EXECUTED|<code>|Usage/, query);
        assertMatch(textOf(response), /^cgi-fcgi .* \.$/, query);
        assertMatch(textOf(await answer(`/info.php${query}`)), /^cgi-fcgi .* \.$/, query);
      }
    });
    await t.step("CVE-2024-4577: nor is one that begins with a soft hyphen", async () => {
      for (
        const query of [
          "?%ADs",
          "?%ADd+allow_url_include%3d1+%ADd+auto_prepend_file%3dphp://input",
          "?%C2%ADs",
        ]
      ) {
        const content = "<?php echo 'EXECUTED'; ?>";
        const response = await ask(
          server,
          `POST /info.php${query} HTTP/1.1\r\nHost: h\r\nContent-Length: ${content.length}\r\n\r\n${content}`,
        );
        assertMatch(textOf(response), /^cgi-fcgi .* \.$/, query);
        assertMatch(textOf(await answer(`/info.php${query}`)), /^cgi-fcgi .* \.$/, query);
      }
    });
    await t.step("a script path in PATH_INFO does not make a file a script", async () => {
      await Deno.writeTextFile(join(server.dir, "public/picture.jpg"), "<?php echo 'EXECUTED';");
      for (const path of ["/picture.jpg/x.php", "/picture.jpg%00.php", "/picture.jpg/.php"]) {
        assertNotMatch(textOf(await answer(path)), /^EXECUTED/, path);
      }
    });
    await t.step("an error is in the log or on the page, and no end of the server", async () => {
      const response = await answer("/fatal.php");
      assert(response.status === 200 || response.status === 500, String(response.status));
      assertEquals((await answer("/info.php")).status, 200);
    });
    await t.step("flush() flushes", async () => {
      using client = await server.connect();
      await client.send(get("/slow.php"));
      await client.readUntil("one");
      await Deno.writeTextFile(join(server.dir, "public/go"), "");
      await client.readUntil("two");
    });
    await server.childless();
  },
});
