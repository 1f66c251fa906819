/**
 * Uploads into the folder of a files route whose `methods` name them: PUT, POST of multipart/form-data, DELETE.
 *
 * Nothing is seen before it is complete, and nothing is left of what broke off (see `temporary_file.ts`). A file that is
 * new takes its name only if nobody else has it, in this process or another. A file that replaces another does so if that
 * is still the one which the preconditions were about: between that look and the renaming there is nothing but the two
 * calls of the system, so only another process or another loop that writes in just that moment is overwritten.
 *
 * A path that leads to a script is the script's, whatever the method; no upload ever takes a script's name.
 *
 * @module
 */

import type { FilesHandlerConfig, Route } from "../config/config.ts";
import { type ConditionResult, evaluateConditions } from "../http/conditional.ts";
import { HttpError } from "../http/error.ts";
import { equalVersions } from "../http/etag.ts";
import type { Field } from "../http/fields.ts";
import { multipartBoundary, type MultipartPiece, MultipartReader, type PartHead } from "../http/multipart.ts";
import { encodePath } from "../http/target.ts";
import { isTemporaryName, mayNameFile } from "./file_path.ts";
import { FileServer, type FilesServices } from "./files.ts";
import type { Exchange, Handler, Outcome, Reply } from "./handler.ts";
import { extensionOf } from "./media_type.ts";
import { type LocatedFolder, ServedFolder, versionOf } from "./open_file.ts";
import { pathIn, removeStale, storageError, TemporaryFile } from "./temporary_file.ts";

/** The methods that change files. */
const METHODS = ["PUT", "POST", "DELETE"];

/** Files in one form. */
const FILES_MAX = 1000;

/** How often a file is looked at again that changes all the time. */
const ATTEMPTS = 8;

/** So many folders are remembered as looked through for what was left. */
const SWEPT_MAX = 10_000;

/** Whether a route takes uploads. */
export function takesUploads(route: Route): boolean {
  return route.handler.kind === "files" &&
    (route.methods?.some((method) => METHODS.includes(method)) ?? false);
}

/** A handler for a route that {@linkcode takesUploads}; what is none it answers as any files route does. */
export function uploadHandler(config: FilesHandlerConfig, services: FilesServices): Handler {
  const uploads = new Uploads(config, services);
  return (exchange) => uploads.handle(exchange);
}

/** Where a file is to be or is, in a folder that is there. */
interface Place {
  readonly folder: LocatedFolder;
  readonly path: string;
  /** Below the route's folder, beginning with a slash. */
  readonly below: string;
}

/** A file of a form, written and waiting for its place. */
interface Received {
  readonly name: string;
  readonly path: string;
  readonly file: TemporaryFile;
}

class Uploads {
  readonly #services: FilesServices;
  readonly #server: FileServer;
  readonly #folder: ServedFolder;
  readonly #scripts: ReadonlySet<string>;
  readonly #swept = new Set<string>();

  constructor(config: FilesHandlerConfig, services: FilesServices) {
    this.#services = services;
    this.#server = new FileServer(config, services);
    // Links may lead reading outside, never writing.
    const follow = config.followSymlinks === "never" ? "never" : "inside";
    this.#folder = new ServedFolder(config.dir, follow, services.secrets, services.wallMs);
    this.#scripts = new Set(config.scripts.map((extension) => extension.toLowerCase()));
  }

  handle(exchange: Exchange): Outcome | Promise<Outcome> {
    return METHODS.includes(exchange.method) ? this.#change(exchange) : this.#server.handle(exchange);
  }

