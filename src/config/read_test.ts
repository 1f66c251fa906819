import { assertEquals } from "@std/assert";
import { readYaml } from "./read.ts";

function pure(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

function read(text: string): unknown {
  const result = readYaml(new TextEncoder().encode(text));
  if (!("fault" in result)) return result.value;
  return result.place === null
    ? result.fault
    : `${result.place.line}:${result.place.column}: ${result.fault}`;
}

pure("readYaml() keeps every scalar as it is written", () => {
  assertEquals(
    read("a: 010\nb: off\nc: 'off'\nd: 1_000\ne: 0x10\nf: 1e3\ng: 2024-01-01\nh: ~\ni: yes\n404: x\n"),
    {
      a: "010",
      b: "off",
      c: "off",
      d: "1_000",
      e: "0x10",
      f: "1e3",
      g: "2024-01-01",
      h: "~",
      i: "yes",
      "404": "x",
    },
  );
});

pure("readYaml() gives null for what is left empty, and for an empty file", () => {
  assertEquals(read("a:\nb: ''\n"), { a: null, b: "" });
  assertEquals(read(""), null);
  assertEquals(read("# nothing\n"), null);
});

pure("readYaml() takes a byte order mark and Windows line ends", () => {
  assertEquals(read("\ufeffa: 1\r\nb: 2\r\n"), { a: "1", b: "2" });
});

pure("readYaml() names line and column of what is no YAML, and what would be right", () => {
  const quoteIt = "quote a text that holds : # [ ] { } & * ! | > @ % or a backquote";
  const cases: [string, string][] = [
    ["a: 1\nb:\n  c: 1\n  c: 2\n", `4:3: "c" stands twice in one block: keep one`],
    ["b: 1\na:\na:\n  c: 1\n", `3:1: "a" stands twice in one block: keep one`],
    ["{a: 1, a: 2}", "1:12: this key stands twice in one block: keep one"],
    ["a: 1\n---\nb: 2\n", "2:1: a second document begins here: a configuration is one"],
    ["a: [1\n", "2:1: the file ends within [ ] or { }: a closing bracket is missing"],
    ["a: 'x\n", "2:1: the file ends within quotes: one is missing"],
    ["a: 1\n b: 2\n", "2:3: the indentation fits no block: keys of one block begin in one column"],
    ["a: !!int 5\n", "1:11: a tag (!...) means nothing here: write the plain value"],
    ["a: *b\n", "1:6: this alias (*name) has no anchor (&name) before it"],
    ["a:\n\tb: 1\n", "2:1: a tab stands in the indentation: write spaces"],
    [
      "a: @x\n",
      `1:4: is not YAML: end of the stream or a document separator is expected; ${quoteIt}`,
    ],
  ];
  for (const [text, said] of cases) assertEquals(read(text), said, text);
});

pure("readYaml() takes tabs where they are no indentation", () => {
  assertEquals(read("a: 1\t# x\n\t\n\t# y\nb: 2\n"), { a: "1", b: "2" });
});

pure("readYaml() names the place of a byte that is no UTF-8", () => {
  const bytes = new Uint8Array([...new TextEncoder().encode("a: é\nb: "), 0xff, 0x0a]);
  const result = readYaml(bytes);
  assertEquals("fault" in result ? [result.place, result.fault] : null, [
    { line: 2, column: 4 },
    "is not UTF-8 here: save the file as UTF-8",
  ]);
});

pure("readYaml() bounds what aliases stand for", () => {
  let text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (let level = 1; level < 9; level++) {
    const aliases = Array.from({ length: 10 }, () => `*a${level - 1}`).join(", ");
    text += `a${level}: &a${level} [${aliases}]\n`;
  }
  assertEquals(
    read(text),
    "holds more than 1000000 values, aliases counted: use fewer aliases",
  );
  assertEquals(
    read("a: &a [*a]\n"),
    "is nested more than 32 deep, or an alias stands within itself",
  );
  assertEquals(read("a: &a { b: 1 }\nc: *a\n"), { a: { b: "1" }, c: { b: "1" } });
});

pure("readYaml() refuses keys that an object cannot have", () => {
  assertEquals(read("__proto__: { a: 1 }\n"), `1:1: "__proto__" cannot be a key`);
});
