/**
 * What a handler is: a function from an exchange to a reply. It never touches the socket or the client's state.
 *
 * @module
 */

import type { LentBytes } from "../buffers.ts";
import type { Route, Site } from "../config/config.ts";
import type { HttpError } from "../http/error.ts";
import type { Field } from "../http/fields.ts";
import type { RequestHead } from "../http/head.ts";
import type { Target } from "../http/target.ts";

/** Answers an exchange. May throw HttpError for a refusal; anything else it throws is a bug of ours and becomes a 500. */
export type Handler = (exchange: Exchange) => Outcome | Promise<Outcome>;

/** What a handler decides: an answer, a refusal, or that another path answers. */
export type Outcome = Reply | Refusal | Reroute;

/** An answer. */
export interface Reply {
  /** What tells it from other outcomes. */
  readonly kind: "reply";
  /** 200 to 599. */
  readonly status: number;
  /** Only from scripts that give their own; otherwise the registered phrase. */
  readonly reason?: string;
  /** Without Date, Connection, Content-Length, Transfer-Encoding: the client adds what framing needs. */
  readonly fields: readonly Field[];
  /** Further fields, where `fields` are those of many replies. */
  readonly moreFields?: readonly Field[];
  /** The content, which is not sent with 204, 304, or to HEAD. */
  readonly body: ReplyBody;
  /** The connection closes after this answer. */
  readonly close?: boolean;
  /** Its Date where it was made earlier, and kept; otherwise it is now. */
  readonly date?: string;
}

/**
 * An answer's content: none, whole, or a source.
 * For HEAD the handler gives the body of a GET; the client writes its length and nothing else, and closes the source.
 */
export type ReplyBody = null | Uint8Array<ArrayBuffer> | Source;

/** Content that is produced while it is sent. */
export interface Source {
  /** Bytes in all; null when unknown (then chunked, or ended by closing for HTTP/1.0). */
  readonly length: number | null;
  /**
   * The next bytes, never empty; null at the end. They are valid until the next call.
   * Throws or rejects when the content breaks off: the connection is cut, so that nothing looks complete.
   */
  read(): LentBytes | null | Promise<LentBytes | null>;
  /** Ends it and frees what it holds; called once, also after the end. `reason` is null after a complete answer. */
  close(reason: unknown): void;
  /** The first bytes are at hand, so the head need not go out before them. */
  readonly isPrompt?: boolean;
  /** `nph-` scripts: the bytes are the whole HTTP message; no head is written and the connection closes after it. */
  readonly raw?: boolean;
}

/**
 * A refusal that is at hand, as for a file that is known not to be there: the same as throwing the error, but for what throwing
 * costs, which is a tenth of such an answer.
 */
export interface Refusal {
  /** What tells it from other outcomes. */
  readonly kind: "refusal";
  /** What would be thrown. */
  readonly error: HttpError;
}

/** Another path of the site answers instead. */
export interface Reroute {
  /** What tells it from other outcomes. */
  readonly kind: "reroute";
  /** Origin-form: path and query, percent-encoded. */
  readonly target: string;
  /** `local`: RFC 3875, 6.2.2, becomes a GET without body. `fallback`: the request as it is, at another path. */
  readonly as: "local" | "fallback";
}

/** The content of a request, read by one consumer at its own speed. */
export interface RequestBody {
  /** Bytes announced by Content-Length; 0 without a body; null for chunked. */
  readonly length: number | null;
  /**
   * The next bytes, never empty; null at the end. They are the caller's to keep or transfer.
   * The first call sends `100 Continue` where the client waits for it.
   * Rejects with HttpError (400, 408, 413) or the client's end.
   */
  read(): Promise<Uint8Array<ArrayBuffer> | null>;
  /** The same, but that the bytes may come in `room`, which is lent for them. Left out where that would save no copy. */
  readInto?(room: LentBytes): Promise<LentBytes | null>;
}

/** Who is at the other end, after PROXY protocol and trusted proxies. */
export interface Peer {
  /** The client's address; `""` over a unix socket. */
  readonly address: string;
  /** The client's port; 0 when unknown. */
  readonly port: number;
  /** The server's address and port of the socket. */
  readonly localAddress: string;
  /** The port of the socket; 0 over a unix socket. */
  readonly localPort: number;
  /** `https` over TLS, or as a trusted proxy says. */
  readonly scheme: "http" | "https";
  /** Host as the client named it in front of a trusted proxy (X-Forwarded-Host); null: as the request says. */
  readonly host: string | null;
}

/** Why an exchange is broken off: the `reason` of its signal. */
export class ExchangeAborted extends Error {
  /** The client left, a deadline passed, the server stops. */
  readonly why: "clientGone" | "timeout" | "shutdown";

  /**
   * Tells the exchange why it ends.
   *
   * @param why What happened.
   */
  constructor(why: "clientGone" | "timeout" | "shutdown") {
    super(why);
    this.name = "ExchangeAborted";
    this.why = why;
  }
}

/** Content that is not what was announced, though nobody is to blame: a file became shorter while it was sent. */
export class ContentCutShort extends Error {
  /**
   * Says what happened.
   *
   * @param message For the log.
   */
  constructor(message: string) {
    super(message);
    this.name = "ContentCutShort";
  }
}

/** One request on its way to its answer. */
export interface Exchange {
  /** Unique; in error pages and logs. */
  readonly id: string;
  /** The request as it was sent. */
  readonly head: RequestHead;
  /** GET after a local redirect, else the head's. */
  readonly method: string;
  /** The target that is answered; another than the head's after a reroute. */
  readonly target: Target;
  /** The site that the Host chose. */
  readonly site: Site;
  /** The route that the target chose. */
  readonly route: Route;
  /** The decoded path below the route: empty, or beginning with a slash. */
  readonly rest: string;
  /** The request's content; empty after a local redirect. */
  readonly body: RequestBody;
  /** Who asks. */
  readonly peer: Peer;
  /** From Basic authentication; null without. */
  readonly user: string | null;
  /** Aborted, with an {@linkcode ExchangeAborted} as reason, when the client is gone, a deadline passes, or the server stops. */
  readonly signal: AbortSignal;
  /** Called when a script or gateway is wanted: the client is in WAIT_CGI from then on. Calling it twice is harmless. */
  delegate(): void;
  /** Called when its script's process runs, or a gateway takes its request: until then the client is counted as queued. */
  begun(): void;
  /** Notes for the access log. */
  readonly notes: ExchangeNotes;
}

/** What handlers tell the access log. */
export interface ExchangeNotes {
  /** Absolute path of the script; null without. */
  script: string | null;
  /** How long the script ran, in milliseconds; null without. */
  scriptMs: number | null;
  /** Exit status, or the signal's name; null without. */
  exit: number | string | null;
  /** Why it failed, for the error log; null without. */
  error: string | null;
}
