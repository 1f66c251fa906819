/**
 * Records in both directions, byte for byte.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { encodeLength, encodePairs, FASTCGI } from "./fastcgi.ts";
import type { Bytes, ReplyEvent } from "./protocol.ts";

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

function bytes(text: string): Bytes {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

function text(from: Uint8Array): string {
  return Array.from(from, (byte) => String.fromCharCode(byte)).join("");
}

/** A record as an application sends it. */
function record(type: number, content: string, padding = 0): string {
  return String.fromCharCode(1, type, 0, 1, content.length >> 8, content.length & 255, padding, 0) + content +
    "p".repeat(padding);
}

const STDOUT = 6;
const STDERR = 7;

function end(appStatus: string, protocolStatus = 0): string {
  return record(3, `${appStatus}${String.fromCharCode(protocolStatus)}\0\0\0`);
}

/** What a reader says of an answer that arrives in such pieces: contents joined, one text an event. */
function read(pieces: readonly string[]): string[] {
  const reader = FASTCGI.reader();
  const said: string[] = [];
  const tell = (event: ReplyEvent) => {
    switch (event.kind) {
      case "output":
      case "errors": {
        const last = said.at(-1);
        const content = text(event.bytes);
        if (last?.startsWith(`${event.kind}:`)) said[said.length - 1] = last + content;
        else said.push(`${event.kind}:${content}`);
        break;
      }
      case "end":
        said.push(`end ${event.status}${event.isReusable ? " reusable" : ""}`);
        break;
      case "overloaded":
        said.push("overloaded");
        break;
      case "bad":
        said.push(`bad: ${event.reason}`);
        break;
      default:
        event satisfies never;
    }
  };
  for (const piece of pieces) {
    for (const event of reader.push(bytes(piece))) tell(event);
    const last = said.at(-1) ?? "";
    if (/^(?:end|bad|overloaded)/.test(last)) return said;
  }
  tell(reader.close());
  return said;
}

test("encodeLength() takes one byte up to 127, four from 128 to 2^31 - 1, and no more", () => {
  const cases: [length: number, encoded: number[]][] = [
    [0, [0]],
    [1, [1]],
    [127, [127]],
    [128, [0x80, 0, 0, 128]],
    [255, [0x80, 0, 0, 255]],
    [256, [0x80, 0, 1, 0]],
    [65_536, [0x80, 1, 0, 0]],
    [2 ** 24, [0x81, 0, 0, 0]],
    [2 ** 31 - 1, [0xff, 0xff, 0xff, 0xff]],
  ];
  for (const [length, encoded] of cases) assertEquals([...encodeLength(length)], encoded, String(length));
  assertThrows(() => encodeLength(2 ** 31), RangeError);
});

test("encodePairs() counts bytes, not letters", () => {
  assertEquals(text(encodePairs(["A", "b", "EMPTY", ""])), "\x01\x01Ab\x05\x00EMPTY");
  assertEquals([...encodePairs(["N", "é"])], [1, 2, 0x4e, 0xc3, 0xa9]);
  const long = "x".repeat(128);
  assertEquals(text(encodePairs([long, "v"])), `\x80\0\0\x80\x01${long}v`);
  assertEquals(encodePairs([]).length, 0);
});

test("begin() is BEGIN_REQUEST, PARAMS, the end of PARAMS, and without content the end of STDIN", () => {
  const begin = (keep: number) => `\x01\x01\0\x01\0\x08\0\0\0\x01${String.fromCharCode(keep)}\0\0\0\0\0`;
  const params = "\x01\x04\0\x01\0\x04\x04\0\x01\x01Abpppp".replaceAll("p", "\0");
  const noParams = "\x01\x04\0\x01\0\0\0\0";
  const noStdin = "\x01\x05\0\x01\0\0\0\0";
  assertEquals(text(FASTCGI.begin(["A", "b"], true, false)), begin(0) + params + noParams);
  assertEquals(text(FASTCGI.begin(["A", "b"], false, true)), begin(1) + params + noParams + noStdin);
  // An empty record in front would end the stream before it began.
  assertEquals(text(FASTCGI.begin([], true, false)), begin(0) + noParams);
});

