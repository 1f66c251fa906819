import { assertEquals } from "@std/assert";
import { parseCacheControl, secondsOf } from "./cache_control.ts";

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

function read(value: string | null): Record<string, string | null> | null {
  const directives = parseCacheControl(value);
  return directives === null ? null : Object.fromEntries(directives);
}

test("parseCacheControl() reads tokens, quoted strings, empty elements", () => {
  assertEquals(read(null), {});
  assertEquals(read(""), {});
  assertEquals(read("no-store"), { "no-store": null });
  assertEquals(read("Max-Age=5, PUBLIC"), { "max-age": "5", public: null });
  assertEquals(read(',, private="Set-Cookie, X\\"y" ,\tmust-revalidate ,'), {
    private: 'Set-Cookie, X"y',
    "must-revalidate": null,
  });
});

test("parseCacheControl() does not guess which of two arguments is meant", () => {
  assertEquals(read("max-age=5, max-age=5"), { "max-age": "5" });
  assertEquals(read("max-age=5, max-age=6"), { "max-age": "" });
});

test("parseCacheControl() refuses what is malformed", () => {
  for (const value of ["max-age = 5", "a b", "=5", 'a="x', "a=", "no-store;max-age=5", "a=b=c"]) {
    assertEquals(read(value), null, value);
  }
});

test("secondsOf() takes digits only, and bounds them", () => {
  const seconds = (value: string) => {
    const directives = parseCacheControl(value);
    return directives === null ? undefined : secondsOf(directives, "max-age");
  };
  assertEquals(seconds("max-age=60"), 60);
  assertEquals(seconds('max-age="60"'), 60);
  assertEquals(seconds("max-age=99999999999999999999"), 2 ** 31);
  assertEquals(seconds("s-maxage=60"), null);
  for (const value of ["max-age", "max-age=-1", "max-age=1.5", "max-age=x", 'max-age=""']) {
    assertEquals(seconds(value), 0, value);
  }
});
