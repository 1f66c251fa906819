/**
 * The status page as programs read it: JSON, Prometheus text and events, and who may.
 *
 * @module
 */

import { assert, assertEquals, assertGreater, assertMatch, assertNotMatch } from "@std/assert";
import { COUNTERS, SCRIPT_ENDS } from "../../src/observe/metrics.ts";
import { eventually, within } from "../support/deadline.ts";
import { parseExposition } from "../support/exposition.ts";
import { ask, field, get, RawClient, textOf } from "../support/raw.ts";
import { TestServer } from "../support/server.ts";

const YAML = `listen: 127.0.0.1:0
routes:
  - { path: /, files: ./static }
  - { path: /cgi-bin/, cgi: ./cgi-bin, max_processes: 1, timeout: 60s }
  - { path: /status, status: true }
`;

const FILES = {
  "static/a.txt": "file",
  // Goes on when it finds a file of that name beside it.
  "cgi-bin/wait.sh":
    "#!/bin/sh\nuntil [ -e go ]; do sleep 0.1; done\nprintf 'Content-Type: text/plain\\n\\nend'\n",
  "cgi-bin/hang.sh": "#!/bin/sh\nexec sleep 600\n",
  "cgi-bin/silent.sh": "#!/bin/sh\nexit 3\n",
};

/** The part of the JSON that tests look at. */
interface Status {
  readonly pid: number;
  readonly loops: number;
  readonly reloads: { readonly taken: number; readonly refused: number };
  readonly clients: {
    readonly connected: number;
    readonly states: Readonly<Record<string, number>>;
    readonly idle: number;
    readonly queued: number;
  };
  readonly totals: Readonly<Record<typeof COUNTERS[number], number>> & {
    readonly responses: Readonly<Record<string, number>>;
    readonly scriptsEnded: Readonly<Record<typeof SCRIPT_ENDS[number], number>>;
  };
  readonly scripts: {
    readonly running: number;
    readonly waiting: number;
    readonly processes: readonly {
      readonly pid: number;
      readonly url: string;
      readonly route: string;
      readonly script: string;
      readonly ageSeconds: number;
      readonly memoryBytes: number | null;
    }[];
    readonly routes: readonly unknown[];
  };
  readonly errors: readonly { readonly status: number; readonly requestId: string; readonly url: string }[];
  readonly history: Readonly<Record<string, readonly (number | null)[]>> | null;
}

async function statusOf(server: TestServer): Promise<Status> {
  const response = await ask(server, get("/status", "Accept: application/json"));
  assertEquals([response.status, field(response, "content-type")], [200, "application/json"]);
  return JSON.parse(textOf(response));
}

/** Asks until it is so, and returns what it was then. */
async function statusWhere(
  server: TestServer,
  what: string,
  isSo: (status: Status) => boolean,
): Promise<Status> {
  let status = await statusOf(server);
  await eventually(what, async () => isSo(status = await statusOf(server)));
  return status;
}

Deno.test("status: requests are counted with their classes, bytes and times", async () => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  const before = await statusOf(server);
  for (const path of ["/a.txt", "/a.txt", "/missing", "/cgi-bin/silent.sh"]) await ask(server, get(path));
  const after = await statusWhere(
    server,
    "four requests",
    ({ totals }) => totals.requests >= before.totals.requests + 5,
  );
  const grown = (name: string) => (after.totals.responses[name] ?? 0) - (before.totals.responses[name] ?? 0);
  assertEquals([grown("4xx"), grown("5xx")], [1, 1]);
  assertGreater(after.totals.bytesOut, before.totals.bytesOut + 8);
  assertGreater(after.totals.bytesIn, before.totals.bytesIn + 4 * 40);
  assertEquals([after.totals.scriptsStarted, after.totals.scriptsEnded.exit], [1, 1]);
});

Deno.test("status: idle clients, and those whose script has no process, are counted apart", async () => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  using idle = await server.connect();
  await idle.send(get("/a.txt"));
  await idle.readResponse();
  using reading = await server.connect();
  await reading.send("GET /a.txt HTT");
  using running = await server.connect();
  await running.send(get("/cgi-bin/wait.sh?password=x"));
  await server.family(1);
  using queued = await server.connect();
  await queued.send(get("/cgi-bin/wait.sh"));

  const status = await statusWhere(
    server,
    "each in its state",
    ({ clients }) => clients.queued === 1 && clients.idle === 1 && clients.states.READ_REQ === 2,
  );
  assertEquals(status.clients, {
    connected: 5,
    // The fifth asks for this.
    states: { READ_REQ: 2, REQ_RDY: 1, WAIT_CGI: 2, RES_RDY: 0, RES_SENDING: 0, FINISHED: 0 },
    idle: 1,
    queued: 1,
  });
  assertEquals([status.scripts.running, status.scripts.waiting], [1, 1]);
  assertEquals(status.scripts.routes, [{ route: "/cgi-bin/", maxProcesses: 1, running: 1, waiting: 1 }]);
  await Deno.writeTextFile(`${server.dir}/cgi-bin/go`, "");
  assertEquals(textOf(await running.readResponse()), "end");
  assertEquals(textOf(await queued.readResponse()), "end");
  await statusWhere(
    server,
    "nobody waiting",
    ({ clients, scripts }) =>
      clients.queued === 0 && clients.states.WAIT_CGI === 0 && scripts.running === 0 && scripts.waiting === 0,
  );
});

