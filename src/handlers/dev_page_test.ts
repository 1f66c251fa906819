import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fieldOf, textOf } from "../../tests/support/exchange.ts";
import { HttpError } from "../http/error.ts";
import { devReply, FailedScript, type FailureAccount } from "./dev_page.ts";

const ACCOUNT: FailureAccount = {
  reason: "[r1] script /srv/a&b.py pid 7: wrote no header",
  diagnosis: { file: "/srv/a&b.py", line: 3, cause: 'it writes "<b>\u001b[1m" there' },
  exit: 1,
  ranMs: 1234.5,
  stderr: 'File "<string>"\n\tx < 1 & "y"\u001b[31m\r\n',
  command: ["/usr/bin/python3", "/srv/a&b.py", "it's"],
  env: ["QUERY_STRING", "<script>alert(1)</script>", "HTTP_X", "a\nb"],
};

const failure = (account: Partial<FailureAccount> = {}) =>
  new FailedScript(new HttpError(502, "wrote no header", { fields: [["Retry-After", "3"]] }), {
    ...ACCOUNT,
    ...account,
  });

const ID = "r<1>";

Deno.test({
  name: "devReply() tells everything, is HTML, JSON or text by Accept, and is never stored",
  permissions: "none",
  async fn() {
    const rows: [string | null, string][] = [
      [null, "text/html; charset=utf-8"],
      ["application/json", "application/problem+json"],
      ["text/plain", "text/plain; charset=utf-8"],
    ];
    for (const [accept, type] of rows) {
      const reply = devReply(failure(), { accept, id: ID });
      assertEquals([reply.status, fieldOf(reply, "Content-Type")], [502, type]);
      assertEquals(fieldOf(reply, "Cache-Control"), "no-store");
      assertEquals(fieldOf(reply, "Retry-After"), "3");
      assertEquals(fieldOf(reply, "Vary"), "Accept");
      assertEquals(fieldOf(reply, "X-Content-Type-Options"), "nosniff");
      const text = await textOf(reply);
      for (const part of ["Bad Gateway", "pid 7: wrote no header", "QUERY_STRING", "python3"]) {
        assertStringIncludes(text, part);
      }
    }
  },
});

Deno.test({
  name: "devReply() as HTML lets nothing that was written by others be markup",
  permissions: "none",
  async fn() {
    const page = await textOf(devReply(failure(), { accept: "text/html", id: ID }));
    assertEquals(page.match(/<script[^>]*>/g), ['<script src="/.pollux/reload.js">']);
    assertStringIncludes(page, "&lt;script&gt;alert(1)&lt;/script&gt;");
    assertStringIncludes(
      page,
      "File &quot;&lt;string&gt;&quot;\n\tx &lt; 1 &amp; &quot;y&quot;\\x1B[31m</pre>",
    );
    assertStringIncludes(page, "/srv/a&amp;b.py");
    assertStringIncludes(
      page,
      "<code>/srv/a&amp;b.py:3: </code>it writes &quot;&lt;b&gt;\\x1B[1m&quot; there</p>",
    );
    assertStringIncludes(page, "r&lt;1&gt;");
  },
});

Deno.test({
  name: "devReply() as text is legible, and harmless on a terminal",
  permissions: "none",
  async fn() {
    assertEquals(
      await textOf(devReply(failure(), { accept: "text/plain", id: ID })),
      `502 Bad Gateway
[r1] script /srv/a&b.py pid 7: wrote no header
Likely cause: /srv/a&b.py:3: it writes "<b>\\x1B[1m" there
Request: r<1>
Exit: status 1
Ran for: 1.2 s
Command: /usr/bin/python3 '/srv/a&b.py' 'it'\\''s'

Standard error:
File "<string>"
\tx < 1 & "y"\\x1B[31m

Variables:
QUERY_STRING=<script>alert(1)</script>
HTTP_X=a\\nb
`,
    );
  },
});

Deno.test({
  name: "devReply() as JSON is a problem with all of it",
  permissions: "none",
  async fn() {
    const problem = JSON.parse(
      await textOf(devReply(failure({ exit: "SIGSEGV" }), { accept: "application/json", id: ID })),
    );
    assertEquals(problem, {
      type: "about:blank",
      title: "Bad Gateway",
      status: 502,
      detail: "The program behind this address gave no valid answer.",
      requestId: ID,
      reason: ACCOUNT.reason,
      likelyCause: ACCOUNT.diagnosis,
      exit: "SIGSEGV",
      ranMs: 1234.5,
      stderr: ACCOUNT.stderr,
      command: ACCOUNT.command,
      variables: { QUERY_STRING: "<script>alert(1)</script>", HTTP_X: "a\nb" },
    });
  },
});

Deno.test({
  name: "devReply() leaves out what there is not",
  permissions: "none",
  async fn() {
    const none = { diagnosis: null, exit: null, ranMs: null, stderr: "", command: [], env: [] };
    const request = { accept: "text/plain", id: "r1" };
    assertEquals(
      await textOf(devReply(failure(none), request)),
      `502 Bad Gateway\n${ACCOUNT.reason}\nRequest: r1\n`,
    );
    const running = await textOf(devReply(failure({ ...none, ranMs: 20 }), request));
    assertStringIncludes(
      running,
      "Exit: it has not ended yet\nRan for: 20 ms\n\nStandard error:\n(nothing)\n",
    );
    assert(!("close" in devReply(failure(), request)));
    const closing = new FailedScript(new HttpError(500, "no", { close: true }), ACCOUNT);
    assertEquals(devReply(closing, request).close, true);
  },
});
