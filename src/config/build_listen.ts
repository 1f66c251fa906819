/**
 * The addresses of the top level and of the sites, each once.
 *
 * @module
 */

import { addressKey } from "./address.ts";
import type { Listen, Place } from "./config.ts";
import type { FaultList } from "./fault_list.ts";
import { lastSegment, resolveFrom, statOrNull } from "../paths.ts";
import type { KeyPath } from "./key_path.ts";
import type { ListenInput } from "./schema.ts";

/** What an address is read with. */
export interface ListenContext {
  /** The folder from which relative paths count, absolute. */
  readonly base: string;
  /** Where faults go. */
  readonly faults: FaultList;
  /** Where a value stands, where that is wanted. */
  readonly placeOf: (path: KeyPath) => Place | null;
}

/** Gathers addresses and gives each its index in `Config.listen`. */
export class ListenTable {
  readonly #context: ListenContext;
  readonly #listen: Listen[] = [];
  /** The paths beside each address: of the key that named it first. */
  readonly #paths: (KeyPath | string)[] = [];
  readonly #indexes = new Map<string, number>();

  /**
   * Begins without addresses.
   *
   * @param context What addresses are read with.
   */
  constructor(context: ListenContext) {
    this.#context = context;
  }

  /** All addresses, in the order in which they were named. */
  get listen(): readonly Listen[] {
    return this.#listen;
  }

  /**
   * Takes the addresses that stand in one place.
   *
   * @param pathOf The path of the address with this index, or the flag that gave it.
   * @returns Their indexes.
   */
  add(inputs: readonly ListenInput[], pathOf: (index: number) => KeyPath | string): number[] {
    const own = new Map<string, number>();
    const indexes: number[] = [];
    for (const [at, input] of inputs.entries()) {
      const path = pathOf(at);
      const listen = this.#read(input, path);
      if (listen === null) continue;
      const key = keyOf(listen);
      const twin = own.get(key);
      if (twin !== undefined) {
        this.#sayTwice(listen.text, pathOf(twin), path);
        continue;
      }
      // Port 0 means another port each time.
      if (listen.transport === "unix" || listen.port !== 0) own.set(key, at);
      indexes.push(this.#indexOf(listen, path, key));
    }
    return indexes;
  }

  #indexOf(listen: Listen, path: KeyPath | string, key: string): number {
    const known = this.#indexes.get(key);
    if (known === undefined || (listen.transport === "tcp" && listen.port === 0)) {
      const index = this.#listen.push(listen) - 1;
      this.#paths.push(path);
      this.#indexes.set(key, index);
      return index;
    }
    const other = this.#listen[known];
    if (
      other.tls?.cert !== listen.tls?.cert || other.tls?.key !== listen.tls?.key ||
      other.proxyProtocol !== listen.proxyProtocol ||
      (other.transport === "unix" && listen.transport === "unix" && other.mode !== listen.mode)
    ) {
      this.#context.faults.error(
        path,
        (lineOf) =>
          `${listen.text} has other settings in ${lineIn(this.#paths[known], lineOf)}: make them the same`,
      );
    }
    return known;
  }

  #sayTwice(text: string, first: KeyPath | string, second: KeyPath | string): void {
    this.#context.faults.error(
      second,
      (lineOf) =>
        typeof second === "string"
          ? `${text} is given twice: give it once`
          : `${text} stands twice, in ${lineIn(first, lineOf)} and in ${lineOf(second)}: keep one`,
    );
  }

  #read(input: ListenInput, path: KeyPath | string): Listen | null {
    const { base, faults, placeOf } = this.#context;
    const below = (...steps: string[]): KeyPath | string =>
      typeof path === "string" ? path : [...path, ...steps];
    const { address } = input;
    if (address === undefined) {
      faults.error(path, "has no address: add address: 127.0.0.1:8080");
      return null;
    }
    let tls: { cert: string; key: string } | null = null;
    if (input.tls !== undefined) {
      const { cert, key } = input.tls;
      if (cert === undefined) faults.error(below("tls"), "has no cert: add the certificate's file");
      if (key === undefined) faults.error(below("tls"), "has no key: add the private key's file");
      if (cert === undefined || key === undefined) return null;
      tls = { cert: resolveFrom(base, cert), key: resolveFrom(base, key) };
      for (const name of ["cert", "key"] as const) {
        if (statOrNull(tls[name])?.isFile !== true) {
          faults.error(below("tls", name), `there is no file ${tls[name]}`);
        }
      }
    }
    if (tls !== null && input.proxy_protocol === true) {
      faults.error(
        below("proxy_protocol"),
        "cannot stand beside tls: the handshake begins with the first byte; let the proxy in front end TLS",
      );
    }
    if (tls !== null && address.transport === "unix") {
      faults.error(below("tls"), "is for network addresses: take it out", "key");
    }
    const place = typeof path === "string" ? null : placeOf(path);
    const common = { tls, proxyProtocol: input.proxy_protocol ?? false, place };
    if (address.transport === "tcp") {
      if (input.mode !== undefined) faults.error(below("mode"), "is for unix sockets: take it out", "key");
      const host = address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname;
      return {
        ...common,
        transport: "tcp",
        hostname: address.hostname,
        port: address.port,
        text: `${host}:${address.port}`,
      };
    }
    const socket = resolveFrom(base, address.path);
    const folder = resolveFrom(socket, "..");
    if (statOrNull(folder)?.isDirectory !== true) {
      faults.error(
        below("address"),
        `there is no folder ${folder} for the socket ${lastSegment(socket)}: make it first`,
      );
    }
    return { ...common, transport: "unix", path: socket, mode: input.mode ?? null, text: `unix:${socket}` };
  }
}

function keyOf(listen: Listen): string {
  return listen.transport === "unix"
    ? addressKey({ transport: "unix", path: listen.path })
    : addressKey({ transport: "tcp", hostname: listen.hostname, port: listen.port });
}

function lineIn(path: KeyPath | string, lineOf: (path: KeyPath) => string): string {
  return typeof path === "string" ? path : lineOf(path);
}
