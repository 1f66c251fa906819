/**
 * `--dev`: pages in a browser load themselves again when a file or script changes.
 *
 * A page gets a script at its end, which follows the stream of changes and loads the page again. Only what a browser opens as
 * a page is touched (it says so: Sec-Fetch-Dest), and only a whole answer in HTML; everybody else gets each answer as it is.
 *
 * @module
 */

import { Unconditional } from "../cache/unconditional.ts";
import type { Reserved } from "../client/answerer.ts";
import { compressOutcome } from "../handlers/compress.ts";
import { RELOAD_SCRIPT } from "../handlers/dev_page.ts";
import type { RunScript } from "../handlers/files.ts";
import { type Exchange, type Handler, type Outcome, type Reply, type Source } from "../handlers/handler.ts";
import type { Field } from "../http/fields.ts";
import { after } from "../time/timer.ts";

/** The stream of changes. */
const CHANGES = "/.pollux/changes";

/** Without a change this is how often a stream says something, in milliseconds: so it is noticed that its reader has gone. */
const HEARTBEAT_MS = 15_000;

/** What of a request would make a files route answer with less than the whole page as it is. */
const HIDDEN: ReadonlySet<string> = new Set(["accept-encoding", "if-modified-since", "if-none-match"]);

/** Fields that are not true of a changed page, and what keeps it from being stored: without `--dev` it is another one. */
const NOT_OF_PAGE: ReadonlySet<string> = new Set([
  "accept-ranges",
  "cache-control",
  "etag",
  "expires",
  "last-modified",
]);

/** Fields that say that the bytes are not to be changed. */
const SEALED: ReadonlySet<string> = new Set([
  "content-digest",
  "content-disposition",
  "content-encoding",
  "content-md5",
  "content-range",
  "digest",
  "repr-digest",
]);

/** Loads no page again for ever: one that changes a file whenever it is loaded would. Follows only while it is looked at. */
const SCRIPT = `(() => {
  if (window.polluxReload) return;
  window.polluxReload = true;
  let version = new URL(document.currentScript.src).searchParams.get("v");
  let changes = null;
  const reload = () => {
    const key = "pollux-reloads";
    const times = JSON.parse(sessionStorage.getItem(key) ?? "[]").filter((time) => time > Date.now() - 10000);
    if (times.length >= 5) {
      console.warn("Pollux: this page changes whenever it is loaded, so it is not loaded again by itself");
      return;
    }
    sessionStorage.setItem(key, JSON.stringify([...times, Date.now()]));
    location.reload();
  };
  const follow = (isWanted) => {
    if (!isWanted) {
      changes?.close();
      changes = null;
    } else if (changes === null) {
      changes = new EventSource("${CHANGES}");
      changes.onmessage = ({ data }) => {
        version ??= data;
        if (data === version) return;
        version = data;
        reload();
      };
    }
  };
  document.addEventListener("visibilitychange", () => follow(!document.hidden));
  addEventListener("pagehide", () => follow(false));
  addEventListener("pageshow", () => follow(!document.hidden));
  follow(!document.hidden);
})();
`;

const TEXT = new TextEncoder();

/** Tells the pages of one loop of changes. */
export class Reload implements Reserved {
  #version = "0";
  #isOver = false;
  readonly #streams = new Set<ChangeStream>();

