/**
 * Makes the modules that a thread starts with: each names all modules that it needs, those first that others name.
 *
 * @module
 */

import { dirname, fromFileUrl, relative } from "@std/path";

const ROOT = new URL("../../", import.meta.url);

/** What is started, and the module that names all of it. */
const LISTS: readonly { readonly entry: string; readonly list: string; readonly last: string }[] = [
  { entry: "src/loop/network.ts", list: "src/loop/network_start.ts", last: 'import "./network.ts";' },
  { entry: "src/loop/script.ts", list: "src/loop/script_start.ts", last: 'import "./script.ts";' },
  { entry: "src/cli/serve.ts", list: "src/cli/serve_start.ts", last: 'export { serve } from "./serve.ts";' },
];

/** Imports and re-exports of values; types are gone when the program runs. */
const IMPORT = /^(?:import|export)(?! type\b)(?:[^";]*? from)? "([^"]+)"( with \{[^}]*\})?;/gm;

/** The lists, by their paths in the repository. */
export function moduleLists(): Readonly<Record<string, string>> {
  return Object.fromEntries(LISTS.map(({ entry, list, last }) => {
    const names = neededBy(new URL(entry, ROOT), new URL(list, ROOT));
    return [list, `${head(entry)}\n${names.join("\n")}\n${last}\n`];
  }));
}

function head(entry: string): string {
  return `/**
 * Starts \`${
    entry.slice(entry.lastIndexOf("/") + 1)
  }\`: every module that it needs, each after those that it names itself. Made by \`deno task generate\`.
 *
 * The runtime reads a module's source map when that is the first to name another, and keeps it. Here no module is but this one.
 *
 * @module
 */
`;
}

/** Imports of all that a module needs, for `list`: first what names nothing, then what names only that, and so on. */
function neededBy(entry: URL, list: URL): string[] {
  const levels = new Map<string, number>();
  const visit = (module: URL): number => {
    let level = 0;
    for (const [, name, attributes = ""] of Deno.readTextFileSync(module).matchAll(IMPORT)) {
      const needed = name.startsWith(".") ? new URL(name, module) : null;
      const statement = `import "${needed === null ? name : relativeName(list, needed)}"${attributes};`;
      let below = levels.get(statement);
      if (below === undefined) {
        below = needed?.pathname.endsWith(".ts") ? visit(needed) : 0;
        levels.set(statement, below);
      }
      level = Math.max(level, below + 1);
    }
    return level;
  };
  visit(entry);
  const byName = [...levels].sort(([a], [b]) => a < b ? -1 : 1);
  return byName.sort(([, a], [, b]) => a - b).map(([statement]) => statement);
}

function relativeName(from: URL, to: URL): string {
  const path = relative(dirname(fromFileUrl(from)), fromFileUrl(to)).replaceAll("\\", "/");
  return path.startsWith(".") ? path : `./${path}`;
}
