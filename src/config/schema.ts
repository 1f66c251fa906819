/**
 * Every key of the configuration: its kind, its default as one would write it, and what it is for. Defaults, checks,
 * the nearest right key, the reference and the JSON Schema all come from here.
 *
 * @module
 */

import * as v from "valibot";
import { METHODS } from "../http/method.ts";
import { parseGatewayAddress } from "./address.ts";
import { checkEnvName } from "./environment.ts";
import { quote, Refusal } from "./refusal.ts";
import {
  choice,
  cidr,
  type Complete,
  complete,
  count,
  duration,
  errorStatus,
  extension,
  fieldName,
  fieldValue,
  fileName,
  host,
  interpreter,
  key,
  type Keys,
  list,
  listenAddress,
  map,
  mode,
  numberChoice,
  onlyTrue,
  path,
  required,
  routePath,
  scalar,
  size,
  type Sparse,
  sparse,
  text,
  toggle,
  type Type,
  unknownKey,
  urlPath,
  withShape,
} from "./types.ts";
import { isOff, parseCount } from "./units.ts";

const FOREVER = Infinity;

const method: Type<string> = scalar("a method", (text) => {
  if (METHODS.includes(text)) return text;
  const upper = text.toUpperCase();
  if (METHODS.includes(upper)) {
    return new Refusal(`${quote(text)}: methods are written in capitals; write ${upper}`);
  }
  if (/[\s,]/.test(text)) {
    const words = text.split(/[\s,]+/).filter((word) => word !== "");
    return new Refusal(`${quote(text)}: several methods want a list; write [${words.join(", ")}]`);
  }
  return new Refusal(
    `${quote(text)} is not a registered method: write GET, HEAD, POST, PUT, PATCH or DELETE`,
  );
});

const workers: Type<number | "auto"> = scalar(
  "a number or auto",
  (text) => text === "auto" ? "auto" : parseCount(text, { min: 1, max: 256 }),
);

const accessLog: Type<string> = scalar(
  "stdout, stderr, off, or a file",
  (text) =>
    isOff(text) ? "off" : text === "" ? new Refusal("is empty: write stdout, stderr, off, or a file") : text,
);

const errorLog: Type<string> = scalar("stderr, or a file", (text) => {
  if (isOff(text) || text === "stdout") {
    return new Refusal(
      `the error log goes to stderr or to a file, never to ${isOff(text) ? "nowhere" : "stdout"}`,
    );
  }
  return text === "" ? new Refusal("is empty: write stderr, or a file") : text;
});

const envName: Type<string> = scalar("a name", checkEnvName);

const envValue: Type<string> = scalar(
  "a text",
  (text) => text.includes("\0") ? new Refusal("a variable's value has no NUL") : text,
);

const redirectTarget: Type<string> = scalar("a URL or a URL path", (text) => {
  if (!/^(?:\/|[A-Za-z][A-Za-z0-9+.-]*:|\{path\})/.test(text)) {
    return new Refusal(
      `${quote(text)}: a target begins with a slash or a scheme, such as https://example.org{path}`,
    );
  }
  const placeholder = /\{[^}]*\}?/g;
  for (const found of text.match(placeholder) ?? []) {
    if (found !== "{path}" && found !== "{query}") {
      return new Refusal(`${quote(text)}: ${quote(found)} means nothing here; there are {path} and {query}`);
    }
  }
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u0020\u007f]|[^\u0000-\u007f]/.test(text)) {
    return new Refusal(
      `${quote(text)}: a URL has neither spaces nor letters beyond ASCII; percent-encode them`,
    );
  }
  return text;
});

const gatewayAddress = scalar("an address", parseGatewayAddress);

/** `headers`, wherever it stands. */
const headers = map(fieldName, list(fieldValue));

/** The keys of `tls`. */
export const TLS = {
  cert: required(path, "Certificate chain in PEM."),
  key: required(path, "Private key in PEM."),
} satisfies Keys;

