/**
 * A route's cache, with its handler in the test's hand.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Exchange,
  ExchangeAborted,
  type Outcome,
  type Reply,
  type Source,
} from "../handlers/handler.ts";
import { HttpError } from "../http/error.ts";
import type { Field } from "../http/fields.ts";
import { ManualClock } from "../time/clock.ts";
import {
  bytesOf,
  exchange,
  type ExchangeFacts,
  fieldOf,
  replyOf,
  textOf,
} from "../../tests/support/exchange.ts";
import { cached } from "./cache.ts";
import { Changes } from "./changes.ts";

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, permissions: "none", fn });
}

async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await Promise.resolve();
}

type Answer = (exchange: Exchange, nth: number) => Outcome | Promise<Outcome>;

interface Facts extends ExchangeFacts {
  readonly user?: string;
  readonly setFields?: readonly Field[];
}

/** A cached handler that counts its calls. */
class World {
  readonly clock = new ManualClock();
  calls = 0;
  answer: Answer;
  readonly #handler;
  readonly #route;
  readonly #changes: Changes;

  constructor(
    answer: Answer = (_, nth) => text(`answer ${nth}`),
    sizeBytes = 1 << 20,
    changes = new Changes(Changes.memory()),
  ) {
    this.answer = answer;
    this.#changes = changes;
    this.#route = { ...exchange().route, cache: { maxAgeMs: 5000, sizeBytes } };
    this.#handler = cached((exchange) => this.answer(exchange, ++this.calls), this.#route, {
      clock: this.clock,
      wallMs: () => Date.UTC(2026, 0, 1) + this.clock.now(),
      loops: 1,
      changes: this.#changes,
    });
  }

  async ask(facts: Facts = {}): Promise<Reply> {
    const own = exchange(facts);
    return replyOf(
      await this.#handler({
        ...own,
        user: facts.user ?? null,
        route: { ...own.route, headers: facts.setFields ?? [] },
      }),
    );
  }

  /** The content of the answer. */
  async text(facts: Facts = {}): Promise<string> {
    return await textOf(await this.ask(facts));
  }
}

function text(content: string, fields: readonly Field[] = [], status = 200): Reply {
  return { kind: "reply", status, fields, body: new TextEncoder().encode(content) };
}

/** Content that comes when the test says so. */
class Stream implements Source {
  readonly closedFor: unknown[] = [];
  readonly #waiting: PromiseWithResolvers<Uint8Array<ArrayBuffer> | null>[] = [];
  readonly #said: (string | null | Error)[] = [];
  reads = 0;

  constructor(readonly length: number | null = null) {}

  says(...said: (string | null | Error)[]): this {
    this.#said.push(...said);
    this.#give();
    return this;
  }

  read(): Promise<Uint8Array<ArrayBuffer> | null> {
    this.reads++;
    const waiting = Promise.withResolvers<Uint8Array<ArrayBuffer> | null>();
    this.#waiting.push(waiting);
    this.#give();
    return waiting.promise;
  }

  close(reason: unknown): void {
    this.closedFor.push(reason);
  }

  #give(): void {
    while (this.#waiting.length > 0 && this.#said.length > 0) {
      const said = this.#said.shift();
      const waiting = this.#waiting.shift();
      if (said instanceof Error) waiting?.reject(said);
      else waiting?.resolve(said === null || said === undefined ? null : new TextEncoder().encode(said));
    }
  }
}

function streamed(body: Source, fields: readonly Field[] = []): Reply {
  return { kind: "reply", status: 200, fields, body };
}

test("an answer is given again, with its age, until it is stale", async () => {
  const world = new World();
  const first = await world.ask();
  assertEquals([await textOf(first), fieldOf(first, "Age")], ["answer 1", null]);
  world.clock.turn(4999);
  const second = await world.ask();
  assertEquals([await textOf(second), fieldOf(second, "Age")], ["answer 1", "4"]);
  world.clock.turn(1);
  assertEquals(await world.text(), "answer 2");
});

test("answers are told apart by path, query and Host", async () => {
  const world = new World((exchange) => text(exchange.head.target + exchange.head.fields.get("host")));
  const asked: Facts[] = [
    { path: "/a" },
    { path: "/b" },
    { path: "/a", query: "" },
    { path: "/a", query: "x" },
    { path: "/a", fields: { Host: "other" } },
  ];
  const answers = [];
  for (const facts of [...asked, ...asked]) answers.push(await world.text(facts));
  assertEquals(world.calls, asked.length);
  assertEquals(answers.slice(0, asked.length), answers.slice(asked.length));
});

