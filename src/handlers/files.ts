/**
 * `files: DIR`: static files, with all that RFC 9110 says of selecting, validating and cutting them.
 *
 * The hot path is synchronous: a request for a small file that was looked at a moment ago is one lookup by its path and a
 * reply that was made before. What a path leads to is found out anew at least once a second, and the file's version is
 * compared after `FileCache.believedMs`, 5 ms on a small site: a change is seen by then, whole and never in part.
 *
 * @module
 */

import type { FilesHandlerConfig } from "../config/config.ts";
import { preferredCoding } from "../http/accept.ts";
import { HttpError } from "../http/error.ts";
import { codedEtag, equalVersions, type FileVersion, versionEtag } from "../http/etag.ts";
import type { Clock } from "../time/clock.ts";
import { CODINGS, compressBytes, CompressedSource, isWorthCompressing } from "./compress.ts";
import { type CacheEntry, FileCache } from "./file_cache.ts";
import { type FilePathRules, mayNameFile } from "./file_path.ts";
import { BufferPool, FileSource, lengthOnly } from "./file_source.ts";
import type { Exchange, Handler, Outcome, Refusal, Reply } from "./handler.ts";
import { listingReply, readListing } from "./listing.ts";
import { becameFolder, isUnchanged, type LoadedFile, loadFile } from "./load_file.ts";
import { locationPath } from "./location.ts";
import { extensionOf } from "./media_type.ts";
import { type Absent, type LocatedFile, type LocatedFolder, ServedFolder, versionOf } from "./open_file.ts";
import { redirectReply } from "./redirect.ts";
import { type Coding, type Plan, Representation } from "./representation.ts";
import { Secrets } from "./secrets.ts";

/** Runs a script that lies among files: the exchange, the script's absolute path, and PATH_INFO (empty or `/...`). */
export type RunScript = (exchange: Exchange, scriptFile: string, pathInfo: string) => Promise<Outcome>;

/** What all files routes of a loop share. */
export interface FilesServices {
  /** The loop's clock. */
  readonly clock: Clock;
  /** The time of day, in milliseconds since 1970. */
  readonly wallMs: () => number;
  /** Waits for a few milliseconds. */
  readonly pause: (ms: number) => Promise<void>;
  /** What is never served. */
  readonly secrets: Secrets;
  /** What is remembered. */
  readonly cache: FileCache;
  /** What large files are read into. */
  readonly buffers: BufferPool;
  /** Runs scripts that lie among files. */
  readonly runScript: RunScript;
}

/** What is remembered of files in one loop, in bytes. */
const CACHE_BYTES = 64 * 1024 * 1024;

/** The services as a loop needs them. */
export function filesServices(
  clock: Clock,
  secretPaths: readonly string[],
  runScript: RunScript,
): FilesServices {
  return {
    clock,
    wallMs: Date.now,
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    secrets: new Secrets(secretPaths, clock),
    cache: new FileCache(CACHE_BYTES),
    buffers: new BufferPool(),
    runScript,
  };
}

/** A handler that serves the files of a folder, by a {@linkcode FileServer} of its own. */
export function filesHandler(config: FilesHandlerConfig, services: FilesServices): Handler {
  const server = new FileServer(config, services);
  return (exchange) => server.handle(exchange);
}

/** What a {@linkcode FileServer} is told: how scripts run is not its business. */
export type FileServerConfig = Omit<FilesHandlerConfig, "run">;

/** What an entry takes beside its content. */
const ENTRY_BYTES = 1024;

/** At least so often it is found out anew what a path leads to: another index file, a link that turned, a new `.br`. */
const FOUND_MS = 1000;

/** So many different Accept-Encoding fields are remembered for a file. */
const CHOICES_MAX = 16;

/** What a path leads to, as it is remembered. */
type Found = FoundFile | FoundOther;

/** A file, with what clients made of it. */
interface FoundFile extends LoadedFile {
  /** Codings in which it can be had. */
  readonly codings: readonly Coding[];
  /** Forms that were compressed here, kept or on their way. */
  readonly compressed: Map<Coding, Representation | Promise<Representation>>;
  /** What was chosen for the few different Accept-Encoding fields that clients send; null: nothing is acceptable. */
  readonly choices: Map<string, Coding | "identity" | null>;
}

/** `nothingAt`: as long as nothing is below these paths, nothing else can have changed; null: that may be something else. */
type FoundOther =
  | { readonly kind: "absent"; readonly refusal: Refusal; readonly nothingAt: readonly string[] | null }
  | { readonly kind: "folderWithoutSlash"; readonly below: string }
  | { readonly kind: "listing"; readonly below: string }
  | { readonly kind: "script"; readonly file: string; readonly pathInfo: string };

