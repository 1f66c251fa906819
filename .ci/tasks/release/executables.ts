/**
 * The executable for each platform: the commands of the task `compile`, the second once for each target.
 *
 * @module
 */

import { bundle } from "../bundle.ts";

/** The platforms, by the name in our files. */
export const TARGETS: Readonly<Record<string, string>> = {
  "linux-x64": "x86_64-unknown-linux-gnu",
  "linux-arm64": "aarch64-unknown-linux-gnu",
  "macos-x64": "x86_64-apple-darwin",
  "macos-arm64": "aarch64-apple-darwin",
  "windows-x64": "x86_64-pc-windows-msvc",
};

const PROJECT = new URL("../../../", import.meta.url);

/** What deno.json says: the version, and the arguments of `deno compile`. */
export function settings(): { readonly version: string; readonly compile: readonly string[] } {
  const { version, tasks } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", PROJECT)));
  const [, compile] = String(tasks.compile.command).split(" && deno ");
  return { version, compile: compile.split(/\s+/) };
}

/** The name of a platform's executable in dist/. */
export function fileOf(platform: string): string {
  return `pollux-${platform}${platform.startsWith("windows") ? ".exe" : ""}`;
}

/**
 * Builds the executables into dist/, each with the base runtime of its platform, which Deno downloads.
 *
 * @param platforms Their names in TARGETS.
 * @returns Those that could not be built.
 */
export async function buildExecutables(platforms: readonly string[]): Promise<string[]> {
  await bundle();
  const [command, ...args] = settings().compile;
  const output = args.indexOf("--output") + 1;
  const failed: string[] = [];
  for (const platform of platforms) {
    const file = `dist/${fileOf(platform)}`;
    console.error(`compile: ${file}`);
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: [command, "--target", TARGETS[platform], ...args.with(output, file)],
      cwd: PROJECT,
      stdin: "null",
    }).spawn().status;
    if (!success) failed.push(platform);
  }
  return failed;
}
