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
import { evaluateConditions, type Validators } from "../http/conditional.ts";
import { formatHttpDate } from "../http/date.ts";
import { HttpError } from "../http/error.ts";
import { equalVersions, fileEtag, type FileVersion, freshForMs } from "../http/etag.ts";
import type { Field } from "../http/fields.ts";
import {
  type ByteRange,
  contentRange,
  multipartRanges,
  selectRanges,
  unsatisfiedRange,
} from "../http/range.ts";
import type { Clock } from "../time/clock.ts";
import { type CacheEntry, FileCache } from "./file_cache.ts";
import { type FilePathRules, mayNameFile } from "./file_path.ts";
import { BufferPool, FileSource, lengthOnly, type Pieces } from "./file_source.ts";
import type { Exchange, Handler, Outcome, Reply } from "./handler.ts";
import { listingReply, readListing } from "./listing.ts";
import { locationPath } from "./location.ts";
import { extensionOf, mediaType } from "./media_type.ts";
import { type Absent, type LocatedFile, type LocatedFolder, ServedFolder, versionOf } from "./open_file.ts";
import { redirectReply } from "./redirect.ts";
import { Secrets } from "./secrets.ts";

/** Runs a script that lies among files: the exchange, the script's absolute path, and PATH_INFO (empty or `/...`). */
export type RunScript = (exchange: Exchange, scriptFile: string, pathInfo: string) => Promise<Outcome>;

/** What all files routes of a loop share. */
export interface FilesServices {
  readonly clock: Clock;
  /** The time of day, in milliseconds since 1970. */
  readonly wallMs: () => number;
  /** Waits for a few milliseconds. */
  readonly pause: (ms: number) => Promise<void>;
  readonly secrets: Secrets;
  readonly cache: FileCache;
  readonly buffers: BufferPool;
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

/** A handler that serves the files of a folder. */
export function filesHandler(config: FilesHandlerConfig, services: FilesServices): Handler {
  const server = new FileServer(config, services);
  return (exchange) => server.handle(exchange);
}

/** Files up to this length are kept in memory: pages, scripts, styles and most pictures. */
const KEPT_FILE_BYTES = 256 * 1024;

/** What an entry takes beside its content. */
const ENTRY_BYTES = 1024;

/** At least so often it is found out anew what a path leads to: another index file, a link that turned, a new `.br`. */
const FOUND_MS = 1000;

/** A fresh file is waited for up to this long, so that its entity tag can be strong. */
const PAUSE_MAX_MS = 20;

/** How often a file is read again that changes while it is read. */
const ATTEMPTS = 3;

/** Content codings of precompressed files, the smallest result first. */
const PRECOMPRESSED = [{ coding: "br", extension: ".br" }, { coding: "gzip", extension: ".gz" }] as const;
type Coding = "br" | "gzip";

/** One form of a file's content: as it is, or precompressed. */
class Representation implements Validators {
  readonly coding: Coding | null;
  /** The path below the route's folder. */
  readonly below: string;
  readonly realPath: string;
  readonly version: FileVersion;
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly type: string;
  /** The content; null for a file that is not kept in memory. */
  readonly bytes: Uint8Array<ArrayBuffer> | null;
  /** The fields of a 200. */
  readonly fields: readonly Field[];
  readonly notModified: Reply;
  /** The whole answer; null for a file that is not kept in memory. */
  readonly reply: Reply | null;
  readonly #facts: RepresentationFacts;

