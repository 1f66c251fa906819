/**
 * Clients: wrk, curl, and sockets of our own for what neither can do.
 *
 * @module
 */

import { output, usageOf } from "./usage.ts";

/** A server under load. */
export interface Target {
  /** Where it listens, on 127.0.0.1. */
  readonly port: number;
  /** Its processes. */
  readonly pids: readonly number[];
}

/** What wrk is to do. */
export interface Load {
  /** Origin-form. */
  readonly path: string;
  /** Connections at once. */
  readonly clients: number;
  /** How long. */
  readonly seconds: number;
  /** GET by default. */
  readonly method?: string;
  /** Requests sent in one piece; 1 by default. */
  readonly pipeline?: number;
  /** Fields beside Host. */
  readonly fields?: Readonly<Record<string, string>>;
  /** The status that is measured; 200 by default. wrk counts what is 400 and above. */
  readonly status?: number;
}

/** One sample: figures by what they are. */
export type Sample = Readonly<Record<string, number>>;

interface WrkResult {
  readonly requests: number;
  readonly micros: number;
  readonly bytes: number;
  readonly refused: number;
  readonly broken: number;
  readonly p50: number;
  readonly p99: number;
}

const SCRIPT = new URL("wrk.lua", import.meta.url).pathname;

/** Loads a server with wrk. `req/s`, `p50 ms`, `p99 ms`, `MiB/s`, `CPU µs` a request and `CPU s/GiB`, children included. */
export async function wrk(target: Target, load: Load): Promise<Sample> {
  const { path, clients, seconds, method = "GET", pipeline = 1, fields = {}, status = 200 } = load;
  const before = await usageOf(target.pids);
  const text = await output(
    "wrk",
    ...["-t1", `-c${clients}`, `-d${seconds}s`, "--timeout", "20s", "-s", SCRIPT],
    ...[`http://127.0.0.1:${target.port}/`, "--", method, path, String(pipeline)],
    ...Object.entries(fields).flat(),
  );
  const after = await usageOf(target.pids);
  const result: WrkResult = JSON.parse(text.slice(text.lastIndexOf("\n{") + 1));
  const { requests, micros, bytes, p50, p99 } = result;
  const wrong = status < 400 ? result.refused : requests - result.refused;
  // What is cut off at the end of a measurement is not broken.
  if (requests === 0 || wrong > 0 || result.broken > clients) {
    const { refused, broken } = result;
    throw new Error(`${method} ${path}: ${requests} answers, ${refused} of them refusals, ${broken} errors`);
  }
  const cpu = after.cpuMicros - before.cpuMicros + after.childCpuMicros - before.childCpuMicros;
  return {
    "req/s": requests / micros * 1e6,
    "p50 ms": p50 / 1000,
    "p99 ms": p99 / 1000,
    "MiB/s": bytes / 2 ** 20 / micros * 1e6,
    "CPU µs": cpu / requests,
    "CPU s/GiB": cpu / 1e6 / (bytes / 2 ** 30),
  };
}

/** So many requests are enough to compile what all of them go through. */
const WARM_REQUESTS = 3000;
/** No server is warmed up for longer, in seconds. */
const WARM_SECONDS_MAX = 10;

/** Loads a server with so many requests that what is measured afterwards is compiled code, and not its compiling. */
export async function warmUp(target: Target, load: Omit<Load, "seconds">): Promise<void> {
  let requests = 0;
  for (let second = 0; second < WARM_SECONDS_MAX && requests < WARM_REQUESTS; second++) {
    const { "req/s": rate } = await wrk(target, { ...load, seconds: 1 });
    requests += rate;
  }
}