test("HEAD is answered from a GET's answer, and leaves none of its own", async () => {
  const world = new World();
  await world.ask({ method: "HEAD" });
  await world.ask({ method: "HEAD" });
  assertEquals(world.calls, 2);
  await world.ask();
  const head = await world.ask({ method: "HEAD" });
  assertEquals([world.calls, (await bytesOf(head.body)).length], [3, 8]);
});

test("a request with content, a range or a condition of the handler's is passed on", async () => {
  const world = new World();
  await world.ask();
  for (const name of ["Range", "If-Match", "If-Unmodified-Since", "If-Range"]) {
    await world.ask({ fields: { [name]: "x" } });
  }
  assertEquals(world.calls, 5);
  assertEquals(await world.text(), "answer 1");
});

test("what changes a target makes its answers untrue; what fails to, does not", async () => {
  const world = new World((exchange, nth) =>
    text(`answer ${nth}`, [], exchange.method === "PUT" ? 403 : 200)
  );
  await world.ask();
  await world.ask({ method: "PUT" });
  assertEquals(await world.text(), "answer 1");
  await world.ask({ method: "POST", path: "/other" });
  assertEquals(await world.text(), "answer 1");
  await world.ask({ method: "POST" });
  assertEquals(await world.text(), "answer 5");
});

test("what one loop has changed, another one keeps no longer", async () => {
  const memory = Changes.memory();
  const [one, other] = ["one", "other"].map((name) =>
    new World((_, nth) => text(`${name} ${nth}`), 1 << 20, new Changes(memory))
  );
  assertEquals([await one.text(), await other.text(), await other.text()], ["one 1", "other 1", "other 1"]);
  await one.ask({ method: "POST" });
  assertEquals([await one.text(), await other.text()], ["one 3", "other 2"]);
});

test("a kept answer has the Date of its making, and so has a 304 from it", async () => {
  const world = new World(() => text("answer", [["ETag", '"a"']]));
  assertEquals((await world.ask()).date, undefined); // now, as of any answer
  world.clock.turn(3000);
  for (const facts of [{}, { fields: { "If-None-Match": '"a"' } }]) {
    const reply = await world.ask(facts);
    assertEquals([reply.date, fieldOf(reply, "age")], ["Thu, 01 Jan 2026 00:00:00 GMT", "3"]);
  }
});

test("an answer that was begun before a change is not kept", async () => {
  const gate = Promise.withResolvers<void>();
  const world = new World(async (exchange, nth) => {
    if (exchange.method === "GET" && nth === 1) await gate.promise;
    return text(`answer ${nth}`);
  });
  const before = world.ask();
  await world.ask({ method: "DELETE" });
  gate.resolve();
  await before;
  assertEquals(await world.text(), "answer 3");
});

test("of many at once one is handled, and all get its answer", async () => {
  const gate = Promise.withResolvers<void>();
  const world = new World(async (_, nth) => {
    await gate.promise;
    return text(`answer ${nth}`);
  });
  const asked = Array.from({ length: 50 }, () => world.text());
  await settle();
  assertEquals(world.calls, 1);
  gate.resolve();
  assertEquals(new Set(await Promise.all(asked)), new Set(["answer 1"]));
});

test("those who waited for what cannot be shared are handled on their own, and the next do not wait", async () => {
  const gates = [1, 2, 3, 4, 5].map(() => Promise.withResolvers<void>());
  const world = new World(async (_, nth) => {
    await gates[nth - 1].promise;
    return text(`answer ${nth}`, [["Cache-Control", "no-store"]]);
  });
  const asked = [world.text(), world.text(), world.text()];
  await settle();
  assertEquals(world.calls, 1);
  gates[0].resolve();
  await settle();
  assertEquals(world.calls, 3);
  asked.push(world.text(), world.text());
  await settle();
  assertEquals(world.calls, 5);
  for (const gate of gates) gate.resolve();
  assertEquals(new Set(await Promise.all(asked)).size, 5);
});

test("those who waited for what failed are handled on their own", async () => {
  const gate = Promise.withResolvers<void>();
  const world = new World(async (_, nth) => {
    await gate.promise;
    if (nth === 1) throw new HttpError(502, "broken");
    return text(`answer ${nth}`);
  });
  const first = world.text();
  const second = world.text();
  await settle();
  gate.resolve();
  assertEquals((await assertRejects(() => first, HttpError)).status, 502);
  assertEquals(await second, "answer 2");
  assertEquals(await world.text(), "answer 2");
});