  constructor(facts: RepresentationFacts) {
    this.#facts = facts;
    this.coding = facts.coding;
    this.below = facts.below;
    this.realPath = facts.realPath;
    this.version = facts.version;
    this.etag = fileEtag(facts.version, facts.isFresh);
    this.lastModifiedMs = facts.version.modifiedMs;
    this.type = facts.type;
    this.bytes = facts.bytes;

    const always: Field[] = [["ETag", this.etag]];
    if (facts.cacheControl !== null) always.push(["Cache-Control", facts.cacheControl]);
    if (facts.isNegotiated) always.push(["Vary", "Accept-Encoding"]);
    const fields: Field[] = [["Content-Type", facts.type]];
    if (facts.coding !== null) fields.push(["Content-Encoding", facts.coding]);
    fields.push(
      ["Last-Modified", formatHttpDate(this.lastModifiedMs)],
      ["Accept-Ranges", "bytes"],
      ...always,
    );
    this.fields = Object.freeze(fields);
    this.notModified = Object.freeze({
      kind: "reply",
      status: 304,
      fields: Object.freeze(always),
      body: null,
    });
    this.reply = facts.bytes === null
      ? null
      : Object.freeze({ kind: "reply", status: 200, fields: this.fields, body: facts.bytes });
  }

  /** The same file, not kept in memory, at another version. */
  changedTo(version: FileVersion, isFresh: boolean): Representation {
    return new Representation({ ...this.#facts, version, isFresh, bytes: null });
  }

  /** Whether the answer depends on Accept-Encoding. */
  get isNegotiated(): boolean {
    return this.#facts.isNegotiated;
  }

  /** Bytes of the content. */
  get length(): number {
    return this.version.size;
  }

  /** A second that has passed: nothing more can happen in it (RFC 9110, 8.8.2.2). */
  get isLastModifiedStrong(): boolean {
    return this.#facts.wallMs() >= Math.floor(this.lastModifiedMs / 1000) * 1000 + 1000;
  }
}

interface RepresentationFacts {
  readonly coding: Coding | null;
  readonly below: string;
  readonly realPath: string;
  readonly version: FileVersion;
  readonly isFresh: boolean;
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer> | null;
  readonly cacheControl: string | null;
  /** Whether there are several forms, so that the answer depends on Accept-Encoding. */
  readonly isNegotiated: boolean;
  readonly wallMs: () => number;
}

/** What a path leads to, as it is remembered. */
type Found = FoundFile | FoundOther;

/** A file in all its forms. */
interface FoundFile {
  readonly kind: "file";
  readonly plain: Representation;
  readonly coded: readonly Representation[];
  /** What was chosen for the few different Accept-Encoding fields that clients send; null: nothing acceptable. */
  readonly choices: Map<string, Representation | null>;
  /** A form of it may change without notice: it is not to be remembered. */
  readonly isFresh: boolean;
}

type FoundOther =
  | { readonly kind: "absent"; readonly error: HttpError }
  | { readonly kind: "folderWithoutSlash" }
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
  readonly #owner: Map<string, Remembered>;
  readonly #rest: string;

  constructor(owner: Map<string, Remembered>, rest: string, found: Found, nowMs: number) {
    this.#owner = owner;
    this.#rest = rest;
    this.found = found;
    // Names that lead to nothing are the first to go: there is no end to them.
    this.isUsed = found.kind === "file";
    this.foundMs = nowMs;
    this.checkedMs = nowMs;
    const forms = found.kind === "file" ? [found.plain, ...found.coded] : [];
    this.costBytes = forms.reduce(
      (sum, form) => sum + ENTRY_BYTES + (form.bytes?.length ?? 0),
      ENTRY_BYTES + 2 * rest.length,
    );
  }

  forget(): void {
    if (this.#owner.get(this.#rest) === this) this.#owner.delete(this.#rest);
  }
}

/** What is sent of a representation. */
interface Plan {
  readonly status: 200 | 206;
  readonly fields: readonly Field[];
  readonly pieces: Pieces;
  readonly length: number;
}

/** The files of one route. */
class FileServer {
  readonly #config: FilesHandlerConfig;
  readonly #services: FilesServices;
  readonly #folder: ServedFolder;
  readonly #scripts: ReadonlySet<string>;
  readonly #remembered = new Map<string, Remembered>();
  /** What is being found out, so that a thousand requests for one new file read it once. */
  readonly #finding = new Map<string, Promise<Found>>();

  constructor(config: FilesHandlerConfig, services: FilesServices) {
    this.#config = config;
    this.#services = services;
    this.#folder = new ServedFolder(config.dir, config.followSymlinks, services.secrets);
    this.#scripts = new Set(config.scripts.map((extension) => extension.toLowerCase()));
  }

  handle(exchange: Exchange): Outcome | Promise<Outcome> {
    const { target, rest } = exchange;
    // An encoded slash, or bytes that are no UTF-8, are still encoded in `rest`, where they look like other names.
    if (!target.isUtf8 || target.hasEncodedSlash) return this.#handleInexact(exchange);
    const entry = this.#remembered.get(rest);
    if (entry !== undefined) {
      entry.isUsed = true;
      if (this.#isBelieved(entry)) return this.#answer(exchange, entry.found);
    }
    return this.#findAndAnswer(exchange);
  }

  /** Whether what is remembered still holds, by the clock or by a look at the files. */
  #isBelieved(entry: Remembered): boolean {
    const nowMs = this.#services.clock.now();
    if (nowMs - entry.checkedMs < this.#services.cache.believedMs) return true;
    const { found } = entry;
    if (found.kind !== "file" || nowMs - entry.foundMs >= FOUND_MS) return false;
    if (!this.#isUnchanged(found.plain) || !found.coded.every((form) => this.#isUnchanged(form))) {
      return false;
    }
    entry.checkedMs = nowMs;
    return true;
  }

  #isUnchanged(form: Representation): boolean {
    const located = this.#folder.locateAgain(form.below);
    return located.kind === "file" && located.realPath === form.realPath &&
      equalVersions(versionOf(located.info), form.version);
  }

  async #findAndAnswer(exchange: Exchange): Promise<Outcome> {
    return this.#answer(exchange, await this.#findOnce(exchange));
  }

  #findOnce(exchange: Exchange): Promise<Found> {
    const { rest } = exchange;
    let finding = this.#finding.get(rest);
    if (finding === undefined) {
      finding = this.#findAndRemember(exchange).finally(() => this.#finding.delete(rest));
      this.#finding.set(rest, finding);
    }
    return finding;
  }

