/**
 * Unix sockets, which are files as well.
 *
 * @module
 */

/** Where a unix socket is made, before it is moved to its path. One letter more: paths of sockets are short. */
export function freshSocketPath(path: string): string {
  return `${path}~`;
}

/**
 * Listens at `path`. The socket is made beside its path and moved there: so it has its mode before anybody can connect, and
 * at a reload it takes the old one's place without a moment in which there is none.
 *
 * @throws What the system says when it cannot be opened.
 */
export function openUnixSocket(path: string, mode: number | null): Deno.UnixListener {
  const fresh = freshSocketPath(path);
  try {
    Deno.removeSync(fresh);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const socket = Deno.listen({ transport: "unix", path: fresh });
  try {
    if (mode !== null) Deno.chmodSync(fresh, mode);
    Deno.renameSync(fresh, path);
  } catch (error) {
    socket.close();
    throw error;
  }
  return socket;
}
