/**
 * The configuration as the program uses it: complete (each default filled in), absolute (each path), in base units
 * (milliseconds, bytes; `off` is Infinity) and frozen. It can be posted to a Worker as it is.
 *
 * Nothing here reads or checks: `load.ts` makes a Config from YAML and flags, or faults.
 *
 * @module
 */

import type { Field } from "../http/fields.ts";

/** Where a thing stands in the configuration file, both counted from 1; null for what a flag or a default says. */
export interface Place {
  /** Counted in lines from the beginning of the file. */
  readonly line: number;
  /** Counted in characters from the beginning of the line. */
  readonly column: number;
}

/** The whole configuration. */
export interface Config {
  /** The file it was read from, absolute; null when there is none. */
  readonly file: string | null;
  /** Every address of every site, each once; sites refer to them by index. At least one. */
  readonly listen: readonly Listen[];
  /** The number of network loops, 1 or more (`auto` is resolved). */
  readonly workers: number;
  /** The folder for bodies that are kept whole, absolute. */
  readonly temp: string;
  /** CIDRs whose Forwarded and X-Forwarded-* fields are believed. */
  readonly trustedProxies: readonly string[];
  /** Access log and error log. */
  readonly log: LogConfig;
  /** Bounds on what clients may send and hold, of the whole server. */
  readonly limits: Limits;
  /** Bounds on waits for clients. */
  readonly timeouts: Timeouts;
  /** The server-wide `cgi` block: `maxProcesses`, `queue` and `queueTimeout` of this one count over all routes. */
  readonly cgi: CgiSettings;
  /** At least one; the first without `hosts` is the default for its addresses. */
  readonly sites: readonly Site[];
  /** Absolute paths that are never served: the configuration, password files, TLS keys. */
  readonly secrets: readonly string[];
  /** Failures of scripts are shown in the browser (`--dev`). */
  readonly dev: boolean;
}

/** An address to listen on. */
export type Listen =
  & {
    /** As written, for messages. */
    readonly text: string;
    readonly tls: { readonly cert: string; readonly key: string } | null;
    readonly proxyProtocol: boolean;
    readonly place: Place | null;
  }
  & (
    | { readonly transport: "tcp"; readonly hostname: string; readonly port: number }
    | { readonly transport: "unix"; readonly path: string; readonly mode: number | null }
  );

/** How lines of the access log are written; the last two, for people at a terminal, are `--dev`'s own choice. */
export type AccessFormat = "combined" | "common" | "json" | "readable" | "coloured";

/** Where and how to log. */
export interface LogConfig {
  /** `stdout`, `stderr`, `off`, or an absolute path. */
  readonly access: string;
  /** How a line of the access log is written. */
  readonly format: AccessFormat;
  /** `stderr` or an absolute path. */
  readonly error: string;
  /** The least level that the error log takes. */
  readonly level: LogLevel;
}

/** How much the error log says. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Bounds on what clients may send and hold. */
export interface Limits {
  /** The request line; beyond: 414. */
  readonly requestLineBytes: number;
  /** All fields of a request together; beyond: 431. */
  readonly headerBytes: number;
  /** Number of fields of a request; beyond: 431. */
  readonly headerCount: number;
  /** A request's body; beyond: 413. Infinity: `off`. */
  readonly bodyBytes: number;
  /** Connections at once; beyond: answered 503 and closed. */
  readonly connections: number;
  /** Connections at once from one address; beyond: 503. Infinity: `off`. */
  readonly connectionsPerIp: number;
  /** Bytes a second of a body, averaged over 10 s. */
  readonly minRate: number;
  /** Requests on one connection; it closes after the last. Infinity: `off`. */
  readonly requestsPerConnection: number;
}

/** Bounds on waits, in milliseconds. */
export interface Timeouts {
  /** From accept, or the first byte of a further request, to the end of the head; beyond: 408. */
  readonly headerMs: number;
  /** Between two reads of a body; beyond: 408. */
  readonly bodyMs: number;
  /** Idle between requests; beyond: closed. */
  readonly keepAliveMs: number;
  /** A response that makes no progress, on average `limits.minRate`; beyond: closed. */
  readonly writeMs: number;
  /** How long requests in flight may take when the server stops. */
  readonly shutdownMs: number;
}

/** Resource limits of a script, from a route's `limits`; null: not set. */
export interface ScriptLimits {
  /** Processor time. */
  readonly cpuSeconds: number | null;
  /** Address space. */
  readonly memoryBytes: number | null;
  /** Open files. */
  readonly files: number | null;
  /** Processes of the user that it runs as. */
  readonly processes: number | null;
}

