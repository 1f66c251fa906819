/**
 * The kinds of value that a key can have, as valibot schemas over the text that stands in the file.
 *
 * Every scalar arrives as the text that was written (`read.ts`), null where nothing stands after the colon. Each kind
 * has a title, so that the reference of all keys can be written from the schema.
 *
 * @module
 */

import { closestString } from "@std/text/closest-string";
import * as v from "valibot";
import { type Address, normalizeHost, parseListenAddress } from "./address.ts";
import { parseCidr } from "./cidr.ts";
import { quote, Refusal } from "./refusal.ts";
import type { NumberForm, ScalarForm, Shape } from "./shape.ts";
import {
  isOff,
  type NumberRule,
  parseCount,
  parseDuration,
  parseMode,
  parseSize,
  parseSwitch,
} from "./units.ts";

/**
 * Something that takes a value of the file and gives a `T`.
 *
 * @internal It names a type of valibot, which `deno doc --lint` takes for a private one of ours.
 */
export type Type<T> = v.GenericSchema<unknown, T>;

/** A key: what it takes, what holds without it (as one would write it), and one line that says what it is for. */
export interface Key<T, D> {
  /** What it takes. */
  readonly type: Type<T>;
  /** What holds without it, as one would write it; undefined: nothing. */
  readonly fallback: D;
  /** What it is for. */
  readonly text: string;
  /** Whether its block means nothing without it. */
  readonly isRequired?: boolean;
}

/** What a key may have for its default: a value as one would write it, or nothing. */
export type Fallback = string | readonly string[] | Readonly<Record<string, string>> | undefined;

/** A block of keys. */
export type Keys = Readonly<Record<string, Key<unknown, Fallback>>>;

/** A block read with its defaults; undefined only where a key has none. */
export type Complete<K extends Keys> = {
  readonly [P in keyof K]: K[P] extends Key<infer T, infer D> ? (D extends undefined ? T | undefined : T)
    : never;
};

/** A block read without defaults: undefined is what the file does not say. */
export type Sparse<K extends Keys> = {
  readonly [P in keyof K]: K[P] extends Key<infer T, Fallback> ? T | undefined : never;
};

/** Makes a key. */
export function key<T, D extends Fallback>(type: Type<T>, fallback: D, text: string): Key<T, D> {
  return { type, fallback, text };
}

/** What a value of this type looks like in the file. */
export function shapeOf(type: Type<unknown>): Shape {
  const { shape } = v.getMetadata(type) as { readonly shape?: Shape };
  if (shape === undefined) throw new TypeError(`the type ${v.getTitle(type)} has no shape`);
  return shape;
}

/** A type that says what its values look like in the file; its title is that of the shape. */
export function withShape<T>(type: Type<T>, title: string, shape: Shape): Type<T> {
  return v.pipe(type, v.title(title), v.metadata({ shape }));
}

/** Makes a key that its block cannot do without. */
export function required<T>(type: Type<T>, text: string): Key<T, undefined> {
  return { type, fallback: undefined, text, isRequired: true };
}

/** A scalar that `parse` understands, of a form that can be told without parsing it. */
export function scalar<T>(
  title: string,
  parse: (text: string) => T | Refusal,
  form: ScalarForm = { kind: "text" },
): Type<T> {
  const type = v.pipe(
    v.unknown(),
    v.rawTransform<unknown, T>(({ dataset, addIssue, NEVER }) => {
      const input = dataset.value;
      const value = typeof input === "string"
        ? parse(input)
        : new Refusal(`${notAScalar(input)}: write ${title}`);
      if (value instanceof Refusal) {
        addIssue({ message: value.message });
        return NEVER;
      }
      return value;
    }),
  );
  return withShape(type, title, { kind: "scalar", title, form });
}

/** A duration, in milliseconds. */
export function duration(rule: NumberRule = { min: 1, off: Infinity }): Type<number> {
  return scalar(
    rule.off === undefined ? "a duration" : "a duration or off",
    (text) => parseDuration(text, rule),
    numberForm("duration", rule),
  );
}

/** A size, in bytes. */
export function size(rule: NumberRule = { min: 1, off: Infinity }): Type<number> {
  return scalar(
    rule.off === undefined ? "a size" : "a size or off",
    (text) => parseSize(text, rule),
    numberForm("size", rule),
  );
}

