/**
 * What is measured, suite by suite, with its goals.
 *
 * @module
 */

import { ask, curl, eventDelays, hammer, idle, type Load, type Sample, warmUp, wrk } from "./load.ts";
import { type Contender, type Goal, goal, type Row } from "./row.ts";
import { startApache, startLighttpd, startNginx } from "./peers.ts";
import { polluxCommand, polluxConfig, type Server, startPollux, startYardstick } from "./servers.ts";
import { type BenchSite, CROWD } from "./site.ts";
import { exactCpuMicros, output, usageOf } from "./usage.ts";

/** The servers that run all the time; those that are not installed are null. */
export interface Field {
  readonly pollux: Server;
  readonly bare: Server;
  readonly nginx: Server | null;
  readonly lighttpd: Server | null;
  readonly apache: Server | null;
  readonly "Deno.serve": Server;
}

/** What a suite is given. */
export interface Bench {
  readonly site: BenchSite;
  readonly field: Field;
  /** How long a sample of load takes. */
  readonly seconds: number;
  /** The executable; null where it was not compiled. */
  readonly executable: string | null;
  /** Measures a row. */
  row(row: Row): Promise<void>;
  /** Says what could not be measured, and why. */
  skip(title: string, why: string): void;
}

type Suite = (bench: Bench) => Promise<void>;

/** All suites, in the order of the table. */
export const SUITES: Readonly<Record<string, Suite>> = {
  static: staticFiles,
  large: largeFiles,
  gzip,
  cgi,
  warm,
  transfer,
  mixed,
  events,
  memory,
  start,
  flat,
  loops,
};

/** The servers of these names that are there, each loaded in the same way. */
function loaded(bench: Bench, names: readonly (keyof Field)[], load: Omit<Load, "seconds">): Contender[] {
  return names.flatMap((name) => {
    const server = bench.field[name];
    const sample = (server: Server) => wrk(server, { ...load, seconds: bench.seconds });
    return server === null ? [] : [{ name, sample: () => sample(server) }];
  });
}

const EVERYBODY = ["pollux", "nginx", "lighttpd", "Deno.serve"] as const;

async function staticFiles(bench: Bench): Promise<void> {
  const path = "/1k.html";
  const { pollux } = bench.field;
  const load = (more: Partial<Load>): Load => ({ path, clients: 64, seconds: bench.seconds, ...more });
  // Compiled code is what is measured, not its compiling.
  for (const server of [pollux, bench.field.bare, bench.field["Deno.serve"]]) {
    await wrk(server, load({ seconds: 3 }));
  }
  for (const clients of [64, 256]) {
    // Apache turns away what is more than its workers.
    await bench.row({
      title: `1 KiB, keep-alive, ${clients} clients`,
      contenders: loaded(bench, clients === 64 ? [...EVERYBODY, "apache", "bare"] : [...EVERYBODY, "bare"], {
        path,
        clients,
      }),
      goals: [
        goal("req/s", "atLeast", 0.85, "bare"),
        goal("req/s", "atLeast", 1.3, "nginx"),
        goal("req/s", "atLeast", 0.95, "lighttpd"),
        goal("p99 ms", "atMost", 1, "nginx"),
      ],
    });
  }
  await bench.row({
    title: "1 KiB, a connection each, 64 clients",
    contenders: loaded(bench, [...EVERYBODY, "apache"], {
      path,
      clients: 64,
      fields: { Connection: "close" },
    }),
    goals: [goal("req/s", "atLeast", 1, "nginx")],
  });
  await bench.row({
    title: "1 KiB, 16 requests in one piece, 64 clients",
    contenders: loaded(bench, ["pollux", "nginx", "lighttpd"], { path, clients: 64, pipeline: 16 }),
    goals: [goal("req/s", "atLeast", 2, "nginx")],
  });
  const modified = /^last-modified: (.*)$/im.exec(await ask(pollux.port, path))?.[1].trim() ?? "";
  const of = (name: string, more: Partial<Load>): Contender => ({
    name,
    sample: () => wrk(pollux, load(more)),
  });
  for (
    const [name, more] of [
      ["304", { fields: { "If-Modified-Since": modified } }],
      ["404", { path: "/missing.html", status: 404 }],
    ] as const
  ) {
    await wrk(pollux, load({ ...more, seconds: 2 }));
    await bench.row({
      title: `${name} against 200, 64 clients`,
      contenders: [of(name, more), of("200", {})],
      goals: [goal("req/s", "atLeast", 1, "200")],
    });
  }
  const small = load({ clients: 16 });
  await hammer(pollux, "HEAD", path, small);
  await bench.row({
    title: "HEAD against GET, 16 clients",
    contenders: ["HEAD", "GET"].map((name) => ({ name, sample: () => hammer(pollux, name, path, small) })),
    goals: [goal("CPU µs", "atMost", 1, "GET")],
  });
}

