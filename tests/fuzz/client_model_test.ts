/**
 * The client as a model: random requests, handlers and events, on a clock turned by hand. Whatever the order, a waiting client
 * has a deadline, each resource is closed once, each request has one answer at most, and what is written can be read strictly.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Bench, reply, text, TIMEOUTS } from "../../src/client/client_fixture.ts";
import { FakeTlsConnection } from "../../src/client/connection_fixture.ts";
import {
  type Exchange,
  ExchangeAborted,
  type Handler,
  type Outcome,
  type Source,
} from "../../src/handlers/handler.ts";
import { HttpError } from "../../src/http/error.ts";
import { readResponses } from "./reference.ts";
import { holds } from "./seeds.ts";

/** What a client asks for, and how its handler goes about it. */
interface Plan {
  readonly method: "GET" | "HEAD" | "POST";
  readonly minor: 0 | 1;
  readonly connection: "" | "close" | "keep-alive";
  /** null: none; a number: of that length; a list: in chunks of these. */
  readonly body: number | null | readonly number[];
  readonly expects: boolean;
  /** Not a request at all: refused, and nothing after it is read. */
  readonly isMalformed: boolean;
  readonly reads: "nothing" | "once" | "all";
  readonly delegates: boolean;
  /** Waits for an event before it answers. */
  readonly waits: boolean;
  readonly answer:
    | { readonly kind: "none" | "refuse" | "refuseAndClose" | "reroute" }
    | { readonly kind: "bytes"; readonly bytes: number }
    | {
      readonly kind: "source";
      readonly chunks: readonly number[];
      readonly isAnnounced: boolean;
      readonly isFed: boolean;
      readonly breaks: boolean;
      readonly isRaw: boolean;
    };
}

/** What comes before the first request. */
interface Front {
  readonly isTls: boolean;
  /** What a proxy says of its client; null: none is in front. */
  readonly proxy: { readonly header: string; readonly isGood: boolean } | null;
}

type Step =
  | { readonly kind: "send"; readonly bytes: number }
  | { readonly kind: "turn"; readonly ms: number }
  | { readonly kind: "end" | "reset" | "go" | "stick" | "unstick" | "drain" | "destroy" | "shake" };

const BODY_LIMIT = 200_000;
/** An input holds what is read ahead, and a buffer's length more; it doubles when it grows. */
const INPUT_BYTES_MAX = 4 * 64 * 1024;
const MALFORMED = "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n";

const V2 = "\r\n\r\n\0\r\nQUIT\n\x21\x11";
const PROXIES: readonly Front["proxy"][] = [
  { header: "PROXY TCP4 192.0.2.9 192.0.2.2 56324 80\r\n", isGood: true },
  { header: "PROXY UNKNOWN\r\n", isGood: true },
  // Of 12 bytes of addresses, and 100 that count for nothing.
  { header: `${V2}\0\x70\x0a\0\0\x01\x0a\0\0\x02\x10\x01\0\x50${"x".repeat(100)}`, isGood: true },
  { header: "PROXY TCP4 192.0.2.9\r\n", isGood: false },
];

const front: fc.Arbitrary<Front> = fc.record({
  isTls: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
  proxy: fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, fc.constantFrom(...PROXIES)),
});

const answer: fc.Arbitrary<Plan["answer"]> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "none" as const,
      "refuse" as const,
      "refuseAndClose" as const,
      "reroute" as const,
    ).map((kind) => ({ kind })),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("bytes" as const),
      bytes: fc.constantFrom(0, 1, 300, 20_000, 70_000),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("source" as const),
      chunks: fc.array(fc.constantFrom(1, 100, 20_000), { maxLength: 4 }),
      isAnnounced: fc.boolean(),
      isFed: fc.boolean(),
      breaks: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
      isRaw: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    }),
  },
);

