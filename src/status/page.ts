/**
 * The status page, as one document: markup, style and script are files of their own beside this one.
 *
 * @module
 */

import markup from "./page.html" with { type: "text" };
import script from "./page.js" with { type: "text" };
import style from "./page.css" with { type: "text" };

/** The document in three parts: what stands before, between and behind the nonces. */
const PARTS = markup
  .replace("/* style */", () => style)
  .replace("/* script */", () => script)
  .split("{nonce}");

/**
 * The page.
 *
 * @param nonce Marks its own style and script as those that the Content-Security-Policy means.
 */
export function renderPage(nonce: string): string {
  return PARTS.join(nonce);
}
