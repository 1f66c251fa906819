/**
 * From the path below a route to a path below a folder: which paths can name a file at all. Pure; whether there is one,
 * and whether it lies within the folder, is `open_file.ts`'s matter.
 *
 * @module
 */

/** How the names of files begin that are still being uploaded: they are hidden, and not served even where hidden ones are. */
export const TEMPORARY_PREFIX = ".pollux-upload-";

/** Whether a name is that of a file which is still being uploaded. */
export function isTemporaryName(name: string): boolean {
  return name.startsWith(TEMPORARY_PREFIX);
}

/** What decides whether a path may name a file. */
export interface FilePathRules {
  /** Whether names that begin with a dot may be served. */
  readonly hidden: boolean;
  /** Whether a first segment `.well-known` is the site's own (RFC 8615), which is never hidden. */
  readonly isWellKnown: boolean;
  /** Whether the system is Windows, where more names are special. */
  readonly isWindows: boolean;
}

/**
 * Whether a decoded path below a route may name a file or folder.
 *
 * Refused are: NUL; empty segments, since `//private/x` names the same file as `/private/x` but matched another route; dot
 * segments that an encoding hid from whoever removed them; uploads that are not complete; hidden names; and what Windows
 * would read as a device, a stream, a separator or another name.
 *
 * @param rest The decoded path: empty, or beginning with a slash; it may end with one.
 */
export function mayNameFile(rest: string, rules: FilePathRules): boolean {
  if (rest === "" || rest === "/") return true;
  if (rest.includes("\0")) return false;
  const segments = rest.split("/");
  const last = segments.length - 1;
  for (let i = 1; i <= last; i++) {
    const segment = segments[i];
    if (segment === "") {
      if (i < last) return false;
      continue;
    }
    if (segment === "." || segment === ".." || isTemporaryName(segment)) return false;
    if (
      segment.startsWith(".") && !rules.hidden && !(i === 1 && rules.isWellKnown && segment === ".well-known")
    ) {
      return false;
    }
    if (rules.isWindows && isSpecialOnWindows(segment)) return false;
  }
  return true;
}

/** Separators, streams (`a.txt::$DATA`), short names (`SECRET~1`), and ends that Windows drops (`a.txt.`). */
const WINDOWS_SPECIAL = /[\\:*?"<>|]|~\d|[. ]$/;

/** Devices, with any extension; their numbers may be raised. */
const WINDOWS_DEVICE =
  /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(?:\..*)?$/i;

function isSpecialOnWindows(segment: string): boolean {
  return WINDOWS_SPECIAL.test(segment) || WINDOWS_DEVICE.test(segment);
}
