import { assertEquals } from "@std/assert";
import { colours, PALETTE } from "./palette.ts";

/** The colours that a style sheet gives names to, by name: the light one, then the dark. */
function coloursIn(css: string): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const [, name, value] of css.matchAll(/--([a-z-]+): (#[0-9a-f]+);/g)) (found[name] ??= []).push(value);
  return found;
}

Deno.test("the landing page has the colours of all pages", () => {
  const css = Deno.readTextFileSync(new URL("../../static/pollux.css", import.meta.url));
  const landing = coloursIn(css);
  for (const [name, both] of Object.entries(PALETTE)) assertEquals(landing[name], [...both], name);
});

Deno.test({
  name: "colours() gives names to those that are asked for, by the reader's scheme",
  permissions: "none",
  fn() {
    assertEquals(
      colours("paper", "ink"),
      ":root{color-scheme:light dark;--paper:light-dark(#fbfaf7,#0f121a);--ink:light-dark(#1c2230,#e9e6df)}",
    );
  },
});
