/**
 * Proactive negotiation (RFC 9110, 12): what of several offers a client prefers, by Accept and by Accept-Encoding.
 *
 * @module
 */

/** `qvalue` (RFC 9110, 12.4.2). */
const QVALUE = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/** One element of a list: its name with parameters before `q`, in lower case, and its weight. */
interface Weighted {
  readonly name: string;
  readonly parameters: readonly string[];
  readonly q: number;
}

/** Reads a list of weighted elements. One with a malformed weight says nothing that can be relied on: it is left out. */
function readWeighted(value: string): Weighted[] {
  const elements: Weighted[] = [];
  for (const element of splitOutsideQuotes(value, ",")) {
    const [name, ...rest] = splitOutsideQuotes(element, ";").map((part) => part.trim().toLowerCase());
    if (name === "") continue;
    const parameters: string[] = [];
    let q: number | null = 1;
    for (const parameter of rest) {
      if (!/^q\s*=/.test(parameter)) {
        if (parameter !== "") parameters.push(parameter);
        continue;
      }
      const text = parameter.slice(parameter.indexOf("=") + 1).trim();
      q = QVALUE.test(text) ? Number(text) : null;
      break; // what follows the weight is no parameter of the media type
    }
    if (q !== null) elements.push({ name, parameters, q });
  }
  return elements;
}

/** Splits at a separator that is not within a quoted-string. */
function splitOutsideQuotes(value: string, separator: string): string[] {
  if (!value.includes('"')) return value.split(separator);
  const parts: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let at = 0; at < value.length; at++) {
    const char = value[at];
    if (char === '"') isQuoted = !isQuoted;
    else if (char === "\\" && isQuoted) at++;
    else if (char === separator && !isQuoted) {
      parts.push(value.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(value.slice(start));
  return parts;
}

/**
 * The media type that a client prefers (RFC 9110, 12.5.1). Of the ranges that cover an offer the most specific gives its
 * weight; of offers with equal weight the first wins.
 *
 * @param accept The value of Accept, all its lines joined; null or empty: everything is equally welcome.
 * @param offers Media types in lower case and without parameters, the server's favourite first; at least one.
 * @returns One of the offers; null: the client takes none of them.
 */
export function preferredType<Offer extends string>(
  accept: string | null,
  offers: readonly Offer[],
): Offer | null {
  const ranges = accept === null ? [] : readWeighted(accept);
  if (ranges.length === 0) return offers[0];
  let best: Offer | null = null;
  let bestQ = 0;
  for (const offer of offers) {
    const q = typeWeight(ranges, offer);
    if (q > bestQ) {
      best = offer;
      bestQ = q;
    }
  }
  return best;
}

function typeWeight(ranges: readonly Weighted[], offer: string): number {
  const anySubtype = `${offer.slice(0, offer.indexOf("/"))}/*`;
  let q = 0;
  let specificity = 0;
  for (const range of ranges) {
    // A range with parameters asks for a variant that none of the offers is; `charset` alone is what they all have.
    if (range.parameters.some((parameter) => !parameter.startsWith("charset="))) continue;
    const matched = range.name === offer ? 3 : range.name === anySubtype ? 2 : range.name === "*/*" ? 1 : 0;
    if (matched > specificity) {
      specificity = matched;
      q = range.q;
    }
  }
  return q;
}

/**
 * The content coding that a client prefers (RFC 9110, 12.5.3).
 *
 * @param acceptEncoding The value of Accept-Encoding, all its lines joined; null: without, then nothing is coded, which
 *   every client understands.
 * @param offers The codings that are there, the server's favourite first; of codings with equal weight the first wins,
 *   and all of them win over `identity`.
 * @returns One of the offers or `identity`; null: the client refuses all of them, `identity` too.
 */
export function preferredCoding<Offer extends string>(
  acceptEncoding: string | null,
  offers: readonly Offer[],
): Offer | "identity" | null {
  if (acceptEncoding === null) return "identity";
  const weights = new Map<string, number>();
  for (const { name, q } of readWeighted(acceptEncoding)) {
    const coding = name === "x-gzip" ? "gzip" : name;
    if (!weights.has(coding)) weights.set(coding, q);
  }
  const rest = weights.get("*") ?? 0;
  let best: Offer | "identity" | null = null;
  let bestQ = 0;
  for (const offer of offers) {
    const q = weights.get(offer) ?? rest;
    if (q > bestQ) {
      best = offer;
      bestQ = q;
    }
  }
  // Identity is acceptable unless it is excluded by name or by `*;q=0`; unnamed, it is what is left.
  const identity = weights.get("identity");
  if (identity !== undefined) return identity > bestQ ? "identity" : best;
  if (best !== null) return best;
  return weights.get("*") === 0 ? null : "identity";
}
