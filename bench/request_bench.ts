/**
 * What a request for a small file costs besides the runtime's reads and writes: parsed, routed, answered, logged, over a
 * connection in memory.
 *
 * `deno task bench:parts bench/request_bench.ts`
 *
 * @module
 */

import { Changes } from "../src/cache/changes.ts";
import { Client, type ClientHost } from "../src/client/client.ts";
import { PEER } from "../src/client/client_fixture.ts";
import { loadConfig } from "../src/config/load.ts";
import { Service } from "../src/loop/service.ts";
import { Batch } from "../src/observe/batch.ts";
import { Metrics } from "../src/observe/metrics.ts";
import { LoopClock } from "../src/time/clock.ts";

const dir = await Deno.makeTempDir();
await Deno.writeTextFile(`${dir}/1k.html`, "x".repeat(1024));
await Deno.writeTextFile(`${dir}/pollux.yaml`, `root: ${dir}\n`);
// What was looked at while it was new is looked at more often.
await new Promise((resolve) => setTimeout(resolve, 1500));
const loaded = await loadConfig({ file: `${dir}/pollux.yaml`, env: { get: () => undefined }, cwd: dir });
if ("faults" in loaded) throw new Error("The configuration is right");
const { config } = loaded;
const metrics = new Metrics();
const clock = new LoopClock();
const batch = (): Batch => new Batch({ send() {} });
const tools = { setsid: null, setpriv: null, prlimit: null, nice: null, sh: null };
const service = new Service(
  {
    config,
    programs: { paths: {}, tools, binaries: [], inherited: [], users: {}, warnings: [] },
    loop: 0,
    temp: dir,
    connections: new SharedArrayBuffer(8),
    rates: null,
    changes: Changes.memory(),
  },
  {
    clock,
    metrics,
    scripts: {
      start(): never {
        throw new Error("No script is asked for");
      },
    },
    environment: {},
    accessBatch: batch(),
    errorBatch: batch(),
    passwords: null,
    status: null,
    reload: null,
  },
);
let requests = 0;
const host: ClientHost = {
  clock,
  limits: service.limits,
  timeouts: service.timeouts,
  bodyLimits: service.bodyLimits,
  headReaders: service.headReaders,
  metrics,
  log: service.log,
  answerer: service.answerer,
  record: service.record,
  recordError: null,
  trustedProxies: service.trustedProxies,
  unacknowledgedBytes: null,
  date: () => "Sun, 06 Nov 1994 08:49:37 GMT",
  nextRequestId: () => `r-${++requests}`,
  isDraining: () => false,
  hasProxyProtocol: () => false,
  identify: () => true,
  over() {},
};
const encoder = new TextEncoder();
const SMALL = encoder.encode("GET /1k.html HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n");
const BROWSER = encoder.encode(
  "GET /1k.html HTTP/1.1\r\nHost: localhost:8080\r\n" +
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
    "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\n" +
    "Cookie: session=0123456789abcdef; theme=dark\r\nReferer: http://localhost:8080/\r\n\r\n",
);

/** A thousand requests over one connection, each answered before the next comes. */
async function thousand(request: Uint8Array<ArrayBuffer>): Promise<void> {
  let left = 1000;
  const connection = {
    read(buffer: Uint8Array<ArrayBuffer>): Promise<number | null> {
      if (left === 0) return Promise.resolve(null);
      left--;
      buffer.set(request);
      return Promise.resolve(request.length);
    },
    write: (bytes: Uint8Array<ArrayBuffer>) => Promise.resolve(bytes.length),
    closeWrite: () => Promise.resolve(),
    close() {},
  };
  const { promise, resolve } = Promise.withResolvers<void>();
  new Client(connection, PEER, 0, { ...host, over: () => resolve() }).serve();
  await promise;
}

Deno.bench({ name: "1,000 requests of a load generator", fn: async () => await thousand(SMALL) });
Deno.bench({ name: "1,000 requests of a browser", fn: async () => await thousand(BROWSER) });