/** One remembered path of one route. */
class Remembered implements CacheEntry {
  isUsed: boolean;
  readonly costBytes: number;
  readonly found: Found;
  /** When it was found out what the path leads to, by the loop's clock. */
  readonly foundMs: number;
  /** When its files were last looked at. */
  checkedMs: number;
  /** The cache's generation then. */
  generation: number;
  readonly #owner: Map<string, Remembered>;
  readonly #rest: string;

  constructor(owner: Map<string, Remembered>, rest: string, found: Found, nowMs: number, generation: number) {
    this.#owner = owner;
    this.#rest = rest;
    this.found = found;
    // Names that lead to nothing are the first to go: there is no end to them.
    this.isUsed = found.kind === "file";
    this.foundMs = nowMs;
    this.checkedMs = nowMs;
    this.generation = generation;
    this.costBytes = ENTRY_BYTES + 2 * rest.length + (found.kind === "file" ? costOf(found) : 0);
  }

  forget(): void {
    if (this.#owner.get(this.#rest) === this) this.#owner.delete(this.#rest);
  }
}

/** What a file's forms take. Those that are still to be compressed are counted as one more of the plain one. */
function costOf(found: FoundFile): number {
  const forms = [found.plain, ...found.coded];
  if (found.codings.length > found.coded.length) forms.push(found.plain);
  return forms.reduce((sum, { facts }) => sum + ENTRY_BYTES + (facts.bytes?.length ?? 0), 0);
}

/**
 * The files of one route. `handle` is its handler; uploads ask it for validators.
 */
export class FileServer {
  readonly #config: FileServerConfig;
  readonly #services: FilesServices;
  readonly #folder: ServedFolder;
  readonly #scripts: ReadonlySet<string>;
  readonly #remembered = new Map<string, Remembered>();
  /** What is being found out, so that a thousand requests for one new file read it once. */
  readonly #finding = new Map<string, { readonly generation: number; readonly found: Promise<Found> }>();

  /**
   * The files of a route; nothing is looked at yet.
   *
   * @param config The route's handler.
   * @param services What all files routes of the loop share.
   */
  constructor(config: FileServerConfig, services: FilesServices) {
    this.#config = config;
    this.#services = services;
    this.#folder = new ServedFolder(config.dir, config.followSymlinks, services.secrets, services.wallMs);
    this.#scripts = new Set(config.scripts.map((extension) => extension.toLowerCase()));
  }

  /** Answers an exchange: at once where the answer is in memory. */
  handle(exchange: Exchange): Outcome | Promise<Outcome> {
    const { rest } = exchange;
    if (!isExact(exchange)) return this.#handleInexact(exchange);
    const entry = this.#remembered.get(rest);
    if (entry !== undefined) {
      entry.isUsed = true;
      if (this.#isBelieved(entry)) return this.#answer(exchange, entry.found);
    }
    return this.#findAndAnswer(exchange);
  }

  /**
   * The validators of the file that a path names, plain, as it is on disk now; null where there is none. For the
   * preconditions of a request that is about to change it.
   */
  async validatorsOf(exchange: Exchange): Promise<Representation | null> {
    if (!isExact(exchange)) return null;
    const found = await this.#find(exchange, null);
    return found.kind === "file" ? found.plain : null;
  }

  /** Lets the script answer that a path leads to, whatever the method; null where it leads to none. */
  async handleScript(exchange: Exchange): Promise<Outcome | null> {
    if (this.#scripts.size === 0) return null;
    const found = isExact(exchange) ? await this.#find(exchange, null) : await this.#findInexact(exchange);
    return found.kind === "script" ? this.#answer(exchange, found) : null;
  }

  /** Whether what is remembered still holds, by the clock or by a look at the files. */
  #isBelieved(entry: Remembered): boolean {
    const nowMs = this.#services.clock.now();
    const { believedMs, generation } = this.#services.cache;
    if (nowMs - entry.checkedMs < believedMs && entry.generation === generation) return true;
    if (nowMs - entry.foundMs >= FOUND_MS || !this.#holds(entry.found)) return false;
    entry.checkedMs = nowMs;
    entry.generation = generation;
    return true;
  }

  /** Whether a path leads to the same as before, as far as a look at what it led to can tell. */
  #holds(found: Found): boolean {
    switch (found.kind) {
      case "file":
        return this.#isAsBefore(found.plain) && found.coded.every((form) => this.#isAsBefore(form));
      case "absent":
        return found.nothingAt?.every((below) => this.#isStillAbsent(below, found.refusal)) ?? false;
      case "folderWithoutSlash":
        return this.#folder.locateAgain(found.below).kind === "folder";
      case "listing":
      case "script":
        return false;
    }
  }

  #isAsBefore(form: Representation): boolean {
    const located = this.#folder.locateAgain(form.facts.below);
    return located.kind === "file" && isUnchanged(form, located);
  }

  #isStillAbsent(below: string, { error }: Refusal): boolean {
    const located = this.#folder.locateAgain(below);
    return located.kind === "absent" && located.status === error.status;
  }