/** The keys of an address that is written as a block. */
export const LISTEN = {
  address: required(listenAddress, "Where to listen: 127.0.0.1:8080, :8080, [::1]:8080 or unix:/path."),
  tls: key(sparse(TLS), undefined, "Certificate and key; with them the address speaks TLS."),
  proxy_protocol: key(
    toggle,
    "false",
    "Every connection begins with a PROXY protocol header; required then.",
  ),
  mode: key(mode, undefined, "File mode of a unix socket."),
} satisfies Keys;

/** The keys of `log`. */
export const LOG = {
  access: key(accessLog, "stdout", "Where the access log goes: stdout, stderr, off, or a file."),
  format: key(choice(["combined", "common", "json"]), "combined", "How a line of the access log is written."),
  error: key(errorLog, "stderr", "Where the error log goes: stderr or a file."),
  level: key(choice(["debug", "info", "warn", "error"]), "info", "How much the error log says."),
} satisfies Keys;

/** The keys of `limits`. */
export const LIMITS = {
  request_line: key(size(), "8KiB", "Longest request line; beyond: 414."),
  header_bytes: key(size(), "32KiB", "All fields of a request together; beyond: 431."),
  header_count: key(count(), "100", "Number of fields of a request; beyond: 431."),
  body: key(size({ off: FOREVER }), "64MiB", "Longest body of a request; beyond: 413."),
  connections: key(count(), "10000", "Connections at once; beyond: answered 503 and closed."),
  connections_per_ip: key(
    count(),
    "off",
    "Connections at once from one address, or one /64 of IPv6; beyond: 503.",
  ),
  min_rate: key(size({ off: 0 }), "100", "Bytes a second that a body must bring, averaged over 10 s."),
  requests_per_connection: key(count(), "off", "Requests on one connection; it closes after the last."),
} satisfies Keys;

/** The keys of `timeouts`. */
export const TIMEOUTS = {
  header: key(
    duration(),
    "10s",
    "From accept, or the first byte of a further request, to the end of the head; beyond: 408.",
  ),
  body: key(duration(), "30s", "Between two reads of a body; beyond: 408."),
  keep_alive: key(duration({ off: FOREVER }), "60s", "Idle between requests; beyond: closed."),
  write: key(
    duration(),
    "30s",
    "A response that makes no progress, on average `limits.min_rate`; beyond: closed.",
  ),
  shutdown: key(
    duration({ off: FOREVER }),
    "30s",
    "How long requests in flight may take when the server stops.",
  ),
} satisfies Keys;

/** The keys of `cgi`, which a cgi route has too. */
export const CGI = {
  timeout: key(
    duration(),
    "30s",
    "To the end of the script's header, then between two signs of life; beyond: 504.",
  ),
  run_limit: key(duration(), "1h", "A script's whole run; beyond: 504."),
  head_bytes: key(size(), "64KiB", "Longest header that a script may write; beyond: 502."),
  nice: key(count({ max: 19 }), "0", "Scheduling priority of scripts, 0 to 19."),
  client_gone: key(
    duration({ off: FOREVER }),
    "1s",
    "How long a script goes on after its client closed its side; off: to its end.",
  ),
  kill_grace: key(duration({}), "0s", "SIGTERM first, SIGKILL after this long; 0s: SIGKILL at once."),
  max_processes: key(count(), "32", "Scripts at once, over the whole server; on a route, of that route."),
  queue: key(count({ off: FOREVER }), "256", "Requests that may wait for a place; beyond: 503."),
  queue_timeout: key(duration({ off: FOREVER }), "10s", "How long a request waits for a place; beyond: 503."),
  interpreters: key(
    map(extension, interpreter),
    { ".py": "python3", ".pl": "perl", ".sh": "sh", ".php": "php-cgi", ".rb": "ruby", ".cgi": "shebang" },
    "What runs a script, by its extension. What is given is added to the default; off takes one out.",
  ),
  programs: key(
    list(path),
    ["python3", "perl", "sh", "bash", "ruby", "php-cgi", "node", "deno", "awk"],
    "What a script's first line may name, beside the interpreters.",
  ),
  env: key(map(envName, envValue), {}, "Added to every script's environment; a route's over the site's."),
  pass_env: key(
    list(envName),
    ["PATH", "LANG", "LC_ALL", "TZ"],
    "Taken over from the server's own environment.",
  ),
  pass_authorization: key(toggle, "false", "Scripts get HTTP_AUTHORIZATION."),
} satisfies Keys;

