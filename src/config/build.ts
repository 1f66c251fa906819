/**
 * The configuration from what was read and from the flags: sites, their routes and addresses, and what nobody may have
 * twice.
 *
 * @module
 */

import {
  baseCgi,
  buildRoute,
  type Cgi,
  fieldsOf,
  mergeCgi,
  needFolder,
  type RouteContext,
} from "./build_route.ts";
import { ListenTable } from "./build_listen.ts";
import type { CgiHandlerConfig, CgiSettings, Config, Place, Route, Site } from "./config.ts";
import type { FaultList } from "./fault_list.ts";
import { isLoopback, parseListenAddress } from "./address.ts";
import { extensionOf, isOfTheKernel, isWithin, resolveFrom, statOrNull } from "../paths.ts";
import type { KeyPath } from "./key_path.ts";
import { Refusal } from "./refusal.ts";
import { type FileInput, type ListenInput, LOG, SINGLE_SITE_KEYS, type SiteInput, TOP } from "./schema.ts";
import type { Type } from "./types.ts";
import * as v from "valibot";

/** What the command line says of the configuration; null where it says nothing. */
export interface ConfigFlags {
  /** `--listen`, each time. */
  readonly listen: readonly string[];
  /** `--root`, or the ROOT of the command line. */
  readonly root: string | null;
  /** `--cgi-bin`. */
  readonly cgiBin: string | null;
  /** `--workers`, unread. */
  readonly workers: string | null;
  /** `--log-format`, unread. */
  readonly logFormat: string | null;
  /** `--dev`. */
  readonly dev: boolean;
}

/** A command line that says nothing. */
export const NO_FLAGS: ConfigFlags = {
  listen: [],
  root: null,
  cgiBin: null,
  workers: null,
  logFormat: null,
  dev: false,
};

/** Where the configuration comes from. */
export interface BuildContext {
  /** The command line. */
  readonly flags: ConfigFlags;
  /** The working directory, from which flags count; absolute. */
  readonly cwd: string;
  /** The file, absolute; null without. */
  readonly file: string | null;
  /** What was read from the file, before any schema: it tells what was said from what is a default. */
  readonly said: Readonly<Record<string, unknown>>;
  /** Whether keys with faults were taken out, so that what is missing may not be missing. */
  readonly isPartial: boolean;
  /** The system's folder for temporary files. */
  readonly systemTemp: string;
  /** Where faults go. */
  readonly faults: FaultList;
  /** Where a value stands, where that is wanted. */
  readonly placeOf: (path: KeyPath) => Place | null;
}

/** A configuration with the paths of its keys. */
export interface Built {
  /** Complete and frozen; not to be used where there are faults. */
  readonly config: Config;
  /** The key of each route by its id: `sites[0].routes[1]`, or `--root`. */
  readonly routeKeys: ReadonlyMap<number, KeyPath | string>;
}

/** The file that is read where none is named, if it is there. */
export const DEFAULT_FILE = "pollux.yaml";
/** The folder that is served where nothing else is said. */
const DEFAULT_ROOT = "static";
/** The folder of scripts that is served, if it exists, where nothing else is said. */
const DEFAULT_CGI_BIN = "cgi-bin";

/** Makes the configuration; its faults are in `context.faults`. */
export function buildConfig(input: FileInput, context: BuildContext): Built {
  return new Builder(input, context).build();
}

/** A site before its routes are made. */
interface SitePlan {
  readonly input: SiteInput;
  readonly path: KeyPath;
}

class Builder {
  readonly #input: FileInput;
  readonly #context: BuildContext;
  readonly #faults: FaultList;
  /** The folder from which the file's paths count. */
  readonly #base: string;
  readonly #cgi: Cgi;
  readonly #listen: ListenTable;
  readonly #secrets = new Set<string>();
  readonly #routeKeys = new Map<number, KeyPath | string>();
  #nextRouteId = 0;

