/**
 * The examples of the documentation as servers: what a person copies is what is tested.
 *
 * @module
 */

import { assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { type FileSpec, REPOSITORY, TestServer } from "./server.ts";

/** What a test changes of an example. */
export interface ExampleOptions {
  /** Texts of its pollux.yaml and what stands there instead; `{dir}` is the server's folder. Each must occur. */
  readonly replace?: Readonly<Record<string, string>>;
  /** Further files. */
  readonly files?: Readonly<Record<string, FileSpec>>;
}

/** Starts a server with a copy of `docs/examples/NAME`, on a port of its own. */
export async function startExample(name: string, options: ExampleOptions = {}): Promise<TestServer> {
  const folder = join(REPOSITORY, "docs/examples", name);
  let yaml = await Deno.readTextFile(join(folder, "pollux.yaml"));
  for (const [text, instead] of Object.entries(options.replace ?? {})) {
    assertStringIncludes(yaml, text);
    yaml = yaml.replaceAll(text, instead);
  }
  const files: Record<string, FileSpec> = {};
  await collect(folder, "", files);
  return await TestServer.start({
    yaml,
    files: { ...files, ...options.files },
    flags: ["--listen", "127.0.0.1:0"],
  });
}

async function collect(folder: string, below: string, files: Record<string, FileSpec>): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(join(folder, below))) {
    const path = below === "" ? name : `${below}/${name}`;
    if (isDirectory) await collect(folder, path, files);
    else if (path !== "pollux.yaml") files[path] = await Deno.readTextFile(join(folder, path));
  }
}
