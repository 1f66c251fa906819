/**
 * One request at an application, in the shape of a script's run, so that its answer is made by the same rules.
 *
 * @module
 */

import { type EndReason, type ScriptExit, type ScriptRun, StartError } from "../cgi/run.ts";
import { StderrLines } from "../cgi/stderr.ts";
import type { Clock } from "../time/clock.ts";
import type { GatewayConnection } from "./connection.ts";
import type { Pool, Taking } from "./pool.ts";
import type { Bytes, Protocol, ReplyEvent, ReplyReader } from "./protocol.ts";

/** What is asked of the application. */
export interface GatewayRequest {
  /** Names and values in turn. */
  readonly variables: readonly string[];
  /** Whether content follows. */
  readonly hasContent: boolean;
  /** Whether it may be sent twice: it changes nothing there (RFC 9110, 9.2.1). */
  readonly isSafe: boolean;
}

/** What a run works with. */
export interface GatewayRunServices {
  /** Where its connection comes from. */
  readonly pool: Pool;
  /** How the application is spoken to. */
  readonly protocol: Protocol;
  /** The loop's clock. */
  readonly clock: Clock;
  /** Gets each line that the application writes to standard error. */
  readonly onErrorLine: (line: string) => void;
}

/** It has said nothing about its end. */
const NO_EXIT: ScriptExit = { code: -1, signal: null };
/** What a client is told to wait where the application has too much to do. */
const RETRY_AFTER_SECONDS = 1;

/** A request on its way. */
export class GatewayRun implements ScriptRun {
  lastSignMs = 0;
  readonly started: Promise<number>;
  readonly ended: Promise<ScriptExit>;

  readonly #request: GatewayRequest;
  readonly #services: GatewayRunServices;
  readonly #errors: StderrLines;
  readonly #starting = Promise.withResolvers<number>();
  readonly #ending = Promise.withResolvers<ScriptExit>();
  #taking: Taking;
  #connection: GatewayConnection | null = null;
  #reader: ReplyReader;
  /** The write under way: the next waits for it. */
  #writing: Promise<boolean> = Promise.resolve(true);
  #isSending = false;
  #isInputClosed: boolean;
  #output: Bytes[] = [];
  #hasAnswered = false;
  #isOver = false;
  /** What the reader of its output is told, once; null: its end. */
  #failure: StartError | null = null;

  /** Sends the request as soon as there is a connection. */
  constructor(request: GatewayRequest, services: GatewayRunServices) {
    this.#request = request;
    this.#services = services;
    this.#errors = new StderrLines(services.onErrorLine);
    this.#reader = services.protocol.reader();
    this.#isInputClosed = !request.hasContent;
    this.started = this.#starting.promise;
    this.started.catch(() => {}); // whoever waits for it sees the rejection; nobody has to
    this.ended = this.#ending.promise;
    // What carries content or changes something there must not be lost on a connection that has ended unseen.
    this.#taking = services.pool.take(request.isSafe && !request.hasContent);
    this.#start();
  }

  async write(bytes: Bytes): Promise<boolean> {
    if (this.#isInputClosed || this.#isOver) return false;
    return await this.#send(this.#services.protocol.content(bytes));
  }

  closeInput(): void {
    if (this.#isInputClosed || this.#isOver) return;
    this.#isInputClosed = true;
    const end = this.#services.protocol.contentEnd();
    if (end !== null) this.#send(end);
  }

  async read(): Promise<Bytes | null> {
    await this.started.catch(() => {});
    for (;;) {
      const piece = this.#output.shift();
      if (piece !== undefined) return piece;
      if (this.#failure !== null) throw this.#failure;
      if (this.#isOver || this.#connection === null) return null;
      await this.#receive(this.#connection);
    }
  }

  /** Closing the connection is how a request is given up where a connection has one at a time (FastCGI, 5.4). */
  end(reason: EndReason): void {
    if (this.#isOver) return;
    this.#output = [];
    this.#taking.cancel(reason);
    this.#starting.reject(new StartError({ kind: "ended", reason }));
    this.#finish(NO_EXIT, false);
  }

  async #start(): Promise<void> {
    try {
      await this.#connect();
      this.#starting.resolve(0);
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      this.#starting.reject(error);
      this.#finish(NO_EXIT, false);
    }
  }

  async #connect(): Promise<void> {
    const { pool, protocol, clock } = this.#services;
    const { variables, hasContent } = this.#request;
    const connection = await this.#taking.connection;
    if (this.#isOver) return pool.give(connection, { isReusable: false, isAnswered: false });
    this.#connection = connection;
    this.lastSignMs = clock.now();
    this.#send(protocol.begin(variables, hasContent, pool.keepsOpen));
  }

  /** In turn, to the connection as it is by then. */
  #send(bytes: Bytes): Promise<boolean> {
    return this.#writing = this.#writing.then(async () => {
      const connection = this.#connection;
      if (connection === null || this.#isOver) return false;
      this.#isSending = true;
      const isTaken = await connection.write(bytes);
      this.#isSending = false;
      if (isTaken) this.lastSignMs = this.#services.clock.now();
      return isTaken;
    });
  }

  async #receive(connection: GatewayConnection): Promise<void> {
    const received = await connection.read();
    if (this.#isOver) return;
    if (typeof received !== "string") {
      this.lastSignMs = this.#services.clock.now();
      if (!this.#hasAnswered) this.#services.pool.answered(connection);
      this.#hasAnswered = true;
      for (const event of this.#reader.push(received)) this.#take(event);
    } else if (connection.isReused && !this.#hasAnswered) {
      // It had ended before the request came, as when a worker of the application has done its share.
      await this.#retry(connection);
    } else if (received === "lost") {
      this.#take({ kind: "bad", reason: "broke the connection before the end of its answer" });
    } else {
      this.#take(this.#reader.close());
    }
  }

  async #retry(connection: GatewayConnection): Promise<void> {
    const { pool } = this.#services;
    this.#connection = null;
    pool.give(connection, { isReusable: false, isAnswered: false });
    this.#taking = pool.take(false);
    try {
      await this.#connect();
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      this.#fail(error);
    }
  }

  #take(event: ReplyEvent): void {
    switch (event.kind) {
      case "output":
        this.#output.push(event.bytes);
        break;
      case "errors":
        this.#errors.push(event.bytes, this.#services.clock.now());
        break;
      case "end":
        this.#finish({ code: event.status, signal: null }, event.isReusable);
        break;
      case "overloaded":
        this.#fail(
          new StartError({
            kind: "gatewayBusy",
            message:
              "the application says that it has too much to do (FCGI_OVERLOADED): give it more processes",
            retryAfterSeconds: RETRY_AFTER_SECONDS,
          }),
        );
        break;
      case "bad":
        this.#fail(
          new StartError({
            kind: "gatewayFailed",
            message: `the application ${event.reason}; its own log may say why`,
          }),
        );
        break;
      default:
        event satisfies never;
    }
  }

  #fail(error: StartError): void {
    if (this.#isOver) return;
    this.#failure = error;
    this.#finish(NO_EXIT, false);
  }

  #finish(exit: ScriptExit, isReusable: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#errors.end(this.#services.clock.now());
    const connection = this.#connection;
    this.#connection = null;
    // An application may answer before it has taken all that was sent: then the connection is at an unknown place.
    const isClean = isReusable && this.#isInputClosed && !this.#isSending;
    if (connection !== null) {
      this.#services.pool.give(connection, { isReusable: isClean, isAnswered: this.#hasAnswered });
    }
    this.#ending.resolve(exit);
  }
}