  async #findAndAnswer(exchange: Exchange): Promise<Outcome> {
    return this.#answer(exchange, await this.#findOnce(exchange));
  }

  #findOnce(exchange: Exchange): Promise<Found> {
    const { rest } = exchange;
    const { generation } = this.#services.cache;
    const begun = this.#finding.get(rest);
    // What was begun before something was written may not have seen it.
    if (begun?.generation === generation) return begun.found;
    const found = this.#findAndRemember(exchange).finally(() => {
      if (this.#finding.get(rest)?.found === found) this.#finding.delete(rest);
    });
    this.#finding.set(rest, { generation, found });
    return found;
  }

  async #findAndRemember(exchange: Exchange): Promise<Found> {
    const { rest } = exchange;
    const { cache, clock } = this.#services;
    // Both before looking: what changes meanwhile is then seen in time.
    const nowMs = clock.now();
    const { generation } = cache;
    const found = await this.#find(exchange, this.#remembered.get(rest)?.found ?? null);
    const known = this.#remembered.get(rest);
    if (known !== undefined) {
      cache.remove(known);
      known.forget();
    }
    // Scripts and listings cost so much more than finding them that nothing is gained by remembering.
    if (found.kind === "script" || found.kind === "listing") return found;
    const entry = new Remembered(this.#remembered, rest, found, nowMs, generation);
    this.#remembered.set(rest, entry);
    cache.add(entry);
    return found;
  }

  /** Finds out what a path leads to. `known` is what it led to before, whose content need not be read again. */
  async #find(exchange: Exchange, known: Found | null): Promise<Found> {
    const { rest } = exchange;
    if (!mayNameFile(rest, this.#pathRules(exchange))) {
      return notFound(`no file is served by the name ${rest}`, []);
    }
    const hasSlash = rest.endsWith("/");
    const below = hasSlash ? rest.slice(0, -1) : rest;
    const located = await this.#folder.locate(below);
    switch (located.kind) {
      case "file":
        if (this.#isScript(below, located)) {
          return { kind: "script", file: this.#folder.pathOf(below), pathInfo: hasSlash ? "/" : "" };
        }
        if (hasSlash) return notFound(`${located.path} is no folder`);
        return await this.#load(exchange, below, located, known);
      case "folder":
        return hasSlash
          ? await this.#findInFolder(exchange, below, known)
          : { kind: "folderWithoutSlash", below };
      case "absent":
        return await this.#findScriptAbove(rest) ??
          toFound(located, this.#scripts.size === 0 ? [below] : null);
    }
  }

  async #findInFolder(exchange: Exchange, below: string, known: Found | null): Promise<Found> {
    for (const name of this.#config.index) {
      const path = `${below}/${name}`;
      const located = await this.#folder.locate(path);
      if (located.kind !== "file") continue;
      if (this.#isScript(path, located)) {
        return { kind: "script", file: this.#folder.pathOf(path), pathInfo: "" };
      }
      return await this.#load(exchange, path, located, known);
    }
    if (this.#config.list) return { kind: "listing", below };
    return notFound(`${below}/ has no index`, this.#config.index.map((name) => `${below}/${name}`));
  }

  /** `/app.php/extra`: the first segment that names a script, the rest being PATH_INFO. */
  async #findScriptAbove(rest: string): Promise<FoundOther | null> {
    if (this.#scripts.size === 0) return null;
    for (let slash = rest.indexOf("/", 1); slash !== -1; slash = rest.indexOf("/", slash + 1)) {
      const below = rest.slice(0, slash);
      if (!this.#scripts.has(extensionOf(below))) continue;
      const located = await this.#folder.locate(below);
      if (located.kind === "file") {
        return { kind: "script", file: this.#folder.pathOf(below), pathInfo: rest.slice(slash) };
      }
    }
    return null;
  }

  /** Scripts are told by name, in any case, and by the name of what a link leads to: none is ever sent as text. */
  #isScript(below: string, located: LocatedFile): boolean {
    return this.#scripts.size > 0 &&
      (this.#scripts.has(extensionOf(below)) || this.#scripts.has(extensionOf(located.realPath)));
  }

  #pathRules(exchange: Exchange): FilePathRules {
    const { path } = exchange.target;
    return {
      hidden: this.#config.hidden,
      isWellKnown: path === "/.well-known" || path.startsWith("/.well-known/"),
      isWindows: Deno.build.os === "windows",
    };
  }

  async #handleInexact(exchange: Exchange): Promise<Outcome> {
    return this.#answer(exchange, await this.#findInexact(exchange));
  }

  /** A path that no file has; but it may be the PATH_INFO of a script. */
  async #findInexact(exchange: Exchange): Promise<FoundOther> {
    const { rest } = exchange;
    const encoded = rest.indexOf("%");
    const exact = encoded === -1 ? rest : rest.slice(0, rest.lastIndexOf("/", encoded) + 1);
    const script = mayNameFile(exact, this.#pathRules(exchange)) ? await this.#findScriptAbove(exact) : null;
    if (script?.kind === "script") {
      return { ...script, pathInfo: script.pathInfo + rest.slice(exact.length) };
    }
    return notFound(`no file has the name ${rest}`);
  }

  async #load(exchange: Exchange, below: string, located: LocatedFile, known: Found | null): Promise<Found> {
    const { compress } = exchange.route;
    const { precompressed, cacheControl } = this.#config;
    const before = known?.kind === "file" ? known : null;
    const isRefused = (copy: LocatedFile) => this.#scripts.has(extensionOf(copy.realPath));
    const options = {
      below,
      located,
      precompressed,
      compress,
      isRefused,
      cacheControl,
      known: before,
    };
    const loaded = await loadFile(this.#folder, options, this.#services);
    if (loaded.kind === "absent") return toFound(loaded);
    const { plain, coded } = loaded;
    const isWorth = compress && isWorthCompressing(plain.facts.type, plain.facts.length);
    const codings = isWorth ? CODINGS : coded.flatMap((form) => form.facts.coding ?? []);
    const compressed = before?.plain === plain ? before.compressed : new Map();
    return { ...loaded, codings, compressed, choices: new Map() };
  }

  /** Answers with what a path leads to. */
  #answer(exchange: Exchange, found: Found): Outcome | Promise<Outcome> {
    switch (found.kind) {
      case "file":
        return this.#sendFile(exchange, found);
      case "absent":
        return this.#sendNothing(exchange, found.refusal);
      case "folderWithoutSlash": {
        const { target } = exchange;
        const query = target.query === null ? "" : `?${target.query}`;
        return redirectReply(308, `${locationPath(target)}/${query}`);
      }
      case "listing":
        return this.#sendListing(exchange, found.below);
      case "script":
        return this.#services.runScript(exchange, found.file, found.pathInfo);
    }
  }

  #sendNothing(exchange: Exchange, refusal: Refusal): Outcome {
    const { fallback } = this.#config;
    // The fallback itself is not there: falling back again would never end.
    if (fallback === null || refusal.error.status !== 404 || exchange.target.path === fallback) {
      return refusal;
    }
    const { query } = exchange.target;
    const joint = fallback.includes("?") ? "&" : "?";
    return {
      kind: "reroute",
      target: query === null ? fallback : `${fallback}${joint}${query}`,
      as: "fallback",
    };
  }

  async #sendListing(exchange: Exchange, below: string): Promise<Reply> {
    requireRead(exchange.method);
    const entries = await readListing(this.#folder, below, this.#config.hidden);
    return listingReply(entries, {
      path: exchange.target.path,
      query: exchange.target.query,
      accept: exchange.head.fields.combined("accept"),
      cacheControl: this.#config.cacheControl,
    });
  }

  #sendFile(exchange: Exchange, found: FoundFile): Reply | Promise<Reply> {
    requireRead(exchange.method);
    const coding = chooseCoding(exchange, found);
    if (coding === "identity") return this.#sendForm(exchange, found.plain);
    const form = found.coded.find((coded) => coded.facts.coding === coding);
    return form === undefined
      ? this.#sendCompressed(exchange, found, coding)
      : this.#sendForm(exchange, form);
  }

  #sendCompressed(exchange: Exchange, found: FoundFile, coding: Coding): Reply | Promise<Reply> {
    const { compressed, plain } = found;
    let form = compressed.get(coding);
    if (form === undefined) {
      form = compressForm(plain, coding).then((made) => {
        compressed.set(coding, made);
        return made;
      });
      compressed.set(coding, form);
    }
    return form instanceof Promise
      ? form.then((made) => this.#sendForm(exchange, made))
      : this.#sendForm(exchange, form);
  }

  #sendForm(exchange: Exchange, form: Representation): Reply | Promise<Reply> {
    const decided = form.decide(exchange);
    if ("kind" in decided) return decided;
    if (exchange.method !== "HEAD") return this.#sendOpened(exchange, form, decided);
    const { status, fields, length } = decided;
    return { kind: "reply", status, fields, body: lengthOnly(form.facts.length === null ? null : length) };
  }

  /** Opens a file that is not kept in memory, and answers about what is open, even if that was changed just now. */
  async #sendOpened(exchange: Exchange, form: Representation, decided: Plan): Promise<Reply> {
    const located = await this.#folder.locate(form.facts.below);
    if (located.kind !== "file") throw gone(located);
    const opened = await this.#folder.open(located, form.facts.below);
    if (opened.kind !== "open") throw gone(opened);
    const { file, info } = opened;
    try {
      let plan = decided;
      const version = versionOf(info);
      if (!equalVersions(version, form.facts.version)) {
        const anew = changedForm(form, version).decide(exchange);
        if ("kind" in anew) {
          file.close();
          return anew;
        }
        plan = anew;
      }
      const { status, fields, pieces, length } = plan;
      const source = new FileSource(file, pieces, length, this.#services.buffers);
      const coding = codingOnTheWay(form);
      const body = coding === null ? source : new CompressedSource(source, coding);
      return { kind: "reply", status, fields, body };
    } catch (error) {
      file.close();
      throw error;
    }
  }
}

