/**
 * Configurations for tests: the defaults of `cgi`, with what a test wants changed.
 *
 * @module
 */

import type { CgiSettings, ScriptHandling } from "../config/config.ts";

/** The defaults of the `cgi` block. */
export function someSettings(own: Partial<CgiSettings> = {}): CgiSettings {
  return {
    timeoutMs: 30_000,
    runLimitMs: 3_600_000,
    headBytes: 65_536,
    nice: 0,
    clientGoneMs: 1000,
    killGraceMs: 0,
    maxProcesses: 32,
    queue: 256,
    queueTimeoutMs: 10_000,
    interpreters: {
      ".py": ["python3"],
      ".pl": ["perl"],
      ".sh": ["sh"],
      ".php": ["php-cgi"],
      ".cgi": "shebang",
    },
    programs: ["python3", "perl", "sh", "bash"],
    env: {},
    passEnv: [],
    passAuthorization: false,
    ...own,
  };
}

/** How scripts run by default. */
export function aHandling(own: Partial<ScriptHandling> = {}): ScriptHandling {
  return {
    settings: someSettings(),
    args: [],
    cwd: null,
    user: null,
    group: null,
    umask: null,
    limits: { cpuSeconds: null, memoryBytes: null, files: null, processes: null },
    output: "cgi",
    contentType: null,
    sendfile: [],
    body: "auto",
    warm: null,
    preload: [],
    ...own,
  };
}
