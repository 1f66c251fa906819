import { assertEquals, assertInstanceOf } from "@std/assert";
import { Refusal } from "./refusal.ts";
import {
  formatDuration,
  formatSize,
  isOff,
  type NumberRule,
  parseCount,
  parseDuration,
  parseMode,
  parseSize,
  parseSwitch,
} from "./units.ts";

function pure(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

type Parse<T> = (text: string) => T | Refusal;

function accepts<T>(parse: Parse<T>, cases: Record<string, T>): void {
  for (const [text, value] of Object.entries(cases)) assertEquals(parse(text), value, text);
}

function refuses<T>(parse: Parse<T>, cases: Record<string, string>): void {
  for (const [text, message] of Object.entries(cases)) {
    const refusal = parse(text);
    assertInstanceOf(refusal, Refusal, text);
    assertEquals(refusal.message, message);
  }
}

const OFF: NumberRule = { off: Infinity };

pure("parseDuration() takes digits and one unit", () => {
  accepts((text) => parseDuration(text, OFF), {
    "500ms": 500,
    "0s": 0,
    "30s": 30_000,
    "5m": 300_000,
    "1h": 3_600_000,
    "off": Infinity,
    "False": Infinity,
  });
});

pure("parseDuration() refuses all else and says what would be right", () => {
  const forms = "write 500ms, 30s, 5m or 1h";
  refuses(parseDuration, {
    "": `"" is not a duration: ${forms}`,
    "30": `"30" is not a duration: the unit is missing; write 30s or 30ms`,
    "0": `"0" is not a duration: the unit is missing; write 0s or 0ms`,
    "-5s": `"-5s" is not a duration: it cannot be negative`,
    "010s": `"010s" is not a duration: a leading zero; write 10s`,
    "1.5s": `"1.5s" is not a duration: write 1500ms`,
    "5 min": `"5 min" is not a duration: write 5m`,
    "30S": `"30S" is not a duration: write 30s`,
    "1d": `"1d" is not a duration: write 24h`,
    "1m30s": `"1m30s" is not a duration: one number and one unit; write 90s`,
    "1_000ms": `"1_000ms" is not a duration: ${forms}`,
    "1e3s": `"1e3s" is not a duration: ${forms}`,
    "soon": `"soon" is not a duration: ${forms}`,
    "off": "cannot be off: write 500ms, 30s, 5m or 1h",
    "9007199254740992ms": `"9007199254740992ms" is too large: at most 9007199254740991ms`,
    [`${"9".repeat(400)}h`]: `"${"9".repeat(57)}..." is too large: at most 9007199254740991ms`,
  });
});

pure("parseDuration() keeps to its bounds", () => {
  refuses((text) => parseDuration(text, { min: 1, off: Infinity }), {
    "0s": `"0s" is too small: at least 1ms, or off`,
  });
  accepts((text) => parseDuration(text, { min: 1 }), { "1ms": 1 });
});

pure("parseSize() takes digits, and a binary unit", () => {
  accepts((text) => parseSize(text, OFF), {
    "0": 0,
    "512": 512,
    "64KiB": 65_536,
    "1MiB": 1_048_576,
    "2GiB": 2_147_483_648,
    "8388607GiB": 8388607 * 2 ** 30,
    "off": Infinity,
  });
});

pure("parseSize() refuses all else and says what would be right", () => {
  const forms = "write 512, 64KiB, 1MiB or 2GiB";
  refuses(parseSize, {
    "": `"" is not a size: ${forms}`,
    "64K": `"64K" is not a size: write 64KiB`,
    "64kb": `"64kb" is not a size: write 64KiB`,
    "1MB": `"1MB" is not a size: write 1MiB`,
    "1024 b": `"1024 b" is not a size: write 1KiB`,
    "1.5MiB": `"1.5MiB" is not a size: write 1536KiB`,
    "010": `"010" is not a size: a leading zero; write 10`,
    "0x10": `"0x10" is not a size: ${forms}`,
    "1_000": `"1_000" is not a size: ${forms}`,
    "1e3": `"1e3" is not a size: ${forms}`,
    "-1": `"-1" is not a size: it cannot be negative`,
    "off": "cannot be off: write 512, 64KiB, 1MiB or 2GiB",
    "8388608GiB": `"8388608GiB" is too large: at most 9007199254740991`,
  });
});

pure("parseCount() takes plain digits", () => {
  accepts((text) => parseCount(text, { min: 1, max: 19, off: Infinity }), {
    "1": 1,
    "19": 19,
    "off": Infinity,
  });
  refuses((text) => parseCount(text, { min: 1, max: 19 }), {
    "0": `"0" is too small: at least 1`,
    "20": `"20" is too large: at most 19`,
    "010": `"010" is not a whole number in plain digits; write 10, without the leading zero`,
    "1.0": `"1.0" is not a whole number in plain digits`,
    "+1": `"+1" is not a whole number in plain digits`,
    "off": "cannot be off: write a whole number",
  });
});

pure("parseSwitch() takes true, and off for false", () => {
  accepts(parseSwitch, { "true": true, "True": true, "false": false, "off": false, "OFF": false });
  refuses(parseSwitch, {
    "yes": `"yes" is not a switch in YAML 1.2: write true`,
    "on": `"on" is not a switch in YAML 1.2: write true`,
    "0": `"0" is not a switch in YAML 1.2: write false`,
    "maybe": `"maybe" is not a switch: write true or false`,
  });
});

pure("parseMode() takes octal digits", () => {
  accepts(parseMode, { "0660": 0o660, "022": 0o22, "777": 0o777 });
  const rule = `is not a mode: write three octal digits after a zero, such as "0660"`;
  refuses(parseMode, {
    "0o660": `"0o660" ${rule}`,
    "0680": `"0680" ${rule}`,
    "66": `"66" ${rule}`,
    "rw": `"rw" ${rule}`,
  });
});

pure("isOff() knows off and false, not no", () => {
  assertEquals(["off", "Off", "false", "FALSE"].map(isOff), [true, true, true, true]);
  assertEquals(["no", "0", "", "oFF"].map(isOff), [false, false, false, false]);
});

pure("formatDuration() and formatSize() write what the parsers read back", () => {
  for (const ms of [0, 1, 999, 1000, 90_000, 300_000, 3_600_000, Infinity]) {
    assertEquals(parseDuration(formatDuration(ms), OFF), ms);
  }
  for (const bytes of [0, 1, 1000, 1024, 1536, 2 ** 20, 2 ** 30, Infinity]) {
    assertEquals(parseSize(formatSize(bytes), OFF), bytes);
  }
});
