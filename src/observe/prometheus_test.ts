import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CLIENT_STATES, Metrics } from "./metrics.ts";
import { formatPrometheus, renderFamilies } from "./prometheus.ts";
import { aStatus } from "./status_fixture.ts";

function test(name: string, fn: () => void): void {
  Deno.test({ name, permissions: "none", fn });
}

test("renderFamilies() writes help, type and samples, and escapes them", () => {
  const text = renderFamilies([{
    name: "x",
    help: "a\\b\nc",
    type: "gauge",
    samples: [{ value: 1 }, { labels: { p: 'q"\\\n', r: "s" }, value: Infinity }, {
      suffix: "_sum",
      value: -Infinity,
    }],
  }]);
  assertEquals(text, '# HELP x a\\\\b\\nc\n# TYPE x gauge\nx 1\nx{p="q\\"\\\\\\n",r="s"} +Inf\nx_sum -Inf\n');
});

test("formatPrometheus() is well-formed, each family once", () => {
  const metrics = new Metrics();
  metrics.answered(200, 1.5);
  const lines = formatPrometheus(aStatus({ figures: metrics.memory })).split("\n");
  assertEquals(lines.pop(), "");
  const names = lines.filter((line) => line.startsWith("# TYPE")).map((line) => line.split(" ")[2]);
  assertEquals(new Set(names).size, names.length);
  for (const line of lines) {
    assertMatch(line, /^(# (HELP|TYPE) pollux_\w+ .+|pollux_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? \S+)$/);
  }
});

test("formatPrometheus() tells the figures", () => {
  const metrics = new Metrics();
  metrics.move(null, CLIENT_STATES.indexOf("WAIT_CGI"));
  metrics.scriptNotStarted("queueFull");
  metrics.answered(404, 0.3);
  metrics.add("bytesOut", 12);
  const text = formatPrometheus(aStatus({ figures: metrics.memory }));
  for (
    const line of [
      'pollux_info{version="0.1.0"} 1',
      "pollux_start_time_seconds 1000.5",
      "pollux_loops 2",
      'pollux_clients{state="WAIT_CGI"} 1',
      'pollux_clients{state="READ_REQ"} 0',
      'pollux_scripts_ended_total{end="queueFull"} 1',
      'pollux_responses_total{code="4xx"} 1',
      "pollux_sent_bytes_total 12",
      "pollux_request_duration_seconds_count 1",
      "pollux_request_duration_seconds_sum 0.0003",
    ]
  ) assertStringIncludes(text, `${line}\n`);
});

test("formatPrometheus() counts durations up to each bound, growing up to all", () => {
  const metrics = new Metrics();
  for (const ms of [0.1, 0.256, 0.257, 1000, 1e9]) metrics.answered(200, ms);
  const buckets = [
    ...formatPrometheus(aStatus({ figures: metrics.memory })).matchAll(/_bucket\{le="([^"]+)"\} (\d+)/g),
  ];
  assertEquals(buckets[0].slice(1), ["0.000256", "2"]);
  assertEquals(buckets.at(-1)?.slice(1), ["+Inf", "5"]);
  for (let i = 1; i < buckets.length; i++) assert(Number(buckets[i][2]) >= Number(buckets[i - 1][2]));
});
