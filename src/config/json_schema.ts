/**
 * The JSON Schema of pollux.yaml (draft 7, which editors know best), from the one schema.
 *
 * It sees values as YAML's core schema makes them of the text: 8080 is a number there and `off` a text. What it takes
 * beyond the program (a path that is not there, two routes of one path) is for `pollux check`; it refuses nothing that
 * the program takes, as long as that is written as documented.
 *
 * @module
 */

import { CGI, FILE, HANDLERS, SCRIPT } from "./schema.ts";
import type { ScalarForm, Shape } from "./shape.ts";
import { type Fallback, type Key, type Keys, shapeOf, type Type } from "./types.ts";

/** A JSON Schema. */
export type JsonSchema = { readonly [key: string]: Json };

/** A value of JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** What stands for nothing, without end. */
const OFF: readonly Json[] = ["off", false];

/** Keys that stand in more than one kind of block. */
const SHARED: ReadonlySet<Key<unknown, Fallback>> = new Set(sharedKeys());

/** Keys of a files route that mean something only beside `scripts`. */
const NEED_SCRIPTS = Object.fromEntries(
  Object.keys({ ...CGI, ...SCRIPT }).map((name) => [name, ["scripts"]]),
);

/** Makes the schema of the whole file. */
export function jsonSchema(): JsonSchema {
  const definitions = new Definitions();
  const file = definitions.of(shapeOf(FILE));
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "pollux.yaml",
    ...file,
    definitions: definitions.all(),
  };
}

/** What stands in more than one place, each once. */
class Definitions {
  readonly #names = new Map<Keys | Key<unknown, Fallback>, string>();
  readonly #made: Record<string, JsonSchema> = {};

  all(): JsonSchema {
    return this.#made;
  }

  of(shape: Shape): JsonSchema {
    switch (shape.kind) {
      case "scalar":
        return scalarSchema(shape.form);
      case "list": {
        const item = this.#ofType(shape.item);
        return { anyOf: [item, { type: "array", items: item }] };
      }
      case "map":
        return {
          type: ["object", "null"],
          propertyNames: this.#nameOf(shape.name),
          additionalProperties: this.#ofType(shape.value),
        };
      case "block":
        return this.#block(shape.keys);
      case "short":
        return { anyOf: [this.#ofType(shape.keys[shape.key].type), this.#block(shape.keys)] };
      case "route":
        return { anyOf: Object.entries(shape.handlers).map(([name, keys]) => this.#route(name, keys)) };
      default:
        return shape satisfies never;
    }
  }

  #ofType(type: Type<unknown>): JsonSchema {
    return this.of(shapeOf(type));
  }

  /** Keys of a block are texts always, also where they look like numbers. */
  #nameOf(type: Type<unknown>): JsonSchema {
    const shape = shapeOf(type);
    return shape.kind === "scalar" && shape.form.kind !== "text" ? this.of(shape) : { type: "string" };
  }

  #route(handler: string, keys: Keys): JsonSchema {
    const name = `${handler}_route`;
    if (!Object.hasOwn(this.#made, name)) {
      this.#made[name] = {
        ...this.#block(keys),
        ...(handler === "files" ? { dependencies: NEED_SCRIPTS } : {}),
      };
    }
    return { $ref: `#/definitions/${name}` };
  }

  #block(keys: Keys): JsonSchema {
    const entries = Object.entries(keys);
    const needed = entries.filter(([, key]) => key.isRequired === true).map(([name]) => name);
    return {
      type: needed.length === 0 ? ["object", "null"] : "object",
      ...(needed.length === 0 ? {} : { required: needed }),
      properties: Object.fromEntries(entries.map(([name, key]) => [name, this.#property(name, key)])),
      additionalProperties: false,
    };
  }

  #property(name: string, key: Key<unknown, Fallback>): JsonSchema {
    return SHARED.has(key)
      ? this.#reference(name, key, () => this.#describe(name, key))
      : this.#describe(name, key);
  }

  #describe(name: string, { type, fallback, text }: Key<unknown, Fallback>): JsonSchema {
    const shape = shapeOf(type);
    const value = defaultOf(shape, fallback);
    // Beside a $ref draft 7 reads nothing, so that the description needs a place of its own.
    const look = shape.kind === "block"
      ? { allOf: [this.#reference(`${name}_block`, shape.keys, () => this.of(shape))] }
      : this.of(shape);
    return { description: text, ...look, ...(value === undefined ? {} : { default: value }) };
  }

  #reference(wanted: string, what: Keys | Key<unknown, Fallback>, make: () => JsonSchema): JsonSchema {
    let name = this.#names.get(what);
    if (name === undefined) {
      name = wanted;
      for (let next = 2; Object.hasOwn(this.#made, name); next++) name = `${wanted}_${next}`;
      this.#names.set(what, name);
      this.#made[name] = make();
    }
    return { $ref: `#/definitions/${name}` };
  }
}

function scalarSchema(form: ScalarForm): JsonSchema {
  switch (form.kind) {
    case "text":
      return { type: ["string", "number", "boolean"] };
    case "switch":
      return { enum: [true, false, "off"] };
    case "true":
      return { const: true };
    case "choice":
      return { enum: form.words };
    case "mode":
      return { anyOf: [{ type: "string", pattern: "^0?[0-7]{3}$" }, { type: "integer" }] };
    case "duration":
      return orOff(form.canBeOff, { type: "string", pattern: "^(0|[1-9][0-9]*)(ms|s|m|h)$" });
    case "size":
      return orOff(
        form.canBeOff,
        { type: "integer", minimum: form.min },
        { type: "string", pattern: "^(0|[1-9][0-9]*)(KiB|MiB|GiB)?$" },
      );
    case "count":
      return orOff(
        form.canBeOff,
        { type: "integer", minimum: form.min, ...(form.max === null ? {} : { maximum: form.max }) },
        { type: "string", pattern: "^(0|[1-9][0-9]*)$" },
      );
    default:
      return form satisfies never;
  }
}

function orOff(canBeOff: boolean, ...forms: JsonSchema[]): JsonSchema {
  const all = canBeOff ? [...forms, { enum: OFF }] : forms;
  return all.length === 1 ? all[0] : { anyOf: all };
}

/** A default as YAML would read it; undefined where there is none, or only an empty one. */
function defaultOf(shape: Shape, fallback: Fallback): Json | undefined {
  if (typeof fallback !== "string") {
    return fallback === undefined || Object.keys(fallback).length === 0 ? undefined : fallback;
  }
  if (shape.kind !== "scalar") return fallback;
  if (shape.form.kind === "switch") return fallback === "true";
  return /^(?:0|[1-9][0-9]*)$/.test(fallback) ? Number(fallback) : fallback;
}

function* sharedKeys(): Generator<Key<unknown, Fallback>> {
  const seen = new Set<Key<unknown, Fallback>>();
  const blocks: readonly Keys[] = [CGI, ...Object.values(HANDLERS)];
  for (const key of blocks.flatMap((keys) => Object.values(keys))) {
    if (seen.has(key)) yield key;
    seen.add(key);
  }
}
