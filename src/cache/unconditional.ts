/**
 * An exchange without its conditions, for who is to answer with the whole.
 *
 * @module
 */

import type { Exchange } from "../handlers/handler.ts";
import type { FieldSection } from "../http/fields.ts";
import type { RequestHead } from "../http/head.ts";

const CONDITIONS: ReadonlySet<string> = new Set(["if-none-match", "if-modified-since"]);

/** The same exchange but for If-None-Match and If-Modified-Since. */
export class Unconditional implements Exchange {
  readonly head: RequestHead;
  readonly #exchange: Exchange;

  private constructor(exchange: Exchange) {
    this.#exchange = exchange;
    const { method, target, minor, bytes, fields } = exchange.head;
    this.head = { method, target, minor, bytes, fields: without(fields) };
  }

  /** The exchange itself where it has no conditions. */
  static of(exchange: Exchange): Exchange {
    const { fields } = exchange.head;
    const isConditional = [...CONDITIONS].some((name) => fields.get(name) !== null);
    return isConditional ? new Unconditional(exchange) : exchange;
  }

  get id(): string {
    return this.#exchange.id;
  }

  get method(): string {
    return this.#exchange.method;
  }

  get target(): Exchange["target"] {
    return this.#exchange.target;
  }

  get site(): Exchange["site"] {
    return this.#exchange.site;
  }

  get route(): Exchange["route"] {
    return this.#exchange.route;
  }

  get rest(): string {
    return this.#exchange.rest;
  }

  get body(): Exchange["body"] {
    return this.#exchange.body;
  }

  get peer(): Exchange["peer"] {
    return this.#exchange.peer;
  }

  get user(): string | null {
    return this.#exchange.user;
  }

  get signal(): AbortSignal {
    return this.#exchange.signal;
  }

  get notes(): Exchange["notes"] {
    return this.#exchange.notes;
  }

  delegate(): void {
    this.#exchange.delegate();
  }

  begun(): void {
    this.#exchange.begun();
  }
}

function without(fields: FieldSection): FieldSection {
  const kept: number[] = [];
  for (let i = 0; i < fields.count; i++) {
    if (!CONDITIONS.has(fields.nameAt(i).toLowerCase())) kept.push(i);
  }
  return {
    count: kept.length,
    nameAt: (index) => fields.nameAt(kept[index]),
    valueAt: (index) => fields.valueAt(kept[index]),
    get: (name) => CONDITIONS.has(name) ? null : fields.get(name),
    combined: (name) => CONDITIONS.has(name) ? null : fields.combined(name),
  };
}
