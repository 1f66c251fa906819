/**
 * What a network loop makes of one configuration. A reload makes another; requests under way keep what they began with.
 *
 * @module
 */

import { Answerer } from "../client/answerer.ts";
import type { BodyLimits } from "../client/body.ts";
import { HeadReaders } from "../client/head_readers.ts";
import type { Limits, Timeouts } from "../config/config.ts";
import { accessFormat } from "../observe/access_log.ts";
import type { Batch } from "../observe/batch.ts";
import type { Logger } from "../observe/logger.ts";
import { LoopLogger } from "../observe/loop_logger.ts";
import type { AccessRecord } from "../observe/record.ts";
import { isStatusShown } from "../observe/status.ts";
import { AddressSet } from "../route/access.ts";
import type { Passwords } from "../route/auth.ts";
import { RateTable } from "../route/rate.ts";
import { Router } from "../route/router.ts";
import type { LoopSetup } from "../supervisor/messages.ts";
import { handlerMaker, type LoopServices } from "./handlers.ts";

/** What stays the same over all configurations of a loop. */
export interface ServiceSurroundings extends Omit<LoopServices, "log"> {
  /** Where the access log's lines are gathered. */
  readonly accessBatch: Batch;
  /** Where the error log's lines are gathered. */
  readonly errorBatch: Batch;
  /** Which passwords are good; null where no route has `auth`. */
  readonly passwords: Passwords | null;
}

/** A configuration at work. */
export class Service {
  /** Bounds on what clients may send and hold. */
  readonly limits: Limits;
  /** Bounds on waits. */
  readonly timeouts: Timeouts;
  /** Bounds on bodies. */
  readonly bodyLimits: BodyLimits;
  /** Read heads within `limits`. */
  readonly headReaders: HeadReaders;
  /** The error log. */
  readonly log: Logger;
  /** Turns requests into replies. */
  readonly answerer: Answerer;
  /** Whose Forwarded and X-Forwarded-* fields are believed. */
  readonly trustedProxies: AddressSet;
  /** Takes a finished request for the access log; null: there is none. */
  readonly record: ((record: AccessRecord) => void) | null;
  /** Whether a route shows the state of the server. */
  readonly hasStatus: boolean;

  /** Makes every route's handler. */
  constructor(setup: LoopSetup, surroundings: ServiceSurroundings) {
    const { limits, timeouts, log, trustedProxies } = setup.config;
    const { accessBatch, errorBatch } = surroundings;
    this.limits = limits;
    this.trustedProxies = new AddressSet(trustedProxies);
    this.timeouts = timeouts;
    this.headReaders = new HeadReaders(limits);
    this.bodyLimits = {
      bodyBytes: limits.bodyBytes,
      timeoutMs: timeouts.bodyMs,
      minRate: limits.minRate,
      fields: limits,
    };
    this.log = new LoopLogger(errorBatch, log.level);
    const format = accessFormat(log.format);
    this.hasStatus = isStatusShown(setup.config);
    this.record = log.access === "off" ? null : (record) => {
      if (surroundings.reload?.isOwn(record.target) === true) return;
      format(record, accessBatch.lines);
      accessBatch.endLine();
    };
    const make = handlerMaker(setup, { ...surroundings, log: this.log });
    const router = new Router(setup.config, make, {
      clock: surroundings.clock,
      log: this.log,
      rates: setup.rates === null ? null : new RateTable(setup.rates),
      passwords: surroundings.passwords,
    });
    this.answerer = new Answerer(router, surroundings.reload);
  }
}
