/**
 * Pollux and its peers, started on the same site, each with an access log in a file, as they come by default.
 *
 * @module
 */

import type { Target } from "./load.ts";
import type { BenchSite } from "./site.ts";
import { childrenOf, find, output } from "./usage.ts";

/** A server that runs. */
export interface Server extends Target, AsyncDisposable {}

const ROOT = new URL("../", import.meta.url).pathname;

/** How Pollux is started from source, by the task's own permissions. */
async function sourceCommand(): Promise<string[]> {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const command: string = tasks.start.command;
  return [Deno.execPath(), ...command.split(" ").slice(1)];
}

/** The command that starts Pollux: from source, or the executable. */
export async function polluxCommand(executable: string | null): Promise<string[]> {
  return executable === null ? await sourceCommand() : [executable];
}

/** A configuration of Pollux: all its defaults, but for where things lie and the sizes that 1 GiB needs. */
export function polluxConfig(site: BenchSite, more = ""): string {
  return `listen: 127.0.0.1:0
${more}root: ${site.files}
limits: { body: off }
routes:
  - { path: /cgi-bin/, cgi: ${site.scripts} }
`;
}

/** Starts Pollux with a configuration, which is written to a file of that name. */
export async function startPollux(
  site: BenchSite,
  name: string,
  config: string,
  executable: string | null = null,
): Promise<Server> {
  await Deno.writeTextFile(`${site.dir}/${name}.yaml`, config);
  const command = [...await polluxCommand(executable), "--config", `${site.dir}/${name}.yaml`];
  return await startListening(command, `${site.dir}/${name}.log`);
}

/** The bare loop. */
export async function startBareLoop(site: BenchSite): Promise<Server> {
  const script = new URL("bare_loop.ts", import.meta.url).pathname;
  const flags = ["--no-prompt", "--allow-net", "--allow-read"];
  const command = [Deno.execPath(), "run", ...flags, script, `${site.files}/1k.html`];
  return await startListening(command, "/dev/null");
}

/** Starts what says on standard error where it listens; its standard output goes to `log`. */
async function startListening(command: string[], log: string): Promise<Server> {
  const child = new Deno.Command("sh", {
    args: ["-c", 'exec "$@" >>"$0"', log, ...command],
    cwd: ROOT,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let said = "";
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      said += text;
      const match = /listening on http:\/\/127\.0\.0\.1:(\d+)\s/.exec(said);
      if (match !== null) resolve(Number(match[1]));
    }
    reject(new Error(`${command.join(" ")}: ${said}`));
  })();
  const port = await promise;
  return { port, pids: [child.pid], [Symbol.asyncDispose]: () => stop(child) };
}

/** Starts what has to be told its port, and waits until it answers. */
async function startOn(port: number, program: string, args: string[]): Promise<Server> {
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  await answering(port);
  const children = await childrenOf(child.pid);
  return { port, pids: [child.pid, ...children], [Symbol.asyncDispose]: () => stop(child) };
}

async function stop(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGTERM");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // It has ended.
  }
  await child.status;
}

async function answering(port: number): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      (await Deno.connect({ port })).close();
      return;
    } catch (error) {
      if (tries === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** nginx, with fcgiwrap for scripts where that is installed; null where it is not. */
export async function startNginx(site: BenchSite, workers: number): Promise<Server | null> {
  const nginx = await find("nginx");
  if (nginx === null) return null;
  const dir = `${site.dir}/nginx-${workers}`;
  await Deno.mkdir(dir);
  const fcgiwrap = await find("fcgiwrap");
  const port = freePort();
  const isRoot = (await output("id", "-u")).trim() === "0";
  await Deno.writeTextFile(
    `${dir}/nginx.conf`,
    `${isRoot ? "user root;\n" : ""}worker_processes ${workers};
daemon off;
pid ${dir}/pid;
error_log ${dir}/error.log;
events { worker_connections 4096; }
http {
  types { text/html html; application/octet-stream bin; }
  charset utf-8;
  access_log ${dir}/access.log combined;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  gzip on;
  client_max_body_size 0;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    root ${site.files};
    location /cgi-bin/ {
      gzip off;
      root ${site.dir};
      fastcgi_pass unix:${dir}/fcgiwrap.sock;
      fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
      fastcgi_param SCRIPT_NAME $fastcgi_script_name;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param REQUEST_URI $request_uri;
      fastcgi_param SERVER_PROTOCOL $server_protocol;
      fastcgi_param GATEWAY_INTERFACE CGI/1.1;
      fastcgi_param SERVER_SOFTWARE nginx;
      fastcgi_param REMOTE_ADDR $remote_addr;
      fastcgi_param SERVER_NAME $server_name;
      fastcgi_param SERVER_PORT $server_port;
    }
  }
}
`,
  );
  const wrap = fcgiwrap === null ? null : new Deno.Command(fcgiwrap, {
    args: ["-c", "32", "-s", `unix:${dir}/fcgiwrap.sock`],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const server = await startOn(port, nginx, ["-p", dir, "-c", `${dir}/nginx.conf`]);
  // Its workers outlive it.
  const wrapPids = wrap === null ? [] : [wrap.pid, ...await childrenOf(wrap.pid)];
  return {
    port,
    pids: [...server.pids, ...wrapPids],
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      for (const pid of wrapPids) Deno.kill(pid, "SIGTERM");
      await wrap?.status;
    },
  };
}

/** lighttpd with mod_cgi; null where it is not installed. */
export async function startLighttpd(site: BenchSite): Promise<Server | null> {
  const lighttpd = await find("lighttpd");
  if (lighttpd === null) return null;
  const dir = `${site.dir}/lighttpd`;
  await Deno.mkdir(dir);
  const port = freePort();
  await Deno.writeTextFile(
    `${dir}/lighttpd.conf`,
    `server.modules = ("mod_alias", "mod_cgi", "mod_accesslog")
server.bind = "127.0.0.1"
server.port = ${port}
server.document-root = "${site.files}"
server.upload-dirs = ("${dir}")
server.errorlog = "${dir}/error.log"
accesslog.filename = "${dir}/access.log"
server.max-keep-alive-requests = 1000000000
server.max-connections = 4096
server.max-fds = 16384
server.listen-backlog = 4096
server.stream-request-body = 1
server.stream-response-body = 1
mimetype.assign = (".html" => "text/html; charset=utf-8", ".bin" => "application/octet-stream")
alias.url = ("/cgi-bin/" => "${site.scripts}/")
$HTTP["url"] =~ "^/cgi-bin/" {
  cgi.assign = (".py" => "/usr/bin/python3", ".pl" => "/usr/bin/perl", ".sh" => "/bin/sh", ".cgi" => "")
}
`,
  );
  return await startOn(port, lighttpd, ["-D", "-f", `${dir}/lighttpd.conf`]);
}
