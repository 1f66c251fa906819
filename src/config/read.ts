/**
 * YAML to plain values: maps, lists and the text of scalars, exactly as written. What a text means is for the schema to
 * say, so that no parser's idea of `010`, `off` or `1_000` comes in between.
 *
 * @module
 */

import { parse } from "@std/yaml/parse";
import type { Place } from "./config.ts";
import { quote } from "./refusal.ts";

/** Blocks within blocks; ours need eight. */
const DEPTH_MAX = 32;
/** Values in all, each alias counted with all that it stands for: ten lines of aliases can mean billions. */
const NODES_MAX = 1_000_000;

/** What a file says: null for an empty one; otherwise a map, a list or a text. */
export type Read = { readonly value: unknown } | { readonly fault: string; readonly place: Place | null };

/** Reads the bytes of a configuration file. */
export function readYaml(bytes: Uint8Array): Read & { readonly text: string } {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const place = placeOfBadByte(bytes);
    return { text: "", fault: "is not UTF-8 here: save the file as UTF-8", place };
  }
  const tab = /^ *\t[ \t]*(?=[^\s#])/m.exec(text);
  if (tab !== null) {
    // YAML has no tabs in its indentation; the parser takes some for nothing, so that a key lands in the wrong block.
    return {
      text,
      fault: "a tab stands in the indentation: write spaces",
      place: placeAt(text, tab.index + tab[0].indexOf("\t")),
    };
  }
  let value: unknown;
  try {
    value = parse(text, { schema: "failsafe" });
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "YamlSyntaxError") throw error;
    return { text, ...syntaxFault(text, error.message) };
  }
  const excess = excessOf(value);
  if (excess === null) return { text, value };
  // As it is written where it stands first: there is no parser's place for a key.
  const at = excess.key === null ? -1 : text.indexOf(excess.key);
  return { text, fault: excess.fault, place: at === -1 ? null : placeAt(text, at) };
}

/** The place of an offset in a text, both counted from 1. */
export function placeAt(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  return { line: before.split("\n").length, column: offset - lineStart + 1 };
}

/** A place as the parser tells it; of a key that stands twice it counts columns from the value before: then where the line begins. */
function placeSaid(text: string, line: number, column: number): Place {
  if (column >= 1) return { line, column };
  const said = text.split(/\r?\n/)[line - 1] ?? "";
  return { line, column: said.search(/[^ ]|$/) + 1 };
}

/** Turns the parser's message, `what: why at line 1, column 2:\n snippet`, into one of ours. */
function syntaxFault(text: string, message: string): { fault: string; place: Place | null } {
  const match = /^([^]*?) at line ([0-9]+), column (-?[0-9]+):/.exec(message);
  if (match === null) return { fault: `is not YAML: ${message}`, place: null };
  const place = placeSaid(text, Number(match[2]), Number(match[3]));
  const said = match[1];
  if (said.includes("duplicated key")) {
    const line = text.split(/\r?\n/)[place.line - 1] ?? "";
    const name = /^[^:]*?([^\s{,:]+)\s*:/.exec(line.slice(place.column - 1))?.[1];
    return {
      fault: `${name === undefined ? "this key" : quote(name)} stands twice in one block: keep one`,
      place,
    };
  }
  if (said.includes("more than 1 document")) {
    return { fault: "a second document begins here: a configuration is one", place };
  }
  if (said.includes("unknown tag")) {
    return { fault: "a tag (!...) means nothing here: write the plain value", place };
  }
  if (said.includes("unidentified alias")) {
    return { fault: "this alias (*name) has no anchor (&name) before it", place };
  }
  if (said.includes("bad indentation")) {
    return { fault: "the indentation fits no block: keys of one block begin in one column", place };
  }
  if (said.includes("unexpected end of the stream within a flow collection")) {
    return { fault: "the file ends within [ ] or { }: a closing bracket is missing", place };
  }
  if (said.includes("end of the stream within a")) {
    return { fault: "the file ends within quotes: one is missing", place };
  }
  if (/missing comma/.test(said)) {
    const fault = "a comma or a closing bracket is missing before this, or quotes around a text that has one";
    return { fault, place };
  }
  const why = said.replace(/^Cannot [^:]*: /, "").replace(/^\w/, (letter) => letter.toLowerCase());
  return {
    fault: `is not YAML: ${why}; quote a text that holds : # [ ] { } & * ! | > @ % or a backquote`,
    place,
  };
}

/** Why the value is too much, or which key in it cannot be one; null: it is neither. */
function excessOf(root: unknown): { readonly fault: string; readonly key: string | null } | null {
  let nodes = 0;
  const visit = (value: unknown, depth: number): ReturnType<typeof excessOf> => {
    if (++nodes > NODES_MAX) {
      return { fault: `holds more than ${NODES_MAX} values, aliases counted: use fewer aliases`, key: null };
    }
    if (typeof value !== "object" || value === null) return null;
    if (depth > DEPTH_MAX) {
      return { fault: `is nested more than ${DEPTH_MAX} deep, or an alias stands within itself`, key: null };
    }
    for (const name of Object.keys(value)) {
      if (!Array.isArray(value) && (name === "__proto__" || name === "constructor" || name === "prototype")) {
        return { fault: `${quote(name)} cannot be a key`, key: name };
      }
      const excess = visit((value as Record<string, unknown>)[name], depth + 1);
      if (excess !== null) return excess;
    }
    return null;
  };
  return visit(root, 0);
}

function placeOfBadByte(bytes: Uint8Array): Place {
  // The longest beginning that is UTF-8, found by halving.
  let good = 0;
  let bad = bytes.length;
  const decoder = new TextDecoder("utf-8", { fatal: true });
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    try {
      decoder.decode(bytes.subarray(0, middle), { stream: true });
      good = middle;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      bad = middle;
    }
    resetDecoder(decoder);
  }
  const text = new TextDecoder().decode(bytes.subarray(0, good));
  return placeAt(text, text.length);
}

/** Ends a stream that may have been cut within a character. */
function resetDecoder(decoder: TextDecoder): void {
  try {
    decoder.decode();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}
