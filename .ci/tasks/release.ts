/**
 * `deno task release`: all that is published, in dist/: executables, Debian packages, a container image, manual pages,
 * and the checksums of these. What could not be made is named at the end.
 *
 * @module
 */

import { debianPackage } from "./release/debian.ts";
import { buildExecutables, fileOf, settings, TARGETS } from "./release/executables.ts";
import { commandPage, configurationPage } from "./release/manual.ts";
import { filesBeside, ociImage } from "./release/oci.ts";
import { sha256 } from "./release/tar.ts";

const DIST = new URL("../../dist/", import.meta.url);

/** The architectures of Linux, by the name that Debian and OCI have for them. */
const ARCHITECTURES: Readonly<Record<string, string>> = { "linux-x64": "amd64", "linux-arm64": "arm64" };

/** The platform that this runs on. */
const OWN = Object.entries(TARGETS).find(([, target]) => target === Deno.build.target)?.[0] ?? null;

/** Where DENORT_BIN names a base runtime, there is that one alone, and it is this machine's. */
function platforms(): string[] {
  const hasBaseRuntime = (Deno.env.get("DENORT_BIN") ?? "") !== "";
  return Object.keys(TARGETS).filter((platform) => !hasBaseRuntime || platform === OWN);
}

async function release(): Promise<readonly string[]> {
  const { version } = settings();
  const time = Number(Deno.env.get("SOURCE_DATE_EPOCH") ?? Math.floor(Date.now() / 1000));
  const made: string[] = [];
  const leftOut: string[] = [];
  const write = async (name: string, content: Uint8Array | string) => {
    await Deno.writeFile(
      new URL(name, DIST),
      typeof content === "string" ? new TextEncoder().encode(content) : content,
    );
    console.error(`release: dist/${name}`);
    made.push(name);
  };

  await Deno.mkdir(DIST, { recursive: true });
  const wanted = platforms();
  const failed = new Set(await buildExecutables(wanted));
  const built = wanted.filter((platform) => !failed.has(platform));
  made.push(...built.map(fileOf));
  leftOut.push(...Object.keys(TARGETS).filter((platform) => !built.includes(platform)).map(fileOf));

  for (const [platform, architecture] of Object.entries(ARCHITECTURES)) {
    const debian = `pollux_${version}_${architecture}.deb`;
    const image = `pollux-${version}-${platform}.oci.tar`;
    if (!built.includes(platform)) {
      leftOut.push(debian, image);
      continue;
    }
    const executable = await Deno.readFile(new URL(fileOf(platform), DIST));
    await write(debian, await debianPackage({ executable, architecture, version, time }));
    if (platform !== OWN) {
      leftOut.push(image); // The libraries for it are on another machine.
      continue;
    }
    const files = await filesBeside(new URL(fileOf(platform), DIST).pathname);
    await write(image, await ociImage({ executable, files, architecture, version, time }));
  }
  await write("pollux.1", commandPage(version));
  await write("pollux.yaml.5", configurationPage(version));
  const sums = await Promise.all(
    made.sort().map(async (name) => `${await sha256(await Deno.readFile(new URL(name, DIST)))}  ${name}\n`),
  );
  await write("SHA256SUMS", sums.join(""));
  return leftOut;
}

const leftOut = await release();
if (leftOut.length > 0) {
  console.error(`release: left out, for want of a base runtime or its libraries: ${leftOut.join(", ")}`);
  Deno.exit(1);
}
