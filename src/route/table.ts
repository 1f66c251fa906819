/**
 * Which site and which route take a request.
 *
 * A site is found by listener and host, a route by the whole segments of the path; the longest match wins. Neither
 * costs more with more sites or routes: hosts are looked up in maps, paths walk a tree that ends where no route goes on.
 * What answers a route is the caller's: it keeps that by `route.id`.
 *
 * @module
 */

import type { Config, Route, Site } from "../config/config.ts";

/** The sites of every listener. */
export interface Table {
  /** By their index in `Config.listen`. */
  readonly listeners: readonly Listener[];
}

/** The sites of one listener. */
export interface Listener {
  /** The site for a host that no other claims. */
  readonly fallback: SiteRoutes;
  /** Sites by their whole host. */
  readonly exact: ReadonlyMap<string, SiteRoutes>;
  /** Sites by what follows `*.`; the key is empty for `*` alone. */
  readonly wildcard: ReadonlyMap<string, SiteRoutes>;
  /** Whether there are any of these: otherwise every host leads to `fallback`. */
  readonly hasHosts: boolean;
}

/** A site and the tree of its routes. */
export interface SiteRoutes {
  /** The site. */
  readonly site: Site;
  /** The routes at `/` and below. */
  readonly root: PathNode;
}

/** The routes at one path, and below it by their next segment. */
export interface PathNode {
  /** The route whose path ends here, without a slash. */
  readonly exact: Route | null;
  /** The route whose path ends here with a slash. */
  readonly folder: Route | null;
  /** The nodes below; null without. */
  readonly children: ReadonlyMap<string, PathNode> | null;
}

/** The route that takes a path. */
export interface RouteMatch {
  /** The route. */
  readonly route: Route;
  /** The path below the route: empty, or beginning with a slash. */
  readonly rest: string;
  /** The path names a folder's route without its slash: a redirect to the same with the slash is the answer (308). */
  readonly lacksSlash: boolean;
}

/** Prepares the lookup of every site and route. */
export function buildTable(config: Config): Table {
  const sites = config.sites.map((site): SiteRoutes => ({ site, root: buildTree(site.routes) }));
  return {
    listeners: config.listen.map((_, index) =>
      buildListener(sites.filter(({ site }) => site.listen.includes(index)), sites)
    ),
  };
}

/**
 * The site that answers for a host on a listener: the one that names it, then the longest wildcard, then the first site
 * without hosts, then the first site of the listener.
 *
 * @param listen The index of the listener's address in `Config.listen`.
 * @param host As the Host field or the target's authority has it; empty for none. An IPv6 address may lack its brackets.
 */
export function findSite(table: Table, listen: number, host: string): SiteRoutes {
  const listener = table.listeners[listen];
  const name = bareHost(host);
  const exact = listener.exact.get(name);
  if (exact !== undefined) return exact;
  if (listener.wildcard.size > 0 && name !== "") {
    // An address has no labels: `*.1` is nobody's idea of 127.0.0.1, and only `*` alone takes it.
    let dot = name.includes(":") || /^[0-9.]+$/.test(name) ? -1 : name.indexOf(".");
    for (; dot !== -1; dot = name.indexOf(".", dot + 1)) {
      const site = listener.wildcard.get(name.slice(dot + 1));
      if (site !== undefined) return site;
    }
    return listener.wildcard.get("") ?? listener.fallback;
  }
  return listener.fallback;
}

/**
 * The route with the longest path that takes `path`, whole segments only; null when none does. Empty segments do not count.
 *
 * @param path Decoded, beginning with a slash, without dot segments.
 */
export function matchRoute(site: SiteRoutes, path: string): RouteMatch | null {
  const root = site.root;
  let best = root.folder;
  let bestEnd = 0;
  let node: PathNode | undefined = root;
  let start = 1;
  while (node.children !== null) {
    const slash = path.indexOf("/", start);
    const end = slash === -1 ? path.length : slash;
    if (slash === start) {
      // `//private/x` is `/private/x` to a file system, so it meets the same route and its rules.
      start++;
      continue;
    }
    node = node.children.get(path.slice(start, end));
    if (node === undefined) break;
    if (slash === -1) {
      // The path ends here: a route of just this path, or else a folder's that lacks its slash.
      if (node.exact !== null) return { route: node.exact, rest: "", lacksSlash: false };
      if (node.folder !== null) return { route: node.folder, rest: "", lacksSlash: true };
      break;
    }
    const here: Route | null = node.folder ?? node.exact;
    if (here !== null) {
      best = here;
      bestEnd = end;
    }
    start = end + 1;
  }
  if (best === null) return null;
  return { route: best, rest: bestEnd === 0 ? path : path.slice(bestEnd), lacksSlash: false };
}

interface MutableNode {
  exact: Route | null;
  folder: Route | null;
  children: Map<string, MutableNode> | null;
}

function buildTree(routes: readonly Route[]): PathNode {
  const root: MutableNode = { exact: null, folder: null, children: null };
  for (const route of routes) {
    if (route.path === "/") {
      root.folder = route;
      continue;
    }
    const isFolder = route.path.endsWith("/");
    const segments = route.path.slice(1, isFolder ? -1 : undefined).split("/");
    let node = root;
    for (const segment of segments) {
      node.children ??= new Map();
      let child = node.children.get(segment);
      if (child === undefined) {
        child = { exact: null, folder: null, children: null };
        node.children.set(segment, child);
      }
      node = child;
    }
    if (isFolder) node.folder = route;
    else node.exact = route;
  }
  return root;
}

function buildListener(own: readonly SiteRoutes[], all: readonly SiteRoutes[]): Listener {
  const exact = new Map<string, SiteRoutes>();
  const wildcard = new Map<string, SiteRoutes>();
  for (const entry of own) {
    for (const host of entry.site.hosts) {
      if (host === "*") wildcard.set("", entry);
      else if (host.startsWith("*.")) wildcard.set(host.slice(2), entry);
      else exact.set(host, entry);
    }
  }
  // A listener without any site is nowhere in a loaded configuration; one that is built by hand gets the first.
  const fallback = own.find(({ site }) => site.hosts.length === 0) ?? own[0] ?? all[0];
  return { fallback, exact, wildcard, hasHosts: exact.size + wildcard.size > 0 };
}

/** In lower case, without port, the brackets of IPv6, and the dot of the DNS root. */
function bareHost(host: string): string {
  if (host.startsWith("[")) return host.slice(1, host.indexOf("]")).toLowerCase();
  const colon = host.indexOf(":");
  // An IPv6 address without brackets has more than one.
  let end = colon === -1 || host.includes(":", colon + 1) ? host.length : colon;
  if (host[end - 1] === ".") end--;
  return host.slice(0, end).toLowerCase();
}
