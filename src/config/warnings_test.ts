import { assert, assertEquals } from "@std/assert";
import { formatFault } from "./fault.ts";
import { loadConfig } from "./load.ts";
import { parentFolder } from "../paths.ts";
import { findWarnings } from "./warnings.ts";

async function warningsOf(
  yaml: string,
  uid: number,
  folderMode = 0o755,
  missing: readonly string[] = [],
): Promise<string[]> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "pollux-test-" }));
  try {
    for (const name of ["static", "cgi-bin", "cgi-bin/doc"]) await Deno.mkdir(`${folder}/${name}`);
    await Deno.chmod(`${folder}/cgi-bin`, folderMode);
    await Deno.symlink("/usr", `${folder}/static/out`);
    await Deno.symlink("nowhere", `${folder}/static/broken`);
    await Deno.symlink("out", `${folder}/cgi-bin/inside`);
    await Deno.writeTextFile(`${folder}/pollux.yaml`, yaml);
    const loaded = await loadConfig({
      file: null,
      env: { get: () => undefined },
      cwd: folder,
      places: true,
    });
    assert("config" in loaded);
    const warnings = findWarnings(loaded.config, {
      fileName: "pollux.yaml",
      routeKeys: loaded.routeKeys,
      uid,
      isInstalled: (name) => !missing.includes(name),
    });
    return warnings.map((warning) => formatFault(warning).replaceAll(folder, "FOLDER"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const WISE = "root: static\nroutes:\n  - { path: /cgi-bin/, cgi: cgi-bin }\n";

Deno.test("a wise configuration has no warnings", async () => {
  assertEquals(await warningsOf(WISE, 1000), []);
});

Deno.test("scripts that run as root are warned of, unless their route names a user", async () => {
  assertEquals(await warningsOf(WISE, 0), [
    "pollux.yaml:3:5: warning: routes[0]: its scripts run as root: start the server as another user",
  ]);
  assertEquals(await warningsOf(WISE.replace("cgi: cgi-bin", "cgi: cgi-bin, user: nobody"), 0), []);
});

Deno.test("a script folder that everybody can write is warned of", async () => {
  assertEquals(await warningsOf(WISE, 1000, 0o777), [
    "pollux.yaml:3:5: warning: routes[0]: FOLDER/cgi-bin can be written by every user of this machine, " +
    "who can so run scripts as the server: chmod o-w FOLDER/cgi-bin",
  ]);
});

Deno.test("a files route over a script folder is warned of, from either side", async () => {
  assertEquals(await warningsOf("root: .\nroutes:\n  - { path: /cgi-bin/, cgi: cgi-bin }\n", 1000), [
    "pollux.yaml:1:7: warning: root: serves FOLDER, which holds the scripts of /cgi-bin/: " +
    "their text can be read there; keep them outside",
  ]);
  assertEquals(await warningsOf(`${WISE}  - { path: /doc/, files: cgi-bin/doc }\n`, 1000), [
    "pollux.yaml:4:5: warning: routes[1]: serves FOLDER/cgi-bin/doc, which lies in the script folder of /cgi-bin/: " +
    "keep files and scripts apart",
  ]);
});

Deno.test("uploads among scripts are warned of", async () => {
  const over =
    "routes:\n  - { path: /up/, files: cgi-bin, methods: [GET, PUT] }\n  - { path: /cgi-bin/, cgi: cgi-bin }\n";
  assertEquals(
    (await warningsOf(over, 1000)).at(-1),
    "pollux.yaml:2:5: warning: routes[0]: takes uploads where the scripts of /cgi-bin/ are: whoever uploads one runs it",
  );
  const php = "routes:\n  - { path: /, files: cgi-bin/doc, scripts: [.php], methods: [GET, POST] }\n";
  assertEquals(await warningsOf(php, 1000), [
    "pollux.yaml:2:5: warning: routes[0]: takes uploads (POST) and runs .php files: whoever uploads one runs it",
  ]);
});

Deno.test("a link out of a folder that takes uploads is warned of", async () => {
  assertEquals(await warningsOf("routes: [{ path: /, files: static, methods: [GET, PUT] }]\n", 1000), [
    "pollux.yaml:1:10: warning: routes[0]: takes uploads, and FOLDER/static/out leads out of it to /usr: " +
    "the sandbox does not end at a link",
  ]);
  assertEquals(await warningsOf("routes: [{ path: /, files: static }]\n", 1000), []);
});

Deno.test("another disk in a folder that takes uploads is warned of", async () => {
  const disk = await Deno.makeTempDir();
  const { code } = await new Deno.Command("mount", { args: ["-t", "tmpfs", "tmpfs", disk], stderr: "null" })
    .output().catch(() => ({ code: 1 }));
  try {
    if (code !== 0) return; // This user may not mount.
    const yaml = `routes: [{ path: /, files: ${parentFolder(disk)}, methods: [GET, PUT] }]\n`;
    const warnings = await warningsOf(yaml, 1000);
    assert(
      warnings.includes(
        `pollux.yaml:1:10: warning: routes[0]: takes uploads, and ${disk} is another disk, on which it may write as well`,
      ),
      warnings.join("\n"),
    );
  } finally {
    if (code === 0) await new Deno.Command("umount", { args: ["-l", disk] }).output();
    await Deno.remove(disk);
  }
});

Deno.test("a missing interpreter is warned of where there are scripts for it, or where it is named", async () => {
  assertEquals(await warningsOf(WISE, 1000, 0o755, ["perl", "ruby"]), []);
  const remedy = "install it, or name another under interpreters";
  const named = WISE.replace("cgi: cgi-bin", "cgi: cgi-bin, interpreters: { .lua: lua }");
  assertEquals(await warningsOf(named, 1000, 0o755, ["lua"]), [
    `pollux.yaml:3:5: warning: routes[0]: lua is not installed, and scripts that end in .lua get a 500: ${remedy}`,
  ]);
  const php = "routes: [{ path: /, files: static, scripts: [.php] }]\n";
  assertEquals(await warningsOf(php, 1000, 0o755, ["php-cgi", "perl"]), [
    `pollux.yaml:1:10: warning: routes[0]: php-cgi is not installed, and scripts that end in .php get a 500: ${remedy}`,
  ]);
});
