/**
 * Basic authentication (RFC 7617) against a password file.
 *
 * To compute a hash takes long, so it is left to a verifier elsewhere, and logins that were good are remembered: only by a
 * keyed digest of password and hash, so that no password stays in memory and one that was changed in the file is forgotten.
 *
 * @module
 */

import type { AuthConfig } from "../config/config.ts";
import { HttpError } from "../http/error.ts";
import type { FieldSection } from "../http/fields.ts";
import type { Logger } from "../observe/logger.ts";
import type { Clock } from "../time/clock.ts";
import { parseHtpasswd } from "./htpasswd.ts";
import { sha256 } from "./sha256.ts";

/** How long a password file is taken to be as it was. */
const FRESH_MS = 1_000;
/** A larger file is no password file. 8 MiB hold 100,000 users. */
const FILE_BYTES_MAX = 8 * 2 ** 20;
/** As htpasswd's own bound: what is longer was never set. */
const PASSWORD_BYTES_MAX = 255;
/** Logins that are remembered. */
const KNOWN_MAX = 1024;
/** Of a user's name as a client gives it, the log takes so much. */
const NAME_CHARS_MAX = 64;

/** Computes hashes somewhere else. */
export interface Verifier {
  /**
   * Whether the password is the one behind the hash.
   *
   * @throws {HttpError} 503: too many wait already.
   */
  verify(password: string, hash: string): Promise<boolean>;
}

/** Which passwords are good, for all routes of a loop. */
export class Passwords {
  readonly #verifier: Verifier;
  readonly #secret: Uint8Array = crypto.getRandomValues(new Uint8Array(32));
  readonly #known = new Set<string>();
  readonly #pending = new Map<string, Promise<boolean>>();

  /**
   * Begins with none known.
   *
   * @param verifier Computes hashes.
   */
  constructor(verifier: Verifier) {
    this.#verifier = verifier;
  }

  /** Whether the password is the one behind the hash; at once where that is known. */
  isGood(password: string, hash: string): boolean | Promise<boolean> {
    const digest = this.#digest(`${hash}\0${password}`);
    if (this.#known.delete(digest)) {
      // Back in as the youngest.
      this.#known.add(digest);
      return true;
    }
    // A browser asks over several connections at once: one computation does for them all.
    let pending = this.#pending.get(digest);
    if (pending === undefined) {
      pending = this.#verify(password, hash, digest);
      this.#pending.set(digest, pending);
    }
    return pending;
  }

