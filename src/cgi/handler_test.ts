/**
 * The handler with real scripts, without a server: from an exchange to the bytes of its reply.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { CgiHandlerConfig, FilesHandlerConfig, ScriptHandling } from "../config/config.ts";
import { aRoute } from "../../tests/support/exchange.ts";
import { ExchangeAborted, type Handler, type Reply } from "../handlers/handler.ts";
import { HttpError } from "../http/error.ts";
import { Trees } from "../supervisor/trees.ts";
import { LoopClock } from "../time/clock.ts";
import { aHandling, someSettings } from "./config_fixture.ts";
import { aBody, anExchange, type ExchangeOptions, type TestExchange, THE_SITE } from "./exchange_fixture.ts";
import { cgiHandler, type CgiServices, scriptsAmongFiles } from "./handler.ts";
import { startProcess } from "./process.ts";
import type { Programs } from "./programs.ts";
import type { ScriptRun, ScriptSpec } from "./run.ts";
import { FakeLog, FakeScripts } from "./scripts_fixture.ts";

const SCRIPTS = fromFileUrl(new URL("../../tests/scripts", import.meta.url));

const PROGRAMS: Programs = {
  paths: { perl: ["/usr/bin/perl"], sh: ["/bin/sh"] },
  tools: { nice: "/usr/bin/nice", prlimit: null, setpriv: null, sh: "/bin/sh" },
  binaries: [],
  inherited: [],
  users: {},
  warnings: [],
};

interface Rig {
  readonly handler: Handler;
  readonly log: FakeLog;
  readonly errors: string[];
  readonly specs: ScriptSpec[];
  readonly runs: ScriptRun[];
  /** All scripts have ended. */
  over(): Promise<void>;
}

function noSendfile(): never {
  throw new TypeError("no route here has sendfile folders");
}

function rig(own: Partial<ScriptHandling> = {}, config: Partial<CgiHandlerConfig> = {}): Rig {
  const log = new FakeLog();
  const trees = new Trees(log);
  const errors: string[] = [];
  const specs: ScriptSpec[] = [];
  const runs: ScriptRun[] = [];
  const hooks = { trees, onStderr: (line: string) => errors.push(line), now: () => performance.now() };
  const services: CgiServices = {
    scripts: {
      start(spec) {
        specs.push(spec);
        const run = startProcess(spec, hooks);
        runs.push(run);
        return run;
      },
    },
    programs: PROGRAMS,
    secrets: new Set(),
    temp: "/tmp",
    sendfile: noSendfile,
    environment: { HOME: "/home/www", PATH: "/usr/bin:/bin", SECRET: "not passed" },
    dev: false,
    clock: new LoopClock(5),
    log,
  };
  const handler = cgiHandler(
    {
      kind: "cgi",
      target: SCRIPTS,
      isFolder: true,
      index: [],
      followSymlinks: "inside",
      run: aHandling(own),
      ...config,
    },
    aRoute("/cgi-bin/"),
    services,
  );
  const over = async () => {
    await Promise.all(runs.map(({ ended }) => ended));
    // The clock's interval goes with the first tick without deadlines.
    await new Promise((resolve) => setTimeout(resolve, 20));
  };
  return { handler, log, errors, specs, runs, over };
}

const SETTINGS = someSettings({ passEnv: ["PATH", "TZ"] });

async function replyTo(handler: Handler, exchange: TestExchange): Promise<Reply> {
  const outcome = await handler(exchange);
  assert(outcome.kind === "reply", outcome.kind);
  return outcome;
}

async function content({ body }: Reply): Promise<string> {
  if (body === null || body instanceof Uint8Array) return new TextDecoder().decode(body ?? undefined);
  let text = "";
  for (let bytes = await body.read(); bytes !== null; bytes = await body.read()) {
    text += new TextDecoder().decode(bytes);
  }
  body.close(null);
  return text;
}

/** One request, to its end. */
async function get(
  target: string,
  options: ExchangeOptions = {},
  own: Partial<ScriptHandling> = {},
): Promise<string> {
  const { handler, over } = rig({ settings: SETTINGS, ...own });
  const text = await content(await replyTo(handler, anExchange({ target, ...options })));
  await over();
  return text;
}

