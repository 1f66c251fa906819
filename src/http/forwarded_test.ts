import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { type ForwardedElement, forwardedElements, legacyElements } from "./forwarded.ts";

function pure(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

function said(elements: ForwardedElement[]): string[] {
  return elements.map(({ node, scheme, host }) =>
    `${node === null ? "-" : `${node.address} ${node.port}`} ${scheme ?? "-"} ${host ?? "-"}`
  );
}

pure("forwardedElements() reads elements from the last to the first", () => {
  const cases: Record<string, string[]> = {
    "for=192.0.2.43": ["192.0.2.43 0 - -"],
    'For=192.0.2.43;Proto=HTTPS;host="example.org:8443";by=203.0.113.60': [
      "192.0.2.43 0 https example.org:8443",
    ],
    "for=192.0.2.43, for=198.51.100.17;proto=http": ["198.51.100.17 0 http -", "192.0.2.43 0 - -"],
    'for="[2001:db8:cafe::17]:4711"': ["2001:db8:cafe::17 4711 - -"],
    'for="192.0.2.43:47011"': ["192.0.2.43 47011 - -"],
    'for="\\1.2.3.4"': ["1.2.3.4 0 - -"],
    "proto=https": ["- https -"],
    "for=_hidden;proto=https": ["- https -"],
    "for=unknown": ["- - -"],
    ' for=1.2.3.4 ; proto=https ,  for="[::1]" ': ["::1 0 - -", "1.2.3.4 0 https -"],
    "for=1.2.3.4;": ["1.2.3.4 0 - -"],
    "": ["- - -"],
    'host="a,b";for=1.2.3.4': ["1.2.3.4 0 - a,b"],
    'x="a;b, c\\"";for=1.2.3.4': ["1.2.3.4 0 - -"],
    'for=1.2.3.4;proto=ftp;host="a/b"': ["1.2.3.4 0 - -"],
    'for="[::ffff:1.2.3.4]"': ["1.2.3.4 0 - -"],
  };
  for (const [value, expected] of Object.entries(cases)) {
    assertEquals(said(forwardedElements(value)), expected, value);
  }
});

pure("forwardedElements() gives nothing of what is malformed, nor of what stands before it", () => {
  const malformed = [
    "for",
    "for=",
    "=1.2.3.4",
    "for=1.2.3.4;for=1.2.3.4",
    'for="1.2.3.4',
    "for= 1.2.3.4",
    "for=[::1]",
    "a b",
  ];
  for (const value of malformed) {
    assertEquals(said(forwardedElements(value)), [], value);
    assertEquals(
      said(forwardedElements(`for=9.9.9.9, ${value}, for=5.6.7.8`)).slice(0, 1),
      ["5.6.7.8 0 - -"],
      value,
    );
    assertEquals(
      said(forwardedElements(`for=9.9.9.9, ${value}, for=5.6.7.8`)).includes("9.9.9.9 0 - -"),
      false,
      value,
    );
  }
});

pure("whatever a client sends, what a proxy adds behind it is read", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'for=";, \\1.:[]x'), maxLength: 30 }), (junk) => {
      const added = 'for="[2001:db8::1]";proto=https';
      assertEquals(said(forwardedElements(`${junk}, ${added}`))[0], "2001:db8::1 0 https -", junk);
      assertEquals(said(legacyElements(`${junk}, 192.0.2.1`, null, null))[0], "192.0.2.1 0 - -", junk);
    }),
  );
});

pure("legacyElements() reads addresses from the last to the first, with scheme and host", () => {
  const cases: [args: [string | null, string | null, string | null], expected: string[]][] = [
    [["192.0.2.1", "https", "example.org"], ["192.0.2.1 0 https example.org"]],
    [["1.1.1.1, 2.2.2.2", "https", "a"], ["2.2.2.2 0 https a", "1.1.1.1 0 https a"]],
    [["1.1.1.1, 2.2.2.2", "https, http", "a, b"], ["2.2.2.2 0 http b", "1.1.1.1 0 https a"]],
    [["1.1.1.1", "https, http", null], ["1.1.1.1 0 http -"]],
    [[null, "https", "a:80"], ["- https a:80"]],
    [[null, null, null], ["- - -"]],
    [["2001:DB8::1,[::1]:80 , 1.2.3.4:5", null, null], ["1.2.3.4 5 - -", "::1 80 - -", "2001:db8::1 0 - -"]],
    [["1.1.1.1, unknown, 2.2.2.2", null, null], ["2.2.2.2 0 - -", "- - -"]],
    [["1.2.3.4:65536", "gopher", "a b"], ["- - -"]],
    [["1.2.3.4, ,", null, null], ["1.2.3.4 0 - -"]],
    [["[1.2.3.4]", null, null], ["- - -"]],
  ];
  for (const [args, expected] of cases) {
    assertEquals(said(legacyElements(...args)), expected, args.join(" | "));
  }
});
