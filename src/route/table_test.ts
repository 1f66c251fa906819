import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import type { Config, Route, Site } from "../config/config.ts";
import { buildTable, findSite, matchRoute, type RouteMatch, type SiteRoutes } from "./table.ts";

let nextId = 0;

function route(path: string): Route {
  return {
    id: nextId++,
    path,
    handler: { kind: "respond", text: path, status: 200, headers: [] },
    methods: null,
    auth: null,
    allow: null,
    deny: [],
    rate: null,
    headers: [],
    bodyLimitBytes: 0,
    compress: false,
    cache: null,
    place: null,
  };
}

function site(hosts: string[], paths: string[] = ["/"], listen: number[] = [0]): Site {
  return { hosts, listen, root: "/srv", errorPages: {}, headers: [], routes: paths.map(route), place: null };
}

function tableOf(sites: Site[], listeners = 1) {
  const listen = Array.from(
    { length: listeners },
    (_, port) => ({ transport: "tcp", hostname: "127.0.0.1", port }),
  );
  return buildTable({ sites, listen } as unknown as Config);
}

function siteOf(paths: string[]): SiteRoutes {
  return findSite(tableOf([site([], paths)]), 0, "");
}

/** `ROUTE REST`, with `308` where the slash is missing. */
function said(match: RouteMatch | null): string | null {
  return match === null ? null : `${match.route.path} ${match.lacksSlash ? "308" : `"${match.rest}"`}`;
}

function matches(paths: string[], expected: Record<string, string | null>): void {
  const routes = siteOf(paths);
  for (const [path, wanted] of Object.entries(expected)) {
    assertEquals(said(matchRoute(routes, path)), wanted, path);
  }
}

