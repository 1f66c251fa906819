/**
 * A client in memory with one route, whose clock is turned by hand, and the handlers that tests give it.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Config, Limits, Route, Site, Timeouts } from "../config/config.ts";
import type { Exchange, Handler, Outcome, Peer, Reply, Source } from "../handlers/handler.ts";
import { Metrics } from "../observe/metrics.ts";
import type { AccessRecord } from "../observe/record.ts";
import { AddressSet } from "../route/access.ts";
import { Router } from "../route/router.ts";
import { ManualClock } from "../time/clock.ts";
import { Answerer } from "./answerer.ts";
import { Client, type ClientHost } from "./client.ts";
import { FakeConnection } from "./connection_fixture.ts";
import { HeadReaders } from "./head_readers.ts";

/** Limits that no test meets by accident. */
export const LIMITS: Limits = {
  requestLineBytes: 8192,
  headerBytes: 32768,
  headerCount: 100,
  bodyBytes: 1 << 20,
  connections: 100,
  connectionsPerIp: Infinity,
  minRate: 100,
  requestsPerConnection: Infinity,
};
/** The contract's defaults. */
export const TIMEOUTS: Timeouts = {
  headerMs: 10_000,
  bodyMs: 30_000,
  keepAliveMs: 60_000,
  writeMs: 30_000,
  shutdownMs: 30_000,
};

/** Who is at the other end. */
export const PEER: Peer = {
  address: "192.0.2.1",
  port: 1,
  localAddress: "192.0.2.2",
  localPort: 80,
  scheme: "http",
  host: null,
};

/** The contract's `client_gone`. */
export const CLIENT_GONE_MS = 1000;

/** A client with one route, of a gateway, in memory, whose clock is turned by hand. */
export class Bench {
  /** The other end, played by the test. */
  readonly connection: FakeConnection;
  /** Turned by hand. */
  readonly clock = new ManualClock();
  /** What was counted. */
  readonly metrics = new Metrics();
  /** The access log. */
  readonly records: AccessRecord[] = [];
  /** The error log at its usual level, without the levels. */
  readonly logged: string[] = [];
  /** What is tested. */
  readonly client: Client;
  /** Settles with the end of the connection. */
  readonly served: Promise<void>;
  /** Whether the server is about to stop. */
  isDraining = false;

  /** Serves `connection` by `handler`, within the defaults but for `limits`; whether a proxy in front says who it is. */
  constructor(
    handler: Handler,
    limits: Partial<Limits> = {},
    connection = new FakeConnection(),
    hasProxyProtocol = false,
  ) {
    this.connection = connection;
    const route: Route = {
      id: 0,
      path: "/",
      handler: {
        kind: "fastcgi",
        addresses: [],
        root: "/nowhere",
        index: [],
        env: {},
        timeoutMs: 30_000,
        connections: 1,
        queue: 1,
        queueTimeoutMs: 10_000,
        clientGoneMs: CLIENT_GONE_MS,
        passAuthorization: false,
        headBytes: 65_536,
      },
      methods: ["GET", "HEAD", "POST"],
      auth: null,
      allow: null,
      deny: [],
      rate: null,
      headers: [],
      bodyLimitBytes: limits.bodyBytes ?? LIMITS.bodyBytes,
      compress: false,
      cache: null,
      place: null,
    };
    const site: Site = {
      hosts: [],
      listen: [0],
      root: "/nowhere",
      errorPages: {},
      headers: [],
      routes: [route],
      place: null,
    };
    const config = { listen: [{ transport: "tcp" }], sites: [site] } as unknown as Config;
    const merged = { ...LIMITS, ...limits };
    let ids = 0;
    const over = Promise.withResolvers<void>();
    this.served = over.promise;
    const host: ClientHost = {
      clock: this.clock,
      limits: merged,
      headReaders: new HeadReaders(merged),
      timeouts: TIMEOUTS,
      bodyLimits: { bodyBytes: merged.bodyBytes, timeoutMs: 30_000, minRate: 100, fields: merged },
      metrics: this.metrics,
      recordError: null,
      log: { log: (level, message) => void (level === "debug" || this.logged.push(message)) },
      answerer: new Answerer(new Router(config, () => handler, null)),
      record: (record) => this.records.push(record),
      date: () => "Sun, 06 Nov 1994 08:49:37 GMT",
      nextRequestId: () => `r${++ids}`,
      isDraining: () => this.isDraining,
      trustedProxies: new AddressSet([]),
      hasProxyProtocol: () => hasProxyProtocol,
      identify: () => true,
      unacknowledgedBytes: null,
      over: () => over.resolve(),
    };
    this.client = new Client(this.connection, PEER, 0, host);
    this.client.serve();
  }

  /** Waits for `text` in what was written. */
  async expect(text: string): Promise<void> {
    await this.connection.until(() => this.connection.written.includes(text) || this.connection.isClosed);
    assertStringIncludes(this.connection.written, text);
  }

  /** The client leaves; nothing may be left of it. */
  async leave(): Promise<void> {
    this.connection.end();
    await this.gone();
  }

  /** The server has let go of it. */
  async gone(): Promise<void> {
    await this.served;
    assert(this.connection.isClosed);
    assertEquals(this.clock.size, 0);
    assertEquals(this.client.state, "FINISHED");
    assertEquals(this.metrics.gauge("idle"), 0);
    for (const state of ["READ_REQ", "REQ_RDY", "WAIT_CGI", "RES_RDY", "RES_SENDING", "FINISHED"] as const) {
      assertEquals(this.metrics.clients(state), 0, state);
    }
    assertEquals(this.logged, []);
  }
}

/** The bytes of a text. */
export const text = (content: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(content);
/** A reply without fields. */
export const reply = (body: Reply["body"], status = 200): Reply => ({
  kind: "reply",
  status,
  fields: [],
  body,
});

/** Echoes the body. */
export const echo: Handler = async ({ body }: Exchange): Promise<Outcome> => {
  let content = "";
  for (let bytes = await body.read(); bytes !== null; bytes = await body.read()) {
    content += new TextDecoder().decode(bytes);
  }
  return reply(text(content));
};

/** A source that a test feeds. */
export class FedSource implements Source {
  readonly length = null;
  /** The reasons it was closed for. */
  closed: unknown[] = [];
  #queue: (Uint8Array<ArrayBuffer> | null | Error)[] = [];
  #wake: (() => void) | null = null;

  /** The next thing that is read: bytes, the end, or a failure. */
  feed(item: Uint8Array<ArrayBuffer> | null | Error): void {
    this.#queue.push(item);
    this.#wake?.();
  }

  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    while (this.#queue.length === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    const item = this.#queue.shift();
    if (item instanceof Error) throw item;
    return item ?? null;
  }

  close(reason: unknown): void {
    this.closed.push(reason);
  }
}
