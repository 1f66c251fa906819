/**
 * Takes the pictures in `docs/screenshots`: the pages that Pollux shows, in both colour schemes, of a server that is made busy
 * for the moment. Needs Chromium.
 *
 * @module
 */

import { join } from "@std/path";
import { Browser, type Page } from "../../tests/support/browser.ts";
import { ask, get } from "../../tests/support/raw.ts";
import { REPOSITORY, TestServer } from "../../tests/support/server.ts";

const FOLDER = join(REPOSITORY, "docs", "screenshots");

const YAML = `listen: 127.0.0.1:0
log: { access: off, error: {dir}/error.log }
routes:
  - { path: /, files: "${join(REPOSITORY, "static")}" }
  - { path: /cgi-bin/, cgi: "${join(REPOSITORY, "cgi-bin")}", timeout: off, max_processes: 4 }
  - { path: /slow/, cgi: ./cgi-bin, timeout: off, max_processes: 2 }
  - { path: /files/, files: ./files, list: true }
  - { path: /status, status: true }
`;

const FILES = {
  "cgi-bin/report.sh": "#!/bin/sh\nexec sleep 600\n",
  "files/photos/.keep": "",
  "files/notes/.keep": "",
  "files/letter.txt": "x".repeat(1800),
  "files/minutes.pdf": "x".repeat(48_000),
  "files/recording.ogg": "x".repeat(3_400_000),
};

/** How long the server is watched before the picture of the status page is taken. */
const WATCHED_MS = 58_000;

interface Picture {
  readonly name: string;
  readonly path: string;
  readonly width: number;
  readonly height: number;
  /** True once the page is complete. */
  readonly ready: string;
}

const PICTURES: readonly Picture[] = [
  {
    name: "landing",
    path: "/",
    width: 1000,
    height: 720,
    ready: `document.querySelector("nav a[aria-current]")`,
  },
  { name: "listing", path: "/files/", width: 720, height: 380, ready: `document.querySelector("td")` },
  { name: "error", path: "/missing", width: 720, height: 380, ready: `document.querySelector("h1")` },
  {
    name: "status",
    path: "/status",
    width: 1000,
    height: 1180,
    ready:
      `document.querySelectorAll("#scripts tbody tr").length > 1 && document.querySelector("#errors tbody tr")`,
  },
  {
    name: "status-phone",
    path: "/status",
    width: 360,
    height: 760,
    ready: `document.querySelectorAll("#scripts tbody tr").length > 1`,
  },
];

/** Requests of a day's mix, until told otherwise. */
async function visit(server: TestServer, signal: AbortSignal): Promise<void> {
  const paths = [
    "/",
    "/pollux.css",
    "/files/",
    "/files/letter.txt",
    "/missing",
    "/cgi-bin/hello.py",
    "/cgi-bin/env.sh",
  ];
  for (let turn = 0; !signal.aborted; turn++) {
    const burst = 3 + Math.round(12 * (1 + Math.sin(turn / 9)) * Math.random());
    await Promise.all(
      Array.from({ length: burst }, (_, i) => ask(server, get(paths[(turn + i * i) % paths.length]))),
    );
    if (turn % 60 === 30) await ask(server, get("/cgi-bin/crash.py?before"));
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
}

async function take(
  page: Page,
  server: TestServer,
  { name, path, width, height, ready }: Picture,
): Promise<void> {
  await page.resize(width, height);
  for (const scheme of ["light", "dark"] as const) {
    await page.prefer(scheme);
    await page.goto(server.url + path);
    await page.until(ready);
    // The first second of a page is not drawn yet.
    await page.evaluate("new Promise((resolve) => setTimeout(resolve, 1500))");
    await Deno.writeFile(join(FOLDER, `${name}-${scheme}.png`), await page.screenshot());
  }
}

await Deno.mkdir(FOLDER, { recursive: true });
await using server = await TestServer.start({ yaml: YAML, files: FILES });
await using browser = await Browser.launch();
const visits = new AbortController();
const visiting = visit(server, visits.signal);
const clients = await Promise.all(Array.from({ length: 2 }, () => server.connect()));
for (const client of clients) await client.send(get("/slow/report.sh?month=11"));
await new Promise((resolve) => setTimeout(resolve, WATCHED_MS));
const page = await browser.page();
for (const picture of PICTURES) await take(page, server, picture);
visits.abort();
await visiting;
for (const client of clients) client[Symbol.dispose]();
console.log(`pictures are in ${FOLDER}`);
