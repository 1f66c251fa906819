/**
 * What must hold for every page that Pollux shows: it fits, can be read and used by everybody, complains of nothing, and asks
 * nobody but its server.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import axe from "axe-core";
import type { Browser, Page } from "./browser.ts";

/** A phone, and a desk. */
export const WIDTHS: readonly number[] = [360, 1280];

/** Both colour schemes. */
export const SCHEMES = ["light", "dark"] as const;

/** Nothing stands out of the window to the right. */
export async function assertFits(page: Page): Promise<void> {
  const [needed, there] = await page.evaluate<[number, number]>(
    "[document.documentElement.scrollWidth, document.documentElement.clientWidth]",
  );
  assertEquals(needed <= there, true, `the page is ${needed} pixels wide, and the window ${there}`);
}

/** axe-core finds no fault: names, roles, landmarks, contrast, and what else can be told without a person. */
export async function assertAccessible(page: Page): Promise<void> {
  await page.evaluate(`${axe.source}; null`);
  const faults = await page.evaluate<string[]>(`axe.run(document, { resultTypes: ["violations"] }).then(
    ({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map((node) =>
      id + ": " + node.target.join(" ") + ": " + node.failureSummary)))`);
  assertEquals(faults, []);
}

/** A browser asks for it by itself, where a page names none. */
const FAVICON = /\/favicon\.ico$/;

/** Nothing went wrong on the page but what is expected, and all it asked for came from `origin`. */
export function assertQuiet(page: Page, origin: string, expected: readonly RegExp[] = []): void {
  const passed = [FAVICON, ...expected];
  assertEquals(page.complaints.filter((text) => !passed.some((pattern) => pattern.test(text))), []);
  assertEquals(page.requests.filter((url) => new URL(url).origin !== origin), []);
}

/**
 * Opens a page as each kind of reader sees it, and checks all this.
 *
 * @param ready An expression that is true once the page is complete.
 * @param expected What it may complain of: a browser says of an error page that it is one.
 */
export async function assertGood(
  browser: Browser,
  url: string,
  ready: string,
  expected: readonly RegExp[] = [],
): Promise<void> {
  const page = await browser.page();
  await page.goto(url);
  await page.until(ready);
  for (const scheme of SCHEMES) {
    await page.prefer(scheme);
    for (const width of WIDTHS) {
      await page.resize(width, 800);
      await assertFits(page);
      await assertAccessible(page);
    }
  }
  assertQuiet(page, new URL(url).origin, expected);
}
