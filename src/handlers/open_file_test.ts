import { assert, assertEquals, assertThrows } from "@std/assert";
import { ManualClock } from "../time/clock.ts";
import { absentFor, type LocatedFile, ServedFolder } from "./open_file.ts";
import { Secrets } from "./secrets.ts";

const NO_SECRETS = new Secrets([], new ManualClock());

/** A temporary folder with `www/a.txt` in it, and that file located. */
async function withFile(run: (folder: ServedFolder, dir: string, located: LocatedFile) => Promise<void>) {
  const top = Deno.realPathSync(await Deno.makeTempDir({ prefix: "pollux-open-" }));
  try {
    const dir = `${top}/www`;
    Deno.mkdirSync(dir);
    Deno.writeTextFileSync(`${dir}/a.txt`, "a");
    Deno.writeTextFileSync(`${top}/outside.txt`, "o");
    const folder = new ServedFolder(`${dir}/`, "inside", NO_SECRETS);
    const located = await folder.locate("/a.txt");
    assert(located.kind === "file");
    await run(folder, dir, located);
  } finally {
    await Deno.remove(top, { recursive: true });
  }
}

Deno.test("ServedFolder.open() opens what was located", () =>
  withFile(async (folder, _dir, located) => {
    const opened = await folder.open(located, "/a.txt");
    assert(opened.kind === "open");
    opened.file.close();
    assertEquals(opened.info.size, 1);
  }));

Deno.test("ServedFolder.open() opens the new file where one was put in its place, as deployments do", () =>
  withFile(async (folder, dir, located) => {
    Deno.writeTextFileSync(`${dir}/new`, "newer");
    Deno.renameSync(`${dir}/new`, `${dir}/a.txt`);
    const opened = await folder.open(located, "/a.txt");
    assert(opened.kind === "open");
    opened.file.close();
    assertEquals(opened.info.size, 5);
  }));

Deno.test("ServedFolder.open() opens nothing where a file went, or became a link, a folder or a pipe", () =>
  withFile(async (folder, dir, located) => {
    const path = `${dir}/a.txt`;
    Deno.removeSync(path);
    assertEquals((await folder.open(located, "/a.txt")).kind, "absent");
    Deno.symlinkSync("../outside.txt", path);
    assertEquals((await folder.open(located, "/a.txt")).kind, "absent");
    Deno.removeSync(path);
    Deno.mkdirSync(path);
    assertEquals((await folder.open(located, "/a.txt")).kind, "folder");
    Deno.removeSync(path);
    assert((await new Deno.Command("mkfifo", { args: [path] }).output()).success);
    assertEquals((await folder.open(located, "/a.txt")).kind, "absent");
  }));

Deno.test("ServedFolder.locateAgain() says what locate() says", () =>
  withFile(async (folder, dir) => {
    Deno.symlinkSync("../outside.txt", `${dir}/outside`);
    for (const below of ["", "/a.txt", "/missing", "/outside", "/a.txt/b"]) {
      assertEquals(folder.locateAgain(below), await folder.locate(below), below);
    }
  }));

Deno.test("ServedFolder.locate() does not take a folder whose name begins alike for its own", () =>
  withFile(async (folder, dir) => {
    Deno.mkdirSync(`${dir}-old`);
    Deno.writeTextFileSync(`${dir}-old/a.txt`, "a");
    Deno.symlinkSync("../www-old/a.txt", `${dir}/old.txt`);
    assertEquals((await folder.locate("/old.txt")).kind, "absent");
  }));

// A loop may read the folder by its configured name alone. Made before any test, since tests may not write then.
const linked = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "pollux-linked-" }));
for (const folder of ["release", "outside"]) {
  Deno.mkdirSync(`${linked}/${folder}`);
  Deno.writeTextFileSync(`${linked}/${folder}/a.txt`, folder);
}
Deno.symlinkSync("release", `${linked}/www`);
Deno.symlinkSync("../outside", `${linked}/release/out`);
globalThis.addEventListener("unload", () => Deno.removeSync(linked, { recursive: true }));

Deno.test({
  name:
    "ServedFolder serves a folder that is a link, and links out of it, with permission for its name alone",
  permissions: { read: [`${linked}/www`] },
  async fn() {
    for (
      const [follow, below, content] of [["inside", "/a.txt", "release"], [
        "always",
        "/out/a.txt",
        "outside",
      ]] as const
    ) {
      const folder = new ServedFolder(`${linked}/www`, follow, NO_SECRETS);
      assertEquals((await folder.locate("")).kind, "folder");
      const located = await folder.locate(below);
      assert(located.kind === "file");
      const opened = await folder.open(located, below);
      assert(opened.kind === "open");
      assertEquals(await new Response(opened.file.readable).text(), content);
    }
    const inside = new ServedFolder(`${linked}/www`, "inside", NO_SECRETS);
    assertEquals((await inside.locate("/out/a.txt")).kind, "absent");
  },
});

Deno.test({
  name: "absentFor() tells what is not there from what is not allowed and from what went wrong",
  permissions: "none",
  fn() {
    const withCode = (code: string) => Object.assign(new Error("File name too long"), { code });
    const { NotFound, NotADirectory, FilesystemLoop, NotCapable, PermissionDenied, Interrupted } =
      Deno.errors;
    const nothing = { kind: "absent", status: 404, reason: "there is no file /a" } as const;
    for (
      const error of [new NotFound(), new NotADirectory(), new FilesystemLoop(), withCode("ENAMETOOLONG")]
    ) {
      assertEquals(absentFor(error, "/a"), nothing, error.name);
    }
    assertEquals(absentFor(new NotCapable(), "/a"), {
      ...nothing,
      reason: "/a leads out of what is served, which follow_symlinks does not allow",
    });
    assertEquals(absentFor(new PermissionDenied(), "/a"), {
      kind: "absent",
      status: 403,
      reason: "/a may not be read by this user: change its mode or owner",
    });
    for (const error of [new Interrupted("x"), withCode("EMFILE"), new TypeError("x")]) {
      assertThrows(() => absentFor(error, "/a"), Error);
    }
  },
});
