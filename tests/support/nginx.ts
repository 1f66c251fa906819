/**
 * nginx over the same folder as a Pollux, to hold the answers of one against those of the other.
 *
 * @module
 */

import { within } from "./deadline.ts";
import { hasProgram } from "./processes.ts";
import { RawClient } from "./raw.ts";
import { makeFiles } from "./server.ts";

/** As near to Pollux as nginx can be told to be. */
const NGINX_CONF = `daemon off;
master_process off;
pid {dir}/nginx.pid;
error_log {dir}/nginx.log;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  types {
    text/html html;
    text/plain txt;
    text/css css;
    application/json json;
    image/png png;
  }
  charset utf-8;
  charset_types text/html text/plain text/css;
  if_modified_since before;
  absolute_redirect off;
  gzip_static on;
  gzip_vary on;
  server {
    listen unix:{dir}/nginx.sock;
    root {dir}/static;
    index index.html;
  }
}
`;

/** nginx at work, on a socket in the folder of the Pollux beside it. */
export class Nginx implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #path: string;

  private constructor(child: Deno.ChildProcess, path: string) {
    this.#child = child;
    this.#path = path;
  }

  /** Starts it over the folder `static` in `dir`; resolves once it listens. */
  static async start(program: string, dir: string): Promise<Nginx> {
    const conf = `${dir}/nginx.conf`;
    await makeFiles(dir, { "nginx.conf": NGINX_CONF.replaceAll("{dir}", dir) });
    const child = new Deno.Command(program, {
      args: ["-e", `${dir}/nginx.log`, "-p", dir, "-c", conf],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const nginx = new Nginx(child, `${dir}/nginx.sock`);
    const ended = child.status.then(() => null);
    const started = await within("nginx", Promise.race([nginx.#listening(), ended]));
    if (started === null) throw new Error(`nginx: ${await Deno.readTextFile(`${dir}/nginx.log`)}`);
    return nginx;
  }

  async #listening(): Promise<true> {
    for (;;) {
      try {
        (await this.connect()).close();
        return true;
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.ConnectionRefused)) {
          throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  /** A connection to it. */
  async connect(): Promise<RawClient> {
    return RawClient.over(await Deno.connect({ transport: "unix", path: this.#path }));
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await within("the end of nginx", this.#child.status);
  }
}

async function findNginx(): Promise<string | null> {
  // It is not on everybody's PATH.
  for (const program of ["nginx", "/usr/sbin/nginx"]) if (await hasProgram(program, "-v")) return program;
  return null;
}

/** The program; null: it is not here. */
export const nginxProgram: string | null = await findNginx();
