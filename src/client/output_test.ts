import { assertEquals, assertRejects } from "@std/assert";
import { Metrics } from "../observe/metrics.ts";
import { ManualClock } from "../time/clock.ts";
import { PEER } from "./client_fixture.ts";
import { FakeConnection } from "./connection_fixture.ts";
import { Output } from "./output.ts";

const TERM_MS = 30_000;
const GIVEN_UP = new Error("given up");

/** A write to a client whose socket is full, and what the system says that it holds for it. */
class StuckWrite {
  readonly connection = new FakeConnection();
  readonly clock = new ManualClock();
  readonly output: Output;
  readonly written: Promise<void>;
  /** What the system answers next. */
  heldBytes: number | null = 4_000_000;
  looks = 0;
  isGivenUp = false;
  #looked = Promise.withResolvers<void>();

  private constructor(options: { minRate?: number; isAnswered?: boolean; isAsked?: boolean }) {
    const { minRate = 0, isAnswered = true, isAsked = true } = options;
    this.connection.isStuck = true;
    this.output = new Output(this.connection, PEER, {
      clock: this.clock,
      metrics: new Metrics(),
      timeouts: { writeMs: TERM_MS },
      limits: { minRate },
      unacknowledgedBytes: !isAsked ? null : async () => {
        this.looks++;
        if (!isAnswered) await new Promise(() => {});
        this.#looked.resolve();
        this.#looked = Promise.withResolvers<void>();
        return await Promise.resolve(this.heldBytes);
      },
    });
    this.written = this.output.write(new Uint8Array(100_000));
    this.written.catch(() => {});
  }

  /** Begins a write, and waits until the connection has it. */
  static async begin(
    options: { minRate?: number; isAnswered?: boolean; isAsked?: boolean } = {},
  ): Promise<StuckWrite> {
    const stuck = new StuckWrite(options);
    await new Promise((resolve) => setTimeout(resolve));
    return stuck;
  }

  /** Turns the clock, and lets a look that is due be answered. */
  async turn(ms: number): Promise<void> {
    const looked = this.#looked.promise;
    const looks = this.looks;
    this.clock.turn(ms);
    if (this.output.deadlineMs > this.clock.now()) return;
    this.isGivenUp ||= this.output.expire(this.clock.now());
    if (this.looks === looks) return;
    await Promise.race([looked, new Promise((resolve) => setTimeout(resolve))]);
    await new Promise((resolve) => setTimeout(resolve));
  }

  /** How long until it is given up; at most so many terms. */
  async untilGivenUp(terms: number, before: () => void = () => {}): Promise<number | null> {
    for (let ms = 0; ms < terms * TERM_MS; ms += 1_000) {
      before();
      await this.turn(1_000);
      if (this.isGivenUp) return this.clock.now();
    }
    return null;
  }

  /** Lets the write end, one way or the other. */
  async end(): Promise<void> {
    if (this.isGivenUp) {
      this.output.abandon(() => GIVEN_UP);
      await assertRejects(() => this.written, Error, GIVEN_UP.message);
    }
    this.connection.unstick();
    if (!this.isGivenUp) await this.written;
  }
}

Deno.test("a write without any progress is given up after its term", async () => {
  const stuck = await StuckWrite.begin();
  const givenUpMs = await stuck.untilGivenUp(3);
  assertEquals([givenUpMs, stuck.looks], [TERM_MS + 1_000, 2]); // noticed at the tick after the second look
  await stuck.end();
});

Deno.test("a write goes on as long as the system holds less and less", async () => {
  const stuck = await StuckWrite.begin({ minRate: 100 });
  assertEquals(await stuck.untilGivenUp(10, () => stuck.heldBytes = (stuck.heldBytes ?? 0) - 100), null);
  await stuck.end();
});

Deno.test("a trickle below the minimum rate is no progress", async () => {
  const stuck = await StuckWrite.begin({ minRate: 100 });
  assertEquals(
    await stuck.untilGivenUp(3, () => stuck.heldBytes = (stuck.heldBytes ?? 0) - 99),
    TERM_MS + 1_000,
  );
  await stuck.end();
});

Deno.test("a client that stops after a while is given a term from the last look that saw it read", async () => {
  const stuck = await StuckWrite.begin();
  let seconds = 0;
  const givenUpMs = await stuck.untilGivenUp(5, () => {
    if (++seconds <= 40) stuck.heldBytes = (stuck.heldBytes ?? 0) - 1;
  });
  assertEquals(givenUpMs, 2.5 * TERM_MS + 1_000); // looked at after 15, 30, 45 (progress), 60 and 75 seconds
  await stuck.end();
});

Deno.test("a system that cannot tell, and one that is not asked, leave a write its term", async () => {
  for (const isAsked of [true, false]) {
    const stuck = await StuckWrite.begin({ isAsked });
    stuck.heldBytes = null;
    const givenUpMs = await stuck.untilGivenUp(3);
    assertEquals(givenUpMs, isAsked ? TERM_MS + 1_000 : TERM_MS);
    await stuck.end();
  }
});

Deno.test("an answer of the system that does not come holds nothing up", async () => {
  const stuck = await StuckWrite.begin({ isAnswered: false });
  assertEquals(await stuck.untilGivenUp(3), TERM_MS / 2 + 10_000);
  await stuck.end();
});

Deno.test("the next write has a term of its own", async () => {
  const stuck = await StuckWrite.begin();
  await stuck.turn(TERM_MS / 2);
  await stuck.end();
  stuck.connection.isStuck = true;
  const next = stuck.output.write(new Uint8Array(100_000));
  await new Promise((resolve) => setTimeout(resolve));
  await stuck.turn(TERM_MS / 2);
  await stuck.turn(TERM_MS / 2 - 1);
  assertEquals(stuck.isGivenUp, false);
  stuck.connection.unstick();
  await next;
});