test("content() pads to eight bytes, and splits what one record cannot hold", () => {
  assertEquals(text(FASTCGI.content(bytes("abc"))), "\x01\x05\0\x01\0\x03\x05\0abc\0\0\0\0\0");
  assertEquals(text(FASTCGI.content(bytes("12345678"))), "\x01\x05\0\x01\0\x08\0\x0012345678");
  assertEquals(FASTCGI.content(bytes("")).length, 0);
  assertEquals(FASTCGI.contentEnd()?.length, 8);
  for (const length of [65_527, 65_528, 65_535, 65_536, 200_000]) {
    const framed = FASTCGI.content(bytes("c".repeat(length)));
    const contents: number[] = [];
    for (let at = 0; at < framed.length;) {
      assertEquals([...framed.subarray(at, at + 4)], [1, 5, 0, 1]);
      const content = framed[at + 4] << 8 | framed[at + 5];
      assertEquals((content + framed[at + 6]) % 8, 0);
      contents.push(content);
      at += 8 + content + framed[at + 6];
    }
    assertEquals(contents.reduce((sum, one) => sum + one, 0), length);
    assertEquals(contents.length, length <= 65_535 ? 1 : Math.ceil(length / 65_528));
  }
});

test("a reader says the same of an answer, however it arrives", () => {
  const answer = record(STDOUT, "Content-Type: a/b\n\n", 5) + record(STDERR, "oh\n") + record(STDERR, "") +
    record(STDOUT, "content") + record(STDOUT, "", 8) + end("\0\0\x01\x02");
  const expected = ["output:Content-Type: a/b\n\n", "errors:oh\n", "output:content", "end 258 reusable"];
  assertEquals(read([answer]), expected);
  assertEquals(read([...answer]), expected);
  for (let at = 1; at < answer.length; at++) {
    assertEquals(read([answer.slice(0, at), answer.slice(at)]), expected, `split at ${at}`);
  }
});

test("a status of the highest bit is a number, not below zero", () => {
  assertEquals(read([end("\xff\xff\xff\xff")]), ["end 4294967295 reusable"]);
});

test("what follows an answer spoils the connection, not the answer", () => {
  assertEquals(read([record(STDOUT, "x") + end("\0\0\0\0") + "\x01"]), ["output:x", "end 0"]);
});

test("the end of the connection ends an answer only after the end of its output", () => {
  assertEquals(read([record(STDOUT, "x") + record(STDOUT, "")]), ["output:x", "end -1"]);
  const broken = "bad: closed the connection before the end of its answer";
  assertEquals(read([]), [broken]);
  assertEquals(read([record(STDOUT, "x")]), ["output:x", broken]);
  assertEquals(read([record(STDOUT, "") + "\x01"]), [broken]);
});

test("a reader refuses what is no answer", () => {
  const cases: [sent: string, reason: RegExp][] = [
    ["HTTP/1.1 200 OK\r\n", /sent a record of version 72: is it FastCGI\?/],
    ["\x01\x06\0\x02\0\0\0\0", /sent a record for request 2, which was not made/],
    ["\x01\x06\0\0\0\0\0\0", /request 0, which was not made/],
    [record(5, "x"), /sent a record of type 5, which no answer has/],
    [record(255, "x"), /type 255, which no answer has/],
    [record(STDOUT, "") + record(STDOUT, "x"), /went on with its output after the end of it/],
    [record(STDOUT, "") + record(STDOUT, ""), /after the end/],
    [record(3, "1234567"), /sent an END_REQUEST of another length/],
    [record(3, "123456789"), /another length/],
    [record(3, ""), /another length/],
    [end("\0\0\0\0", 1), /refused the request: cannot multiplex/],
    [end("\0\0\0\0", 3), /takes no responder role/],
    [end("\0\0\0\0", 4), /gives status 4, which is none/],
  ];
  for (const [sent, reason] of cases) {
    for (const pieces of [[sent], [...sent]]) {
      const [said, ...more] = read(pieces);
      assertEquals([/^bad: /.test(said), reason.test(said), more], [true, true, []], `${reason}: ${said}`);
    }
  }
  assertEquals(read([end("\0\0\0\0", 2)]), ["overloaded"]);
});
