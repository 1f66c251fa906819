/**
 * The colours of all pages that Pollux makes, in both schemes. The landing page in `static/` has them in a file of its own,
 * since it is a file like any other; a test holds the two together.
 *
 * @module
 */

/** Light and dark, by name. */
export const PALETTE = {
  paper: ["#fbfaf7", "#0f121a"],
  surface: ["#ffffff", "#171b25"],
  code: ["#f4f1ea", "#0b0e15"],
  ink: ["#1c2230", "#e9e6df"],
  muted: ["#596173", "#a3a9b8"],
  line: ["#e3dfd5", "#2b3140"],
  accent: ["#a1470c", "#ffb26b"],
  "accent-soft": ["#fbeee1", "#2c2219"],
  good: ["#1b6b3a", "#83d6a0"],
  bad: ["#a8231c", "#ff9d94"],
  "bad-soft": ["#fbe6e3", "#331b1a"],
} as const satisfies Record<string, readonly [light: string, dark: string]>;

/** A rule of CSS that gives a page these colours, as `--ink` and so on, by the scheme that its reader prefers. */
export function colours(...names: readonly (keyof typeof PALETTE)[]): string {
  const values = names.map((name) => `--${name}:light-dark(${PALETTE[name].join()})`);
  return `:root{color-scheme:light dark;${values.join(";")}}`;
}
