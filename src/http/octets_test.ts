import { assertEquals } from "@std/assert";
import { decodeOctets, encodeOctets, FIELD_VALUE, HEX_VALUE, LOWER, octetClass, TOKEN } from "./octets.ts";

Deno.test({
  name: "decodeOctets() and encodeOctets() keep each octet, at every length",
  permissions: "none",
  fn() {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => 255 - i);
    for (let length = 0; length < 40; length++) {
      const text = decodeOctets(bytes, 3, 3 + length);
      assertEquals(text.length, length);
      assertEquals(encodeOctets(text), bytes.slice(3, 3 + length));
    }
    assertEquals(encodeOctets(decodeOctets(bytes, 0, 256)), bytes);
  },
});

Deno.test({
  name: "octetClass() holds its members and both ends of its ranges",
  permissions: "none",
  fn() {
    const table = octetClass("a", [0x30, 0x32], [0xff, 0xff]);
    const members = [...table.keys()].filter((byte) => table[byte] === 1);
    assertEquals(members, [0x30, 0x31, 0x32, 0x61, 0xff]);
  },
});

Deno.test({
  name: "the classes agree with the grammar of RFC 9110",
  permissions: "none",
  fn() {
    for (let byte = 0; byte < 256; byte++) {
      const char = String.fromCharCode(byte);
      assertEquals(TOKEN[byte] === 1, /^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/.test(char), `token ${byte}`);
      assertEquals(
        FIELD_VALUE[byte] === 1,
        byte === 9 || byte === 32 || (byte > 32 && byte !== 127),
        `value ${byte}`,
      );
      assertEquals(HEX_VALUE[byte], /^[0-9A-Fa-f]$/.test(char) ? parseInt(char, 16) : 255, `digit ${byte}`);
      assertEquals(LOWER[byte], byte < 128 ? char.toLowerCase().charCodeAt(0) : byte, `lower ${byte}`);
    }
  },
});
