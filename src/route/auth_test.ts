import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { HttpError } from "../http/error.ts";
import type { FieldSection } from "../http/fields.ts";
import { ManualClock } from "../time/clock.ts";
import { BasicAuth, parseBasic, PasswordFile, Passwords } from "./auth.ts";

const ALICE = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=";

function basic(credentials: string): string {
  return `Basic ${new TextEncoder().encode(credentials).toBase64()}`;
}

function fieldsWith(authorization: string | null): FieldSection {
  return {
    count: 0,
    nameAt: () => "",
    valueAt: () => "",
    get: () => null,
    combined: (name) => name === "authorization" ? authorization : null,
  };
}

/** A route with a password file; passwords are `password`, and computing waits until it is let go. */
class Bench implements Disposable {
  readonly file = Deno.makeTempFileSync();
  readonly clock = new ManualClock();
  readonly logged: string[] = [];
  readonly asked: string[] = [];
  readonly passwords = new Passwords({
    verify: (password, hash) => {
      this.asked.push(`${password} ${hash.slice(0, 5)}`);
      return Promise.resolve(password === "password");
    },
  });
  readonly auth = this.authFor(null);

  constructor(text = `alice:${ALICE}\n`) {
    this.write(text);
  }

  authFor(methods: string[] | null): BasicAuth {
    const log = { log: (level: string, message: string) => void this.logged.push(`${level} ${message}`) };
    return new BasicAuth(
      { file: this.file, realm: 'a "b" \\', methods },
      new PasswordFile(this.file, this.clock, log),
      { passwords: this.passwords, log },
    );
  }

  write(text: string): void {
    Deno.writeTextFileSync(this.file, text);
  }

  user(credentials: string | null): string | Promise<string> {
    return this.auth.user(fieldsWith(credentials === null ? null : basic(credentials)), "192.0.2.1");
  }