test("who waits may leave", async () => {
  const gate = Promise.withResolvers<void>();
  const world = new World(async () => {
    await gate.promise;
    return text("answer");
  });
  const first = world.text();
  const leaving = new AbortController();
  const second = world.text({ signal: leaving.signal });
  leaving.abort(new ExchangeAborted("clientGone"));
  await assertRejects(() => second, ExchangeAborted);
  gate.resolve();
  assertEquals([await first, world.calls], ["answer", 1]);
});

test("who says who it is waits for nobody, and gets only what is for all", async () => {
  const world = new World();
  await world.ask();
  await world.ask({ fields: { Cookie: "a=1" } });
  await world.ask({ fields: { Authorization: "x" } });
  await world.ask({ user: "x" });
  assertEquals([world.calls, await world.text()], [4, "answer 1"]);
  world.answer = (_, nth) => text(`answer ${nth}`, [["Cache-Control", "public, max-age=9"]]);
  for (let i = 0; i < 3; i++) {
    assertEquals(await world.text({ path: "/p", fields: { Cookie: "a=1" }, user: "x" }), "answer 5");
  }
});

test("the fields that the configuration sets count as the answer's own", async () => {
  const world = new World();
  for (let i = 0; i < 2; i++) await world.ask({ setFields: [["Cache-Control", "no-store"]] });
  assertEquals(world.calls, 2);
  world.answer = (_, nth) => text(`answer ${nth}`, [["Cache-Control", "no-store"]]);
  for (let i = 0; i < 2; i++) await world.ask({ setFields: [["cache-control", "max-age=60"]] });
  assertEquals(world.calls, 3);
});

test("Vary chooses among answers", async () => {
  const world = new World((exchange) =>
    text(exchange.head.fields.get("accept-language") ?? "-", [["Vary", "Accept-Language"]])
  );
  for (let i = 0; i < 2; i++) {
    for (const language of ["de", "fr"]) {
      assertEquals(await world.text({ fields: { "Accept-Language": language } }), language);
    }
    assertEquals(await world.text(), "-");
  }
  assertEquals(world.calls, 3);
});

test("a client that has the answer gets a 304, whether it was kept or is new", async () => {
  const world = new World((exchange) => {
    assertEquals(exchange.head.fields.get("if-none-match"), null);
    assertEquals([...Array(exchange.head.fields.count).keys()].map((i) => exchange.head.fields.nameAt(i)), [
      "X",
    ]);
    return text("answer", [["ETag", '"a"'], ["Content-Type", "a/b"], ["Vary", "X"], ["X-More", "y"]]);
  });
  for (let i = 0; i < 2; i++) {
    const reply = await world.ask({ fields: { "If-None-Match": '"a"', X: "1" } });
    assertEquals([reply.status, reply.body, fieldOf(reply, "ETag"), fieldOf(reply, "Content-Type")], [
      304,
      null,
      '"a"',
      null,
    ]);
    assertEquals(fieldOf(reply, "Age"), i === 0 ? null : "0");
  }
  assertEquals(await world.text({ fields: { "If-None-Match": '"b"', X: "1" } }), "answer");
  assertEquals(world.calls, 1);
});

test("only-if-cached is a 504 where nothing is kept", async () => {
  const world = new World();
  const facts = { fields: { "Cache-Control": "only-if-cached" } };
  assertEquals((await assertRejects(() => world.ask(facts), HttpError)).status, 504);
  await world.ask();
  assertEquals([await world.text(facts), world.calls], ["answer 1", 1]);
});

test("a script that ended in failure leaves no answer behind", async () => {
  const world = new World((exchange, nth) => {
    exchange.notes.exit = nth === 1 ? 3 : 0;
    return text(`answer ${nth}`);
  });
  assertEquals([await world.text(), await world.text(), await world.text()], [
    "answer 1",
    "answer 2",
    "answer 2",
  ]);
});

test("a redirect within the server is passed on", async () => {
  const world = new World(() => ({ kind: "reroute", target: "/x", as: "local" }));
  await assertRejects(() => world.ask(), TypeError);
  await assertRejects(() => world.ask(), TypeError);
  assertEquals(world.calls, 2);
});

