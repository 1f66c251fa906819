/**
 * A route as it stands in the file, made into one of the configuration: defaults filled in, paths absolute, and what it
 * names looked for on the disk.
 *
 * @module
 */

import type {
  AuthConfig,
  CgiHandlerConfig,
  CgiSettings,
  FilesHandlerConfig,
  GatewayHandlerConfig,
  HandlerConfig,
  Place,
  RedirectHandlerConfig,
  RespondHandlerConfig,
  Route,
  ScriptHandling,
} from "./config.ts";
import type { FaultList } from "./fault_list.ts";
import { resolveFrom, statOrNull } from "../paths.ts";
import type { KeyPath } from "./key_path.ts";
import {
  CGI,
  type CgiInput,
  type CgiKeys,
  defaultCgi,
  type HANDLERS,
  type MODIFIERS,
  type RouteInput,
  type SCRIPT,
} from "./schema.ts";
import type { Sparse } from "./types.ts";

/** What surrounds a route. */
export interface RouteContext {
  /** The folder from which relative paths count, absolute. */
  readonly base: string;
  /** Where faults go. */
  readonly faults: FaultList;
  /** Where a value stands, where that is wanted. */
  readonly placeOf: (path: KeyPath) => Place | null;
  /** How the site's scripts run. */
  readonly cgi: Cgi;
  /** The site's root, absolute. */
  readonly root: string;
  /** The site's index names. */
  readonly index: readonly string[];
  /** `limits.body`. */
  readonly bodyLimitBytes: number;
  /** Takes a file that must never be served. */
  readonly addSecret: (file: string) => void;
}

const CGI_NAMES = Object.keys(CGI) as readonly (keyof CgiKeys)[];

type ScriptKeys = Sparse<typeof SCRIPT>;
type ModifierKeys = Sparse<typeof MODIFIERS>;
type KeysOf<H extends keyof typeof HANDLERS> = Sparse<typeof HANDLERS[H]>;

/** Makes the route at `path` of the file; null when a fault leaves nothing to make. */
export function buildRoute(
  input: RouteInput,
  id: number,
  path: KeyPath,
  context: RouteContext,
): Route | null {
  const handler = buildHandler(input, path, context);
  const { keys } = input;
  if (keys.path === undefined) {
    context.faults.error(path, "has no path: add path: /");
    return null;
  }
  if (handler === null) return null;
  return {
    id,
    path: isOneThing(handler) || keys.path.endsWith("/") ? keys.path : `${keys.path}/`,
    handler,
    ...buildModifiers(keys, handler, path, context),
    place: context.placeOf(path),
  };
}

/** How scripts run, as keys to lay others over, and as settings. */
export interface Cgi {
  /** As in the file. */
  readonly keys: CgiInput;
  /** As in the configuration. */
  readonly settings: CgiSettings;
}

/** The defaults with a block's keys over them. */
export function baseCgi(over: CgiKeys, base: string): Cgi {
  const keys = defaultCgi();
  return mergeCgi({ keys, settings: cgiSettings(keys, base) }, over, base);
}

/** What holds around, with a block's keys over it: maps are joined, lists replaced. */
export function mergeCgi(under: Cgi, over: CgiKeys, base: string): Cgi {
  const names = CGI_NAMES.filter((name) => over[name] !== undefined);
  if (names.length === 0) return under;
  const said: Partial<CgiInput> = Object.fromEntries(names.map((name) => [name, over[name]]));
  const keys: CgiInput = {
    ...under.keys,
    ...said,
    interpreters: { ...under.keys.interpreters, ...over.interpreters },
    env: { ...under.keys.env, ...over.env },
  };
  return { keys, settings: cgiSettings(keys, base) };
}

function cgiSettings(keys: CgiInput, base: string): CgiSettings {
  const interpreters: Record<string, readonly string[] | "shebang"> = {};
  for (const [extension, command] of Object.entries(keys.interpreters)) {
    if (command === "off") continue;
    interpreters[extension] = command === "shebang"
      ? command
      : [resolveProgram(base, command[0]), ...command.slice(1)];
  }
  return {
    timeoutMs: keys.timeout,
    runLimitMs: keys.run_limit,
    headBytes: keys.head_bytes,
    nice: keys.nice,
    clientGoneMs: keys.client_gone,
    killGraceMs: keys.kill_grace,
    maxProcesses: keys.max_processes,
    queue: keys.queue,
    queueTimeoutMs: keys.queue_timeout,
    interpreters,
    programs: keys.programs.map((name) => resolveProgram(base, name)),
    env: keys.env,
    passEnv: keys.pass_env,
    passAuthorization: keys.pass_authorization,
  };
}

/** A bare name is looked for on PATH later; a path counts from the file's folder. */
function resolveProgram(base: string, name: string): string {
  return /[/\\]/.test(name) ? resolveFrom(base, name) : name;
}