  /** Something has changed; pages of another version load themselves again. */
  changed(version: string): void {
    this.#version = version;
    for (const stream of this.#streams) stream.tell(version);
  }

  /** Ends all streams: the server stops. */
  end(): void {
    this.#isOver = true;
    for (const stream of this.#streams) stream.end();
  }

  /** Whether a request was for one of these: they are none of whoever reads the access log. */
  isOwn(target: string): boolean {
    return target === CHANGES || target === RELOAD_SCRIPT || target.startsWith(`${RELOAD_SCRIPT}?`);
  }

  /** The script and the stream of changes. */
  answer({ path, method }: { readonly path: string; readonly method: string }): Reply | null {
    if (method !== "GET") return null;
    switch (path) {
      case RELOAD_SCRIPT:
        return reservedReply("text/javascript; charset=utf-8", TEXT.encode(SCRIPT));
      case CHANGES: {
        const stream = new ChangeStream(this.#version, () => this.#streams.delete(stream));
        this.#streams.add(stream);
        if (this.#isOver) stream.end();
        return reservedReply("text/event-stream", stream);
      }
      default:
        return null;
    }
  }

  /** The handler of a files route: what it answers to a browser that opens a page gets the script. */
  files(handler: Handler): Handler {
    return async (exchange) => {
      if (!isPageWanted(exchange)) return await handler(exchange);
      const outcome = this.#withScript(await handler(Unconditional.without(exchange, HIDDEN)));
      return exchange.route.compress ? compressOutcome(outcome, exchange) : outcome;
    };
  }

  /** The handler of scripts or a gateway, likewise; before their answers are compressed. */
  scripts(handler: Handler): Handler {
    return async (exchange) => {
      const outcome = await handler(exchange);
      return isPageWanted(exchange) ? this.#withScript(outcome) : outcome;
    };
  }

  /** Scripts among files see the request as it came, and `files` does the rest. */
  scriptsAmongFiles(runScript: RunScript, otherwise: RunScript): RunScript {
    return (exchange, file, pathInfo) =>
      exchange instanceof Unconditional
        ? runScript(exchange.whole, file, pathInfo)
        : otherwise(exchange, file, pathInfo);
  }

  #withScript(outcome: Outcome): Outcome {
    if (outcome.kind !== "reply" || !isPage(outcome)) return outcome;
    const tag = TEXT.encode(
      `\n<script src="${RELOAD_SCRIPT}?v=${encodeURIComponent(this.#version)}"></script>\n`,
    );
    const { moreFields = [], ...reply } = outcome;
    const fields = [...outcome.fields, ...moreFields].filter(([name]) =>
      !NOT_OF_PAGE.has(name.toLowerCase())
    );
    const { body } = outcome;
    return {
      ...reply,
      fields: [...fields, ["Cache-Control", "no-store"]],
      body: body === null ? null : body instanceof Uint8Array ? joined(body, tag) : new Extended(body, tag),
    };
  }
}

/** Whether a browser asks in order to show the answer as a page. */
function isPageWanted({ head, method }: Exchange): boolean {
  const destination = head.fields.get("sec-fetch-dest");
  return method === "GET" && head.method === "GET" &&
    (destination === "document" || destination === "iframe" || destination === "frame");
}

/** Whether an answer is a whole page in HTML, in a coding that ASCII is a part of. */
function isPage({ status, fields, moreFields = [], body }: Reply): boolean {
  if (status !== 200 || body === null || (!(body instanceof Uint8Array) && body.raw === true)) return false;
  let type = "";
  for (const [name, value] of [...fields, ...moreFields]) {
    const lower = name.toLowerCase();
    if (SEALED.has(lower) || (lower === "cache-control" && /\bno-transform\b/i.test(value))) return false;
    if (lower === "content-type") type = value;
  }
  return /^text\/html[ \t]*(?:;|$)/i.test(type) && !/charset="?utf-?(?:16|32)/i.test(type);
}

function reservedReply(type: string, body: Reply["body"]): Reply {
  const fields: Field[] = [
    ["Content-Type", type],
    ["Cache-Control", "no-store"],
    ["Cross-Origin-Resource-Policy", "same-origin"],
    ["X-Content-Type-Options", "nosniff"],
  ];
  return { kind: "reply", status: 200, fields, body };
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** Another source, and something behind its end; what breaks off gets nothing. */
class Extended implements Source {
  readonly length: number | null;
  readonly isPrompt: boolean;
  readonly #source: Source;
  /** null: it was given. */
  #tail: Uint8Array<ArrayBuffer> | null;

  constructor(source: Source, tail: Uint8Array<ArrayBuffer>) {
    this.length = source.length === null ? null : source.length + tail.length;
    this.isPrompt = source.isPrompt === true;
    this.#source = source;
    this.#tail = tail;
  }

  read(): ReturnType<Source["read"]> {
    if (this.#tail === null) return null;
    const bytes = this.#source.read();
    return bytes instanceof Promise
      ? bytes.then((bytes) => bytes ?? this.#takeTail())
      : bytes ?? this.#takeTail();
  }

  close(reason: unknown): void {
    this.#source.close(reason);
  }

  #takeTail(): Uint8Array<ArrayBuffer> | null {
    const tail = this.#tail;
    this.#tail = null;
    return tail;
  }
}

/** Server-sent events: the version of what is served, at first and after each change. */
class ChangeStream implements Source {
  readonly length = null;
  readonly #forget: () => void;
  /** What is to be told next; null: nothing. */
  #next: string | null;
  #isOver = false;
  #waiting: PromiseWithResolvers<void> | null = null;

  constructor(version: string, forget: () => void) {
    this.#forget = forget;
    this.#next = `retry: 500\n${event(version)}`;
  }

  tell(version: string): void {
    this.#next = event(version);
    this.#waiting?.resolve();
  }

  end(): void {
    this.#isOver = true;
    this.#waiting?.resolve();
  }

  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#next === null && !this.#isOver) {
      this.#waiting = Promise.withResolvers();
      const stop = after(HEARTBEAT_MS, this.#waiting.resolve);
      await this.#waiting.promise;
      stop();
      this.#waiting = null;
    }
    if (this.#isOver) return null;
    const next = this.#next ?? ":\n\n";
    this.#next = null;
    return TEXT.encode(next);
  }

  close(): void {
    this.#forget();
    this.end(); // a read that still waits is let go
  }
}

function event(version: string): string {
  return `data: ${version}\n\n`;
}