  constructor(input: FileInput, context: BuildContext) {
    this.#input = input;
    this.#context = context;
    this.#faults = context.faults;
    this.#base = context.file === null ? context.cwd : resolveFrom(context.file, "..");
    this.#cgi = baseCgi(input.cgi, this.#base);
    this.#listen = new ListenTable({ base: this.#base, faults: this.#faults, placeOf: context.placeOf });
    if (context.file !== null) this.#secrets.add(context.file);
  }

  build(): Built {
    const { flags, said } = this.#context;
    const plans = this.#plans();
    const topListen = flags.listen.length > 0
      ? this.#listen.add(this.#listenFlags(), (index) => `--listen ${flags.listen[index]}`)
      : said.listen !== undefined || plans.length === 0 ||
          plans.some(({ input }) => input.listen === undefined)
      ? this.#listen.add(this.#input.listen, (index) => ["listen", index])
      : [];
    const sites = plans.map((plan) => this.#site(plan, topListen));
    this.#checkHosts(sites, plans);
    const listen = this.#listen.listen;
    if (flags.listen.length === 0 && this.#input.listen.length === 0) {
      this.#faults.error(["listen"], "is empty: name an address, such as 127.0.0.1:8080");
    }
    for (const { input, path } of plans) {
      if (input.listen?.length === 0) {
        this.#faults.error([...path, "listen"], "is empty: name an address, or take the key out");
      }
    }
    if (flags.dev) this.#checkDev(listen);
    for (const one of listen) if (one.tls !== null) this.#secrets.add(one.tls.key);
    const { limits, timeouts } = this.#input;
    const config: Config = {
      file: this.#context.file,
      listen,
      workers: this.#workers(),
      temp: this.#temp(),
      trustedProxies: this.#input.trusted_proxies,
      log: this.#log(),
      limits: {
        requestLineBytes: limits.request_line,
        headerBytes: limits.header_bytes,
        headerCount: limits.header_count,
        bodyBytes: limits.body,
        connections: limits.connections,
        connectionsPerIp: limits.connections_per_ip,
        minRate: limits.min_rate,
        requestsPerConnection: limits.requests_per_connection,
      },
      timeouts: {
        headerMs: timeouts.header,
        bodyMs: timeouts.body,
        keepAliveMs: timeouts.keep_alive,
        writeMs: timeouts.write,
        shutdownMs: timeouts.shutdown,
      },
      cgi: this.#cgi.settings,
      sites,
      secrets: [...this.#secrets],
      dev: flags.dev,
    };
    return { config: deepFreeze(config), routeKeys: this.#routeKeys };
  }

  /** The sites of the file, or the one that stands at its top level. */
  #plans(): SitePlan[] {
    const { said, flags } = this.#context;
    const { sites } = this.#input;
    if (sites === undefined) {
      const { host, root, index, error_pages, headers, routes } = this.#input;
      const input = { host, root, index, error_pages, headers, routes, listen: undefined, cgi: undefined };
      return [{ input, path: [] }];
    }
    for (const name of SINGLE_SITE_KEYS) {
      if (said[name] === undefined) continue;
      this.#faults.error([name], "stands at the top level beside sites: move it into a site", "key");
    }
    if (sites.length === 0) this.#faults.error(["sites"], "is empty: write a site, or take the key out");
    for (const [name, value] of [["--root", flags.root], ["--cgi-bin", flags.cgiBin]] as const) {
      if (value === null || sites.length < 2) continue;
      this.#faults.error(
        name,
        "goes with one site, and the configuration has several: change the file instead",
      );
    }
    return sites.map((input, index) => ({ input, path: ["sites", index] }));
  }

  #site({ input, path }: SitePlan, topListen: readonly number[]): Site {
    const { flags, cwd } = this.#context;
    const listen = input.listen === undefined
      ? topListen
      : this.#listen.add(input.listen, (index) => [...path, "listen", index]);
    const isBare = path.length === 0 && input.root === undefined && input.routes.length === 0;
    const root = this.#rootOf(input);
    const context: RouteContext = {
      base: this.#base,
      faults: this.#faults,
      placeOf: this.#context.placeOf,
      cgi: input.cgi === undefined ? this.#cgi : mergeCgi(this.#cgi, input.cgi, this.#base),
      root,
      index: input.index,
      bodyLimitBytes: this.#input.limits.body,
      addSecret: (file) => this.#secrets.add(file),
    };
    const routes = new Map<string, Route>();
    for (const [index, one] of input.routes.entries()) {
      const routePath = [...path, "routes", index];
      const id = this.#nextRouteId++;
      this.#routeKeys.set(id, routePath);
      const route = buildRoute(one, id, routePath, context);
      if (route !== null) this.#addRoute(routes, route);
    }
    const add = (route: Route | null) => {
      if (route !== null) routes.set(route.path, route);
    };
    if (flags.root !== null) {
      add(this.#rootRoute(resolveFrom(cwd, flags.root), "--root", context));
    } else if (input.root !== undefined) {
      // A route of one's own at / is heard before the short form, whose folder is DOCUMENT_ROOT all the same.
      if (
        needFolder(
          root,
          [...path, "root"],
          this.#faults,
          "for one script write a route { path: /, cgi: PROGRAM }",
        )
      ) {
        if (!routes.has("/")) {
          add(this.#filesRoute(root, [...path, "root"], context));
        }
      }
    } else if (isBare && statOrNull(root)?.isDirectory === true) {
      add(this.#filesRoute(root, [], context));
    }
    if (flags.cgiBin !== null) {
      add(this.#cgiRoute("/cgi-bin/", resolveFrom(cwd, flags.cgiBin), "--cgi-bin", context));
    } else if (isBare && routes.get("/")?.handler.kind !== "cgi") {
      // Scripts below the folder that is served are run too, as elsewhere: never sent as text for want of a flag.
      const folder = [this.#base, root].map((base) => resolveFrom(base, DEFAULT_CGI_BIN))
        .find((path) => statOrNull(path)?.isDirectory === true);
      if (folder !== undefined) add(this.#cgiRoute("/cgi-bin/", folder, [], context));
    }
    if (routes.size === 0) this.#sayNothingToServe(path, input);
    return {
      hosts: input.host,
      listen,
      root,
      errorPages: input.error_pages,
      headers: fieldsOf(input.headers),
      routes: [...routes.values()],
      place: path.length === 0 ? null : this.#context.placeOf(path),
    };
  }

  /** The site's root: what is said, or else the folder of the files route at /, or else the usual name. */
  #rootOf(input: SiteInput): string {
    const { flags, cwd } = this.#context;
    if (flags.root !== null) {
      const root = resolveFrom(cwd, flags.root);
      return statOrNull(root)?.isFile === true ? resolveFrom(root, "..") : root;
    }
    if (input.root !== undefined) return resolveFrom(this.#base, input.root);
    for (const route of input.routes) {
      if (route.handler === "files" && route.keys.path === "/" && route.keys.files !== undefined) {
        return resolveFrom(this.#base, route.keys.files);
      }
    }
    return resolveFrom(this.#base, DEFAULT_ROOT);
  }

  #addRoute(routes: Map<string, Route>, route: Route): void {
    const twin = routes.get(route.path);
    if (twin === undefined) {
      routes.set(route.path, route);
      return;
    }
    const path = this.#routeKeys.get(route.id);
    const other = this.#routeKeys.get(twin.id);
    if (path === undefined || other === undefined || typeof path === "string" || typeof other === "string") {
      return;
    }
    this.#faults.error(
      [...path, "path"],
      (lineOf) => `${route.path} has a route already, in ${lineOf([...other, "path"])}: keep one`,
    );
  }

  /** What a ROOT of the command line stands for: a folder of files, or one script. */
  #rootRoute(root: string, flag: string, context: RouteContext): Route | null {
    const found = statOrNull(root);
    if (found?.isFile === true) {
      const isMapped = Object.hasOwn(context.cgi.settings.interpreters, extensionOf(root));
      if (isMapped || found.mode === null || (found.mode & 0o111) !== 0) {
        return this.#cgiRoute("/", root, flag, context);
      }
      this.#faults.error(flag, `${root} is no script: chmod +x ${root}, or name the folder that it lies in`);
      return null;
    }
    if (!needFolder(root, flag, this.#faults, "name a folder, or one script")) return null;
    const own = resolveFrom(root, DEFAULT_FILE);
    if (own !== this.#context.file && statOrNull(own) !== null) {
      context.addSecret(own);
      this.#faults.warn(flag, `${own} is there and not read: pollux --config ${own} serves what it says`);
    }
    // Who names a folder and writes no configuration wants to see what is in it.
    return this.#filesRoute(root, flag, context, this.#context.file === null);
  }

  #filesRoute(dir: string, key: KeyPath | string, context: RouteContext, list = false): Route {
    return this.#plainRoute("/", key, {
      kind: "files",
      dir,
      index: context.index,
      list,
      fallback: null,
      cacheControl: null,
      precompressed: true,
      hidden: false,
      followSymlinks: "inside",
      scripts: [],
      run: plainRun(context.cgi.settings),
    }, context);
  }

  #cgiRoute(path: string, target: string, key: KeyPath | string, context: RouteContext): Route | null {
    const found = statOrNull(target);
    if (found === null || !(found.isDirectory || found.isFile)) {
      this.#faults.error(key, `there is no folder or program ${target}`);
      return null;
    }
    const handler: CgiHandlerConfig = {
      kind: "cgi",
      target,
      isFolder: found.isDirectory,
      index: [],
      followSymlinks: "inside",
      run: plainRun(context.cgi.settings),
    };
    return this.#plainRoute(path, key, handler, context);
  }

  #plainRoute(path: string, key: KeyPath | string, handler: Route["handler"], context: RouteContext): Route {
    const id = this.#nextRouteId++;
    this.#routeKeys.set(id, key);
    return {
      id,
      path,
      handler,
      methods: null,
      auth: null,
      allow: null,
      deny: [],
      rate: null,
      headers: [],
      bodyLimitBytes: context.bodyLimitBytes,
      compress: handler.kind === "files",
      cache: null,
      place: typeof key === "string" ? null : context.placeOf(key),
    };
  }

  #sayNothingToServe(path: KeyPath, input: SiteInput): void {
    // A route with a fault, or a root that does not exist, has been named already.
    if (this.#context.isPartial || input.routes.length > 0 || input.root !== undefined) return;
    const { flags, file } = this.#context;
    if (flags.root !== null || flags.cgiBin !== null) return;
    if (path.length > 0) {
      this.#faults.error(path, "has neither root nor routes: add root: ./static");
    } else if (file === null) {
      this.#faults.error(
        "",
        `there is nothing to serve: no pollux.yaml, no folder ${DEFAULT_ROOT} and no folder ${DEFAULT_CGI_BIN} in ` +
          `${this.#base}; name a folder (pollux DIR), or make a site with pollux init`,
      );
    } else {
      this.#faults.error([], `has neither root nor routes: add root: ./${DEFAULT_ROOT}`);
    }
  }

  /** A host, and the place of the default site, is one site's on each address. */
  #checkHosts(sites: readonly Site[], plans: readonly SitePlan[]): void {
    const owners = new Map<string, number>();
    for (const [index, site] of sites.entries()) {
      const hosts = site.hosts.length === 0 ? [""] : site.hosts;
      const said = new Set<string>();
      for (const [at, host] of hosts.entries()) {
        const path = host === "" ? plans[index].path : [...plans[index].path, "host", at];
        if (said.has(host)) {
          this.#faults.error(path, `${host} stands twice: keep one`);
          continue;
        }
        said.add(host);
        const owner = site.listen.map((listen) => owners.get(`${listen} ${host}`)).find((found) =>
          found !== undefined
        );
        for (const listen of site.listen) owners.set(`${listen} ${host}`, index);
        if (owner === undefined || this.#context.isPartial) continue;
        const other = plans[owner].path;
        this.#faults.error(
          path,
          (lineOf) =>
            host === ""
              ? `has no host, and neither has the site in ${
                lineOf(other)
              }: one site is the default; add host: example.org`
              : `${host} is a host of the site in ${lineOf(other)} too: keep one`,
        );
      }
    }
  }