/** How scripts are run: the `cgi` block with a route's keys over it. */
export interface CgiSettings {
  /** From the start to the end of the script's header, then between two signs of life; beyond: 504. */
  readonly timeoutMs: number;
  /** The script's whole run; beyond: 504. */
  readonly runLimitMs: number;
  /** The script's header; beyond: 502. */
  readonly headBytes: number;
  /** 0 to 19. */
  readonly nice: number;
  /** Infinity: `off`. */
  readonly clientGoneMs: number;
  /** Between SIGTERM and SIGKILL; 0: SIGKILL at once. */
  readonly killGraceMs: number;
  /** Scripts at once. */
  readonly maxProcesses: number;
  /** Requests that may wait for a place; beyond: 503. Infinity: `off`. */
  readonly queue: number;
  /** How long a request may wait for a place; beyond: 503. */
  readonly queueTimeoutMs: number;
  /** Extension with its dot to a command: `["python3"]`, `["php-cgi", "-q"]`, or `"shebang"`. */
  readonly interpreters: Readonly<Record<string, readonly string[] | "shebang">>;
  /** Names or absolute paths that a shebang line may name. */
  readonly programs: readonly string[];
  /** Added to every script's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Names of variables that are taken over from the server's own environment. */
  readonly passEnv: readonly string[];
  /** Whether scripts get HTTP_AUTHORIZATION. */
  readonly passAuthorization: boolean;
}

/** One site: the hosts it answers for and its routes. */
export interface Site {
  /** Lower case, without port; `*.example.org` stands for one label or more. Empty: the default site. */
  readonly hosts: readonly string[];
  /** Indexes into `Config.listen`. */
  readonly listen: readonly number[];
  /** The site's root: DOCUMENT_ROOT and PATH_TRANSLATED. Absolute. */
  readonly root: string;
  /** By status, the URL path whose answer is the error page's content. */
  readonly errorPages: Readonly<Record<number, string>>;
  /** Set on every response of the site. */
  readonly headers: readonly Field[];
  /** In the order of the file; the longest path that matches wins, whatever the order. */
  readonly routes: readonly Route[];
  /** Where it stands in the file. */
  readonly place: Place | null;
}

/** A route: a path, a handler, and modifiers. */
export interface Route {
  /** Position in the whole configuration; unique over all sites. */
  readonly id: number;
  /** Begins with a slash; ends with one unless it is one exact program or file. Matches whole segments either way. */
  readonly path: string;
  /** What answers. */
  readonly handler: HandlerConfig;
  /** null: the handler's own default. */
  readonly methods: readonly string[] | null;
  /** Who may use it by password; null: everybody. */
  readonly auth: AuthConfig | null;
  /** CIDRs; null: everybody. */
  readonly allow: readonly string[] | null;
  /** CIDRs; beats `allow`. */
  readonly deny: readonly string[];
  /** How often a client address may ask; null: always. */
  readonly rate: RateConfig | null;
  /** Set on every response of the route, over those of the site. */
  readonly headers: readonly Field[];
  /** Bytes; the site's `limits.body` where the route has none of its own. */
  readonly bodyLimitBytes: number;
  /** Whether text is compressed on the way. */
  readonly compress: boolean;
  /** Whether and how responses are kept and shared; null: not. */
  readonly cache: { readonly maxAgeMs: number; readonly sizeBytes: number } | null;
  /** Where it stands in the file. */
  readonly place: Place | null;
}

/** Who may use a route, by password. */
export interface AuthConfig {
  /** Absolute path of the htpasswd file. */
  readonly file: string;
  /** What the browser shows when it asks. */
  readonly realm: string;
  /** Only these methods need it; null: all. */
  readonly methods: readonly string[] | null;
}

/** How often a client address may ask. */
export interface RateConfig {
  /** How many requests ... */
  readonly requests: number;
  /** ... in how long. */
  readonly perMs: number;
  /** How many may come at once. */
  readonly burst: number;
}

/** Which symbolic links are followed: to targets inside the folder, all, none. */
export type FollowSymlinks = "inside" | "always" | "never";

/** What answers a route. */
export type HandlerConfig =
  | FilesHandlerConfig
  | CgiHandlerConfig
  | GatewayHandlerConfig
  | RedirectHandlerConfig
  | RespondHandlerConfig
  | { readonly kind: "status" };