const plan: fc.Arbitrary<Plan> = fc.record({
  method: fc.constantFrom("GET" as const, "HEAD" as const, "POST" as const, "POST" as const),
  minor: fc.constantFrom(1 as const, 1 as const, 1 as const, 0 as const),
  connection: fc.constantFrom("" as const, "" as const, "" as const, "close" as const, "keep-alive" as const),
  body: fc.oneof(
    fc.constant(null),
    fc.constantFrom(0, 1, 500, 30_000, 190_000, 300_000),
    fc.array(fc.constantFrom(1, 10, 5000, 90_000), { maxLength: 4 }),
  ),
  expects: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
  isMalformed: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
  reads: fc.constantFrom("nothing" as const, "once" as const, "all" as const, "all" as const),
  delegates: fc.boolean(),
  waits: fc.boolean(),
  answer,
});

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      bytes: fc.constantFrom(1, 7, 60, 400, 5000, 100_000, 1_000_000),
    }),
  },
  { weight: 6, arbitrary: fc.constant({ kind: "go" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("turn" as const),
      ms: fc.constantFrom(1, 300, 1100, 2100, 9000, 10_100, 31_000, 61_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "end" as const,
      "reset" as const,
      "stick" as const,
      "unstick" as const,
      "unstick" as const,
      "drain" as const,
      "destroy" as const,
      "shake" as const,
      "shake" as const,
    )
      .map((kind) => ({ kind })),
  },
);

/** The bytes of a body or an answer, one char a byte: another for each request, so that mixing would show. */
function content(index: number, bytes: number): string {
  return "abcdefghijklmnop".slice(index % 16).concat("-").repeat(Math.ceil(bytes / 2) + 1).slice(0, bytes);
}

function bodyLength({ body }: Plan): number {
  return body === null ? 0 : typeof body === "number" ? body : body.reduce((sum, bytes) => sum + bytes, 0);
}

function wireOf(planned: Plan, index: number): string {
  if (planned.isMalformed) return MALFORMED;
  const { method, minor, connection, body, expects } = planned;
  const isChunked = typeof body === "object" && body !== null && minor === 1;
  const whole = content(index, bodyLength(planned));
  let head = `${method} /${index} HTTP/1.${minor}\r\nHost: a\r\nX-Id: ${index}\r\n`;
  if (connection !== "") head += `Connection: ${connection}\r\n`;
  if (expects) head += "Expect: 100-continue\r\n";
  if (isChunked) head += "Transfer-Encoding: chunked\r\n";
  else if (body !== null) head += `Content-Length: ${whole.length}\r\n`;
  if (!isChunked) return head + "\r\n" + whole;
  let chunks = "";
  let at = 0;
  for (const bytes of body) {
    chunks += `${bytes.toString(16)}\r\n${whole.slice(at, at + bytes)}\r\n`;
    at += bytes;
  }
  return `${head}\r\n${chunks}0\r\nX-Trailer: t\r\n\r\n`;
}

/** Counts what must happen once. */
class CountedConnection extends FakeTlsConnection {
  closes = 0;

  constructor({ isTls }: Front) {
    super();
    if (!isTls) this.shakeHands();
  }

  override async read(buffer: Uint8Array<ArrayBuffer>): Promise<number | null> {
    assert(!this.isShakingHands, "it read before the end of the handshake");
    return await super.read(buffer);
  }

  override close(): void {
    this.closes++;
    super.close();
  }

  override write(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    assert(!this.isShakingHands, "it wrote before the end of the handshake");
    assert(!this.isWriteClosed, "it wrote after the end of what it sends");
    assert(!this.isClosed, "it wrote to a connection that it had closed");
    return super.write(bytes);
  }
}

/** One run of the model. */
class Run {
  readonly connection: CountedConnection;
  readonly bench: Bench;
  readonly #front: Front;
  readonly #plans: readonly Plan[];
  /** Those who wait for an event, the oldest first. */
  readonly #gates: (() => void)[] = [];
  #isOpen = false;
  readonly #wire: string;
  #sent = 0;
  /** How much of it had been sent when the server said its last. */
  #heard = 0;
  /** Something happened after which an answer may be missing or cut. */
  #isDisturbed = false;
  #isServed = false;
  readonly #exchanges: Exchange[] = [];
  readonly #working = new Set<Exchange>();
  /** As scripts hold them: taken before anything has happened. */
  readonly #signals = new Set<AbortSignal>();
  readonly #sources: { closed: number }[] = [];

  constructor(front: Front, plans: readonly Plan[]) {
    this.#front = front;
    this.#plans = plans;
    this.#wire = (front.proxy?.header ?? "") + plans.map(wireOf).join("");
    this.connection = new CountedConnection(front);
    const hasProxyProtocol = front.proxy !== null;
    this.bench = new Bench(this.#handler, { bodyBytes: BODY_LIMIT }, this.connection, hasProxyProtocol);
    this.bench.served.then(() => this.#isServed = true);
  }

  async take(step: Step): Promise<void> {
    const { connection, bench } = this;
    switch (step.kind) {
      case "send": {
        const part = this.#wire.slice(this.#sent, this.#sent + step.bytes);
        this.#sent += part.length;
        if (!connection.isWriteClosed) this.#heard = this.#sent;
        if (part !== "") connection.push(part);
        break;
      }
      case "turn":
        // A deadline that passes may end anything.
        this.#isDisturbed = true;
        bench.clock.turn(step.ms);
        break;
      case "go":
        this.#gates.shift()?.();
        break;
      case "shake":
        connection.shakeHands();
        break;
      case "stick":
        connection.isStuck = true;
        break;
      case "unstick":
        connection.unstick();
        break;
      case "drain":
        this.#isDisturbed = true;
        bench.isDraining = true;
        bench.client.drain();
        break;
      case "end":
        this.#isDisturbed = true;
        connection.end();
        break;
      case "reset":
        this.#isDisturbed = true;
        connection.reset();
        break;
      case "destroy":
        this.#isDisturbed = true;
        bench.client.destroy("shutdown");
        break;
    }
    await settle();
    this.#check();
  }

  /** Everything is let go on, and time passes: nothing may be left. */
  async finish(): Promise<void> {
    if (!this.#isDisturbed) {
      this.connection.shakeHands();
      this.connection.unstick();
      await this.take({ kind: "send", bytes: this.#wire.length });
    }
    this.#isOpen = true;
    while (this.#gates.length > 0) {
      this.#gates.shift()?.();
      await settle();
    }
    this.#check();
    if (!this.#isDisturbed) this.#checkAllAnswered();
    await this.#endHandshake();
    for (let i = 0; i < 40 && !this.#isServed; i++) {
      this.bench.clock.turn(10_100);
      await settle();
    }
    assert(this.#isServed, `it waits for ever, in ${this.bench.client.state}`);
    await this.bench.gone();
    await settle();
    this.#check();
    assertEquals(this.connection.closes, 1, "times that the connection was closed");
    assertEquals(this.#working.size, 0, "handlers that were left waiting");
    this.#sources.forEach(({ closed }, index) =>
      assertEquals(closed, 1, `times that source ${index} was closed`)
    );
    const noted = this.bench.records.map(({ requestId }) => requestId);
    assertEquals(new Set(noted).size, noted.length, "a request was noted twice");
    const missing = this.#exchanges.filter(({ id }) => !noted.includes(id)).map(({ head }) => head.target);
    assertEquals(missing, [], "requests that were not noted");
  }

  /** A handshake that is late ends after all: nobody is served any more. */
  async #endHandshake(): Promise<void> {
    if (!this.connection.isShakingHands) return;
    this.bench.clock.turn(TIMEOUTS.headerMs);
    await settle();
    await this.take({ kind: "shake" });
    assert(this.#isServed, "who shakes hands late is served");
    assertEquals(this.connection.written, "");
  }

  /** What holds whenever nothing can go on by itself. */
  #check(): void {
    const { client, clock, logged } = this.bench;
    assertEquals(logged, []);
    assert(client.input.buffer.length <= INPUT_BYTES_MAX, `an input of ${client.input.buffer.length} bytes`);
    if (this.connection.isClosed) {
      for (const exchange of this.#working) {
        assert(exchange.signal.aborted, `${exchange.head.target} was not told that its client is gone`);
        assert(exchange.signal.reason instanceof ExchangeAborted);
      }
      for (const signal of this.#signals) {
        assert(signal.aborted, "a script was not told that its client is gone");
      }
    } else {
      assert(!this.#isServed, "it is over, and its connection open");
      // A handshake that is late is left to the runtime.
      if (this.connection.isShakingHands && clock.now() >= TIMEOUTS.headerMs) return;
      const isHandlers = this.#gates.length > 0 && client.state !== "READ_REQ" && client.state !== "FINISHED";
      if (!isHandlers) assert(client.deadlineMs < Infinity, `no deadline in ${client.state}`);
      assert(client.deadlineMs > clock.now(), `a deadline passed unseen in ${client.state}`);
    }
    this.#responses();
  }

  /** Reads what was written, and holds each answer against its request. */
  #responses(): number {
    let at = this.#front.proxy?.header.length ?? 0;
    const methods = this.#front.proxy?.isGood === false
      ? ["GET"] as const
      : this.#plans.map((planned, index) => {
        const wire = wireOf(planned, index);
        const headEnd = at + wire.indexOf("\r\n\r\n") + 4;
        at += wire.length;
        // Of a head that is not whole nobody knows what it asked for.
        return planned.isMalformed || this.#heard < headEnd ? "GET" : planned.method;
      });
    const rawAt = this.#plans.findIndex(({ answer }) => answer.kind === "source" && answer.isRaw);
    const { written, isWriteClosed } = this.connection;
    // What a script says for itself is no matter of the client's: it is cut off at its mark.
    const raw = written.indexOf("RAW");
    const responses = readResponses(
      raw === -1 ? written : written.slice(0, raw),
      methods,
      isWriteClosed,
    );
    let request = 0;
    for (const { status, fields, content: got, isWhole } of responses) {
      if (status === 0) break;
      assert(request < this.#plans.length, "more answers than requests");
      const planned = this.#plans[request];
      if (status < 200) {
        assertEquals([status, planned.expects], [100, true], `an interim answer to request ${request}`);
        continue;
      }
      const id = fields.get("x-id");
      if (id === undefined) assert(status >= 400, `request ${request} is answered ${status} by nobody`);
      else {
        assertEquals(id, String(request), "an answer to another request");
        const wanted = expected(planned, request);
        if (isWhole) assertEquals(got, wanted);
        else if (fields.has("content-length")) {
          assert(wanted.startsWith(got), `other content than that of ${request}`);
        }
      }
      request++;
    }
    if (raw !== -1) assert(rawAt !== -1);
    return request + (raw === -1 ? 0 : 1);
  }

  /** Nobody left and nothing was late: each request has its answer, up to one that says that it is the last. */
  #checkAllAnswered(): void {
    const answered = this.#responses();
    const { isWriteClosed, isClosed, written } = this.connection;
    if (this.#front.proxy?.isGood === false) assertEquals(this.#exchanges, [], "requests behind nonsense");
    if (!isWriteClosed && !isClosed) return assertEquals(answered, this.#plans.length, "answers");
    const isCut = this.#plans.slice(Math.max(0, answered - 1), answered + 1).some((planned) => {
      const { answer } = planned;
      // A chunked body does not say beforehand that it is more than will be read.
      return bodyLength(planned) > BODY_LIMIT ||
        answer.kind === "source" && (answer.isRaw || answer.breaks);
    });
    assert(isCut || /\r\nConnection: close\r\n/.test(written), "it ended the connection without a word");
  }

  readonly #handler: Handler = async (exchange: Exchange): Promise<Outcome> => {
    if (!this.#exchanges.includes(exchange)) this.#exchanges.push(exchange);
    const index = Number(exchange.head.fields.get("x-id"));
    const planned = this.#plans[index];
    const fields = [["X-Id", String(index)]] as const;
    this.#working.add(exchange);
    try {
      if (exchange.target.path === "/elsewhere") return { ...reply(text(content(index, 9))), fields };
      if (planned.delegates) {
        exchange.delegate();
        this.#signals.add(exchange.signal);
      }
      await this.#read(exchange, planned, index);
      if (planned.waits) await this.#gate();
      const { answer } = planned;
      switch (answer.kind) {
        case "none":
          return { ...reply(null), fields };
        case "refuse":
          throw new HttpError(403, "no");
        case "refuseAndClose":
          throw new HttpError(400, "no", { close: true });
        case "reroute":
          return { kind: "reroute", target: "/elsewhere", as: "local" };
        case "bytes":
          return { ...reply(text(content(index, answer.bytes))), fields };
        case "source":
          return { ...reply(this.#source(answer, index)), fields };
      }
    } finally {
      this.#working.delete(exchange);
    }
  };

  async #read({ body }: Exchange, planned: Plan, index: number): Promise<void> {
    if (planned.reads === "nothing") return;
    const whole = content(index, bodyLength(planned));
    let got = "";
    for (;;) {
      const bytes = await body.read();
      if (bytes === null) break;
      assert(bytes.length > 0, "an empty read");
      got += new TextDecoder("latin1").decode(bytes);
      assert(got.length <= BODY_LIMIT, "a body over its limit");
      assert(whole.startsWith(got), `request ${index} was given another body`);
      if (planned.reads === "once") return;
    }
    assertEquals(got.length, whole.length, "bytes of a body that has ended");
  }

  #gate(): Promise<void> {
    if (this.#isOpen) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gates.push(resolve);
    return promise;
  }

  #source(answer: Extract<Plan["answer"], { kind: "source" }>, index: number): Source {
    const parts = chunksOf(answer, index).map(text);
    const counted = { closed: 0 };
    this.#sources.push(counted);
    const isBroken = answer.breaks;
    const next = (): Uint8Array<ArrayBuffer> | null => {
      const part = parts.shift() ?? null;
      if (part === null && isBroken) throw new HttpError(502, "the content broke off");
      return part;
    };
    return {
      length: answer.isAnnounced && !answer.isRaw
        ? answer.chunks.reduce((sum, bytes) => sum + bytes, 0)
        : null,
      raw: answer.isRaw,
      read: () => answer.isFed ? this.#gate().then(next) : next(),
      close() {
        counted.closed++;
      },
    };
  }
}

function chunksOf(answer: Extract<Plan["answer"], { kind: "source" }>, index: number): string[] {
  if (answer.isRaw) return ["RAW", ...answer.chunks.map((bytes) => content(index, bytes))];
  return answer.chunks.map((bytes) => content(index, bytes));
}

/** The content that the answer to a request should have. */
function expected({ method, answer }: Plan, index: number): string {
  if (method === "HEAD") return "";
  switch (answer.kind) {
    case "reroute":
      return content(index, 9);
    case "bytes":
      return content(index, answer.bytes);
    case "source":
      return chunksOf(answer, index).join("");
    default:
      return "";
  }
}

/** Until nothing can go on by itself: all there is are promises. */
async function settle(): Promise<void> {
  for (let i = 0; i < 400; i++) await null;
}

holds(
  "a client's deadlines, resources and answers are right in every order of events",
  fc.asyncProperty(
    front,
    fc.array(plan, { minLength: 1, maxLength: 5 }),
    fc.array(step, { maxLength: 40 }),
    async (front, plans, steps) => {
      const run = new Run(front, plans);
      await settle();
      for (const step of steps) await run.take(step);
      await run.finish();
    },
  ),
  200,
);
