/**
 * `pollux init`: a site to begin with. What is there stays as it is.
 *
 * @module
 */

import { resolveFrom } from "../paths.ts";
import { EXIT_FAILURE, EXIT_OK } from "./command.ts";
import type { ParsedFlags } from "./flags.ts";
import { samples } from "./samples.ts";
import { systemReason } from "../system_reason.ts";
import type { Terminal } from "./terminal.ts";

/** Writes the files of a new site; 1 when one cannot be written. */
export async function init(parsed: ParsedFlags, terminal: Terminal): Promise<number> {
  const [name = "."] = parsed.positionals;
  const folder = resolveFrom(terminal.cwd, name);
  for (const sample of samples()) {
    const path = resolveFrom(folder, sample.path);
    try {
      await makeFolder(resolveFrom(path, ".."));
      // `createNew` and not a look beforehand: nothing is overwritten, whoever else writes at the same time.
      await Deno.writeTextFile(path, sample.text, { createNew: true, mode: sample.mode });
      terminal.out(`wrote ${sample.path}`);
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) {
        terminal.out(`kept  ${sample.path}`);
        continue;
      }
      if (error instanceof Deno.errors.NotCapable || !(error instanceof Error)) throw error;
      terminal.err(
        `pollux: ${path} cannot be written: ${systemReason(error)}; name another folder: pollux init DIR`,
      );
      return EXIT_FAILURE;
    }
  }
  const enter = name === "." ? "" : `cd ${name} && `;
  terminal.out(
    `Next: ${enter}pollux, then http://127.0.0.1:8080/ and http://127.0.0.1:8080/cgi-bin/hello.py`,
  );
  return EXIT_OK;
}

/** Makes a folder with those above it. That a file of the name exists is told from a folder that does. */
async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw new Error(`${path} is a file`);
    throw error;
  }
}
