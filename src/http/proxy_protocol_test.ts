import { assertEquals } from "@std/assert";
import corpus from "../../tests/corpus/http/proxy_protocol.json" with { type: "json" };
import { runSplit } from "../../tests/support/splits.ts";
import { readProxyHeader } from "./proxy_protocol.ts";

/** One case: `expect` is address and port, empty where the proxy names none; a status where it is refused; null where more is needed. */
interface ProxyCase {
  readonly name: string;
  readonly input: string;
  readonly expect: string | number | null;
}

for (const { name, input, expect } of corpus as ProxyCase[]) {
  Deno.test({
    name: `readProxyHeader() ${name}`,
    permissions: "none",
    fn() {
      const bytes = Uint8Array.from(input, (char) => char.charCodeAt(0));
      const outcome = runSplit(bytes, () => (buffer, start, end) => {
        const header = readProxyHeader(buffer, start, end);
        if (header === null || header.bytes > end - start) return null;
        const { source } = header;
        return { value: source === null ? "" : `${source.address} ${source.port}`, bytes: header.bytes };
      });
      if (typeof expect === "string") {
        assertEquals(outcome, { kind: "complete", value: expect, bytes: bytes.length });
      } else if (expect === null) {
        assertEquals(outcome.kind, "incomplete");
      } else if (outcome.kind === "refused") {
        assertEquals([outcome.status, outcome.close], [expect, true]);
      } else {
        assertEquals(outcome.kind, "refused");
      }
    },
  });
}

Deno.test({
  name: "readProxyHeader() says how long a header is before all of it is there",
  permissions: "none",
  fn() {
    const head = "\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff\xc0\x00\x02\x01\xc0\x00\x02\x02\xdc\x04\x01\xbb";
    const bytes = Uint8Array.from(head, (char) => char.charCodeAt(0));
    assertEquals(readProxyHeader(bytes, 0, bytes.length), {
      source: { address: "192.0.2.1", port: 56324 },
      bytes: 16 + 65535,
    });
  },
});
