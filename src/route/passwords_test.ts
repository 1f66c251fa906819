import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import fc from "fast-check";
import { apr1 } from "./apr1.ts";
import { parseHtpasswd } from "./htpasswd.ts";
import { md5 } from "./md5.ts";
import { sha256 } from "./sha256.ts";
import { verifyPassword } from "./verify_password.ts";

const encoder = new TextEncoder();

function pure(name: string, fn: () => void | Promise<void>): void {
  Deno.test({ name, permissions: "none", fn });
}

function hex(bytes: Uint8Array): string {
  return bytes.toHex();
}

pure("md5() gives the digests of RFC 1321, appendix A.5", () => {
  const digests: Record<string, string> = {
    "": "d41d8cd98f00b204e9800998ecf8427e",
    "a": "0cc175b9c0f1b6a831c399e269772661",
    "abc": "900150983cd24fb0d6963f7d28e17f72",
    "message digest": "f96b697d7cb7938d525a2f31aaf161d0",
    "abcdefghijklmnopqrstuvwxyz": "c3fcd3d76192e4007dfb496cca67e13b",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789": "d174ab98d277d9f5a5611c2c9f419d9f",
    "12345678901234567890123456789012345678901234567890123456789012345678901234567890":
      "57edf4a22be3c955ac49da2e2107b67a",
  };
  for (const [text, digest] of Object.entries(digests)) {
    assertEquals(hex(md5(encoder.encode(text))), digest, text);
  }
});

pure("sha256() gives the digests of FIPS 180-4, and those of the runtime at every length", async () => {
  const digests: Record<string, string> = {
    "": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq":
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  };
  for (const [text, digest] of Object.entries(digests)) {
    assertEquals(hex(sha256(encoder.encode(text))), digest, text);
  }
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
    const expected = await crypto.subtle.digest("SHA-256", Uint8Array.from(bytes));
    assertEquals(hex(sha256(bytes)), hex(new Uint8Array(expected)));
  }));
});

pure("apr1() gives what Apache's htpasswd and openssl do", () => {
  const entries: [password: string, entry: string][] = [
    ["myPassword", "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"],
    ["", "$apr1$xxxxxxxx$AL/DOdqyMUurcg0cPNW/P1"],
    ["a very long password that is longer than sixteen bytes, really", "$apr1$a$PkclutAYMNXTVQW2EEfmU1"],
    ["p\u00e4:ss\u20ac", "$apr1$Uml$cFfvvm26TMuoBtWkLHcj.0"],
  ];
  for (const [password, entry] of entries) {
    assertEquals(apr1(encoder.encode(password), entry.split("$")[2]), entry);
  }
});

pure(
  "verifyPassword() knows bcrypt, apr1 and {SHA}, and refuses the neighbour of each password",
  async () => {
    const entries: [password: string, hash: string][] = [
      ["pa:ss \u00e9", "$2y$04$8O6pLnslCt.sBfcg3vZYYOOlRKyH4qjqVnJmFlMIEHEcf5Sx1r/d."],
      ["s3cret", "$apr1$nFtTivCn$QvopWaXPap3Ho9wXpvZlX/"],
      ["password", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="],
    ];
    for (const [password, hash] of entries) {
      assert(await verifyPassword(password, hash), hash);
      for (const other of ["", `${password}x`, password.slice(1), password.toUpperCase()]) {
        assertEquals(await verifyPassword(other, hash), false, `${other} ${hash}`);
      }
    }
  },
);

pure("parseHtpasswd() takes the three kinds of hash, comments and either line end", () => {
  const { users, faults } = parseHtpasswd(
    "# users\r\n\r\nalice:$apr1$nFtTivCn$QvopWaXPap3Ho9wXpvZlX/\r\n" +
      "b\u00f6b:$2y$04$8O6pLnslCt.sBfcg3vZYYOOlRKyH4qjqVnJmFlMIEHEcf5Sx1r/d.\n\ncarol:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=:x",
  );
  assertEquals(faults, []);
  assertEquals([...users.keys()], ["alice", "b\u00f6b", "carol"]);
  assertEquals(users.get("carol"), "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=");
});

pure(
  "parseHtpasswd() says of each line that it does not understand what is wrong, and nothing of its password",
  () => {
    const good = "alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=";
    const lines: [line: string, pattern: RegExp][] = [
      ["alice", /^is not USER:HASH: make the line with htpasswd -B$/],
      [":{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", /USER:HASH/],
      [
        "bob:plaintext",
        /^has a hash that is neither bcrypt nor \$apr1\$ nor \{SHA\}: make the line with htpasswd -B$/,
      ],
      ["bob:rl.3StKT.4T8M", /neither bcrypt/],
      ["bob:", /neither bcrypt/],
      ["bob:$2y$03$8O6pLnslCt.sBfcg3vZYYOOlRKyH4qjqVnJmFlMIEHEcf5Sx1r/d.", /neither bcrypt/],
      [
        "bob:$2y$17$8O6pLnslCt.sBfcg3vZYYOOlRKyH4qjqVnJmFlMIEHEcf5Sx1r/d.",
        /cost 17, with which a login takes minutes: make it with htpasswd -B -C 10$/,
      ],
      ["bob:$apr1$123456789$QvopWaXPap3Ho9wXpvZlX/", /neither bcrypt/],
      ["bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g", /neither bcrypt/],
      [good, /has a line already: keep one$/],
    ];
    for (const [line, pattern] of lines) {
      const { users, faults } = parseHtpasswd(`${good}\n${line}\n`);
      assertEquals([[...users.keys()], faults.map((fault) => fault.line)], [["alice"], [2]], line);
      assertMatch(faults[0].message, pattern);
      assertNotMatch(faults[0].message, /plaintext|W6ph5/);
    }
  },
);
