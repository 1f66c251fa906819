/**
 * Files that a script names in `X-Sendfile` or `X-Accel-Redirect`: the script decides who gets what, the server sends it, with
 * ranges, entity tags and conditions as any other file.
 *
 * @module
 */

import { HttpError } from "../http/error.ts";
import type { Field, FieldSection } from "../http/fields.ts";
import type { RequestHead } from "../http/head.ts";
import { ExchangeView } from "./exchange_view.ts";
import { FileServer, type FileServerConfig, type FilesServices } from "./files.ts";
import type { Exchange, Outcome, Reply } from "./handler.ts";

/** What a script said of its answer, beside the file. */
export interface SentHead {
  /** Where it is another than 200, the file is sent whole, whatever the request asked for. */
  readonly status: number;
  /** The phrase after the status; left out for the registered one. */
  readonly reason?: string;
  /** With the field that names the file. */
  readonly fields: readonly Field[];
}

/** The fields that name a file, in lower case. */
const NAMING: ReadonlySet<string> = new Set(["x-sendfile", "x-accel-redirect"]);

/** What the file itself says; a script's own word would make conditions and ranges untrue. */
const OF_THE_FILE: ReadonlySet<string> = new Set([
  "accept-ranges",
  "content-encoding",
  "content-range",
  "etag",
  "last-modified",
]);

const NO_FIELDS: FieldSection = {
  count: 0,
  nameAt: () => "",
  valueAt: () => "",
  get: () => null,
  combined: () => null,
};

/** Sends files from the folders of one route. */
export class Sendfile {
  readonly #folders: readonly { readonly dir: string; readonly server: FileServer }[];

  /**
   * Nothing is looked at yet.
   *
   * @param folders Absolute paths: from nowhere else is a file sent.
   * @param services What all files routes of the loop share.
   */
  constructor(folders: readonly string[], services: FilesServices) {
    this.#folders = folders.map((dir) => ({ dir, server: new FileServer(configOf(dir), services) }));
  }

  /** The file that a script's fields name; null without. */
  nameIn(fields: readonly Field[]): string | null {
    return fields.find(([name]) => NAMING.has(name.toLowerCase()))?.[1] ?? null;
  }

  /**
   * The answer with the file as its content.
   *
   * @param name As the script wrote it, one char per byte: an absolute path inside one of the folders, or a path below one of
   *   them, with or without a slash in front; plain or percent-encoded.
   * @throws {HttpError} 404: there is no such file in these folders. 412 and 416, by the request's own fields.
   */
  async reply(exchange: Exchange, name: string, head: SentHead): Promise<Reply> {
    const isRead = exchange.method === "GET" || exchange.method === "HEAD";
    const asked = isRead && head.status === 200 ? exchange.head : bareHead(exchange);
    for (const { below, server } of this.#candidates(name)) {
      const outcome = await answerOf(server, new SentExchange(exchange, below, asked));
      if (outcome?.kind === "reply") return merge(outcome, head);
    }
    throw new HttpError(404, `there is no file ${JSON.stringify(name)} in the folders of sendfile`);
  }

  *#candidates(name: string): Generator<{ below: string; server: FileServer }> {
    for (const path of spellings(name)) {
      for (const { dir, server } of this.#folders) {
        if (path.startsWith(`${dir}/`)) yield { below: path.slice(dir.length), server };
      }
      for (const { server } of this.#folders) {
        yield { below: path.startsWith("/") ? path : `/${path}`, server };
      }
    }
  }
}

/** The name as it is, and decoded where it may be encoded: applications do either. None where it is no UTF-8. */
function spellings(name: string): string[] {
  const found: string[] = [];
  try {
    const plain = new TextDecoder("utf-8", { fatal: true }).decode(
      Uint8Array.from(name, (char) => char.charCodeAt(0)),
    );
    found.push(plain);
    if (plain.includes("%")) found.push(decodeURIComponent(plain));
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof URIError)) throw error;
  }
  return found;
}

/** A folder from which only files are served, hidden ones too: the script has decided. */
function configOf(dir: string): FileServerConfig {
  return {
    kind: "files",
    dir,
    index: [],
    list: false,
    fallback: null,
    cacheControl: null,
    precompressed: false,
    hidden: true,
    followSymlinks: "inside",
    scripts: [],
  };
}

/** The answer of one folder; null where it has no such file. */
async function answerOf(server: FileServer, exchange: Exchange): Promise<Outcome | null> {
  try {
    const outcome = await server.handle(exchange);
    if (outcome.kind === "refusal") throw outcome.error;
    // A folder's name without its slash would be redirected.
    return outcome.kind === "reply" && outcome.status === 308 ? null : outcome;
  } catch (error) {
    if (error instanceof HttpError && (error.status === 404 || error.status === 403)) return null;
    throw error;
  }
}

/** The file's answer with what the script says of it. */
function merge(file: Reply, head: SentHead): Reply {
  const isWhole = file.status === 200;
  const own = head.fields.filter(([name]) => {
    const lower = name.toLowerCase();
    if (NAMING.has(lower) || OF_THE_FILE.has(lower)) return false;
    // Parts of a file are of another type than the file, and a 304 says nothing of its content.
    return lower !== "content-type" || isWhole || !isOwnType(file);
  });
  const names = new Set(own.map(([name]) => name.toLowerCase()));
  const fields = [...file.fields.filter(([name]) => !names.has(name.toLowerCase())), ...own];
  if (!isWhole) return { ...file, fields };
  return {
    ...file,
    status: head.status,
    ...(head.reason === undefined ? {} : { reason: head.reason }),
    fields,
  };
}

/** Whether the type of an answer that is not a whole file has to stay as it is. */
function isOwnType({ status, fields }: Reply): boolean {
  const type = fields.find(([name]) => name === "Content-Type")?.[1] ?? "";
  return status !== 206 || type.startsWith("multipart/");
}

/** The request's head without its fields: no conditions, no ranges. */
function bareHead({ head: { method, target, minor, bytes } }: Exchange): RequestHead {
  return { method, target, minor, bytes, fields: NO_FIELDS };
}

/** The exchange as the file's folder sees it: a read of the path below it. */
class SentExchange extends ExchangeView {
  readonly method: string;
  readonly target: Exchange["target"];

  constructor(exchange: Exchange, readonly rest: string, readonly head: RequestHead) {
    super(exchange);
    this.method = exchange.method === "HEAD" ? "HEAD" : "GET";
    this.target = { ...exchange.target, path: rest, rawPath: rest, isUtf8: true, hasEncodedSlash: false };
  }
}
