import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { fieldOf, textOf } from "../../tests/support/exchange.ts";
import { ManualClock } from "../time/clock.ts";
import { formatSize, listingReply, readListing, readSorting, sortEntries } from "./listing.ts";
import { ServedFolder } from "./open_file.ts";
import { Secrets } from "./secrets.ts";

const ENTRIES = [
  { name: "b10.txt", isFolder: false, size: 5, modifiedMs: 3000 },
  { name: "b9.txt", isFolder: false, size: 2048, modifiedMs: 1000 },
  { name: "z", isFolder: true, size: 0, modifiedMs: 2000 },
  { name: "a.txt", isFolder: false, size: 5, modifiedMs: null },
];

function order(query: string | null): string {
  return sortEntries(ENTRIES, readSorting(query)).map((entry) => entry.name).join(" ");
}

Deno.test({
  name: "listing: sorted by name, size or time, folders first",
  permissions: "none",
  fn() {
    for (const query of [null, "", "sort=name", "sort=x&order=y"]) {
      assertEquals(order(query), "z a.txt b9.txt b10.txt");
    }
    assertEquals(order("sort=name&order=desc"), "z b10.txt b9.txt a.txt");
    assertEquals(order("sort=size"), "z a.txt b10.txt b9.txt");
    assertEquals(order("sort=size&order=desc"), "z b9.txt a.txt b10.txt");
    assertEquals(order("sort=time&order=desc"), "z b10.txt b9.txt a.txt");
  },
});

const REQUEST = { path: "/x/", query: null, accept: null, cacheControl: null };

Deno.test({
  name: "listing: a page in HTML, names escaped and never more than a path",
  permissions: "none",
  async fn() {
    const names = [
      "<script>alert(1)</script>",
      "javascript:alert(1)",
      "a b?c#d%e",
      '"quoted"',
      "\u202egpj.exe",
    ];
    const entries = names.map((name) => ({ name, isFolder: false, size: 1, modifiedMs: 0 }));
    const reply = listingReply(entries, { ...REQUEST, path: "/<x>&/" });
    const html = await textOf(reply);
    assertEquals(fieldOf(reply, "Content-Type"), "text/html; charset=utf-8");
    assertEquals(fieldOf(reply, "Vary"), "Accept");
    assertFalse(html.includes("<script>"));
    assertFalse(/href="(?!\.\/|\.\.\/|\?)/.test(html), "each link is relative to the folder");
    assertStringIncludes(html, 'href="./javascript:alert(1)"');
    assertStringIncludes(html, 'href="./a%20b%3Fc%23d%25e"');
    assertStringIncludes(html, "Index of /&lt;x&gt;&amp;/");
  },
});

Deno.test({
  name: "listing: the sorted column says so and turns around; the top has no parent",
  permissions: "none",
  async fn() {
    const html = await textOf(listingReply(ENTRIES, { ...REQUEST, query: "sort=size" }));
    assertStringIncludes(
      html,
      '<th role="columnheader" scope="col" aria-sort="ascending"><a href="?sort=size&amp;order=desc">Size</a></th>',
    );
    assertStringIncludes(
      html,
      '<th role="columnheader" scope="col"><a href="?sort=name&amp;order=asc">Name</a></th>',
    );
    assertStringIncludes(html, 'href="../"');
    assertFalse((await textOf(listingReply(ENTRIES, { ...REQUEST, path: "/" }))).includes('href="../"'));
  },
});

Deno.test({
  name: "listing: the folders above are links, and what is here is counted",
  permissions: "none",
  async fn() {
    const html = await textOf(listingReply(ENTRIES, { ...REQUEST, path: "/a/<b>/c/" }));
    assertStringIncludes(
      html,
      '<a href="../../../"><bdi></bdi>/</a><a href="../../"><bdi>a</bdi>/</a><a href="../"><bdi>&lt;b&gt;</bdi>/</a>' +
        "<bdi>c</bdi>/</h1>",
    );
    assertStringIncludes(html, "<caption>1 folder, 3 files, 2.0 KiB</caption>");
    assertStringIncludes(await textOf(listingReply([], REQUEST)), "<caption>Nothing is here.</caption>");
  },
});

Deno.test({
  name: "listing: JSON by Accept",
  permissions: "none",
  async fn() {
    const reply = listingReply(ENTRIES.slice(1, 3), { ...REQUEST, accept: "application/json" });
    assertEquals(fieldOf(reply, "Content-Type"), "application/json");
    assertEquals(JSON.parse(await textOf(reply)), [
      { name: "z", type: "directory", mtime: "1970-01-01T00:00:02.000Z" },
      { name: "b9.txt", type: "file", mtime: "1970-01-01T00:00:01.000Z", size: 2048 },
    ]);
  },
});

Deno.test({
  name: "formatSize() gives three digits at most",
  permissions: "none",
  fn() {
    const sizes = [0, 1023, 1024, 1434, 10189, 1048064, 1048575, 5 * 2 ** 30];
    assertEquals(sizes.map(formatSize), [
      "0 B",
      "1023 B",
      "1.0 KiB",
      "1.4 KiB",
      "10 KiB",
      "1.0 MiB",
      "1.0 MiB",
      "5.0 GiB",
    ]);
  },
});

Deno.test("listing: holds what the route serves and nothing else", async () => {
  const top = Deno.realPathSync(await Deno.makeTempDir({ prefix: "pollux-listing-" }));
  try {
    const dir = `${top}/www`;
    Deno.mkdirSync(`${dir}/sub/.hidden-folder`, { recursive: true });
    Deno.mkdirSync(`${dir}/sub/folder`);
    for (const name of ["a.txt", "é 日本.txt", ".hidden"]) Deno.writeTextFileSync(`${dir}/sub/${name}`, "x");
    Deno.writeTextFileSync(`${top}/outside`, "x");
    Deno.symlinkSync("../../outside", `${dir}/sub/link-outside`);
    Deno.symlinkSync("a.txt", `${dir}/sub/link-inside`);
    const make = new Deno.Command("sh", {
      args: ["-c", `mkfifo fifo && printf x > "$(printf 'latin-\\351')"`],
      cwd: `${dir}/sub`,
    });
    assert((await make.output()).success);
    const secrets = new Secrets([], new ManualClock());
    const names = async (follow: "inside" | "never" | "always", hidden: boolean) =>
      (await readListing(new ServedFolder(dir, follow, secrets), "/sub", hidden)).map((entry) => entry.name)
        .toSorted();
    assertEquals(await names("inside", false), ["a.txt", "folder", "link-inside", "é 日本.txt"]);
    assertEquals(await names("never", false), ["a.txt", "folder", "é 日本.txt"]);
    assertEquals(await names("always", true), [
      ".hidden",
      ".hidden-folder",
      "a.txt",
      "folder",
      "link-inside",
      "link-outside",
      "é 日本.txt",
    ]);
  } finally {
    await Deno.remove(top, { recursive: true });
  }
});
