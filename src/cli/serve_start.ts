/**
 * Starts `serve.ts`: every module that it needs, each after those that it names itself. Made by `deno task generate`.
 *
 * The runtime reads a module's source map when that is the first to name another, and keeps it. Here no module is but this one.
 *
 * @module
 */

import "@std/path/posix/dirname";
import "@std/path/posix/extname";
import "@std/path/posix/resolve";
import "@std/path/windows/dirname";
import "@std/path/windows/resolve";
import "../paths.ts";
import "../cgi/magic.ts";
import "../cgi/programs.ts";
import "../config/warnings.ts";
import "valibot";
import "../http/octets.ts";
import "../http/method.ts";
import "../config/refusal.ts";
import "../config/cidr.ts";
import "../config/address.ts";
import "../config/environment.ts";
import "@std/text/closest-string";
import "../config/units.ts";
import "../config/types.ts";
import "../config/schema.ts";
import "../config/build_route.ts";
import "../config/build_listen.ts";
import "../config/build.ts";
import "../config/key_path.ts";
import "../config/fault_list.ts";
import "../config/load.ts";
import "../shortage.ts";
import "../loop/unix_socket.ts";
import "../warm/sockets.ts";
import "../supervisor/permissions.ts";
import "../supervisor/descriptors.ts";
import "../config/fault.ts";
import "../observe/bug.ts";
import "../observe/log_file.ts";
import "../observe/loop_logger.ts";
import "../system_reason.ts";
import "../loop/connection_count.ts";
import "../loop/running_scripts.ts";
import "../supervisor/certificates.ts";
import "../supervisor/fairness.ts";
import "../observe/histogram.ts";
import "../observe/metrics.ts";
import "../supervisor/figures.ts";
import "../cache/changes.ts";
import "../http/error.ts";
import "../http/ip_address.ts";
import "../route/rate.ts";
import "../time/timer.ts";
import "../supervisor/watch.ts";
import "../supervisor/loop_worker.ts";
import "../supervisor/network_loop.ts";
import "../supervisor/password_loop.ts";
import "../loop/pid_table.ts";
import "../supervisor/script_loop.ts";
import "../supervisor/loops.ts";
import "../supervisor/signals.ts";
import "../supervisor/process_table.ts";
import "../supervisor/socket_table.ts";
import "../../deno.json" with { type: "json" };
import "../observe/history.ts";
import "../observe/status.ts";
import "../supervisor/memory.ts";
import "../supervisor/status.ts";
import "../supervisor/watcher.ts";
import "../supervisor/trees.ts";
import "../supervisor/supervisor.ts";
import "./command.ts";
import "./suggest.ts";
import "./flags.ts";
import "./terminal.ts";
export { serve } from "./serve.ts";