/** A whole number. */
export function count(rule: NumberRule = { min: 1, off: Infinity }): Type<number> {
  return scalar(
    rule.off === undefined ? "a number" : "a number or off",
    (text) => parseCount(text, rule),
    numberForm("count", rule),
  );
}

function numberForm(kind: NumberForm["kind"], { min = 0, max, off }: NumberRule): ScalarForm {
  return { kind, min, max: max ?? null, canBeOff: off !== undefined };
}

/** `true`, or `false` and `off`. */
export const toggle: Type<boolean> = scalar("true or false", parseSwitch, { kind: "switch" });

/** `true` alone: for a key that is a handler by its presence. */
export const onlyTrue: Type<boolean> = scalar("true", (text) => {
  const value = parseSwitch(text);
  return value === false ? new Refusal("only true means something here; leave the route out instead") : value;
}, { kind: "true" });

/** A file mode. */
export const mode: Type<number> = scalar("a mode such as 0660", parseMode, { kind: "mode" });

/** Any text, also an empty one. */
export const text: Type<string> = scalar("a text", (text) => text);

/** The name of a file or folder. */
export const path: Type<string> = scalar("a path", (text) => {
  if (text === "") return new Refusal("is empty: write a path");
  if (text.includes("\0")) return new Refusal("a path has no NUL");
  if (/^~(?:\/|$)/.test(text)) {
    return new Refusal(`${quote(text)}: ~ is not expanded here; write the whole path`);
  }
  return text;
});

/** A name without slashes. */
export const fileName: Type<string> = scalar(
  "a file name",
  (text) =>
    /^(?:|\.|\.\.)$|[/\0]/.test(text)
      ? new Refusal(`${quote(text)} is not a file name: no slash, and not empty`)
      : text,
);

/** One of some words. */
export function choice<const W extends string>(words: readonly W[]): Type<W> {
  return scalar(words.join(", ").replace(/, ([^,]*)$/, " or $1"), (text) => {
    const found = words.find((word) => word === text);
    if (found !== undefined) return found;
    return new Refusal(`${quote(text)} is not known here: write ${oneOf(words)}`);
  }, { kind: "choice", words });
}

/** A number from a few, such as a status. */
export function numberChoice<const N extends number>(numbers: readonly N[]): Type<N> {
  return scalar(numbers.join(", ").replace(/, ([^,]*)$/, " or $1"), (text) => {
    const found = numbers.find((number) => String(number) === text);
    return found ?? new Refusal(`${quote(text)} is not known here: write ${oneOf(numbers.map(String))}`);
  }, { kind: "choice", words: numbers });
}

/** One value, or a list of them. */
export function list<T>(item: Type<T>): Type<readonly T[]> {
  const many = v.array(item);
  const one = v.pipe(item, v.transform((value) => [value]));
  return withShape(
    v.lazy((input) => Array.isArray(input) ? many : one),
    `${v.getTitle(item) ?? "a block"}, or a list`,
    { kind: "list", item },
  );
}

/** Keys that the user chooses, each with a value of one kind. Nothing after the colon is a block without keys. */
export function map<T>(name: Type<string>, value: Type<T>): Type<Readonly<Record<string, T>>> {
  const named = `${v.getTitle(name) ?? "a name"}: ${v.getTitle(value) ?? "a value"}`;
  // A name is a string already; the record wants to be told.
  const nameType = name as v.GenericSchema<string, string>;
  return withShape(
    v.pipe(blockInput(named), v.record(nameType, value)),
    `a block of ${named}`,
    { kind: "map", name, value },
  );
}

/**
 * A block of known keys, with their defaults.
 *
 * @param hint What to say of a key that is not known here but elsewhere; null where there is nothing to say.
 */
export function complete<K extends Keys>(keys: K, hint?: (name: string) => string | null): Type<Complete<K>> {
  return block(keys, true, hint);
}

/**
 * A block of known keys, without defaults.
 *
 * @param hint What to say of a key that is not known here but elsewhere; null where there is nothing to say.
 */
export function sparse<K extends Keys>(keys: K, hint?: (name: string) => string | null): Type<Sparse<K>> {
  return block(keys, false, hint);
}

/** An address to listen on. */
export const listenAddress: Type<Address> = scalar("an address", parseListenAddress);

