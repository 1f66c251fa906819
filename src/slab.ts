/**
 * Small arrays cut from larger ones, for what is made with each request: an array of its own costs a call of the system's
 * allocator, and another one when it is garbage.
 *
 * @module
 */

/** What pieces are cut from: as long as one of them is in use, so is all of it. */
const SLAB_BYTES = 16 * 1024;
/** Above this, an array of its own wastes less. */
const PIECE_BYTES_MAX = SLAB_BYTES / 4;

/** Cuts pieces. */
export class Slab {
  #bytes: ArrayBuffer = new ArrayBuffer(0);
  #at = 0;

  /** So many bytes, which are nobody else's. */
  cut(bytes: number): Uint8Array<ArrayBuffer> {
    if (bytes > PIECE_BYTES_MAX) return new Uint8Array(bytes);
    if (this.#at + bytes > this.#bytes.byteLength) {
      this.#bytes = new ArrayBuffer(SLAB_BYTES);
      this.#at = 0;
    }
    const piece = new Uint8Array(this.#bytes, this.#at, bytes);
    this.#at += bytes;
    return piece;
  }
}
