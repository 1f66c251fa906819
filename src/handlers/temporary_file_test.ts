import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { HttpError } from "../http/error.ts";
import type { LocatedFolder } from "./open_file.ts";
import { pathIn, removeStale, storageError, TemporaryFile } from "./temporary_file.ts";

const TEXT = new TextEncoder();

/** A folder that is removed in the end. */
class Folder implements Disposable {
  readonly path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "pollux-test-" }));

  get located(): LocatedFolder {
    return { kind: "folder", path: this.path, realPath: this.path, info: Deno.statSync(this.path) };
  }

  /** Names and contents. */
  get files(): Record<string, string> {
    const names = [...Deno.readDirSync(this.path)].map(({ name }) => name).sort();
    return Object.fromEntries(names.map((name) => [name, Deno.readTextFileSync(join(this.path, name))]));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

async function written(folder: LocatedFolder, content: string): Promise<TemporaryFile> {
  const file = await TemporaryFile.create(folder, null);
  await file.write(TEXT.encode(content));
  file.finish();
  return file;
}

Deno.test("TemporaryFile takes a place that nobody has, and another's only to replace it", async () => {
  using folder = new Folder();
  const place = pathIn(folder.path, "a");
  const first = await written(folder.located, "first");
  const second = await written(folder.located, "second");
  assertEquals([first.place(place), second.place(place)], [true, false]);
  first.discard();
  assertEquals(Deno.readTextFileSync(place), "first");
  second.replace(place);
  second.discard();
  second.discard();
  assertEquals(folder.files, { a: "second" });
});

Deno.test("TemporaryFile leaves nothing, whenever it is discarded", async () => {
  using folder = new Folder();
  const begun = await TemporaryFile.create(folder.located, null);
  await begun.write(TEXT.encode("x"));
  assertEquals(Object.keys(folder.files).length, 1);
  begun.discard();
  (await written(folder.located, "x")).discard();
  const gone = await TemporaryFile.create(folder.located, null);
  for (const name of Object.keys(folder.files)) Deno.removeSync(join(folder.path, name));
  gone.discard();
  assertEquals(folder.files, {});
});

Deno.test("TemporaryFile is not made in a folder that was exchanged for a link, nor in one that is gone", async () => {
  using folder = new Folder();
  using other = new Folder();
  const path = join(folder.path, "sub");
  const located: LocatedFolder = { ...folder.located, path, realPath: path };
  assertEquals((await assertRejects(() => TemporaryFile.create(located, null), HttpError)).status, 409);
  Deno.symlinkSync(other.path, path);
  assertEquals((await assertRejects(() => TemporaryFile.create(located, null), HttpError)).status, 409);
  assertEquals(other.files, {});
});

Deno.test("removeStale() removes old temporary files and nothing else", async () => {
  using folder = new Folder();
  for (const name of [".pollux-upload-old", ".pollux-upload-new", ".pollux-other", "old"]) {
    const path = join(folder.path, name);
    Deno.writeTextFileSync(path, "");
    if (!name.endsWith("new")) Deno.utimeSync(path, 0, 0);
  }
  await removeStale(folder.located, Date.now());
  assertEquals(Object.keys(folder.files), [".pollux-other", ".pollux-upload-new", "old"]);
  await removeStale({ ...folder.located, path: join(folder.path, "none") }, Date.now());
});

Deno.test({
  name: "storageError() tells a full disk from a refusal, and a bug from both",
  permissions: "none",
  fn() {
    const rows: [code: string, status: number][] = [
      ["ENOSPC", 507],
      ["EDQUOT", 507],
      ["EFBIG", 507],
      ["EROFS", 403],
      ["EACCES", 403],
      ["ENOTDIR", 409],
      ["ENAMETOOLONG", 400],
      ["EMFILE", 503],
    ];
    for (const [code, status] of rows) {
      assertEquals(storageError(Object.assign(new Error("x"), { code })).status, status, code);
    }
    assertEquals(storageError(new Deno.errors.NotCapable("x")).status, 403);
    const refusal = new HttpError(412, "x");
    assertEquals(storageError(refusal), refusal);
    assertThrows(() => storageError(new TypeError("a bug")), TypeError);
    assertThrows(() => storageError(Object.assign(new Error("x"), { code: "EIO" })), Error);
  },
});