/** A block of addresses, as written. */
export const cidr: Type<string> = scalar("a CIDR", (text) => {
  const block = parseCidr(text);
  return block instanceof Refusal ? block : text;
});

/** A host as sites have it: lower case, perhaps `*.` in front; `*` alone for every host. */
export const host: Type<string> = scalar("a host name", (text) => {
  if (text === "*") return text;
  const wild = text.startsWith("*.");
  const rest = wild ? text.slice(2) : text;
  if (rest.includes("*")) {
    return new Refusal(`${quote(text)}: * stands for the labels in front, as in "*.example.org"`);
  }
  const withoutPort = /^(.*[^:]):[0-9]+$/.exec(rest)?.[1];
  if (withoutPort !== undefined && normalizeHost(withoutPort) !== null) {
    return new Refusal(`${quote(text)}: a host has no port here; write ${wild ? "*." : ""}${withoutPort}`);
  }
  const name = normalizeHost(rest);
  if (name === null) {
    return new Refusal(`${quote(text)} is not a host name: write example.org or "*.example.org"`);
  }
  return wild ? `*.${name}` : name;
});

/** A path of URLs, as it is after decoding. */
export const urlPath: Type<string> = scalar("a URL path", (text) => checkUrlPath(text) ?? text);

/** The folder that a pattern begins with. */
function folderBefore(pattern: string): string {
  return /\/(?:[^*^$()[\]\\.?|+{}]*\/)?/.exec(pattern)?.[0] ?? "/";
}

/** The path of a route. */
export const routePath: Type<string> = scalar("a URL path", (text) => {
  // As nginx, lighttpd and Apache write patterns.
  if (/^[~^(\\]|\*/.test(text)) {
    return new Refusal(
      `${quote(text)}: a route takes all that is below its path; write ${folderBefore(text)}`,
    );
  }
  const refusal = checkUrlPath(text);
  if (refusal !== null) return refusal;
  return text;
});

/** The value of a header field. */
export const fieldValue: Type<string> = scalar(
  "a text",
  (text) =>
    /^[\t\x20-\x7e\x80-\xff]*$/.test(text)
      ? text.trim()
      : new Refusal(`${quote(text)}: a field's value has no line breaks and no letters beyond Latin-1`),
);

/** The name of a header field that the configuration may set. */
export const fieldName: Type<string> = scalar("a field name", (text) => {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text)) return new Refusal(`${quote(text)} is not a field name`);
  if (/^(?:content-length|transfer-encoding|connection|keep-alive|upgrade|te|trailer|date)$/i.test(text)) {
    return new Refusal("the server itself sets this field");
  }
  return text;
});

/** An extension of a file name, with its dot. */
export const extension: Type<string> = scalar("an extension", (text) => {
  if (/^\.[^./\s]+$/.test(text)) return text;
  if (/^[^./\s]+$/.test(text)) return new Refusal(`${quote(text)}: an extension has its dot; write .${text}`);
  return new Refusal(`${quote(text)} is not an extension: write .py`);
});

/** The status of an error, as a key of `error_pages`. */
export const errorStatus: Type<string> = scalar(
  "a status",
  (text) =>
    /^[45][0-9]{2}$/.test(text)
      ? text
      : new Refusal(`${quote(text)} is not the status of an error: 400 to 599`),
);

const program: Type<readonly string[] | "shebang" | "off"> = scalar("a program", (text) => {
  if (text === "shebang") return "shebang";
  if (isOff(text)) return "off";
  if (text.trim() === "") return new Refusal("is empty: write a program, such as python3");
  if (/\s/.test(text)) {
    return new Refusal(
      `${quote(text)}: arguments want a list; write [${text.trim().split(/\s+/).join(", ")}]`,
    );
  }
  return [text];
});

const command: Type<readonly string[]> = v.pipe(
  v.array(text),
  v.check((words) => words.length > 0 && words[0] !== "", "is empty: write [python3, -I]"),
);

/** An interpreter: a program, `shebang`, or `off` for none. */
export const interpreter: Type<readonly string[] | "shebang" | "off"> = withShape(
  v.lazy((input): Type<readonly string[] | "shebang" | "off"> => Array.isArray(input) ? command : program),
  "a program, a list with arguments, shebang or off",
  { kind: "list", item: program },
);

