/**
 * What the contract has and the program cannot honour yet: a configuration that asks for it is refused, so that nobody
 * believes in a protection that is not there. A line goes when its feature lands.
 *
 * @module
 */

import type { KeyPath } from "./places.ts";

/**
 * Patterns of keys: `WHERE.KEY`, where WHERE is `top`, `site`, `listen`, `route` (any handler) or the name of a handler,
 * and perhaps `=VALUE` for one value of it or one of its list.
 */
export const UNSUPPORTED: ReadonlySet<string> = new Set([]);

const HANDLER_KEYS = ["files", "cgi", "fastcgi", "scgi", "redirect", "respond", "status"];

/** The keys in what was read from a file that the program cannot honour. */
export function unsupportedKeys(file: unknown, patterns: ReadonlySet<string> = UNSUPPORTED): KeyPath[] {
  const found: KeyPath[] = [];
  if (patterns.size === 0) return found;
  const check = (where: readonly string[], block: unknown, path: KeyPath) => {
    if (!isBlock(block)) return;
    for (const [name, value] of Object.entries(block)) {
      const values = Array.isArray(value) ? value : [value];
      for (const place of where) {
        const isNamed = patterns.has(`${place}.${name}`) && values.length > 0;
        if (isNamed || values.some((one) => patterns.has(`${place}.${name}=${String(one)}`))) {
          found.push([...path, name]);
          break;
        }
      }
    }
  };
  const checkSite = (site: unknown, path: KeyPath) => {
    if (!isBlock(site)) return;
    for (const [index, listen] of listOf(site.listen)) check(["listen"], listen, [...path, "listen", index]);
    for (const [index, route] of listOf(site.routes)) {
      if (!isBlock(route)) continue;
      const handler = HANDLER_KEYS.find((name) => Object.hasOwn(route, name));
      check(handler === undefined ? ["route"] : ["route", handler], route, [...path, "routes", index]);
    }
  };
  check(["top"], file, []);
  checkSite(file, []);
  if (isBlock(file)) {
    for (const [index, site] of listOf(file.sites)) {
      check(["site"], site, ["sites", index]);
      checkSite(site, ["sites", index]);
    }
  }
  return found;
}

function isBlock(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): [number, unknown][] {
  if (value === undefined) return [];
  return [...(Array.isArray(value) ? value : [value]).entries()];
}
