/**
 * What documents name in back quotes: files, and tests as `FILE: NAME`.
 *
 * @module
 */

const REPOSITORY = new URL("../../", import.meta.url);

/** The cells of each row of a document's tables of so many columns, the heads left out. */
export function rowsOf(document: string, columns: number, head: string): string[][] {
  const lines = document.split("\n").filter((line) => line.startsWith("| "));
  const all = lines.map((line) => line.slice(1, -1).split("|").map((cell) => cell.trim()));
  return all.filter((cells) => cells.length === columns && cells[0] !== head && !/^-+$/.test(cells[0]));
}

/** What stands in back quotes. */
export function quoted(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]);
}

const texts = new Map<string, string | null>();

/** A file's text; null where there is none. */
export function textOf(path: string): string | null {
  let text = texts.get(path);
  if (text === undefined) {
    try {
      text = Deno.readTextFileSync(new URL(path, REPOSITORY));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      text = null;
    }
    texts.set(path, text);
  }
  return text;
}

/** Whether a file has a test, a step or a case of that name: the whole of a string in it. */
export function hasTest(path: string, name: string): boolean {
  const text = textOf(path);
  if (text === null) return false;
  if (path.endsWith(".json")) return text.includes(`"name": ${JSON.stringify(name)}`);
  // A name may go on with why the test is skipped.
  return [`"${name}"`, `\`${name}\``, `\`${name}\${`].some((string) => text.includes(string));
}

/** Those of the tests named that are not there. */
export function missingTests(cells: readonly string[]): string[] {
  const missing = cells.flatMap(quoted).filter((test) => {
    const [, path, name] = /^(\S+\.\w+): (.+)$/.exec(test) ?? [];
    return path === undefined || !hasTest(path, name);
  });
  return [...new Set(missing)];
}
