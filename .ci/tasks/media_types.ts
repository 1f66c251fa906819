/**
 * Media types by extension, from the library's database: a megabyte of objects that every loop would make at its start becomes
 * a text of 30 KB, in which a type is looked for when it is first asked for.
 *
 * @module
 */

import { allExtensions, typeByExtension } from "@std/media-types";
import database from "@std/media-types/database";

/** A line for each type: `type extension extension `, each extension once, under the type that the library prefers. */
export function mediaTypesText(): string {
  const extensions = new Set(Object.keys(database).flatMap((type) => allExtensions(type) ?? []));
  const byType = new Map<string, string[]>();
  for (const extension of extensions) {
    const type = typeByExtension(extension);
    if (type === undefined) throw new TypeError(`the library lists ${extension} and does not know it`);
    byType.set(type, [...byType.get(type) ?? [], extension]);
  }
  const lines = [...byType].sort(([a], [b]) => a < b ? -1 : 1).map(([type, known]) =>
    `${type} ${known.sort().join(" ")} \n`
  );
  return lines.join("");
}
