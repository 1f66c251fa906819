/**
 * Applications behind gateways: real ones from the system, and ones that send exactly the bytes that a test tells them.
 *
 * @module
 */

import { eventually, within } from "./deadline.ts";
import { descendantsOf, stillRunning } from "./processes.ts";
import { isReset, octets } from "./raw.ts";

/** Opens a socket and becomes the program with the socket as its standard input, as FastCGI wants it. */
const LAUNCHER = `
import os, socket, sys
path = sys.argv[1]
if path:
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
else:
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
s.listen(64)
os.write(1, b"unix" if path else str(s.getsockname()[1]).encode())
os.dup2(s.fileno(), 0)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
os.execvp(sys.argv[2], sys.argv[2:])
`;

/** A program of the system that serves a protocol. `await using` ends it with its children. */
export class Application implements AsyncDisposable {
  /** As in the configuration. */
  readonly address: string;
  readonly #child: Deno.ChildProcess;

  private constructor(address: string, child: Deno.ChildProcess) {
    this.address = address;
    this.#child = child;
  }

  /**
   * Starts a program that accepts on its standard input.
   *
   * @param socket The path of a unix socket; null for a port of its own.
   */
  static async start(
    command: readonly string[],
    { socket = null, env = {} }: { socket?: string | null; env?: Record<string, string> } = {},
  ): Promise<Application> {
    const child = new Deno.Command("/usr/bin/python3", {
      args: ["-c", LAUNCHER, socket ?? "", ...command],
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.getReader();
    const { value } = await within("the application's address", reader.read());
    await reader.cancel();
    if (value === undefined) throw new Error(`${command.join(" ")} did not start`);
    const address = socket === null ? `127.0.0.1:${new TextDecoder().decode(value)}` : `unix:${socket}`;
    return new Application(address, child);
  }

  /** Ends it and all its children. */
  async [Symbol.asyncDispose](): Promise<void> {
    const pids = [this.#child.pid, ...(await descendantsOf(this.#child.pid)).map(({ pid }) => pid)];
    for (const { pid } of await stillRunning(pids)) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    await this.#child.status;
    await eventually("the application's end", async () => (await stillRunning(pids)).length === 0);
  }
}

/** One connection to a peer that a test plays. */
export class PeerConnection {
  /** All that has come, one char a byte. */
  received = "";
  readonly #connection: Deno.Conn;

  /** Takes a connection over. */
  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /** Reads on until there is `text`, or to the end. */
  async until(text: string): Promise<string> {
    while (!this.received.includes(text) && await this.#read());
    return this.received;
  }

  /** Reads on until `text` has come so many times in all; false: the end came first. */
  async untilTimes(text: string, times: number): Promise<boolean> {
    while (this.received.split(text).length <= times) {
      if (!await this.#read()) return false;
    }
    return true;
  }

  /** Reads to the end, however it comes. */
  async toEnd(): Promise<string> {
    while (await this.#read());
    return this.received;
  }

  /** Sends; a char is a byte. */
  async say(text: string): Promise<void> {
    for (let rest = octets(text); rest.length > 0;) rest = rest.subarray(await this.#connection.write(rest));
  }

  async #read(): Promise<boolean> {
    const buffer = new Uint8Array(65536);
    try {
      const count = await this.#connection.read(buffer);
      if (count === null) return false;
      for (const byte of buffer.subarray(0, count)) this.received += String.fromCharCode(byte);
      return true;
    } catch (error) {
      if (isReset(error) || error instanceof Deno.errors.BadResource) return false;
      throw error;
    }
  }
}

/** A peer that a test plays: a function answers each connection, which is then closed. `await using` ends it. */
export class FakePeer implements AsyncDisposable {
  /** As in the configuration. */
  readonly address: string;
  /** Connections so far. */
  count = 0;
  readonly #listener: Deno.Listener;
  readonly #open = new Set<Deno.Conn>();
  readonly #done: Promise<void>;

  /** Listens on a port of its own. */
  constructor(answer: (connection: PeerConnection, nth: number) => Promise<void>) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#listener = listener;
    this.address = `127.0.0.1:${listener.addr.port}`;
    this.#done = this.#serve(answer);
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) connection.close();
    await this.#done;
  }

  async #serve(answer: (connection: PeerConnection, nth: number) => Promise<void>): Promise<void> {
    const answers: Promise<void>[] = [];
    for await (const connection of this.#listener) {
      this.#open.add(connection);
      answers.push(
        answer(new PeerConnection(connection), this.count++).catch((error) => {
          if (!isReset(error) && !(error instanceof Deno.errors.BadResource)) throw error;
        }).finally(() => {
          if (this.#open.delete(connection)) connection.close();
        }),
      );
    }
    this.#open.clear();
    await Promise.all(answers);
  }
}

/** An address at which nobody listens: of a port that was free a moment ago, that could not be said. */
export const DEAD_ADDRESS = "127.0.0.1:1";
