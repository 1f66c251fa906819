/**
 * The landing page, listings and error pages in a real browser.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { browserTest } from "../support/browser.ts";
import { assertGood, assertQuiet } from "../support/page_checks.ts";
import { REPOSITORY, TestServer } from "../support/server.ts";

const YAML = `listen: 127.0.0.1:0
routes:
  - { path: /, files: "${join(REPOSITORY, "static")}" }
  - { path: /cgi-bin/, cgi: "${join(REPOSITORY, "cgi-bin")}" }
  - { path: /files/, files: ./files, list: true }
`;

const LONG = "a-name-that-goes-on-".repeat(8);

const FILES = {
  "files/sub/b10.txt": "x",
  "files/sub/b9.txt": "x".repeat(3000),
  [`files/sub/${LONG}.txt`]: "x",
  "files/sub/<img src=x onerror=alert(1)>.txt": "x",
  "files/sub/deep/.keep": "",
};

browserTest("the landing page runs a sample and shows its answer", async (browser) => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  const page = await browser.page();
  await page.goto(`${server.url}/`);
  await page.click("#hello-py button");
  const response = `document.querySelector("#hello-py .response:not(.running)")`;
  await page.until(response);
  assertMatch(await page.evaluate<string>(`${response}.innerText`), /200 OK[^]*Leda/);
  assertQuiet(page, server.url);
});

browserTest(
  "the landing page fits a phone and a desk in both colour schemes, and is accessible",
  async (browser) => {
    await using server = await TestServer.start({ yaml: YAML, files: FILES });
    await assertGood(browser, `${server.url}/`, `document.documentElement.classList.contains("scripted")`);
  },
);

browserTest("a listing is sorted by a click, and leads where it says", async (browser) => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  const page = await browser.page();
  await page.goto(`${server.url}/files/sub/`);
  const names = () =>
    page.evaluate<string[]>(`[...document.querySelectorAll("td bdi")].map((name) => name.textContent)`);
  const short = async () => (await names()).filter((name) => name.length < 8);
  assertEquals(await short(), ["deep", "b9.txt", "b10.txt"]);
  await page.click("th:nth-child(2) a");
  await page.until(`document.querySelector("th:nth-child(2)")?.ariaSort === "ascending"`);
  assertEquals(await short(), ["deep", "b10.txt", "b9.txt"]);
  await page.click("th:nth-child(2) a");
  await page.until(`document.querySelector("th:nth-child(2)")?.ariaSort === "descending"`);
  assertEquals(await short(), ["deep", "b9.txt", "b10.txt"]);
  assertEquals((await names()).includes("<img src=x onerror=alert(1)>.txt"), true);
  await page.click("h1 a:last-of-type");
  await page.until(`location.pathname === "/files/"`);
  assertQuiet(page, server.url);
});

browserTest(
  "listings and error pages fit a phone and a desk in both colour schemes, and are accessible",
  async (browser) => {
    await using server = await TestServer.start({ yaml: YAML, files: FILES });
    await assertGood(browser, `${server.url}/files/sub/`, `document.querySelector("td")`);
    await assertGood(browser, `${server.url}/missing`, `document.querySelector("h1")`, [/ 404 \(/]);
  },
);
