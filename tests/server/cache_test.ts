import { assert, assertEquals, assertMatch } from "@std/assert";
import { Application } from "../support/applications.ts";
import { eventually } from "../support/deadline.ts";
import { hasProgram } from "../support/processes.ts";
import { ask, field, get, post, RawClient, textOf, UnexpectedEnd } from "../support/raw.ts";
import { TestServer } from "../support/server.ts";

/** A script in sh that counts its runs in a file of its own name, and says how many there were. */
function counting(header: string, ...lines: string[]): string {
  return [
    "#!/bin/sh",
    // Appended to, so that runs at once do not take a file in mid-change for an empty one.
    'echo >> "$0.count"; count=$(($(wc -l < "$0.count")))',
    ...lines,
    `printf 'Content-Type: text/plain\\n${header}\\n'`,
    'echo "run $count"',
    "",
  ].join("\n");
}

function serve(files: Record<string, string>, keys = "", cache = "{ max_age: 1h }"): Promise<TestServer> {
  const yaml = `listen: 127.0.0.1:0\nroutes:\n  - path: /s/\n    cgi: ./s\n    cache: ${cache}\n${keys}`;
  return TestServer.start({ yaml, files });
}

Deno.test("cache: an answer is kept and shared, with its age", async () => {
  await using server = await serve({ "s/a.sh": counting("") });
  const first = await ask(server, get("/s/a.sh"));
  assertEquals([textOf(first), field(first, "age")], ["run 1\n", null]);
  const second = await ask(server, get("/s/a.sh"));
  assertEquals([textOf(second), field(second, "content-type")], ["run 1\n", "text/plain"]);
  assertMatch(field(second, "age") ?? "", /^\d+$/);
  assertEquals(textOf(await ask(server, get("/s/a.sh?x"))), "run 2\n");
  const head = await ask(server, get("/s/a.sh").replace("GET", "HEAD"), { method: "HEAD" });
  assertEquals([head.status, field(head, "content-length")], [200, "6"]);
  assertEquals(textOf(await ask(server, get("/s/a.sh", "Cache-Control: no-cache"))), "run 3\n");
  assertEquals(textOf(await ask(server, get("/s/a.sh"))), "run 3\n");
  assertEquals(textOf(await ask(server, post("/s/a.sh", "x"))), "run 4\n");
  assertEquals(textOf(await ask(server, get("/s/a.sh"))), "run 5\n");
});

Deno.test("cache: what is changed by way of one loop is kept by none", async () => {
  await using server = await TestServer.start({
    yaml: "listen: 127.0.0.1:0\nworkers: 3\nroutes:\n  - { path: /s/, cgi: ./s, cache: { max_age: 1h } }\n",
    files: { "s/a.sh": counting("") },
  });
  const askAll = () => Promise.all(Array.from({ length: 24 }, () => ask(server, get("/s/a.sh"))));
  const runs = (answers: Awaited<ReturnType<typeof askAll>>) =>
    answers.map((each) => Number(textOf(each).slice(4)));
  await askAll();
  const changed = Number(textOf(await ask(server, post("/s/a.sh", "x"))).slice(4));
  const after = runs(await askAll());
  assert(
    after.every((run) => run > changed),
    `run ${changed} was the change, and answers came from ${after}`,
  );
});

Deno.test("cache: an answer that is stale is made anew", async () => {
  await using server = await serve(
    { "s/a.sh": counting(""), "s/own.sh": counting("Cache-Control: max-age=1\\n") },
    "",
    "{ max_age: 300ms }",
  );
  for (const path of ["/s/a.sh", "/s/own.sh"]) {
    assertEquals(textOf(await ask(server, get(path))), "run 1\n");
    await eventually("a second run", async () => textOf(await ask(server, get(path))) === "run 2\n");
  }
});

Deno.test("cache: what must not be shared is not", async (t) => {
  const headers = [
    "Set-Cookie: a=1",
    "Cache-Control: no-store",
    "Cache-Control: private",
    "Vary: *",
    "Expires: 0",
    "Status: 500 Broken",
    "Status: 302 Found",
  ];
  const files = Object.fromEntries(headers.map((header, i) => [`s/${i}.sh`, counting(`${header}\\n`)]));
  await using server = await serve({
    ...files,
    "s/plain.sh": counting(""),
    "s/exit.sh": counting("") + "exit 1\n",
  });
  for (const [i, header] of headers.entries()) {
    await t.step(header, async () => {
      assertEquals(textOf(await ask(server, get(`/s/${i}.sh`))), "run 1\n");
      assertEquals(textOf(await ask(server, get(`/s/${i}.sh`))), "run 2\n");
    });
  }
  await t.step("what a cookie or a password got", async () => {
    assertEquals(textOf(await ask(server, get("/s/plain.sh", "Cookie: a=1"))), "run 1\n");
    assertEquals(textOf(await ask(server, get("/s/plain.sh", "Authorization: Basic eDp5"))), "run 2\n");
    assertEquals(textOf(await ask(server, get("/s/plain.sh"))), "run 3\n");
    assertEquals(textOf(await ask(server, get("/s/plain.sh", "Cookie: a=1"))), "run 4\n");
    assertEquals(textOf(await ask(server, get("/s/plain.sh"))), "run 3\n");
  });
  await t.step("what a script said that failed", async () => {
    assertEquals(textOf(await ask(server, get("/s/exit.sh"))), "run 1\n");
    assertEquals(textOf(await ask(server, get("/s/exit.sh"))), "run 2\n");
  });
});

