/**
 * Cache-Control (RFC 9111, 5.2).
 *
 * @module
 */

/** The directives of a field: names in lower case, each with its argument; null without. */
export type Directives = ReadonlyMap<string, string | null>;

/** An age beyond every age, in seconds (RFC 9111, 1.2.2). */
const SECONDS_MAX = 2 ** 31;

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const DIRECTIVE = new RegExp(
  `[\\t ]*(?:(${TOKEN})(?:=(?:(${TOKEN})|"((?:[^"\\\\]|\\\\.)*)"))?)?[\\t ]*(,|$)`,
  "y",
);

/**
 * Reads the directives.
 *
 * Of a directive that is given twice the first counts, unless the two differ: then its argument is empty, which is no number.
 *
 * @param value All lines of the field, joined; null without.
 * @returns null: the field is malformed, and what it forbids is not known.
 */
export function parseCacheControl(value: string | null): Directives | null {
  const directives = new Map<string, string | null>();
  if (value === null) return directives;
  DIRECTIVE.lastIndex = 0;
  for (;;) {
    const match = DIRECTIVE.exec(value);
    if (match === null) return null;
    const [, name, token, quoted, separator] = match;
    if (name !== undefined) {
      const lower = name.toLowerCase();
      const argument = token ?? quoted?.replace(/\\(.)/g, "$1") ?? null;
      const known = directives.get(lower);
      directives.set(lower, known === undefined || known === argument ? argument : "");
    }
    if (separator === "") return directives;
  }
}

/**
 * The argument of a directive that is a number of seconds.
 *
 * @returns Seconds, at most 2^31; 0: it has no number, and is as good as past (4.2.1); null: there is no such directive.
 */
export function secondsOf(directives: Directives, name: string): number | null {
  const argument = directives.get(name);
  if (argument === undefined) return null;
  return argument !== null && /^[0-9]+$/.test(argument) ? Math.min(Number(argument), SECONDS_MAX) : 0;
}
