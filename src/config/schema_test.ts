import { assert, assertEquals, assertThrows } from "@std/assert";
import * as v from "valibot";
import {
  AUTH,
  CACHE,
  CGI,
  FILE,
  HANDLERS,
  LIMITS,
  LISTEN,
  LOG,
  RATE,
  SCRIPT_LIMITS,
  SITE,
  TIMEOUTS,
  TLS,
  TOP,
} from "./schema.ts";
import { type Keys, shapeOf } from "./types.ts";

const BLOCKS: Readonly<Record<string, Keys>> = {
  top: TOP,
  site: SITE,
  listen: LISTEN,
  tls: TLS,
  log: LOG,
  limits: LIMITS,
  timeouts: TIMEOUTS,
  cgi: CGI,
  script_limits: SCRIPT_LIMITS,
  auth: AUTH,
  rate: RATE,
  cache: CACHE,
  ...Object.fromEntries(Object.entries(HANDLERS).map(([name, keys]) => [`${name} route`, keys])),
};

function pure(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

pure("every key has one line that says what it is for, and a name for its kind", () => {
  for (const [block, keys] of Object.entries(BLOCKS)) {
    for (const [name, { type, text }] of Object.entries(keys)) {
      assert(/^\S.*\.$/.test(text) && text.length <= 110, `${block}.${name}: ${text}`);
      assert((v.getTitle(type) ?? "") !== "", `${block}.${name} has no title`);
    }
  }
});

pure("every default is a value that its own key takes", () => {
  for (const [block, keys] of Object.entries(BLOCKS)) {
    for (const [name, { type, fallback }] of Object.entries(keys)) {
      if (fallback === undefined) continue;
      const result = v.safeParse(type, fallback);
      assert(result.success, `${block}.${name}: ${result.issues?.[0].message}`);
    }
  }
});

pure("blocks that hold for the whole server have a default for each key", () => {
  for (const block of ["log", "limits", "timeouts", "cgi"]) {
    for (const [name, { fallback }] of Object.entries(BLOCKS[block])) {
      assert(fallback !== undefined, `${block}.${name}`);
    }
  }
});

pure("an empty file is a valid one", () => {
  assertEquals(v.safeParse(FILE, {}).success, true);
});

Deno.test({
  name: "shapeOf() throws for a type that nobody could complete in an editor",
  permissions: "none",
  fn() {
    const type = v.pipe(v.string(), v.title("a text"));
    assertThrows(() => shapeOf(type), TypeError, "the type a text has no shape");
  },
});
