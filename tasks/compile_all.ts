/**
 * Builds the executable for every platform: the command of the task `compile`, once for each target.
 *
 * @module
 */

const TARGETS: Readonly<Record<string, string>> = {
  "linux-x64": "x86_64-unknown-linux-gnu",
  "linux-arm64": "aarch64-unknown-linux-gnu",
  "macos-x64": "x86_64-apple-darwin",
  "macos-arm64": "aarch64-apple-darwin",
  "windows-x64": "x86_64-pc-windows-msvc",
};

const PROJECT = new URL("../", import.meta.url);

/** The arguments of the task `compile`, from `compile` on. */
function readCompileArguments(): string[] {
  const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", PROJECT)));
  const [, ...args] = (tasks.compile.command as string).split(/\s+/);
  return args;
}

const args = readCompileArguments();
const output = args.indexOf("--output") + 1;
const failed: string[] = [];
for (const [platform, target] of Object.entries(TARGETS)) {
  const file = `dist/pollux-${platform}${platform.startsWith("windows") ? ".exe" : ""}`;
  console.error(`compile:all: ${file}`);
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [args[0], "--target", target, ...args.with(output, file).slice(1)],
    cwd: PROJECT,
    stdin: "null",
  }).spawn().status;
  if (!success) failed.push(file);
}
if (failed.length > 0) {
  console.error(`compile:all: not built: ${failed.join(", ")}`);
  Deno.exit(1);
}
