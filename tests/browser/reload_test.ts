/**
 * `--dev`: pages that load themselves again, in a real browser.
 *
 * @module
 */

import { join } from "@std/path";
import { browserTest } from "../support/browser.ts";
import { assertQuiet } from "../support/page_checks.ts";
import { TestServer } from "../support/server.ts";

const YAML = `listen: 127.0.0.1:0
routes:
  - { path: /, files: ./static }
  - { path: /cgi-bin/, cgi: ./cgi-bin }
`;

const SCRIPT = "#!/bin/sh\nprintf 'Content-Type: text/html\\n\\n<!doctype html><title>works</title>'\n";

/** Puts another file in the place of one, as one change: a write may be seen before it is whole. */
async function replace(server: TestServer, path: string, text: string): Promise<void> {
  const made = join(server.dir, "made");
  await Deno.writeTextFile(made, text);
  await Deno.chmod(made, (await Deno.stat(join(server.dir, path))).mode ?? 0o644);
  await Deno.rename(made, join(server.dir, path));
}

browserTest(
  "--dev: a page shows what its file says now, and a failed script's page that it works",
  async (browser) => {
    await using server = await TestServer.start({
      yaml: YAML,
      files: {
        "static/page.html": "<!doctype html><title>one</title>",
        "cgi-bin/broken.sh": SCRIPT.replace("Content-Type:", "Content-Type"),
      },
      flags: ["--dev"],
    });
    const page = await browser.page();
    await page.goto(`${server.url}/page.html`);
    await page.until(`document.title === "one"`);
    await replace(server, "static/page.html", "<!doctype html><title>two</title>");
    await page.until(`document.title === "two"`);
    assertQuiet(page, server.url);

    const failed = await browser.page();
    await failed.goto(`${server.url}/cgi-bin/broken.sh`);
    await failed.until(`document.body.textContent.includes("a header field wants a colon after its name")`);
    await replace(server, "cgi-bin/broken.sh", SCRIPT);
    await failed.until(`document.title === "works"`);
  },
);