Deno.test("status: a script that hangs is there with its URL, its query is not, and its end is told with the request's id", async () => {
  const yaml = YAML.replace("timeout: 60s", "timeout: 8s"); // time enough to be seen
  await using server = await TestServer.start({ yaml, files: FILES });
  const answer = ask(server, get("/cgi-bin/hang.sh?token=secret"));
  const { scripts: { processes: [script] } } = await statusWhere(
    server,
    "the script",
    ({ scripts }) =>
      scripts.processes.some(({ memoryBytes }) => Deno.build.os !== "linux" || memoryBytes !== null),
  );
  const [{ pid }] = await server.family(1);
  assertEquals(
    [script.pid, script.url, script.route, script.script],
    [pid, "/cgi-bin/hang.sh?…", "/cgi-bin/", `${server.dir}/cgi-bin/hang.sh`],
  );
  assert(script.ageSeconds >= 0 && script.ageSeconds < 600);
  const requestId = field(await answer, "x-request-id");
  const after = await statusWhere(
    server,
    "its end",
    ({ scripts, errors }) => scripts.running === 0 && scripts.processes.length === 0 && errors.length > 0,
  );
  assertEquals(after.totals.scriptsEnded.timeout, 1);
  const { status, requestId: told, url } = after.errors[0];
  assertEquals([status, told, url], [504, requestId, "/cgi-bin/hang.sh?…"]);
  assertNotMatch(JSON.stringify(after), /secret/);
});

Deno.test("status: it answers while all places are taken and the queue is full", async () => {
  const yaml = YAML.replace("max_processes: 1", "max_processes: 1, queue: 1");
  await using server = await TestServer.start({ yaml, files: FILES });
  using running = await server.connect();
  await running.send(get("/cgi-bin/wait.sh"));
  await server.family(1);
  using waiting = await server.connect();
  await waiting.send(get("/cgi-bin/wait.sh"));
  await statusWhere(server, "one waiting", ({ scripts }) => scripts.waiting === 1);
  const refused = Array.from({ length: 30 }, async () => (await ask(server, get("/cgi-bin/wait.sh"))).status);
  assertEquals(await Promise.all(refused), Array(30).fill(503));
  const { errors, totals } = await statusWhere(
    server,
    "the refused ones",
    ({ totals }) => totals.responses["5xx"] === 30,
  );
  assertEquals(totals.scriptsEnded.queueFull, 30);
  // The first ones of each second, not all.
  assert(errors.length > 0 && errors.length <= 30 && errors.every(({ status }) => status === 503));
  await Deno.writeTextFile(`${server.dir}/cgi-bin/go`, "");
  assertEquals([textOf(await running.readResponse()), textOf(await waiting.readResponse())], ["end", "end"]);
});

