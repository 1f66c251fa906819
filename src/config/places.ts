/**
 * Where keys and values stand in the file. Needed only for messages: the parser that knows places takes longer to load
 * than the program has to start, so that this module is imported when there is something to say.
 *
 * @module
 */

import * as yaml from "yaml";
import type { Place } from "./config.ts";
import type { KeyPath } from "./key_path.ts";

/** Finds places in one file. */
export interface Places {
  /** Where the value stands, or the nearest block around it that is in the file. */
  valueAt(path: KeyPath): Place;
  /** Where the key itself stands. */
  keyAt(path: KeyPath): Place;
}

/** Reads a file's text for the places in it. */
export function locate(text: string): Places {
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(text, {
    lineCounter: lines,
    schema: "failsafe",
    keepSourceTokens: false,
    logLevel: "silent",
  });
  const placeOf = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const find = (path: KeyPath, wanted: "key" | "value"): Place => {
    let node: unknown = document.contents;
    let offset = rangeStart(node) ?? 0;
    for (const [depth, step] of path.entries()) {
      if (yaml.isAlias(node)) node = node.resolve(document);
      if (yaml.isMap(node)) {
        const pair = node.items.find((item) =>
          yaml.isScalar(item.key) && String(item.key.value) === String(step)
        );
        if (pair === undefined) break;
        const isLast = depth === path.length - 1;
        const value = rangeStart(pair.value);
        offset = isLast && wanted === "key" || value === null || isEmpty(pair.value)
          ? rangeStart(pair.key) ?? offset
          : value;
        node = pair.value;
      } else if (yaml.isSeq(node)) {
        const item: unknown = node.items[Number(step)];
        if (item === undefined) break;
        offset = rangeStart(item) ?? offset;
        node = item;
      } else {
        break;
      }
    }
    return placeOf(offset);
  };
  const isEmpty = (node: unknown): boolean =>
    yaml.isScalar(node) && (node.source ?? "") === "" && node.type === "PLAIN";
  return { valueAt: (path) => find(path, "value"), keyAt: (path) => find(path, "key") };
}

function rangeStart(node: unknown): number | null {
  if (typeof node !== "object" || node === null || !("range" in node) || !Array.isArray(node.range)) {
    return null;
  }
  const start: unknown = node.range[0];
  return typeof start === "number" ? start : null;
}
