/**
 * Ways to keys and values of a configuration, and how they are written in messages.
 *
 * @module
 */

/** The way to a value from the top: keys, and numbers in lists. */
export type KeyPath = readonly (string | number)[];

/** `sites[0].routes[1].cgi`; a key that is no plain word stands in quotes: `interpreters[".py"]`. */
export function formatKeyPath(path: KeyPath): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (!/^[\w-]+$/.test(step)) text += `[${JSON.stringify(step)}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}