  async #findAndRemember(exchange: Exchange): Promise<Found> {
    const { rest } = exchange;
    const { cache, clock } = this.#services;
    const nowMs = clock.now(); // before looking: what changes meanwhile is then seen in time
    const known = this.#remembered.get(rest);
    const found = await this.#find(exchange, known?.found ?? null);
    if (known !== undefined) {
      cache.remove(known);
      known.forget();
    }
    const isKept = found.kind === "file"
      ? !found.isFresh
      : found.kind === "absent" || found.kind === "folderWithoutSlash";
    if (isKept) {
      const entry = new Remembered(this.#remembered, rest, found, nowMs);
      this.#remembered.set(rest, entry);
      cache.add(entry);
    }
    return found;
  }

  /** Finds out what a path leads to. `known` is what it led to before, whose content need not be read again. */
  async #find(exchange: Exchange, known: Found | null): Promise<Found> {
    const { rest } = exchange;
    if (!mayNameFile(rest, this.#pathRules(exchange))) {
      return notFound(`no file is served by the name ${rest}`);
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
        return await this.#load(below, located, known);
      case "folder":
        return hasSlash ? await this.#findInFolder(below, known) : { kind: "folderWithoutSlash" };
      case "absent":
        return await this.#findScriptAbove(rest) ?? toFound(located);
    }
  }