  async #verify(password: string, hash: string, digest: string): Promise<boolean> {
    try {
      const isGood = await this.#verifier.verify(password, hash);
      if (isGood) this.#remember(digest);
      return isGood;
    } finally {
      this.#pending.delete(digest);
    }
  }

  #remember(digest: string): void {
    for (const oldest of this.#known) {
      if (this.#known.size < KNOWN_MAX) break;
      this.#known.delete(oldest);
    }
    this.#known.add(digest);
  }

  #digest(text: string): string {
    const bytes = new TextEncoder().encode(text);
    const keyed = new Uint8Array(this.#secret.length + bytes.length);
    keyed.set(this.#secret);
    keyed.set(bytes, this.#secret.length);
    return String.fromCharCode(...sha256(keyed));
  }
}

/** A password file, read again when it has changed. */
export class PasswordFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  #users: ReadonlyMap<string, string> | null = null;
  #freshUntilMs = -Infinity;
  /** What it held, or why it could not be read: only news are said. */
  #seen: string | null = null;

  /**
   * The file is read when it is first asked.
   *
   * @param path Absolute.
   */
  constructor(path: string, clock: Clock, log: Logger) {
    this.#path = path;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * The hash of each user.
   *
   * @throws {HttpError} 500: it cannot be read. Then nobody gets in.
   */
  users(): ReadonlyMap<string, string> {
    const nowMs = this.#clock.now();
    if (nowMs >= this.#freshUntilMs) {
      this.#freshUntilMs = nowMs + FRESH_MS;
      this.#read();
    }
    if (this.#users === null) throw new HttpError(500, `the password file ${this.#path} cannot be read`);
    return this.#users;
  }

  /** The text is compared, not the time of its last change: that may be the same for two. */
  #read(): void {
    let text: string;
    try {
      const info = Deno.statSync(this.#path);
      if (!info.isFile || info.size > FILE_BYTES_MAX) throw new Error("it is no file, or too large for one");
      text = Deno.readTextFileSync(this.#path);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (this.#seen !== error.message) {
        this.#log.log(
          "error",
          `the password file ${this.#path} cannot be read, nobody gets in: ${error.message}; change its mode or owner`,
        );
      }
      this.#seen = error.message;
      this.#users = null;
      return;
    }
    if (this.#users !== null && this.#seen === text) return;
    this.#seen = text;
    const { users, faults } = parseHtpasswd(text);
    for (const { line, message } of faults) this.#log.log("warn", `${this.#path}:${line}: ${message}`);
    this.#users = users;
  }
}

/** What the authentication of a route needs. */
export interface AuthServices {
  /** Which passwords are good. */
  readonly passwords: Passwords;
  /** Where failures go. */
  readonly log: Logger;
}

/** The `auth` of one route. */
export class BasicAuth {
  readonly #file: PasswordFile;
  readonly #services: AuthServices;
  readonly #methods: ReadonlySet<string> | null;
  readonly #challenge: string;

  /**
   * Reads nothing yet.
   *
   * @param file The users of `config.file`.
   */
  constructor(config: AuthConfig, file: PasswordFile, services: AuthServices) {
    this.#file = file;
    this.#services = services;
    this.#methods = config.methods === null ? null : new Set(config.methods);
    const realm = config.realm.replace(/["\\]/g, "\\$&");
    this.#challenge = `Basic realm="${realm}", charset="UTF-8"`;
  }

  /** Whether this method needs a user. HEAD tells what GET does, and runs the same script. */
  isNeededFor(method: string): boolean {
    return this.#methods === null || this.#methods.has(method) ||
      (method === "HEAD" && this.#methods.has("GET"));
  }

  /**
   * Who asks; at once where that login is known.
   *
   * @param fields The request's.
   * @param address The client's, for the log.
   * @throws {HttpError} 401 (rejects likewise): nobody, or not with this password; 500: the file cannot be read; 503: too
   * many wait for their passwords.
   */
  user(fields: FieldSection, address: string): string | Promise<string> {
    const credentials = parseBasic(fields.combined("authorization"));
    if (credentials === null) throw this.#refusal("no credentials");
    const { user, password } = credentials;
    const users = this.#file.users();
    const own = users.get(user);
    // A name that nobody has must take as long as one that somebody has: another's hash stands in for its own.
    const hash = own ?? firstOf(users);
    if (hash === null) throw this.#refusal("the password file has no users");
    const isGood = this.#services.passwords.isGood(password, hash);
    if (typeof isGood === "boolean") return this.#decide(isGood, own, user, address);
    return isGood.then((isGood) => this.#decide(isGood, own, user, address));
  }

  #decide(isGood: boolean, own: string | undefined, user: string, address: string): string {
    if (isGood && own !== undefined) return user;
    const name = JSON.stringify(user.slice(0, NAME_CHARS_MAX));
    const why = own === undefined ? "there is no such user" : "the password is wrong";
    this.#services.log.log("warn", `login of ${name} from ${address || "a local client"} refused: ${why}`);
    throw this.#refusal(why);
  }

  #refusal(reason: string): HttpError {
    return new HttpError(401, reason, { fields: [["WWW-Authenticate", this.#challenge]] });
  }
}

/** User and password of an Authorization field (RFC 7617, 2); null where there are none that could be right. */
export function parseBasic(value: string | null): { user: string; password: string } | null {
  const token = value === null ? null : /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(value);
  if (token === null) return null;
  let text: string;
  try {
    const bytes = Uint8Array.from(atob(token[1]), (char) => char.charCodeAt(0));
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    // Not Base64, or not the UTF-8 that the challenge asked for.
    if (error instanceof DOMException || error instanceof TypeError) return null;
    throw error;
  }
  const colon = text.indexOf(":");
  // deno-lint-ignore no-control-regex
  if (colon === -1 || /[\x00-\x1f\x7f]/.test(text)) return null;
  const password = text.slice(colon + 1);
  if (new TextEncoder().encode(password).length > PASSWORD_BYTES_MAX) return null;
  return { user: text.slice(0, colon), password };
}

function firstOf(users: ReadonlyMap<string, string>): string | null {
  for (const hash of users.values()) return hash;
  return null;
}
