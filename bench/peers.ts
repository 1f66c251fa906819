/**
 * The peers, started on the same site, each with an access log in a file, as they come by default.
 *
 * @module
 */

import { freePort, type Server, startOn } from "./servers.ts";
import type { BenchSite } from "./site.ts";
import { childrenOf, find, output } from "./usage.ts";

/** nginx, with fcgiwrap for scripts where that is installed; null where it is not. */
export async function startNginx(site: BenchSite, workers: number): Promise<Server | null> {
  const nginx = await find("nginx");
  if (nginx === null) return null;
  const dir = `${site.dir}/nginx-${workers}`;
  await Deno.mkdir(dir);
  const fcgiwrap = await find("fcgiwrap");
  const port = freePort();
  await Deno.writeTextFile(
    `${dir}/nginx.conf`,
    `${await isRoot() ? "user root;\n" : ""}worker_processes ${workers};
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

/** Apache with the event module and mod_cgid; null where it is not installed. */
export async function startApache(site: BenchSite): Promise<Server | null> {
  const modules = "/usr/lib/apache2/modules";
  const apache = await find("apache2");
  if (apache === null) return null;
  const dir = `${site.dir}/apache`;
  await Deno.mkdir(dir);
  const port = freePort();
  const load = ["mpm_event", "authz_core", "alias", "mime", "cgid"].map((name) =>
    `LoadModule ${name}_module ${modules}/mod_${name}.so\n`
  );
  await Deno.writeTextFile(
    `${dir}/apache.conf`,
    `${load.join("")}ServerRoot ${dir}
${await isRoot() ? "User nobody\nGroup nogroup\n" : ""}ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${dir}/pid
ErrorLog ${dir}/error.log
LogFormat "%h %l %u %t \\"%r\\" %>s %b \\"%{Referer}i\\" \\"%{User-Agent}i\\"" combined
CustomLog ${dir}/access.log combined
MaxKeepAliveRequests 0
TypesConfig /dev/null
AddType "text/html; charset=utf-8" .html
DocumentRoot ${site.files}
ScriptAlias /cgi-bin/ ${site.scripts}/
ScriptSock ${dir}/cgid.sock
<Directory ${site.dir}>
  AllowOverride None
  Require all granted
</Directory>
<Directory ${site.scripts}>
  Options ExecCGI
</Directory>
`,
  );
  return await startOn(port, apache, ["-D", "FOREGROUND", "-f", `${dir}/apache.conf`]);
}

/** As root, servers are to be told who they become. */
async function isRoot(): Promise<boolean> {
  return (await output("id", "-u")).trim() === "0";
}