Deno.test("status: Prometheus text is well-formed and tells the same", async () => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  for (let i = 0; i < 3; i++) await ask(server, get("/a.txt"));
  let response = await ask(server, get("/status?format=prometheus"));
  assertEquals(field(response, "content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const families = parseExposition(textOf(response));
  assertEquals(families.get("pollux_request_duration_seconds")?.type, "histogram");
  assertEquals(families.get("pollux_requests_total")?.samples[0].value, 3);
  assertEquals(families.get("pollux_clients")?.samples.map(({ labels }) => labels.state), [
    ...["READ_REQ", "REQ_RDY", "WAIT_CGI", "RES_RDY", "RES_SENDING", "FINISHED"],
  ]);
  // What a scraper sends.
  const accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
  response = await ask(server, get("/status", `Accept: ${accept}`));
  assertMatch(textOf(response), /^# HELP pollux_info /);
});

Deno.test("status: by default it answers this machine's own clients alone", async (t) => {
  await using server = await TestServer.start({
    yaml: YAML.replace("routes:", "trusted_proxies: [127.0.0.5]\nroutes:"),
    files: FILES,
  });
  const request = (host: string, ...lines: string[]) =>
    [`GET /status?format=json HTTP/1.1`, `Host: ${host}`, ...lines, "", ""].join("\r\n");
  const cases: readonly [name: string, request: string, status: number][] = [
    ["localhost", request("localhost"), 200],
    ["a loopback address and a port", request("127.0.0.1:8080"), 200],
    ["an address of IPv6", request("[::1]"), 200],
    ["a name that leads here", request("rebound.example"), 403],
    ["a proxy's field", request("localhost", "X-Forwarded-For: 203.0.113.9"), 403],
    [
      "as nginx asks",
      "GET /status?format=json HTTP/1.0\r\nHost: 127.0.0.1:8080\r\nConnection: close\r\n\r\n",
      403,
    ],
    ["another method", request("localhost").replace("GET", "POST"), 405],
    ["below it", request("localhost").replace("/status", "/status/x"), 404],
    ["a form that is not there", request("localhost").replace("json", "xml"), 400],
  ];
  for (const [name, bytes, expected] of cases) {
    await t.step(name, async () => assertEquals((await ask(server, bytes)).status, expected));
  }
});

Deno.test("status: allow and auth say who may instead", async () => {
  await using server = await TestServer.start({
    yaml: `listen: 127.0.0.1:0
routes:
  - { path: /all, status: true, allow: [127.0.0.0/8] }
  - { path: /none, status: true, allow: [192.0.2.0/24] }
  - { path: /known, status: true, auth: { basic: ./users, realm: status } }
`,
    // leda: swan
    files: { users: "leda:{SHA}yKx2BvJZXhV2JCYDWxJKbjVWRzM=\n" },
  });
  const by = (path: string) =>
    `GET ${path}?format=json HTTP/1.0\r\nHost: example.org\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n`;
  assertEquals((await ask(server, by("/all"))).status, 200);
  assertEquals((await ask(server, by("/none"))).status, 403);
  assertEquals((await ask(server, by("/known"))).status, 401);
});

/** A stream of events. */
class Events implements Disposable {
  readonly #client: RawClient;
  #text = "";

  private constructor(client: RawClient) {
    this.#client = client;
  }

  static async open(server: TestServer): Promise<Events> {
    const client = await server.connect();
    await client.send(get("/status", "Accept: text/event-stream"));
    await client.readUntil("\r\n\r\n");
    return new Events(client);
  }

  /** Waits for the next event. */
  async next(): Promise<Status> {
    const chunk = await this.#client.readUntil("\n\n\r\n");
    this.#text = chunk;
    const json = /data: (.+)\n\n/.exec(this.#text)?.[1] ?? "";
    return JSON.parse(json);
  }

  /** Resolves once the stream has ended. */
  async ended(): Promise<void> {
    await this.#client.readUntil("0\r\n\r\n");
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}

Deno.test("status: events tell the past first and then go on, and end with the server", async () => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  await statusWhere(server, "two seconds of the past", ({ history }) => (history?.time.length ?? 0) >= 2);
  using events = await Events.open(server);
  assertGreater((await events.next()).history?.time.length ?? 0, 1);
  await ask(server, get("/a.txt"));
  const seen = (await events.next()).totals.requests;
  await ask(server, get("/a.txt"));
  let later = await events.next();
  while (later.totals.requests === seen) later = await events.next();
  assertGreater(later.totals.requests, seen);
  // Well within timeouts.shutdown: nobody waits for a stream that never ends.
  const ended = events.ended();
  const stopped = server.stop();
  await ended;
  await within("the server to stop", stopped, 20_000);
});

Deno.test("status: any loop answers for all, and a reload takes nothing away", async () => {
  const yaml = YAML.replace("routes:", "workers: 3\nroutes:");
  await using server = await TestServer.start({ yaml, files: FILES });
  for (let i = 0; i < 20; i++) await ask(server, get("/a.txt"));
  // A loop may count a request a moment after its client has the answer.
  await statusWhere(server, "20 requests", ({ totals }) => totals.requests > 19);
  const seen = await Promise.all(Array.from({ length: 12 }, () => statusOf(server)));
  for (const { loops, totals, pid } of seen) {
    assertEquals([loops, pid], [3, server.pid]);
    assertGreater(totals.requests, 19);
  }
  using kept = await server.connect();
  await kept.send(get("/a.txt"));
  await kept.readResponse();

  const reload = async (text: string, what: string, isSo: (status: Status) => boolean) => {
    await Deno.writeTextFile(`${server.dir}/pollux.yaml`, text);
    server.kill("SIGHUP");
    return await statusWhere(server, what, isSo);
  };
  // In place, with other loops, and not at all.
  await reload(yaml + "headers: { X-A: b }\n", "a reload", ({ reloads }) => reloads.taken === 1);
  const other = yaml.replace("workers: 3", "workers: 2");
  const status = await reload(
    other,
    "other loops",
    ({ reloads, loops }) => reloads.taken === 2 && loops === 2,
  );
  assertGreater(status.totals.requests, 32);
  // Those of the loops that are gone are counted no more: there is who asks, and nobody else.
  await statusWhere(
    server,
    "one client",
    ({ clients }) => clients.connected === 1 && clients.states.REQ_RDY === 1,
  );
  await reload(other + "nonsense: 1\n", "a refusal", ({ reloads }) => reloads.refused === 1);
});
