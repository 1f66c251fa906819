/**
 * The sockets between a script loop and its fork servers: their names, which permissions name one by one.
 *
 * @module
 */

/** So many fork servers there can be at once, those that still end included. */
export const SERVERS_MAX = 16;

/** Where a system's path of a socket ends, in bytes (unix(7): 108 on Linux, 104 on macOS, its NUL counted). */
const PATH_BYTES_MAX = 103;

/** The path of the socket at which scripts come for their input. */
export function inputSocket(folder: string): string {
  return `${folder}/input`;
}

/** The path of one fork server's socket. */
export function serverSocket(folder: string, index: number): string {
  return `${folder}/${index}`;
}

/** All paths in a folder. */
export function warmSockets(folder: string): string[] {
  const servers = Array.from({ length: SERVERS_MAX }, (_, index) => serverSocket(folder, index));
  return [inputSocket(folder), ...servers];
}

/** Whether paths in this folder are short enough for sockets. */
export function isShortEnough(folder: string): boolean {
  return warmSockets(folder).every((path) => new TextEncoder().encode(path).length <= PATH_BYTES_MAX);
}