Deno.test("cache: a hundred clients at once are one run", async () => {
  await using server = await serve({ "s/slow.sh": counting("", "while [ ! -e go ]; do sleep 0.05; done") });
  const answers = Array.from({ length: 100 }, () => ask(server, get("/s/slow.sh")));
  await server.family(2);
  await Deno.writeTextFile(`${server.dir}/s/go`, "");
  assertEquals(new Set((await Promise.all(answers)).map(textOf)), new Set(["run 1\n"]));
});

Deno.test("cache: validators of a kept answer give a 304, and its script is asked without conditions", async () => {
  await using server = await serve({
    "s/tag.sh": counting('ETag: "v1"\\n') + 'echo "$HTTP_IF_NONE_MATCH"\n',
  });
  const early = await ask(server, get("/s/tag.sh", 'If-None-Match: "v1"'));
  assertEquals([early.status, field(early, "etag"), early.content.length], [304, '"v1"', 0]);
  assertEquals(textOf(await ask(server, get("/s/tag.sh"))), "run 1\n\n");
  const late = await ask(server, get("/s/tag.sh", 'If-None-Match: W/"v1", "x"'));
  assertEquals([late.status, field(late, "content-type")], [304, null]);
  assertEquals(textOf(await ask(server, get("/s/tag.sh", 'If-None-Match: "other"'))), "run 1\n\n");
});

Deno.test("cache: what is kept behind a 304 goes by its own request's fields, not by what its client sent after that", async () => {
  await using server = await serve({
    "s/v.sh": [
      "#!/bin/sh",
      "printf 'Content-Type: text/plain\\nETag: \"v1\"\\nVary: Accept-Language\\n\\n'",
      'echo "$HTTP_ACCEPT_LANGUAGE"',
      "while [ ! -e go ]; do sleep 0.05; done",
      "",
    ].join("\n"),
  });
  const inLanguage = (path: string, language: string) =>
    get(path, `Accept-Language: ${language}`, 'If-None-Match: "v1"');
  using client = await RawClient.connect(server);
  await client.send(inLanguage("/s/v.sh", "de"));
  assertEquals((await client.readResponse()).status, 304);
  // The script goes on, and one of these lies where that request lay.
  for (let i = 0; i < 3; i++) {
    await client.send(inLanguage("/s/n.sh", "fr"));
    assertEquals((await client.readResponse()).status, 404);
  }
  await Deno.writeTextFile(`${server.dir}/s/go`, "");
  assertEquals(textOf(await ask(server, get("/s/v.sh", "Accept-Language: fr"))), "fr\n");
  const kept = await ask(server, get("/s/v.sh", "Accept-Language: de", "Cache-Control: only-if-cached"));
  assertEquals([kept.status, textOf(kept)], [200, "de\n"]);
});

Deno.test("cache: Vary, and what is compressed", async () => {
  const long = "printf '%02000d\\n' 0";
  await using server = await serve(
    {
      // Accept-Encoding as well: whether it counts would depend on whether the length is known when the answer begins.
      "s/v.sh": counting("Vary: Accept-Language, Accept-Encoding\\n") + 'echo "$HTTP_ACCEPT_LANGUAGE"\n',
      "s/long.sh": counting("") + long + "\n",
    },
    "    compress: true\n",
  );
  for (let i = 0; i < 2; i++) {
    assertEquals(textOf(await ask(server, get("/s/v.sh", "Accept-Language: de"))), "run 1\nde\n");
    assertEquals(textOf(await ask(server, get("/s/v.sh", "Accept-Language: fr"))), "run 2\nfr\n");
    const coded = await ask(server, get("/s/long.sh", "Accept-Encoding: gzip"));
    assertEquals([field(coded, "content-encoding"), field(coded, "vary")], ["gzip", "Accept-Encoding"]);
    const plain = await ask(server, get("/s/long.sh"));
    assertEquals([field(plain, "content-encoding"), plain.content.length], [null, 2007]);
  }
  assertEquals(await Deno.readTextFile(`${server.dir}/s/long.sh.count`), "\n\n");
});

Deno.test("cache: an answer that breaks off is not kept; one that streams is, once it is whole", async () => {
  await using server = await serve({
    "s/broken.sh": counting("Content-Length: 100\\n"),
    "s/stream.sh": counting("") + "sleep 0.2; echo more\n",
    "s/dies.sh": counting("") + "sleep 0.1; kill -9 $$\n",
  });
  for (let i = 0; i < 2; i++) {
    for (const path of ["/s/broken.sh", "/s/dies.sh"]) {
      let isCut = false;
      try {
        // Where it has died before anything was sent, it is a 502.
        isCut = (await ask(server, get(path))).status === 502;
      } catch (error) {
        isCut = error instanceof UnexpectedEnd;
      }
      assert(isCut, path);
    }
    assertEquals(textOf(await ask(server, get("/s/stream.sh"))), "run 1\nmore\n");
  }
  assertEquals(await Deno.readTextFile(`${server.dir}/s/dies.sh.count`), "\n\n");
});

Deno.test({
  name: "cache: on a fastcgi route",
  ignore: !await hasProgram("php-cgi", "-v"),
  fn: async () => {
    const root = await Deno.realPath(await Deno.makeTempDir({ prefix: "pollux-test-app-" }));
    try {
      await Deno.writeTextFile(
        `${root}/t.php`,
        `<?php header("Content-Type: text/plain"); echo hrtime(true);`,
      );
      await using php = await Application.start(["php-cgi"]);
      await using server = await TestServer.start({
        yaml:
          `listen: 127.0.0.1:0\nroutes:\n  - path: /p/\n    fastcgi: ${php.address}\n    root: ${root}\n    cache: { max_age: 1h }\n`,
      });
      const first = textOf(await ask(server, get("/p/t.php")));
      assertEquals(textOf(await ask(server, get("/p/t.php"))), first);
      assert(textOf(await ask(server, get("/p/t.php?other"))) !== first);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  },
});
