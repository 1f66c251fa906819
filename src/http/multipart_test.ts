import { assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { HttpError } from "./error.ts";
import { multipartBoundary, MultipartReader, type PartHead } from "./multipart.ts";
import { encodeOctets } from "./octets.ts";

/** A part, whole. */
interface Part extends PartHead {
  /** One char a byte. */
  readonly content: string;
}

/** Reads a body in pieces. */
function read(boundary: string, chunks: readonly string[]): Part[] {
  const reader = new MultipartReader(boundary);
  const parts: Part[] = [];
  let open: { head: PartHead; content: string } | null = null;
  for (const chunk of chunks) {
    for (const piece of reader.push(encodeOctets(chunk))) {
      if (piece.kind === "head") {
        assertEquals(open, null);
        open = { head: piece.head, content: "" };
      } else if (open === null) {
        throw new TypeError(`${piece.kind} outside of a part`);
      } else if (piece.kind === "content") {
        assertEquals(piece.bytes.length > 0, true);
        open.content += String.fromCharCode(...piece.bytes);
      } else {
        parts.push({ ...open.head, content: open.content });
        open = null;
      }
    }
  }
  reader.finish();
  assertEquals(open, null);
  return parts;
}

/** Reads a body whole, byte by byte, and cut in two at every place: always the same. */
function readSplit(boundary: string, body: string): Part[] {
  const whole = read(boundary, [body]);
  assertEquals(read(boundary, [...body]), whole);
  for (let at = 0; at <= body.length; at++) {
    assertEquals(read(boundary, [body.slice(0, at), body.slice(at)]), whole, `cut at ${at}`);
  }
  return whole;
}

const HEAD = 'Content-Disposition: form-data; name="f"; filename="a.txt"\r\n';

function body(...parts: readonly string[]): string {
  return `--B\r\n${parts.join("\r\n--B\r\n")}\r\n--B--\r\n`;
}

Deno.test({
  name: "MultipartReader reads files and fields, however they are cut",
  permissions: "none",
  fn() {
    const text = body(
      `${HEAD}Content-Type: text/plain\r\n\r\none`,
      "content-disposition:form-data;name=x\r\n\r\ntwo\r\n\r\n--A\r\n-\r",
      `${HEAD}\r\n`,
    );
    assertEquals(readSplit("B", text), [
      { name: "f", fileName: "a.txt", content: "one" },
      { name: "x", fileName: null, content: "two\r\n\r\n--A\r\n-\r" },
      { name: "f", fileName: "a.txt", content: "" },
    ]);
    assertEquals(readSplit("B", "--B--"), []);
    assertEquals(readSplit("B", "\r\n--B \t\r\n" + HEAD + "\r\nx\r\n--B--ignored").length, 1);
  },
});

Deno.test({
  name: "MultipartReader gives any content back as it was, cut anywhere",
  permissions: "none",
  fn() {
    const byte = fc.constantFrom("\r", "\n", "-", "B", "x", "\0", "\xff");
    const content = fc.array(byte, { maxLength: 40 }).map((chars) => chars.join(""));
    fc.assert(fc.property(
      fc.array(content, { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(400), { maxLength: 6 }),
      (contents, cuts) => {
        fc.pre(contents.every((each) => !`\r\n${each}`.includes("\r\n--B")));
        const text = body(...contents.map((each) => `${HEAD}\r\n${each}`));
        const places = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
        const chunks = places.slice(1).map((end, i) => text.slice(places[i], end));
        assertEquals(read("B", chunks).map((part) => part.content), contents);
      },
    ));
  },
});

Deno.test({
  name: "MultipartReader says of anything else that it is malformed, whatever it is",
  permissions: "none",
  fn() {
    const token = fc.constantFrom("--B", "--", "\r\n", "\r", "\n", HEAD, "x", " ", ":", '"', ";", "\0");
    fc.assert(
      fc.property(fc.array(token, { maxLength: 20 }), (tokens) => {
        const outcome = (chunks: readonly string[]) => {
          try {
            return read("B", chunks);
          } catch (error) {
            if (!(error instanceof HttpError)) throw error;
            return error.status;
          }
        };
        assertEquals(outcome(tokens), outcome([tokens.join("")]));
      }),
      { numRuns: 2000 },
    );
  },
});

function fileName(parameters: string): string | null {
  return read("B", [body(`Content-Disposition: form-data; name=f${parameters}\r\n\r\n`)])[0].fileName;
}

Deno.test({
  name: "MultipartReader reads file names as browsers and curl write them",
  permissions: "none",
  fn() {
    const rows: [string, string | null][] = [
      ["", null],
      ['; filename=""', ""],
      ["; filename=a.txt", "a.txt"],
      ['; filename="a;b\\"c\\\\d.txt"', 'a;b"c\\d.txt'],
      ['; filename="C:\\dir\\a.txt"', "C:\\dir\\a.txt"],
      ['; FileName="%22.txt"', "%22.txt"],
      ['; filename="\xc3\xa9"', "é"],
      ["; filename*=UTF-8''%C3%A9%20x", "é x"],
      ["; filename*=utf-8'en'a; filename=b", "b"],
      ['; filename="a";', "a"],
    ];
    for (const [parameters, expected] of rows) assertEquals(fileName(parameters), expected, parameters);
    for (
      const parameters of [
        '; filename="\xe9"',
        "; filename*=latin-1''a",
        "; filename*=UTF-8''%E9",
        "; filename=a; filename=b",
        '; filename="a',
        "; filename=a b",
        "; filename",
        "; name=g",
        " filename=a",
      ]
    ) assertEquals(assertThrows(() => fileName(parameters), HttpError).status, 400, parameters);
  },
});

Deno.test({
  name: "MultipartReader refuses what readers disagree about",
  permissions: "none",
  fn() {
    const rows: [string, number][] = [
      ["", 400],
      ["--B", 400],
      ["--B\r\n", 400],
      ["--B-", 400],
      ["x--B--", 400],
      ["preamble\r\n--B--", 400],
      ["\r\n\r\n--B--", 400],
      ["--B\n" + HEAD + "\r\nx\r\n--B--", 400],
      ["--BB\r\n" + HEAD + "\r\nx\r\n--B--", 400],
      [`--B${" ".repeat(65)}\r\n${HEAD}\r\nx\r\n--B--`, 400],
      [body(`${HEAD}\r\nx`).slice(0, -5), 400],
      [body(`${HEAD}\r\nx`).replace("x", "x\r\n--Bx"), 400],
      [body("\r\nx"), 400],
      [body(`${HEAD}${HEAD}\r\nx`), 400],
      [body(`${HEAD} folded\r\n\r\nx`), 400],
      [body(`Content-Disposition : form-data; name=f\r\n\r\nx`), 400],
      [body(`Content-Disposition: attachment; name=f\r\n\r\nx`), 400],
      [body(`Content-Disposition: form-data\r\n\r\nx`), 400],
      [body(`${HEAD}X: ${"x".repeat(8192)}\r\n\r\nx`), 400],
      [body(`${HEAD}${"X: y\r\n".repeat(16)}\r\nx`), 400],
      [body(`${HEAD}Content-Transfer-Encoding: base64\r\n\r\nx`), 415],
    ];
    for (const [text, status] of rows) {
      assertEquals(assertThrows(() => read("B", [text]), HttpError).status, status, text.slice(0, 80));
    }
    assertEquals(readSplit("B", body(`${HEAD}Content-Transfer-Encoding: 8BIT\r\n\r\nx`)).length, 1);
    assertEquals(read("B", [body(`${HEAD}${"X: y\r\n".repeat(15)}\r\nx`)]).length, 1);
    assertEquals(read("B", [`--B${" ".repeat(64)}\r\n${HEAD}\r\nx\r\n--B--`]).length, 1);
  },
});

Deno.test({
  name: "multipartBoundary() reads the boundary of multipart/form-data, and of nothing else",
  permissions: "none",
  fn() {
    assertEquals(
      multipartBoundary("multipart/form-data; boundary=----WebKitFormBoundaryX"),
      "----WebKitFormBoundaryX",
    );
    assertEquals(multipartBoundary('Multipart/Form-Data ;charset=utf-8; Boundary="a b:c"'), "a b:c");
    assertEquals(multipartBoundary(`multipart/form-data; boundary=${"b".repeat(70)}`), "b".repeat(70));
    for (const other of [null, "", "text/plain", "multipart/mixed; boundary=x", "multipart/form-data-x"]) {
      assertEquals(multipartBoundary(other), null);
    }
    for (
      const bad of [
        "",
        "; boundary=",
        '; boundary=""',
        '; boundary="a "',
        '; boundary="a\xff"',
        `; boundary=${"b".repeat(71)}`,
        "; boundary=a, multipart/form-data; boundary=b",
        "; boundary=a; boundary=b",
      ]
    ) {
      assertEquals(
        assertThrows(() => multipartBoundary(`multipart/form-data${bad}`), HttpError).status,
        400,
        bad,
      );
    }
  },
});