/** The keys of `cgi` with all defaults in. */
export type CgiInput = Complete<typeof CGI>;

/** The keys of `cgi` as a block says them. */
export type CgiKeys = Sparse<typeof CGI>;

/** The defaults of `cgi`. */
export function defaultCgi(): CgiInput {
  return v.parse(complete(CGI), {});
}

/** The keys of a route's `limits`. */
export const SCRIPT_LIMITS = {
  cpu: key(duration({ min: 1000 }), undefined, "Processor time of one script."),
  memory: key(size(), undefined, "Address space of one script."),
  files: key(count(), undefined, "Open files of one script."),
  processes: key(count(), undefined, "Processes of the script's user."),
} satisfies Keys;

const followSymlinks = choice(["inside", "always", "never"]);

/** What a cgi route has beside `cgi` and the keys of CGI; a files route with `scripts` too. */
export const SCRIPT = {
  cwd: key(path, undefined, "Working folder; a script's own folder without."),
  user: key(text, undefined, "Run as this user."),
  group: key(text, undefined, "Run as this group."),
  umask: key(mode, undefined, "File mode mask."),
  limits: key(sparse(SCRIPT_LIMITS), undefined, "What one script may use up."),
  output: key(choice(["cgi", "plain"]), "cgi", "plain: no header is expected, all output is the body."),
  sendfile: key(list(path), [], "Folders from which X-Sendfile may name a file."),
  body: key(
    choice(["auto", "stream", "buffer"]),
    "auto",
    "Whether a request's body is kept whole before the script gets it.",
  ),
  warm: key(choice(["python", "perl"]), undefined, "An interpreter kept ready that forks for each request."),
  preload: key(list(text), [], "Modules that a warm interpreter has imported beforehand."),
} satisfies Keys;

/** What a `files` route has of its own. */
export const FILES = {
  files: required(path, "The folder."),
  scripts: key(list(extension), [], "Extensions that run as CGI where they lie among the files."),
  index: key(list(fileName), undefined, "Names tried in order for a folder; the site's without."),
  list: key(toggle, "false", "A folder without index is listed."),
  fallback: key(urlPath, undefined, "A URL path, handled instead where no file is found."),
  cache_control: key(fieldValue, undefined, "Cache-Control of every file."),
  precompressed: key(toggle, "true", "Serve FILE.br or FILE.gz where the client takes it."),
  hidden: key(toggle, "false", "Serve dot files."),
  follow_symlinks: key(
    followSymlinks,
    "inside",
    "Links that are followed: to the inside of the folder, always, never.",
  ),
} satisfies Keys;

/** What a `cgi` route has of its own, beside CGI and SCRIPT. */
export const CGI_ROUTE = {
  cgi: required(path, "A folder of scripts, or one program, which gets all of the rest as PATH_INFO."),
  index: key(list(fileName), [], "A script for the folder itself."),
  args: key(list(text), [], "Arguments of a program."),
  follow_symlinks: key(
    followSymlinks,
    "inside",
    "Links that are followed: to the inside of the folder, always, never.",
  ),
} satisfies Keys;