async function largeFiles(bench: Bench): Promise<void> {
  const goals = [goal("MiB/s", "atLeast", 1, "nginx"), goal("CPU s/GiB", "atMost", 1.5, "nginx")];
  await bench.row({
    title: "100 KiB, 64 clients",
    contenders: loaded(bench, ["pollux", "nginx", "lighttpd"], { path: "/100k.bin", clients: 64 }),
    goals,
  });
  await bench.row({
    title: "100 MiB, 8 clients",
    contenders: loaded({ ...bench, seconds: Math.max(2, bench.seconds) }, ["pollux", "nginx", "lighttpd"], {
      path: "/100m.bin",
      clients: 8,
    }),
    goals,
  });
}

async function gzip(bench: Bench): Promise<void> {
  const fields = { "Accept-Encoding": "gzip" };
  await bench.row({
    title: "gzip of a page of 100 KiB, 16 clients",
    contenders: loaded(bench, ["pollux", "nginx"], { path: "/100k.html", clients: 16, fields }),
    goals: [goal("req/s", "atLeast", 5, "nginx")],
  });
}

/** Those that run scripts. */
const SCRIPT_SERVERS = ["pollux", "lighttpd", "nginx", "apache"] as const;

async function cgi(bench: Bench): Promise<void> {
  const { pollux } = bench.field;
  const scripts = [["sh", "hello.sh"], ["Perl", "hello.pl"], ["Python", "hello.py"]];
  if (bench.site.hasC) scripts.unshift(["C", "hello.cgi"]);
  for (const name of SCRIPT_SERVERS) {
    const server = bench.field[name];
    if (server !== null) await warmUp(server, { path: `/cgi-bin/${scripts[0][1]}`, clients: 8 });
  }
  // Of what takes long, enough has to end within a sample.
  const seconds = Math.max(2, bench.seconds);
  for (const [language, script] of scripts) {
    for (const clients of [1, 8, 32]) {
      const path = `/cgi-bin/${script}`;
      await bench.row({
        title: `${language} script, ${clients} client${clients === 1 ? "" : "s"}`,
        contenders: loaded({ ...bench, seconds }, SCRIPT_SERVERS, { path, clients }),
        goals: [goal("req/s", "atLeast", 1, "lighttpd")],
      });
    }
  }
  if (!bench.site.hasC) return bench.skip("C script above posix_spawn", "there is no C compiler");
  const { scripts: folder } = bench.site;
  await bench.row({
    title: "C script above posix_spawn, 1 client",
    contenders: [{
      name: "pollux",
      async sample(): Promise<Sample> {
        const bare = Number(await output(`${folder}/spawn.cgi`, `${folder}/hello.cgi`, "500"));
        const { "req/s": rate } = await wrk(pollux, {
          path: "/cgi-bin/hello.cgi",
          clients: 1,
          seconds,
        });
        return { "posix_spawn µs": bare, "request µs": 1e6 / rate, "above µs": 1e6 / rate - bare };
      },
    }],
    goals: [goal("above µs", "atMost", 150)],
  });
}

