/**
 * Why a script gave no good answer, and what that means: one table for the status, one for the words.
 *
 * @module
 */

import { HttpError } from "../http/error.ts";
import type { Field } from "../http/fields.ts";
import type { EndReason, ScriptExit, StartFailure } from "./run.ts";

/** What went wrong with a script. */
export type ScriptFault =
  | { readonly kind: "start"; readonly failure: StartFailure }
  | { readonly kind: "command"; readonly status: 403 | 500; readonly message: string }
  | { readonly kind: "timeout"; readonly timeoutMs: number; readonly hadHeader: boolean }
  | { readonly kind: "runLimit"; readonly runLimitMs: number }
  /** `text`: the output from the line on that is wrong, isomorphic. */
  | {
    readonly kind: "badOutput";
    readonly reason: string;
    readonly text: string;
    readonly exit: ScriptExit | null;
  }
  | { readonly kind: "died"; readonly signal: string }
  | { readonly kind: "short"; readonly writtenBytes: number; readonly announcedBytes: number }
  /** `name` is isomorphic. */
  | { readonly kind: "noFile"; readonly name: string }
  | { readonly kind: "failed"; readonly code: number };

/** The status for a fault, where nothing was sent yet. */
export function faultStatus(fault: ScriptFault): number {
  switch (fault.kind) {
    case "start":
      return startStatus(fault.failure);
    case "command":
      return fault.status;
    case "timeout":
    case "runLimit":
      return 504;
    case "badOutput":
    case "died":
    case "short":
      return 502;
    case "noFile":
      return 404;
    case "failed":
      return 500;
  }
}

function startStatus(failure: StartFailure): number {
  switch (failure.kind) {
    case "queueFull":
    case "queueTimeout":
    case "gatewayBusy":
    case "loopSilent":
    case "noRoom":
      return 503;
    case "gatewayTimeout":
      return 504;
    case "tooLarge":
      return 431;
    case "notStarted":
      return 500;
    case "loopLost":
    case "gatewayFailed":
      return 502;
    case "ended":
      return endStatus(failure.reason);
  }
}

/** The status where a script was ended before it began, or nobody else says what the client is told. */
function endStatus(reason: EndReason): number {
  switch (reason) {
    case "timeout":
    case "runLimit":
      return 504;
    case "badOutput":
      return 502;
    case "shutdown":
      return 503;
    case "badRequest":
    case "clientGone":
      return 400;
    case "abandoned":
      return 500;
  }
}

/** What happened and what to do about it, for the log; without the script's name. */
export function describeFault(fault: ScriptFault): string {
  switch (fault.kind) {
    case "start":
      return describeStart(fault.failure);
    case "command":
      return fault.message;
    case "timeout":
      return fault.hadHeader
        ? `gave no sign of life for ${
          seconds(fault.timeoutMs)
        } and was ended; if that is normal, raise cgi.timeout`
        : `had not finished its header after ${
          seconds(fault.timeoutMs)
        } and was ended; if that is normal, raise cgi.timeout`;
    case "runLimit":
      return `ran for ${seconds(fault.runLimitMs)} and was ended; if that is normal, raise cgi.run_limit`;
    case "badOutput":
      return `${fault.reason}${describeExit(fault.exit)}`;
    case "died":
      return `died by ${fault.signal}: the response is cut off`;
    case "short":
      return `announced ${fault.announcedBytes} bytes (Content-Length) and wrote ${fault.writtenBytes}: the response is cut off`;
    case "noFile":
      return `named the file ${
        JSON.stringify(fault.name)
      } to be sent, which is not in the folders of sendfile: correct it, or add its folder`;
    case "failed":
      return `ended with status ${fault.code}`;
  }
}

function describeStart(failure: StartFailure): string {
  switch (failure.kind) {
    case "queueFull":
      return "found no place and a full queue; raise cgi.max_processes or cgi.queue if the machine can bear it";
    case "queueTimeout":
      return "found no place within cgi.queue_timeout; raise cgi.max_processes if the machine can bear it";
    case "tooLarge":
    case "notStarted":
    case "noRoom":
      return `could not be started: ${failure.message}`;
    case "loopLost":
      return "was lost with the loop that ran it; another runs the next";
    case "loopSilent":
      return "was not started: the loop that starts scripts does not answer, the machine may have too much to do";
    case "gatewayBusy":
    case "gatewayFailed":
    case "gatewayTimeout":
      return failure.message;
    case "ended":
      return `was ended before it began (${failure.reason})`;
  }
}

function describeExit(exit: ScriptExit | null): string {
  if (exit === null) return "";
  if (exit.signal !== null) return `; it died by ${exit.signal}`;
  return exit.code === 0 ? "" : `; it ended with status ${exit.code}`;
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}

/** The error that answers a fault. */
export function faultError(fault: ScriptFault): HttpError {
  const fields: Field[] = [];
  if (fault.kind === "start" && "retryAfterSeconds" in fault.failure) {
    fields.push(["Retry-After", String(fault.failure.retryAfterSeconds)]);
  }
  return new HttpError(faultStatus(fault), describeFault(fault), { fields });
}