const GATEWAY = {
  root: key(path, undefined, "The folder for SCRIPT_FILENAME; the site's root without."),
  index: key(list(fileName), [], "A script for a folder."),
  env: key(map(envName, envValue), {}, "Added to what the application gets."),
  timeout: key(duration(), "30s", "Between two signs of life of the application; beyond: 504."),
  connections: key(count({ min: 1, max: 10000 }), "32", "Connections to the application at once."),
} satisfies Keys;

/** What a `fastcgi` route has of its own. */
export const FASTCGI = {
  fastcgi: required(
    list(gatewayAddress),
    "Address of a FastCGI application, or a list to be balanced.",
  ),
  ...GATEWAY,
} satisfies Keys;

/** What an `scgi` route has of its own. */
export const SCGI = {
  scgi: required(list(gatewayAddress), "Address of an SCGI application, or a list to be balanced."),
  ...GATEWAY,
} satisfies Keys;

/** What a `redirect` route has of its own. */
export const REDIRECT = {
  redirect: required(redirectTarget, "Where to; {path} and {query} stand for the request's."),
  status: key(numberChoice([301, 302, 303, 307, 308]), "302", "Status of the redirect."),
} satisfies Keys;

/** What a `respond` route has of its own. */
export const RESPOND = {
  respond: required(text, "The answer's text."),
  status: key(count({ min: 200, max: 599 }), "200", "Status of the answer."),
} satisfies Keys;

/** What a `status` route has of its own. */
export const STATUS = {
  status: required(onlyTrue, "The live page of clients, scripts and figures."),
} satisfies Keys;

/** The keys of `auth`. */
export const AUTH = {
  basic: required(path, "The htpasswd file."),
  realm: key(fieldValue, "Restricted", "The realm that the browser shows."),
  methods: key(list(method), undefined, "Only these methods need it; all without."),
} satisfies Keys;

/** The keys of `rate`. */
export const RATE = {
  requests: required(count({ min: 1 }), "How many requests ..."),
  per: key(duration({ min: 1 }), "1s", "... in how long."),
  burst: key(count({ min: 1 }), undefined, "How many may come at once; `requests` without."),
} satisfies Keys;

/** The keys of `cache`. */
export const CACHE = {
  max_age: required(duration({ min: 1 }), "How long an answer is fresh where it says nothing itself."),
  size: key(size({ min: 1 }), "64MiB", "How much is kept."),
} satisfies Keys;

/** What every route may have. */
export const MODIFIERS = {
  path: required(routePath, "The path that the route takes; the longest that matches wins."),
  methods: key(list(method), undefined, "All others get 405."),
  auth: key(complete(AUTH), undefined, "Who may use it, by password."),
  allow: key(list(cidr), undefined, "Only clients from these blocks of addresses."),
  deny: key(list(cidr), [], "No clients from these; beats allow."),
  rate: key(
    complete(RATE),
    undefined,
    "How often one client address, or one /64 of IPv6, may ask; beyond: 429.",
  ),
  headers: key(headers, {}, "Set on every response."),
  body_limit: key(size({ off: FOREVER }), undefined, "Instead of limits.body."),
  compress: key(toggle, undefined, "Compress text; true for files, false for cgi without."),
  cache: key(complete(CACHE), undefined, "Responses are kept and shared as RFC 9111 allows."),
} satisfies Keys;

/** The handlers, by the key that names each; the order is that of messages. */
export const HANDLERS = {
  files: { ...FILES, ...CGI, ...SCRIPT, ...MODIFIERS },
  cgi: { ...CGI_ROUTE, ...CGI, ...SCRIPT, ...MODIFIERS },
  fastcgi: { ...FASTCGI, ...MODIFIERS },
  scgi: { ...SCGI, ...MODIFIERS },
  redirect: { ...REDIRECT, ...MODIFIERS },
  respond: { ...RESPOND, ...MODIFIERS },
  status: { ...STATUS, ...MODIFIERS },
} satisfies Record<string, Keys>;

/** The name of a handler, which is the key that makes a route one. */
export type HandlerName = keyof typeof HANDLERS;

