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
  readonly line: number;
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
  readonly log: LogConfig;
  readonly limits: Limits;
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

/** Where and how to log. */
export interface LogConfig {
  /** `stdout`, `stderr`, `off`, or an absolute path. */
  readonly access: string;
  readonly format: "combined" | "common" | "json";
  /** `stderr` or an absolute path. */
  readonly error: string;
  readonly level: LogLevel;
}

/** How much the error log says. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Bounds on what clients may send and hold. */
export interface Limits {
  readonly requestLineBytes: number;
  readonly headerBytes: number;
  readonly headerCount: number;
  readonly bodyBytes: number;
  readonly connections: number;
  readonly connectionsPerIp: number;
  /** Bytes a second of a body, averaged over 10 s. */
  readonly minRate: number;
  readonly requestsPerConnection: number;
}

/** Bounds on waits, in milliseconds. */
export interface Timeouts {
  readonly headerMs: number;
  readonly bodyMs: number;
  readonly keepAliveMs: number;
  readonly writeMs: number;
  readonly shutdownMs: number;
}

/** Resource limits of a script, from a route's `limits`; null: not set. */
export interface ScriptLimits {
  readonly cpuSeconds: number | null;
  readonly memoryBytes: number | null;
  readonly files: number | null;
  readonly processes: number | null;
}

/** How scripts are run: the `cgi` block with a route's keys over it. */
export interface CgiSettings {
  readonly timeoutMs: number;
  readonly runLimitMs: number;
  readonly headBytes: number;
  /** 0 to 19. */
  readonly nice: number;
  /** Infinity: `off`. */
  readonly clientGoneMs: number;
  readonly killGraceMs: number;
  readonly maxProcesses: number;
  readonly queue: number;
  readonly queueTimeoutMs: number;
  /** Extension with its dot to a command: `["python3"]`, `["php-cgi", "-q"]`, or `"shebang"`. */
  readonly interpreters: Readonly<Record<string, readonly string[] | "shebang">>;
  /** Names or absolute paths that a shebang line may name. */
  readonly programs: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly passEnv: readonly string[];
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
  readonly errorPages: Readonly<Record<number, string>>;
  readonly headers: readonly Field[];
  readonly routes: readonly Route[];
  readonly place: Place | null;
}

/** A route: a path, a handler, and modifiers. */
export interface Route {
  /** Position in the whole configuration; unique over all sites. */
  readonly id: number;
  /** Begins with a slash; ends with one unless it is one exact program or file. Matches whole segments either way. */
  readonly path: string;
  readonly handler: HandlerConfig;
  /** null: the handler's own default. */
  readonly methods: readonly string[] | null;
  readonly auth: AuthConfig | null;
  /** CIDRs; null: everybody. */
  readonly allow: readonly string[] | null;
  readonly deny: readonly string[];
  readonly rate: RateConfig | null;
  readonly headers: readonly Field[];
  /** Bytes; the site's `limits.body` where the route has none of its own. */
  readonly bodyLimitBytes: number;
  readonly compress: boolean;
  readonly cache: { readonly maxAgeMs: number; readonly sizeBytes: number } | null;
  readonly place: Place | null;
}

/** Who may use a route, by password. */
export interface AuthConfig {
  /** Absolute path of the htpasswd file. */
  readonly file: string;
  readonly realm: string;
  /** Only these methods need it; null: all. */
  readonly methods: readonly string[] | null;
}

/** How often a client address may ask. */
export interface RateConfig {
  readonly requests: number;
  readonly perMs: number;
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
  readonly kind: "files";
  /** Absolute. */
  readonly dir: string;
  /** File names tried in order for a folder. */
  readonly index: readonly string[];
  readonly list: boolean;
  /** A URL path; null: none. */
  readonly fallback: string | null;
  readonly cacheControl: string | null;
  readonly precompressed: boolean;
  readonly hidden: boolean;
  readonly followSymlinks: FollowSymlinks;
  /** Extensions, with their dot, that run as CGI; with how they run. */
  readonly scripts: readonly string[];
  readonly run: ScriptHandling;
}

/** `cgi: DIR or PROGRAM`. */
export interface CgiHandlerConfig {
  readonly kind: "cgi";
  /** Absolute: a folder of scripts or one program. */
  readonly target: string;
  /** Whether `target` was a folder when the configuration was read. */
  readonly isFolder: boolean;
  /** A script for the folder itself. */
  readonly index: readonly string[];
  readonly followSymlinks: FollowSymlinks;
  readonly run: ScriptHandling;
}

/** How the scripts of one route run. */
export interface ScriptHandling {
  readonly settings: CgiSettings;
  readonly args: readonly string[];
  /** Absolute; null: the script's own folder. */
  readonly cwd: string | null;
  readonly user: string | null;
  readonly group: string | null;
  readonly umask: number | null;
  readonly limits: ScriptLimits;
  readonly output: "cgi" | "plain";
  readonly contentType: string | null;
  /** Folders from which X-Sendfile may name a file. */
  readonly sendfile: readonly string[];
  readonly body: "auto" | "stream" | "buffer";
  readonly warm: "python" | "perl" | null;
  readonly preload: readonly string[];
}

/** `fastcgi:` and `scgi:`. */
export interface GatewayHandlerConfig {
  readonly kind: "fastcgi" | "scgi";
  readonly addresses: readonly (
    | { readonly transport: "tcp"; readonly hostname: string; readonly port: number }
    | { readonly transport: "unix"; readonly path: string }
  )[];
  readonly root: string;
  readonly index: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly connections: number;
  readonly passAuthorization: boolean;
  readonly headBytes: number;
}

/** `redirect: TARGET`. */
export interface RedirectHandlerConfig {
  readonly kind: "redirect";
  /** With `{path}` and `{query}`. */
  readonly target: string;
  readonly status: 301 | 302 | 303 | 307 | 308;
}

/** `respond: TEXT`. */
export interface RespondHandlerConfig {
  readonly kind: "respond";
  readonly text: string;
  readonly status: number;
  readonly headers: readonly Field[];
}
