/**
 * An exchange without its conditions, for who is to answer with the whole.
 *
 * @module
 */

import { ExchangeView } from "../handlers/exchange_view.ts";
import type { Exchange } from "../handlers/handler.ts";
import type { FieldSection } from "../http/fields.ts";
import type { RequestHead } from "../http/head.ts";

const CONDITIONS: ReadonlySet<string> = new Set(["if-none-match", "if-modified-since"]);

/** The same exchange but for some of its fields: those of conditions, or others. */
export class Unconditional extends ExchangeView {
  /** That of the exchange, without the fields that are hidden. */
  readonly head: RequestHead;
  /** The exchange's own. */
  readonly method: string;
  /** The exchange's own. */
  readonly target: Exchange["target"];
  /** The exchange's own. */
  readonly rest: string;

  private constructor(exchange: Exchange, hidden: ReadonlySet<string>) {
    super(exchange);
    const { method, target, minor, bytes, fields } = exchange.head;
    this.head = { method, target, minor, bytes, fields: without(fields, hidden) };
    this.method = exchange.method;
    this.target = exchange.target;
    this.rest = exchange.rest;
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