  #listenFlags(): ListenInput[] {
    const inputs: ListenInput[] = [];
    for (const text of this.#context.flags.listen) {
      const address = parseListenAddress(text);
      if (address instanceof Refusal) this.#faults.error("--listen", address.message);
      // A socket that a flag names lies where the user is, not where the file is.
      else if (address.transport === "tcp") {
        inputs.push({ address, tls: undefined, proxy_protocol: undefined, mode: undefined });
      } else {
        const path = resolveFrom(this.#context.cwd, address.path);
        inputs.push({
          address: { transport: "unix", path },
          tls: undefined,
          proxy_protocol: undefined,
          mode: undefined,
        });
      }
    }
    return inputs;
  }

  #checkDev(listen: Config["listen"]): void {
    const open = listen.find((one) => !isLoopback(one));
    if (open === undefined) return;
    this.#faults.error(
      "--dev",
      `${open.text} can be reached from other machines, and --dev shows them what scripts print: listen on 127.0.0.1`,
    );
  }

  #workers(): number {
    const { workers } = this.#context.flags;
    const said = workers === null ? this.#input.workers : this.#flag("--workers", TOP.workers.type, workers);
    return said === "auto" ? navigator.hardwareConcurrency : said ?? 1;
  }

  #temp(): string {
    if (this.#input.temp === undefined) return this.#context.systemTemp;
    const temp = resolveFrom(this.#base, this.#input.temp);
    needFolder(temp, ["temp"], this.#faults, "bodies are kept in a folder");
    return temp;
  }

  #log(): Config["log"] {
    const { log } = this.#input;
    const format = this.#context.flags.logFormat;
    const file = (name: "access" | "error", words: readonly string[]): string => {
      if (words.includes(log[name])) return log[name];
      const path = resolveFrom(this.#base, log[name]);
      if (isOfTheKernel(path)) {
        const word = path === "/dev/null" ? "off" : path.replace("/dev/", "");
        const remedy = `write ${words.includes(word) ? word : `${words.join(", ")} or a file elsewhere`}`;
        this.#faults.error(["log", name], `${path} cannot be opened by a program on Deno: ${remedy}`);
        return path;
      }
      const folder = resolveFrom(path, "..");
      if (statOrNull(folder)?.isDirectory !== true) {
        this.#faults.error(["log", name], `there is no folder ${folder} for the log: make it first`);
      } else if (statOrNull(path)?.isDirectory === true) {
        this.#faults.error(["log", name], `${path} is a folder: name a file`);
      } else if (
        this.#input.root !== undefined && isWithin(resolveFrom(this.#base, this.#input.root), path)
      ) {
        this.#faults.warn(["log", name], `${path} lies in the folder that is served: everybody can read it`);
        this.#secrets.add(path);
      }
      return path;
    };
    return {
      access: file("access", ["stdout", "stderr", "off"]),
      format: format === null
        ? log.format
        : this.#flag("--log-format", LOG.format.type, format) ?? log.format,
      error: file("error", ["stderr"]),
      level: log.level,
    };
  }

  #flag<T>(flag: string, type: Type<T>, text: string): T | null {
    const result = v.safeParse(type, text);
    if (result.success) return result.output;
    for (const issue of result.issues) this.#faults.error(flag, issue.message);
    return null;
  }
}

function plainRun(settings: CgiSettings) {
  return {
    settings,
    args: [],
    cwd: null,
    user: null,
    group: null,
    umask: null,
    limits: { cpuSeconds: null, memoryBytes: null, files: null, processes: null },
    output: "cgi",
    contentType: null,
    sendfile: [],
    body: "auto",
    warm: null,
    preload: [],
  } as const;
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
