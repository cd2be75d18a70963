// Hot: runs per read.
// Memory that all connections of a kind are read into, one after the other: each read is used up within its call, so its
// bytes are still in the cache when they are written, and a thousand connections need no more memory than one
// (docs/decisions/0036-shared-buffers.md). Small reads are of few lengths, the same again and again: their views are kept, because
// to make one costs as much as to look through a head.

/** Reads up to this size: heads, and small answers. */
const MOST_KEPT_BYTES = 2048;

export class SharedBuffer {
  readonly bytes: Buffer;
  readonly #views: (Buffer | null)[] = new Array<Buffer | null>(MOST_KEPT_BYTES + 1).fill(null);

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
  }

  /** The first `count` bytes, valid until the next read. */
  first(count: number): Buffer {
    if (count > MOST_KEPT_BYTES) return this.bytes.subarray(0, count);
    let view = this.#views[count]!;
    if (view === null) {
      view = this.bytes.subarray(0, count);
      this.#views[count] = view;
    }
    return view;
  }
}