function pure(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

pure("matchRoute() gives a site with one route everything, unchanged", () => {
  matches(["/"], { "/": '/ "/"', "/a/b": '/ "/a/b"', "//": '/ "//"', "//a": '/ "//a"' });
});

pure("matchRoute() takes the folder's path off and leaves its slash", () => {
  matches(["/cgi-bin/"], {
    "/cgi-bin/": '/cgi-bin/ "/"',
    "/cgi-bin/x": '/cgi-bin/ "/x"',
    "/cgi-bin/x/y": '/cgi-bin/ "/x/y"',
    "/cgi-bin//x": '/cgi-bin/ "//x"',
  });
});

pure("matchRoute() marks a folder's route without its slash", () => {
  matches(["/", "/a/b/"], { "/a/b": "/a/b/ 308", "/a/b/": '/a/b/ "/"', "/a": '/ "/a"' });
});

pure("matchRoute() matches whole segments only", () => {
  matches(["/app"], {
    "/app": '/app ""',
    "/app/": '/app "/"',
    "/app/x": '/app "/x"',
    "/apple": null,
    "/ap": null,
    "/App": null,
    "/": null,
  });
});

pure("matchRoute() lets the longest path win, in any order", () => {
  for (const paths of [["/", "/a/", "/a/b/c/"], ["/a/b/c/", "/a/", "/"]]) {
    matches(paths, {
      "/a/b/c/d": '/a/b/c/ "/d"',
      "/a/b/d": '/a/ "/b/d"',
      "/a/b/": '/a/ "/b/"',
      "/b": '/ "/b"',
    });
  }
});

pure("matchRoute() returns to the shorter path when a longer one leads nowhere", () => {
  matches(["/a/", "/a/b/c/d"], {
    "/a/b/c/x": '/a/ "/b/c/x"',
    "/a/b/c": '/a/ "/b/c"',
    "/a/b/c/d": '/a/b/c/d ""',
  });
});

pure("matchRoute() keeps a path and the folder of the same name apart", () => {
  matches(["/docs", "/docs/"], { "/docs": '/docs ""', "/docs/": '/docs/ "/"', "/docs/x": '/docs/ "/x"' });
});

pure("matchRoute() finds nothing where no route takes the root", () => {
  matches(["/a/"], { "/": null, "/b": null, "//b/": null });
});

pure(
  "matchRoute() takes no account of empty segments, so that no run of slashes passes by a route's rules",
  () => {
    matches(["/", "/private/"], {
      "//private/x": '/private/ "/x"',
      "/private//x": '/private/ "//x"',
      "///private": "/private/ 308",
      "//": '/ "//"',
    });
  },
);

pure("findSite() prefers the whole host, then the longest wildcard, then the site without hosts", () => {
  const table = tableOf([
    site(["*.example.org"]),
    site(["example.org", "www.example.org"]),
    site([]),
    site(["*.b.example.org"]),
  ]);
  const hosts = (host: string) => findSite(table, 0, host).site.hosts;
  assertEquals(hosts("example.org"), ["example.org", "www.example.org"]);
  assertEquals(hosts("www.example.org"), ["example.org", "www.example.org"]);
  assertEquals(hosts("a.example.org"), ["*.example.org"]);
  assertEquals(hosts("x.y.example.org"), ["*.example.org"]);
  assertEquals(hosts("a.b.example.org"), ["*.b.example.org"]);
  assertEquals(hosts("b.example.org"), ["*.example.org"]);
  assertEquals(hosts("badexample.org"), []);
  assertEquals(hosts("example.org."), ["example.org", "www.example.org"]);
  assertEquals(hosts("Example.ORG:8080"), ["example.org", "www.example.org"]);
  assertEquals(hosts("a.example.org.:80"), ["*.example.org"]);
  assertEquals(hosts("127.0.0.1"), []);
  assertEquals(hosts(""), []);
});

pure("findSite() gives the listener's first site where none is the default", () => {
  const table = tableOf([site(["a"]), site(["b"]), site(["c"], ["/"], [1])], 2);
  assertEquals(findSite(table, 0, "x").site.hosts, ["a"]);
  assertEquals(findSite(table, 1, "a").site.hosts, ["c"]);
});

pure("findSite() takes * alone for every host, an address too", () => {
  const table = tableOf([site(["a"]), site(["*"])]);
  assertEquals(findSite(table, 0, "x.y").site.hosts, ["*"]);
  assertEquals(findSite(table, 0, "127.0.0.1").site.hosts, ["*"]);
  assertEquals(findSite(table, 0, "a").site.hosts, ["a"]);
});

pure("findSite() never reads an address as labels, and takes IPv6 with brackets", () => {
  const table = tableOf([site([]), site(["*.0.0.1"]), site(["::1"])]);
  assertEquals(findSite(table, 0, "127.0.0.1").site.hosts, []);
  assertEquals(findSite(table, 0, "[::1]").site.hosts, ["::1"]);
  assertEquals(findSite(table, 0, "[::1]:80").site.hosts, ["::1"]);
  assertEquals(findSite(table, 0, "::1").site.hosts, ["::1"]);
});

pure("1,000 sites and 10,000 routes are each found", () => {
  const sites = Array.from({ length: 1000 }, (_, index) => site([`s${index}.example.org`]));
  const paths = Array.from({ length: 10_000 }, (_, index) => `/${index % 100}/${index}/`);
  const table = tableOf([...sites, site([], paths)]);
  for (const [index, one] of sites.entries()) {
    assertStrictEquals(findSite(table, 0, `s${index}.example.org`).site, one);
  }
  const many = findSite(table, 0, "");
  for (const path of paths) assertEquals(said(matchRoute(many, `${path}x`)), `${path} "/x"`);
});

/** How often a map is asked while `fn` runs. */
function lookups(fn: () => void): number {
  const get = Map.prototype.get;
  let count = 0;
  Map.prototype.get = function (this: Map<unknown, unknown>, key: unknown): unknown {
    count++;
    return get.call(this, key);
  };
  try {
    fn();
  } finally {
    Map.prototype.get = get;
  }
  return count;
}

pure("to find a site and a route takes as many lookups among thousands as among two", () => {
  const cost = (siteCount: number, routeCount: number) => {
    const sites = Array.from({ length: siteCount }, (_, index) => site([`s${index}.example.org`]));
    const wild = site(["*.example.net"]);
    const paths = Array.from({ length: routeCount }, (_, index) => `/a/${index}/`);
    const table = tableOf([...sites, wild, site([], paths)]);
    const many = findSite(table, 0, "");
    return [
      lookups(() => findSite(table, 0, "s1.example.org")),
      lookups(() => findSite(table, 0, "x.y.example.net")),
      lookups(() => findSite(table, 0, "nowhere.example.com")),
      lookups(() => matchRoute(many, "/a/1/b/c")),
      lookups(() => matchRoute(many, "/a/none/b/c")),
    ];
  };
  assertEquals(cost(1000, 10_000), cost(2, 2));
  for (const count of cost(2, 2)) assert(count > 0 && count < 10, String(count));
});
