import { assertEquals, assertInstanceOf } from "@std/assert";
import { addressKey, isLoopback, normalizeHost, parseGatewayAddress, parseListenAddress } from "./address.ts";
import { Refusal } from "./refusal.ts";

function pure(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

function tcp(hostname: string, port: number) {
  return { transport: "tcp", hostname, port } as const;
}

function refusals(parse: (text: string) => unknown, cases: Record<string, string>): void {
  for (const [text, message] of Object.entries(cases)) {
    const refusal = parse(text);
    assertInstanceOf(refusal, Refusal, text);
    assertEquals(refusal.message, message);
  }
}

pure("parseListenAddress() takes every form of the contract", () => {
  const cases: [string, unknown][] = [
    ["127.0.0.1:8080", tcp("127.0.0.1", 8080)],
    ["8080", tcp("::", 8080)],
    [":8080", tcp("::", 8080)],
    ["*:80", tcp("::", 80)],
    ["[::1]:8080", tcp("::1", 8080)],
    ["[0:0::0001]:8080", tcp("::1", 8080)],
    ["localhost:0", tcp("localhost", 0)],
    ["Example.ORG:443", tcp("example.org", 443)],
    ["0.0.0.0:65535", tcp("0.0.0.0", 65535)],
    ["unix:/run/pollux.sock", { transport: "unix", path: "/run/pollux.sock" }],
    ["unix:run/a:b", { transport: "unix", path: "run/a:b" }],
  ];
  for (const [text, address] of cases) assertEquals(parseListenAddress(text), address as never, text);
});

pure("parseListenAddress() refuses all else and says what would be right", () => {
  const forms = `write 127.0.0.1:8080, :8080, "[::1]:8080" or unix:/run/pollux.sock`;
  refusals(parseListenAddress, {
    "": `"" is not an address: ${forms}`,
    "127.0.0.1": `"127.0.0.1" has no port: write 127.0.0.1:8080`,
    "[::1]": `"[::1]" has no port: write [::1]:8080`,
    "localhost": `"localhost" has no port: write localhost:8080`,
    "a b": `"a b" is not an address: ${forms}`,
    "127.0.0.1:": `"127.0.0.1:": a port is a number from 0 to 65535`,
    "127.0.0.1:65536": `"127.0.0.1:65536": a port is a number from 0 to 65535`,
    "127.0.0.1:080": `"127.0.0.1:080": a port is a number from 0 to 65535`,
    "127.0.0.1:http": `"127.0.0.1:http": a port is a number from 0 to 65535`,
    "70000": `"70000": a port is a number from 0 to 65535`,
    "::1:8080": `"::1:8080": an IPv6 address stands in brackets: write "[::1]:8080"`,
    "256.0.0.1:80": `"256.0.0.1:80": "256.0.0.1" is neither a host name nor an address`,
    "127.1:80": `"127.1:80": "127.1" is neither a host name nor an address`,
    "[::g]:80": `"[::g]:80": "[::g]" is neither a host name nor an address`,
    "http://127.0.0.1:8080/": `"http://127.0.0.1:8080/" is a URL, not an address: write 127.0.0.1:8080`,
    "unix:": `"unix:" names no file: write unix:/run/pollux.sock`,
    "unix:/a\0b": `"unix:/a?b": a path has no NUL`,
  });
});

pure("parseGatewayAddress() wants a host and a port that can be reached", () => {
  assertEquals(parseGatewayAddress("127.0.0.1:9000"), tcp("127.0.0.1", 9000));
  refusals(parseGatewayAddress, {
    ":9000": `":9000" names no host: write 127.0.0.1:9000 or unix:/run/app.sock`,
    "127.0.0.1:0": `"127.0.0.1:0": a port is a number from 1 to 65535`,
  });
});

pure("addressKey() is the same for the same address", () => {
  const key = (text: string) => {
    const address = parseListenAddress(text);
    return address instanceof Refusal ? address.message : addressKey(address);
  };
  assertEquals(key("[::1]:80"), key("[0::1]:80"));
  assertEquals(key(":80"), key("80"));
  assertEquals(key("127.0.0.1:80") === key("127.0.0.1:81"), false);
});

pure("isLoopback() knows this machine's addresses, not names that look like them", () => {
  const cases: [string, boolean][] = [
    ["127.0.0.1:1", true],
    ["127.9.9.9:1", true],
    ["localhost:1", true],
    ["[::1]:1", true],
    ["unix:/x", true],
    [":1", false],
    ["0.0.0.0:1", false],
    ["127.example.org:1", false],
    ["[::ffff:10.0.0.1]:1", false],
  ];
  for (const [text, expected] of cases) {
    const address = parseListenAddress(text);
    assertEquals(address instanceof Refusal ? null : isLoopback(address), expected, text);
  }
});

pure("normalizeHost() gives names in ASCII and lower case, and refuses what is no host", () => {
  const cases: [string, string | null][] = [
    ["Example.ORG", "example.org"],
    ["example.org.", "example.org"],
    ["bücher.example", "xn--bcher-kva.example"],
    ["a_b", "a_b"],
    ["[::1]", "::1"],
    ["10.0.0.1", "10.0.0.1"],
    ["10.0.0", null],
    ["0x7f.1", null],
    ["-a", null],
    ["a..b", null],
    ["a/b", null],
    ["a%2e", null],
    ["", null],
    ["a".repeat(64), null],
  ];
  for (const [text, expected] of cases) assertEquals(normalizeHost(text), expected, text);
});
