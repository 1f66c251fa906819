/**
 * What a person can do wrong with the program and the machine around it: each time one or two lines say what, where, and
 * what to do; never a stack trace.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { within } from "../support/deadline.ts";
import { commandLine, makeFiles, REPOSITORY, withoutFewFiles } from "../support/server.ts";
import { outputOf } from "../support/processes.ts";

interface Case {
  readonly name: string;
  readonly files?: Readonly<Record<string, string>>;
  /** Typed before; `$PWD` is the folder. */
  readonly before?: string;
  readonly args: readonly string[];
  readonly code: number;
  /** All of standard error; `FOLDER` is the folder. */
  readonly said: string;
}

const SITE = { "static/a": "a" };

const CASES: readonly Case[] = [
  {
    name: "a port that is none",
    args: ["--listen", "127.0.0.1:99999"],
    code: 2,
    said: 'pollux: --listen: "127.0.0.1:99999": a port is a number from 0 to 65535\n',
  },
  {
    name: "an address of another machine",
    args: ["--listen", "192.0.2.1:8080"],
    code: 1,
    said:
      "pollux: cannot listen on 192.0.2.1:8080: this machine has no such address: choose one that it has, or " +
      ":8080 for all of them\n",
  },
  {
    name: "a name without an address",
    args: ["--listen", "nohost.invalid:8080"],
    code: 1,
    said:
      "pollux: cannot listen on nohost.invalid:8080: there is no address of that name: write an IP address\n",
  },
  {
    name: "a socket where there is a file",
    files: { "a.sock": "" },
    args: ["--listen", "unix:a.sock"],
    code: 1,
    said:
      "pollux: cannot listen on unix:FOLDER/a.sock: there is a file of that name, which is not a socket\n",
  },
  {
    name: "a socket in a folder of somebody else",
    before: "mkdir -m 500 d",
    args: ["--listen", "unix:d/a.sock"],
    code: 1,
    said:
      "pollux: cannot listen on unix:FOLDER/d/a.sock: this user may not make a file there: change the owner or " +
      "mode of the folder of FOLDER/d/a.sock\n",
  },
  {
    name: "a configuration that is not there",
    args: ["--config", "nope.yaml"],
    code: 2,
    said: "nope.yaml: there is no such file: make one with pollux init\n",
  },
  {
    name: "a configuration that may not be read",
    before: "echo 'root: static' >pollux.yaml; chmod 0 pollux.yaml",
    args: [],
    code: 2,
    said: "pollux.yaml: may not be read by this user: change its mode or owner\n",
  },
  {
    name: "YAML with a tab",
    files: { "pollux.yaml": "log:\n\taccess: off\n" },
    args: [],
    code: 2,
    said: "pollux.yaml:2:1: a tab stands in the indentation: write spaces\n",
  },
  {
    name: "an unknown key and a wrong value, both at once",
    files: { "pollux.yaml": "rot: static\nroutes: [{ path: /, files: static, list: yes }]\n" },
    args: [],
    code: 2,
    said: "pollux.yaml:1:1: rot: no such key; did you mean root?\n" +
      'pollux.yaml:2:42: routes[0].list: "yes" is not a switch in YAML 1.2: write true\n',
  },
  {
    name: "an unknown flag",
    args: ["--lissen", ":80"],
    code: 2,
    said: "pollux: --lissen: no such flag; did you mean --listen?\nTry: pollux help serve\n",
  },
  {
    name: "a certificate that is none",
    files: {
      "pollux.yaml": 'root: static\nlisten: { address: "127.0.0.1:0", tls: { cert: c, key: k } }\n',
      "c": "x",
      "k": "y",
    },
    args: [],
    code: 2,
    said: "pollux: 127.0.0.1:0: FOLDER/c holds no certificate: it begins with -----BEGIN CERTIFICATE-----\n",
  },
  {
    name: "a key that is none",
    files: {
      "pollux.yaml": 'root: static\nlisten: { address: "127.0.0.1:0", tls: { cert: c, key: k } }\n',
      "k": "y",
    },
    before:
      `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -out c -subj /CN=a`,
    args: [],
    code: 2,
    said: "pollux: 127.0.0.1:0: FOLDER/k holds no private key: it begins with -----BEGIN PRIVATE KEY-----\n",
  },
  {
    name: "a certificate that is broken",
    files: {
      "pollux.yaml": 'root: static\nlisten: { address: "127.0.0.1:0", tls: { cert: c, key: k } }\n',
      "c": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    },
    before: "openssl genpkey -algorithm RSA -out k",
    args: [],
    code: 2,
    said:
      "pollux: 127.0.0.1:0: FOLDER/c cannot be used (invalid peer certificate: BadEncoding): copy it anew, whole, or make it " +
      "again\n",
  },
  {
    name: "a key with a passphrase",
    files: { "pollux.yaml": 'root: static\nlisten: { address: "127.0.0.1:0", tls: { cert: c, key: k } }\n' },
    before: "openssl req -x509 -newkey rsa:2048 -passout pass:swan -keyout k -out c -subj /CN=a",
    args: [],
    code: 2,
    said:
      "pollux: 127.0.0.1:0: FOLDER/k holds a key with a passphrase: take that off with openssl pkey -in FILE " +
      "-out FILE\n",
  },
  {
    name: "a password file without users",
    files: {
      "pollux.yaml": "routes: [{ path: /, files: static, auth: { basic: htpasswd } }]\n",
      "htpasswd": "",
    },
    args: ["check"],
    code: 0,
    said: "FOLDER/htpasswd: warning: has no users: nobody can log in; add one with htpasswd -B FILE NAME\n",
  },
  {
    name: "a script folder that is not there",
    args: ["--cgi-bin", "scripts"],
    code: 2,
    said: "pollux: --cgi-bin: there is no folder or program FOLDER/scripts\n",
  },
  {
    name: "--dev for everybody",
    args: ["--dev", "--listen", "0.0.0.0:0"],
    code: 2,
    said:
      "pollux: --dev: 0.0.0.0:0 can be reached from other machines, and --dev shows them what scripts print: " +
      "listen on 127.0.0.1\n",
  },
  {
    name: "a log that may not be written",
    files: { "pollux.yaml": "root: static\nlog: { access: d/a.log }\n" },
    before: "mkdir -m 500 d",
    args: [],
    code: 1,
    said:
      "pollux: cannot open the log FOLDER/d/a.log: permission denied; name a file that this user may write " +
      "under log\n",
  },
  {
    name: "a log that is no file of the disk",
    files: { "pollux.yaml": "root: static\nlog: { access: /dev/stdout, error: /proc/self/fd/2 }\n" },
    args: [],
    code: 2,
    said: "pollux.yaml:2:16: log.access: /dev/stdout cannot be opened by a program on Deno: write stdout\n" +
      "pollux.yaml:2:36: log.error: /proc/self/fd/2 cannot be opened by a program on Deno: write stderr or a file " +
      "elsewhere\n",
  },
  {
    name: "a folder for bodies that may not be written",
    files: { "pollux.yaml": "root: static\ntemp: d\n" },
    before: "mkdir -m 500 d",
    args: [],
    code: 1,
    said:
      "pollux: cannot make a folder in FOLDER/d: permission denied; name a folder that this user may write " +
      "under temp\n",
  },
  {
    name: "folders that may not be entered",
    files: {
      "pollux.yaml": "root: secret\nlisten: 192.0.2.1:8080\nroutes: [{ path: /cgi-bin/, cgi: secret }]\n",
    },
    before: "mkdir -m 0 secret",
    args: [],
    code: 1,
    said:
      ["routes[0]", "root"].map((key) =>
        `pollux.yaml: warning: ${key}: FOLDER/secret may not be entered by this user, and nothing in it is served: ` +
        "change its mode or owner\n"
      ).join("") +
      "pollux: cannot listen on 192.0.2.1:8080: this machine has no such address: choose one that it has, or " +
      ":8080 for all of them\n",
  },
  {
    name: "explain of a file that may not be read",
    files: { "static/a.txt": "" },
    before: "chmod 0 static/a.txt",
    args: ["explain", "/a.txt"],
    code: 1,
    said: "",
  },
  {
    name: "a script that may not be read",
    files: { "cgi-bin/a.sh": "echo\n" },
    before: "chmod 0 cgi-bin/a.sh",
    args: ["exec", "/cgi-bin/a.sh"],
    code: 1,
    said: "pollux: script: FOLDER/cgi-bin/a.sh may not be read by this user: change its mode or owner\n" +
      "pollux: 500 Internal Server Error\n",
  },
  {
    name: "a file that may not be read",
    before: "chmod 0 static/a",
    args: ["exec", "/a"],
    code: 1,
    said: "pollux: 403 Forbidden: FOLDER/static/a may not be read by this user: change its mode or owner\n",
  },
  {
    name: "a script that is empty",
    before: "mkdir cgi-bin; touch cgi-bin/a; chmod +x cgi-bin/a",
    args: ["exec", "/cgi-bin/a"],
    code: 1,
    said:
      "pollux: script: FOLDER/cgi-bin/a is empty: write a script into it, beginning with #! and a program's path\n" +
      "pollux: 500 Internal Server Error\n",
  },
  {
    name: "one file that is no script",
    args: ["./static/a"],
    code: 2,
    said:
      "pollux: --root: FOLDER/static/a is no script: chmod +x FOLDER/static/a, or name the folder that it lies in\n",
  },
  {
    name: "a header of exec without a colon",
    args: ["exec", "/", "-H", "Accept text/html"],
    code: 2,
    said: "pollux: -H: \"Accept text/html\" is no header field: write 'Name: value'\nTry: pollux help exec\n",
  },
  {
    name: "init where nothing may be written",
    before: "mkdir -m 500 d",
    args: ["init", "d"],
    code: 1,
    said:
      "pollux: FOLDER/d/pollux.yaml cannot be written: permission denied; name another folder: pollux init DIR\n",
  },
];

