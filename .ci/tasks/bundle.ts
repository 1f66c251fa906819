/**
 * Makes one module of each thread's source, in dist/bundle, for the task `compile`: an executable spends half a millisecond on
 * each module that it loads, and two hundred of them are loaded before it listens. Libraries that only tests use stay out of
 * it too: `deno compile` packs whatever deno.json names.
 *
 * Names are kept and nothing is squeezed, so that a stack in the log can be read.
 *
 * @module
 */

import * as esbuild from "esbuild-wasm";
import { isBuiltin } from "node:module";
import { dirname, fromFileUrl, join, toFileUrl } from "@std/path";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const OUT = join(ROOT, "dist/bundle");

/** The program, and the modules that Workers start with; each lies in dist/bundle as a `.js` where it lies in the source. */
export const ENTRIES: readonly string[] = [
  "main.ts",
  "src/loop/network.ts",
  "src/loop/script.ts",
  "src/loop/passwords.ts",
];

/** Where Deno keeps packages: a folder of this machine's, which an executable is not to name. */
const PACKAGES = /^.*[\\/]npm[\\/][^\\/]+[\\/]/;

/** Finds and reads modules as Deno does. */
const AS_DENO_DOES: esbuild.Plugin = {
  name: "deno",
  setup(build) {
    /** The files of packages, by the names that they go by in the bundle. */
    const files = new Map<string, string>();
    const fileOf = (path: string) => files.get(path) ?? path;
    build.onResolve({ filter: /.*/ }, ({ path, importer, kind }) => {
      if (kind === "entry-point") return { path: join(ROOT, path) };
      if (isBuiltin(path)) {
        const name = path.startsWith("node:") ? path : `node:${path}`;
        return kind === "require-call"
          ? { path: name, namespace: "builtin" }
          : { path: name, external: true };
      }
      const url = /^\.\.?\//.test(path)
        ? new URL(path, toFileUrl(fileOf(importer)))
        : new URL(import.meta.resolve(path));
      const file = fromFileUrl(url);
      if (file.startsWith(ROOT)) return { path: file };
      const name = file.replace(PACKAGES, "");
      files.set(name, file);
      return { path: name, namespace: "npm" };
    });
    // What a CommonJS module requires has to be imported by a module.
    build.onLoad(
      { filter: /.*/, namespace: "builtin" },
      ({ path }) => ({ contents: `export * from "${path}";` }),
    );
    build.onLoad({ filter: /.*/ }, async ({ path, with: attributes }) => ({
      contents: await Deno.readFile(fileOf(path)),
      loader: loaderOf(path, attributes.type),
    }));
  },
};

function loaderOf(path: string, type: string | undefined): esbuild.Loader {
  if (type === "text" || type === "json") return type;
  return path.endsWith(".ts") ? "ts" : "js";
}

/** Writes dist/bundle anew. */
export async function bundle(): Promise<void> {
  const wasm = await Deno.readFile(new URL(import.meta.resolve("esbuild-wasm/esbuild.wasm")));
  await esbuild.initialize({ wasmModule: await WebAssembly.compile(wasm), worker: false });
  await Deno.remove(OUT, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  for (const entry of ENTRIES) {
    // A Worker loads one file; the program loads with each command what that command needs.
    const { outputFiles } = await esbuild.build({
      entryPoints: [{ in: entry, out: entry.replace(/\.ts$/, "") }],
      outdir: OUT,
      // What names a Worker's module relative to its own counts from two folders below the top, as in the source.
      chunkNames: "src/chunks/[name]-[hash]",
      bundle: true,
      // Modules are named as they lie in the source: the executable is the same wherever it was built.
      absWorkingDir: ROOT,
      splitting: entry === "main.ts",
      format: "esm",
      platform: "neutral",
      target: "esnext",
      write: false,
      plugins: [AS_DENO_DOES],
    });
    for (const { path, contents } of outputFiles) {
      await Deno.mkdir(dirname(path), { recursive: true });
      await Deno.writeFile(path, contents);
    }
  }
  const { unstable } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  await Deno.writeTextFile(join(OUT, "deno.json"), JSON.stringify({ unstable }));
  await esbuild.stop();
}

if (import.meta.main) await bundle();
