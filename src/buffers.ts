/**
 * Buffers that are used again: what streams between clients and scripts goes through a few of them. Left to the garbage
 * collector, a 1 GiB upload grew memory by 80 MiB before it was looked after.
 *
 * A buffer goes with its bytes from thread to thread, and another one comes back; each thread has a store of its own.
 *
 * @module
 */

/** The length of each, in bytes: as much as a pipe holds on Linux. */
export const BUFFER_BYTES = 65_536;

/** Room on either side of a piece in shared memory, in bytes, for what frames it: whoever the piece is lent to may write there. */
export const ROOM_BYTES = 64;

/** How many a thread keeps: 2 MiB. */
const KEPT_MAX = 32;

const kept: Uint8Array<ArrayBuffer>[] = [];

/** Bytes that are lent, and may lie in memory that another thread uses as well. */
export type LentBytes = Uint8Array<ArrayBuffer> | Uint8Array<SharedArrayBuffer>;

/** Whether bytes lie in shared memory: then there are {@linkcode ROOM_BYTES} on either side of them. */
export function isShared(bytes: LentBytes): bytes is Uint8Array<SharedArrayBuffer> {
  return bytes.buffer instanceof SharedArrayBuffer;
}

/** A buffer for whoever asks, its content of no account. */
export function takeBuffer(): Uint8Array<ArrayBuffer> {
  return kept.pop() ?? new Uint8Array(BUFFER_BYTES);
}

/** A buffer that is left over; null: none is. */
export function spareBuffer(): Uint8Array<ArrayBuffer> | null {
  return kept.pop() ?? null;
}

/** Whether `bytes` lie in a buffer of the kind that is used again. */
export function isInBuffer(bytes: Uint8Array<ArrayBuffer>): boolean {
  return bytes.buffer.byteLength === BUFFER_BYTES;
}

/**
 * Takes back the buffer in which `bytes` lie, which nobody uses any more; once each. Others than those of `BUFFER_BYTES`,
 * and those that have been transferred, are left to the garbage collector, and shared memory to those who share it.
 */
export function giveBuffer(bytes: LentBytes): void {
  if (!isShared(bytes) && isInBuffer(bytes) && kept.length < KEPT_MAX) {
    kept.push(new Uint8Array(bytes.buffer));
  }
}
