/**
 * The files and scripts that all servers serve, made in a temporary folder.
 *
 * @module
 */

import { find, output } from "./usage.ts";

/** Where they are. */
export interface BenchSite {
  /** All of it; servers put their own files here as well. */
  readonly dir: string;
  /** Static files. */
  readonly files: string;
  /** Scripts. */
  readonly scripts: string;
  /** Whether there was a C compiler for those in C. */
  readonly hasC: boolean;
}

const SOURCES = new URL("site/", import.meta.url).pathname;
const SCRIPTS = ["hello.sh", "hello.pl", "hello.py", "imports.py", "cgipm.pl", "events.py"];
const PROGRAMS = ["hello", "spawn", "source", "sink"];
/** How many files lie beside one, where their number is what is measured. */
export const CROWD = 10_000;

/** Makes the site. */
export async function makeSite(): Promise<BenchSite> {
  const dir = await Deno.makeTempDir({ prefix: "pollux-bench-" });
  // nginx reads as another user.
  await Deno.chmod(dir, 0o755);
  const files = `${dir}/files`;
  const scripts = `${dir}/cgi-bin`;
  for (const folder of [files, scripts, `${files}/crowd`]) await Deno.mkdir(folder);
  await Deno.writeFile(`${files}/1k.html`, text(1024));
  await Deno.writeFile(`${files}/100k.html`, text(100 * 1024));
  await Deno.writeFile(`${files}/100k.bin`, noise(100 * 1024));
  const large = await Deno.open(`${files}/100m.bin`, { create: true, write: true });
  const piece = noise(1 << 20);
  for (let i = 0; i < 100; i++) await large.write(piece);
  large.close();
  for (let i = 0; i < CROWD; i++) Deno.writeFileSync(`${files}/crowd/${i}.html`, text(1024));
  // 1 GiB of nothing, which takes no room.
  await Deno.writeTextFile(`${dir}/1g.bin`, "");
  await Deno.truncate(`${dir}/1g.bin`, 1 << 30);
  for (const name of SCRIPTS) {
    await Deno.copyFile(SOURCES + name, `${scripts}/${name}`);
    await Deno.chmod(`${scripts}/${name}`, 0o755);
  }
  const cc = await find("cc");
  if (cc !== null) {
    for (const name of PROGRAMS) {
      await output(cc, "-O2", "-static", "-o", `${scripts}/${name}.cgi`, `${SOURCES}${name}.c`);
    }
  }
  // What was looked at while it was new is asked for more often.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  return { dir, files, scripts, hasC: cc !== null };
}

/** HTML of so many bytes that compresses as text does. */
function text(bytes: number): Uint8Array {
  const words = "the server answers each request of a client with one response and keeps the connection"
    .split(" ");
  let page = "<!doctype html><title>page</title><p>";
  for (let i = 0; page.length < bytes; i++) page += `${words[(i * 7 + (i >> 3)) % words.length]} ${i % 97} `;
  return new TextEncoder().encode(page.slice(0, bytes));
}

function noise(bytes: number): Uint8Array {
  const noise = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 65536) crypto.getRandomValues(noise.subarray(at, at + 65536));
  return noise;
}
