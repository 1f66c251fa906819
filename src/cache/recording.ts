/**
 * Content that goes to a client and is kept at the same time. It is read as fast as it is made, not as fast as the client
 * takes it: others wait for the whole, and a slow client must not keep them waiting. Only so much is held, though; beyond,
 * it is no longer kept, and goes through at the client's own pace.
 *
 * @module
 */

import type { LentBytes } from "../buffers.ts";
import type { Source } from "../handlers/handler.ts";

/** Content. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** What a recording needs of who keeps it. */
export interface Recorder {
  /** Holds room for so many further bytes; false: there is none. */
  reserve(bytes: number): boolean;
  /** Called once: with the whole content, or null where it broke off or was too much. */
  done(content: Bytes | null): void;
}

/** A source that is recorded. */
export class Recording implements Source {
  readonly length: number | null;
  readonly isPrompt?: boolean;
  readonly #source: Source;
  readonly #recorder: Recorder;
  readonly #maxBytes: number;
  /** What has been read, for the client from `#next` on. */
  readonly #chunks: Bytes[] = [];
  #next = 0;
  #bytes = 0;
  #state: "recording" | "through" | "ended" | "failed" | "closed" = "recording";
  #failure: unknown = null;
  #isWanted = true;
  #progress = Promise.withResolvers<void>();

  /**
   * Takes a source over and begins to read it.
   *
   * @param maxBytes The most that is held.
   */
  constructor(source: Source, recorder: Recorder, maxBytes: number) {
    this.#source = source;
    this.#recorder = recorder;
    this.#maxBytes = maxBytes;
    this.length = source.length;
    if (source.isPrompt !== undefined) this.isPrompt = source.isPrompt;
    this.#record();
  }

  /** The next bytes. */
  async read(): Promise<LentBytes | null> {
    for (;;) {
      const chunk = this.#chunks[this.#next];
      if (chunk !== undefined) {
        this.#next++;
        return chunk;
      }
      switch (this.#state) {
        case "recording":
          await this.#progress.promise;
          continue;
        case "through":
          return await this.#source.read();
        case "failed":
          throw this.#failure;
        case "ended":
        case "closed":
          return null;
        default:
          return this.#state satisfies never;
      }
    }
  }

  /** The client wants none of it: it is made to be kept alone. */
  disown(): void {
    this.#isWanted = false;
    if (this.#state === "through") this.close(null);
  }

  /** The client has it all, or takes no more. */
  close(reason: unknown): void {
    const state = this.#state;
    if (state === "closed" || state === "ended" || state === "failed") return;
    this.#state = "closed";
    this.#source.close(reason);
    if (state === "recording") this.#recorder.done(null);
  }

  async #record(): Promise<void> {
    try {
      while (this.#state === "recording") {
        const bytes = await this.#source.read();
        if (!this.#isRecording()) return;
        if (bytes === null) this.#end();
        else this.#take(bytes.slice()); // They are valid until the next read only.
        this.#moveOn();
      }
    } catch (error) {
      if (!this.#isRecording()) return;
      this.#state = "failed";
      this.#failure = error;
      this.#source.close(error);
      this.#recorder.done(null);
      this.#moveOn();
    }
  }

  /** Whether it was neither closed nor given up while the source was read. */
  #isRecording(): boolean {
    return this.#state === "recording";
  }

  #take(bytes: Bytes): void {
    this.#chunks.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes <= this.#maxBytes && this.#recorder.reserve(bytes.length)) return;
    this.#state = "through";
    this.#recorder.done(null);
    if (!this.#isWanted) this.close(null);
  }

  #end(): void {
    this.#state = "ended";
    this.#source.close(null);
    const content = new Uint8Array(this.#bytes);
    let at = 0;
    for (const chunk of this.#chunks) {
      content.set(chunk, at);
      at += chunk.length;
    }
    this.#recorder.done(content);
  }

  #moveOn(): void {
    this.#progress.resolve();
    this.#progress = Promise.withResolvers();
  }
}