/** A route as the file has it. */
export type RouteInput = {
  readonly [H in HandlerName]: { readonly handler: H; readonly keys: Sparse<typeof HANDLERS[H]> };
}[
  HandlerName
];

/** An address as the file has it. */
export type ListenInput = Sparse<typeof LISTEN>;

const listenType: Type<ListenInput> = withShape(
  v.lazy((input): Type<ListenInput> =>
    typeof input === "object" && input !== null && !Array.isArray(input) ? listenBlock : listenText
  ),
  "an address",
  { kind: "short", key: "address", keys: LISTEN },
);
const listenBlock = sparse(LISTEN);
const listenText: Type<ListenInput> = v.pipe(
  listenAddress,
  v.transform((address) => ({ address, tls: undefined, proxy_protocol: undefined, mode: undefined })),
);

const routeTypes = new Map<HandlerName, Type<RouteInput>>();

const routeType: Type<RouteInput> = withShape(
  v.lazy((input) => {
    const names = handlersOf(input);
    return names.length === 1 ? routeTypeOf(names[0]) : noSingleHandler(input, names);
  }),
  "a route",
  { kind: "route", handlers: HANDLERS },
);

/** The keys of a site. */
export const SITE = {
  host: key(list(host), [], "Hosts it answers for; none: the default site. * stands for one label or more."),
  listen: key(list(listenType), undefined, "Addresses of its own; those of the top level without."),
  root: key(path, undefined, "The same as a route { path: /, files: DIR }; also DOCUMENT_ROOT."),
  index: key(list(fileName), ["index.html"], "Names tried in order for a folder."),
  error_pages: key(map(errorStatus, urlPath), {}, "URL paths of error pages, by status."),
  headers: key(headers, {}, "Set on every response of the site."),
  cgi: key(sparse(CGI), undefined, "Defaults for the site's cgi routes, over those of the top level."),
  routes: key(list(routeType), [], "What answers which path."),
} satisfies Keys;

const { listen: _listen, cgi: _cgi, ...SINGLE_SITE } = SITE;

/** The keys of the top level; with a single site, its keys too. */
export const TOP = {
  listen: key(list(listenType), ["127.0.0.1:8080"], "Addresses to listen on."),
  workers: key(workers, "1", "Number of event loops, or auto: one a core."),
  temp: key(path, undefined, "Folder for bodies that are kept whole; the system's own without."),
  trusted_proxies: key(list(cidr), [], "Whose Forwarded and X-Forwarded-* are believed."),
  log: key(complete(LOG), {}, "Logs."),
  limits: key(complete(LIMITS), {}, "Bounds on what clients may send and hold."),
  timeouts: key(complete(TIMEOUTS), {}, "Bounds on waits."),
  cgi: key(sparse(CGI), {}, "Defaults for every cgi route."),
  sites: key(
    list(complete(SITE, keyOfElsewhere)),
    undefined,
    "The sites; a single one may stand at the top level.",
  ),
  ...SINGLE_SITE,
} satisfies Keys;

/** The keys that belong to a site and may stand at the top level instead. */
export const SINGLE_SITE_KEYS: readonly string[] = Object.keys(SINGLE_SITE);

/** The whole file. */
export const FILE: Type<Complete<typeof TOP>> = complete(TOP, keyOfElsewhere);

/** The file as it was read, with defaults. */
export type FileInput = Complete<typeof TOP>;

/** A site as it was read, with defaults. */
export type SiteInput = Complete<typeof SITE>;

/** Keys that hold with one handler only because another key stands beside them. */
const NEEDS_SCRIPTS: ReadonlySet<string> = new Set([...Object.keys(CGI), ...Object.keys(SCRIPT)]);

function handlersOf(input: unknown): HandlerName[] {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return [];
  const names = (Object.keys(HANDLERS) as HandlerName[]).filter((name) => Object.hasOwn(input, name));
  // `status` is a handler alone, and the status of a redirect or respond.
  return names.length > 1 ? names.filter((name) => name !== "status" || !hasStatusKey(names)) : names;
}