async function warm(bench: Bench): Promise<void> {
  const { site, field } = bench;
  const rows = [
    ["python", "hello.py", 6],
    ["python", "imports.py", 10],
    ["perl", "hello.pl", 3],
    ["perl", "cgipm.pl", 11],
  ] as const;
  for (const language of ["python", "perl"]) {
    const more = `  - { path: /warm/, cgi: ${site.scripts}, warm: ${language} }\n`;
    let server: Server;
    try {
      server = await startPollux(site, `warm-${language}`, polluxConfig(site) + more);
    } catch (error) {
      bench.skip(`warm: ${language}`, error instanceof Error ? error.message : String(error));
      continue;
    }
    await using warmed = server;
    let isWarmedUp = false;
    for (const [of, script, times] of rows) {
      if (of !== language) continue;
      const load = { clients: 8, seconds: Math.max(2, bench.seconds) };
      const { lighttpd } = field;
      const servers: [string, Server, string][] = [["pollux", warmed, "/warm/"]];
      if (lighttpd !== null) servers.push(["lighttpd", lighttpd, "/cgi-bin/"]);
      const contenders = servers.map(([name, server, folder]): Contender => ({
        name,
        sample: () => wrk(server, { ...load, path: folder + script }),
      }));
      try {
        if (!isWarmedUp) {
          for (const [, server, folder] of servers) {
            await warmUp(server, { path: folder + script, clients: 8 });
          }
        }
        isWarmedUp = true;
        await ask(warmed.port, `/warm/${script}`);
        await bench.row({
          title: `warm ${script}, 8 clients`,
          contenders,
          goals: [goal("req/s", "atLeast", times, "lighttpd")],
        });
      } catch (error) {
        bench.skip(`warm ${script}`, error instanceof Error ? error.message : String(error));
      }
    }
  }
}

async function transfer(bench: Bench): Promise<void> {
  const { site, field } = bench;
  if (!site.hasC) return bench.skip("CGI transfers of 1 GiB", "there is no C compiler");
  // A server of its own, whose memory has seen nothing else.
  await using pollux = await startPollux(site, "transfer", polluxConfig(site));
  const mib = 1024;
  const restKiB = (await usageOf(pollux.pids)).residentKiB;
  const contenders = (path: string, ...args: string[]): Contender[] => {
    const servers: [string, Server | null][] = [["pollux", pollux], ["lighttpd", field.lighttpd]];
    return servers.flatMap(([name, server]) =>
      server === null ? [] : [{
        name,
        async sample() {
          const sample = await curl(server, path, mib, ...args);
          return { ...sample, "grown MiB": sample["peak MiB"] - restKiB / 1024 };
        },
      }]
    );
  };
  const goals = [goal("MiB/s", "atLeast", 1, "lighttpd"), goal("grown MiB", "atMost", 64)];
  const rows: [string, Contender[]][] = [
    ["1 GiB from a script", contenders("/cgi-bin/source.cgi?1024")],
    ["1 GiB to a script", contenders("/cgi-bin/sink.cgi", "-T", `${site.dir}/1g.bin`, "-H", "Expect:")],
  ];
  for (const [title, contenders] of rows) {
    // It takes so many of them to compile what the others run.
    for (let i = 0; i < 4; i++) {
      for (const { sample } of contenders) await sample();
    }
    await bench.row({ title, contenders, goals, rounds: 3 });
  }
}

