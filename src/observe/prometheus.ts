/**
 * The figures as text for Prometheus, exposition format 0.0.4. Pure.
 *
 * @module
 */

import { CLIENT_STATES, Metrics, SCRIPT_ENDS, STATUS_CLASSES } from "./metrics.ts";
import type { ServerStatus } from "./status.ts";

/** The media type of {@linkcode formatPrometheus}. */
export const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** A number with its labels. */
export interface Sample {
  /** Appended to the family's name: `_bucket`, `_sum`, `_count`; empty by default. */
  readonly suffix?: string;
  /** Label names and values; none by default. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The number itself. */
  readonly value: number;
}

/** Samples of one name. */
export interface Family {
  /** `pollux_..._total` and the like, without suffix. */
  readonly name: string;
  /** What it says, in a sentence. */
  readonly help: string;
  /** Whether it only grows, goes up and down, or is a histogram. */
  readonly type: "counter" | "gauge" | "histogram";
  /** In the order they are written. */
  readonly samples: readonly Sample[];
}

/** Upper ends in milliseconds, each where a bucket of the histogram ends: 256 µs to 134 s. */
const LE_MS = Array.from({ length: 20 }, (_, index) => 2 ** (index + 8) / 1000);

/** All figures as text. */
export function formatPrometheus(status: ServerStatus): string {
  return renderFamilies(familiesOf(status));
}

/** The text of some families. */
export function renderFamilies(families: readonly Family[]): string {
  let text = "";
  for (const { name, help, type, samples } of families) {
    text += `# HELP ${name} ${
      help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
    }\n# TYPE ${name} ${type}\n`;
    for (const sample of samples) {
      text += `${name}${sample.suffix ?? ""}${renderLabels(sample.labels)} ${renderValue(sample.value)}\n`;
    }
  }
  return text;
}

function renderLabels(labels: Readonly<Record<string, string>> | undefined): string {
  const pairs = Object.entries(labels ?? {}).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function renderValue(value: number): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return String(value);
}

function familiesOf(status: ServerStatus): Family[] {
  const metrics = new Metrics(status.figures);
  const counter = (name: string, help: string, ...samples: Sample[]): Family => ({
    name,
    help,
    type: "counter",
    samples,
  });
  const gauge = (name: string, help: string, ...samples: Sample[]): Family => ({
    name,
    help,
    type: "gauge",
    samples,
  });
  return [
    gauge("pollux_info", "The program; always 1.", {
      labels: { version: status.version },
      value: 1,
    }),
    gauge("pollux_start_time_seconds", "When the program started, in seconds since 1970.", {
      value: status.startedAtMs / 1000,
    }),
    gauge("pollux_loops", "Network loops at work.", { value: status.loops }),
    gauge("pollux_memory_bytes", "Memory of the server that is resident, without that of its scripts.", {
      value: status.memoryBytes,
    }),
    counter("pollux_reloads_total", "Configurations read anew, by whether they were taken over.", {
      labels: { result: "taken" },
      value: status.reloads.taken,
    }, { labels: { result: "refused" }, value: status.reloads.refused }),
    gauge(
      "pollux_clients",
      "Connected clients by state.",
      ...CLIENT_STATES.map((state) => ({ labels: { state }, value: metrics.clients(state) })),
    ),
    gauge("pollux_clients_idle", "Clients in READ_REQ of whose request no byte has come.", {
      value: metrics.gauge("idle"),
    }),
    gauge("pollux_clients_queued", "Clients in WAIT_CGI without a process or gateway yet.", {
      value: metrics.gauge("queued"),
    }),
    counter("pollux_connections_total", "Connections accepted.", { value: metrics.counter("connections") }),
    counter("pollux_connections_refused_total", "Connections refused for want of room.", {
      value: metrics.counter("connectionsRefused"),
    }),
    counter("pollux_connections_lost_total", "Connections broken off while a request was under way.", {
      value: metrics.counter("connectionsLost"),
    }),
    counter("pollux_requests_total", "Requests answered.", { value: metrics.counter("requests") }),
    counter(
      "pollux_responses_total",
      "Answers by the class of their status.",
      ...STATUS_CLASSES.map((code, index) => ({
        labels: { code },
        value: metrics.statuses(index as 0 | 1 | 2 | 3 | 4),
      })),
    ),
    counter("pollux_received_bytes_total", "Bytes read from clients.", { value: metrics.counter("bytesIn") }),
    counter("pollux_sent_bytes_total", "Bytes written to clients.", { value: metrics.counter("bytesOut") }),
    counter("pollux_timeouts_total", "Waits that came to their deadline.", {
      value: metrics.counter("timeouts"),
    }),
    counter("pollux_errors_total", "Faults of the server itself.", { value: metrics.counter("errors") }),
    counter("pollux_log_lines_dropped_total", "Log lines lost.", {
      value: metrics.counter("logLinesDropped"),
    }),
    gauge("pollux_scripts_running", "Scripts that run now.", { value: metrics.gauge("scriptsRunning") }),
    gauge("pollux_scripts_waiting", "Requests that wait for a place to run their script in.", {
      value: metrics.gauge("scriptsWaiting"),
    }),
    gauge("pollux_scripts_memory_bytes", "Resident memory of all running scripts and what they started.", {
      value: status.scripts.running.reduce((sum, { memoryBytes }) => sum + (memoryBytes ?? 0), 0),
    }),
    counter("pollux_scripts_started_total", "Scripts started.", { value: metrics.counter("scriptsStarted") }),
    counter(
      "pollux_scripts_ended_total",
      "Runs of scripts by how they ended, or why they did not start.",
      ...SCRIPT_ENDS.map((end) => ({ labels: { end }, value: metrics.ends(end) })),
    ),
    latencyFamily(metrics),
  ];
}

function latencyFamily({ latency }: Metrics): Family {
  const count = latency.count;
  return {
    name: "pollux_request_duration_seconds",
    help: "How long requests took, from their first byte to the end of the answer.",
    type: "histogram",
    samples: [
      ...LE_MS.map((ms) => ({
        suffix: "_bucket",
        labels: { le: String(ms / 1000) },
        value: latency.countUpTo(ms),
      })),
      { suffix: "_bucket", labels: { le: "+Inf" }, value: count },
      { suffix: "_sum", value: latency.sumMs / 1000 },
      { suffix: "_count", value: count },
    ],
  };
}