  [Symbol.dispose](): void {
    try {
      Deno.removeSync(this.file);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

async function refused(attempt: () => string | Promise<string>): Promise<HttpError> {
  return await assertRejects(async () => await attempt(), HttpError);
}

Deno.test("BasicAuth computes a good login once and knows it from then on", async () => {
  using bench = new Bench();
  const first = bench.user("alice:password");
  assertInstanceOf(first, Promise);
  assertEquals(await first, "alice");
  assertEquals(bench.user("alice:password"), "alice");
  assertEquals(bench.asked, ["password {SHA}"]);
  assertEquals(bench.logged, []);
});

Deno.test("BasicAuth computes once for all who come with the same login at the same time", async () => {
  using bench = new Bench();
  assertEquals(await Promise.all([bench.user("alice:password"), bench.user("alice:password")]), [
    "alice",
    "alice",
  ]);
  assertEquals(bench.asked.length, 1);
});

Deno.test("BasicAuth refuses with 401 and a quoted realm, and says in the log whom", async () => {
  using bench = new Bench();
  const error = await refused(() => bench.user('al"\u202eice:password'));
  assertEquals([error.status, error.close], [401, false]);
  assertEquals(error.fields, [["WWW-Authenticate", 'Basic realm="a \\"b\\" \\\\", charset="UTF-8"']]);
  assertEquals((await refused(() => bench.user("alice:Password"))).status, 401);
  assertMatch(
    bench.logged.join("\n"),
    /^warn login of "al\\".*" from 192\.0\.2\.1 .*no such user\nwarn login of "alice" .*wrong$/,
  );
});

Deno.test("BasicAuth computes as long for a name that nobody has, even with somebody's password", async () => {
  using bench = new Bench();
  assertEquals((await refused(() => bench.user("nobody:password"))).status, 401);
  assertEquals((await refused(() => bench.user("nobody:x"))).status, 401);
  assertEquals(bench.asked, ["password {SHA}", "x {SHA}"]);
  assertEquals(await bench.user("alice:password"), "alice");
  assertEquals((await refused(() => bench.user("nobody:password"))).status, 401);
});

Deno.test("BasicAuth asks for credentials without a word in the log where there are none", () => {
  using bench = new Bench();
  const fields = [
    null,
    "",
    "Bearer x",
    "Basic",
    "Basic !",
    "Basic YQ==, Basic YQ==",
    basic("alice"),
    basic("a\0:b"),
  ];
  for (const value of fields) {
    assertEquals(
      assertThrows(() => bench.auth.user(fieldsWith(value), ""), HttpError).status,
      401,
      String(value),
    );
  }
  assertEquals([bench.asked, bench.logged], [[], []]);
});

Deno.test("BasicAuth reads the file again when it has changed, at most once a second", async () => {
  using bench = new Bench();
  assertEquals(await bench.user("alice:password"), "alice");
  bench.write(`alice:$apr1$nFtTivCn$QvopWaXPap3Ho9wXpvZlX/\nbob:${ALICE}\n`);
  assertEquals(bench.user("alice:password"), "alice");
  bench.clock.turn(1000);
  assertEquals(await bench.user("bob:password"), "bob");
  await bench.user("alice:password");
  assertEquals(bench.asked, ["password {SHA}", "password $apr1"], "another hash is another login");
  bench.write("");
  bench.clock.turn(1000);
  assertEquals((await refused(() => bench.user("bob:password"))).status, 401);
});

Deno.test("BasicAuth lets nobody in while the file cannot be read, and says so once", async () => {
  using bench = new Bench();
  assertEquals(await bench.user("alice:password"), "alice");
  Deno.removeSync(bench.file);
  for (let i = 0; i < 3; i++) {
    bench.clock.turn(1000);
    assertEquals((await refused(() => bench.user("alice:password"))).status, 500);
  }
  assertEquals(bench.logged.length, 1);
  assertMatch(bench.logged[0], / cannot be read, nobody gets in: .*; change its mode or owner$/);
  bench.write(`alice:${ALICE}\nbroken\n`);
  bench.clock.turn(1000);
  assertEquals(bench.user("alice:password"), "alice");
  assertMatch(bench.logged[1], /^warn .*:2: is not USER:HASH: make the line with htpasswd -B$/);
});

Deno.test("BasicAuth says where the file names nobody, and where it is none", async () => {
  using bench = new Bench();
  bench.write("");
  assertEquals((await refused(() => bench.user("alice:password"))).message, "the password file has no users");
  Deno.removeSync(bench.file);
  Deno.mkdirSync(bench.file);
  bench.clock.turn(1000);
  assertEquals((await refused(() => bench.user("alice:password"))).status, 500);
  assertMatch(bench.logged.join(), / cannot be read, nobody gets in: it is no file, or too large for one; /);
});

Deno.test("BasicAuth is needed for the methods it names, and for HEAD where GET is one of them", () => {
  using bench = new Bench();
  const all = bench.authFor(null);
  const writing = bench.authFor(["PUT", "DELETE"]);
  const reading = bench.authFor(["GET"]);
  const needed = (auth: BasicAuth) =>
    ["GET", "HEAD", "PUT", "POST"].map((method) => auth.isNeededFor(method));
  assertEquals(needed(all), [true, true, true, true]);
  assertEquals(needed(writing), [false, false, true, false]);
  assertEquals(needed(reading), [true, true, false, false]);
});

Deno.test("Passwords remembers a bounded number, and forgets who has not come for longest", async () => {
  let asked = 0;
  const passwords = new Passwords({
    verify: () => {
      asked++;
      return Promise.resolve(true);
    },
  });
  for (let i = 0; i < 1024; i++) await passwords.isGood(`p${i}`, "h");
  assertEquals(passwords.isGood("p0", "h"), true);
  await passwords.isGood("p1024", "h");
  assertEquals([passwords.isGood("p0", "h"), asked], [true, 1025]);
  assert(await passwords.isGood("p1", "h"));
  assertEquals(asked, 1026);
});

Deno.test("Passwords does not remember a refusal, nor a failure to compute", async () => {
  const answers = [() => Promise.resolve(false), () => Promise.reject(new HttpError(503, "full"))];
  const passwords = new Passwords({ verify: () => answers.shift()?.() ?? Promise.resolve(true) });
  assertEquals(await passwords.isGood("p", "h"), false);
  await assertRejects(async () => await passwords.isGood("p", "h"), HttpError);
  assertEquals(await passwords.isGood("p", "h"), true);
});

Deno.test({
  name: "parseBasic() takes UTF-8, an empty password and colons in it, and no control characters",
  permissions: "none",
  fn() {
    assertEquals(parseBasic(basic("b\u00f6b:p\u00e4:\u20ac")), {
      user: "b\u00f6b",
      password: "p\u00e4:\u20ac",
    });
    assertEquals(parseBasic("bAsIc  QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), {
      user: "Aladdin",
      password: "open sesame",
    });
    assertEquals(parseBasic(basic("a:")), { user: "a", password: "" });
    assertEquals(parseBasic(basic(`a:${"x".repeat(255)}`))?.password.length, 255);
    const refused = [
      basic("a"),
      basic("a:\n"),
      basic("\x7f:"),
      basic(`a:${"x".repeat(256)}`),
      "Basic /w==",
      "Basic A",
    ];
    for (const value of refused) assertEquals(parseBasic(value), null, value);
    assertEquals(parseBasic("Basic /zo="), null, "a byte that is no UTF-8");
  },
});