test("content that streams goes out as it comes, and is kept when it is whole", async () => {
  const stream = new Stream();
  const world = new World((_, nth) => nth === 1 ? streamed(stream) : text("another"));
  const reply = await world.ask();
  const { body } = reply;
  assert(body !== null && !(body instanceof Uint8Array));
  stream.says("one ");
  assertEquals(await body.read(), new TextEncoder().encode("one "));
  const waiting = world.text();
  await settle();
  assertEquals(world.calls, 1);
  // It is read as fast as it is made, whether the client takes it or not.
  stream.says("two ", "three", null);
  assertEquals(await waiting, "one two three");
  assertEquals(await textOf({ ...reply, body }), "two three");
  assertEquals([await world.text(), world.calls, stream.closedFor, world.clock.size], ["one two three", 1, [
    null,
  ], 0]);
});

test("content that breaks off is not kept, and breaks off for its client", async () => {
  const stream = new Stream().says("half", new HttpError(502, "cut"));
  const world = new World((_, nth) => nth === 1 ? streamed(stream) : text("another"));
  const reply = await world.ask();
  await assertRejects(() => bytesOf(reply.body), HttpError, "cut");
  assertEquals([stream.closedFor.length, await world.text()], [1, "another"]);
});

test("content that its client breaks off is not kept, and its script is told", async () => {
  const stream = new Stream().says("half");
  const world = new World((_, nth) => nth === 1 ? streamed(stream) : text("another"));
  const { body } = await world.ask();
  assert(body !== null && !(body instanceof Uint8Array));
  await body.read();
  const gone = new ExchangeAborted("clientGone");
  body.close(gone);
  assertEquals(stream.closedFor, [gone]);
  assertEquals([await world.text(), world.clock.size], ["another", 0]);
});

test("content that is too long goes through at its client's pace, and is not kept", async () => {
  const piece = "x".repeat(1000);
  const stream = new Stream();
  const world = new World((_, nth) => nth === 1 ? streamed(stream) : text("another"), 160_000);
  const reply = await world.ask();
  for (let i = 0; i < 30; i++) stream.says(piece);
  stream.says(null);
  await settle();
  await settle();
  // A sixteenth of the size, and one more, was read ahead.
  assertEquals(stream.reads, 11);
  assertEquals((await bytesOf(reply.body)).length, 30_000);
  assertEquals([await world.text(), stream.closedFor], ["another", [null]]);
});

test("content whose length is known to be too much is not recorded at all", async () => {
  const stream = new Stream(20_000);
  const world = new World(() => streamed(stream), 160_000);
  assertEquals((await world.ask()).body, stream);
  assertEquals(stream.reads, 0);
});

test("others wait for content that streams on for a while only", async () => {
  const stream = new Stream();
  const world = new World((_, nth) => nth === 1 ? streamed(stream) : text("another"));
  await world.ask();
  const waiting = world.text();
  await settle();
  world.clock.turn(4999);
  await settle();
  assertEquals(world.calls, 1);
  world.clock.turn(1);
  assertEquals(await waiting, "another");
  assertEquals(world.clock.size, 0);
});

test("content that its client has already is kept for others, but not beyond what can be kept", async () => {
  const stream = new Stream();
  const tag: Field = ["ETag", '"a"'];
  const world = new World((_, nth) => nth === 1 ? streamed(stream, [tag]) : text("another"), 160_000);
  const facts = { fields: { "If-None-Match": '"a"' } };
  assertEquals((await world.ask(facts)).status, 304);
  stream.says("content", null);
  await settle();
  assertEquals([await world.text(), stream.closedFor], ["content", [null]]);
  const long = new Stream();
  world.answer = () => streamed(long, [tag]);
  assertEquals((await world.ask({ ...facts, path: "/long" })).status, 304);
  long.says("x".repeat(20_000));
  await settle();
  assertEquals(long.closedFor, [null]);
});

test("memory is bounded by the size", async () => {
  const world = new World((exchange) => text(exchange.head.target + "x".repeat(5000)), 100_000);
  for (let i = 0; i < 100; i++) await world.ask({ path: `/${i}` });
  assertEquals(world.calls, 100);
  await world.ask({ path: "/99" });
  assertEquals(world.calls, 100);
  await world.ask({ path: "/0" });
  assertEquals(world.calls, 101);
});

test("a route without cache has its handler as it is", () => {
  const handler = () => text("x");
  const { route } = exchange();
  assertEquals(
    cached(handler, route, {
      clock: new ManualClock(),
      wallMs: () => 0,
      loops: 1,
      changes: new Changes(Changes.memory()),
    }),
    handler,
  );
  return Promise.resolve();
});