/** A file for one client while 16 others run scripts without pause. */
async function mixed(bench: Bench): Promise<void> {
  const seconds = Math.max(3, bench.seconds);
  const { pollux, nginx, lighttpd } = bench.field;
  const servers: [string, Server | null][] = [["pollux", pollux], ["nginx", nginx], ["lighttpd", lighttpd]];
  for (const [, server] of servers) {
    for (const path of ["/cgi-bin/hello.sh", "/1k.html"]) {
      if (server !== null) await warmUp(server, { path, clients: 8 });
    }
  }
  await bench.row({
    title: "1 KiB for one client while 16 run Python",
    contenders: servers.flatMap(([name, server]) =>
      server === null ? [] : [{
        name,
        async sample(): Promise<Sample> {
          const scripts = wrk(server, { path: "/cgi-bin/hello.py", clients: 16, seconds: seconds + 1 });
          await new Promise((resolve) => setTimeout(resolve, 500));
          const { "p50 ms": p50, "p99 ms": p99 } = await wrk(server, {
            path: "/1k.html",
            clients: 1,
            seconds,
          });
          const { "req/s": rate } = await scripts;
          return { "p50 ms": p50, "p99 ms": p99, "scripts/s": rate };
        },
      }]
    ),
    goals: [goal("p50 ms", "atMost", 1, "nginx"), goal("p99 ms", "atMost", 1, "nginx")],
  });
}

async function events(bench: Bench): Promise<void> {
  const { port } = bench.field.pollux;
  await bench.row({
    title: "server-sent events, from write to read",
    contenders: [{
      name: "pollux",
      async sample(): Promise<Sample> {
        const delays = (await eventDelays(port, "/cgi-bin/events.py")).sort((a, b) => a - b);
        return { "p50 ms": delays[delays.length >> 1], "p99 ms": delays[Math.floor(delays.length * 0.99)] };
      },
    }],
    goals: [goal("p50 ms", "atMost", 1)],
  });
}

async function memory(bench: Bench): Promise<void> {
  const { site } = bench;
  const count = 2000;
  await bench.row({
    title: `at rest, and for each of ${count} idle connections`,
    contenders: [{
      name: "pollux",
      async sample(): Promise<Sample> {
        await using server = await startPollux(site, "idle", polluxConfig(site));
        await ask(server.port, "/1k.html");
        // The script loop starts a little later, or with the first script: it is none of the clients' either.
        await ask(server.port, "/cgi-bin/hello.sh");
        const { residentKiB: restKiB } = await usageOf(server.pids);
        // What the first connections make the runtime set up is not theirs, nor what the first requests make it compile.
        await hammer(server, "GET", "/1k.html", { clients: 1, seconds: 1, path: "/1k.html" });
        using _few = await idle(server.port, 200);
        const { residentKiB: fewKiB } = await usageOf(server.pids);
        using _many = await idle(server.port, count);
        const { residentKiB: manyKiB } = await usageOf(server.pids);
        return { "at rest MiB": restKiB / 1024, "KiB each": (manyKiB - fewKiB) / count };
      },
    }],
    goals: [goal("KiB each", "atMost", 8), goal("at rest MiB", "atMost", 60)],
  });
}

async function start(bench: Bench): Promise<void> {
  const { site, executable } = bench;
  await Deno.writeTextFile(`${site.dir}/start.yaml`, polluxConfig(site));
  await startRow(bench, "from source", null, 150);
  if (executable === null) return bench.skip("start, compiled", "dist/pollux is not there");
  await startRow(bench, "compiled", executable, 80);
}

async function startRow(bench: Bench, how: string, executable: string | null, goalMs: number): Promise<void> {
  const command = [...await polluxCommand(executable), "--config", `${bench.site.dir}/start.yaml`];
  await bench.row({
    title: `from start to the first byte of an answer, ${how}`,
    contenders: [{ name: "pollux", sample: () => firstByte(command) }],
    goals: [goal("ms", "atMost", goalMs)],
    rounds: 10,
  });
}