/** One transfer by curl: `MiB/s`, and what the server's memory grew to, `peak MiB`. */
export async function curl(target: Target, path: string, mib: number, ...args: string[]): Promise<Sample> {
  const url = `http://127.0.0.1:${target.port}${path}`;
  const format = "%{http_code} %{time_total} %{size_download} %{size_upload}";
  const text = await output("curl", "-s", "-o", "/dev/null", "-w", format, ...args, url);
  const [status, seconds, down, up] = text.split(" ").map(Number);
  if (status !== 200 || Math.max(down, up) < mib * 2 ** 20) throw new Error(`${url}: ${text}`);
  const { peakKiB } = await usageOf(target.pids);
  return { "MiB/s": mib / seconds, "peak MiB": peakKiB / 1024 };
}

/** The head of an answer to a single request; the connection is closed. */
export async function ask(port: number, path: string, method = "GET"): Promise<string> {
  using connection = await Deno.connect({ port });
  await writeAll(connection, requestText(method, path, "Connection: close\r\n"));
  let text = "";
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(16384);
  for (let count; (count = await connection.read(buffer)) !== null;) {
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
  return text.slice(0, text.indexOf("\r\n\r\n"));
}

/**
 * Loads a server with requests whose answers are all of the same length, by sockets of our own: wrk waits for the content
 * of an answer to HEAD.
 */
export async function hammer(target: Target, method: string, path: string, load: Load): Promise<Sample> {
  const request = new TextEncoder().encode(requestText(method, path));
  using probe = await Deno.connect({ port: target.port });
  const buffer = new Uint8Array(65536);
  await probe.write(request);
  const length = await probe.read(buffer) ?? 0;
  const before = await usageOf(target.pids);
  const beganMs = performance.now();
  const untilMs = beganMs + load.seconds * 1000;
  let requests = 0;
  await Promise.all(Array.from({ length: load.clients }, async () => {
    using connection = await Deno.connect({ port: target.port });
    const own = new Uint8Array(16384);
    while (performance.now() < untilMs) {
      await connection.write(request);
      for (let left = length; left > 0;) {
        const count = await connection.read(own);
        if (count === null) throw new Error(`${method} ${path}: the connection was closed`);
        left -= count;
      }
      requests++;
    }
  }));
  const seconds = (performance.now() - beganMs) / 1000;
  const after = await usageOf(target.pids);
  return { "req/s": requests / seconds, "CPU µs": (after.cpuMicros - before.cpuMicros) / requests };
}

/** Opens connections that have had one answer each, and keeps them until it is disposed of. */
export async function idle(port: number, count: number): Promise<Disposable> {
  const connections: Deno.Conn[] = [];
  const buffer = new Uint8Array(16384);
  for (let i = 0; i < count; i++) {
    const connection = await Deno.connect({ port });
    connections.push(connection);
    await writeAll(connection, requestText("GET", "/1k.html"));
    for (let left = 1024; left > 0;) left -= await connection.read(buffer) ?? Infinity;
  }
  return {
    [Symbol.dispose]() {
      for (const connection of connections) connection.close();
    },
  };
}

/** Reads server-sent events that say when they were written: how late each came, in milliseconds. */
export async function eventDelays(port: number, path: string): Promise<number[]> {
  using connection = await Deno.connect({ port });
  await writeAll(connection, requestText("GET", path));
  const delays: number[] = [];
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(16384);
  for (let count; (count = await connection.read(buffer)) !== null;) {
    const nowMs = performance.timeOrigin + performance.now();
    const text = decoder.decode(buffer.subarray(0, count));
    for (const [, time] of text.matchAll(/^data: ([\d.]+)$/gm)) delays.push(nowMs - Number(time));
    if (text.includes("\r\n0\r\n\r\n") || text.startsWith("0\r\n\r\n")) break;
  }
  return delays;
}

function requestText(method: string, path: string, more = ""): string {
  return `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}\r\n`;
}

async function writeAll(connection: Deno.Conn, text: string): Promise<void> {
  let rest = new TextEncoder().encode(text);
  while (rest.length > 0) rest = rest.subarray(await connection.write(rest));
}