  async #findInFolder(below: string, known: Found | null): Promise<Found> {
    for (const name of this.#config.index) {
      const path = `${below}/${name}`;
      const located = await this.#folder.locate(path);
      if (located.kind !== "file") continue;
      if (this.#isScript(path, located)) {
        return { kind: "script", file: this.#folder.pathOf(path), pathInfo: "" };
      }
      return await this.#load(path, located, known);
    }
    return this.#config.list ? { kind: "listing", below } : notFound(`${below}/ has no index`);
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

  /** A path that no file has; but it may be the PATH_INFO of a script. */
  async #handleInexact(exchange: Exchange): Promise<Outcome> {
    const { rest } = exchange;
    const encoded = rest.indexOf("%");
    const exact = encoded === -1 ? rest : rest.slice(0, rest.lastIndexOf("/", encoded) + 1);
    const script = mayNameFile(exact, this.#pathRules(exchange)) ? await this.#findScriptAbove(exact) : null;
    if (script?.kind === "script") {
      const pathInfo = script.pathInfo + rest.slice(exact.length);
      return this.#answer(exchange, { ...script, pathInfo });
    }
    return this.#answer(exchange, notFound(`no file has the name ${rest}`));
  }

  /** Makes ready a file that was located, in all its forms. */
  async #load(below: string, located: LocatedFile, known: Found | null): Promise<Found> {
    const type = mediaType(below);
    const variants: { coding: Coding; below: string; located: LocatedFile }[] = [];
    if (this.#config.precompressed && located.info.size > 0) {
      for (const { coding, extension } of PRECOMPRESSED) {
        const variant = await this.#folder.locate(below + extension);
        if (variant.kind !== "file" || this.#isScript(below + extension, variant)) continue;
        if (isOlder(variant, located)) continue;
        variants.push({ coding, below: below + extension, located: variant });
      }
    }
    const isNegotiated = variants.length > 0;
    const before = known?.kind === "file" ? known : null;
    const plain = await this.#represent({ coding: null, below, located, type, isNegotiated }, before?.plain);
    if (plain.kind === "absent") return toFound(plain);
    const coded: Representation[] = [];
    let isFresh = plain.isFresh;
    for (const variant of variants) {
      const kept = before?.coded.find((form) => form.coding === variant.coding);
      const form = await this.#represent({ ...variant, type, isNegotiated }, kept);
      if (form.kind === "absent") continue;
      coded.push(form.form);
      isFresh ||= form.isFresh;
    }
    return { kind: "file", plain: plain.form, coded, choices: new Map(), isFresh };
  }

  /** Makes ready one form: reads it where it is small, unless it is the one that was known before. */
  async #represent(wanted: Wanted, known: Representation | undefined): Promise<Represented | Absent> {
    let { located } = wanted;
    for (let attempt = 1;; attempt++) {
      const version = versionOf(located.info);
      if (
        known !== undefined && located.realPath === known.realPath && equalVersions(version, known.version) &&
        known.below === wanted.below && known.isNegotiated === wanted.isNegotiated
      ) {
        return { kind: "represented", form: known, isFresh: false };
      }
      const freshMs = freshForMs(version, this.#services.wallMs());
      const isLast = attempt === ATTEMPTS;
      if (freshMs > 0 && freshMs <= PAUSE_MAX_MS && attempt === 1) {
        await this.#services.pause(freshMs);
      } else {
        const isFresh = freshMs > 0;
        if (version.size > KEPT_FILE_BYTES) return this.#represented(wanted, located, version, isFresh, null);
        const read = await this.#read(located, wanted.below);
        if (read.kind === "absent") return read;
        if (equalVersions(read.version, version) && read.bytes !== null) {
          return this.#represented(wanted, located, version, isFresh, read.bytes);
        }
        // It changes faster than it can be read: it is sent as it comes, and nobody may count on it.
        if (isLast) return this.#represented(wanted, located, version, true, null);
      }
      const again = await this.#folder.locate(wanted.below);
      if (again.kind !== "file") return again.kind === "absent" ? again : becameFolder(again);
      located = again;
    }
  }

  #represented(
    wanted: Wanted,
    located: LocatedFile,
    version: FileVersion,
    isFresh: boolean,
    bytes: Uint8Array<ArrayBuffer> | null,
  ): Represented {
    const { coding, below, type, isNegotiated } = wanted;
    const { realPath } = located;
    const { cacheControl } = this.#config;
    const { wallMs } = this.#services;
    const form = new Representation({
      coding,
      below,
      realPath,
      version,
      isFresh,
      type,
      bytes,
      cacheControl,
      isNegotiated,
      wallMs,
    });
    return { kind: "represented", form, isFresh };
  }

