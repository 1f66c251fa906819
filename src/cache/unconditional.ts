/**
 * An exchange without its conditions, for who is to answer with the whole.
 *
 * @module
 */

import type { Exchange } from "../handlers/handler.ts";
import type { FieldSection } from "../http/fields.ts";
import type { RequestHead } from "../http/head.ts";

const CONDITIONS: ReadonlySet<string> = new Set(["if-none-match", "if-modified-since"]);

/** The same exchange but for some of its fields: those of conditions, or others. */
export class Unconditional implements Exchange {
  readonly head: RequestHead;
  readonly #exchange: Exchange;

  private constructor(exchange: Exchange, hidden: ReadonlySet<string>) {
    this.#exchange = exchange;
    const { method, target, minor, bytes, fields } = exchange.head;
    this.head = { method, target, minor, bytes, fields: without(fields, hidden) };
  }

  /** The exchange itself where it has no conditions. */
  static of(exchange: Exchange): Exchange {
    const { fields } = exchange.head;
    const isConditional = [...CONDITIONS].some((name) => fields.get(name) !== null);
    return isConditional ? Unconditional.without(exchange, CONDITIONS) : exchange;
  }

  /** The exchange without the fields of these names, which are in lower case. */
  static without(exchange: Exchange, hidden: ReadonlySet<string>): Unconditional {
    return new Unconditional(exchange, hidden);
  }

  /** The exchange with all its fields. */
  get whole(): Exchange {
    return this.#exchange;
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

function without(fields: FieldSection, hidden: ReadonlySet<string>): FieldSection {
  const kept: number[] = [];
  for (let i = 0; i < fields.count; i++) {
    if (!hidden.has(fields.nameAt(i).toLowerCase())) kept.push(i);
  }
  return {
    count: kept.length,
    nameAt: (index) => fields.nameAt(kept[index]),
    valueAt: (index) => fields.valueAt(kept[index]),
    get: (name) => hidden.has(name.toLowerCase()) ? null : fields.get(name),
    combined: (name) => hidden.has(name.toLowerCase()) ? null : fields.combined(name),
  };
}