async function firstByte([program, ...args]: string[]): Promise<Sample> {
  const beganMs = performance.now();
  const cwd = new URL("../", import.meta.url).pathname;
  const child = new Deno.Command(program, { args, cwd, stdin: "null", stdout: "null", stderr: "piped" })
    .spawn();
  let said = "";
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (/listening on .*\n/.test(said)) break;
  }
  const port = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1];
  if (port === undefined) throw new Error(`${program} ${args.join(" ")}: ${said}`);
  await ask(Number(port), "/1k.html");
  const ms = performance.now() - beganMs;
  const cpuMs = await exactCpuMicros(child.pid) / 1000;
  child.kill("SIGTERM");
  await child.status;
  return { ms, "CPU ms": cpuMs };
}

/** What a request costs where there is little of something, and where there is much of it. */
async function flat(bench: Bench): Promise<void> {
  const { site, field: { pollux } } = bench;
  const own = (server: Server, more: Partial<Load> = {}): Promise<Sample> =>
    wrk(server, { path: "/1k.html", clients: 64, seconds: bench.seconds, ...more });
  const compare = (title: string, much: () => Promise<Sample>, bound = 1.25): Promise<void> =>
    bench.row({
      title,
      contenders: [{ name: "much", sample: much }, { name: "little", sample: () => own(pollux) }],
      goals: [goal("CPU µs", "atMost", bound, "little")],
    });
  await compare("1,000 connections against 64", () => own(pollux, { clients: 1000, seconds: 2 }));
  await compare(`a folder of ${CROWD} files against one`, () => own(pollux, { path: "/crowd/4711.html" }));
  const fields = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`X-Field-${i}`, `value ${i}`]));
  await compare("44 request fields against 1", () => own(pollux, { fields }));
  const numbers = Array.from({ length: 1000 }, (_, i) => i);
  {
    const routes = numbers.map((i) => `  - { path: /route-${i}/, respond: hello }\n`).join("");
    await using server = await startPollux(site, "routes", polluxConfig(site) + routes);
    await own(server, { seconds: 2 });
    await compare("1,000 routes against 1", () => own(server));
  }
  {
    const sites = numbers.map((i) => `  - { host: host-${i}.example, root: ${site.files} }\n`).join("");
    const config = `listen: 127.0.0.1:0\nsites:\n${sites}`;
    await using server = await startPollux(site, "sites", config);
    const more = { fields: { Host: "host-500.example" } };
    await own(server, { ...more, seconds: 2 });
    await compare("1,000 sites against 1", () => own(server, more));
  }
}

/** As many loops as cores. */
async function loops(bench: Bench): Promise<void> {
  const { site, field: { lighttpd } } = bench;
  await using pollux = await startPollux(site, "loops", polluxConfig(site, "workers: auto\n"));
  await using nginx = await startNginx(site, navigator.hardwareConcurrency);
  const servers: [string, Server | null][] = [["pollux", pollux], ["nginx", nginx], ["lighttpd", lighttpd]];
  const contenders = (path: string, clients: number): Contender[] =>
    servers.flatMap(([name, server]) =>
      server === null ? [] : [{ name, sample: () => wrk(server, { path, clients, seconds: bench.seconds }) }]
    );
  await wrk(pollux, { path: "/1k.html", clients: 64, seconds: 3 });
  const goals: Goal[] = [goal("req/s", "atLeast", 1.3, "nginx"), goal("req/s", "atLeast", 1, "lighttpd")];
  await bench.row({
    title: `1 KiB, 64 clients, a loop for each of ${navigator.hardwareConcurrency} cores`,
    contenders: contenders("/1k.html", 64),
    goals,
  });
}

/** Starts what runs all the time. */
export async function startField(site: BenchSite): Promise<Field> {
  return {
    pollux: await startPollux(site, "pollux", polluxConfig(site)),
    bare: await startYardstick(site, "bare_loop.ts"),
    nginx: await startNginx(site, 1),
    lighttpd: await startLighttpd(site),
    apache: await startApache(site),
    "Deno.serve": await startYardstick(site, "deno_serve.ts"),
  };
}
