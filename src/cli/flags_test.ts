import { assert, assertEquals } from "@std/assert";
import { describeFlags, type Flag, flagValue, parseFlags } from "./flags.ts";

const FLAGS: readonly Flag[] = [
  { name: "config", value: "FILE", text: "a file", key: null },
  { name: "listen", value: "ADDRESS", isRepeatable: true, text: "an address", key: "listen" },
  { name: "dev", value: null, text: "a switch", key: null },
  { name: "method", short: "X", value: "METHOD", text: "a method", key: null },
];

function pure(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

function faultOf(...args: string[]): string | null {
  const parsed = parseFlags(args, FLAGS);
  return "fault" in parsed ? parsed.fault : null;
}

pure("parseFlags() takes values with a space, an equals sign, or attached to one letter", () => {
  const parsed = parseFlags(
    ["--config", "a", "--listen=:1", "--listen", ":2", "--dev", "-XPUT", "root"],
    FLAGS,
  );
  assert("flags" in parsed);
  assertEquals(flagValue(parsed, "config"), "a");
  assertEquals(parsed.flags.get("listen"), [":1", ":2"]);
  assertEquals(parsed.flags.has("dev"), true);
  assertEquals(flagValue(parsed, "method"), "PUT");
  assertEquals(flagValue(parsed, "nothing"), null);
  assertEquals(parsed.positionals, ["root"]);
});

pure("parseFlags() ends with -- and takes a lone dash for an argument", () => {
  const parsed = parseFlags(["-", "--", "--dev", "-X"], FLAGS);
  assert("flags" in parsed);
  assertEquals([parsed.positionals, parsed.flags.size], [["-", "--dev", "-X"], 0]);
});

pure("parseFlags() keeps an equals sign within a value", () => {
  const parsed = parseFlags(["--config=a=b"], FLAGS);
  assert("flags" in parsed);
  assertEquals(flagValue(parsed, "config"), "a=b");
});

pure("parseFlags() names what is wrong", () => {
  assertEquals(faultOf("--confg", "a"), "--confg: no such flag; did you mean --config?");
  assertEquals(faultOf("-listen", "a"), "-listen: no such flag; did you mean --listen?");
  assertEquals(faultOf("-x"), "-x: no such flag; did you mean --dev?");
  assertEquals(faultOf("--config"), "--config wants a value: --config FILE");
  assertEquals(faultOf("--config", "--dev"), "--config wants a value: --config FILE");
  assertEquals(faultOf("--config="), "--config wants a value: --config FILE");
  assertEquals(faultOf("--dev=true"), '--dev takes no value: leave out "true"');
  assertEquals(faultOf("--config", "a", "--config", "b"), "--config is given twice: give it once");
});

pure("describeFlags() sets the texts in one column", () => {
  assertEquals(describeFlags(FLAGS), [
    "  --config FILE        a file",
    "  --listen ADDRESS     an address",
    "  --dev                a switch",
    "  -X, --method METHOD  a method",
  ]);
});
