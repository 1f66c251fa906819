/**
 * A request's content kept whole before its script starts, for scripts that want CONTENT_LENGTH where the client announced none
 * (RFC 3875, 4.1.2): in memory while it is short, else in a file that has no name.
 *
 * @module
 */

import { giveBuffer, type LentBytes, takeBuffer } from "../buffers.ts";
import type { RequestBody } from "../handlers/handler.ts";
import { HttpError } from "../http/error.ts";

/** Content for a script's input. */
export interface Content {
  /** Bytes in all; null when it streams and nobody knows. */
  readonly length: number | null;
  /** The next bytes, never empty and the caller's; null at the end. Rejects as `RequestBody.read` does. */
  read(): Promise<Uint8Array<ArrayBuffer> | null>;
  /** As `RequestBody.readInto`. */
  readInto?(room: LentBytes): Promise<LentBytes | null>;
  /** Frees what it holds. Harmless when repeated. */
  close(): void;
}

/** Up to here content stays in memory, in bytes. */
export const MEMORY_BYTES_MAX = 1 << 20;

/** What all content of this thread may take of memory together; beyond it, it goes to files from its first byte on. */
const MEMORY_BYTES_ALL_MAX = 64 << 20;
/** What it takes. */
let memoryBytes = 0;

/** Shorter chunks are gathered, in bytes. */
const COPY_BYTES_MAX = 16 * 1024;

/**
 * Reads a body to its end and keeps it.
 *
 * @param temp The folder for what is too long for memory.
 * @throws {HttpError} 507: the folder's disk is full, or takes nothing; otherwise whatever the body's `read` rejects with.
 */
export async function spool(body: RequestBody, temp: string): Promise<Content> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  let file: Deno.FsFile | null = null;
  /** What it takes of `memoryBytes`. */
  let ownBytes = 0;
  const leaveMemory = () => {
    memoryBytes -= ownBytes;
    ownBytes = 0;
  };
  try {
    for (let bytes = await body.read(); bytes !== null; bytes = await body.read()) {
      length += bytes.length;
      if (file === null && length <= MEMORY_BYTES_MAX && memoryBytes < MEMORY_BYTES_ALL_MAX) {
        append(chunks, bytes);
        ownBytes += bytes.length;
        memoryBytes += bytes.length;
        continue;
      }
      file ??= await openNameless(temp);
      for (const chunk of chunks.splice(0)) await keep(file, chunk);
      leaveMemory();
      await keep(file, bytes);
    }
    if (file === null) return kept(chunks, length, leaveMemory);
    await file.seek(0, Deno.SeekMode.Start);
    return keptInFile(file, length);
  } catch (error) {
    leaveMemory();
    file?.close();
    throw storageError(error, temp, length);
  }
}

/** What the system says of a disk that is full. */
const FULL: readonly unknown[] = ["ENOSPC", "EDQUOT", "EFBIG"];
/** And of a folder that takes nothing: it has become read-only, was taken away, or its disk fails. */
const UNUSABLE: readonly unknown[] = ["EROFS", "EACCES", "EPERM", "ENOENT", "ENOTDIR", "EIO", "ESTALE"];

/** What an error of the file system comes to; any other as it is. */
function storageError(error: unknown, temp: string, length: number): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  const reason = FULL.includes(error.code)
    ? `no room in ${temp} for a body of ${length} bytes or more: make room, or name another folder under temp`
    : UNUSABLE.includes(error.code)
    ? `no body can be kept in ${temp}: ${error.message}: make it writable, or name another folder under temp`
    : null;
  return reason === null ? error : new HttpError(507, reason, { close: true });
}

/** Adds bytes behind the last: a chunk of one byte kept by itself would take some hundreds. */
function append(chunks: Uint8Array<ArrayBuffer>[], bytes: Uint8Array<ArrayBuffer>): void {
  if (bytes.length >= COPY_BYTES_MAX) {
    chunks.push(bytes);
    return;
  }
  let last = chunks.pop();
  if (last !== undefined && last.byteOffset + last.length + bytes.length > last.buffer.byteLength) {
    chunks.push(last);
    last = undefined;
  }
  const { buffer, byteOffset, length } = last ?? takeBuffer().subarray(0, 0);
  const both = new Uint8Array(buffer, byteOffset, length + bytes.length);
  both.set(bytes, length);
  chunks.push(both);
}

function kept(chunks: Uint8Array<ArrayBuffer>[], length: number, closed: () => void): Content {
  return {
    length,
    read: () => Promise.resolve(chunks.shift() ?? null),
    close() {
      chunks.length = 0;
      closed();
    },
  };
}

function keptInFile(file: Deno.FsFile, length: number): Content {
  let isOpen = true;
  return {
    length,
    async read() {
      if (!isOpen) return null;
      const buffer = takeBuffer();
      const count = await file.read(buffer);
      return count === null ? null : buffer.subarray(0, count);
    },
    close() {
      if (isOpen) file.close();
      isOpen = false;
    },
  };
}

/** A file that is gone with its last descriptor, whatever becomes of this program. */
async function openNameless(temp: string): Promise<Deno.FsFile> {
  const path = await makeFile(temp);
  try {
    return await Deno.open(path, { read: true, write: true });
  } finally {
    await Deno.remove(path);
  }
}

/** The folder is made again where it is gone: systems clear out of /tmp what nobody has touched for days. */
async function makeFile(temp: string): Promise<string> {
  const options: Deno.MakeTempOptions = { dir: temp, prefix: "pollux-body-" };
  try {
    return await Deno.makeTempFile(options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await Deno.mkdir(temp, { recursive: true, mode: 0o700 });
    return await Deno.makeTempFile(options);
  }
}

/** Writes bytes that are needed nowhere else. */
async function keep(file: Deno.FsFile, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  await writeAll(file, bytes);
  giveBuffer(bytes);
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}