  /** Reads a small file whole. `bytes` is null where its length changed meanwhile; `version` is the one after reading. */
  async #read(located: LocatedFile, below: string): Promise<ReadWhole | Absent> {
    const opened = await this.#folder.open(located, below);
    if (opened.kind !== "open") return opened.kind === "absent" ? opened : becameFolder(opened);
    const { file, info } = opened;
    try {
      // One byte more than there should be, to notice that it grew.
      const buffer = new Uint8Array(info.size + 1);
      let length = 0;
      while (length < buffer.length) {
        const count = await file.read(buffer.subarray(length));
        if (count === null) break;
        length += count;
      }
      const version = versionOf(file.statSync());
      return { kind: "read", version, bytes: length === info.size ? buffer.subarray(0, length) : null };
    } finally {
      file.close();
    }
  }

  /** Answers with what a path leads to. */
  #answer(exchange: Exchange, found: Found): Outcome | Promise<Outcome> {
    switch (found.kind) {
      case "file":
        return this.#sendFile(exchange, found);
      case "absent":
        return this.#sendNothing(exchange, found.error);
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

  #sendNothing(exchange: Exchange, error: HttpError): Outcome {
    const { fallback } = this.#config;
    // The fallback itself is not there: falling back again would never end.
    if (fallback === null || error.status !== 404 || exchange.target.path === fallback) throw error;
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
    const form = chooseForm(exchange, found);
    const decided = decide(exchange, form);
    if ("kind" in decided) return decided;
    const { status, fields, length } = decided;
    if (form.bytes !== null) return { kind: "reply", status, fields, body: cut(form.bytes, decided) };
    if (exchange.method === "HEAD") return { kind: "reply", status, fields, body: lengthOnly(length) };
    return this.#sendOpened(exchange, form, decided);
  }

