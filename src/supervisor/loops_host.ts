/**
 * What loops need of the supervisor.
 *
 * @module
 */

import type { Logger } from "../observe/logger.ts";
import type { RecentError, ServerStatus } from "../observe/status.ts";
import type { Reserve } from "./descriptors.ts";
import type { Figures } from "./figures.ts";
import type { LogMessage } from "./messages.ts";
import type { SocketTable } from "./socket_table.ts";
import type { Trees } from "./trees.ts";

/** The supervisor, as its loops see it. */
export interface LoopsHost {
  /** The error log. */
  readonly log: Logger;
  /** Ends process trees. */
  readonly trees: Trees;
  /** What the system holds for clients that read slowly. */
  readonly sockets: SocketTable;
  /** The folder for bodies that are kept whole. */
  readonly temp: string;
  /** The number of connections, over all loops. */
  readonly connections: SharedArrayBuffer;
  /** The number of scripts, over all loops. */
  readonly running: SharedArrayBuffer;
  /** Descriptors for a Worker that is to be started. */
  readonly reserve: Reserve;
  /** How often loops are asked whether they are there, in milliseconds. */
  readonly askMs?: number;
  /** The server's own environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** All loops' figures. */
  readonly figures: Figures;
  /** How the server is, with so many steps of the past. */
  status(historySteps: number): Promise<ServerStatus>;
  /** A request has failed. */
  failed(error: RecentError): void;
  /** Takes lines of a loop. */
  writeLog(message: LogMessage): void;
  /** A loop keeps dying: the server cannot go on. */
  giveUp(reason: string): void;
}
