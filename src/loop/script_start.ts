/**
 * Starts `script.ts`: every module that it needs, each after those that it names itself. Made by `deno task generate`.
 *
 * The runtime reads a module's source map when that is the first to name another, and keeps it. Here no module is but this one.
 *
 * @module
 */

import "../buffers.ts";
import "../cgi/places.ts";
import "../cgi/run.ts";
import "../cgi/stderr.ts";
import "../chain.ts";
import "../observe/histogram.ts";
import "../observe/lines.ts";
import "../observe/loop_logger.ts";
import "../shortage.ts";
import "../slots.ts";
import "../time/timer.ts";
import "../warm/child.ts";
import "../warm/control.ts";
import "../warm/server.pl" with { type: "text" };
import "../warm/server.py" with { type: "text" };
import "../warm/sockets.ts";
import "./pid_table.ts";
import "./remote_trees.ts";
import "./running_scripts.ts";
import "./worker.ts";
import "../cgi/pipe.ts";
import "../observe/batch.ts";
import "../observe/metrics.ts";
import "../time/clock.ts";
import "../warm/inputs.ts";
import "../warm/programs.ts";
import "./ring.ts";
import "../cgi/process.ts";
import "../observe/status.ts";
import "./bridge.ts";
import "./logs.ts";
import "../warm/job.ts";
import "../warm/fork_server.ts";
import "../warm/warm_scripts.ts";
import "./script.ts";