/** Whether the handler is one thing rather than a folder, so that its path needs no slash at the end. */
function isOneThing(handler: HandlerConfig): boolean {
  return handler.kind === "cgi" ? !handler.isFolder : handler.kind !== "files";
}

function buildHandler(input: RouteInput, path: KeyPath, context: RouteContext): HandlerConfig | null {
  switch (input.handler) {
    case "files":
      return buildFiles(input.keys, path, context);
    case "cgi":
      return buildCgi(input.keys, path, context);
    case "fastcgi":
      return buildGateway("fastcgi", input.keys, input.keys.fastcgi, path, context);
    case "scgi":
      return buildGateway("scgi", input.keys, input.keys.scgi, path, context);
    case "redirect":
      return buildRedirect(input.keys);
    case "respond":
      return buildRespond(input.keys, path, context);
    case "status":
      return { kind: "status" };
    default:
      return input satisfies never;
  }
}

function buildFiles(keys: KeysOf<"files">, path: KeyPath, context: RouteContext): FilesHandlerConfig | null {
  if (keys.files === undefined) return null;
  const dir = resolveFrom(context.base, keys.files);
  needFolder(dir, [...path, "files"], context.faults, "a files route serves a folder");
  return {
    kind: "files",
    dir,
    index: keys.index ?? context.index,
    list: keys.list ?? false,
    fallback: keys.fallback ?? null,
    cacheControl: keys.cache_control ?? null,
    precompressed: keys.precompressed ?? true,
    hidden: keys.hidden ?? false,
    followSymlinks: keys.follow_symlinks ?? "inside",
    scripts: keys.scripts ?? [],
    run: buildRun(keys, [], path, context),
  };
}

function buildCgi(keys: KeysOf<"cgi">, path: KeyPath, context: RouteContext): CgiHandlerConfig | null {
  if (keys.cgi === undefined) return null;
  const { faults } = context;
  const target = resolveFrom(context.base, keys.cgi);
  const found = statOrNull(target);
  if (found === null) {
    faults.error([...path, "cgi"], `there is no folder or program ${target}`);
  } else if (!found.isDirectory && !found.isFile) {
    faults.error([...path, "cgi"], `${target} is neither a folder nor a program`);
  }
  const isFolder = found === null || found.isDirectory;
  if (isFolder && keys.args !== undefined && keys.args.length > 0 && found !== null) {
    faults.error([...path, "args"], `is for one program, and ${target} is a folder`, "key");
  }
  if (!isFolder && keys.index !== undefined && keys.index.length > 0) {
    faults.error([...path, "index"], `is for a folder, and ${target} is one program`, "key");
  }
  return {
    kind: "cgi",
    target,
    isFolder,
    index: keys.index ?? [],
    followSymlinks: keys.follow_symlinks ?? "inside",
    run: buildRun(keys, keys.args ?? [], path, context),
  };
}

function buildRun(
  keys: CgiKeys & ScriptKeys & ModifierKeys,
  args: readonly string[],
  path: KeyPath,
  context: RouteContext,
): ScriptHandling {
  const { base, faults } = context;
  const cwd = keys.cwd === undefined ? null : resolveFrom(base, keys.cwd);
  if (cwd !== null) needFolder(cwd, [...path, "cwd"], faults, "a working folder is a folder");
  const sendfile = (keys.sendfile ?? []).map((folder) => resolveFrom(base, folder));
  for (const [index, folder] of sendfile.entries()) {
    needFolder(folder, [...path, "sendfile", index], faults, "files are sent from a folder");
  }
  const contentType = Object.entries(keys.headers ?? {}).find(([name]) =>
    name.toLowerCase() === "content-type"
  );
  return {
    settings: mergeCgi(context.cgi, keys, base).settings,
    args,
    cwd,
    user: keys.user ?? null,
    group: keys.group ?? null,
    umask: keys.umask ?? null,
    limits: {
      cpuSeconds: keys.limits?.cpu === undefined ? null : Math.ceil(keys.limits.cpu / 1000),
      memoryBytes: keys.limits?.memory ?? null,
      files: keys.limits?.files ?? null,
      processes: keys.limits?.processes ?? null,
    },
    output: keys.output ?? "cgi",
    contentType: contentType?.[1][0] ?? null,
    sendfile,
    body: keys.body ?? "auto",
    warm: keys.warm ?? null,
    preload: keys.preload ?? [],
  };
}

