/**
 * The status page in a real browser.
 *
 * @module
 */

import { assertGreater, assertMatch } from "@std/assert";
import { browserTest, type Page } from "../support/browser.ts";
import { assertGood, assertQuiet } from "../support/page_checks.ts";
import { ask, get } from "../support/raw.ts";
import { TestServer } from "../support/server.ts";

const YAML = `listen: 127.0.0.1:0
routes:
  - { path: /, files: ./static }
  - { path: /cgi-bin/, cgi: ./cgi-bin, timeout: 60s }
  - { path: /status, status: true }
`;

const FILES = {
  "static/a.txt": "file",
  "cgi-bin/hang.sh": "#!/bin/sh\nexec sleep 600\n",
  "cgi-bin/silent.sh": "#!/bin/sh\nexit 3\n",
};

const LIVE = `document.getElementById("link").classList.contains("live")`;

/** An expression: the number that a list of facts has under a name. */
function fact(list: string, name: string): string {
  return `Number([...document.querySelectorAll("#${list} dt")].find((term) => term.textContent === "${name}")` +
    `?.nextElementSibling.textContent.replaceAll(",", "") ?? "NaN")`;
}

/** An expression: how many steps are drawn. */
const POINTS =
  `(document.querySelector("#chart-requests .line.blue")?.getAttribute("d").match(/[ML]/g) ?? []).length`;

async function openStatus(page: Page, server: TestServer): Promise<void> {
  await page.goto(`${server.url}/status`);
  await page.until(LIVE);
  await page.until(`${fact("totals", "Requests")} >= 0`);
}

browserTest("the status page moves when there are requests, and asks nobody else", async (browser) => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  const page = await browser.page();
  await openStatus(page, server);
  const before = await page.evaluate<number>(fact("totals", "Requests"));
  for (let i = 0; i < 5; i++) await ask(server, get("/a.txt"));
  await page.until(`${fact("totals", "Requests")} >= ${before + 5}`);
  await page.until(`${POINTS} > 1`);
  const label = await page.evaluate<string>(
    `document.querySelector("#chart-clients svg").getAttribute("aria-label")`,
  );
  assertMatch(label, /^Clients by state over the last minutes\. Now: READ_REQ, idle \d+, /);
  assertQuiet(page, server.url);
});

browserTest("the status page shows a script that hangs, and that it died", async (browser) => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  const page = await browser.page();
  await openStatus(page, server);
  await page.until(`document.getElementById("scripts-empty").checkVisibility()`);
  const answer = ask(server, get("/cgi-bin/hang.sh/&lt;b&gt;?token=secret"));
  await page.until(`document.querySelector("#scripts tbody tr") !== null`);
  const [{ pid }] = await server.family(1);
  const row = await page.evaluate<string>(`document.querySelector("#scripts tbody tr").innerText`);
  // As it was sent, and without its query.
  assertMatch(row, new RegExp(`/cgi-bin/hang\\.sh/&lt;b&gt;\\?…[^]*hang\\.sh[^]*${pid}`));
  Deno.kill(pid, "SIGKILL");
  await answer;
  await page.until(`document.querySelector("#scripts tbody tr") === null`);
  await page.until(`document.querySelector("#errors tbody tr") !== null`);
  const error = await page.evaluate<string>(`document.querySelector("#errors tbody tr").innerText`);
  assertMatch(error, /502[^]*died by SIGKILL/);
  assertQuiet(page, server.url);
});

browserTest("the status page shows the past to who comes later", async (browser) => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  const first = await browser.page();
  await openStatus(first, server);
  await first.until(`${POINTS} > 5`);
  const page = await browser.page();
  await openStatus(page, server);
  await page.until(`${POINTS} > 0`);
  assertGreater(await page.evaluate<number>(POINTS), 5);
});

browserTest("the status page says when the server is gone, and goes on after a reload", async (browser) => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  const page = await browser.page();
  await openStatus(page, server);
  server.kill("SIGHUP");
  await page.until(`${fact("facts", "Reloads")} === 1 && ${LIVE}`);
  assertQuiet(page, server.url);
  await server.stop();
  await page.until(`document.getElementById("link-text").textContent.startsWith("Connection lost at ")`);
  assertMatch(await page.evaluate<string>("document.title"), /^Connection lost/);
});

browserTest("the status page can be paused", async (browser) => {
  await using server = await TestServer.start({ yaml: YAML, files: FILES });
  const page = await browser.page();
  await openStatus(page, server);
  await page.click("#pause");
  await page.until(`document.getElementById("link-text").textContent === "Paused"`);
  await page.click("#pause");
  await page.until(LIVE);
});

browserTest(
  "the status page fits a phone and a desk in both colour schemes, and is accessible",
  async (browser) => {
    await using server = await TestServer.start({ yaml: YAML, files: FILES });
    await ask(server, get("/cgi-bin/silent.sh"));
    using hanging = await server.connect();
    await hanging.send(get(`/cgi-bin/hang.sh/${"long".repeat(30)}?x`));
    await server.family(1);
    const ready =
      `${LIVE} && document.querySelector("#scripts tbody tr") && document.querySelector("#errors tbody tr")`;
    await assertGood(browser, `${server.url}/status`, ready);
  },
);
