import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { FieldLines } from "../http/fields.ts";
import { encodeOctets } from "../http/octets.ts";
import {
  accessFormat,
  writeCombined,
  writeCommon,
  writeJson,
  writeReadable,
  type Zone,
} from "./access_log.ts";
import { Lines } from "./lines.ts";
import type { AccessRecord } from "./record.ts";

const RECORD: AccessRecord = {
  time: Date.UTC(2026, 10, 22, 2, 34, 24, 123),
  remote: "127.0.0.1",
  user: null,
  method: "GET",
  target: "/a.html?x=1",
  protocol: "HTTP/1.1",
  status: 200,
  bytes: 2326,
  durationMs: 1.23456,
  fields: fieldLines({ host: "example.org" }),
  requestId: "r-1",
  script: null,
  scriptMs: null,
  exit: null,
};

/** Field lines of any bytes at all. */
function fieldLines(fields: Record<string, string>): FieldLines {
  let section = "";
  const marks: number[] = [];
  for (const [name, value] of Object.entries(fields)) {
    marks.push(section.length + name.length, section.length + name.length + 1 + value.length);
    section += `${name}:${value}\r\n`;
  }
  return new FieldLines(encodeOctets(section), 0, marks);
}

function written(write: (line: Lines) => void): string {
  const line = new Lines();
  write(line);
  return new TextDecoder().decode(line.take());
}

function formatCombined(record: AccessRecord, zone?: Zone): string {
  return written((line) => writeCombined(record, line, zone));
}

function formatCommon(record: AccessRecord, zone?: Zone): string {
  return written((line) => writeCommon(record, line, zone));
}

function formatJson(record: AccessRecord): string {
  return written((line) => writeJson(record, line));
}

function formatReadable(record: AccessRecord, hasColours: boolean): string {
  return written((line) => writeReadable(record, line, hasColours));
}

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

test("writeCombined() is the line of Apache and nginx", () => {
  const record = {
    ...RECORD,
    user: "frank",
    fields: fieldLines({
      referer: "http://www.example.com/start.html",
      "user-agent": "Mozilla/4.08 [en] (Win98; I ;Nav)",
    }),
  };
  assertEquals(
    formatCombined(record, "utc"),
    '127.0.0.1 - frank [22/Nov/2026:02:34:24 +0000] "GET /a.html?x=1 HTTP/1.1" 200 2326 ' +
      '"http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"',
  );
});

test("writeCombined() writes a dash for what is missing and a zero for no content", () => {
  const record = { ...RECORD, remote: "", bytes: 0, status: 304, fields: fieldLines({ referer: "" }) };
  assertEquals(
    formatCombined(record, "utc"),
    '- - - [22/Nov/2026:02:34:24 +0000] "GET /a.html?x=1 HTTP/1.1" 304 0 "-" "-"',
  );
});

test("writeCommon() is combined without referer and user agent", () => {
  const record = { ...RECORD, fields: fieldLines({ referer: "r", "user-agent": "u" }) };
  assertEquals(formatCombined(record, "utc"), `${formatCommon(record, "utc")} "r" "u"`);
});

test("writeCombined() writes a dash where no request line was read", () => {
  const record = {
    ...RECORD,
    method: "",
    target: "",
    protocol: "" as const,
    status: 408,
    bytes: 0,
    fields: null,
  };
  assertMatch(formatCombined(record, "utc"), /\] "-" 408 0 "-" "-"$/);
});

test("writeCombined() escapes quotes, backslashes, controls and other bytes as nginx does", () => {
  const record = { ...RECORD, fields: fieldLines({ "user-agent": 'a"b\\c\n\x1b[31m\x7f\xe9 ~' }) };
  assertMatch(formatCombined(record, "utc"), /"a\\x22b\\x5Cc\\x0A\\x1B\[31m\\x7F\\xE9 ~"$/);
});