/** What stands where a scalar was wanted. */
function notAScalar(input: unknown): string {
  if (input === null) return "has no value";
  return Array.isArray(input) ? "is a list" : "is a block of keys";
}

function checkUrlPath(text: string): Refusal | null {
  if (!text.startsWith("/")) {
    return new Refusal(`${quote(text)}: a path of URLs begins with a slash; write /${text}`);
  }
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(text)) {
    return new Refusal(`${quote(text)}: a path has no control characters`);
  }
  if (/[?#]/.test(text)) return new Refusal(`${quote(text)}: a path has no query and no fragment`);
  if (text.includes("//")) {
    return new Refusal(`${quote(text)}: a slash stands twice; write ${text.replace(/\/+/g, "/")}`);
  }
  if (/\/\.{1,2}(?:\/|$)/.test(text)) return new Refusal(`${quote(text)}: a path has no . or .. segments`);
  if (/%[0-9A-Fa-f]{2}/.test(text)) return new Refusal(`${quote(text)}: write the path decoded, without %`);
  return null;
}

function oneOf(words: readonly string[]): string {
  return words.length === 1 ? words[0] : `${words.slice(0, -1).join(", ")} or ${words[words.length - 1]}`;
}

/** Takes a block, and nothing after a colon for one that is empty. */
function blockInput(wanted: string): v.GenericSchema<unknown, Record<string, unknown>> {
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, Record<string, unknown>>(({ dataset, addIssue, NEVER }) => {
      const input = dataset.value;
      if (input === null) return {};
      if (typeof input === "object" && !Array.isArray(input)) return input as Record<string, unknown>;
      const said = typeof input === "string" ? quote(input) : "a list";
      addIssue({ message: `is ${said}, where a block is wanted: ${wanted}` });
      return NEVER;
    }),
  );
}

function block<K extends Keys, R>(
  keys: K,
  withDefaults: boolean,
  hint?: (name: string) => string | null,
): Type<R> {
  const names = Object.keys(keys);
  const entries: v.ObjectEntries = {};
  for (const name of names) {
    const { type, fallback } = keys[name];
    entries[name] = withDefaults && fallback !== undefined ? v.optional(type, fallback) : v.optional(type);
  }
  const schema = v.pipe(
    blockInput(names.length > 4 ? `${names.slice(0, 4).join(", ")}, ...` : names.join(", ")),
    // Not strictObject, which stops at the first unknown key: one run is to name them all.
    v.looseObject(entries),
    v.rawCheck(({ dataset, addIssue }) => {
      const input: unknown = dataset.value;
      if (!isRecord(input)) return;
      for (const name of Object.keys(input)) {
        if (Object.hasOwn(entries, name)) continue;
        addIssue({
          message: hint?.(name) ?? unknownKey(name, names),
          path: [{ type: "object", origin: "key", input, key: name, value: input[name] }],
        });
      }
    }),
  );
  // The entries are made from the keys one by one, which no type can follow; their types are in `Complete` and `Sparse`.
  return withShape(schema as unknown as Type<R>, "a block", { kind: "block", keys });
}

function isRecord(input: unknown): input is Record<string, unknown> {
  return typeof input === "object" && input !== null && !Array.isArray(input);
}

/** What other servers call it: no distance of letters leads from there to here. */
const OTHERS_NAMES: Readonly<Record<string, string>> = {
  access_log: "log",
  alias: "files",
  autoindex: "list",
  bind: "listen",
  directory: "files",
  docroot: "root",
  document_root: "root",
  domain: "host",
  error_log: "log",
  error_page: "error_pages",
  fastcgi_pass: "fastcgi",
  gzip: "compress",
  location: "path",
  locations: "routes",
  max_body_size: "body_limit",
  port: "listen",
  return: "redirect",
  rewrite: "redirect",
  server_name: "host",
  servers: "sites",
  url: "path",
};

/** What is said of a key that does not exist. */
export function unknownKey(name: string, names: readonly string[]): string {
  if (name === "<<") return "YAML 1.2 has no merge keys: write the keys out";
  const own = Object.hasOwn(OTHERS_NAMES, name) ? OTHERS_NAMES[name] : undefined;
  if (own !== undefined && names.includes(own)) return `no such key; did you mean ${own}?`;
  return `no such key; did you mean ${closestString(name, names)}?`;
}
