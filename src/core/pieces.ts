// A body that is kept piece by piece. Each piece costs an object of more than a hundred bytes, however small it is, and a client may
// send a byte at a time: kept as they come, 64 KiB would be 11 MB. So small pieces are put together, in memory of their own:
// Node cuts small buffers from a common one, which would be kept whole for one of them. Large ones are not copied.

/** So much of a request's body is kept for another attempt, and for a key to be read from it. */
export const KEPT_BODY_BYTES = 64 * 1024;
const SLAB_BYTES = 4096;

export class Pieces {
  /** The last is replaced when it grows, by one that begins with the same bytes. */
  readonly list: Buffer[] = [];
  /** What the last one is the beginning of. */
  #slab: Buffer | null = null;

  /** `chunk` is nobody else's to change. */
  add(chunk: Buffer): void {
    const { list } = this;
    const before = list.at(-1);
    const length = (before?.length ?? 0) + chunk.length;
    if (before === undefined || length > SLAB_BYTES) {
      list.push(chunk);
      return;
    }
    if (this.#slab === null || before.buffer !== this.#slab.buffer) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      before.copy(this.#slab);
    }
    chunk.copy(this.#slab, before.length);
    list[list.length - 1] = this.#slab.subarray(0, length);
  }
}