function hasStatusKey(names: readonly HandlerName[]): boolean {
  return names.includes("redirect") || names.includes("respond");
}

function noSingleHandler(input: unknown, names: readonly HandlerName[]): Type<never> {
  const all = Object.keys(HANDLERS);
  const message = typeof input !== "object" || input === null || Array.isArray(input)
    ? "is no route: write a block with path and one of " + all.join(", ")
    : names.length === 0
    ? `has no handler: add one of ${all.join(", ")}`
    : `has ${names.length} handlers, ${names.join(" and ")}: a route has one; make another route`;
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, never>(({ addIssue, NEVER }) => {
      addIssue({ message });
      if (names.length === 0) addUnknownKeys(input, addIssue);
      return NEVER;
    }),
  );
}

/** The handler that is missing may be there, written wrong. */
function addUnknownKeys(route: unknown, addIssue: (issue: v.RawTransformIssueInfo<unknown>) => void): void {
  if (typeof route !== "object" || route === null || Array.isArray(route)) return;
  const input: Record<string, unknown> = { ...route };
  const known = [...new Set(Object.values(HANDLERS).flatMap((keys) => Object.keys(keys)))];
  for (const name of Object.keys(input)) {
    if (known.includes(name)) continue;
    addIssue({
      message: unknownKey(name, known),
      path: [{ type: "object", origin: "key", input, key: name, value: input[name] }],
    });
  }
}

function routeTypeOf(handler: HandlerName): Type<RouteInput> {
  let type = routeTypes.get(handler);
  if (type === undefined) {
    const schema: Type<unknown> = v.pipe(
      sparse<Keys>(HANDLERS[handler], (name) => misplacedKey(name, handler)),
      v.rawCheck(({ dataset, addIssue }) => {
        if (!dataset.typed || handler !== "files") return;
        const value = dataset.value;
        if (value.scripts !== undefined) return;
        for (const name of Object.keys(value)) {
          if (!NEEDS_SCRIPTS.has(name) || value[name] === undefined) continue;
          addIssue({
            message: "is for scripts: add scripts, such as scripts: [.php]",
            path: [{ type: "object", origin: "key", input: value, key: name, value: value[name] }],
          });
        }
      }),
      v.transform((keys) => ({ handler, keys })),
    );
    // The handler's name and its keys go together by construction.
    type = schema as Type<RouteInput>;
    routeTypes.set(handler, type);
  }
  return type;
}

/** What is said of a key that exists, but with another handler. */
function misplacedKey(name: string, handler: HandlerName): string | null {
  const others = (Object.keys(HANDLERS) as HandlerName[]).filter((other) =>
    Object.hasOwn(HANDLERS[other], name)
  );
  if (others.length > 0) return `belongs to a ${others.join(" or ")} route, not to ${handler}`;
  if (Object.hasOwn(SITE, name)) return "belongs to the site: write it beside routes";
  return Object.hasOwn(TOP, name) ? "belongs to the top level: it holds for the whole server" : null;
}

/** What is said at the top level or in a site of a key that is a route's, or the other's. */
function keyOfElsewhere(name: string): string | null {
  for (const [handler, keys] of Object.entries(HANDLERS)) {
    if (Object.hasOwn(keys, name)) {
      return Object.hasOwn(MODIFIERS, name)
        ? "belongs into a route: write it under routes"
        : Object.hasOwn(CGI, name)
        ? "belongs under cgi, or into a cgi route"
        : `belongs into a ${handler} route: write it under routes`;
    }
  }
  if (Object.hasOwn(TOP, name)) return "belongs to the top level: it holds for the whole server";
  if (/^(?:tls|ssl|https|cert(?:ificate)?)$/.test(name)) {
    return 'belongs to an address: listen: { address: ":443", tls: { cert: FILE, key: FILE } }';
  }
  return null;
}