// Root may read and write everything, and listen anywhere: without these rights it is as anybody.
const AS_ANYBODY = (await outputOf("id", ["-u"])).trim() === "0"
  ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-net_bind_service"]
  : [];

async function run(folder: string, args: readonly string[]): Promise<{ code: number; stderr: string }> {
  const [program, ...rest] = [...AS_ANYBODY, ...(await commandLine()).flat(), ...args];
  const child = new Deno.Command(program, {
    args: rest,
    cwd: folder,
    env: { NO_COLOR: "1", PATH: `/usr/local/bin:/usr/bin:/bin:${Deno.env.get("PATH") ?? ""}` },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const { code, stderr } = await within("the program to end", child.output());
  return { code, stderr: new TextDecoder().decode(stderr) };
}

/** The first port that anybody may listen on; where it is 0, everybody is root in this respect. */
const FREE_PORTS = Number(
  await outputOf("sh", ["-c", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start || echo 0"]),
);

Deno.test({
  name: "said, and what to do: a port that is for root",
  ignore: FREE_PORTS < 100,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "pollux-test-" });
    try {
      await makeFiles(folder, SITE);
      const { code, stderr } = await run(folder, ["--listen", "127.0.0.1:99"]);
      assertEquals([code, withoutFewFiles(stderr)], [
        1,
        "pollux: cannot listen on 127.0.0.1:99: ports below 1024 are for root: choose another with --listen, or give " +
        "Pollux the capability CAP_NET_BIND_SERVICE, as its systemd unit does\n",
      ]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

for (const { name, files, before, args, code, said } of CASES) {
  Deno.test(`said, and what to do: ${name}`, async () => {
    const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "pollux-test-" }));
    try {
      await makeFiles(folder, { ...SITE, ...files });
      if (before !== undefined) await outputOf("sh", ["-c", `cd '${folder}'; ${before}`]);
      const ran = await run(folder, args);
      const stderr = withoutFewFiles(ran.stderr).replaceAll(folder, "FOLDER");
      assertEquals(ran.code, code, stderr);
      assertEquals(stderr, said);
    } finally {
      await outputOf("chmod", ["-R", "u+rwx", folder]);
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test({
  name: "said, and what to do: started by deno run without its permissions",
  ignore: Deno.env.get("POLLUX") !== undefined,
  async fn() {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--allow-read", "--allow-env", "main.ts"],
      cwd: REPOSITORY,
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [
      2,
      "pollux: started without --allow-net, --allow-write, --allow-run, which it needs for everything and divides by " +
      "itself\nTry: deno task start, or deno run --allow-net --allow-read --allow-write --allow-run --allow-env main.ts\n",
    ]);
  },
});
