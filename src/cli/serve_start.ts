/**
 * Starts `serve.ts`: every module that it needs, each after those that it names itself. Made by `deno task generate`.
 *
 * The runtime reads a module's source map when that is the first to name another, and keeps it. Here no module is but this one.
 *
 * @module
 */

import "../../deno.json" with { type: "json" };
import "../cache/changes.ts";
import "../cgi/magic.ts";
import "../config/fault.ts";
import "../config/key_path.ts";
import "../config/refusal.ts";
import "../http/error.ts";
import "../http/ip_address.ts";
import "../http/octets.ts";
import "../loop/connection_count.ts";
import "../loop/pid_table.ts";
import "../loop/running_scripts.ts";
import "../loop/unix_socket.ts";
import "../observe/bug.ts";
import "../observe/histogram.ts";
import "../observe/log_file.ts";
import "../observe/loop_logger.ts";
import "../shortage.ts";
import "../supervisor/certificates.ts";
import "../supervisor/fairness.ts";
import "../supervisor/process_table.ts";
import "../system_reason.ts";
import "../time/timer.ts";
import "../warm/sockets.ts";
import "./command.ts";
import "@std/path/posix/dirname";
import "@std/path/posix/extname";
import "@std/path/posix/resolve";
import "@std/path/windows/dirname";
import "@std/path/windows/resolve";
import "@std/text/closest-string";
import "valibot";
import "../config/cidr.ts";
import "../config/environment.ts";
import "../config/fault_list.ts";
import "../config/units.ts";
import "../http/method.ts";
import "../observe/metrics.ts";
import "../paths.ts";
import "../route/rate.ts";
import "../supervisor/memory.ts";
import "../supervisor/signals.ts";
import "../supervisor/socket_table.ts";
import "../supervisor/trees.ts";
import "../supervisor/watch.ts";
import "../supervisor/watcher.ts";
import "./suggest.ts";
import "./terminal.ts";
import "../cgi/programs.ts";
import "../config/address.ts";
import "../config/warnings.ts";
import "../observe/history.ts";
import "../observe/status.ts";
import "../supervisor/figures.ts";
import "../supervisor/loop_worker.ts";
import "../supervisor/permissions.ts";
import "./flags.ts";
import "../config/build_listen.ts";
import "../config/types.ts";
import "../supervisor/descriptors.ts";
import "../supervisor/network_loop.ts";
import "../supervisor/password_loop.ts";
import "../supervisor/script_loop.ts";
import "../supervisor/status.ts";
import "../config/schema.ts";
import "../supervisor/loops.ts";
import "../config/build_route.ts";
import "../supervisor/supervisor.ts";
import "../config/build.ts";
import "../config/load.ts";
export { serve } from "./serve.ts";