/** The lines of env.pl. */
async function env(
  target: string,
  options: ExchangeOptions = {},
  own: Partial<ScriptHandling> = {},
): Promise<Map<string, string>> {
  const lines = (await get(target, options, own)).trimEnd().split("\n");
  return new Map(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}

Deno.test("a script sees the meta-variables, what is passed on, and nothing else", async () => {
  const own = { settings: someSettings({ passEnv: ["PATH", "TZ"], env: { MINE: "1" } }) };
  const seen = await env("/cgi-bin/env.pl/a%20b?x=y", { fields: [["Host", "h"], ["X-A", "\xc3\xa9"]] }, own);
  assertEquals(Object.fromEntries(seen), {
    DOCUMENT_ROOT: "/srv/static",
    GATEWAY_INTERFACE: "CGI/1.1",
    HOME: "/home/www",
    HTTP_HOST: "h",
    HTTP_X_A: "é",
    MINE: "1",
    PATH: "/usr/bin:/bin",
    PATH_INFO: "/a b",
    PATH_TRANSLATED: "/srv/static/a b",
    QUERY_STRING: "x=y",
    REDIRECT_STATUS: "200",
    REMOTE_ADDR: "192.0.2.7",
    REMOTE_HOST: "192.0.2.7",
    REMOTE_PORT: "40000",
    REQUEST_METHOD: "GET",
    REQUEST_SCHEME: "http",
    REQUEST_URI: "/cgi-bin/env.pl/a%20b?x=y",
    SCRIPT_FILENAME: `${SCRIPTS}/env.pl`,
    SCRIPT_NAME: "/cgi-bin/env.pl",
    SERVER_ADDR: "127.0.0.1",
    SERVER_NAME: "h",
    SERVER_PORT: "8080",
    SERVER_PROTOCOL: "HTTP/1.1",
    SERVER_SOFTWARE: "Pollux/0.1",
    cwd: SCRIPTS,
    input: "0",
  });
});

Deno.test("a search-string becomes arguments, after the configured ones", async () => {
  const seen = await env("/cgi-bin/env.pl?a+b%20c", {}, { args: ["first"], cwd: "/usr" });
  assertEquals([seen.get("argv1"), seen.get("argv2"), seen.get("argv3"), seen.get("cwd")], [
    "first",
    "a",
    "b c",
    "/usr",
  ]);
  assertEquals((await env("/cgi-bin/env.pl?-d+b")).get("argv1"), undefined);
});

Deno.test("a body with a length streams, with CONTENT_LENGTH", async () => {
  const options = {
    method: "POST",
    body: aBody(["one ", "two"]),
    fields: [["Content-Length", "7"]],
  } as const;
  const seen = await env("/cgi-bin/env.pl", options);
  assertEquals([seen.get("CONTENT_LENGTH"), seen.get("input")], ["7", "7"]);
  assertEquals(await get("/cgi-bin/echo.sh", { method: "POST", body: aBody(["one ", "two"]) }), "one two");
});

Deno.test("a chunked body is kept whole first, unless the route streams it", async () => {
  const body = () => aBody(["one ", "two"], null);
  const kept = await env("/cgi-bin/env.pl", { method: "POST", body: body() });
  assertEquals([kept.get("CONTENT_LENGTH"), kept.get("input")], ["7", "7"]);
  const streamed = await env("/cgi-bin/env.pl", { method: "POST", body: body() }, { body: "stream" });
  assertEquals([streamed.get("CONTENT_LENGTH"), streamed.get("input")], [undefined, "7"]);
  const long = Array.from({ length: 30 }, () => "x".repeat(100_000));
  const spooled = await env("/cgi-bin/env.pl", { method: "POST", body: aBody(long, null) });
  assertEquals([spooled.get("CONTENT_LENGTH"), spooled.get("input")], ["3000000", "3000000"]);
});

Deno.test("a Content-Length of 0 is told, and needs no input", async () => {
  const { handler, specs, over } = rig({ settings: SETTINGS });
  const exchange = anExchange({
    target: "/cgi-bin/env.pl",
    method: "POST",
    fields: [["Content-Length", "0"]],
  });
  assertStringIncludes(await content(await replyTo(handler, exchange)), "CONTENT_LENGTH=0\n");
  assertEquals(specs[0].request.hasInput, false);
  await over();
});

Deno.test("bodies pass both ways at once", async () => {
  const pieces = Array.from({ length: 40 }, (_, i) => String.fromCharCode(65 + i).repeat(65_536));
  assertEquals(await get("/cgi-bin/echo.sh", { method: "POST", body: aBody(pieces) }), pieces.join(""));
});

Deno.test("a large answer arrives whole", async () => {
  assertEquals((await get("/cgi-bin/bytes.sh?5000000")).length, 5_000_000);
});

Deno.test("a short answer has a known length and notes for the log", async () => {
  const { handler, over } = rig({ settings: SETTINGS });
  const exchange = anExchange({ target: "/cgi-bin/head.sh?Status:%20201" });
  await assertRejects(() => replyTo(handler, exchange), HttpError, "line 1");
  const plain = anExchange({ target: "/cgi-bin/head.sh?X:y|Status:418" });
  const answer = await replyTo(handler, plain);
  assertInstanceOf(answer.body, Uint8Array);
  assertEquals([answer.status, answer.fields], [418, [["X", "y"]]]);
  assertEquals([plain.notes.script, plain.notes.exit, plain.delegated], [`${SCRIPTS}/head.sh`, 0, 1]);
  assert(plain.notes.scriptMs !== null && plain.notes.scriptMs > 0);
  await over();
});

Deno.test("a local redirect is a reroute", async () => {
  const { handler, over } = rig({ settings: SETTINGS });
  const outcome = await handler(anExchange({ target: "/cgi-bin/head.sh?Location:/x%20y" }));
  assertEquals(outcome, { kind: "reroute", target: "/x%20y", as: "local" });
  await over();
});

Deno.test("an nph script's reply is raw", async () => {
  const { handler, over } = rig({ settings: SETTINGS });
  const answer = await replyTo(handler, anExchange({ target: "/cgi-bin/nph-plain.sh" }));
  assertEquals([answer.status, answer.close], [299, true]);
  assertStringIncludes(await content(answer), "HTTP/1.1 299 Mine\r\n");
  await over();
});

Deno.test("a script without a header gets a 502, with line and exit status in the log", async () => {
  const { handler, log, errors, over } = rig({ settings: SETTINGS });
  const exchange = anExchange({ target: "/cgi-bin/noheader.sh" });
  const error = await assertRejects(() => replyTo(handler, exchange), HttpError);
  assertEquals(error.status, 502);
  await over();
  assertEquals(errors, ["and says so"]);
  assertStringIncludes(log.lines[0], `script ${SCRIPTS}/noheader.sh pid `);
  assertStringIncludes(log.lines[0], 'line 1 is no header field: "Something is wrong here"');
});

Deno.test("a hanging script gets a 504 and is gone with its child", async () => {
  const { handler, runs, over } = rig({ settings: someSettings({ passEnv: ["PATH"], timeoutMs: 150 }) });
  const error = await assertRejects(
    () => replyTo(handler, anExchange({ target: "/cgi-bin/hang.sh" })),
    HttpError,
  );
  assertEquals(error.status, 504);
  assertEquals((await runs[0].ended).signal, "SIGKILL");
  await over();
});

Deno.test("a client that goes ends its script", async () => {
  const { handler, runs, over } = rig({ settings: SETTINGS });
  const abort = new AbortController();
  const answer = replyTo(handler, anExchange({ target: "/cgi-bin/hang.sh", signal: abort.signal }));
  await runs[0].started;
  abort.abort(new ExchangeAborted("clientGone"));
  await assertRejects(() => answer, ExchangeAborted);
  assertEquals((await runs[0].ended).signal, "SIGKILL");
  await over();
});

Deno.test("a child that holds standard output does not hold up the reply", async () => {
  const { handler, over } = rig({ settings: SETTINGS });
  const pid = Number(await content(await replyTo(handler, anExchange({ target: "/cgi-bin/background.sh" }))));
  Deno.kill(pid, "SIGKILL"); // It lives on until now: this throws otherwise.
  await over();
});

Deno.test("refusals come before anything is started", async () => {
  const { handler, runs, log } = rig();
  const status = async (options: ExchangeOptions) => {
    const error = await assertRejects(async () => await handler(anExchange(options)), HttpError);
    return error.status;
  };
  assertEquals(await status({ target: "/cgi-bin/none" }), 404);
  assertEquals(await status({ target: "/cgi-bin/env.pl", fields: [["X", "\xff"]] }), 400);
  assertEquals(await status({ target: "/cgi-bin/env.pl", fields: [["X", "x".repeat(131_072)]] }), 431);
  assertEquals([runs, log.lines], [[], []]);
  const mapped = rig({ settings: someSettings({ interpreters: {}, programs: [] }) });
  const error = await assertRejects(
    async () => await mapped.handler(anExchange({ target: "/cgi-bin/env.pl" })),
    HttpError,
  );
  assertEquals(error.status, 500);
  assertStringIncludes(mapped.log.lines[0], "env.pl names perl in its first line");
});

Deno.test("a folder with an index wants its slash, the query kept", async () => {
  const { handler } = rig({}, { index: ["env.pl"] });
  const answer = await replyTo(handler, anExchange({ target: "/cgi-bin?x=%20" }));
  assertEquals([answer.status, answer.fields], [308, [["Location", "/cgi-bin/?x=%20"]]]);
});

Deno.test({
  name: "a script that came later is started by a program that may be",
  async fn() {
    const dir = Deno.makeTempDirSync();
    Deno.copyFileSync(Deno.realPathSync("/bin/true"), `${dir}/new`);
    Deno.chmodSync(`${dir}/new`, 0o755);
    const { handler, specs, over } = rig({}, { target: dir });
    await assertRejects(
      () => replyTo(handler, anExchange({ target: "/cgi-bin/new" })),
      HttpError,
      "it wrote nothing",
    );
    assertEquals([specs[0].plan.program, ...specs[0].plan.args], ["/usr/bin/nice", "-n", "0", `${dir}/new`]);
    await over();
    Deno.removeSync(dir, { recursive: true });
  },
});

Deno.test("scripts among files are told their own path", async () => {
  const scripts = new FakeScripts();
  scripts.onStart = (run) => run.start().says("A: b\n\n").exit();
  const files: FilesHandlerConfig = {
    kind: "files",
    dir: SCRIPTS,
    index: ["env.pl"],
    list: false,
    fallback: null,
    cacheControl: null,
    precompressed: false,
    hidden: false,
    followSymlinks: "inside",
    scripts: [".pl"],
    run: aHandling(),
  };
  const run = scriptsAmongFiles({
    scripts,
    programs: PROGRAMS,
    secrets: new Set(),
    temp: "/tmp",
    sendfile: noSendfile,
    environment: {},
    dev: false,
    clock: new LoopClock(),
    log: new FakeLog(),
  });
  const exchange = (target: string) => ({
    ...anExchange({ target, routePath: "/", site: THE_SITE }),
    route: { ...aRoute("/"), handler: files },
  });
  await run(exchange("/sub/env.pl/x/y"), `${SCRIPTS}/env.pl`, "/x/y");
  await run(exchange("/sub/"), `${SCRIPTS}/env.pl`, "");
  const names = scripts.runs.map(({ spec }) => spec.plan.env["SCRIPT_NAME"]);
  assertEquals(names, ["/sub/env.pl", "/sub/env.pl"]);
  const error = await assertRejects(() => run(exchange("/gone.pl"), `${SCRIPTS}/gone.pl`, ""), HttpError);
  assertEquals(error.status, 404);
  await new Promise((resolve) => setTimeout(resolve, 120)); // The clock's interval goes with its first idle tick.
});