test("writeCombined() keeps its columns whatever a user is called", () => {
  const record = { ...RECORD, user: "a b] [c\u20ac" };
  assertMatch(formatCombined(record, "utc"), /^127\.0\.0\.1 - a\\x20b\\x5D\\x20\\x5Bc\\xE2\\x82\\xAC \[22/);
});

test("every format keeps a line a line, for each byte in each field", () => {
  for (let byte = 0; byte < 256; byte++) {
    const evil = `x${String.fromCharCode(byte)}y`;
    const record = {
      ...RECORD,
      remote: evil,
      user: evil,
      method: evil,
      target: evil,
      fields: fieldLines({ host: evil, referer: evil, "user-agent": evil }),
      script: evil,
      exit: evil,
    };
    for (const format of ["combined", "common", "json"] as const) {
      const line = written((line) => accessFormat(format)(record, line));
      // deno-lint-ignore no-control-regex
      assertNotMatch(line, /[\x00-\x1f\x7f-\x9f]/);
    }
    assertMatch(
      formatCombined(record, "utc"),
      /^[^ "]+ - [^ "]+ \[[^\]"]+\] "[^"]*" 200 2326 "[^"]*" "[^"]*"$/,
    );
    assertEquals(JSON.parse(formatJson(record)).script, evil);
  }
});

test("writeCombined() tells the time of each second anew", () => {
  const times = [0, 999, 1000, 59_999, 951_782_400_000].map((time) =>
    /\[(.*?)\]/.exec(formatCommon({ ...RECORD, time }, "utc"))?.[1]
  );
  assertEquals(times, [
    "01/Jan/1970:00:00:00 +0000",
    "01/Jan/1970:00:00:00 +0000",
    "01/Jan/1970:00:00:01 +0000",
    "01/Jan/1970:00:00:59 +0000",
    "29/Feb/2000:00:00:00 +0000",
  ]);
});

test("writeCombined() in the local zone names the same instant", () => {
  const [, day, month, year, clock, sign, hours, minutes] =
    /\[(\d\d)\/(...)\/(\d{4}):([\d:]{8}) ([+-])(\d\d)(\d\d)\]/.exec(formatCommon(RECORD)) ?? [];
  const instant = Date.parse(`${day} ${month} ${year} ${clock} GMT${sign}${hours}${minutes}`);
  assertEquals(instant, Math.floor(RECORD.time / 1000) * 1000);
});

test("writeJson() is one object with the contract's names", () => {
  const record = { ...RECORD, script: "/srv/hello.py", scriptMs: 20.5, exit: 0 };
  assertEquals(JSON.parse(formatJson(record)), {
    time: "2026-11-22T02:34:24.123Z",
    remote: "127.0.0.1",
    user: null,
    method: "GET",
    target: "/a.html?x=1",
    protocol: "HTTP/1.1",
    status: 200,
    bytes: 2326,
    duration_ms: 1.235,
    script: "/srv/hello.py",
    script_ms: 20.5,
    exit: 0,
    request_id: "r-1",
    host: "example.org",
    referer: null,
    user_agent: null,
  });
});

test("writeJson() reads bytes as UTF-8 where they are, and only there", () => {
  assertEquals(
    JSON.parse(formatJson({ ...RECORD, fields: fieldLines({ "user-agent": "\xc3\xa9" }) })).user_agent,
    "é",
  );
  assertEquals(
    JSON.parse(formatJson({ ...RECORD, fields: fieldLines({ "user-agent": "\xe9" }) })).user_agent,
    "é",
  );
  assertEquals(
    JSON.parse(formatJson({ ...RECORD, fields: fieldLines({ "user-agent": "\xff\xfe" }) })).user_agent,
    "\xff\xfe",
  );
  assertEquals(JSON.parse(formatJson({ ...RECORD, user: "€" })).user, "€");
});

test("writeJson() keeps its milliseconds across seconds", () => {
  const times = [0, 7, 1000, 1999].map((time) => JSON.parse(formatJson({ ...RECORD, time })).time);
  assertEquals(times, [
    "1970-01-01T00:00:00.000Z",
    "1970-01-01T00:00:00.007Z",
    "1970-01-01T00:00:01.000Z",
    "1970-01-01T00:00:01.999Z",
  ]);
});

test("writeReadable() has method, path, status and time in columns, then the script and how it ended", () => {
  const script = "/srv/cgi-bin/a.py";
  assertEquals(
    [
      formatReadable(RECORD, false),
      formatReadable({ ...RECORD, method: "DELETE", target: "/b", status: 204, durationMs: 12.6 }, false),
      formatReadable({ ...RECORD, status: 502, durationMs: 1234, script, exit: 1 }, false),
      formatReadable({ ...RECORD, script, exit: 0 }, false),
      formatReadable({ ...RECORD, script, exit: "SIGKILL" }, false),
      formatReadable({ ...RECORD, target: "/" + "x".repeat(50) }, false),
    ],
    [
      "GET     /a.html?x=1                              200    1.2 ms",
      "DELETE  /b                                       204     13 ms",
      "GET     /a.html?x=1                              502     1.2 s  a.py (status 1)",
      "GET     /a.html?x=1                              200    1.2 ms  a.py",
      "GET     /a.html?x=1                              200    1.2 ms  a.py (SIGKILL)",
      `GET     /${"x".repeat(50)} 200    1.2 ms`,
    ],
  );
});

test("writeReadable() colours the status and nothing else, and lets nothing of a request reach a terminal", () => {
  const status = (status: number) => formatReadable({ ...RECORD, status }, true).replaceAll("\x1b", "^");
  for (const [code, colour] of [[200, 32], [304, 34], [404, 33], [500, 31]]) {
    assertMatch(status(code), new RegExp(`^GET [^^]* \\^\\[${colour}m${code}\\^\\[0m +1\\.2 ms$`));
  }
  const evil = { ...RECORD, method: "G\x1b", target: "/\x1b[2J\n\xff", script: "/srv/\x1b.py" };
  assertMatch(formatReadable(evil, false), /^[\x20-\x7e]*$/);
});
