import { assert, assertEquals, assertMatch, assertStrictEquals, assertStringIncludes } from "@std/assert";
import { ExchangeAborted, type Reply } from "../handlers/handler.ts";
import { HttpError } from "../http/error.ts";
import { FakeConnection, FakeTlsConnection } from "./connection_fixture.ts";
import { Bench, CLIENT_GONE_MS, echo, FedSource, reply, text } from "./client_fixture.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

Deno.test("a client gets its answers in order over one connection", async () => {
  let count = 0;
  const bench = new Bench(() => reply(text(`answer ${++count}`)));
  bench.connection.push(GET);
  await bench.expect("answer 1");
  bench.connection.push(GET + GET + "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  await bench.gone();
  assertMatch(bench.connection.written, /answer 1.*answer 2.*answer 3.*answer 4$/s);
  assertEquals(bench.connection.written.split("Connection: close").length, 2);
  assertEquals(bench.records.map(({ status }) => status), [200, 200, 200, 200]);
});

Deno.test("a connection is closed at once where its client has said that nothing follows, and nothing did", async () => {
  for (
    const request of ["GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"]
  ) {
    const bench = new Bench(() => reply(text("last")));
    bench.connection.push(request);
    await bench.gone();
    assert(bench.connection.written.endsWith("last"));
  }
});

Deno.test("it is closed in steps where something followed, or may follow", async () => {
  const last = (method: string, ...lines: string[]) =>
    [`${method} / HTTP/1.1`, "Host: a", ...lines, "", ""].join("\r\n");
  const requests = [
    last("GET", "Connection: close") + GET,
    last("POST", "Connection: close", "Content-Length: 3") + "abc",
    last("GET"),
  ];
  for (const request of requests) {
    const bench = new Bench(() => reply(text("last")), { requestsPerConnection: 1 });
    bench.connection.push(request);
    await bench.connection.until(() => bench.connection.isWriteClosed);
    assert(!bench.connection.isClosed, request);
    assert(bench.connection.written.endsWith("last"));
    await bench.leave();
  }
});

/** A connection that tells what it is to read into. */
class WatchedConnection extends FakeConnection {
  lastBuffer: ArrayBuffer | null = null;

  override read(buffer: Uint8Array<ArrayBuffer>): Promise<number | null> {
    this.lastBuffer = buffer.buffer;
    return super.read(buffer);
  }
}

Deno.test("what a connection has read into is the next one's, but not while a read of its own waits", async () => {
  const connect = () => {
    const connection = new WatchedConnection();
    return { connection, bench: new Bench(() => reply(text("answer")), {}, connection) };
  };
  const first = connect();
  first.connection.push(GET);
  await first.bench.expect("answer");
  await first.bench.leave();
  const second = connect();
  assertStrictEquals(second.connection.lastBuffer, first.connection.lastBuffer);
  second.bench.client.destroy("shutdown");
  const third = connect();
  assert(third.connection.lastBuffer !== second.connection.lastBuffer);
  await second.bench.gone();
  await third.bench.leave();
});

Deno.test("answers to pipelined requests are in order, also where the first takes long", async () => {
  const first = Promise.withResolvers<Reply>();
  let count = 0;
  const bench = new Bench(() => ++count === 1 ? first.promise : reply(text(`answer ${count}`)));
  bench.connection.push(GET + GET);
  first.resolve(reply(text("answer 1")));
  await bench.expect("answer 2");
  assertMatch(bench.connection.written, /answer 1.*answer 2$/s);
  await bench.leave();
});

for (const split of [1, 3, 1000]) {
  Deno.test(`a chunked body that comes in pieces of ${split} is echoed, and the next request is read behind it`, async () => {
    const bench = new Bench(echo);
    const request =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: 1\r\n\r\n";
    const both = request + GET;
    for (let i = 0; i < both.length; i += split) bench.connection.push(both.slice(i, i + split));
    await bench.connection.until(() => bench.connection.written.split("HTTP/1.1 200").length === 3);
    assertStringIncludes(bench.connection.written, "hello world");
    await bench.leave();
  });
}

Deno.test("a head that does not come is answered with 408 after timeouts.header, however it trickles", async () => {
  const bench = new Bench(() => reply(null));
  for (const [index, byte] of [..."GET / HTT"].entries()) {
    bench.connection.push(byte);
    await until(() => bench.client.input.end === index + 1);
    bench.clock.turn(1_000);
  }
  bench.clock.turn(999);
  assertEquals(bench.connection.written, "");
  bench.clock.turn(1);
  await bench.expect("HTTP/1.1 408 ");
  await bench.leave();
});

Deno.test("a connection without a byte is closed silently after timeouts.header, an idle one after timeouts.keep_alive", async () => {
  const silent = new Bench(() => reply(null));
  silent.clock.turn(10_000);
  await silent.gone();
  assertEquals(silent.connection.written, "");

  const idle = new Bench(() => reply(text("once")));
  idle.connection.push(GET);
  await idle.expect("once");
  await until(() => idle.metrics.gauge("idle") === 1);
  idle.clock.turn(59_999);
  assert(!idle.connection.isClosed);
  idle.clock.turn(1);
  await idle.gone();
});

Deno.test("a header of the PROXY protocol and the first head have timeouts.header together, however they trickle", async () => {
  const begin = () => new Bench(() => reply(null), {}, new FakeConnection(), true);
  const silent = begin();
  silent.clock.turn(10_000);
  assertEquals([silent.connection.written, silent.connection.isClosed], ["", true]);
  await silent.gone();

  const trickling = begin();
  for (const [index, byte] of [..."PROXY TCP"].entries()) {
    trickling.connection.push(byte);
    await until(() => trickling.client.input.end === index + 1);
    trickling.clock.turn(1_000);
  }
  trickling.clock.turn(1_000);
  await trickling.expect("HTTP/1.1 408 ");
  await trickling.leave();

  const behind = begin();
  behind.connection.push("PROXY UNKNOWN\r\nG");
  await until(() => behind.client.input.end - behind.client.input.start === 1);
  behind.clock.turn(9_999);
  assertEquals(behind.connection.written, "");
  behind.clock.turn(1);
  await behind.expect("HTTP/1.1 408 ");
  await behind.leave();
});

Deno.test("a TLS handshake that does not come in timeouts.header is given up, and counted until the runtime lets go of it", async () => {
  const connection = new FakeTlsConnection();
  const bench = new Bench(() => reply(null), {}, connection);
  bench.clock.turn(9_999);
  assertEquals(bench.metrics.counter("timeouts"), 0);
  bench.clock.turn(1);
  assertEquals(bench.metrics.counter("timeouts"), 1);
  assertEquals(bench.metrics.clients("READ_REQ"), 1, "it holds a descriptor");
  connection.push(GET);
  connection.shakeHands();
  await bench.gone();
  assertEquals(connection.written, "");

  const inTime = new FakeTlsConnection();
  const served = new Bench(() => reply(null), {}, inTime);
  served.clock.turn(9_000);
  inTime.shakeHands();
  inTime.push("GET / HTT");
  await until(() => served.client.input.end > 0);
  served.clock.turn(1_000);
  await served.expect("HTTP/1.1 408 ");
  await served.leave();
});

Deno.test("a body that stops is answered with 408, one that trickles below the minimum rate too", async () => {
  const stopped = new Bench(echo, { minRate: 0 });
  stopped.connection.push("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
  await until(() => isWaitingForBody(stopped));
  stopped.clock.turn(30_000);
  await stopped.expect("HTTP/1.1 408 ");
  await stopped.leave();

  const slow = new Bench(echo);
  slow.connection.push("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n");
  for (let second = 0; second < 11; second++) {
    await until(() => isWaitingForBody(slow) || slow.connection.written !== "");
    slow.clock.turn(1_000);
    slow.connection.push("x".repeat(9));
  }
  await slow.expect("HTTP/1.1 408 ");
  await slow.leave();
});

Deno.test("a client that reads nothing is cut off after timeouts.write", async () => {
  const bench = new Bench(() => reply(text("x".repeat(100_000))));
  bench.connection.isStuck = true;
  bench.connection.push(GET);
  await until(() => bench.client.state === "RES_SENDING");
  bench.clock.turn(29_999);
  assert(!bench.connection.isClosed);
  bench.clock.turn(1);
  await bench.gone();
});

Deno.test("an answer goes out although the next head has only begun, which has its own time to come", async () => {
  const bench = new Bench(() => reply(text("answer")));
  bench.connection.push(GET + "GET / HT");
  await bench.expect("answer");
  await rest();
  bench.clock.turn(9_999);
  assert(!bench.connection.written.includes("408"));
  bench.clock.turn(1);
  await bench.expect("HTTP/1.1 408 ");
  await bench.leave();
});

Deno.test("an answer that fails while those before it still wait to go out is refused in its turn", async () => {
  const failing = Promise.withResolvers<Reply>();
  let count = 0;
  const bench = new Bench(() => ++count === 1 ? reply(text("first")) : failing.promise);
  bench.connection.isStuck = true;
  bench.connection.push(GET + GET);
  await until(() => count === 2);
  failing.reject(new HttpError(502, "nothing came"));
  await rest(); // a rejection that nobody waits for would end the loop here
  bench.connection.unstick();
  await bench.expect("HTTP/1.1 502 ");
  assertMatch(bench.connection.written, /first.*HTTP\/1\.1 502 /s);
  assertMatch(bench.logged.splice(0).join(), /^\[.*\] GET \/: refused with 502: nothing came$/);
  await bench.leave();
});

Deno.test("content that breaks off while the answers before it still wait to go out is cut in its turn", async () => {
  const source = new FedSource();
  let count = 0;
  const bench = new Bench(() => reply(++count === 1 ? text("first") : source));
  bench.connection.isStuck = true;
  bench.connection.push(GET + GET);
  await until(() => count === 2);
  source.feed(new ExchangeAborted("timeout"));
  await rest(); // likewise
  bench.connection.unstick();
  await bench.gone();
  assertStringIncludes(bench.connection.written, "first");
  assertEquals(source.closed.length, 1);
});

Deno.test("a client that stops reading in the middle of pipelined requests costs its own connection", async () => {
  let count = 0;
  const bench = new Bench(({ signal }) => {
    if (++count === 1) return reply(text("first"));
    return new Promise<Reply>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  bench.connection.isStuck = true;
  bench.connection.push(GET + GET);
  await until(() => count === 2);
  await rest();
  bench.clock.turn(30_000);
  await bench.gone();
});

Deno.test("a signal that is first asked for after the client has gone is aborted", async () => {
  const bench = new Bench(() => reply(null));
  bench.connection.reset();
  await bench.gone();
  assert(bench.client.signal.aborted);
  assert(bench.client.signal.reason instanceof ExchangeAborted);
});

Deno.test("100 Continue is sent when the handler reads, and not when it refuses", async () => {
  const head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
  const reading = new Bench(echo);
  reading.connection.push(head);
  await reading.expect("HTTP/1.1 100 Continue\r\n\r\n");
  reading.connection.push("ok");
  await reading.expect("\r\n\r\nok");
  await reading.leave();

  const refusing = new Bench(() => {
    throw new HttpError(403, "no");
  });
  refusing.connection.push(head);
  await refusing.expect("HTTP/1.1 403 ");
  assertStringIncludes(refusing.connection.written, "Connection: close");
  assert(!refusing.connection.written.includes("100 Continue"));
  await refusing.leave();
});

Deno.test("a body that the handler leaves is dropped when it is small, and ends the connection when it is large", async () => {
  const small = new Bench(() => reply(text("ok")));
  small.connection.push("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + GET);
  await small.connection.until(() => small.connection.written.split("HTTP/1.1 200").length === 3);
  await small.leave();

  const large = new Bench(() => reply(text("ok")));
  large.connection.push(
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\nGET /smuggled HTTP/1.1\r\n",
  );
  await large.connection.until(() => large.connection.isWriteClosed);
  assertEquals(large.connection.written.split("HTTP/1.1").length, 2);
  assert(large.connection.written.includes("\r\nConnection: close\r\n"));
  await large.leave();
});

Deno.test("the rest of a body that nobody read and that does not come ends the connection without a reset", async () => {
  const bench = new Bench(() => reply(text("ok")));
  bench.connection.push("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab");
  await bench.expect("ok");
  await until(() => bench.client.deadlineMs === 1_000);
  bench.clock.turn(1_000);
  await bench.connection.until(() => bench.connection.isWriteClosed || bench.connection.isClosed);
  assert(bench.connection.isWriteClosed);
  assert(!bench.connection.isClosed);
  await bench.leave();
});

Deno.test("content that breaks off is cut, never ended as if it were whole", async () => {
  const source = new FedSource();
  const bench = new Bench(() => reply(source));
  bench.connection.push(GET);
  source.feed(text("half"));
  await bench.expect("4\r\nhalf\r\n");
  source.feed(new ExchangeAborted("timeout"));
  await bench.gone();
  assert(!bench.connection.written.includes("0\r\n\r\n"));
  assertEquals(source.closed.length, 1);
});

Deno.test("a delegated exchange is aborted at once by a reset, and by a closing client after client_gone", async () => {
  for (const how of ["reset", "end"] as const) {
    const source = new FedSource();
    let signal: AbortSignal | null = null;
    const bench = new Bench((exchange) => {
      signal = exchange.signal;
      exchange.delegate();
      return new Promise<Reply>((_, reject) => {
        exchange.signal.addEventListener("abort", () => reject(exchange.signal.reason));
      });
    });
    bench.connection.push(GET);
    await until(() => bench.client.state === "WAIT_CGI");
    bench.connection[how]();
    if (how === "end") {
      await until(() => bench.client.input.isEnded);
      bench.clock.turn(CLIENT_GONE_MS - 1);
      assert(!bench.connection.isClosed);
      assertEquals(bench.client.state, "WAIT_CGI");
      bench.clock.turn(1);
    }
    await bench.gone();
    assert(signal !== null && (signal as AbortSignal).aborted);
    assertEquals(bench.records.map(({ status }) => status), [499]);
    assertEquals(source.closed, []);
  }
});

Deno.test("a half-closed client still gets its answer", async () => {
  const bench = new Bench(() => reply(text("answer")));
  bench.connection.push(GET);
  bench.connection.end();
  await bench.expect("answer");
  await bench.gone();
});

Deno.test("a head that breaks off is refused with 400", async () => {
  const bench = new Bench(() => reply(null));
  bench.connection.push("GET / HTTP/1.1\r\nHo");
  bench.connection.end();
  await bench.expect("HTTP/1.1 400 ");
  await bench.gone();
});

Deno.test("a handler's bug costs its client a 500 and its connection, and is logged", async () => {
  const bench = new Bench(() => {
    throw new TypeError("bug");
  });
  bench.connection.push(GET);
  await bench.expect("HTTP/1.1 500 ");
  const [line] = bench.logged.splice(0);
  assertMatch(line, /^\[.*\] \/: a bug of Pollux, answered with 500: TypeError: bug in client_test\.ts:\d+;/);
  await bench.leave();
});

Deno.test("a stopping server answers what is under way with Connection: close and closes idle connections shortly", async () => {
  const bench = new Bench(() => reply(text("last")));
  bench.isDraining = true;
  bench.client.drain();
  bench.connection.push(GET);
  await bench.expect("Connection: close");
  await bench.leave();

  const idle = new Bench(() => reply(null));
  idle.connection.push(GET);
  await idle.expect("200");
  await until(() => idle.metrics.gauge("idle") === 1);
  idle.isDraining = true;
  idle.client.drain();
  for (let looks = 0; looks < 4; looks++) idle.clock.turn(50);
  await idle.gone();

  const unused = new Bench(() => reply(null));
  await until(() => unused.metrics.gauge("idle") === 1);
  unused.isDraining = true;
  unused.client.drain();
  for (let looks = 0; looks < 19; looks++) unused.clock.turn(50);
  assert(!unused.connection.isClosed, "its client may be about to ask");
  unused.clock.turn(50);
  await unused.gone();
});

Deno.test("a stopping server that was kept from running reads what has arrived before it closes a connection as idle", async () => {
  const bench = new Bench(() => reply(text("last")));
  await until(() => bench.metrics.gauge("idle") === 1);
  bench.isDraining = true;
  bench.client.drain();
  bench.connection.push(GET);
  // The clock's turn comes first.
  bench.clock.turn(1000);
  await bench.expect("last");
  await bench.leave();
});

Deno.test("HTTP/1.0 gets content of unknown length by closing, and keep-alive only when asked", async () => {
  const bench = new Bench(() => {
    const source = new FedSource();
    source.feed(text("content"));
    source.feed(null);
    return reply(source);
  });
  bench.connection.push("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  await bench.connection.until(() => bench.connection.isWriteClosed);
  assert(bench.connection.written.endsWith("\r\n\r\ncontent"));
  assert(!bench.connection.written.includes("chunked"));
  await bench.leave();
});

function isWaitingForBody({ client }: Bench): boolean {
  return client.state === "REQ_RDY" && client.input.isEmpty && client.deadlineMs !== Infinity;
}

/** Waits, a turn of the event loop at a time, for what no event tells. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(resolve, 0);
    await promise;
  }
}

/** Lets all that can happen by now happen. */
function rest(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
