/**
 * What each kind of loop may do, from the configuration alone; pure.
 *
 * @module
 */

import { freshSocketPath } from "../loop/unix_socket.ts";
import type { Programs } from "../cgi/programs.ts";
import type { CgiHandlerConfig, Config, HandlerConfig, Listen, Place, Route } from "../config/config.ts";
import { isWithin, parentFolder } from "../paths.ts";
import { warmSockets } from "../warm/sockets.ts";

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

/** One permission, and what of the configuration asks for it. */
export interface Grant {
  /** Which kind of permission. */
  readonly kind: "net" | "read" | "write" | "run";
  /** An address, a file or folder, or a program. */
  readonly value: string;
  /** The key that asks for it, or what else does. */
  readonly why: string;
  /** Where that stands in the file; null where it does not. */
  readonly place: Place | null;
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
  const values = valuesOf(networkGrants(config, ports, temp, realPath));
  return { ...NOTHING, net: values("net"), read: values("read"), write: values("write") };
}

/** The same, one by one with its reason; what several ask for comes several times. */
export function networkGrants(
  config: Config,
  ports: ReadonlyMap<number, number>,
  temp: string,
  realPath: (path: string) => string,
): Grant[] {
  const grants: Grant[] = [];
  const grant = (kinds: readonly Grant["kind"][], value: string, why: string, place: Place | null) => {
    for (const kind of kinds) grants.push({ kind, value, why, place });
  };
  grant(["read", "write"], temp, "temp: bodies that are kept whole", null);
  config.listen.forEach((listen, index) => {
    const { place } = listen;
    grant(["net"], netAddress(listen, ports.get(index)), "listen", place);
    if (listen.transport !== "unix") return;
    const fresh = freshSocketPath(listen.path);
    grant(["net"], `unix:${fresh}`, "listen", place);
    for (const path of [listen.path, fresh]) grant(["read", "write"], path, "listen", place);
  });
  for (const site of config.sites) {
    grant(["read"], site.root, "root", site.place);
    for (const route of site.routes) {
      const why = (key: string) => `route ${route.path}: ${key}`;
      for (const [key, folder] of foldersRead(route)) grant(["read"], folder, why(key), route.place);
      for (const folder of foldersWritten(route)) grant(["write"], folder, why("methods"), route.place);
      for (const address of gateways(route.handler)) {
        grant(["net"], address, why(route.handler.kind), route.place);
        if (!address.startsWith("unix:")) continue;
        const path = address.slice("unix:".length);
        grant(["read", "write"], path, why(route.handler.kind), route.place);
      }
    }
  }
  return [...grants, ...grants.flatMap((one) => followed(one, realPath))];
}

/** Where a link leads is not granted silently. */
function followed(one: Grant, realPath: (path: string) => string): Grant[] {
  if (one.kind !== "read" && one.kind !== "write") return [];
  const value = realPath(one.value);
  return value === one.value ? [] : [{ ...one, value, why: `${one.why}, where ${one.value} leads` }];
}

/** The values of each kind, each once. */
function valuesOf(grants: readonly Grant[]): (kind: Grant["kind"]) => string[] {
  return (kind) => [...new Set(grants.filter((one) => one.kind === kind).map(({ value }) => value))];
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
  const values = valuesOf(scriptGrants(config, warm));
  const orNothing = (list: readonly string[]) => list.length > 0 ? list : false;
  return {
    ...NOTHING,
    net: orNothing(values("net")),
    read: orNothing(values("read")),
    write: orNothing(values("write")),
    run: orNothing(programs),
  };
}

/** The same but for the programs, one by one with its reason. */
export function scriptGrants(config: Config, warm: string): Grant[] {
  const server = (kind: Grant["kind"], value: string): Grant => ({
    kind,
    value,
    why: FORK_SERVERS,
    place: null,
  });
  const servers = hasWarm(config)
    ? [
      ...warmSockets(warm).map((path) => server("net", `unix:${path}`)),
      server("read", warm),
      server("write", warm),
    ]
    : [];
  const folders = config.sites.flatMap(({ routes }) =>
    routes.flatMap(({ path, handler, place }) => {
      const grant = (key: string, value: string): Grant => ({
        kind: "read",
        value,
        why: `route ${path}: ${key}`,
        place,
      });
      const grants: Grant[] = [];
      if (handler.kind === "cgi") grants.push(grant("cgi", scriptFolder(handler)));
      if (handler.kind === "files" && handler.scripts.length > 0) grants.push(grant("files", handler.dir));
      if ("run" in handler && handler.run.cwd !== null) grants.push(grant("cwd", handler.run.cwd));
      return grants;
    })
  );
  return [...folders, ...servers];
}

const FORK_SERVERS = "warm: to the interpreters that are kept ready";

/** The programs that it may start, one by one with their reasons: all that `runnable` names. */
export function programGrants(config: Config, programs: Programs): Grant[] {
  const grants: Grant[] = [];
  const grant = (value: string, why: string, place: Place | null) =>
    grants.push({ kind: "run", value, why, place });
  for (const { path, handler, place } of config.sites.flatMap(({ routes }) => routes)) {
    if (handler.kind !== "cgi" && !(handler.kind === "files" && handler.scripts.length > 0)) continue;
    const { interpreters, programs: named } = handler.run.settings;
    for (const [extension, command] of Object.entries(interpreters)) {
      if (command === "shebang") continue;
      const why = `route ${path}: interpreters ${extension} (${command[0]})`;
      for (const program of programs.paths[command[0]] ?? []) grant(program, why, place);
    }
    for (const name of named) {
      for (const program of programs.paths[name] ?? []) {
        grant(program, `route ${path}: programs (${name})`, place);
      }
    }
    if (handler.kind !== "cgi") continue;
    for (const binary of programs.binaries) {
      if (isWithin(handler.target, binary)) grant(binary, `route ${path}: cgi`, place);
    }
  }
  for (const [name, program] of Object.entries(programs.tools)) {
    if (program !== null) grant(program, `${name}, to start others by: nice, user, limits`, null);
  }
  return grants;
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

/** What a route reads, each with the key that says so. */
function foldersRead({ handler, auth }: Route): [key: string, folder: string][] {
  const folders: [string, string][] = handlerFolders(handler);
  return auth === null ? folders : [...folders, ["auth", auth.file]];
}

function handlerFolders(handler: HandlerConfig): [key: string, folder: string][] {
  const sendfile = "run" in handler
    ? handler.run.sendfile.map((folder): [string, string] => ["sendfile", folder])
    : [];
  switch (handler.kind) {
    case "files":
      return [["files", handler.dir], ...sendfile];
    case "cgi":
      return [["cgi", scriptFolder(handler)], ...sendfile];
    case "fastcgi":
    case "scgi":
      return [["root", handler.root]];
    case "redirect":
    case "respond":
    case "status":
      return [];
    default:
      return handler satisfies never;
  }
}

function scriptFolder(handler: CgiHandlerConfig): string {
  return handler.isFolder ? handler.target : parentFolder(handler.target);
}

function foldersWritten({ handler, methods }: Route): string[] {
  const UPLOADS = ["PUT", "POST", "DELETE"];
  return handler.kind === "files" && methods?.some((method) => UPLOADS.includes(method)) ? [handler.dir] : [];
}

function gateways(handler: HandlerConfig): string[] {
  if (handler.kind !== "fastcgi" && handler.kind !== "scgi") return [];
  return handler.addresses.map((address) =>
    address.transport === "unix" ? `unix:${address.path}` : hostAndPort(address.hostname, address.port)
  );
}