/**
 * Whether a path is all decoded: an encoded slash, or bytes that are no UTF-8, are still encoded in `rest`, where they look
 * like other names.
 */
function isExact({ target }: Exchange): boolean {
  return target.isUtf8 && !target.hasEncodedSlash;
}

/** Files are read; whatever else was wanted, they do not do. Uploads are another handler's. */
function requireRead(method: string): void {
  if (method === "GET" || method === "HEAD") return;
  throw new HttpError(405, `${method} of a file`, { fields: [["Allow", "GET, HEAD"]] });
}

/** The coding that a client gets (RFC 9110, 12.5.3). Ranges are answered from the plain form: all clients mean that. */
function chooseCoding(exchange: Exchange, found: FoundFile): Coding | "identity" {
  const { fields } = exchange.head;
  const accept = fields.combined("accept-encoding");
  if (accept === null) return "identity";
  let chosen: Coding | "identity" | null | undefined;
  if (exchange.method === "GET" && fields.get("range") !== null) {
    chosen = preferredCoding(accept, []);
  } else {
    chosen = found.choices.get(accept);
    if (chosen === undefined) {
      chosen = preferredCoding(accept, found.codings);
      if (found.choices.size < CHOICES_MAX) found.choices.set(accept, chosen);
    }
  }
  if (chosen === null) {
    throw new HttpError(406, `no form is acceptable by ${accept}`, { fields: [["Vary", "Accept-Encoding"]] });
  }
  return chosen;
}

