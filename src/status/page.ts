/**
 * The status page, as one document: markup, style and script are files of their own beside this one.
 *
 * @module
 */

import markup from "./page.html" with { type: "text" };
import script from "./page.js" with { type: "text" };
import { colours } from "../handlers/palette.ts";
import style from "./page.css" with { type: "text" };

/** Those of the palette that the style uses. */
const COLOURS = ["paper", "surface", "ink", "muted", "line", "accent", "good", "bad", "bad-soft"] as const;

/** The document, around the nonces; null until somebody looks: it is put together in 3 ms, which most servers need not spend. */
let parts: readonly string[] | null = null;

/**
 * The page.
 *
 * @param nonce Marks its own style and script as those that the Content-Security-Policy means.
 */
export function renderPage(nonce: string): string {
  parts ??= markup
    .replace("/* style */", () => `${colours(...COLOURS)}\n${style}`)
    .replace("/* script */", () => script)
    .split("{nonce}");
  return parts.join(nonce);
}
