/**
 * What each kind of loop may do, from the configuration alone; pure.
 *
 * @module
 */

import { freshSocketPath } from "../loop/unix_socket.ts";
import { warmSockets } from "../warm/sockets.ts";
import type { Config, HandlerConfig, Listen, Site } from "../config/config.ts";
import { parentFolder } from "../paths.ts";

/** Permissions of a Worker: what is not named is refused by the runtime. */
export interface LoopPermissions {
  /** Addresses to listen on and connect to. */
  readonly net: readonly string[] | false;
  /** Files and folders. */
  readonly read: readonly string[] | false;
  /** Files and folders. */
  readonly write: readonly string[] | false;
  /** Programs, by absolute path. */
  readonly run: readonly string[] | false;
  /** None. */
  readonly env: false;
  /** None. */
  readonly ffi: false;
  /** None. */
  readonly sys: false;
  /** None. */
  readonly import: false;
}

/**
 * What a network loop may do: listen and connect where the configuration says, read what is served, start nothing.
 *
 * @param ports The ports chosen for port 0, by index of the address.
 * @param temp The folder for bodies that are kept whole.
 * @param realPath Where a path leads once its links are followed: the runtime asks for that one too.
 */
export function networkPermissions(
  config: Config,
  ports: ReadonlyMap<number, number>,
  temp: string,
  realPath: (path: string) => string,
): LoopPermissions {
  const read = new Set([temp]);
  const write = new Set([temp]);
  const net = new Set<string>();
  config.listen.forEach((listen, index) => {
    net.add(netAddress(listen, ports.get(index)));
    if (listen.transport === "unix") {
      const fresh = freshSocketPath(listen.path);
      net.add(`unix:${fresh}`);
      for (const path of [listen.path, fresh]) {
        read.add(path);
        write.add(path);
      }
    }
  });
  for (const site of config.sites) {
    for (const folder of foldersRead(site)) read.add(folder);
    for (const folder of foldersWritten(site)) write.add(folder);
    for (const address of gateways(site)) {
      net.add(address);
      if (address.startsWith("unix:")) {
        read.add(address.slice("unix:".length));
        write.add(address.slice("unix:".length));
      }
    }
  }
  for (const folder of [...read]) read.add(realPath(folder));
  for (const folder of [...write]) write.add(realPath(folder));
  return { ...NOTHING, net: [...net], read: [...read], write: [...write] };
}

/**
 * What a script loop may do: start the programs that the configuration names, read the script folders.
 *
 * @param programs Absolute paths, as they will be started.
 * @param warm The folder for the sockets of fork servers, where a route is `warm`.
 */
export function scriptPermissions(
  config: Config,
  programs: readonly string[],
  warm: string,
): LoopPermissions {
  const read = new Set<string>();
  for (const site of config.sites) {
    for (const { handler } of site.routes) {
      if (handler.kind === "cgi") read.add(handler.isFolder ? handler.target : parentFolder(handler.target));
      if (handler.kind === "files" && handler.scripts.length > 0) read.add(handler.dir);
      if ("run" in handler && handler.run.cwd !== null) read.add(handler.run.cwd);
    }
  }
  const run = programs.length > 0 ? programs : false;
  if (!hasWarm(config)) return { ...NOTHING, read: read.size > 0 ? [...read] : false, run };
  return {
    ...NOTHING,
    net: warmSockets(warm).map((path) => `unix:${path}`),
    read: [...read, warm],
    write: [warm],
    run,
  };
}

/** Whether there are scripts to run. */
export function needsScriptLoop({ sites }: Config): boolean {
  return sites.some(({ routes }) =>
    routes.some(({ handler }) =>
      handler.kind === "cgi" || (handler.kind === "files" && handler.scripts.length > 0)
    )
  );
}

/** Whether there are passwords to look at. */
export function needsPasswordLoop({ sites }: Config): boolean {
  return sites.some(({ routes }) => routes.some(({ auth }) => auth !== null));
}

/** What a loop may do that needs nothing. */
export const NOTHING: LoopPermissions = {
  net: false,
  read: false,
  write: false,
  run: false,
  env: false,
  ffi: false,
  sys: false,
  import: false,
};

function hasWarm({ sites }: Config): boolean {
  return sites.some(({ routes }) =>
    routes.some(({ handler }) => "run" in handler && handler.run.warm !== null)
  );
}

function netAddress(listen: Listen, port: number | undefined): string {
  if (listen.transport === "unix") return `unix:${listen.path}`;
  return hostAndPort(listen.hostname, port ?? listen.port);
}

function hostAndPort(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

function foldersRead(site: Site): string[] {
  return [
    site.root,
    ...site.routes.flatMap((route) => [
      ...handlerFolders(route.handler),
      ...(route.auth === null ? [] : [route.auth.file]),
    ]),
  ];
}

function handlerFolders(handler: HandlerConfig): string[] {
  switch (handler.kind) {
    case "files":
      return [handler.dir, ...handler.run.sendfile];
    case "cgi":
      return [handler.isFolder ? handler.target : parentFolder(handler.target), ...handler.run.sendfile];
    case "fastcgi":
    case "scgi":
      return [handler.root];
    case "redirect":
    case "respond":
    case "status":
      return [];
    default:
      return handler satisfies never;
  }
}

function foldersWritten(site: Site): string[] {
  const UPLOADS = ["PUT", "POST", "DELETE"];
  return site.routes.flatMap(({ handler, methods }) =>
    handler.kind === "files" && methods?.some((method) => UPLOADS.includes(method)) ? [handler.dir] : []
  );
}

function gateways(site: Site): string[] {
  return site.routes.flatMap(({ handler }) => {
    if (handler.kind !== "fastcgi" && handler.kind !== "scgi") return [];
    return handler.addresses.map((address) =>
      address.transport === "unix" ? `unix:${address.path}` : hostAndPort(address.hostname, address.port)
    );
  });
}