/** A form that is compressed here: at once and kept where the file is kept, or else each time while it is sent. */
async function compressForm(plain: Representation, coding: Coding): Promise<Representation> {
  const { bytes } = plain.facts;
  const packed = bytes === null ? null : await compressBytes(bytes, coding);
  const etag = codedEtag(plain.etag, coding);
  return new Representation({ ...plain.facts, coding, bytes: packed, length: packed?.length ?? null, etag });
}

/** The coding of a form that is compressed each time while it is sent; null for others. */
function codingOnTheWay(form: Representation): Coding | null {
  return form.facts.length === null ? form.facts.coding : null;
}

/** The same form of a large file that has changed since it was looked at; that was just now, so its tag is weak. */
function changedForm(form: Representation, version: FileVersion): Representation {
  const coding = codingOnTheWay(form);
  const etag = versionEtag(version, true);
  return new Representation({
    ...form.facts,
    version,
    bytes: null,
    length: coding === null ? version.size : null,
    etag: coding === null ? etag : codedEtag(etag, coding),
  });
}

function notFound(reason: string, nothingAt: readonly string[] | null = null): FoundOther {
  return toFound({ kind: "absent", status: 404, reason }, nothingAt);
}

function toFound({ status, reason }: Absent, nothingAt: readonly string[] | null = null): FoundOther {
  return { kind: "absent", refusal: { kind: "refusal", error: new HttpError(status, reason) }, nothingAt };
}

/** A file that was there a moment ago. */
function gone(instead: Absent | LocatedFolder): HttpError {
  const { status, reason } = instead.kind === "absent" ? instead : becameFolder(instead);
  return new HttpError(status, reason);
}