/** `files: DIR`. */
export interface FilesHandlerConfig {
  /** What tells it from the other handlers. */
  readonly kind: "files";
  /** Absolute. */
  readonly dir: string;
  /** File names tried in order for a folder. */
  readonly index: readonly string[];
  /** Whether a folder without index is listed. */
  readonly list: boolean;
  /** A URL path; null: none. */
  readonly fallback: string | null;
  /** The Cache-Control of every file; null: none. */
  readonly cacheControl: string | null;
  /** Whether FILE.br or FILE.gz is served where the client takes it. */
  readonly precompressed: boolean;
  /** Whether dot files are served. */
  readonly hidden: boolean;
  /** Which symbolic links are followed. */
  readonly followSymlinks: FollowSymlinks;
  /** Extensions, with their dot, that run as CGI; with how they run. */
  readonly scripts: readonly string[];
  /** How the scripts among the files run. */
  readonly run: ScriptHandling;
}

/** `cgi: DIR or PROGRAM`. */
export interface CgiHandlerConfig {
  /** What tells it from the other handlers. */
  readonly kind: "cgi";
  /** Absolute: a folder of scripts or one program. */
  readonly target: string;
  /** Whether `target` was a folder when the configuration was read. */
  readonly isFolder: boolean;
  /** A script for the folder itself. */
  readonly index: readonly string[];
  /** Which symbolic links to scripts are followed. */
  readonly followSymlinks: FollowSymlinks;
  /** How the scripts run. */
  readonly run: ScriptHandling;
}

/** How the scripts of one route run. */
export interface ScriptHandling {
  /** The `cgi` settings of the route. */
  readonly settings: CgiSettings;
  /** Arguments of a program, before those of a search string. */
  readonly args: readonly string[];
  /** Absolute; null: the script's own folder. */
  readonly cwd: string | null;
  /** The user to run as; null: the server's own. */
  readonly user: string | null;
  /** The group to run as; null: the user's own. */
  readonly group: string | null;
  /** The file mode mask; null: the server's own. */
  readonly umask: number | null;
  /** What one script may use up. */
  readonly limits: ScriptLimits;
  /** Whether a header is expected, or all output is the body. */
  readonly output: "cgi" | "plain";
  /** The Content-Type of plain output; null: none given. */
  readonly contentType: string | null;
  /** Folders from which X-Sendfile may name a file. */
  readonly sendfile: readonly string[];
  /** Whether a request's body is kept whole before the script gets it. */
  readonly body: "auto" | "stream" | "buffer";
  /** The interpreter that is kept ready and forks for each request; null: none. */
  readonly warm: "python" | "perl" | null;
  /** Modules that a warm interpreter has imported beforehand. */
  readonly preload: readonly string[];
}

/** `fastcgi:` and `scgi:`. */
export interface GatewayHandlerConfig {
  /** The protocol; what tells it from the other handlers. */
  readonly kind: "fastcgi" | "scgi";
  /** Where the application listens; several are balanced. */
  readonly addresses: readonly (
    | { readonly transport: "tcp"; readonly hostname: string; readonly port: number }
    | { readonly transport: "unix"; readonly path: string }
  )[];
  /** The folder for SCRIPT_FILENAME, absolute. */
  readonly root: string;
  /** A script for a folder. */
  readonly index: readonly string[];
  /** Added to what the application gets. */
  readonly env: Readonly<Record<string, string>>;
  /** Between two signs of life of the application; beyond: 504. */
  readonly timeoutMs: number;
  /** Connections to the application at once, of the whole server. */
  readonly connections: number;
  /** Requests that may wait for a connection; beyond: 503. Infinity: `off`. */
  readonly queue: number;
  /** How long a request may wait for a connection; beyond: 503. */
  readonly queueTimeoutMs: number;
  /** How long the application goes on for a client that has closed its sending side; Infinity: `off`. */
  readonly clientGoneMs: number;
  /** Whether the application gets HTTP_AUTHORIZATION. */
  readonly passAuthorization: boolean;
  /** The header of the application's answer; beyond: 502. */
  readonly headBytes: number;
}

/** `redirect: TARGET`. */
export interface RedirectHandlerConfig {
  /** What tells it from the other handlers. */
  readonly kind: "redirect";
  /** With `{path}` and `{query}`. */
  readonly target: string;
  /** The status of the redirect. */
  readonly status: 301 | 302 | 303 | 307 | 308;
}

/** `respond: TEXT`. */
export interface RespondHandlerConfig {
  /** What tells it from the other handlers. */
  readonly kind: "respond";
  /** The content. */
  readonly text: string;
  /** The status of the answer. */
  readonly status: number;
  /** Fields of the answer, besides those of the route. */
  readonly headers: readonly Field[];
}