  async #change(exchange: Exchange): Promise<Outcome> {
    const answer = await this.#server.handleScript(exchange);
    if (answer !== null) return answer;
    switch (exchange.method) {
      case "PUT":
        return await this.#put(exchange);
      case "POST":
        return await this.#post(exchange);
      default:
        return await this.#delete(exchange);
    }
  }

  async #put(exchange: Exchange): Promise<Reply> {
    const { fields } = exchange.head;
    if (fields.get("content-range") !== null) {
      throw new HttpError(400, "a PUT of a part of a file (RFC 9110, 14.5)");
    }
    const coding = fields.combined("content-encoding")?.toLowerCase() ?? "identity";
    if (coding !== "identity") {
      // It would be stored coded, and sent to all as if it were not.
      throw new HttpError(415, `a PUT in the coding ${coding}`, {
        fields: [["Accept-Encoding", "identity"]],
      });
    }
    const below = this.#checkedPath(exchange);
    if (below === "" || below.endsWith("/")) throw new HttpError(409, "a PUT to a folder");
    const place = await this.#place(below);
    if (place === null) throw new HttpError(409, `the folder of ${below} is not there`);
    await this.#assertMayWrite(place);
    const before = await this.#lookAndCheck(exchange, place);
    await this.#sweep(place.folder);
    const file = await TemporaryFile.create(place.folder, before?.isFile ? before.mode : null);
    let inode: number;
    let isNew: boolean;
    try {
      for (let bytes = await exchange.body.read(); bytes !== null; bytes = await exchange.body.read()) {
        await file.write(bytes);
      }
      inode = file.finish();
      isNew = await this.#putInPlace(exchange, place, file);
    } finally {
      file.discard();
    }
    const stored = await this.#server.validatorsOf(exchange);
    // Somebody else may have stored something else since.
    const tag: Field[] = stored !== null && stored.facts.version.inode === inode
      ? [["ETag", stored.etag]]
      : [];
    return isNew
      ? {
        kind: "reply",
        status: 201,
        fields: [["Location", encodePath(exchange.target.path)], ...tag],
        body: null,
      }
      : { kind: "reply", status: 204, fields: tag, body: null };
  }

  /** Takes the place, if the preconditions still hold; says whether nobody had it before. */
  async #putInPlace(exchange: Exchange, place: Place, file: TemporaryFile): Promise<boolean> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      await this.#assertMayWrite(place);
      const checked = await this.#lookAndCheck(exchange, place);
      const isNew = checked === null;
      if (isNew ? file.place(place.path) : isSame(checked, look(place.path))) {
        if (!isNew) file.replace(place.path);
        // In the same breath: whoever checks next must not find the old tag remembered.
        this.#services.cache.doubtAll();
        return isNew;
      }
    }
    throw new HttpError(409, `${place.path} changes all the time`);
  }

  async #delete(exchange: Exchange): Promise<Reply> {
    const below = this.#checkedPath(exchange);
    const name = below.endsWith("/") ? below.slice(0, -1) : below;
    const place = name === "" ? null : await this.#place(name);
    const info = place === null ? null : look(place.path);
    if (name === "" || info?.isDirectory) throw new HttpError(409, "a DELETE of a folder");
    if (place === null || info === null || name !== below) throw notThere(below);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if ((await this.#folder.locate(below)).kind !== "file") throw notThere(below);
      const checked = await this.#lookAndCheck(exchange, place);
      if (checked === null) throw notThere(below);
      if (!isSame(checked, look(place.path))) continue;
      try {
        // The folder may have been exchanged for a link since it was located.
        if (Deno.realPathSync(place.folder.path) !== place.folder.realPath) throw notThere(below);
        Deno.removeSync(place.path);
      } catch (error) {
        throw error instanceof Deno.errors.NotFound ? notThere(below) : storageError(error);
      }
      this.#services.cache.doubtAll();
      return { kind: "reply", status: 204, fields: [], body: null };
    }
    throw new HttpError(409, `${place.path} changes all the time`);
  }

  async #post(exchange: Exchange): Promise<Reply> {
    const { fields } = exchange.head;
    const boundary = multipartBoundary(fields.combined("content-type"));
    if (boundary === null) throw new HttpError(415, "a POST that is no multipart/form-data");
    const below = this.#checkedPath(exchange);
    const folder = await this.#folder.locate(below.endsWith("/") ? below.slice(0, -1) : below);
    if (folder.kind === "absent") throw new HttpError(folder.status, folder.reason);
    if (folder.kind === "file") throw new HttpError(409, "a POST to a file");
    const { outcome } = await this.#evaluate("POST", exchange);
    if (outcome !== "proceed") throw failed();
    await this.#sweep(folder);
    const form = new Form(folder, (fileName) => {
      const name = this.#checkedName(fileName);
      this.#assertNoSecret(folder, name);
      return name;
    });
    try {
      const reader = new MultipartReader(boundary);
      for (let bytes = await exchange.body.read(); bytes !== null; bytes = await exchange.body.read()) {
        for (const piece of reader.push(bytes)) await form.take(piece);
      }
      reader.finish();
      form.putInPlace();
    } finally {
      form.discard();
    }
    this.#services.cache.doubtAll();
    return created(exchange, form.names);
  }

  /** The path below the folder, which may name a file that is uploaded. */
  #checkedPath(exchange: Exchange): string {
    const { target, rest } = exchange;
    if (!target.isUtf8 || target.hasEncodedSlash) {
      throw new HttpError(400, `no file can have the name ${rest}`);
    }
    if (rest.includes("/.")) throw new HttpError(403, `${rest} is hidden`);
    const slash = rest.lastIndexOf("/");
    if (slash < rest.length - 1) this.#checkedName(rest.slice(slash + 1));
    const isWindows = Deno.build.os === "windows";
    if (!mayNameFile(rest, { hidden: false, isWellKnown: false, isWindows }) || CONTROL.test(rest)) {
      throw new HttpError(400, `no file can have the name ${rest}`);
    }
    return rest === "/" ? "" : rest;
  }

  /** The name that a file gets of which a client says this: its last segment, whatever kind of slash it uses. */
  #checkedName(name: string): string {
    const last = name.slice(Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\")) + 1);
    if (last.startsWith(".") || isTemporaryName(last)) throw new HttpError(403, `${last} is hidden`);
    if (this.#scripts.has(extensionOf(last))) throw new HttpError(403, `${last} would be a script`);
    const isWindows = Deno.build.os === "windows";
    const isFine = last !== "" && !CONTROL.test(last) &&
      mayNameFile(`/${last}`, { hidden: false, isWellKnown: false, isWindows });
    if (!isFine) throw new HttpError(400, `no file can have the name ${last}`);
    return last;
  }

  /** Where a path is; null where its folder is not there. */
  async #place(below: string): Promise<Place | null> {
    const slash = below.lastIndexOf("/");
    const folder = await this.#folder.locate(below.slice(0, slash));
    if (folder.kind !== "folder") return null;
    return { folder, path: pathIn(folder.path, below.slice(slash + 1)), below };
  }

  /** Only a file that would be served, or a link to one, may be replaced; and a place may be kept for a secret. */
  async #assertMayWrite({ folder, path, below }: Place): Promise<void> {
    const name = below.slice(below.lastIndexOf("/") + 1);
    if (
      this.#services.secrets.isNamed(path) || this.#services.secrets.isNamed(pathIn(folder.realPath, name))
    ) {
      throw new HttpError(403, `${path} is a secret`);
    }
    if (look(path) === null) return;
    const located = await this.#folder.locate(below);
    if (located.kind === "folder") throw new HttpError(409, "a PUT to a folder");
    if (located.kind === "absent") throw new HttpError(403, located.reason);
    if (this.#scripts.has(extensionOf(located.realPath))) {
      throw new HttpError(403, `${path} leads to a script`);
    }
  }

  #assertNoSecret(folder: LocatedFolder, name: string): void {
    const { secrets } = this.#services;
    const path = pathIn(folder.path, name);
    if (secrets.isNamed(path) || secrets.isNamed(pathIn(folder.realPath, name))) {
      throw new HttpError(403, `${path} is a secret`);
    }
  }

  /** What is at a place now, if the preconditions hold for it. */
  async #lookAndCheck(exchange: Exchange, place: Place): Promise<Deno.FileInfo | null> {
    const { method, head: { fields } } = exchange;
    const info = look(place.path);
    if (CONDITIONS.every((name) => fields.get(name) === null)) return info;
    const { outcome } = await this.#evaluate(method, exchange);
    if (outcome !== "proceed") throw failed();
    return info;
  }

  async #evaluate(method: string, exchange: Exchange): Promise<ConditionResult> {
    const current = await this.#server.validatorsOf(exchange);
    return evaluateConditions(method, exchange.head.fields, current, this.#services.wallMs);
  }

  /** Once for each folder: what a server that was killed has left there. */
  async #sweep(folder: LocatedFolder): Promise<void> {
    if (this.#swept.has(folder.realPath)) return;
    if (this.#swept.size >= SWEPT_MAX) this.#swept.clear();
    this.#swept.add(folder.realPath);
    await removeStale(folder, this.#services.wallMs());
  }
}

/** The files of one form, all of which are stored or none. */
class Form {
  readonly #folder: LocatedFolder;
  readonly #checkedName: (name: string) => string;
  readonly #received: Received[] = [];
  /** The file that is being read; null between two, and in a field that is none. */
  #open: TemporaryFile | null = null;
  /** A file input that was left empty: browsers send it without a name and without content. */
  #isNameless = false;

  constructor(folder: LocatedFolder, checkedName: (name: string) => string) {
    this.#folder = folder;
    this.#checkedName = checkedName;
  }

  /** The names of the files, in the order they came. */
  get names(): string[] {
    return this.#received.map(({ name }) => name);
  }

  async take(piece: MultipartPiece): Promise<void> {
    switch (piece.kind) {
      case "head":
        await this.#begin(piece.head);
        break;
      case "content":
        if (this.#isNameless) throw new HttpError(400, "a file without a name");
        await this.#open?.write(piece.bytes);
        break;
      case "end":
        this.#open?.finish();
        this.#open = null;
        this.#isNameless = false;
        break;
    }
  }

  async #begin({ fileName }: PartHead): Promise<void> {
    if (fileName === null) return;
    if (fileName === "") {
      this.#isNameless = true;
      return;
    }
    if (this.#received.length === FILES_MAX) throw new HttpError(413, `more than ${FILES_MAX} files`);
    const name = this.#checkedName(fileName);
    const path = pathIn(this.#folder.path, name);
    if (look(path) !== null || this.#received.some((other) => other.name === name)) throw exists(name);
    this.#open = await TemporaryFile.create(this.#folder, null);
    this.#received.push({ name, path, file: this.#open });
  }

  /**
   * Gives each file its place.
   *
   * @throws {HttpError} 400: there is none; 409: one of the names is taken. Then none has its place.
   */
  putInPlace(): void {
    if (this.#received.length === 0) throw new HttpError(400, "a form without a file");
    const placed: Received[] = [];
    try {
      for (const received of this.#received) {
        if (!received.file.place(received.path)) throw exists(received.name);
        placed.push(received);
      }
    } catch (error) {
      for (const { path } of placed) Deno.removeSync(path);
      throw error;
    }
  }

  discard(): void {
    for (const { file } of this.#received) file.discard();
  }
}

/** The preconditions that a request to change a file may have. */
const CONDITIONS = ["if-match", "if-none-match", "if-unmodified-since"];

/** Control characters, which make a mess of logs and listings. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x1f\x7f]/;

const TEXT = new TextEncoder();

/** All that was stored: Location names the one file, or the folder of several; the content names each. */
function created({ target }: Exchange, names: readonly string[]): Reply {
  const folder = target.path.endsWith("/") ? target.path : `${target.path}/`;
  const paths = names.map((name) => encodePath(folder + name));
  const fields: Field[] = [
    ["Location", paths.length === 1 ? paths[0] : encodePath(folder)],
    ["Content-Type", "text/plain; charset=utf-8"],
  ];
  return { kind: "reply", status: 201, fields, body: TEXT.encode(`${paths.join("\n")}\n`) };
}

/** What is at a path itself, be it a link; null: nothing. */
function look(path: string): Deno.FileInfo | null {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw storageError(error);
  }
}

function isSame(before: Deno.FileInfo, now: Deno.FileInfo | null): boolean {
  return now !== null && before.dev === now.dev && equalVersions(versionOf(before), versionOf(now));
}

function notThere(below: string): HttpError {
  return new HttpError(404, `no file is served by the name ${below}`);
}

function exists(name: string): HttpError {
  return new HttpError(409, `there is a file ${name}`);
}

function failed(): HttpError {
  return new HttpError(412, "a precondition does not hold");
}
