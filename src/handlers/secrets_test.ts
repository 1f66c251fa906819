import { assert, assertFalse } from "@std/assert";
import { join } from "@std/path";
import { Secrets } from "./secrets.ts";

Deno.test("Secrets know a file by its name, by links to it, and by the name alone while it is not there", () => {
  const dir = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "pollux-test-" }));
  try {
    const path = (name: string) => join(dir, name);
    Deno.mkdirSync(path("real"));
    Deno.symlinkSync("real", path("link"));
    Deno.writeTextFileSync(path("real/there"), "");
    Deno.linkSync(path("real/there"), path("real/hard"));
    Deno.writeTextFileSync(path("real/other"), "");
    const clock = { now: () => 0, coarseMs: 0, add() {}, remove() {} };
    const secrets = new Secrets([path("link/there"), path("link/missing"), path("none/missing")], clock);
    for (const name of ["there", "hard"]) {
      assert(secrets.has(path(`real/${name}`), Deno.statSync(path(`real/${name}`))), name);
    }
    assertFalse(secrets.has(path("real/other"), Deno.statSync(path("real/other"))));
    for (const name of ["link/there", "real/there", "link/missing", "real/missing", "none/missing"]) {
      assert(secrets.isNamed(path(name)), name);
    }
    for (const name of ["real/other", "real", "missing"]) assertFalse(secrets.isNamed(path(name)), name);
    assertFalse(new Secrets([], clock).isNamed(path("real/there")));
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