  /** Opens a file that is not kept in memory, and answers about what is open, even if that was changed just now. */
  async #sendOpened(exchange: Exchange, form: Representation, decided: Plan): Promise<Reply> {
    const located = await this.#folder.locate(form.below);
    if (located.kind !== "file") throw gone(located);
    const opened = await this.#folder.open(located, form.below);
    if (opened.kind !== "open") throw gone(opened);
    const { file, info } = opened;
    try {
      let plan = decided;
      const version = versionOf(info);
      if (!equalVersions(version, form.version)) {
        const isFresh = freshForMs(version, this.#services.wallMs()) > 0;
        const anew = decide(exchange, form.changedTo(version, isFresh));
        if ("kind" in anew) {
          file.close();
          return anew;
        }
        plan = anew;
      }
      const { status, fields, pieces, length } = plan;
      return {
        kind: "reply",
        status,
        fields,
        body: new FileSource(file, pieces, length, this.#services.buffers),
      };
    } catch (error) {
      file.close();
      throw error;
    }
  }
}

/** A form that is to be made ready. */
interface Wanted {
  readonly coding: Coding | null;
  readonly below: string;
  readonly located: LocatedFile;
  readonly type: string;
  readonly isNegotiated: boolean;
}

interface Represented {
  readonly kind: "represented";
  readonly form: Representation;
  readonly isFresh: boolean;
}

interface ReadWhole {
  readonly kind: "read";
  readonly version: FileVersion;
  readonly bytes: Uint8Array<ArrayBuffer> | null;
}

/** Files are read; whatever else was wanted, they do not do. Uploads are another handler's. */
function requireRead(method: string): void {
  if (method === "GET" || method === "HEAD") return;
  throw new HttpError(405, `${method} of a file`, { fields: [["Allow", "GET, HEAD"]] });
}

/** So many different Accept-Encoding fields are remembered for a file. */
const CHOICES_MAX = 16;

/** The form that a client gets (RFC 9110, 12.5.3). Ranges are answered from the plain one: all clients mean that. */
function chooseForm(exchange: Exchange, found: FoundFile): Representation {
  const { fields } = exchange.head;
  const accept = fields.combined("accept-encoding");
  if (accept === null) return found.plain;
  const wantsPart = exchange.method === "GET" && fields.get("range") !== null;
  const offers = wantsPart ? [] : found.coded;
  let chosen = wantsPart ? undefined : found.choices.get(accept);
  if (chosen === undefined) {
    const coding = preferredCoding(accept, offers.flatMap((form) => form.coding ?? []));
    chosen = coding === null ? null : offers.find((form) => form.coding === coding) ?? found.plain;
    if (!wantsPart && found.choices.size < CHOICES_MAX) found.choices.set(accept, chosen);
  }
  if (chosen === null) {
    throw new HttpError(406, `no form is acceptable by ${accept}`, { fields: [["Vary", "Accept-Encoding"]] });
  }
  return chosen;
}

/** What is sent of a form, by the request's preconditions and ranges: a reply that is complete already, or a plan. */
function decide(exchange: Exchange, form: Representation): Reply | Plan {
  const { method, head: { fields } } = exchange;
  const { outcome, rangeHolds } = evaluateConditions(method, fields, form);
  if (outcome === "notModified") return form.notModified;
  if (outcome === "preconditionFailed") throw new HttpError(412, "a precondition does not hold");
  const range = rangeHolds ? fields.combined("range") : null;
  return range === null ? form.reply ?? wholePlan(form) : decideRange(range, form);
}

function decideRange(range: string, form: Representation): Reply | Plan {
  const selection = selectRanges(range, form.length);
  switch (selection.kind) {
    case "whole":
      return form.reply ?? wholePlan(form);
    case "unsatisfiable":
      throw new HttpError(416, `${range} of ${form.length} bytes`, {
        fields: [["Content-Range", unsatisfiedRange(form.length)], ["Accept-Ranges", "bytes"]],
      });
    case "parts":
      return partsPlan(selection.parts, form);
  }
}

function wholePlan(form: Representation): Plan {
  const pieces = form.length === 0 ? [] : [{ first: 0, last: form.length - 1 }];
  return { status: 200, fields: form.fields, pieces, length: form.length };
}

function partsPlan(parts: readonly ByteRange[], form: Representation): Plan {
  if (parts.length === 1) {
    const [part] = parts;
    const fields: Field[] = [...form.fields, ["Content-Range", contentRange(part, form.length)]];
    return { status: 206, fields, pieces: parts, length: part.last - part.first + 1 };
  }
  // Random, so that no content can hold it but by an accident that will not happen.
  const boundary = crypto.randomUUID().replaceAll("-", "");
  const { contentType, pieces, length } = multipartRanges(parts, form.length, form.type, boundary);
  const fields = form.fields.map((field): Field =>
    field[0] === "Content-Type" ? ["Content-Type", contentType] : field
  );
  return { status: 206, fields, pieces, length };
}

/** The pieces of content that is in memory, without a copy where there is only one. */
function cut(bytes: Uint8Array<ArrayBuffer>, plan: Plan): Uint8Array<ArrayBuffer> {
  const cuts = plan.pieces.map((piece) =>
    piece instanceof Uint8Array ? piece : bytes.subarray(piece.first, piece.last + 1)
  );
  if (cuts.length === 1) return cuts[0];
  const joined = new Uint8Array(plan.length);
  let at = 0;
  for (const piece of cuts) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}

/** A copy that is older than its file by more than the coarsest file system's clock was forgotten by whoever changed the file. */
function isOlder(copy: LocatedFile, file: LocatedFile): boolean {
  return versionOf(copy.info).modifiedMs < versionOf(file.info).modifiedMs - COPY_AGE_MS;
}

/** Copies that are put in place together with their files, in any order, bear times that differ by this much at most. */
const COPY_AGE_MS = 2000;

function notFound(reason: string): FoundOther {
  return { kind: "absent", error: new HttpError(404, reason) };
}

function toFound(absent: Absent): FoundOther {
  return { kind: "absent", error: new HttpError(absent.status, absent.reason) };
}

/** A file that was there a moment ago. */
function gone(instead: Absent | LocatedFolder): HttpError {
  const { status, reason } = instead.kind === "absent" ? instead : becameFolder(instead);
  return new HttpError(status, reason);
}

function becameFolder(folder: LocatedFolder): Absent {
  return { kind: "absent", status: 404, reason: `${folder.path} became a folder` };
}