function buildGateway(
  kind: "fastcgi" | "scgi",
  keys: KeysOf<"fastcgi"> | KeysOf<"scgi">,
  addresses: KeysOf<"fastcgi">["fastcgi"],
  path: KeyPath,
  context: RouteContext,
): GatewayHandlerConfig {
  if (addresses === undefined || addresses.length === 0) {
    context.faults.error([...path, kind], "has no address: write 127.0.0.1:9000 or unix:/run/app.sock");
  }
  const root = keys.root === undefined ? context.root : resolveFrom(context.base, keys.root);
  if (keys.root !== undefined) needFolder(root, [...path, "root"], context.faults, "a root is a folder");
  return {
    kind,
    addresses: (addresses ?? []).map((address) =>
      address.transport === "unix"
        ? { transport: "unix", path: resolveFrom(context.base, address.path) }
        : address
    ),
    root,
    index: keys.index ?? [],
    env: { ...context.cgi.settings.env, ...keys.env },
    timeoutMs: keys.timeout ?? context.cgi.settings.timeoutMs,
    connections: keys.connections ?? 32,
    queue: context.cgi.settings.queue,
    queueTimeoutMs: context.cgi.settings.queueTimeoutMs,
    clientGoneMs: context.cgi.settings.clientGoneMs,
    passAuthorization: context.cgi.settings.passAuthorization,
    headBytes: context.cgi.settings.headBytes,
  };
}

function buildRedirect(keys: KeysOf<"redirect">): RedirectHandlerConfig | null {
  if (keys.redirect === undefined) return null;
  return { kind: "redirect", target: keys.redirect, status: keys.status ?? 302 };
}

function buildRespond(
  keys: KeysOf<"respond">,
  path: KeyPath,
  context: RouteContext,
): RespondHandlerConfig | null {
  if (keys.respond === undefined) return null;
  const status = keys.status ?? 200;
  if ((status === 204 || status === 205 || status === 304) && keys.respond !== "") {
    context.faults.error(
      [...path, "respond"],
      `an answer with status ${status} has no content: write respond: ""`,
    );
  }
  // The route's headers are set on every response, this one too.
  return { kind: "respond", text: keys.respond, status, headers: [] };
}

function buildModifiers(
  keys: ModifierKeys,
  handler: HandlerConfig,
  path: KeyPath,
  context: RouteContext,
): Omit<Route, "id" | "path" | "handler" | "place"> {
  const { faults } = context;
  if (keys.methods?.length === 0) {
    faults.error([...path, "methods"], "is empty: nothing would be allowed; name one");
  }
  return {
    methods: keys.methods ?? null,
    auth: keys.auth === undefined ? null : buildAuth(keys.auth, path, context),
    allow: keys.allow ?? null,
    deny: keys.deny ?? [],
    rate: keys.rate === undefined ? null : buildRate(keys.rate, path, faults),
    headers: fieldsOf(keys.headers ?? {}),
    bodyLimitBytes: keys.body_limit ?? context.bodyLimitBytes,
    compress: keys.compress ?? handler.kind === "files",
    cache: keys.cache === undefined ? null : buildCache(keys.cache, handler, path, faults),
  };
}

function buildAuth(
  keys: NonNullable<ModifierKeys["auth"]>,
  path: KeyPath,
  context: RouteContext,
): AuthConfig | null {
  if (keys.basic === undefined) {
    context.faults.error(
      [...path, "auth"],
      "has no basic: add basic: htpasswd, the file of users and passwords",
    );
    return null;
  }
  const file = resolveFrom(context.base, keys.basic);
  if (statOrNull(file)?.isFile !== true) {
    context.faults.error([...path, "auth", "basic"], `there is no file ${file}: make one with htpasswd -cB`);
  }
  context.addSecret(file);
  return { file, realm: keys.realm, methods: keys.methods ?? null };
}

function buildRate(keys: NonNullable<ModifierKeys["rate"]>, path: KeyPath, faults: FaultList): Route["rate"] {
  if (keys.requests === undefined) {
    faults.error([...path, "rate"], "has no requests: write { requests: 10, per: 1s, burst: 20 }");
    return null;
  }
  return { requests: keys.requests, perMs: keys.per, burst: keys.burst ?? keys.requests };
}

function buildCache(
  keys: NonNullable<ModifierKeys["cache"]>,
  handler: HandlerConfig,
  path: KeyPath,
  faults: FaultList,
): Route["cache"] {
  if (handler.kind !== "cgi" && handler.kind !== "fastcgi" && handler.kind !== "scgi") {
    faults.error([...path, "cache"], "is for cgi, fastcgi and scgi routes", "key");
    return null;
  }
  if (keys.max_age === undefined) {
    faults.error([...path, "cache"], "has no max_age: write { max_age: 5s }");
    return null;
  }
  return { maxAgeMs: keys.max_age, sizeBytes: keys.size };
}

/** Field lines from names and values. */
export function fieldsOf(headers: Readonly<Record<string, readonly string[]>>): [string, string][] {
  return Object.entries(headers).flatMap(([name, values]) =>
    values.map((value): [string, string] => [name, value])
  );
}

/** Says what is wrong where no folder is. */
export function needFolder(folder: string, path: KeyPath | string, faults: FaultList, rule: string): boolean {
  const found = statOrNull(folder);
  if (found === null) faults.error(path, `there is no folder ${folder}`);
  else if (!found.isDirectory) faults.error(path, `${folder} is no folder: ${rule}`);
  return found?.isDirectory === true;
}
